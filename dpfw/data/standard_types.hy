"How values of the standard library's types are written: for each type its
module, its name, which is also its tag, a function from a value to the
arguments, and one from the class and the arguments back to a value::

    (Fraction 1 3)   (deque [1 2] 5)   (datetime 2024 2 29 12 0 0 0 (timezone (timedelta 0 3600 0)))

A module is imported when the first value of its types is met: `import dpfw`
should not wait for decimal, zoneinfo and the like. The functions take nothing
but what the writers make; that a text is short must mean that its value is."

(import
  sys
  dpfw.data.tokens [Plain])


(defn only [type x]
  (when (is-not (. x __class__) type)
    (raise (TypeError f"{type.__name__} expected, not {(. x __class__ __name__)}")))
  x)


(defn ints [xs]
  (for [x xs]
    (only int x))
  xs)


(defn read-fraction [cls n d]
  (ints [n d])
  (setv x (cls n d))
  (when (!= x.denominator d)
    (raise (ValueError "the fraction is not in lowest terms")))
  x)


(defn read-items [cls items]
  (setv x (cls (only list items)))
  (when (!= (len x) (len items))
    (raise (ValueError "a key occurs twice")))
  x)


;; * Time

(defn zone-and-fold [x]
  ;; Left out where they are `None` and 0.
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
  ;; The offset, and the name if one was given.
  (.__getinitargs__ x))


(defn write-zoneinfo [x]
  ;; `__reduce__` refuses a zone that was read from some file of the user's.
  (setv [key cached] (get (.__reduce__ x) 1))
  (when (is key None)
    (raise (ValueError "a ZoneInfo without a key")))
  (if cached [key] [key False]))


(defn read-zoneinfo [cls key [cached True]]
  (if cached
    (cls key)
    (.no-cache cls key)))


;; * UUID

(defn write-uuid [x]
  (setv safe x.is-safe.value)
  (if (is safe None) [(str x)] [(str x) safe]))


(defn read-uuid [cls text [safe None]]
  (import uuid [SafeUUID])
  (setv x (cls (only str text) :is-safe (SafeUUID safe)))
  (when (!= (str x) text)
    (raise (ValueError "a UUID is written as 8-4-4-4-12 hexadecimal digits")))
  x)


;; * Arrays: the bytes of the items, the lowest first, in hexadecimal

(setv NUMERIC "bBhHiIlLqQfd")  ; of Python's type codes


(defn write-array [x]
  (numeric x.typecode)
  [x.typecode x.itemsize (Plain (.hex (.tobytes (little-endian x))))])


(defn read-array [cls typecode itemsize text]
  (setv x (cls (numeric typecode)))
  (when (!= x.itemsize itemsize)
    (raise (ValueError f"items of type {typecode} have {x.itemsize} bytes here, not {itemsize}")))
  (setv data (bytes.fromhex (only str text)))
  (when (!= (.hex data) text)
    (raise (ValueError "bytes are written as pairs of hexadecimal digits in lower case")))
  (.frombytes x data)
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


;; * The table

(setv ROWS [
  #("builtins" "frozenset" (fn [x] [(set x)]) (fn [cls x] (cls (only set x))))
  #("builtins" "bytearray" (fn [x] [(bytes x)]) (fn [cls x] (cls (only bytes x))))
  #("builtins" "range" (fn [x] [x.start x.stop x.step]) (fn [cls a b c] (cls a b c)))
  #("builtins" "slice" (fn [x] [x.start x.stop x.step]) (fn [cls a b c] (cls a b c)))
  #("fractions" "Fraction" (fn [x] [x.numerator x.denominator]) read-fraction)
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
  #("collections" "OrderedDict" (fn [x] [(list (.items x))]) read-items)
  #("uuid" "UUID" write-uuid read-uuid)
  #("array" "array" write-array read-array)])


(setv
  BY-TAG (dict (gfor  row ROWS  #((get row 1) row)))
  BY-CLASS (dict (gfor  row ROWS  #(#((get row 0) (get row 1)) row))))
