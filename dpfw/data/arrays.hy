"Arrays and scalars of NumPy as data. In a text::

    (ndarray \"<f8\" [2 3] \"C\" [0.0 0.5 1.0 1.5 2.0 2.5])    the dtype, the shape, the order, the items
    (memoryview \"|u1\" [3] \"C\" [1 2 3])                     which comes back as an ndarray
    (float32 1.5)  (bool_ True)  (datetime64 \"M8[D]\" 19782)  scalars

The items stand as they lie in memory, the last index first to change in order
\"C\", the first in order \"F\". Each is the number that it is, exactly: a float32
is written with the digits of the equal float64. Dates and times are the integers
that NumPy keeps for them. Of a NaN, a text keeps only that it is one.

A packed datum has the items as they are in memory: `array-shape` and
`array-buffer` are the two parts of it, and `array-from` makes an array of them.

NumPy is imported when a value of its types is met. What comes back is a plain
array that can be written to, of an equal dtype. Other dtypes are refused, and
subclasses. Nothing is pickled. No text reaches NumPy's parser of dtypes
but what `DTYPE` matches: the others stand for objects, for structures, and for
items of any size."

(import
  math [prod]
  operator [countOf]
  re
  dpfw.data.tokens [Misfit snippet])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; As `dtype.str` has it, with the order of the bytes. No long doubles, which have
  ; other bits on other machines, and bytes in between that say nothing.
  DTYPE (re.compile (+
    r"\|b1|\|[iu]1|[<>](?:[iu][248]|f[248]|c8|c16|"
    r"[mM]8(?:\[(?:[1-9][0-9]{0,9})?(?:[YMWDhms]|ms|us|ns|ps|fs|as)\])?)"))
  ITEM {"b" bool  "i" int  "u" int  "f" float  "c" complex  "m" int  "M" int}
  MOST-DIMENSIONS 64  ; NumPy's own limit
  ; The other dimensions of an array without items, multiplied: a sum over the
  ; empty one has so many items.
  MOST-BESIDE-NONE (<< 1 31)
  MEASURED-TYPES ["datetime64" "timedelta64"]
  ; A longlong is another class than int64 where both have 64 bits.
  SCALAR-TYPES [
    "bool_" "int8" "int16" "int32" "int64" "uint8" "uint16" "uint32" "uint64"
    "longlong" "ulonglong" "float16" "float32" "float64" "complex64" "complex128"
    #* MEASURED-TYPES]
  ; Scalars of one of these types have all one dtype.
  ALIKE (frozenset (- (set SCALAR-TYPES) (set MEASURED-TYPES))))


(defn numpy []
  (try
    (import numpy)
    (except [e ImportError]
      (raise (ValueError "it takes NumPy, which cannot be imported here: pip install numpy") :from e)))
  numpy)

(defn __getattr__ [name]
  ; NumPy's classes for the table in `standard_types`. Where there is no NumPy, a
  ; class that stands for one, whose reader then says what is missing.
  (unless (in name ["ndarray" #* SCALAR-TYPES])
    (raise (AttributeError f"module {__name__ !r} has no attribute {name !r}")))
  (try
    (getattr (numpy) name)
    (except [ValueError]
      (type name #() {}))))


;; The shape

(defn array-shape [x]
  #[[What an array is apart from its items: its dtype, its dimensions and the order
  of its items in memory, as plain data. ::

      (array-shape (numpy.zeros #(2 3)))  ; => ["<f8" [2 3] "C"]

  ``x`` is an ndarray, or a memoryview of numbers. An array that lies in both
  orders, or in none, is of order "C". Raises `Misfit` for dtypes that are not
  numeric.]]
  (setv
    x (as-array x)
    dtype x.dtype.str
    dimensions (list x.shape)
    order (if (and x.flags.f-contiguous (not x.flags.c-contiguous)) "F" "C"))
  ; An integer may have named parts.
  (when (or x.dtype.names (not (.fullmatch DTYPE dtype)))
    (raise (Misfit f"cannot write items of dtype {(snippet (str x.dtype))}" (cure x.dtype))))
  (when (endless? dimensions)
    (raise (Misfit f"cannot write an empty array of shape {x.shape}" "send its shape")))
  [dtype dimensions order])

(defn as-array [x]
  (if (is (type x) memoryview)
    (try
      (.asarray (numpy) x)
      (except [e Exception]
        (raise (Misfit f"cannot write this memoryview: {e}" "send (bytes x)") :from e)))
    x))

(defn cure [dtype]
  (cond
    (= dtype.kind "f") "send (.astype a \"float64\")"
    (= dtype.kind "c") "send (.astype a \"complex128\")"
    True "send (.tolist a), or the array by write-object"))

(defn endless? [dimensions]
  (and (in 0 dimensions) (> (prod (filter None dimensions)) MOST-BESIDE-NONE)))

(defn numeric-dtype [text]
  (unless (and (is (type text) str) (.fullmatch DTYPE text))
    (raise (ValueError "this is no dtype of numbers with an order of bytes, such as <f8")))
  (.dtype (numpy) text))

(defn count-items [dimensions]
  "How many items an array of these dimensions has. They may come from anyone."
  ; A range that is short as text can be long.
  (unless (and (is (type dimensions) list)
               (= (countOf (map type dimensions) int) (len dimensions)))
    (raise (TypeError "dimensions are a list of integers")))
  (when (or (> (len dimensions) MOST-DIMENSIONS)
            (< (min dimensions :default 0) 0)
            (endless? dimensions))
    (raise (ValueError "no array has these dimensions")))
  (prod dimensions))

(defn checked [x shape]
  "The array, if it is what `array-shape` would tell of it."
  (when (!= (array-shape x) shape)
    (raise (ValueError f"this array is written as {(array-shape x)}")))
  x)


;; The items as they are in memory

(defn array-buffer [x]
  "The items of an array as a memoryview of bytes, in the order of `array-shape`:
  the array's own memory, unless it has gaps or is turned about. ::

      (array-buffer (numpy.array [1 2] \"<i2\"))  ; => a view of b\"\\x01\\x00\\x02\\x00\"

  Changes of the array after this may be seen in it. Raises `Misfit` as
  `array-shape` does, and for bools that are no bools."
  (setv
    [dtype _ order] (array-shape x)
    row (.view (.ravel (as-array x) order) "u1"))
  (when (no-bools? dtype row)
    (raise (Misfit "cannot write bools that are neither 0 nor 1" "send (.view a \"u1\")")))
  (memoryview row))

(defn no-bools? [dtype row]
  ; NumPy counts those that are true by adding them up, to know how many it takes.
  (and (= dtype "|b1") (.any (> row 1))))

(defn array-from [shape buffer]
  "The array of which `array-shape` and `array-buffer` tell. ::

      (array-from [\"<i2\" [2] \"C\"] b\"\\x01\\x00\\x02\\x00\")  ; => (numpy.array [1 2] \"<i2\")

  It lies in ``buffer``, if that can be written to, else in memory of its own.
  Raises ValueError or TypeError if the two are not an array's."
  (setv
    [dtype-text dimensions order] shape
    dtype (numeric-dtype dtype-text)
    view (memoryview buffer))
  (unless (and (= view.format "B") (= view.ndim 1) view.c-contiguous)
    (raise (TypeError "the items of an array are a row of bytes")))
  (when (!= (len view) (* dtype.itemsize (count-items dimensions)))
    (raise (ValueError f"{(len view)} bytes are no array of {dimensions} items of {dtype-text}")))
  (when (no-bools? dtype-text (.frombuffer (numpy) view "u1"))
    (raise (ValueError "a bool is 0 or 1")))
  (setv x (checked (.ndarray (numpy) dimensions dtype view :order order) shape))
  (if view.readonly (.copy x order) x))


;; The items as a list

(defn write-ndarray [x]
  (setv shape (array-shape x))
  [#* shape (plain-items (.ravel (as-array x) (get shape 2)))])

(defn read-ndarray [cls dtype dimensions order items]
  (setv n (count-items dimensions))
  (when (!= n (len items))
    (raise (ValueError f"{(len items)} items where there should be {n}")))
  (setv flat (array-of (numeric-dtype dtype) items))
  (checked (.reshape flat dimensions :order order) [dtype dimensions order]))

(defn plain-items [row]
  (.tolist (if (in row.dtype.kind "mM") (.view row (integer row.dtype)) row)))

(defn integer [dtype]
  "The dtype of the integers in an array of this one."
  (+ (get dtype.str 0) (if (in dtype.kind "mM") "i" dtype.kind) (str dtype.itemsize)))

(defn array-of [dtype items]
  "A row of items, each of which has to be one of `dtype`, exactly."
  (setv kind (get ITEM dtype.kind))
  (when (or (is-not (type items) list) (!= (countOf (map type items) kind) (len items)))
    (raise (TypeError f"the items of dtype {dtype} are a list of {kind.__name__}")))
  (cond
    (is kind bool) (.array (numpy) items dtype)
    (is kind int) (array-of-ints dtype items)
    True (array-of-floats dtype items)))

(defn array-of-ints [dtype items]
  (setv limits (.iinfo (numpy) (integer dtype)))
  (unless (<= limits.min (min items :default 0) (max items :default 0) limits.max)
    (raise (ValueError f"an integer that dtype {dtype} has no room for")))
  (.view (.array (numpy) items (integer dtype)) dtype))

(defn array-of-floats [dtype items]
  (setv
    np (numpy)
    wide (np.array items (if (= dtype.kind "f") "f8" "c16")))
  (with [_ (np.errstate :all "ignore")]
    (setv x (.astype wide dtype)))
  (unless (np.array-equal (.view wide "f8") (.view (.astype x wide.dtype) "f8") :equal-nan True)
    (raise (ValueError f"a number that is none of dtype {dtype}")))
  x)


;; Scalars

(defn write-scalar [x]
  (plain-items (.ravel x)))

(defn read-scalar [cls item]
  ; By its name, as it may be what stood for the class before NumPy was there.
  (get (array-of (.dtype (numpy) (getattr (numpy) cls.__name__)) [item]) 0))

;; Many of them, for packed data

(defn array-of-scalars [name xs]
  "Scalars of the type of this name, as an array."
  (.array (numpy) xs :dtype (getattr (numpy) name)))

(defn scalars-of [name x]
  "The inverse: a list. Raises `ValueError` or `TypeError`."
  (setv cls (getattr (numpy) name)
        dtype (.dtype (numpy) cls))
  (unless (and (is (type x) (. (numpy) ndarray)) (= x.dtype dtype) (= x.ndim 1))
    (raise (ValueError f"these are no scalars of type {name}")))
  ; Of two dtypes that are equal, each has scalars of its own.
  (list (.view x dtype)))

(defn write-measured [x]
  ; In the order of bytes of the machine it is on.
  [(cut x.dtype.str 1 None) #* (write-scalar x)])

(defn read-measured [cls dtype item]
  (setv x (get (array-of (numeric-dtype (+ "<" dtype)) [item]) 0))
  (setv told #((. (type x) __name__) (cut x.dtype.str 1 None)))
  (when (!= told #(cls.__name__ dtype))
    (raise (ValueError f"this is a {(get told 0)} of dtype {(get told 1)}")))
  x)
