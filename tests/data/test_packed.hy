"What dpfw.data.packed promises: a value comes back from its packed form as it does
from its text, whatever has no text has no packed form, and no bytes do more than
denote a value or fail, in memory that they are in proportion to."

(import
  array [array]
  collections [Counter OrderedDict deque]
  datetime [date]
  decimal [Decimal]
  fractions [Fraction]
  gc
  random [Random]
  sys
  hy.models [Keyword Symbol]
  hypothesis [given strategies :as st]
  pytest
  dpfw.errors [DatumSyntaxError UnwritableError]
  dpfw.data.packed [pack small? unpack]
  dpfw.data.sexp [read-datum register-type write-datum]
  tests.data.memory [peak-of]
  tests.data.values [
    CROWDS MyInt MyStr PRIME all-models atoms containers deepest examples hashable keyed-by
    nested nested-sets same])


(defclass Point []
  (defn __init__ [self x y] (setv self.x x  self.y y))
  (defn __eq__ [self other] (and (is (type other) Point) (= self.x other.x) (= self.y other.y)))
  (defn __hash__ [self] (hash self.x)))


(defn fields [p]
  [p.x p.y])


(defn joined [x]
  (.join b"" (pack x)))


(defn plan-of [data]
  (read-datum (.decode (cut data 1 (.index data b"\n")))))


(defn kinds-of [x]
  (lfor  [kind #* _] (plan-of (joined x))  kind))


(defn forged [plan body]
  "Packed data with this plan, a list or its text, and these bytes of columns."
  (+ b"\xff" (.encode (if (isinstance plan str) plan (write-datum plan))) b"\n" body))


(defn body-of [data]
  (cut data (+ 1 (.index data b"\n")) None))


(defn check [x]
  (setv data (joined x)  back (unpack data))
  (assert (same back x)
    f"{(repr x) :.500} came back as {(repr back) :.500} from {(repr data) :.500}"))


(defn check-equal [x]
  ; `same` takes quadratic time for sets.
  (setv back (unpack (joined x)))
  (assert (and (= back x) (is (type back) (type x))) f"{back !r:.500}"))


(defn refused [data [match None]]
  (with [e (pytest.raises DatumSyntaxError :match match)]
    (setv back (unpack data))
    (print f"{data !r:.300} was read as {back !r:.300}"))
  e.value)


;; * Values

(setv values (st.recursive (st.one-of atoms all-models) containers :max-leaves 12))


(defn [(given values) (examples 75)] test-any-value-comes-back [x]
  (check x))


(defn many [xs n]
  (* xs n))


(defn [(given (st.builds many (st.lists values :min-size 1 :max-size 4) (st.sampled-from [20 70]))) (examples 75)]
    test-many-values-come-back-as-from-a-text [xs]
  "More than fit into one text, so that they are in columns."
  (check xs)
  (assert (same (unpack (joined xs)) (read-datum (write-datum xs))))
  (check (tuple xs))
  (check (dict (enumerate xs))))


(setv SAMPLES {
  "constant" (* [None True False] 50)
  "u1" (list (range 256))
  "u2" (list (range 0 65536 99))
  "u4" (list (range 0 (** 2 32) (** 10 7)))
  "u8" [#* (range 100) (- (** 2 64) 1)]
  "i2" (list (range -32768 32768 333))
  "i4" [#* (range 100) (- (** 2 31)) (- (** 2 31) 1)]
  "i8" [#* (range 100) (- (** 2 63)) (- (** 2 63) 1)]
  "f8" [#* (gfor  i (range 99)  (/ i 7)) -0.0 (float "inf") (float "nan") 5e-324]
  "c16" (lfor  i (range 99)  (complex (- i) -0.0))
  "line" (lfor  i (range 99)  f"é\0\r\u2028\x85{i}\ud800")
  "zero" (lfor  i (range 99)  f"a\n{i}😀")
  "str" (lfor  i (range 99)  f"a\n\0{i}😀\udfff\ud800")
  "bytes" (lfor  i (range 99)  (bytes i))
  "bytearray" (lfor  i (range 99)  (bytearray i))
  "keyword" (lfor  i (range 99)  (Keyword f"k{(% i 7)}"))
  "list" (lfor  i (range 99)  (list (range i)))
  "tuple" (lfor  i (range 99)  #(i f"k{i}" (/ i 2)))
  "set" (lfor  i (range 99)  #{i (str i)})
  "frozenset" (lfor  i (range 99)  (frozenset [i #(i)]))
  "dict" (lfor  i (range 99)  {f"k{i}" i  1 [i]})
  "record" (lfor  i (range 200)  (if (% i 3) {"a" i  "b" "x"} {"b" None  "a" i  :c [i]}))
  "tagged" (lfor  i (range 99)  (Decimal i))
  "array" (lfor  i (range 99)  (array "h" (range i)))
  "mixed" (lfor  i (range 200)  (get [1 "a" 2.5 None [i] {"a" 1} True b""] (% i 8)))
  "text" (lfor  i (range 99)  (+ (** 2 70) i))})


(defn [(pytest.mark.parametrize "kind" (list SAMPLES))] test-each-kind-of-columns [kind]
  (setv xs (get SAMPLES kind))
  (check xs)
  (assert (in kind (kinds-of xs)) (kinds-of xs))
  (check (* xs 3))
  (check {"a" xs  "b" #(xs xs)})
  (check (lfor  x xs  [x]))
  (check (lfor  x xs  #(x 1.5)))
  (check (lfor  x xs  {"k" x  "l" x}))
  (check (lfor  x xs  (deque [x] 5)))
  (for [n (range (- (len xs) 3) (len xs))]
    (check (cut xs n))))


(defn test-a-plan-in-full []
  (setv records (lfor  i (range 300)  {"a" i  "b" f"x{i}"  "c" [1 2.5 None]})
        data (joined records))
  (assert (= (plan-of data) [
      ["list" 1 4] ["record" 300 1200 [["a" "b" "c"]]] ["u2" 300 600] ["line" 300 1390]
      ["list" 300 1200 3] ["u1" 300 300] ["f8" 300 2400] ["constant" 300 300]])
    (plan-of data))
  (assert (= (% (- (len data) (len (body-of data))) 64) 0))
  (assert (= (get data 0) 0xff)))


(defn test-empty-values []
  (for [x ["" b"" [] #() {} #{} (frozenset) (bytearray) (deque) (array "d") (Counter) (OrderedDict)]]
    (check x)
    (check (* [x] 100))
    (check (* [[x]] 100))
    (check (* [#(x "")] 100))))


(defn test-keys-that-are-equal-and-not-the-same []
  (setv kinds [1 True 1.0 1+0j (Decimal 1) (Fraction 1)])
  (for [a kinds  b kinds]
    (check (* [{a "x"} {b "y"}] 50))
    (check (* [{#(a) "x"} {#(b) "y"}] 50))
    (check (* [#{a} #{b}] 50)))
  (check (* [{0.0 1} {-0.0 2}] 50)))


(defn test-the-order-of-keys []
  (setv random (Random 1)  dicts [])
  (for [_ (range 300)]
    (setv keys (random.sample ["a" "b" "c"] 3))
    (.append dicts (dict.fromkeys keys 0)))
  (assert (in "record" (kinds-of dicts)))
  (check dicts)
  (check (lfor  _ (range 200)  (dict.fromkeys (random.sample (range 9) 5)))))


(defn test-shared-values-come-back-as-equal-copies []
  (setv shared ["a" {}]  [a b #* _] (unpack (joined (* [shared] 100))))
  (assert (= a b shared))
  (assert (is-not a b))
  (assert (is-not (get a 1) (get b 1))))


(defn test-many-shared-values []
  (setv shared [1]  xs (* [shared [shared shared]] 150_000))
  (assert (= (unpack (joined xs)) xs)))


(defn test-registered-types []
  (register-type Point "put.Point" fields)
  (check (lfor  i (range 100)  (Point i [(Point "a" None)])))
  (check (lfor  i (range 100)  (if (% i 2) (Point i i) (date 2000 1 (+ 1 (% i 28))))))
  (setv data (joined (lfor  i (range 100)  (Point i "a"))))
  (refused (.replace data b"put.Point" b"put.Paint") "put.Paint.* is no tag")
  (setv e (refused (.replace data b"\"put.Point\"" b"\"Fraction\" ") "the arguments do not fit Fraction: TypeError"))
  (assert (isinstance e.__cause__ TypeError) e.__cause__))


(defn test-what-is-taken []
  (setv data (joined (list (range 100))))
  (for [x [data (bytearray data) (memoryview data) (memoryview (array "B" data))]]
    (assert (= (unpack x) (list (range 100)))))
  (for [x [None "a" 5 [data]]]
    (with [(pytest.raises TypeError)]
      (unpack x))))


(defn test-the-order-of-bytes [monkeypatch]
  "As a machine would write and read that has the other one; on it, the same bytes
  mean the same."
  (monkeypatch.setattr sys "byteorder" "big")
  (setv swapped 0)
  (for [[kind xs] (.items SAMPLES)]
    (check xs)
    (setv data (joined xs))
    (monkeypatch.setattr sys "byteorder" "little")
    (+= swapped (!= data (joined xs)))
    (monkeypatch.setattr sys "byteorder" "big"))
  (assert (> swapped 15) swapped))


;; * Small values

(defn test-small-values []
  (register-type Point "put.Point" fields)
  (setv many (list (range 65)))
  (for [x [None True 1 2.5 "a" b"a" :a 'a (* "a" 4096) (bytes 4096) [] {} [1 "a" {2 #(3)}] (cut many 64) (range 1000000)
           (date 2000 1 1) (Decimal 1) (Point 1 [2]) (deque [1]) (fn []) (* ["a" 1] 32)
           (dict.fromkeys (cut many 31)) (* [[]] 64)]]
    (assert (small? x) x))
  (for [x [(* "a" 4097) (bytes 4097) (bytearray 4097) many (tuple many) (set many) (frozenset many) (dict.fromkeys many)
           [[many]] {1 many} {#(1 #(#* many)) 1} (deque many) (Counter many) (OrderedDict.fromkeys many) (Point 1 many)
           [(Point 1 [(Point many 1)])] (array "b") [(array "b")] (* ["aaaa"] 63 20) [(* "a" 4000) b"a" (bytes 96)]]]
    (assert (not (small? x)) x)))


(defn test-whether-what-contains-itself-is-small []
  (setv a [])
  (.append a a)
  (assert (not (small? a))))


;; * What cannot be written

(setv function (fn []))


(defn broken-writer [x]
  (/ 1 0))


(defclass Broken [])


(defn test-errors-are-those-of-the-text []
  (register-type Broken "put.Broken" broken-writer)
  (setv many (list (range 100)))
  (for [bad [function (MyInt 1) (MyStr "a") (Broken) (Fraction (<< 1 70000) 3) (Symbol "a b" :from-parser True)
             (Keyword "a b" :from-parser True) (set (get CROWDS "int")) (dict.fromkeys (get CROWDS "int"))
             (memoryview (.cast (memoryview b"a") "c"))]]
    (for [x [bad [bad] [many bad] {"k" bad} (* [bad] 100) (* [{"a" 1  "b" bad}] 100) [#* (* [[1 "a" None]] 100) [1 "a" bad]]
             (when (hashable bad) (* [{bad 1}] 100)) [many (* [(deque [bad])] 80)] (* [1 "a" bad] 100)]]
      (when (is x None)
        (continue))
      (with [text-error (pytest.raises UnwritableError)]
        (write-datum x))
      (with [e (pytest.raises UnwritableError)]
        (pack x))
      (assert (= (str e.value) (str text-error.value)) [(str e.value) (str text-error.value)]))))


(defn test-subclasses-among-many []
  "They are equal to what can be written."
  (for [[good bad] [["a" (MyStr "a")] [1 (MyInt 1)]]]
    (for [xs [(* [good] 99) (lfor  i (range 99)  {good i}) (lfor  i (range 99)  #(i good)) (lfor  i (range 99)  #{good})]]
      (setv last (get xs -1)
            last (cond (is last good) bad
                       (isinstance last dict) {bad 1}
                       (isinstance last set) #{bad}
                       True #(1 bad)))
      (with [(pytest.raises UnwritableError :match "My")]
        (pack [#* xs last])))))


(defn test-what-contains-itself []
  (setv many (list (range 100)))
  (defn cyclic [make add]
    (setv x (make))
    (add x x)
    x)
  (defn both [x y]
    (.append x y)
    (.append x [y #(y)])
    (.extend x many))
  (setv
    a (cyclic list (fn [x y] (.extend x (* [y] 1000))))
    b (cyclic dict (fn [x y] (.update x (dict.fromkeys many y))))
    c (cyclic (fn [] (deque many)) (fn [x y] (.extend x [y y])))
    d (cyclic list both)
    e (cyclic (fn [] (list many)) (fn [x y] (.append x (slice [y y]))))
    f (cyclic (fn [] (list many)) (fn [x y] (.extend x [[#(y) {"a" y}] {"b" [y y]} #{} (deque [y])]))))
  (for [x [a b c d e f]  y [x [x many] {"k" (* [x] 100)}]]
    (with [error (pytest.raises UnwritableError)]
      (pack y))
    (assert (or (in "contains itself" (str error.value)) (in "200 levels" (str error.value))) error.value)))


(setv WRAPS [
  (fn [x] [x]) (fn [x] #(x)) (fn [x] {1 x}) (fn [x] (deque [x])) (fn [x] [x (list (range 70))])
  (fn [x] {"a" x  "b" (list (range 70))}) (fn [x] [(deque [x]) 1]) (fn [x] (slice x 1 None))])


(defn test-depth []
  "As deep as in a text, at either end."
  (setv many (list (range 70)))
  (for [[i wrap] (enumerate WRAPS)  seed [many (get ["a" [[many] many] (bytearray 5000) (frozenset many)] (% i 4))]]
    (setv levels 0)
    (for [n [60 #* (range 97 102) #* (range 196 204)]]
      (setv x (nested n seed wrap)
            text (try (write-datum x) (except [UnwritableError])))
      (if (is text None)
        (with [(pytest.raises UnwritableError :match "200 levels")]
          (pack x))
        (do
          (setv levels n)
          (assert (= (unpack (joined x)) x)))))
    (assert (<= 60 levels 200) levels)))


(defn test-hashable-values-in-depth []
  (for [wrap [(fn [x] #(x)) (fn [x] (frozenset [x])) (fn [x] (frozenset [x 1 2]))]]
    (for [n [60 #* (range 97 102) #* (range 196 204)]]
      (setv x #{(nested n "a" wrap) (tuple (range 99))}
            text (try (write-datum x) (except [UnwritableError])))
      (if (is text None)
        (with [(pytest.raises UnwritableError)]
          (pack x))
        (check-equal x)))))


(defn test-deeper-plans-are-refused []
  (setv seed (joined (list (range 70))))
  (for [[n fine] [[199 True] [200 False] [5000 False]]]
    (setv data (forged
      (+ (* [["list" 1 4]] n) (plan-of seed))
      (+ (* b"\1\0\0\0" n) (body-of seed))))
    (if fine
      (unpack data)
      (refused data "200 levels"))
    (setv text (forged (+ (* [["list" 1 4]] n) [["text" 1 3]]) (+ (* b"\1\0\0\0" n) b"[1]")))
    (if fine
      (unpack text)
      (refused text "200 levels"))))


(defn test-in-a-full-stack []
  (setv e (deepest (fn [] (pack (nested 50 1 (fn [x] [x]))))))
  (assert (in "the stack is too deep" (str e)) e)
  (setv data (joined (lfor  i (range 100)  [i "a"])))
  (defn read []
    (try
      (unpack data)
      (except [e DatumSyntaxError]
        (raise (UnwritableError (str e))))))
  (assert (deepest read)))


;; * Any bytes

(defn value-or-error [data]
  (try
    (unpack data)
    (except [e DatumSyntaxError]
      (assert e.msg)
      (assert (<= 1 e.offset (+ 1 (len data))) e.offset))))


(defn [(given (st.binary)) (examples 100)] test-any-bytes [data]
  (value-or-error data)
  (value-or-error (+ b"\xff" data))
  (value-or-error (forged [["list" 1 4] ["text" (len data) (len data)]] data)))


(defn entry [kind n size more]
  [kind n size #* more])


(setv entries (st.builds entry
  (st.sampled-from [#* SAMPLES "x" 5])
  (st.sampled-from [0 1 2 3 100 (** 10 30) -1 True None])
  (st.sampled-from [0 1 2 4 8 12 (** 10 30) -1 None "4"])
  (st.lists :max-size 1 (st.sampled-from [0 1 2 3 (** 10 12) -1 "Decimal" "deque" "range" "array" "ndarray" [["a"]]
    [[]] [[1 True]] [None] (range 0 (** 10 12)) [(range 0 (** 10 12))]]))))


(defn [(given (st.lists entries :max-size 6) (st.binary :max-size 40)) (examples 250)] test-any-plan [plan data]
  (value-or-error (forged plan data))
  (value-or-error (forged [["list" 1 4] #* plan] (+ b"\1\0\0\0" data))))


(defn small-samples []
  "Packed forms of some hundred bytes each, of all kinds of columns."
  (for [[kind xs] (.items SAMPLES)]
    (yield #(kind (joined (cut xs 66))))
    (yield #(kind (joined [(cut xs 40 66) (list (range 70))])))))


(setv MEMORY 80)  ; bytes for each byte of what is read


(defn [(pytest.mark.parametrize #("kind" "data") (list (small-samples)) :ids (gfor  [i [kind _]] (enumerate (small-samples))  f"{kind}-{i}"))]
    test-what-was-changed-or-cut-off [kind data]
  (defn try-all [step]
    (for [i (range 0 (len data) step)]
      (setv b (get data i)  [before after] [(cut data i) (cut data (+ i 1) None)])
      (refused before)
      (value-or-error (+ before after))
      (for [c [0xff 0x39 (^ b 1) (^ b 0x80)]]
        (value-or-error (+ before (bytes [c]) after)))))
  (try-all (+ 1 (// (len data) 500)))
  (setv peak (peak-of (fn [] (try-all 31))))
  (assert (< peak (+ 300_000 (* MEMORY (len data)))) peak))


(defn test-trailing-bytes []
  (for [[_ data] (small-samples)]
    (refused (+ data b"\0"))
    (refused (+ data b"\n"))
    (refused (+ b"\n" data))))


(defn test-hostile-plans []
  (setv huge (** 10 12))
  (for [[plan body match] [
      ["[]" b"" "missing"] ["" b"" "no datum"] ["5" b"" "list"] ["[5]" b"" "list"] ["[[]]" b"" "TypeError"] ["[[\"u1\"]]" b"" "TypeError"]
      [[["u1" 1 1 5]] b"a" "TypeError"] [[["nothing" 1 1]] b"a" "no kind"] [[[5 1 1]] b"a" "str expected"]
      [[["u1" 1 2]] b"aa" "items"] [[["u1" 2 1]] b"a" "one value"] [[["u1" huge 1]] b"a" "one value"] [[["u1" 1 huge]] b"a" "size"]
      [[["u1" -1 1]] b"a" "size"] [[["u1" 1 -1]] b"" "size"] [[["u1" True 1]] b"a" "int expected"] [[["u1" 1 True]] b"a" "int expected"]
      [[["u1" 1 1.0]] b"a" "int expected"] [[["u1" 1 1]] b"" "size"] [[["u1" 1 1]] b"ab" "bytes too many"] [[["u1" 1 1] ["u1" 1 1]] b"ab" "too many"]
      [[["u2" 1 1]] b"a" "ValueError"] [[["u1" 2 2]] b"ab" "one value"] [[["u1" 0 0]] b"" "one value"] [[["f8" 1 7]] b"1234567" "ValueError"] [[["c16" 1 8]] b"12345678" "items"]
      [[["constant" 1 1]] b"\3" "IndexError"] [[["constant" huge 1]] b"\1" "one value"]
      [[["line" 1 1]] b"a" "no end"] [[["line" 1 0]] b"" "items"] [[["line" 1 3]] b"a\n\n" "items"] [[["line" 1 2]] b"\xff\n" "UnicodeDecodeError"]
      [[["str" 1 3]] b"\1\0\0" "ValueError"] [[["str" 1 5]] b"\2\0\0\0a" "items"] [[["str" huge 5]] b"\1\0\0\0a" "one value"] [[["str" 1 4]] b"\xff\xff\xff\xff" "items"]
      [[["bytes" 1 5]] b"\2\0\0\0a" "items"] [[["bytearray" 1 4]] b"\xff\xff\xff\xff" "items"]
      [[["list" 1 4]] b"\0\0\0\0" "missing"] [[["list" 1 4] ["u1" 1 1]] b"\2\0\0\0a" "items"] [[["list" 1 4] ["u1" 2 2]] b"\1\0\0\0ab" "items"]
      [[["list" 1 4] ["u1" 2 2]] b"\xff\xff\xff\xffab" "items"] [[["list" 2 8] ["u1" 1 1]] b"\1\0\0\0\0\0\0\0a" "one value"]
      [[["list" 1 4 2] ["u1" 1 1] ["u1" 1 1]] b"\1\0\0\0ab" "lengths"] [[["list" 1 4 2] ["u1" 1 1] ["u1" 2 2]] b"\2\0\0\0abc" "items"]
      [[["list" 1 4 2] ["u1" 1 1]] b"\2\0\0\0a" "missing"] [[["list" 1 4 huge] ["u1" 1 1]] b"\2\0\0\0a" "missing"] [[["list" 1 4 0]] b"\0\0\0\0" "TypeError"]
      [[["list" 1 4 -1]] b"\0\0\0\0" "size"] [[["list" 1 4 True] ["u1" 1 1]] b"\1\0\0\0a" "int expected"]
      [[["set" 1 4] ["u1" 2 2]] b"\2\0\0\0aa" "items"] [[["set" 1 4] ["list" 1 4] ["u1" 1 1]] b"\1\0\0\0\1\0\0\0a" "unhashable|no element"]
      [[["dict" 1 4] ["u1" 2 2] ["u1" 2 2]] b"\2\0\0\0aabc" "items"] [[["dict" 1 4] ["u1" 2 2] ["u1" 1 1]] b"\2\0\0\0abc" "items"]
      [[["dict" 1 4] ["text" 1 2] ["u1" 1 1]] b"\1\0\0\0[]a" "no key"]       [[["dict" 1 4] ["text" 2 7] ["u1" 2 2]] b"\2\0\0\0#() #()ab" "a key occurs twice"]
      [[["record" 1 4 [["a" "a"]]] ["u1" 1 1] ["u1" 1 1]] b"\0\0\0\0ab" "twice"] [[["record" 1 4 [["a"]]] ["u1" 1 1]] b"\1\0\0\0a" "items"]
      [[["record" 1 4 [["a"]]] ["u1" 2 2]] b"\0\0\0\0ab" "items"] [[["record" 1 4 [[1.5]]] ["u1" 1 1]] b"\0\0\0\0a" "keys of a shape"]
      [[["record" 1 4 [[[]]]] ["u1" 1 1]] b"\0\0\0\0a" "keys of a shape"] [[["record" 1 4 [[PRIME]]] ["u1" 1 1]] b"\0\0\0\0a" "keys of a shape"]
      [[["record" 1 4 ["ab"]] ["u1" 1 1] ["u1" 1 1]] b"\0\0\0\0ab" "list expected"] [[["record" 1 4 (range 0 huge)]] b"\0\0\0\0" "list expected"]
      [[["record" 1 4 [(range 0 huge)]]] b"\0\0\0\0" "list expected"] [[["record" 1 4 (* [["a"]] 17)] #* (* [["u1" 0 0]] 17)] b"\0\0\0\0" "16 shapes"]
      [[["mixed" 1 1 1] ["u1" 1 1]] b"\1a" "items"] [[["mixed" 2 2 2] ["u1" 1 1] ["u1" 1 1]] b"\0\0ab" "one value"] [[["mixed" 1 1 huge] ["u1" 1 1]] b"\0a" "missing"]
      [[["mixed" 3 3 2] ["u1" 1 1] ["u1" 1 1]] b"\0\1\2ab" "one value"] [[["mixed" 1 1 -1]] b"\0" "size"]
      [[["keyword" 1 4] ["line" 1 2]] b"\1\0\0\0a\n" "IndexError"] [[["keyword" 1 4] ["line" 1 4]] b"\0\0\0\0a b\n" "no keyword"] [[["keyword" 1 4] ["u1" 1 1]] b"\0\0\0\0a" "str expected"]
      [[["tagged" 1 0 "bytearray"] ["list" 1 4] ["u4" 1 4]] b"\1\0\0\0\xff\xff\xff\xff" "do not fit bytearray"] [[["tagged" 1 0 5] ["list" 0 0] ["u1" 0 0]] b"" "str expected"] [[["tagged" 1 0 "5"] ["list" 0 0] ["u1" 0 0]] b"" "no tag"]
      [[["tagged" 1 0 []] ["list" 0 0] ["u1" 0 0]] b"" "str expected"] [[["tagged" 2 0 "Decimal"] ["list" 1 4] ["line" 1 2]] b"\1\0\0\0001\n" "one value"]
      [[["tagged" 1 0 "deque"] ["text" 1 23]] b"(range 0 1000000000000 1)" "bytes too many"] [[["tagged" 1 0 "deque"] ["text" 1 25]] b"(range 0 1000000000000 1)" "are lists"]
      [[["tagged" 1 0 "slice"] ["line" 1 4]] b"abc\n" "are lists"]
      [[["array" 1 1 "array"] ["text" 1 7] ["u1" 1 1]] b"a[\"b\" 1]\1" "items"] [[["array" 1 0 "array"] ["text" 1 7] ["u1" 1 1]] b"[\"u\" 4]\0" "no numbers"]
      [[["array" 1 0 "array"] ["text" 1 7] ["text" 1 2]] b"[\"b\" 1]-1" "items"] [[["array" 1 0 "array"] ["text" 1 7] ["constant" 1 1]] b"[\"b\" 1]\1" "int expected"]
      [[["array" 1 0 "array"] ["text" 1 7] ["u8" 1 8]] b"[\"b\" 1]\xff\xff\xff\xff\xff\xff\xff\xff" "items"] [[["array" 1 0 "nothing"] ["text" 1 7] ["u1" 1 1]] b"[\"b\" 1]\0" "KeyError"]
      [[["array" 1 0 "array"] ["text" 1 25] ["u1" 1 1]] b"(range 0 1000000000000 1)\0" "list expected"]
      [[["array" 1 0 "ndarray"] ["text" 1 39] ["u1" 1 1]] b"[\"<f8\" (range 0 1000000000000 1) \"C\"]  \0" "no array"]
      [[["list" 1 4] ["u1" huge 1]] b"\1\0\0\0a" "items"] [[["list" 1 4] ["constant" huge 1]] b"\1\0\0\0\1" "items"]
      [[["list" 1 4] ["str" huge 5]] b"\1\0\0\0\1\0\0\0a" "ValueError"] [[["list" 1 4] ["list" 2 8] ["u1" 1 1]] b"\2\0\0\0\1\0\0\0\1\0\0\0a" "items"]
      [[["list" 1 4] ["mixed" 2 2 2] ["u1" 1 1] ["u1" 1 1]] b"\2\0\0\0\0\0ab" "items"] [[["list" 1 4] ["mixed" 3 3 2] ["u1" 1 1] ["u1" 1 1]] b"\3\0\0\0\0\1\2ab" "items"]
      [[["list" 1 4] ["tagged" 2 0 "Decimal"] ["list" 1 4] ["line" 1 2]] b"\2\0\0\0\1\0\0\0001\n" "items"]
      [[["text" 1 1]] b"[" "missing"] [[["text" 1 3]] b"1 2" "more than one"] [[["text" 2 1]] b"1" "one value"] [[["text" 1 2]] b"\xc3\x28" "UnicodeDecodeError"]
      [[["list" 1 4] ["text" 1 5]] b"\1\0\0\0001] [2" "items|more than one|unpack"] [[["list" 1 4] ["list" 1 4] ["text" 2 5]] b"\1\0\0\0\1\0\0\0001] [2" "unpack"]
      [[["list" 1 4] ["list" 1 4] ["text" 2 7]] b"\1\0\0\0\1\0\0\0001]] [[2" "more than one"]]]
    (refused (forged plan body) match)))


(defn test-no-datum-at-all []
  (for [data [b"" b"\n" b"\xff" b"\xff\n" b"[1]\n" b"1" (* b"\xff" 100) b"\xff\xff\n" (+ b"\xff" (* b"[" 100000) b"\n") b"\xff(range 0 1 1)\n"]]
    (refused data)))


;; * What would take quadratic time, or worse

(defn as-kind [kind xs]
  "Packed data of one set or dict with these keys, which `pack` may refuse."
  (setv data (joined xs)  [[_ #* head] #* columns] (plan-of data))
  (if (= kind "dict")
    (forged [["dict" #* head] #* columns ["constant" (len xs) (len xs)]] (+ (body-of data) (bytes (len xs))))
    (forged [[kind #* head] #* columns] (body-of data))))


(defn [(pytest.mark.parametrize "name" (list CROWDS))] test-many-keys-of-one-hash [name]
  (for [xs [(get CROWDS name) (+ (get CROWDS name) (list (range 5000)))]]
    (for [x (keyed-by xs)]
      (with [(pytest.raises UnwritableError :match "hash")]
        (pack x)))
    (for [kind ["set" "frozenset" "dict"]]
      (refused (as-kind kind xs) "hash"))))


(defn test-crowds-among-many []
  (setv xs (lfor  i (range 200)  (set (range i (+ i 3)))))
  (for [crowd [(set (get CROWDS "int")) (set (get CROWDS "tuple"))
               #{#(1 (nested-sets 20 1 0)) #(1 (nested-sets 20 1 1)) #(1 (nested-sets 20 1 2))
             #(1 (nested-sets 20 1 3)) #(1 (nested-sets 20 1 4)) #(1 (nested-sets 20 1 5))}]]
    (for [y [[#* xs crowd] (lfor  x [#* xs crowd]  (dict.fromkeys x 1))]]
      (with [(pytest.raises UnwritableError :match "hash")]
        (pack y)))))


(defn test-a-shape-of-crowded-keys []
  "One for all dicts, so it may cost little for each."
  (for [keys [(lfor  k (range 3)  (* k PRIME)) [0 "" b""]]]
    (refused (forged [["record" 1 4 [keys]] ["u1" 1 1] ["u1" 1 1] ["u1" 1 1]] b"\0\0\0\0abc") "keys of a shape"))
  (check (* [{-1 "a"  -2 "b"}] 100))
  (check (* [(dict.fromkeys (lfor  k (range 50)  (* k PRIME)))] 100)))


(defn test-some-keys-of-one-hash []
  (setv ints (lfor  k (range 1 101)  (* k PRIME)))
  (for [xs [ints (+ ints (list (range 1 5000))) (lfor  n (range 2000)  (<< 1 n)) [(Decimal 1) (Decimal 2) 3 (** 7 4000)]]]
    (for [x (keyed-by xs)]
      (check-equal x)
      (check-equal (* [x] 3)))))


;; * Memory

(setv N 20_000)

(defn same-bytes [#* bs]
  (.join b"" (gfor  b bs  (* b N))))


(defn [(pytest.mark.parametrize #("entries" "body" "most") (list (.values (setx DEAREST {
      ; Each N values that are as large as they can be for their bytes.
      "constant" [[["constant" N N]] (bytes N) 20]
      "u2" [[["u2" N (* 2 N)]] (same-bytes b"\1\1") 35]
      "line" [[["line" N N]] (same-bytes b"\n") 30]
      "line of 1" [[["line" N (* 3 N)]] (same-bytes b"\xc4\x80\n") 60]
      "str" [[["str" N (* 6 N)]] (same-bytes b"\1\0\0\0" b"\xc4\x80") 60]
      "bytes" [[["bytes" N (* 6 N)]] (same-bytes b"\2\0\0\0" b"ab") 60]
      "bytearray" [[["bytearray" N (* 4 N)]] (same-bytes b"\0\0\0\0") 60]
      "list" [[["list" N (* 4 N)] ["u1" 0 0]] (same-bytes b"\0\0\0\0") 60]
      "tuple" [[["tuple" N (* 4 N) 1] ["u1" N N]] (same-bytes b"\1\0\0\0" b"a") 60]
      "set" [[["set" N (* 4 N)] ["u1" 0 0]] (same-bytes b"\0\0\0\0") 80]
      "frozenset" [[["frozenset" N (* 4 N)] ["u1" N N]] (same-bytes b"\1\0\0\0" b"a") 80]
      "dict" [[["dict" N (* 4 N)] ["u1" N N] ["u1" N N]] (same-bytes b"\1\0\0\0" b"ab") 80]
      "record" [[["record" N (* 4 N) [["a"]]] ["u1" N N]] (same-bytes b"\0\0\0\0" b"a") 80]
      "keyword" [[["keyword" N (* 4 N)] ["line" N (* 3 N)]] (same-bytes b"\0\0\0\0" b"ab\n") 80]
      "mixed" [[["mixed" N N 1] ["u2" N (* 2 N)]] (same-bytes b"\0" b"\1\1") 80]
      "deque" [[["tagged" N 0 "deque"] ["list" N (* 4 N)] ["list" N (* 4 N)] ["u1" 0 0]] (same-bytes b"\1\0\0\0" b"\0\0\0\0") 120]
      "Decimal" [[["tagged" N 0 "Decimal"] ["list" N (* 4 N)] ["line" N (* 2 N)]] (same-bytes b"\1\0\0\0" b"1\n") 60]
      "rows" [[#* (* [["list" N (* 4 N) 1]] 9) ["u1" N N]] (+ (* b"\1\0\0\0" 9 N) (bytes N)) 60]
      "array" [[["array" N 0 "array"] ["list" N (* 4 N) 2] ["line" N (* 2 N)] ["u1" N N] ["u1" N N]] (same-bytes b"\2\0\0\0" b"b\n" b"\1" b"\0") 60]
      "plan" [[["mixed" 0 0 N] #* (* [["u1" 0 0]] N)] b"" 80]}))) :ids (list DEAREST))]
    test-a-short-input-is-no-large-value [entries body most]
  (setv n (if (= (get entries 0 0) "mixed") (if body N 0) N)
        data (forged [["list" 1 4] #* entries] (+ (.to-bytes n 4 "little") body)))
  (if body (unpack data) (refused data))  ; Imports what it takes.
  (setv peak (peak-of (fn [] (value-or-error data))))
  (print f"{(/ peak (len data)) :.0f} bytes for each")
  (assert (< peak (* most (len data))) (/ peak (len data))))


(defn test-what-is-refused-takes-little []
  (for [kind ["u1" "line" "str" "bytes" "list" "set" "dict" "text" "constant" "keyword"]]
    (setv data (forged [[kind (** 10 15) 8] #* (* [["u1" 0 0]] 2)] (* b"\xff" 8)))
    (assert (< (peak-of (fn [] (value-or-error data))) 50_000) kind)
    (setv data (forged [[kind (** 10 15) (** 10 15)]] b""))
    (assert (< (peak-of (fn [] (value-or-error data))) 50_000) kind)))


;; * No step for each value

(defn calls [procedure]
  "How many calls of functions, of Python or C, Python code makes."
  (setv n 0)
  (defn count [frame event argument]
    (nonlocal n)
    (+= n (in event ["call" "c_call"])))
  (gc.disable)  ; It may call something, too.
  (sys.setprofile count)
  (try
    (procedure)
    (finally
      (sys.setprofile None)
      (gc.enable)))
  n)


(setv REGULAR {
  "records" (fn [i] {"a" i  "b" f"x{i}"  "c" [1 2.5 None]})
  "tuples" (fn [i] #(i f"k{i}" (/ i 2)))
  "keyword keys" (fn [i] {:a i  :b [f"x{i}"]})
  "two shapes" (fn [i] (if (% i 2) {"a" i} {"a" "x"  "b" (float i)}))
  "mixed" (fn [i] (get [i None (str i) [i] {"a" i} b"ab" (complex i)] (% i 7)))
  "sets" (fn [i] #{i (str i)})
  "different keys" (fn [i] {f"k{i}" i})
  "lists" (fn [i] (* [i] (% i 5)))
  "strings" (fn [i] f"a\n{i}")})


(defn [(pytest.mark.parametrize "name" (list REGULAR))] test-no-step-of-Python-for-each-value [name]
  (setv few (lfor  i (range 1000)  ((get REGULAR name) i))
        many (lfor  i (range 10_000)  ((get REGULAR name) i)))
  ; Hy's keywords compute their hashes in Python.
  (setv hashes (if (= name "keyword keys") 5 0))
  (for [[do-it a b] [[pack few many] [unpack (joined few) (joined many)]]]
    (setv n (calls (fn [] (do-it a)))  m (calls (fn [] (do-it b))))
    (assert (< m (+ n 100 (* hashes 9000))) [do-it n m])))


;; * Arrays

(defn test-arrays-of-the-standard-library []
  (for [code "bBhHiIlLqQfd"]
    (check (array code [1 2 3]))
    (check (array code (* [7] 1000)))
    (check (lfor  i (range 100)  (array code (* [1] i)))))
  (check (lfor  i (range 100)  (array (get "bd" (% i 2)) [i]))))


(defn buffer-address [np buffer]
  (. (np.frombuffer buffer "u1") ctypes data))


(defn test-arrays-of-numpy []
  (setv np (pytest.importorskip "numpy"))
  (for [x [(np.arange 1000) (np.arange 6 :dtype "<i2") (np.zeros #(3 4 5)) (np.asfortranarray (np.ones #(3 4))) (np.array 5.0)
           (cut (np.arange 100) None None -3) (np.arange 10 :dtype ">f4") (np.zeros #(0 3)) (np.array [True False]) (np.array [np.nan -0.0])]]
    (setv back (unpack (joined x)))
    (assert (and (is (type back) np.ndarray) (= back.dtype x.dtype) (= back.shape x.shape)) [x back])
    (assert (= (.tobytes back) (.tobytes x)))
    (setv [a #* many] (unpack (joined (* [x] 100))))
    (assert (and (= (len many) 99) (= (.tobytes (get many -1)) (.tobytes a) (.tobytes x))))))


(defn test-arrays-are-not-copied []
  (setv np (pytest.importorskip "numpy")
        x (np.arange 100_000)
        y (.astype x "u1")
        value {"a" x  "b" [1 y "c"]  "d" (list (range 1000))}
        buffers (pack value))
  (for [z [x y]]
    (assert (in z.ctypes.data (lfor  b buffers  (buffer-address np b)))))
  (setv data (bytearray (.join b"" buffers))
        start (buffer-address np data)
        back (unpack data)
        [a b] [(get back "a") (get back "b" 1)])
  (for [[z w] [[a x] [b y]]]
    (assert (np.array-equal z w))
    (setv place (- z.ctypes.data start))
    (assert (and (<= 0 place (len data)) (= (% place 64) 0)) place)
    (setv (get z 0) 99))
  (assert (= (get (unpack data) "a" 0) 99))
  ; What cannot be written to is copied.
  (setv a (get (unpack (bytes data)) "a"))
  (setv (get a 0) 5)
  (assert (= (get (unpack data) "a" 0) 99)))


(defn test-arrays-that-are-refused []
  (setv np (pytest.importorskip "numpy"))
  (for [x [(np.array [None]) (np.array ["a"]) (np.zeros 3 :dtype "i4,f8") (.view (np.zeros 3) np.recarray)]]
    (for [y [x [x] (* [1 x] 50)]]
      (with [text-error (pytest.raises UnwritableError)]
        (write-datum y))
      (with [e (pytest.raises UnwritableError)]
        (pack y))
      (assert (= (str e.value) (str text-error.value))))))
