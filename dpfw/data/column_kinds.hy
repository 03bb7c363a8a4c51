"Every kind of columns: those of registered types, of arrays and of a mix of types are
here, and `TO-COLUMN` and `FROM-COLUMN` list all. ``columns`` says what the functions take."

(import
  itertools [starmap]
  operator [countOf]
  hy.models [Keyword]
  dpfw.data.arrays [ALIKE array-buffer array-from array-of-scalars array-shape scalars-of]
  dpfw.data.columns [
    ENDS INTS ended-reader number-reader numbers read-bytearrays read-bytes read-complexes
    read-constants read-keywords read-strings read-texts same-count write-bytes
    write-complexes write-constants write-floats write-ints write-keywords write-strings]
  dpfw.data.container-columns [
    count-keys merge numbered read-dicts read-records sequence-reader set-reader split-up write-dicts
    write-sequences write-sets]
  dpfw.data.registered [find-reader find-writer]
  dpfw.data.standard-types [little-endian numeric only]
  dpfw.data.tokens [Misfit Misread Plain snippet])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; What the items of an array begin at a multiple of, in bytes, so that they can be
  ; used in place.
  ALIGNMENT 64
  ; What arrays are described with.
  PLAIN (frozenset [int str list]))


;; Values of registered types

(defn write-tagged [xs]
  (setv [tag writer] (or (find-writer (type (get xs 0))) [None None]))
  (try
    (cond
      (is tag None) (raise (Misfit "this type is not registered"))
      (in tag ARRAYS) (write-arrays tag xs)
      (in tag ALIKE) (write-scalars tag xs)
      True #(["tagged" tag] [] [(list (map arguments (map writer xs)))]))
    (except [Misfit]
      (raise))
    (except [e Exception]
      (raise (Misfit f"its writer raised {e !r}") :from e))))

(defn arguments [xs]
  (if (is (type xs) tuple)
    (list xs)
    (only list xs)))

(defn read-tagged [column args]
  (setv [tag] column.more
        [_ reader] (or (find-reader tag) #(None None)))
  (when (is reader None)
    (raise (Misread f"{(snippet tag)} is no tag of a registered type")))
  ; A range would be as many arguments.
  (when (!= (countOf (map type args) list) (len args))
    (raise (Misread f"the arguments of {tag} are lists")))
  (try
    (list (starmap reader args))
    (except [e Exception]
      (raise (Misread f"the arguments do not fit {tag}: {(. (type e) __name__)}: {e}") :from e))))


;; Arrays: what they are apart from their items, and these as they lie in memory

(defn write-arrays [tag xs]
  (setv [describe buffer _] (get ARRAYS tag)
        buffers (list (map buffer xs)))
  #(["array" tag] buffers [(list (map describe xs)) (list (map len buffers))]))

(defn aligned [buffers place]
  "The buffers, each with zeros before it, if the first one begins at ``place``."
  (setv all [])
  (for [b buffers]
    (setv padding (bytes (% (- place) ALIGNMENT)))
    (.extend all [padding b])
    (+= place (len padding) (len b)))
  all)

(defn read-arrays [column descriptions sizes]
  (setv [tag] column.more
        [_ _ restore] (get ARRAYS tag)
        place 0
        arrays [])
  (same-count sizes (len descriptions))
  (for [[description size] (zip descriptions sizes)]
    (+= place (% (- (+ column.start place)) ALIGNMENT))
    (setv buffer (cut column.data place (+ place (only int size))))
    (same-count buffer size)
    (unless (.issuperset PLAIN (map type (only list description)))
      (raise (Misread "this describes no array")))
    (.append arrays (restore description buffer))
    (+= place size))
  (same-count column.data place)
  arrays)

(defn describe-array [x]
  [(numeric x.typecode) x.itemsize])

(defn array-bytes [x]
  (.tobytes (little-endian x)))

(defn restore-array [description data]
  (setv [typecode itemsize] description
        x (numbers (numeric typecode) data))
  (when (!= x.itemsize (only int itemsize))
    (raise (ValueError f"items of type {typecode} have {x.itemsize} bytes here, and not there")))
  x)

(setv ARRAYS {
  "array" #(describe-array array-bytes restore-array)
  "ndarray" #(array-shape array-buffer array-from)
  "memoryview" #(array-shape array-buffer array-from)})


;; NumPy's scalars, as the items of an array

(defn write-scalars [tag xs]
  #(["scalar" tag] [] [[(array-of-scalars tag xs)]]))

(defn read-scalars [column arrays]
  (setv [tag] column.more)
  (unless (in tag ALIKE)
    (raise (Misread f"{(snippet tag)} is no tag of a scalar")))
  (scalars-of tag (get arrays 0)))


;; A mix of types

(defn write-mixed [xs]
  (setv
    [types numbers] (numbered (map type xs))
    kinds (list (dict.fromkeys (map kind-of types))))
  (cond
    (= (len kinds) 1) ((get TO-COLUMN (get kinds 0)) xs)
    (> (len types) 256) (raise (Misfit "too many types for a code of one byte"))
    True (do
      (setv
        table (bytes (gfor  t types  (.index kinds (kind-of t))))
        codes (.translate (bytes numbers) (.ljust table 256)))
      #(["mixed" (len kinds)] [codes] (split-up xs codes (len kinds))))))

(defn kind-of [t]
  "The type whose column takes values of this one."
  (.get {(type None) bool  Plain str} t t))

(defn read-mixed [column #* children]
  (merge children (bytes column.data)))


;; The tables

(setv TO-COLUMN {
  (type None) write-constants  bool write-constants
  int write-ints  float write-floats  complex write-complexes
  str write-strings  Plain write-strings  bytes write-bytes  bytearray write-bytes
  Keyword write-keywords
  list write-sequences  tuple write-sequences
  set write-sets  frozenset write-sets
  dict write-dicts})

; For each kind its reader, of how many columns it is made, by what the plan says of it,
; and how many levels of nesting deeper these are.
(setv FROM-COLUMN {
  "constant" #(read-constants (fn [] 0) 0)
  #** (dfor  [kind code _ _] INTS  kind #((number-reader code) (fn [] 0) 0))
  "f8" #((number-reader "d") (fn [] 0) 0)
  "c16" #(read-complexes (fn [] 0) 0)
  #** (dfor  [kind end] ENDS  kind #((ended-reader end) (fn [] 0) 0))
  "str" #(read-strings (fn [] 0) 0)
  "bytes" #(read-bytes (fn [] 0) 0)
  "bytearray" #(read-bytearrays (fn [] 0) 1)
  "text" #(read-texts (fn [] 0) 0)
  "keyword" #(read-keywords (fn [] 1) 0)
  "list" #((sequence-reader list) (fn [[width 1]] width) 1)
  "tuple" #((sequence-reader tuple) (fn [[width 1]] width) 1)
  "set" #((set-reader set) (fn [] 1) 1)
  ; Its argument is a set.
  "frozenset" #((set-reader frozenset) (fn [] 1) 2)
  "dict" #(read-dicts (fn [] 2) 1)
  "record" #(read-records count-keys 1)
  "tagged" #(read-tagged (fn [tag] (only str tag) 1) 0)
  "array" #(read-arrays (fn [tag] (only str tag) 2) 0)
  "scalar" #(read-scalars (fn [tag] (only str tag) 1) 0)
  "mixed" #(read-mixed (fn [n] n) 0)})
