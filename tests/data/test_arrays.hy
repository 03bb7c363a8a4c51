"What dpfw.data.arrays promises: each array and each scalar of NumPy's comes back with
an equal dtype, the shape, the order and the items, as text and as raw parts; what
cannot is refused with what to send instead; and neither a text nor raw parts do more
than denote an array as large as themselves, or fail.

In raw parts every bit is kept. In a text a NaN is a NaN, whatever else its bits say."

(import
  array [array]
  math [prod]
  pathlib [Path]
  subprocess
  sys
  hypothesis [given strategies :as st]
  pytest
  dpfw.data.arrays [ALIKE array-buffer array-from array-shape]
  dpfw.data.lone-array [unpack-array]
  dpfw.data.packed [pack pack-columns unpack unpack-columns]
  dpfw.data.sexp [read-datum register-type write-datum]
  dpfw.data.tokens [Misfit]
  dpfw.errors [DatumSyntaxError UnwritableError]
  tests.data.memory [peak-of]
  tests.data.values [examples])

(setv
  np (pytest.importorskip "numpy" :reason "NumPy is not installed")
  ROOT (. (Path __file__) parent parent parent)
  UNITS ["Y" "M" "W" "D" "h" "m" "s" "ms" "us" "ns" "ps" "fs" "as"])


;; * Values
;;
;; Items are random bytes: these hold every NaN, every subnormal and NaT.

(setv
  numbers (st.sampled-from [
    "|b1" "|i1" "|u1"
    #* (gfor  order "<>"  item ["i2" "i4" "i8" "u2" "u4" "u8" "f2" "f4" "f8" "c8" "c16"]  (+ order item))])
  times (st.builds (. "{}{}8[{}{}]" format)
    (st.sampled-from "<>") (st.sampled-from "mM")
    (st.sampled-from ["" 1 7 25 1000 2147483647]) (st.sampled-from UNITS))
  dtypes (st.one-of numbers times (st.sampled-from ["<m8" ">M8"]))
  shapes (st.lists (st.integers 0 4) :max-size 4)
  layouts (st.sampled-from ["C" "F" "transposed" "stepped" "turned" "broadcast" "read-only"]))

(defn row-of [dtype data]
  (setv row (np.frombuffer (bytearray data) dtype))
  (if (= dtype "|b1")
    (!= (.view row "u1") 0)
    row))

(defn [st.composite] arrays [draw]
  (setv
    dtype (draw dtypes)
    shape (draw shapes)
    size (* (prod shape) (. (np.dtype dtype) itemsize))
    x (.reshape (row-of dtype (draw (st.binary :min-size size :max-size size))) shape)
    layout (draw layouts))
  (cond
    (= layout "C") x
    (= layout "F") (.copy x "F")
    (= layout "transposed") x.T
    (= layout "stepped") (get (np.repeat (np.atleast-1d x) 2 0) (slice None None 2))
    (= layout "turned") (get (np.atleast-1d x) (slice None None -1))
    (= layout "broadcast") (np.broadcast-to x [2 #* shape])
    True (do (x.setflags :write False) x)))

(defn [st.composite] scalars [draw]
  (setv dtype (np.dtype (draw dtypes)))
  (get (row-of dtype.str (draw (st.binary :min-size dtype.itemsize :max-size dtype.itemsize))) 0))


;; * Sameness

(defn in-order [x]
  (.ravel x (get (array-shape x) 2)))

(defn bits [row quiet]
  "The bytes of the items; with `quiet`, those of one NaN for all."
  (setv kind row.dtype.kind)
  (when (and quiet (in kind "fc"))
    (setv
      size (// row.dtype.itemsize (if (= kind "c") 2 1))
      row (.view (.copy row) (+ (get row.dtype.str 0) "f" (str size)))
      (get row (np.isnan row)) np.nan))
  (.tobytes row))

(defn check [x y [quiet False]]
  (assert (is (type y) np.ndarray) (type y))
  (assert (= y.dtype x.dtype) [y.dtype x.dtype])
  (assert (= y.dtype.str x.dtype.str) [y.dtype.str x.dtype.str])
  (assert (= y.shape x.shape) [y.shape x.shape])
  (assert y.flags.writeable)
  (assert (or y.flags.c-contiguous y.flags.f-contiguous))
  (assert (= (array-shape y) (array-shape x)))
  (when (and x.flags.f-contiguous (not x.flags.c-contiguous))
    (assert (and y.flags.f-contiguous (not y.flags.c-contiguous)) "it was in order F"))
  (assert (= (bits (in-order y) quiet) (bits (in-order x) quiet)) [x y]))

(defn check-text [x]
  (setv text (write-datum x))
  (assert (= (len (.splitlines text)) 1) text)
  (check x (read-datum text) :quiet True))

(defn raw [x]
  (array-from (array-shape x) (bytes (array-buffer x))))


;; * Tests: round trips

(defn [(given (arrays)) (examples 200)] test-any-array-comes-back-from-text [x]
  (check-text x))


(defn [(given (arrays)) (examples 200)] test-any-array-comes-back-from-raw-parts [x]
  (setv shape (array-shape x)  buffer (array-buffer x))
  (assert (= (read-datum (write-datum shape)) shape) "the shape is plain data")
  (assert (and (= buffer.format "B") (= buffer.ndim 1) buffer.c-contiguous) buffer)
  (for [copied [bytes bytearray (fn [b] (memoryview (bytearray b)))]]
    (check x (array-from shape (copied buffer)))))


(defn [(given (scalars)) (examples 150)] test-any-scalar-comes-back [x]
  (setv text (write-datum [x])  [y] (read-datum text))
  (assert (is (type y) (type x)) [text (type y) (type x)])
  (assert (= y.dtype x.dtype) [text y.dtype x.dtype])
  (assert (= (bits (.ravel y) True) (bits (.ravel x) True)) [text x y]))


(defn test-what-the-text-is-like []
  (for [[x text] [
      [(np.array [[1 2 3] [4 5 6]] "<i4") "(ndarray \"<i4\" [2 3] \"C\" [1 2 3 4 5 6])"]
      [(np.array [[1 2 3] [4 5 6]] "<i4" :order "F") "(ndarray \"<i4\" [2 3] \"F\" [1 4 2 5 3 6])"]
      [(np.array [0.1 (float "inf") np.nan -0.0] ">f8") "(ndarray \">f8\" [4] \"C\" [0.1 Inf NaN -0.0])"]
      [(np.array 0.1 "<f4") "(ndarray \"<f4\" [] \"C\" [0.10000000149011612])"]
      [(np.array [1+2j] "<c8") "(ndarray \"<c8\" [1] \"C\" [1+2j])"]
      [(np.array [True False]) "(ndarray \"|b1\" [2] \"C\" [True False])"]
      [(np.zeros [0 3] "<u2") "(ndarray \"<u2\" [0 3] \"C\" [])"]
      [(np.array ["1970-01-03" "NaT"] "<M8[D]") "(ndarray \"<M8[D]\" [2] \"C\" [2 -9223372036854775808])"]
      [(memoryview b"abc") "(memoryview \"|u1\" [3] \"C\" [97 98 99])"]
      [(np.float32 1.5) "(float32 1.5)"]
      [(np.bool-) "(bool_ False)"]
      [(np.complex128 1j) "(complex128 1j)"]
      [(np.timedelta64 -5 "25s") "(timedelta64 \"m8[25s]\" -5)"]
      [(np.datetime64 "1970-01-03") "(datetime64 \"M8[D]\" 2)"]]]
    (assert (= (write-datum x) text) (write-datum x))
    (assert (= (write-datum (read-datum text)) (.replace text "memoryview" "ndarray")) text)))


(defn test-arrays-within-data []
  (setv x (np.arange 3)  [y z] (read-datum (write-datum [{"a" x} #((np.int8 5) {(np.float64 1) 2})])))
  (check x (get y "a"))
  (assert (= z #(5 {1.0 2})) z)
  (assert (is (type (get z 0)) np.int8)))


(defn test-other-names-of-a-dtype []
  "They have an equal one; a scalar has its own."
  (for [name ["longlong" "ulonglong" "intc" "uintc" "int_" "uint" "intp" "byte" "short"]]
    (setv x (np.array [1 2] (getattr np name)))
    (check-text x)
    (check x (raw x))
    (setv y (read-datum (write-datum (get x 0))))
    (assert (and (is (type y) (type (get x 0))) (= y 1)) name)))


(defn test-memoryviews-come-back-as-arrays []
  (setv f (np.array [[1 2 3] [4 5 6]] ">f8" :order "F"))
  (for [[x expected] [
      [(memoryview b"ab") (np.array [97 98] "u1")]
      [(memoryview (array "d" [1.5 2])) (np.array [1.5 2])]
      [(cut (memoryview (array "h" [1 2 3])) None None 2) (np.array [1 3] "i2")]
      [(.cast (memoryview (bytes 6)) "B" [2 3]) (np.zeros [2 3] "u1")]
      [(.cast (memoryview b"\x00\x01") "?") (np.array [False True])]
      [(.cast (memoryview (bytes 16)) "n") (np.zeros 2 np.intp)]
      [(memoryview f) f]
      [(memoryview (np.zeros [] "c8")) (np.zeros [] "c8")]]]
    (check expected (read-datum (write-datum x)))
    (check expected (raw x)))
  (with [e (pytest.raises UnwritableError :match "cannot write this memoryview: .*: send \\(bytes x\\)")]
    (write-datum (.cast (memoryview (bytes 8)) "P")))
  (with [(pytest.raises UnwritableError :match r"\(\.tolist a\)")]
    (write-datum (.cast (memoryview b"ab") "c"))))


(defn test-registered-under-their-names []
  (with [(pytest.raises ValueError :match "already registered, under the tag ndarray")]
    (register-type np.ndarray "my.ndarray" (fn [x] [])))
  (with [(pytest.raises ValueError :match "already registered, under the tag float32")]
    (register-type np.float32 "my.float" (fn [x] []))))


;; * Tests: what is refused

(defclass MyArray [np.ndarray])

(setv
  TOLIST "send (.tolist a), or the array by write-object"
  REFUSED [
    [(np.array [None 1]) "'object'" TOLIST]
    [(np.array ["a"]) "'<U1'" TOLIST]
    [(np.array [b"a"]) "'|S1'" TOLIST]
    [(np.zeros 2 "f8,i4") "'f0'" TOLIST]
    [(np.zeros 2 "V8") "V8" TOLIST]
    [(np.zeros 2 (np.dtype #("<i2" [#("a" "u1") #("b" "u1")]))) "numpy.int16" TOLIST]
    [(np.zeros [0 (** 2 32)]) "(0, 4294967296)" "send its shape"]]
  REFUSED-TYPES [
    (np.ma.array [1 2]) (.view (np.zeros 2) MyArray) (.view (np.zeros [2 2]) np.matrix)
    (.view (np.zeros 2 "f8,f8") np.recarray)
    (np.str- "a") (np.bytes- b"a") (get (np.zeros 1 "f8,f8") 0)])

;; On some machines they are other names of float64 and complex128.
(when (> (. (np.dtype "g") itemsize) 8)
  (+= REFUSED [
    [(np.zeros 2 "longdouble") "float" "send (.astype a \"float64\")"]
    [(np.zeros 2 "clongdouble") "complex" "send (.astype a \"complex128\")"]])
  (+= REFUSED-TYPES [(np.longdouble 1) (np.clongdouble 1)]))


(defn test-refusals-tell-what-to-send []
  (for [[x what advice] REFUSED]
    (with [e (pytest.raises UnwritableError)]
      (write-datum [x]))
    (assert (in what (str e.value)) e.value)
    (assert (.endswith (str e.value) f"(at [0]): {advice}") e.value)
    (for [part [array-shape array-buffer]]
      (with [e (pytest.raises Misfit)]
        (part x))
      (assert (= e.value.advice advice) e.value.advice))))


(defn test-subclasses-are-refused []
  (for [x REFUSED-TYPES]
    (with [e (pytest.raises UnwritableError)]
      (write-datum [x]))
    (assert (in (. (type x) __name__) (str e.value)) e.value)
    (assert (in "write-object" (str e.value)) e.value)))


(defn test-bools-that-are-none []
  "By them NumPy would write beyond the end of what it takes for true ones."
  (setv x (.view (np.array [0 1 2] "u1") "?"))
  (with [e (pytest.raises Misfit :match "neither 0 nor 1")]
    (array-buffer x))
  (assert (= e.value.advice "send (.view a \"u1\")"))
  (for [b [b"\x02" b"\x00\xff" (bytearray b"\x01\x80\x00")]]
    (with [(pytest.raises ValueError :match "0 or 1")]
      (array-from ["|b1" [(len b)] "C"] b))))


;; * Tests: hostile texts and parts

(setv
  HUGE (** 10 18)
  BAD-DTYPES [
    "" "O" "|O" "|O8" "V8" "|V8" "|V0" "<f8,<f8" "(1000000000)<f8" "1000000000f8" "M8[foo]" "<M8[foo]" "<M8[0D]" "<M8[07D]"
    "<M8[1D]" "<M8[-1D]" "<M8[D/2]" "<M8[]" "<M8[2147483648s]" "<M8[99999999999999999999s]" "<M8[٣D]" "<M8[D]\n" "<M8[generic]" "object" "str"
    "float64" "int" "f8" "=f8" "|f8" "<i1" "<b1" "|b2" "?" "<f16" "<c32" "<f1" "<U1" "<S1" "|S1" "<U1000000000" "T" "|T16"
    "<f8 " " <f8" "<f8\0" "numpy.float64" "datetime64" "{'names': ['a'], 'formats': ['O']}" "os.system"]
  ; With the number of bytes that come along.
  BAD-SHAPES [
    [["<f8" [-1] "C"] 8] [["<f8" [-1 -1] "C"] 8] [["<f8" [-1 0] "C"] 0] [["<f8" [(- (<< 1 70)) 0] "C"] 0] [["<f8" [HUGE "ab"] "C"] 0] [["<f8" [HUGE] "C"] 8] [["<f8" [HUGE HUGE] "C"] 8]
    [["<f8" [0 HUGE] "C"] 0] [["<f8" [HUGE 0] "C"] 0] [["<f8" [(<< 1 16) 0 (<< 1 16)] "C"] 0]
    [["|u1" [(<< 1 32) (<< 1 32)] "C"] 0] [["|u1" [(<< 1 64)] "C"] 0] [["|u1" [(+ (<< 1 64) 1)] "C"] 1] [["|u1" [(<< 1 5000)] "C"] 1]
    [["|u1" (* [1] 65) "C"] 1] [["|u1" (* [9] 300,000) "C"] 1]
    [["<f8" [True] "C"] 8] [["<f8" [1.0] "C"] 8] [["<f8" ["1"] "C"] 8] [["<f8" [[1]] "C"] 8] [["<f8" [None] "C"] 8]
    [["<f8" #(1) "C"] 8] [["<f8" 1 "C"] 8] [["<f8" None "C"] 8] [["<f8" "" "C"] 8] [["<f8" (range 0 HUGE) "C"] 8] [["<f8" {1 1} "C"] 8]
    [["<f8" [1] "F"] 8] [["<f8" [] "F"] 8] [["<f8" [0 2] "F"] 0] [["<f8" [1 2] "F"] 16]
    #* (gfor  order ["A" "K" "c" "f" "" None 1 b"C" ["C"] 'C]  [["<f8" [2 2] order] 32])
    #* (gfor  dtype [#* BAD-DTYPES None 8 b"<f8" ["<f8"] #("<f8" 3) {"names" []} 'float (range 0 HUGE)]
      [[dtype [1] "C"] 8])])


(defn text-of [tag #* args]
  (.format "({} {})" tag (.join " " (map write-datum args))))


(defn refused [text]
  (with [e (pytest.raises DatumSyntaxError)]
    (setv back (read-datum text))
    (print f"{text} was read as {back !r}"))
  e.value)


(defn test-shapes-that-are-none []
  (for [[shape size] BAD-SHAPES]
    (for [buffer [(bytes size) (bytearray size)]]
      (with [(pytest.raises #(ValueError TypeError))]
        (print (array-from shape buffer) "was made of" shape)))
    (for [item [0.0 0 False 0j]  n [0 1 2 4]]
      (refused (text-of "ndarray" #* shape (* [item] n))))))


(defn test-dimensions-that-are-none []
  (for [[message dimensions] [
      ["a list of integers" [True]] ["a list of integers" [1.0]] ["a list of integers" [HUGE "ab"]] ["a list of integers" (range 0 HUGE)]
      ["no array has" [-1]] ["no array has" [-1 -1]] ["no array has" [(- HUGE) 0]] ["no array has" [0 HUGE]] ["no array has" (* [1] 65)]]]
    (with [e (pytest.raises #(ValueError TypeError))]
      (array-from ["<f8" dimensions "C"] (bytes 8)))
    (assert (in message (str e.value)) [e.value dimensions])
    (setv e (refused (text-of "ndarray" "<f8" dimensions "C" [0.0])))
    (assert (in message (str e)) [e dimensions])))


(defn test-shapes-of-another-form []
  (for [shape [[] ["<f8"] ["<f8" [1]] ["<f8" [1] "C" "C"] None 5 "<f8" "abc" {} [[] [] []] [None None None]]]
    (with [(pytest.raises #(ValueError TypeError))]
      (print (array-from shape (bytes 8)) "was made of" shape))))


(defn test-sizes-are-exact []
  (for [[dimensions size] [[[] 8] [[0] 0] [[2 3] 48] [[3 0 2] 0]]  d [-8 -1 1 8]]
    (when (>= (+ size d) 0)
      (with [(pytest.raises ValueError)]
        (print (array-from ["<f8" dimensions "C"] (bytes (+ size d)))))))
  (for [[dimensions n] [[[] 1] [[0] 0] [[2 3] 6] [[3 0 2] 0]]  d [-1 1]]
    (when (>= (+ n d) 0)
      (setv e (refused (text-of "ndarray" "<f8" dimensions "C" (* [0.0] (+ n d)))))
      (assert (in f"{(+ n d)} items where there should be {n}" (str e)) e))))


(defn test-buffers-that-are-no-row-of-bytes []
  (for [buffer [
      5 None "text" [0 0] (array "d" [1]) (.cast (memoryview (bytes 8)) "b") (.cast (memoryview (bytes 8)) "B" [2 4])
      (cut (memoryview (bytes 16)) None None 2) (np.zeros 1) (np.zeros 8 "i1")]]
    (with [(pytest.raises #(TypeError ValueError))]
      (print (array-from ["<f8" [1] "C"] buffer) "was made of" buffer))))


(defn test-items-that-are-none []
  (for [[message dtype items] [
      ["list of float" "<f8" [1 True 1j "1" None [1.0] (np.float64 1)]]
      ["list of complex" "<c8" [1 1.0 "1j"]]
      ["list of bool" "|b1" [1 0.0 None]]
      ["list of int" "<i2" [1.0 True "1" (np.int16 1)]]
      ["list of int" "<M8[D]" [1.5 True "2020-01-01" (np.datetime64 1 "D")]]
      ["none of dtype" "<f4" [0.1 1e300 1e-300]]
      ["none of dtype" "<f2" [65536.0 1e-9]]
      ["none of dtype" "<c8" [(complex 0.1 0) (complex np.nan 1e300)]]
      ["no room" "|i1" [128 -129 (<< 1 5000)]]
      ["no room" "|u1" [256 -1]]
      ["no room" ">i8" [(<< 1 63) (- -1 (<< 1 63))]]
      ["no room" "<u8" [(<< 1 64) -1]]
      ["no room" "<M8[D]" [(<< 1 63)]]]
      item items]
    (setv e (refused (text-of "ndarray" dtype [1] "C" [item])))
    (assert (in message (str e)) [e dtype item]))
  (for [items [#(1.0) 1.0 "a" b"a" {1.0 1} (range 0 1) (range 0 HUGE) None]]
    (refused (text-of "ndarray" "<f8" [1] "C" items))))


(defn test-scalars-that-are-none []
  (for [args [
      "float32 0.1" "float32 1" "float32 1e300" "float32" "float32 1.0 1.0" "float64 1" "float64 \"1\"" "int8 128" "int8 -129" "int8 1.0" "int8 True" "uint64 -1"
      "uint64 18446744073709551616" "bool_ 1" "bool_ None" "complex64 1.0" "complex64 0.1+0j" "complex128 \"1j\""
      "datetime64 5" "datetime64 \"m8[D]\" 5" "datetime64 \"i8\" 5" "datetime64 \"<M8[D]\" 5" "datetime64 \"M8[foo]\" 5" "datetime64 \"M8[D]\" 5.0" "datetime64 \"M8[D]\" 9223372036854775808"
      "datetime64 \"M8[1D]\" 5" "datetime64 [] 5" "timedelta64 \"M8[D]\" 5" "datetime64 \"O\" 5" "float16 [1.0]" "float16 (float16 1.0)"]]
    (refused f"({args})"))
  (for [tag ["bool" "longdouble" "float128" "str_" "void" "object_" "numpy" "matrix" "dtype"]]
    (assert (in "no tag" (str (refused f"({tag} 1)"))) tag)))


(defn few-of [x]
  (st.lists x :max-size 4))

(setv
  pieces (st.sampled-from [
    "(ndarray " "(memoryview " "(float32 " "(datetime64 " ")" "[" "]" "[]" "[1]" "[2 2]" "[0]" "\"<f8\"" "\"|u1\"" "\"|b1\"" "\"<M8[D]\"" "\"M8[s]\"" "\"O\"" "\"C\"" "\"F\""
    "1" "0" "-1" "1.5" "NaN" "1e999" "True" "1j" "99999999999999999999" "(range 0 9 1)" "None" "[1.0 2.0 3.0 4.0]"])
  plain (st.recursive
    (st.one-of (st.none) (st.booleans) (st.integers) (st.integers 0 3) (st.floats) (st.binary) (st.text :max-size 3)
      dtypes (st.sampled-from ["C" "F"]) (st.sampled-from BAD-DTYPES))
    few-of
    :max-leaves 6))

(defn [(given (st.lists pieces :max-size 10)) (examples 250)] test-any-text-is-a-value-or-an-error [parts]
  (try
    (setv x (read-datum (.join " " parts)))
    (except [DatumSyntaxError])
    (else
      (write-datum x)
      None)))  ; Hypothesis wants nothing else


(defn [(given (st.one-of plain (st.tuples dtypes shapes (st.sampled-from "CF")) (st.tuples plain plain plain)
  (st.lists plain :min-size 3 :max-size 3)) (st.binary :max-size 64))
       (examples 250)]
    test-any-parts-are-an-array-or-an-error [shape buffer]
  (try
    (setv x (array-from (if (is (type shape) tuple) (list shape) shape) (bytearray buffer)))
    (except [[ValueError TypeError]])
    (else
      (assert (= (array-shape x) (list shape)))
      (assert (= x.nbytes (len buffer)))
      (when x.nbytes
        (assert (= (bytes (array-buffer x)) buffer))))))


(defn [(given (arrays) (st.randoms :use-true-random False)) (examples 75)] test-mutated-texts [x random]
  (setv text (write-datum x))
  (for [_ (range 5)]
    (setv i (random.randint 0 (len text))  j (random.randint i (len text)))
    (try
      (setv y (read-datum (+ (cut text i) (random.choice ["" "0" "9" "-" "F" "[" "O" ">"]) (cut text j None))))
      (except [DatumSyntaxError])
      (else
        (when (is (type y) np.ndarray)
          (assert (<= y.nbytes (* 16 (len text))) text))))))


;; * Tests: memory

(defn test-the-buffer-is-the-array-s-own-memory []
  (for [x [
      (np.arange 6.0) (.reshape (np.arange 6 :dtype ">i2") [2 3]) (np.zeros [2 3] :order "F") (. (np.zeros [2 3]) T)
      (np.zeros 3 "M8[D]") (np.zeros [] "c8") (np.ones 4 "?") (get (np.arange 10) (slice 2 5)) (np.broadcast-to (np.zeros 1) [1 1])]]
    (setv buffer (array-buffer x))
    (assert (np.shares-memory x (np.asarray buffer)) x)
    (assert (= (len buffer) x.nbytes)))
  (setv view (memoryview (bytearray 5)))
  (assert (np.shares-memory (np.asarray view) (np.asarray (array-buffer view))))
  (setv x (np.zeros 1,000,000))
  (assert (< (peak-of (fn [] (array-buffer x))) 20,000)))


(defn test-an-array-lies-in-the-buffer-that-can-be-written-to []
  (for [shape [["<f8" [2 3] "C"] [">i2" [4 6] "F"] ["<M8[D]" [6] "C"] ["|b1" [48] "C"] ["<c16" [3] "C"]]]
    (setv memory (bytearray 50))
    (for [buffer [(bytearray 48) (memoryview (bytearray 48)) (cut (memoryview memory) 1 49)]]
      (setv x (array-from shape buffer))
      (assert (np.shares-memory x (np.frombuffer buffer "u1")) shape)
      (.fill x 1)
      (assert (any buffer) "it is the same memory"))
    (setv data (bytes 48)  x (array-from shape data))
    (.fill x 1)
    (assert (not (any data)) "what cannot be written to stays")
    (assert (= (array-shape x) shape)))
  (setv buffer (bytearray 8,000,000))
  (assert (< (peak-of (fn [] (array-from ["<f8" [1,000,000] "C"] buffer))) 20,000)))


;; * Tests: NumPy, when it is needed

(defn python [#* lines]
  "What a process of its own prints."
  (setv run (subprocess.run [sys.executable "-c" (.join "\n" lines)]
    :cwd ROOT :capture-output True :text True))
  (assert (= run.returncode 0) run.stderr)
  (.split (.strip run.stdout) "\n"))

(setv PRELUDE "import hy, sys; from dpfw.data.sexp import read_datum, write_datum; import dpfw.master, dpfw.slave")


(defn test-numpy-is-imported-when-an-array-comes []
  (assert (= ["False" "False" "True"] (python
    PRELUDE
    "print('numpy' in sys.modules)"
    "read_datum(write_datum([1, 2.5, 'a', b'b', {1: [None]}, frozenset([1])]))"
    "print('numpy' in sys.modules)"
    "read_datum('(float32 1.5)')"
    "print('numpy' in sys.modules)"))))


(defn test-without-numpy []
  (setv told (python
    PRELUDE
    "sys.modules['numpy'] = None"
    "def tell(f, x):"
    "    try: print('read', f(x))"
    "    except Exception as e: print(type(e).__name__, e)"
    "for s in ['ndarray \"<f8\" [1] \"C\" [1.0]', 'memoryview \"<f8\" [1] \"C\" [1.0]', 'float32 1.5', 'datetime64 \"M8[D]\" 5']:"
    "    tell(read_datum, '(' + s + ')')"
    "tell(write_datum, memoryview(b'ab'))"
    "from dpfw.data.arrays import array_from"
    "tell(lambda x: array_from(['<f8', [1], 'C'], x), bytes(8))"
    "del sys.modules['numpy']"
    "tell(read_datum, '[(float32 1.5) (datetime64 \"M8[D]\" 5) (bool_ True)]')"))
  (for [[line what] (zip told ["ndarray" "memoryview" "float32" "datetime64" "memoryview" "ValueError"])]
    (assert (in what line) told)
    (assert (in "takes NumPy, which cannot be imported here: pip install numpy" line) told))
  (assert (.startswith (get told -1) "read [") told))


(defn test-nothing-is-pickled []
  (setv told (python
    PRELUDE
    "import numpy"
    "sys.addaudithook(lambda event, args: print(event) if 'pickle' in event else None)"
    "import pickle; pickle.loads(pickle.dumps(print))"
    "read_datum(write_datum([numpy.arange(3), numpy.float32(1), memoryview(b'ab')]))"))
  (assert (= told ["pickle.find_class"]) told))


;; * Many scalars, packed

(defn packed [x]
  (.join b"" (pack x)))

(defn [(pytest.mark.parametrize "name" (sorted ALIKE))] test-scalars-of-one-type-are-packed-as-an-array [name]
  (setv cls (getattr np name)
        xs (lfor  n (range 200)  (cls (% n 2)))
        got (unpack (packed xs)))
  (assert (= (set (map type got)) #{cls}))
  (assert (= got xs))
  (assert (in b"\"scalar\"" (packed xs))))

(defn test-dates-of-several-units-keep-them []
  (setv xs (lfor  n (range 200)  ((get [np.datetime64 np.timedelta64] (% n 2)) n (get UNITS (% n 7))))
        got (unpack (packed xs)))
  (assert (= (list (map repr got)) (list (map repr xs)))))

(defn test-scalars-keep-every-bit []
  (setv x (.view (np.array (list (range 0x7ff8000000000001 0x7ff8000000000065))) "f8")
        got (unpack (packed (list x))))
  (assert (= (.tobytes (np.array got)) (.tobytes x))))

(defn [(pytest.mark.parametrize "right" ["\"float64\"" "[\"<f8\" [100] \"C\"]" "\"scalar\" 100"])
       (pytest.mark.parametrize "wrong" ["\"float32\"" "\"object\"" "\"datetime64\"" "\"array\""
         "[\"<f4\" [200] \"C\"]" "[\"<f8\" [10 10] \"C\"]" "[\"<f8\" [99] \"C\"]"
         "\"scalar\" 101" "\"scalar\" 0" "\"scalar\" 1000000000000"])]
      test-what-are-no-scalars-is-refused [right wrong]
  (setv good (packed (list (np.zeros 100)))
        bad (.replace good (.encode right) (.encode wrong)))
  (assert (!= good bad) good)
  (with [(pytest.raises DatumSyntaxError)]
    (unpack bad)))


;; * By itself, an array is packed and unpacked at once

(defn joined [buffers]
  (.join b"" buffers))

(defn [(given (arrays)) (examples 150)] test-a-lone-array-is-packed-as-its-columns-would-be [x]
  (setv by-columns (joined (pack-columns x))
        packed (joined (pack x)))
  (assert (= packed by-columns))
  (assert (is (unpack-array (memoryview (joined (pack [x])))) None) "that is a list")
  (when x.size
    (setv y (unpack-array (memoryview packed)))
    (check x y)
    (check x (unpack-columns (memoryview packed)))))

(setv LONE (joined (pack (np.arange 3 :dtype "<i2"))))

(defn [(pytest.mark.parametrize "right, wrong" [
        #(b"<i2" b"<i4") #(b"<i2" b"|O2") #(b"[3]" b"[4]") #(b"[3]" b"3  ") #(b"\"C\"" b"\"F\"") #(b"\"C\"" b"\"K\"")
        #(b" 1 6 " b" 1 8 ") #(b" 1 6 " b" 2 6 ") #(b"[3]" b"[[") #(b"ndarray" b"ndarrax")])]
      test-what-is-wrong-with-a-lone-array-is-said [right wrong]
  (assert (in right LONE))
  (setv data (.replace LONE right wrong))
  (assert (is (unpack-array (memoryview data)) None))
  (with [_ (pytest.raises DatumSyntaxError)]
    (unpack data)))

(defn test-what-comes-leaves-no-mark-on-what-is-made []
  "True is equal to 1, but an array has no dimension True."
  (setv x (np.zeros [1 7] :dtype "<f4")
        told (.replace (joined (pack-columns x)) b"[1 7]" b"[True 7]"))
  (with [_ (pytest.raises DatumSyntaxError)]
    (unpack (.replace told b"\"text\" 1 17" b"\"text\" 1 20")))
  (assert (= (joined (pack x)) (joined (pack-columns x)))))
