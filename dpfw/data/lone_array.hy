"An array by itself, packed and unpacked at once. What is made is what `packed` would
make of it column by column, in a tenth of the time: what stands before and behind
the items depends on the array's shape alone, and is kept."

(import
  functools [lru-cache]
  re
  dpfw.data.arrays [array-buffer array-from array-shape count-items]
  dpfw.data.buffers [header]
  dpfw.data.columns [write-ints write-texts]
  dpfw.data.registered [find-writer]
  dpfw.data.sexp [read-datum]
  dpfw.data.standard-types [only]
  dpfw.data.tokens [Misfit])
(eval-when-compile (require hyrule.control [unless]))

(setv
  TAG "ndarray"
  KEPT 256          ; shapes
  LONGEST-TAIL 512  ; bytes of a description, and of its length, that are looked at
  HEAD (re.compile rb"\xff\[\[\"array\" 1 ([1-9][0-9]{0,14}) \"ndarray\"\][^\n]{0,100}\n"))


(defn pack-array [x]
  "An array as packed data, as a list of buffers; None for what is no array, or none
  that has a form."
  (unless (= (get (or (find-writer (type x)) [None]) 0) TAG)
    (return None))
  (try
    (setv [dtype dimensions order] (array-shape x)
          items (array-buffer x))
    (except [Misfit]
      (return None)))
  (when items
    (setv [head tail] (around dtype (tuple dimensions) order (len items)))
    [head items tail]))

(defn unpack-array [data]
  "The array that packed data, as a memoryview, are; None if they are another value,
  or have an error."
  (setv found (.match HEAD data))
  (unless found
    (return None))
  (setv start (.end found)
        end (+ start (int (get found 1))))
  (unless (<= 0 (- (len data) end) LONGEST-TAIL)
    (return None))
  (setv shape (shape-from (get found 0) (- end start) (bytes (cut data end None))))
  (when shape
    (try
      (array-from shape (cut data start end))
      (except [[TypeError ValueError]]))))


(defn [(lru-cache KEPT)] around [dtype dimensions order size]
  "What stands before the items of an array and what behind them, as bytes."
  (setv columns [
          (write-texts [[dtype (list dimensions) order]] 1)
          (write-ints [size])]
        bytes-of (lfor  [_ column _] columns  (.join b"" column)))
  #((header [["array" 1 size TAG]
             #* (gfor  [[kind _ _] column] (zip columns bytes-of)  [#* kind #* [1 (len column)]])])
    (.join b"" bytes-of)))

(defn [(lru-cache KEPT)] shape-from [head size tail]
  "The shape of the array that these stand around, if `around` would give just them."
  (try
    (setv [dtype dimensions order] (read-datum (str (cut tail (+ 1 (.rfind tail b"]"))) "utf-8")))
    ; To `around`, True would be 1.
    (count-items dimensions)
    (setv right (around (only str dtype) (tuple dimensions) (only str order) size))
    (except [Exception]  ; whoever looks at it column by column will say what is wrong
      (return None)))
  (when (= right #(head tail))
    [dtype dimensions order]))
