"How values of the standard library's types are written: for each type its
module, its name, which is also its tag, a function from a value to the
arguments, and one from the class and the arguments back to a value::

    (Fraction 1 3)   (deque [1 2] 5)   (datetime 2024 2 29 12 0 0 0 (timezone (timedelta 0 3600 0)))

A module is imported when the first value of its types is met: `import dpfw`
should not wait for decimal, zoneinfo and the like. The functions take nothing
but what the writers make; that a text is short must mean that its value is."

(import
  collections [Counter]
  operator [countOf]
  re
  sys
  dpfw.data.arrays [
    MEASURED-TYPES SCALAR-TYPES read-measured read-ndarray read-scalar write-measured
    write-ndarray write-scalar]
  dpfw.data.tokens [Misfit Plain])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; In either part of a fraction. To see that it is in its lowest terms takes
  ; quadratic time; with so many bits, as long for each digit as to read a short one.
  MOST-BITS 65,536
  ; Keys of one hash, each of which Python compares with those before it. Numbers,
  ; and tuples and frozensets of them, are hashed alike everywhere, so a text could
  ; be made of keys that take hours.
  MOST-ALIKE 100
  CROWDED f"more than {MOST-ALIKE} keys of one hash, or as much to compare"
  PRIME sys.hash-info.modulus
  UUID-TEXT (re.compile "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
  NUMERIC "bBhHiIlLqQfd"  ; of Python's type codes
  LOWER-HEX (re.compile "[0-9a-f]*"))


(defn only [type x]
  (when (is-not (. x __class__) type)
    (raise (TypeError f"{type.__name__} expected, not {(. x __class__ __name__)}")))
  x)

(defn ints [xs]
  (for [x xs]
    (only int x))
  xs)


;; Fractions

(defn write-fraction [x]
  (setv parts [x.numerator x.denominator])
  (when (too-large? parts)
    (raise (Misfit f"cannot write a Fraction with more than {MOST-BITS} bits in a part"
      "send its numerator and its denominator")))
  parts)

(defn read-fraction [cls n d]
  (when (too-large? (ints [n d]))
    (raise (ValueError f"more than {MOST-BITS} bits in a part")))
  (setv x (cls n d))
  (when (!= x.denominator d)
    (raise (ValueError "the fraction is not in lowest terms")))
  x)

(defn too-large? [parts]
  (> (max (map int.bit-length parts)) MOST-BITS))


;; Keys

(defn crowded? [keys [thorough True]]
  "Would it take too long to tell these apart? Be ``thorough`` unless none of
  them is costly to compare, as `costly?` tells of their text."
  (if thorough
    (> (effort keys) MOST-ALIKE)
    (and (> (len keys) MOST-ALIKE) (not (apart? keys)) (> (alike keys) MOST-ALIKE))))

(defn apart? [keys]
  "Can it be seen at once that no three of them have one hash?"
  (setv kind (kind-of-all keys))
  (cond
    ; Of 64 bits, which nobody can choose.
    (in kind [str bytes]) True
    ; They are their own hashes, apart from -1.
    (is kind int) (< (- PRIME) (min keys) (max keys) PRIME)
    True False))

(defn kind-of-all [xs]
  "The type that all of these have; None if there are several, or nothing."
  (for [x xs]
    (setv kind (type x))
    ; In two thirds of the time of making a set of the types.
    (return (when (= (countOf (map type xs) kind) (len xs)) kind))))

(defn costly? [text]
  "May there be keys in this text of which comparing two takes more than reading
  them?"
  (or (in "frozenset" text) (in "Decimal" text)))

(defn alike [keys]
  "How many of these have one hash, at most."
  (if (= (len (set (map hash keys))) (len keys))
    1
    (max (.values (Counter (map hash keys))))))

(defn effort [keys]
  "How often each part of the keys is compared, at most: in a frozenset within a
  frozenset, once for each pair of either. A Decimal turns integers into its
  like to compare them, in quadratic time: that counts for more."
  (setv most 1  bits 0  decimals False  left [#(1 keys True)])
  (while left
    (setv [times xs hashed] (.pop left))
    (when hashed
      (*= times (alike xs))
      (setv most (max most times))
      (when (or (= most 1) (> most MOST-ALIKE))
        (return most)))
    (for [x xs]
      (cond
        (isinstance x frozenset) (.append left #(times x True))
        (isinstance x tuple) (.append left #(times x False))
        (isinstance x slice) (.append left #(times [x.start x.stop x.step] False))
        (isinstance x int) (setv bits (max bits (.bit-length x)))
        (= (. (type x) __name__) "Decimal") (setv decimals True)
        (= (. (type x) __name__) "Fraction")
          (.append left #(times [x.numerator x.denominator] False)))))
  (if decimals
    (* most (+ 1 (// bits 500)))
    most))

(defn write-items [x]
  (when (crowded? x)
    (raise (Misfit f"cannot write an OrderedDict with {CROWDED}")))
  [(list (.items x))])

(defn read-items [cls items]
  (setv keys (lfor  item (only list items)  (get (only tuple item) 0)))
  (when (crowded? keys)
    (raise (ValueError CROWDED)))
  (setv x (cls items))
  (when (!= (len x) (len items))
    (raise (ValueError "a key occurs twice")))
  x)


;; Time

(defn zone-and-fold [x]
  ; Left out where they are `None` and 0.
  (cond
    x.fold [x.tzinfo x.fold]
    (is x.tzinfo None) []
    True [x.tzinfo]))

(defn read-datetime [cls year month day hour minute second microsecond [zone None] [fold 0]]
  (cls year month day hour minute second microsecond zone :fold fold))

(defn read-time [cls hour minute second microsecond [zone None] [fold 0]]
  (cls hour minute second microsecond zone :fold fold))

(defn read-timedelta [cls days seconds microseconds]
  (cls #* (ints [days seconds microseconds])))

(defn write-timezone [x]
  ; The offset, and the name if one was given.
  (.__getinitargs__ x))

(defn write-zoneinfo [x]
  ; `__reduce__` refuses a zone that was read from some file of the user's.
  (setv [key cached] (get (.__reduce__ x) 1))
  (when (is key None)
    (raise (ValueError "a ZoneInfo without a key")))
  (if cached [key] [key False]))

(defn read-zoneinfo [cls key [cached True]]
  (when (> (len (only str key)) 255)
    (raise (ValueError "no time zone has so long a name")))
  (if cached
    (cls key)
    (.no-cache cls key)))


;; Paths

(defn write-path [x]
  (setv text (str x))
  ; Of Windows' there are some whose text is another path.
  (when (!= (. ((type x) text) parts) x.parts)
    (raise (ValueError "its text is another path")))
  [text])

(defn read-path [cls text]
  (setv x (cls (only str text)))
  (when (!= (str x) text)
    (raise (ValueError "the path is not in its normal form")))
  x)


;; Default dicts, whose factories are known by name

(setv FACTORIES (dfor
  cls [bool int float complex str bytes bytearray list tuple dict set frozenset]
  cls.__name__ cls))

(defn write-defaultdict [x]
  (setv factory x.default-factory)
  (cond
    (is factory None) [(dict x)]
    (and (isinstance factory type) (is (.get FACTORIES factory.__name__) factory))
      [(dict x) factory.__name__]
    True (raise (Misfit f"cannot write a defaultdict whose factory is {factory !r}"
      "make a dict of it: (dict x)"))))

(defn read-defaultdict [cls items [factory None]]
  (cls (when (is-not factory None) (get FACTORIES (only str factory))) (only dict items)))


;; UUID

(defn write-uuid [x]
  (setv safe x.is-safe.value)
  (if (is safe None) [(str x)] [(str x) safe]))

(defn read-uuid [cls text [safe None]]
  (import uuid [SafeUUID])
  (unless (.fullmatch UUID-TEXT text)
    (raise (ValueError "a UUID is written as 8-4-4-4-12 hexadecimal digits")))
  (when (not-in safe [None 0 -1])
    (raise (ValueError "a UUID is safe, 0, or unsafe, -1")))
  (cls text :is-safe (SafeUUID safe)))


;; Arrays: the bytes of the items, the lowest first, in hexadecimal

(defn write-array [x]
  (numeric x.typecode)
  [x.typecode x.itemsize (Plain (.hex (.tobytes (little-endian x))))])

(defn read-array [cls typecode itemsize text]
  (setv x (cls (numeric typecode)))
  (when (!= x.itemsize (only int itemsize))
    (raise (ValueError f"items of type {typecode} have {x.itemsize} bytes here, and not there")))
  ; `fromhex` takes more than that.
  (unless (.fullmatch LOWER-HEX text)
    (raise (ValueError "bytes are written as pairs of hexadecimal digits in lower case")))
  (.frombytes x (bytes.fromhex text))
  (little-endian x))

(defn numeric [typecode]
  (when (not-in (only str typecode) NUMERIC)
    (raise (ValueError f"no numbers have the type code {typecode}")))
  typecode)

(defn little-endian [x]
  "The array with the bytes of each item in that order; or, of one that has them
  so, with the bytes in the order of this machine."
  (when (= sys.byteorder "big")
    (setv x (cut x))
    (.byteswap x))
  x)


;; The table

(setv ROWS [
  #("builtins" "frozenset" (fn [x] [(set x)]) (fn [cls x] (cls (only set x))))
  #("builtins" "bytearray" (fn [x] [(bytes x)]) (fn [cls x] (cls (only bytes x))))
  #("builtins" "range" (fn [x] [x.start x.stop x.step]) (fn [cls a b c] (cls a b c)))
  #("builtins" "slice" (fn [x] [x.start x.stop x.step]) (fn [cls a b c] (cls a b c)))
  #("fractions" "Fraction" write-fraction read-fraction)
  #("decimal" "Decimal" (fn [x] [(str x)]) (fn [cls x] (cls (only str x))))
  #("datetime" "datetime"
    (fn [x] [x.year x.month x.day x.hour x.minute x.second x.microsecond #* (zone-and-fold x)])
    read-datetime)
  #("datetime" "date" (fn [x] [x.year x.month x.day]) (fn [cls y m d] (cls y m d)))
  #("datetime" "time"
    (fn [x] [x.hour x.minute x.second x.microsecond #* (zone-and-fold x)])
    read-time)
  #("datetime" "timedelta" (fn [x] [x.days x.seconds x.microseconds]) read-timedelta)
  #("datetime" "timezone" write-timezone (fn [cls #* args] (cls #* args)))
  #("zoneinfo" "ZoneInfo" write-zoneinfo read-zoneinfo)
  #("collections" "deque"
    (fn [x] (if (is x.maxlen None) [(list x)] [(list x) x.maxlen]))
    (fn [cls items [maxlen None]] (cls (only list items) maxlen)))
  #("collections" "Counter" (fn [x] [(dict x)]) (fn [cls x] (cls (only dict x))))
  #("collections" "OrderedDict" write-items read-items)
  #("collections" "defaultdict" write-defaultdict read-defaultdict)
  #* (gfor
    name ["PosixPath" "WindowsPath" "PurePosixPath" "PureWindowsPath"]
    #("pathlib" name write-path read-path))
  #("uuid" "UUID" write-uuid read-uuid)
  #("array" "array" write-array read-array)
  #("builtins" "memoryview" write-ndarray read-ndarray)])

; A tag may come where there is no NumPy: `arrays` has a class for it nevertheless.
(setv NUMPY-ROWS [
  #("dpfw.data.arrays" "ndarray" write-ndarray read-ndarray)
  #* (gfor  name SCALAR-TYPES
    (if (in name MEASURED-TYPES)
      #("dpfw.data.arrays" name write-measured read-measured)
      #("dpfw.data.arrays" name write-scalar read-scalar)))])

(setv
  BY-TAG (dict (gfor  row [#* ROWS #* NUMPY-ROWS]  #((get row 1) row)))
  BY-CLASS {
    #** (dict (gfor  row ROWS  #(#((get row 0) (get row 1)) row)))
    #** (dict (gfor  row NUMPY-ROWS  #(#("numpy" (get row 1)) row)))
    ; As Python 3.13 calls it.
    #** (dict (gfor  row ROWS  :if (= (get row 0) "pathlib")  #(#("pathlib._local" (get row 1)) row)))
    ; As NumPy 2 calls it.
    #("numpy" "bool") (get BY-TAG "bool_")})
