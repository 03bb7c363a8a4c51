"What dpfw.data.sexp promises: each value comes back equal and of the same type, each
model as an equal model, and no text does more than denote a value or fail."

(import
  collections [Counter OrderedDict defaultdict deque namedtuple]
  concurrent.futures [ThreadPoolExecutor]
  dataclasses [dataclass field]
  datetime
  datetime [time]
  decimal [Decimal]
  enum
  fractions [Fraction]
  importlib.util [find-spec]
  itertools [combinations product]
  os
  pathlib [Path]
  random [Random]
  re
  sys
  hy
  hy.models [
    Complex Expression FComponent FString Integer Keyword
    Lazy List Object Sequence String Symbol]
  hypothesis [example given strategies :as st]
  pytest
  dpfw.data.tokens
  dpfw.errors [DatumSyntaxError DpfwError UnwritableError]
  dpfw.data.packed [pack unpack]
  dpfw.data.sexp [read-datum register-type write-datum write-remote]
  tests.data.memory [peak-of]
  tests.data.values *)


(defn check [value text back]
  (assert (same back value) f"{value !r} came back as {back !r} from {text}"))


(defn check-datum [x]
  (setv text (write-datum x))
  (assert (is (type text) str) text)
  (assert (= (.splitlines (.encode text "utf-8")) [(.encode text "utf-8")]) f"no line: {text !r}")
  (check x text (read-datum text)))


(defn check-remote [x]
  (setv text (write-remote x))
  (.encode text "utf-8")
  (check x text (hy.read text)))


;; * Tests: values

(defn [(given (st.recursive (st.one-of atoms all-models) containers :max-leaves 12)) (examples 125)]
    test-any-value-comes-back [x]
  (check-datum x))


(defn test-floats-and-complex-numbers []
  (setv xs [0.0 -0.0 1.0 -1.5 1e16 1e-7 5e-324 1.7976931348623157e308 (float "nan") (float "inf") (float "-inf")])
  (check-datum xs)
  (for [x xs  y xs]
    (check-datum (complex x y))
    (check-datum [x 1 y])
    (check-remote (Complex x y))))


(defn test-huge-integers []
  (for [n [0 1999 2000 2001 14282 14290 100000]  sign [1 -1]  d [-1 0 1]]
    (setv x (* sign (+ d (<< 1 n))))
    (check-datum x)
    (check-datum [1 x 2])
    (check-datum {x [x]})
    (check-remote (Integer x))))


(defn test-the-digit-limit-does-not-matter []
  (setv limit (sys.get-int-max-str-digits)  xs [(** 10 700) (** 10 4200) (- (** 7 3000)) (** 10 5000)])
  (try
    (for [a [0 640 4300]  b [0 640 4300]]
      (sys.set-int-max-str-digits a)
      (setv text (write-datum xs)  one (write-datum (get xs 0)))
      (sys.set-int-max-str-digits b)
      (assert (= (read-datum text) xs) f"written at {a}, read at {b}")
      (assert (= (read-datum one) (get xs 0)) f"written at {a}, read at {b}")
      (with [(pytest.raises DatumSyntaxError)]
        (read-datum (* "9" 4301)))
      (with [(pytest.raises DatumSyntaxError)]
        (read-datum (+ "[1 " (* "9" 4301) "]"))))
    (finally
      (sys.set-int-max-str-digits limit))))


(defn plain-containers [inner]
  (setv lists (st.lists inner :max-size 5))
  (st.one-of lists (.map lists tuple)
    (st.dictionaries texts inner :max-size 3) (st.sets integers :max-size 3)
    (st.frozensets texts :max-size 3) (.map (st.binary) bytearray)))


(defn [(given (st.recursive
        (st.one-of (st.none) (st.booleans) integers floats complexes texts (st.binary) keywords symbols)
        plain-containers :max-leaves 6))
      (examples 30)]
    test-hy-makes-the-same-value-of-the-text [x]
  (setv text (write-datum x))
  (check x text (hy.eval (hy.read text))))


(defn test-orders-and-nan-keys []
  (setv nan (float "nan")  d {nan 1  (float "nan") 2  nan 3  "b" 0  "a" 0})
  (check-datum d)
  (check-datum (Counter "hello"))
  (check-datum (OrderedDict [#(2 1) #(1 2)]))
  (check-datum #{nan (float "nan") (Decimal "NaN")}))


(defn test-shared-values-come-back-as-equal-copies []
  (setv shared [1]  [a b] (read-datum (write-datum [shared shared])))
  (assert (and (= a b [1]) (is-not a b)) [a b]))


(defn test-one-line-of-utf-8 []
  (for [n (range 0x3000)]
    (setv c (chr n)  text (write-datum [c]))
    (assert (= (len (.splitlines text)) 1) f"{c !r} -> {text !r}")
    (assert (not (re.search r"[\x00-\x1f\x7f-\x9f]" text)) f"{c !r} -> {text !r}")))


(defn deque-of [x]
  (deque [x]))


(defn test-depth []
  (for [[seed wrap] [
      [1 (fn [x] [x])] [1 (fn [x] #(x))] [1 (fn [x] {1 x})] [1 deque-of] ['a (fn [x] [x])]
      ['a (fn [x] `[~x])] ['a (fn [x] `(f ~x))] ['a (fn [x] `'~x)] [(String "a" :brackets "") (fn [x] `[~x])]
      [(FString [(String "a")]) (fn [x] (FString [(FComponent [x])]))]]]
    (setv written 0)
    (for [n (range 90 210)]
      (setv x (nested n seed wrap))
      (try
        (setv text (write-datum x))
        (except [UnwritableError])
        (else
          (setv written n)
          (read-datum text))))
    (assert (in written [99 100 197 198 199 200]) [seed written])
    (for [x [(nested 300 seed wrap) (nested 10000 seed wrap)]]
      (with [e (pytest.raises UnwritableError)]
        (write-datum x))
      (assert (in "200 levels" (str e.value)) e.value)
      (assert (< (len (str e.value)) 500) e.value)))
  (for [text [(* "[" 201) (+ (* "[" 100000) (* "]" 100000)) (* "(deque " 9999) (* "'(" 9999) (* "'" 9999) (+ (* "#(" 300) (* ")" 300))]]
    (with [e (pytest.raises DatumSyntaxError)]
      (read-datum text))
    (assert (in "200 levels" e.value.msg) e.value))
  (defn dig [n]
    (if n (dig (- n 1)) (write-datum (nested 150 1 (fn [x] [x])))))
  (with [(pytest.raises UnwritableError)]
    (dig (- (sys.getrecursionlimit) 150))))


;; * Tests: what cannot be written

(defclass MyList [list])
(defclass MyDict [dict])
(defclass MyDate [datetime.date])
(defclass MyDecimal [Decimal])
(defclass MySymbol [Symbol])
(defclass Colour [enum.IntEnum] (setv RED 1))
(defclass Zone [datetime.tzinfo])
(setv Pair (namedtuple "Pair" "a b"))


(defn test-what-is-refused []
  (for [[x name] [
      [(MyInt 1) "MyInt"] [(MyStr "a") "MyStr"] [(MyList) "MyList"] [(MyDict) "MyDict"]
      [(MyDate 1 1 1) "MyDate"] [(MyDecimal 1) "MyDecimal"] [(MySymbol "a" :from-parser True) "MySymbol"]
      [Colour.RED "Colour"] [(Pair 1 2) "Pair"] [(defaultdict (fn [])) "defaultdict"] [print "function"]
      [(fn []) "function"] [int "type"] [(object) "object"] [Ellipsis "llipsis"]
      [(.keys {}) "dict_keys"] [(.cast (memoryview b"") "P") "memoryview"] [(Lazy (iter [])) "Lazy"] [(Object) "Object"]
      [(time :tzinfo (Zone)) "Zone"] [(List [1]) "int"] [(Expression ['a #(1)]) "tuple"]]]
    (for [y [x [1 x] {"k" x} [x 1 "a"] [x x]]]
      (with [e (pytest.raises UnwritableError)]
        (write-datum y))
      (assert (in name (str e.value)) f"{e.value} does not name {name}"))))


(defn test-where-it-is []
  (setv f (fn []))
  (for [[x place] [
      [[1 2 3 {"key" f}] "[3][\"key\"]"]
      [#(1 [f]) "[1][0]"]
      [{1 2 #(3 f) 4} "<key 1>[1]"]
      [{(** 10 50) [f]} "[100000000000"]
      [(deque [1 f]) "<deque>[0][1]"]
      [(OrderedDict [#("a" f)]) "<OrderedDict>[0][0][1]"]
      [['(a b) `(a [~f])] "[1][1][0]"]]]
    (with [e (pytest.raises UnwritableError)]
      (write-datum x))
    (assert (in f"(at {place}" (str e.value)) f"{place}: {e.value}")
    (assert (isinstance e.value TypeError)))
  (with [e (pytest.raises UnwritableError)]
    (write-datum f))
  (assert (not-in "(at" (str e.value)) e.value)
  (with [e (pytest.raises UnwritableError)]
    (write-remote `(fn [i o] (g {"a" ~f}))))
  (assert (in "(at [2][1][1])" (str e.value)) e.value))


(defclass [dataclass] Place []
  #^ str name
  (setv #^ int floor 0))


(defclass [dataclass] Hidden []
  #^ int shown
  (setv #^ int hidden (field :init False)))


(defclass Mood [enum.Enum] (setv GOOD "good"  BAD [1]))


(defn test-what-is-refused-comes-with-the-call-that-helps []
  (for [[x help] [
      [(.keys {}) "(list x)"] [(.items {}) "(list x)"] [(iter [1]) "(list x)"] [(map abs []) "(list x)"]
      [(gfor  x []  x) "(list x)"]
      [(MyInt 1) "(int x)"] [(MyStr "a") "(str x)"] [(MyList) "(list x)"] [(MyDict) "(dict x)"]
      [os.environ "(dict x)"] [(defaultdict (fn [])) "(dict x)"]
      [(Pair 1 2) "(register-type Pair)"] [(Place "a") "(register-type Place)"] [Mood.GOOD "(register-type Mood)"]
      [(Hidden 1) "(register-type Hidden \"Hidden\" writer reader)"]
      [(object) "(register-type object \"object\" writer reader)"]
      [print "quote it"] [(fn []) "quote it"] [int "quote it"] [sys "quote it"]]]
    (with [e (pytest.raises UnwritableError)]
      (write-datum [x]))
    (assert (in help (str e.value)) f"{e.value} does not say {help}")))


(defn test-in-a-full-stack []
  (for [[write what] [
      [(fn [] (write-datum (nested 50 1 (fn [x] [x])))) "the value"]
      [(fn [] (write-remote (nested 50 'x (fn [x] `[~x])))) "the remote"]]]
    (setv e (deepest write))
    (assert (= (str e) f"cannot write {what}: the stack is too deep here") e)
    (assert (and (is e.__cause__ None) e.__suppress-context__) e.__cause__)))


(defn test-what-contains-itself []
  (setv a [1]  b {"k" [a]}  c (deque))
  (.append a b)
  (.append c [c])
  (for [[x name] [[a "list"] [b "dict"] [[0 a] "list"] [c "deque"] [(List [(List a)]) "dict"]]]
    (with [e (pytest.raises UnwritableError)]
      (if (isinstance x List)
        (write-remote x)
        (write-datum x)))
    (assert (in f"type {name} that contains itself" (str (.replace (str e.value) "collections." ""))) e.value)))


;; * Tests: reading

(defn check-any-text [text]
  (try
    (setv _ (read-datum text))
    (except [e DatumSyntaxError]
      (assert e.msg)
      (assert (and (>= e.lineno 1) (>= e.offset 1)) [text e.lineno e.offset])
      (assert (<= e.offset (+ 1 (len (get (.split (+ text "\n") "\n") (- e.lineno 1))))) [text e.lineno e.offset])
      (assert (isinstance e #(DpfwError SyntaxError)))
      (assert (str e)))))


(defn [(given texts) (examples 150)
       (example "\"\\") (example "{1 2 [") (example "'(a . b")]
    test-any-text-is-a-value-or-an-error [text]
  (check-any-text text))


(defn [(given (st.text :alphabet "()[]{}#'`~\"\\b 1.0e-+jxInfaN:@*_\n") ) (examples 250)]
    test-any-text-like-a-datum [text]
  (check-any-text text))


(defn [(given (st.lists :max-size 9 (st.sampled-from [
        "(" ")" "[" "]" "{" "}" "#(" "#{" "'" "`" "~" "~@" "#*" "#^" " " " " " " "\n" "\"a\"" "b\"\"" "5" "-1.5" "0x1f"
        "NaN" "1e999" "None" "True" ":k" "sym" "a.b" ".." "Fraction" "Decimal" "datetime" "timezone" "timedelta"
        "ZoneInfo" "frozenset" "bytearray" "range" "slice" "deque" "Counter" "OrderedDict" "UUID" "array" "date" "time"
        "(range " "(deque []" "(bytearray " "99999999999999999999" "#String(" "#FString(" "#FComponent(" "f\"{x}\""])))
      (examples 300)]
    test-any-tokens [tokens]
  (check-any-text (.join "" tokens)))


(defn [(given (st.recursive (st.one-of atoms all-models) containers :max-leaves 6) (st.randoms))
      (examples 100)]
    test-mutated-texts [x random]
  (setv text (write-datum x))
  (for [_ (range 5)]
    (setv i (random.randint 0 (len text))  j (random.randint i (len text)))
    (check-any-text (cut text i))
    (check-any-text (+ (cut text i) (cut text j None)))
    (check-any-text (+ (cut text i) (random.choice "()[]{}\"\\' 0a#:~\0") (cut text j None)))))


(defn test-bad-texts []
  (for [[text lineno offset] [
      ["" 1 1] ["  " 1 3] ["foo" 1 1] ["[1 foo]" 1 4] ["[1\n 2 bar]" 2 4] ["1 2" 1 1] ["[1] [2]" 1 5] ["[1]]" 1 4]
      ["[1 2)" 1 5] ["[1 2" 1 5] ["]" 1 1] ["[1 \"abc" 1 4] ["\"a\\qb\"" 1 1] ["\"\\ud8\"" 1 1] ["\"\\U00110000\"" 1 1] ["b\"é\"" 1 1]
      ["{1 2 1 3}" 1 9] ["{1}" 1 3] ["#{1 1}" 1 6] ["#{1 True}" 1 9] ["#{[]}" 1 5] ["{{} 1}" 1 6]
      ["(Fraction 1 0)" 1 14] ["(Fraction 2 4)" 1 14] ["(Fraction 1.0 2)" 1 16] ["(nobody 1)" 1 2] ["(+ 1 2)" 1 2] ["()" 1 2]
      ["(bytearray 99999999999999)" 1 26] ["(bytearray 5)" 1 13] ["(frozenset [1])" 1 15] ["(deque \"ab\")" 1 12] ["(Decimal 5)" 1 11] ["(range 1 2 0)" 1 13] ["(deque [] -1)" 1 13] ["(Decimal \"x\")" 1 13] ["(slice 1 2)" 1 11]
      ["(array \"u\" 4 \"\")" 1 16] ["(array \"q\" 4 \"\")" 1 16] ["(array \"q\" 8 \"00\")" 1 18] ["(array \"b\" 1 \"0A\")" 1 18] ["(array \"b\" 1 \"0 1\")" 1 19] ["(array \"bh\" 1 \"\")" 1 17] ["(array \"b\" 1 [0])" 1 17]
      ["(ZoneInfo \"../../etc/passwd\")" 1 29] ["(ZoneInfo \"No/Where\")" 1 21] ["(datetime 2024 13 1 0 0 0 0)" 1 28] ["(timedelta 1.5 0 0)" 1 19]
      ["[1 2 -- 3]" 1 6] ["[1 2 1.2.3 4]" 1 6] ["1e" 1 1] ["0x" 1 1] ["-" 1 1] ["--1" 1 1] ["inf" 1 1] ["nan" 1 1] ["-nan" 1 1] ["j" 1 1]
      ["ab\"c\"" 1 1] ["1\"a\"" 1 1] ["; a comment" 1 1] ["~x" 1 1] ["`x" 1 1] ["#*x" 1 1]
      ["'" 1 2] ["'(a" 1 4] ["'(a]" 1 4] ["')" 1 2] ["[']" 1 3] ["'f\"{x}\"" 1 2] ["'#foo(1)" 1 2] ["'a..b" 1 2] ["'#[[x]]" 1 2]
      ["'#FString(None False \"a\" \"b\")" 1 29] ["'#String(1 2)" 1 13] ["'#FString()" 1 11] [":a.b" 1 1] ["'1_" 1 2] ["(quote x)" 1 2] ["(hy.eval 1)" 1 2]]]
    (with [e (pytest.raises DatumSyntaxError)]
      (setv back (read-datum text))
      (print f"{text !r} was read as {back !r}"))
    (assert (= [e.value.lineno e.value.offset] [lineno offset]) f"{text !r}: {e.value !r}")))


(defn test-errors-tell-the-cause []
  (with [e (pytest.raises DatumSyntaxError :match "Fraction.*ZeroDivisionError")]
    (read-datum "(Fraction 1 0)"))
  (assert (isinstance e.value.__cause__ ZeroDivisionError)))


(defn test-no-text-takes-long []
  "Time is linear in the length of the text, also for these; else it would be hours,
  and the watchdog would not wait so long."
  (for [part ["\"\\\"" "1_" "a\"" "- " "1 x" "'1 " "'" "\"" "\"a\" " "1.e" "a." "[" "[1] " "{1 " "#" "~@" ":" "1" "\\" "1e5+" "(" "b\"" "\"\n" " " ".a" "'a.b " "\\n" "\\\"" "\"\\n\" "]]
    (for [[before after] [["" ""] ["[" "]"] ["'[" "]"] ["\"" ""] ["" "x"]]]
      (check-any-text (+ before (* part 20,000) after)))))


;; * Tests: what would take quadratic time, or worse

(defn refused-both-ways [x text]
  (with [e (pytest.raises UnwritableError)]
    (write-datum x))
  (assert (in "hash" (str e.value)) e.value)
  (with [e (pytest.raises DatumSyntaxError)]
    (read-datum text))
  (assert (in "hash" (str e.value)) e.value))


(defn text-of [x]
  "The text of a value, even where `write-datum` refuses it."
  (cond
    (in (type x) [set dict]) (+ (if (is (type x) set) "#{" "{")
      (.join " " (if (is (type x) set) (map text-of x) (gfor  kv (.items x)  y kv  (text-of y)))) "}")
    (is (type x) frozenset) f"(frozenset {(text-of (set x))})"
    (is (type x) Counter) f"(Counter {(text-of (dict x))})"
    (is (type x) OrderedDict) f"(OrderedDict {(text-of (list (.items x)))})"
    (is (type x) list) (+ "[" (.join " " (map text-of x)) "]")
    (is (type x) tuple) (+ "#(" (.join " " (map text-of x)) ")")
    True (write-datum x)))


(defn [(pytest.mark.parametrize "name" (list CROWDS))] test-many-keys-of-one-hash [name]
  (setv xs (get CROWDS name))
  (assert (= (len (set xs)) (len xs)))
  (assert (= (len (set (map hash xs))) 1) (set (map hash xs)))
  (for [x (keyed-by xs)]
    (refused-both-ways x (text-of x)))
  (for [x (keyed-by (+ xs (list (range 10,000))))]
    (refused-both-ways x (text-of x))))


(setv compared 0)

(defclass Alike []
  "All of one hash; comparisons are counted."
  (defn __init__ [self n] (setv self.n n))
  (defn __hash__ [self] 1)
  (defn __eq__ [self other]
    (global compared)
    (+= compared 1)
    (and (is (type other) Alike) (= self.n other.n))))


(defn test-nothing-is-compared-that-is-refused []
  (global compared)
  (register-type Alike "Alike" (fn [x] [x.n]))
  (setv keys (lfor  n (range 2000)  f"(Alike {n})"))
  (for [text [(+ "#{" (.join " " keys) "}")
              (+ "{" (.join " 0 " keys) " 0}")
              (+ "(frozenset #{" (.join " " keys) "})")
              (+ "(Counter {" (.join " 0 " keys) " 0})")
              (+ "(OrderedDict [" (.join " " (gfor  k keys  f"#({k} 0)")) "])")
              ; The same, again and again, would also be compared.
              (+ "#{" (* "(Alike 1) " 2000) "}")
              (+ "(OrderedDict [" (* "#((Alike 1) 0) " 2000) "])")]]
    (setv compared 0)
    (with [(pytest.raises DatumSyntaxError :match "hash")]
      (read-datum text))
    (assert (= compared 0) [compared (cut text 30)])))


(defn test-some-keys-of-one-hash []
  (setv ints (lfor  k (range 1 101)  (* k PRIME)))
  (for [xs [
      ints
      (+ ints (list (range 1 5000)))
      (list (product (range -20 20) (range -20 20) (range -3 3)))
      (list (product [-2 -1 0 1 2] :repeat 5))
      (lfor  n (range 2000)  (<< 1 n))
      (lfor  n (range 3000)  (/ n 1024))
      (lfor  [a b] (product (range -9 9) :repeat 2)  (frozenset [a b #(a b)]))
      (lfor  [a b] (combinations (range -9 9) 2)  (frozenset [#(a b) (frozenset [#(a) #(b) -1 -2])]))
      [(Decimal 1) (Decimal 2) 3 (** 7 4000)]
      [-1 -2 (Decimal 1) (** 7 4000)]]]
    (for [x (keyed-by xs)]
      (check-equal x))))


(defn check-equal [x]
  ; `same` takes quadratic time for sets.
  (assert (= (read-datum (write-datum x)) (read-datum (text-of x)) x)))


(defn test-sets-within-sets []
  "Of a line of 400 kB, three seconds went by; with four times its length, 40."
  (check-equal (nested-sets 4 2 0))
  (check-equal (nested-sets 2 5 0))
  (check-equal #{(nested-sets 10 1 0) (nested-sets 10 1 1)})
  (check-equal (nested-sets 100 1 0))
  (for [x [(nested-sets 4 4 0) (nested-sets 2 7 0) {(nested-sets 51 1 0) 1  (nested-sets 51 1 1) 2}
           #{#(1 (nested-sets 20 1 0)) #(1 (nested-sets 20 1 1)) #(1 (nested-sets 20 1 2))
             #(1 (nested-sets 20 1 3)) #(1 (nested-sets 20 1 4)) #(1 (nested-sets 20 1 5))}]]
    (for [y [x [x] (OrderedDict [#(1 2) #(#("a") x)])]]
      (refused-both-ways y (text-of y)))))


(defn test-decimals-beside-huge-integers []
  "Comparing them takes quadratic time: of 100 kB, nine seconds."
  (setv n (** 7 20,000)  d (Decimal (% n PRIME)))
  (assert (and (= (hash n) (hash d)) (!= n d)))
  (setv f (Fraction n 3)  e (Decimal (hash f)))
  (for [pair [[n d] [#(1 n) #(1 d)] [f e] [(frozenset [n]) (frozenset [d])] [(Integer n) d]]]
    (for [x (keyed-by pair)]
      (refused-both-ways x (text-of x))))
  ; Where nothing has to be compared, they can stand side by side.
  (check-datum #{n (+ d 1) (Decimal 5)})
  (check-datum [n d])
  (check-datum {n d}))


(setv few-hashes [
  -1 -2 0 PRIME (* 2 PRIME) (* 3 PRIME) 1 (<< 1 61) (<< 1 12,200) (+ 1 (* 2 PRIME)) (Fraction 1 3)
  (Decimal -1) (Decimal -2) (Decimal PRIME) (Decimal (* 3 PRIME)) (Decimal (+ 1 (* 3 PRIME)))])


(defn random-set [random depth]
  (frozenset (gfor  _ (range (random.randint 0 5))
    (cond
      (or (= depth 0) (random.getrandbits 1)) (random.choice few-hashes)
      (random.getrandbits 1) #((random-set random (- depth 1)) (random.choice few-hashes))
      True (random-set random (- depth 1))))))


(defn test-what-is-written-is-read-whatever-its-hashes []
  (setv refused 0  cases 500)
  (for [seed (range cases)]
    (setv x (random-set (Random seed) 4))
    (for [y [x (set x) (dict.fromkeys x 0) (OrderedDict.fromkeys x 0)]]
      (try
        (setv text (write-datum y))
        (except [UnwritableError]
          (+= refused 1)
          (with [(pytest.raises DatumSyntaxError :match "hash")]
            (read-datum (text-of y))))
        (else
          (assert (= (read-datum text) y) seed)))))
  ; Else they would show little.
  (assert (< 40 refused (* 2 cases)) refused))


(defn test-fractions-of-huge-numbers []
  "To see that one is in its lowest terms takes quadratic time."
  (setv most (<< 1 65,535)  above (<< 1 65,536))
  (for [n [(- above 1) (+ most 1) (- 1 above)]  x [(Fraction n 2) (Fraction 2 n) (Fraction n 1)]]
    (check-datum [x]))
  (for [x [(Fraction (+ above 1) 2) (Fraction 2 (+ above 1)) (Fraction above 1) (- (Fraction above 3))]]
    (with [e (pytest.raises UnwritableError :match "65536 bits")]
      (write-datum [x]))
    (assert (in "Fraction" (str e.value)) e.value)
    (assert (in "[0]" (str e.value)) e.value)
    (with [(pytest.raises DatumSyntaxError :match "65536 bits")]
      (read-datum f"(Fraction {(hex x.numerator)} {(hex x.denominator)})"))))


;; * Tests: memory

(setv SIZE 400,000)  ; characters


(defn read-or-refuse [text]
  (try
    (read-datum text)
    (except [DatumSyntaxError])))


(defn [(pytest.mark.parametrize "text" (lfor
        [before part after] [
          ["\"" "\\n" "\""] ["\"" "\\\\" "\""] ["\"" "\\\"" "\""] ["\"" "\\\"\\\\" "\""] ["\"" "\\x00" "\""] ["\"" "\\u20ac" "\""]
          ["\"" "€" "\\n\""] ["\"" "a" "\\n\""] ["\"" "é" "\\n\""] ["\"" "\\U0001f600" "\""] ["\"" "aaaaaaaaa\\n" "\""]
          ["b\"" "\\x00" "\""] ["b\"" "\\\\" "\""] ["b\"" "\\\"" "\""] ["b\"" "a" "\\n\""]
          ["'" "-" ""] ["'" "é" ""] ["'" "a" ""] [":" "a" ""] ["0x" "f" ""] ["-0x" "1" ""] ["(Decimal \"" "1" "\")"]
          ["(array \"b\" 1 \"" "00" "\")"] ["'b\"" "\\x00" "\""] ["'\"" "\\n" "\""]
          ["'#String(\"" "\\n" "\" \"\")"] ["'#FString(None False \"" "\\n" "\")"]
          ; Refused:
          ["\"" "\\n" ""] ["\"" "\\\"" ""] ["\"" "\\" ""] ["\"" "\\n" "\\q\""] ["\"" "\\q" "\""] ["b\"" "\\u20ac" "\""]
          ["" "9" ""] ["" "1." ""] ["" "1e" ""] ["" "#" ""] ["" "-" ""] ["" "1" "x"] ["'" "j" ""] ["'" "1" "_"] ["'" "." "a"]
          ["(" "a" ")"] ["(UUID \"" "0" "\")"] ["(ZoneInfo \"" "a" "\")"] ["" "\\" ""] ["" "a\\" ""]]
        (+ before (* part (// SIZE (len part))) after))
      :ids (fn [text] (ascii (+ (cut text 12) ".." (cut text -3 None)))))]
    test-a-long-token-takes-at-most-four-times-its-text [text]
  "The text itself is one of the four."
  (setv peak (peak-of (fn [] (read-or-refuse text)))
        size (sys.getsizeof text))
  ; Decimal has a copy of its own.
  (assert (< peak (+ (* (if (in "Decimal" text) 3.5 3) size) 100,000)) (/ peak size)))


(defn test-long-strings []
  "Which are taken in pieces, between escapes."
  (for [n (range 12)  part ["😀\ud800" "\n" "\\" "\"" "\x01" "€\n" "a\u2028bcdefghij" "ab"]]
    (setv x (+ (* "a" n) (* part (// 70,000 (len part)))))
    (assert (= (read-datum (write-datum x)) x) [n part])
    (setv text (+ "\"" (* "a" n) (.join "" (gfor  c (* part (// 8,000 (len part)))  (% r"\U%08x" (ord c)))) "\""))
    (assert (= (read-datum text) (+ (* "a" n) (* part (// 8,000 (len part))))) [n part]))
  (setv b (* (bytes (range 256)) 300))
  (for [n (range 12)]
    (check-datum (+ (* b"a" n) b))))


(defn [(pytest.mark.parametrize #("part" "size") [
        #("\"\" " 8) #("\"\\n\" " 8) #("\"\\\"\" " 60) #("b\"\" " 8) #("1 " 8) #("1.5 " 32) #("999 " 36)
        #("None " 8) #("\"a\" \"\\\\\" " 68)])]
    test-many-tokens-take-little-but-their-values [part size]
  "``size`` is that of the values, and of their places in a list, in bytes."
  (setv n (// SIZE (len part))
        text (+ "[" (* part n) "]")
        peak (peak-of (fn [] (read-datum text)))
        least (* n size))
  ; The tokens, of some 60 bytes each, and a list of them.
  (assert (< peak (+ (* 1.2 least) (* 75 n) (* 3 (len text)))) [(/ peak (len text)) (/ least (len text))]))


(defn test-a-dict-of-numbers-is-read-at-once [monkeypatch]
  (setv d (dfor  n (range 500)  n (- n 0.5)))
  (monkeypatch.setattr dpfw.data.tokens "each_number" None)
  (check-datum d))


(defn test-a-dotted-name-of-many-parts []
  "The rest of its size is that of the symbols."
  (setv n 20,000
        text (+ "'a" (* ".a" n))
        names (peak-of (fn [] (read-datum (+ "'(" (* "a " n) ")")))))
  (assert (< (peak-of (fn [] (read-or-refuse text))) (* 1.5 names))))


(defn test-only-text-is-read []
  (for [x [b"5" None 5 ["5"]]]
    (with [(pytest.raises TypeError)]
      (read-datum x))))


;; * Tests: registered types

(defclass Point []
  (defn __init__ [self x y] (setv self.x x  self.y y))
  (defn __eq__ [self other] (and (is (type other) Point) (= self.x other.x) (= self.y other.y)))
  (defn __hash__ [self] (hash self.x)))


(defn fields [p]
  [p.x p.y])


(defclass Sub [Point])


(defn test-registered-types []
  (with [(pytest.raises UnwritableError)]
    (write-datum (Point 1 2)))
  (register-type Point "geo.Point" fields)
  (assert (= (write-datum (Point 1 [2])) "(geo.Point 1 [2])"))
  (setv x {(Point 1 2) [(Point (Point 1 "a") None)]})
  (assert (= (read-datum (write-datum x)) x))
  (with [e (pytest.raises UnwritableError :match "Sub")]
    (write-datum [(Sub 1 2)]))
  (with [e (pytest.raises UnwritableError)]
    (write-datum (Point 1 [0 print])))
  (assert (in "(at <geo.Point>[1][1])" (str e.value)) e.value)
  (for [[text cause] [["(geo.Point 1)" TypeError] ["(geo.Point 1 2 3)" TypeError]]]
    (with [e (pytest.raises DatumSyntaxError :match "geo.Point")]
      (read-datum text))
    (assert (isinstance e.value.__cause__ cause) e.value))
  ;; Again, and anew: the later call holds.
  (register-type Point "geo.Point" fields)
  (register-type Point "geo.Point" (fn [p] [p.y p.x]) (fn [y x] (Point x y)))
  (assert (= (write-datum (Point 1 2)) "(geo.Point 2 1)"))
  (assert (= (read-datum "(geo.Point 2 1)") (Point 1 2))))


(defn test-types-that-tell-what-they-are-made-of []
  (for [[cls values] [
      [Pair [(Pair 1 [2]) (Pair None (Pair 1 2))]]
      [Place [(Place "attic" 9) (Place "here")]]
      [Mood [Mood.GOOD Mood.BAD]]]]
    (register-type cls)
    (for [x values]
      (setv back (read-datum (write-datum [x])))
      (assert (and (= back [x]) (is (type (get back 0)) cls)) back)
      (assert (= (unpack (.join b"" (pack (* [x] 100)))) (* [x] 100)))))
  (assert (= (write-datum (Place "here")) "(Place \"here\" 0)"))
  ; Not even with what a default would stand for.
  (for [text ["(Place \"here\")" "(Pair 1)" "(Pair 1 2 3)" "(Mood 5)"]]
    (with [_ (pytest.raises DatumSyntaxError)]
      (read-datum text)))
  (with [e (pytest.raises TypeError :match "give a writer and a reader")]
    (register-type Hidden)))


(defn test-paths-and-default-dicts-are-read-as-they-are-written []
  (for [text ["(PosixPath \"a//b\")" "(PosixPath \"\")" "(PosixPath b\"a\")" "(PureWindowsPath \"c:/a\")"
              "(defaultdict {} \"eval\")" "(defaultdict {} \"object\")" "(defaultdict [#(1 2)] \"int\")"
              "(defaultdict {} None 5)" "(defaultdict {} 5)"]]
    (with [_ (pytest.raises DatumSyntaxError)]
      (read-datum text)))
  (check-datum (defaultdict int {"a" (defaultdict None)}))
  (check-datum {(Path "/a/b") (Path "c")}))


(defn test-a-class-that-is-defined-again []
  (defn define []
    (defclass Again [])
    Again)
  (setv a (define)  b (define))
  (register-type a "Again" (fn [x] []))
  (register-type b "Again" (fn [x] []))
  (assert (is (type (read-datum "(Again)")) b))
  (with [(pytest.raises UnwritableError)]
    (write-datum (a))))


(defn test-registration-refused []
  (register-type MyInt "MyInt" (fn [x] [(int x)]))
  (for [[cls tag error] [
      [MyStr "MyInt" "taken"] [MyInt "OtherInt" "already"] [MyStr "Decimal" "taken"] [Decimal "Dec" "already"]
      [int "int" "own"] [list "list" "own"] [dict "dict" "own"] [Symbol "Symbol" "own"] [(type None) "N" "own"]
      [MyStr "a b" "tag"] [MyStr "" "tag"] [MyStr "1" "tag"] [MyStr "a)" "tag"] [MyStr "\"" "tag"] [MyStr 5 "tag"]]]
    (with [e (pytest.raises ValueError)]
      (register-type cls tag (fn [x] [(str x)])))
    (assert (in error (str e.value)) [cls tag e.value]))
  (with [(pytest.raises TypeError)]
    (register-type 5 "five" (fn [x] []))))


(defclass Broken [])


(defn test-broken-writers []
  (for [[writer message] [
      [(fn [x] (/ 1 0)) "ZeroDivisionError"] [(fn [x] "ab") "list"] [(fn [x] None) "list"] [(fn [x] [x]) "itself"]]]
    (register-type Broken "Broken" writer)
    (with [e (pytest.raises UnwritableError :match message)]
      (write-datum [(Broken)]))
    (assert (in "Broken" (str e.value)) e.value)
    (assert (= (is e.value.__cause__ None) (!= message "ZeroDivisionError")) e.value.__cause__)))


;; * Tests: models

(defn [(given all-models) (examples 100)]
    test-models-come-back-as-remotes [m]
  (check-remote m))


(defn [(given odd-models) (examples 150)]
    test-odd-models-come-back-or-are-refused [m]
  (check-datum m)
  (try
    (setv text (write-remote m))
    (except [UnwritableError])
    (else
      (setv back (hy.read text))
      ; A component that was made by hand has no text of its form.
      (assert (same (without-expressions back) (without-expressions m)) f"{m !r} -> {text} -> {back !r}"))))


(defn without-expressions [m]
  (cond
    (is (type m) FComponent)
      (FComponent (map without-expressions m) m.conversion (if m.is-tstring m.expression "") m.is-tstring)
    (is (type m) FString)
      (FString (map without-expressions m) m.brackets m.is-tstring)
    (isinstance m Sequence)
      ((type m) (map without-expressions m))
    True m))


(setv SOURCES [
  "x" ":" ":a" "a.:b" "+.#b" ".#" "..:a.b" "(f -.a #* b.c.#_)" "a.b.c" ".a.b" "..a" "...a.b" "(. a b)" "(. a [0] (f x))" "(. None a)" "." ".." "None.a" "(.)" "(. a)" "(.. a b)"
  "'x" "`(a ~b ~@c)" "~ @b" "~@b" "~ @b.c" "~@@b" "(unquote)" "(quote a b)" "''a" "'~`~@x" "~~@x" "(unquote-splice @x)"
  "#* xs" "#** xs" "(f #* a #** b)" "(unpack-iterable a b)" "#^ int x" "(defn #^ int f [#^ (get list int) x])" "#^ a ~ @b"
  "b\"\\x00'\\\"\\n\"" "\"a\nb\"" "r\"\\d\"" "\"\\N{EN DASH}\"" "5_000" "0xff" "1e5" "-0.0" "NaN" "-Inf" "1+2j" "-0j" "NaN-Infj" "-0-0j" "Infj" "1,000" "007" ".5" "5."
  "#[[a]]" "#[[\n\na]]" "#[[\n]]" "#[x[a]]b]x]" "#[x[\n\n\n]x]" "#[[a\r\nb]]" "#[[]]" "#[[ ] ]]" "#[=[]]]=]" "#[a b[\"\\n]a b]" "#[foo[{x}]foo]"
  "#[f[{x}]f]" "#[f[\n\n{x}]f]" "#[f-y[{{{x}}}\\n\"]f-y]" "#[f[{x !r:>{w}}]]f]" "#[f[]x{y}]f]" "#[t[{x}]t]" "#[f[]f]" "#[f[{x}]f]" "#[f[]a{x}]f]"
  "f\"\"" "f\"{x}\"" "f\"a{x}b\"" "f\"{{}}\"" "f\"{x !r}\"" "f\"{x:10 !r}\"" "f\"{x :10}\"" "f\"{x !s:>{w}.{p}}\"" "f\"{x=}\"" "f\"{x = }\"" "f\"{x = !s:5}\""
  "f\"{ {1 2} }\"" "f\"{ #{1} }\"" "f\"{(f \"}\" x)}\"" "f\"\\N{EN DASH}{x}\"" "f\"\\\\N{x}\"" "rf\"\\{x}\"" "f\"{\"\"}\"" "f\"{f\"{x}\"}\"" "f\"{(f   x) }\"" "f\"{#_ a b}\""
  "f\"{x :{y}{z}\\x7d}\"" "f\"{:a}\"" "f\"{~x}\"" "f\"{ ~@x }\"" "f\"{#[[\na]]}\"" "f\"{x !}}\"" "f\"{x !:::}\"" "f\"a\\\"{x}\\n\"" "f\"{;c\nx}\"" "f\"{'x}{`y}\""
  "f\"{x =:{fill =}^{width =}.2f}\"" "f\"{x :a{y =}}\"" "f\"{x :a{\"}\" = }{ {1 2} =!s:{z\n=\n:}b}}\"" "#[f[{x :a{y =}}]f]" "#[f[{x :{\"}\" =}}]f]"
  "#[f[a {\r\n5 =\r\n:}]f]" "#[f[{(f\r\n x)=!s}]f]" "f\"{x !\n}\"" "f\"{x =!\n:{y}}\"" "t\"{x :a{y =}}\"" "f\"{x :a{f\"{y :b{z =}}\" =}}\""
  "t\"a{x !r:{y}}\"" "t\"{ (f  x) }\"" "f\"{1_0 :\\n\\\"}\"" "f\"{(a\n b)}\""
  "()" "[]" "{}" "#()" "#{}" "{1}" "{1 2 3}" "#{1 1}" "(+ - -1 1)" "[1 2 3 \"a\" \"b\"]" "['1 2 '\"a\" \"b\"]" "é" "𝔥-ello?" "(def! a->b *c* <= %1 &rest \\x)" "False" "(b \"x\")" "_" "j" "J" "(Inf-1.e5j)" "a/b" "\\" "x1.y2"])


(defn test-each-notation []
  (for [source SOURCES]
    (setv m (hy.read source))
    (check-remote m)
    (check-datum m)
    (check-remote (Expression [m m]))
    (check-datum [m 1 m]))
  ;; Hy itself takes "\\\\N{x}" in an f-string for the begin of a named character.
  (check-remote (FString [(String "\\N") (FComponent ['x] :expression "x")])))


(defn test-source-files []
  "Each form of the source of hy and hyrule comes back, also those with reader
  macros, which only `hy.read` needs, and which it reads as models."
  (setv n 0)
  (for [package ["hy" "hyrule"]
      path (.rglob (. (Path (. (find-spec package) origin)) parent) "*.hy")]
    (for [m (forms-of path)]
      (+= n 1)
      (check-remote m)
      (check-datum m)))
  (assert (> n 200) n))


(defclass Source [Random]
  "Makes f-strings up, right ones and wrong ones."

  (defn one [self #* texts]
    (self.choice texts))

  (defn space [self]
    (.one self "" "" "" " " "  " "\n" " \t" "\r\n" "\f"))

  (defn literal [self raw]
    (.join "" (gfor  _ (range (.randint self 0 3))
      (.one self "a" " " "b " "{{" "}}" "é" "😀" "N" "]" "[" ":" "!" "=" "\n" "\r\n" ".2f" ";" "#" "'"
        #* (if raw
          ["\\" "\\N" "\\x"]
          ["\\n" "\\\"" "\\\\" "\\x7b" "\\{{" "\\}}" "\\N{EN DASH}" "\\\n" "\\u2028" "\\0"])))))

  (defn form [self depth]
    (if (and depth (< (.random self) 0.3))
      (.f-string self (- depth 1))
      (.one self "x" "(f x)" "\"s\"" "{1 2}" "#{1}" "'x" "~x" "~@x" "#[[}]]" "#[x[\nb]x]" "-1.5" "1_000" ":k" "None"
        "b\"z\"" "a.b" ".a.b" "[1  2]" "#_ a b" "(f ;c\n x)" "(f  \"}\" )" "\"\\n\"" "(x\r\ny)" "x!" "=" "x=" "!=" "#^ int x")))

  (defn field [self depth raw]
    (+ "{" (.space self) (.form self depth) (.space self)
      (.one self "" "" (+ "=" (.space self)))
      (.one self "" "" (+ "!" (.one self "r" "s" "a" "}" ":" " " "\n" "é") (.space self)))
      (.one self "" (+ ":" (.join "" (gfor  _ (range (.randint self 0 2))
        (+ (.literal self raw) (if depth (.field self (- depth 1) raw) ""))))))
      "}"))

  (defn f-string [self depth]
    (setv
      opener (.one self "f\"" "f\"" "t\"" "rf\"" "rt\"" "#[f[" "#[f-y[\n" "#[f- [")
      raw (in (get opener 0) "r#")
      text (.join "" (gfor  _ (range (.randint self 0 3))
        (+ (.literal self raw) (.one self "" (.field self depth raw))))))
    (+ opener text (if (= (get opener 0) "#") (+ "]" (get (.split opener "[") 1) "]") "\""))))


(defn check-all-that-Hy-reads [sources]
  (setv n 0)
  (for [source sources]
    (try
      (setv models (list (hy.read-many source)))
      (except [[SyntaxError ValueError]]
        (continue)))
    (for [m models]
      (+= n 1)
      (try
        (check-remote m)
        (check-datum m)
        (except [e Exception]
          (raise (AssertionError (ascii source)) :from e)))))
  n)


(defn test-any-f-string-that-Hy-reads []
  (setv read (check-all-that-Hy-reads (gfor  seed (range 2000)  (.f-string (Source seed) (% seed 4)))))
  (assert (> read 1000) read))


(defn test-any-characters-that-Hy-reads []
  (setv
    random (Random 5)
    scraps [#* "()[]{}#'`~\"\\b 1.0e-+jxInfaN:@*_\n^;!,$%&|?/=<>é😀\0\x85\xa0²\x1c\u2028"
            "#[[" "]]" "#[f[" "]f]" "f\"" "{x}" "#(" "#{" "#*" "#^ " "#_" "r\"" "b\"" "0x" "1_0" ".:" ".#"]
    read (check-all-that-Hy-reads (gfor  _ (range 6000)
      (.join "" (random.choices scraps :k (random.randint 1 12))))))
  (assert (> read 1000) read))


(defn forms-of [path]
  (setv source (.read-text path :encoding "utf-8"))
  (setv reader (hy.HyReader))
  (for [name (re.findall r"\(defreader ([^\s]+)" source)]
    (setv (get reader.reader-macros name) (fn [reader key] (Expression [(Symbol "macro") (.parse-one-form reader)]))))
  (hy.read-many source :skip-shebang True :reader reader))


(defn test-values-in-a-remote []
  "What was unquoted is taken as hy.as-model takes it."
  (setv values [None True False 5 -5 1.5 (float "inf") 1+2j "a\nb" b"\x00" [1 ["a"]] #(1 #()) {"a" [1]} #{1} 'x "{x}"])
  (for [x values]
    (setv m `(f [~x] f"{~x}" f"{~x :{~x}}"))
    (setv text (write-remote m)  back (hy.read text))
    (assert (same (get back 1) (hy.as-model (get m 1))) text)
    (assert (same (get back 2 0 0) (hy.as-model x)) text)
    (assert (same (get back 3 0 1 0) (hy.as-model x)) text)
    (check-remote (hy.as-model x)))
  (setv n -0.0)
  (assert (= (write-remote `[~(complex 1 n) ~n]) "[1-0j -0.0]")))


(defn test-remotes-refused []
  (setv end "]f]")
  (for [x [
      `#[f[{~end}]f]
      print (fn []) (MyInt 1) (MyStr "") (Fraction 1 2) (frozenset) (bytearray) (range 3) (Path "a") (Lazy (iter []))
      (Symbol "a b" :from-parser True) (Symbol "" :from-parser True)
      (Expression [(Symbol "" :from-parser True) 'None 'a]) (Symbol "1" :from-parser True) (Symbol "a.b" :from-parser True)
      (Symbol "a\ud800" :from-parser True) (Symbol ":a" :from-parser True) (Symbol "NaN" :from-parser True) (Symbol "+j" :from-parser True)
      (Keyword "a.b" :from-parser True) (Keyword "a b" :from-parser True) (Keyword "\ud800")
      (String "a\rb" :brackets "") (String "a]" :brackets "") (String "a" :brackets "f") (String "a" :brackets "[") (String "\ud800" :brackets "x")
      (FString ["" 'x]) (FString [(String "")]) (FString ['x]) (FString [(FComponent [])]) (FString [(FComponent ['x] :conversion "rr")])
      (FString [(FComponent ['x] :is-tstring True)]) (FString [(FComponent ['x] :is-tstring True)] :is-tstring True)
      (FString [(FComponent ['x (String "a") (String "b")])]) (FString [] :brackets "x") (FString [] :brackets "t" :is-tstring True)
      (FString [(FComponent ['x (String "}")])] :brackets "f") (FComponent ['x])
      ; Like what {y =} makes, and not quite.
      #* (gfor
        [s f] [["y=" (FComponent ['y] "r" "y")] ["y =" (FComponent ['z] "r" "y")] ["y =" (FComponent ['y] "r" "z")]
               ["y = ;" (FComponent ['y] "r" "y")] ["ay =" (FComponent ['y] "r" "y")] ["y ==" (FComponent ['y] "r" "y")]
               ["y" (FComponent ['y] "r" "y")] ["{y} =" (FComponent ['y] "r" "{y}")] ["y =" (FComponent ['y] "r" None)]]
        (FString [(FComponent ['x (String "a") (String s) f])]))]]
    (for [y [x [x] `(a (b ~x))]]
      (with [(pytest.raises UnwritableError)]
        (print (write-remote y))))))


(defn test-text-of-remotes []
  "People read it in tracebacks."
  (for [text ["(fn [i o] (+ 2 3))" "(os.path.join a.b .c.d)" "`(a ~b ~@c #* d #** e 'f)" "~ @b" "{\"a\" 1 :b 2.5}" "#(1 #{2})" "f\"a{x !r:>{w}}\"" "#[[a\nb]]" "Node.x" "b\"\\x00\""]]
    (assert (= (write-remote (hy.read text)) text) (write-remote (hy.read text))))
  (setv n 5)
  (assert (= (write-remote `(f ~n f"{~n}")) "(f 5 f\"{5}\")")))


(defn test-deep-remotes []
  (for [wrap [(fn [x] `[~x]) (fn [x] `'~x) (fn [x] (FString [(FComponent [x])])) (fn [x] [x])]]
    (for [n (range 40 205 5)]
      (try
        (write-remote (nested n 'x wrap))
        (except [e UnwritableError]
          (assert (> n 90) n))))
    (with [(pytest.raises UnwritableError)]
      (write-remote (nested 5000 'x wrap)))))


;; * Tests: threads

(defn test-threads []
  (setv forms (list (forms-of (Path (. (find-spec "hyrule.collections") origin)))))
  (setv shared [1 "a" 2.5 forms {"b" #(1 2)} (Decimal "1.5") (deque [1 2])])
  (setv text (write-datum shared)  remotes (list (map write-remote forms)))
  (defn work [_]
    (for [_ (range 5)]
      (assert (= (write-datum shared) text))
      (assert (= (read-datum text) shared))
      (assert (= (list (map write-remote forms)) remotes))
      (with [(pytest.raises DatumSyntaxError)]
        (read-datum (cut text -1)))
      (with [(pytest.raises UnwritableError)]
        (write-datum [shared print])))
    True)
  (setv interval (sys.getswitchinterval))
  (sys.setswitchinterval 1e-5)
  (try
    (with [pool (ThreadPoolExecutor 8)]
      (assert (all (.map pool work (range 16)))))
    (finally
      (sys.setswitchinterval interval))))
