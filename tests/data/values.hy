"Values to try the data language with: strategies that make all that it takes, what is
hard for it, and when two values are the same.

`same` is stricter than `=`: it tells apart 1 and True and 1.0, -0.0 and 0.0, and
it takes NaN for the same as NaN."

(import
  array [array]
  collections [Counter OrderedDict defaultdict deque]
  datetime
  datetime [time timedelta timezone]
  decimal [Decimal]
  fractions [Fraction]
  itertools [product]
  pathlib [PosixPath PurePath PurePosixPath PureWindowsPath]
  struct
  uuid [SafeUUID UUID]
  zoneinfo [ZoneInfo]
  hy.models [
    Bytes Complex Dict Expression FComponent Float FString Integer Keyword
    List Sequence Set String Symbol Tuple]
  hypothesis [settings strategies :as st]
  dpfw.data.sexp [write-remote]
  dpfw.errors [UnwritableError])


(defn examples [n]
  "Half of so many, since make test is to end within 15 minutes."
  (settings :max-examples (// n 2) :deadline None :database None))


;; * Sameness

(defn same [a b]
  (setv t (type a))
  (and (is t (type b)) (cond
    (in t [float Float]) (= (struct.pack "d" a) (struct.pack "d" b))
    (in t [complex Complex]) (and (same a.real b.real) (same a.imag b.imag))
    (is t Decimal) (= (.as-tuple a) (.as-tuple b))
    (in t [set frozenset]) (same-set a b)
    (is t defaultdict) (and (is a.default-factory b.default-factory) (same (dict a) (dict b)))
    (issubclass t dict) (same (list (.items a)) (list (.items b)))
    (issubclass t PurePath) (= [(str a) a.parts a.anchor] [(str b) b.parts b.anchor])
    (is t FComponent) (and (same-parts a b)
      (= [a.conversion a.expression a.is-tstring] [b.conversion b.expression b.is-tstring]))
    (is t FString) (and (same-parts a b) (= [a.brackets a.is-tstring] [b.brackets b.is-tstring]))
    (is t String) (and (= a b) (= a.brackets b.brackets))
    (is t deque) (and (= a.maxlen b.maxlen) (same-parts a b))
    (in t [range slice]) (same [a.start a.stop a.step] [b.start b.stop b.step])
    (in t [datetime.datetime time]) (and (= (str a) (str b)) (= a.fold b.fold) (same a.tzinfo b.tzinfo))
    (is t timezone) (= (.__getinitargs__ a) (.__getinitargs__ b))
    (is t UUID) (and (= a b) (is a.is-safe b.is-safe))
    (is t array) (and (= a.typecode b.typecode) (= (.tobytes a) (.tobytes b)))
    (or (in t [list tuple]) (issubclass t Sequence)) (same-parts a b)
    True (= a b))))


(defn same-parts [a b]
  (and (= (len a) (len b)) (all (map same a b))))


(defn same-set [a b]
  (and
    (= (len a) (len b))
    (all (gfor  x a  (any (gfor  y b  (same x y)))))))


;; * Values

;; These are named, because Hypothesis looks for the source of a lambda and takes
;; it for Python.


(defn signed-power [n sign]
  (* sign (<< 1 n)))


(defn with-zone [t zone fold]
  (.replace t :tzinfo zone :fold fold))


(defn uuid [u safe]
  (UUID :int u.int :is-safe safe))


(defn path [cls parts]
  (cls #* parts))


(defn its-own-text [x]
  (= (. ((type x) (str x)) parts) x.parts))


(defn hashable [x]
  (try
    (hash x)
    True
    (except [TypeError]
      False)))


(setv
  texts (st.text :alphabet (st.one-of
    (st.sampled-from "\"\\'{}[]()#~`;:. \t\n\r\0\x1b\x7f\x85\u2028\ud83d\ude00😀éNa1u")
    (st.characters)))
  floats (st.one-of
    (st.floats :allow-nan False)
    (st.sampled-from [(float "nan") (float "inf") (float "-inf") -0.0 0.0 1e16 1e-5 5e-324]))
  integers (st.one-of (st.integers) (st.integers -9 9)
    (st.builds signed-power (st.integers 1900 2100) (st.sampled-from [1 -1])))
  complexes (st.builds complex floats floats)
  names (st.from-regex r"[a-z_*+<=>!?$%&|/@^-][a-zA-Z0-9:#@*-]{0,5}" :fullmatch True)
  keywords (st.builds Keyword (st.one-of (st.just "") names (st.from-regex "[0-9a-z:#é\u2028-]{1,5}" :fullmatch True)))
  zones (st.one-of
    (st.just None)
    (st.just timezone.utc)
    (st.builds timezone (st.timedeltas (timedelta :hours -23) (timedelta :hours 23)))
    (st.builds timezone (st.timedeltas (timedelta :hours -23) (timedelta :hours 23)) (st.text :max-size 5))
    (st.sampled-from [(ZoneInfo "Europe/Berlin") (ZoneInfo "UTC") (ZoneInfo "America/New_York")]))
  folds (st.sampled-from [0 1])
  atoms (st.one-of
    (st.none) (st.booleans) integers floats complexes texts (st.binary) keywords
    (st.fractions)
    (st.decimals)
    (st.sampled-from (lfor  s ["-0" "sNaN" "-NaN123" "1E+9999" "0.000" "-Inf" "-0E-7"]  (Decimal s)))
    (st.builds with-zone (st.datetimes) zones folds)
    (st.builds with-zone (st.times) zones folds)
    (st.dates) (st.timedeltas)
    (st.builds uuid (st.uuids) (st.sampled-from (list SafeUUID)))
    (.filter (st.builds path
      (st.sampled-from [PosixPath PurePosixPath PureWindowsPath])
      (st.lists (st.one-of (st.sampled-from ["/" "//" "c:" "c:\\" "\\\\x\\y" ".." "." "a" "A" "é" ""]) texts) :max-size 4))
      its-own-text)
    (st.builds range (st.integers) (st.integers) (st.integers 1 9))
    (st.builds bytearray (st.binary))
    (st.builds array (st.sampled-from "bhilq") (st.lists (st.integers -128 127)))
    (st.builds array (st.sampled-from "BHILQ") (st.lists (st.integers 0 255)))
    (st.builds array (st.sampled-from "fd") (st.lists (st.floats :width 32)))))


(setv keys (.filter atoms hashable))


(defn containers [inner]
  (setv lists (st.lists inner :max-size 5))
  (st.one-of
    lists
    (.map lists tuple)
    (st.dictionaries keys inner :max-size 5)
    (st.sets keys :max-size 5)
    (st.frozensets (st.one-of keys (st.tuples keys keys)) :max-size 5)
    (st.builds deque lists (st.one-of (st.none) (st.integers 0 7)))
    (.map (st.dictionaries keys inner :max-size 5) OrderedDict)
    (.map (st.dictionaries keys inner :max-size 5) Counter)
    (st.builds defaultdict (st.sampled-from [None int list dict str set float]) (st.dictionaries keys inner :max-size 5))
    (st.builds slice inner inner inner)
    (st.lists (st.sampled-from [1 -2 3.5 1e30 "a" "\n" ""]) :min-size 50 :max-size 90)))


;; * Models

(defn symbol-or-none [s]
  (try
    (setv m (Symbol s))
    (when (is (type m) Symbol) m)
    (except [ValueError])))


(defn not-none [x]
  (is-not x None))


(setv
  symbols (st.one-of
    (.filter (st.builds symbol-or-none names) not-none)
    (st.sampled-from (list (map Symbol ["." ".." "..." "-" "+" "False" "None" "e5" "1+2" "Inf-1" "@b" "b" "j" "é" "𝔥" "f" "r" "!" "_" "nan" "Node"])))
    (.filter (st.builds symbol-or-none (st.text :max-size 6 :alphabet (st.characters :exclude-categories ["Cs"]))) not-none))
  ;; A Complex of one complex number would lose the sign of -0.0.
  model-atoms (st.one-of
    symbols keywords
    (st.builds Integer integers) (st.builds Float floats) (st.builds Complex floats floats)
    (st.builds String texts) (st.builds Bytes (st.binary)))
  delimiters (st.sampled-from ["" "foo" "f" "f-x" "t" "=" "a b" "\n" "[" "]"]))


(defn bracket-string [s d]
  (try
    (String s :brackets d)
    (except [ValueError]
      (String s))))


(defn f-string [parts d t]
  (try
    (FString parts :brackets d :is-tstring t)
    (except [ValueError]
      (FString parts :is-tstring t))))


(defn headed [head forms]
  (Expression [head #* forms]))


(defn one-item [x]
  [x])


(defn fcomponent [x spec conversion]
  (FComponent [x #* spec] :conversion conversion :expression (write-remote x)))


(setv heads (st.sampled-from (list (map Symbol [
  "quote" "quasiquote" "unquote" "unquote-splice" "unpack-iterable" "unpack-mapping" "annotate" "." ".."]))))


(defn sequences [inner]
  (setv lists (st.lists inner :max-size 4))
  (st.one-of
    #* (lfor  cls [Expression List Dict Set Tuple]  (st.builds cls lists))
    (st.builds headed heads (st.one-of lists (st.tuples inner) (st.lists symbols :max-size 4)))))


(defn fcomponents [inner specs]
  (st.builds fcomponent inner specs (st.sampled-from [None "r" "s" "a" "z" "}"])))


(defn odd-sequences [inner]
  (setv lists (st.lists inner :max-size 3))
  (st.one-of
    (sequences inner)
    (st.builds f-string lists (st.one-of (st.none) delimiters) (st.booleans))
    (st.builds FComponent lists
      (st.one-of (st.none) (st.sampled-from ["r" "" "rr" "}" "\n"]))
      (st.one-of (st.none) texts (st.just "x"))
      (st.booleans))))


(setv
  plain-texts (.map (st.text :min-size 1 :max-size 8 :alphabet "ab\"\\{}N\n]f0-") String)
  models (st.recursive model-atoms sequences :max-leaves 12)
  fparts (st.lists :max-size 3 (st.one-of plain-texts
    (fcomponents models (st.one-of (st.just []) (.map plain-texts one-item)
      (st.tuples plain-texts (fcomponents models (st.just [])))))))
  all-models (st.recursive (st.one-of model-atoms (st.builds FString fparts)) sequences :max-leaves 12)
  ;; Made by hand, with what Hy's reader does not make.
  odd-models (st.recursive
    (st.one-of model-atoms (st.builds bracket-string texts delimiters))
    odd-sequences :max-leaves 8))


(defn nested [n seed wrap]
  (for [_ (range n)]
    (setv seed (wrap seed)))
  seed)


(defclass MyInt [int])
(defclass MyStr [str])


(defn deepest [write]
  "Call it with ever less left of the stack; return what it raises in the end."
  (defn dig []
    (try
      (write)
      (except [e UnwritableError]
        e)
      (else
        (dig))))
  (dig))


(setv PRIME (- (** 2 61) 1))  ; by which Python reduces numbers to hash them


(defn keyed-by [xs]
  "Containers that hash these."
  [(set xs) (frozenset xs) (dict.fromkeys xs) (OrderedDict.fromkeys xs) (Counter xs)
   [0 {"deep" #((set xs))}]])


(setv CROWDS {
  "int" (lfor  k (range 1 102)  (* k PRIME))
  "huge int" (lfor  k (range 101)  (+ 7 (<< 1 (* 61 k)) (* k 1000 PRIME) (- (<< 1 (* 61 k)))))
  "power" (lfor  k (range 101)  (<< 1 (* 61 k)))
  "tuple" (list (product [-1 -2] :repeat 7))
  "tuple in a tuple" (lfor  x (product [-1 -2] :repeat 7)  #("a" x))
  "frozenset" (lfor  k (range 1 102)  (frozenset [(* k PRIME)]))
  "complex" (lfor  k (range 101)  (complex (* k -1000003) k))
  "Fraction" (lfor  k (range 101)  (Fraction (+ 1 (* 2 k PRIME)) 2))
  "Decimal" (lfor  k (range 101)  (Decimal (* k PRIME)))
  "model" (lfor  k (range 101)  (Integer (* k PRIME)))
  "mixed" [#* (gfor  k (range 1 52)  (* k PRIME)) #* (gfor  k (range 52 102)  (Decimal (* k PRIME)))]})


(defn nested-sets [n depth j]
  "A frozenset, a different one for each j, all of one hash. Two of them are told
  apart by comparing what they hold, with each other."
  (if (= depth 0)
    (* (+ j 1) PRIME)
    (frozenset [
      #* (gfor  i (range (- n 1))  (nested-sets n (- depth 1) i))
      (nested-sets n (- depth 1) (+ n -1 j))])))
