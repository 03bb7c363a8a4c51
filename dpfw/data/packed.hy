"Values as packed data: the second form of the data language, for large values that
nobody reads. What stands at the same place of a structure makes one column, which is
written and read at once. ::

    (pack (lfor  i (range 1000)  {\"n\" i  \"square\" (* i i)}))

    0xFF [[\"list\" 1 4] [\"record\" 1000 4000 [[\"n\" \"square\"]]] [\"u2\" 1000 2000] [\"u4\" 1000 4000]] LF
    ... and the columns' bytes, one after the other

A text in UTF-8 never begins with 0xFF. The plan, a datum in its text form, tells for
each column its kind, how many values and how many bytes it has, and what else its kind
needs; a column stands before those that it is made of. ``columns`` has the kinds.

Whatever one form takes, the other takes, and both denote the same value."

(import
  collections [deque]
  re
  hy.models [Keyword]
  dpfw.errors [DatumSyntaxError UnwritableError]
  dpfw.data.buffers [LARGE MARK header in-few]
  dpfw.data.column-kinds [ARRAYS FROM-COLUMN TO-COLUMN aligned write-mixed write-tagged]
  dpfw.data.columns [Column same-count write-constants write-texts]
  dpfw.data.forms [DATUM check-depth]
  dpfw.data.garbage [no-collection]
  dpfw.data.lone-array [pack-array unpack-array]
  dpfw.data.registered [find-writer]
  dpfw.data.sexp [ATOMS read-datum write-datum]
  dpfw.data.standard-types [BY-TAG kind-of-all only]
  dpfw.data.tokens [MAX-DEPTH Misfit Misread snippet])
(eval-when-compile (require hyrule.control [unless]))

(setv
  NEWLINE (re.compile b"\n")
  ; What is made of so many values, and of so many characters or bytes in its strings,
  ; is small: its text takes less time than a plan and columns of some ten microseconds
  ; each.
  MOST-VALUES 64
  MOST-CHARACTERS 4096
  SCALARS (frozenset [(type None) bool int float complex Keyword range])
  TEXTS (frozenset [str bytes bytearray])
  ; A column of these is made of no others.
  FLAT (frozenset [(type None) bool int float complex str bytes])
  ; What contains itself grows without end; but to look for that costs as much as to
  ; pack. So it is done, once, when a plan has grown so long, or when so many values
  ; have been met, and some twice in a column.
  MANY-COLUMNS 1000
  MANY-VALUES 200,000)


;; Small values

(defn small? [x]
  #[[Is this better written as a text? ::

      (small? [1 "a"])              ; => True
      (small? (list (range 1000)))  ; => False

  It is, if it is made of at most 64 values, with at most 4096 characters and bytes in
  all its strings. Arrays never are small.]]
  (cond
    (in (type x) SCALARS) True
    (in (type x) TEXTS) (<= (len x) MOST-CHARACTERS)
    (in (type x) [list tuple]) (few? x)
    True (few? [x])))

(defn few? [xs]
  "Are all of these together small?"
  (setv values 0  characters 0  left [xs])
  (while left
    (setv xs (.pop left)
          values (+ values (len xs)))
    (when (> values MOST-VALUES)
      (return False))
    (setv types (set (map type xs)))
    (cond
      (.issubset types SCALARS) None
      (.issubset types TEXTS) (+= characters (sum (map len xs)))
      True (for [x xs]
        (cond
          (in (type x) SCALARS) None
          (in (type x) TEXTS) (+= characters (len x))
          (isinstance x #(list tuple set frozenset deque)) (.append left x)
          (isinstance x dict) (.append left [#* x #* (.values x)])
          (in (tag-of x) ARRAYS) (return False)
          ; The other types of the standard library take little.
          (not-in (tag-of x) BY-TAG) (.append left (arguments-of x)))))
    (when (> characters MOST-CHARACTERS)
      (return False)))
  True)

(defn tag-of [x]
  (get (or (find-writer (type x)) [None]) 0))

(defn arguments-of [x]
  "What a value of a registered type is made of, in its text."
  (try
    (list ((get (find-writer (type x)) 1) x))
    ; `write-datum` will tell.
    (except [Exception]
      [])))


;; What contains itself

(defn suspicious? [xs cls count columns]
  (or
    (> columns MANY-COLUMNS)
    (and
      (> (+ count (if (in cls [list tuple dict]) (sum (map len xs)) 0)) MANY-VALUES)
      (not (or (is cls None) (in cls ATOMS)))
      (< (len (set (map id xs))) (len xs)))))

(defn check-cycles [x]
  "Raise `Misfit` if a value contains itself. Looks into each container once."
  (setv entered #{}  done #{}  kept []  left [#(x False)])
  (while left
    (setv [x over] (.pop left))
    (cond
      over (.add done (id x))
      (in (id x) done) None
      (in (id x) entered) (raise (Misfit "it contains itself"))
      True (do
        (.add entered (id x))
        (.append left #(x True))
        (setv parts (parts-of x))
        ; Ids are those of what lives.
        (.append kept parts)
        (.extend left (gfor  y parts  :if (container? y)  #(y False)))))))

(defn parts-of [x]
  (cond
    (isinstance x dict) [#* x #* (.values x)]
    (isinstance x #(list tuple set frozenset deque)) x
    (in (tag-of x) ARRAYS) []
    True (arguments-of x)))

(defn container? [x]
  (not (or (in (type x) ATOMS) (in (type x) DATUM))))


;; Writing

(defn pack [x]
  "A value as packed data: a list of buffers, whose bytes are one datum. ::

      (unpack (.join b\"\" (pack [1 \"a\"])))  ; => [1 \"a\"]

  They may be views of arrays in ``x``, which should not change before the buffers
  have been used. Raises `UnwritableError` for what `write-datum` raises it for."
  (in-few (or (pack-array x) (pack-columns x))))

(defn pack-columns [x]
  (try
    (setv [plan buffers] (columns-of x)  head (header plan))
    ; It will say what is wrong, and where.
    (except [[Misfit OverflowError RecursionError UnwritableError]]
      (setv text (.encode (write-datum x))
            buffers [text]
            head (header [["text" 1 (len text)]]))))
  [head #* buffers])

(defn columns-of [x]
  (setv plan []  buffers []  place 0  count 0  acyclic False  left [#([x] 1)])
  (while left
    (setv [xs depth] (.pop left)
          cls (common-type xs))
    (+= count (len xs))
    (when (and (not acyclic) (suspicious? xs cls count (len plan)))
      (check-cycles x)
      (setv acyclic True))
    (setv [[kind #* more] column children] (column-of xs cls depth)
          [_ _ levels] (get FROM-COLUMN kind))
    (check-depth (+ depth levels -1))
    (when (= kind "array")
      (setv column (aligned column place)))
    (setv size (sum (map len column)))
    (.append plan [kind (len xs) size #* more])
    (.extend buffers column)
    (+= place size)
    (.extend left (gfor  child (reversed children)  #(child (+ depth levels)))))
  #(plan buffers))

(defn common-type [xs]
  ; Where there are several types, the first few values tell.
  (when (= (len (set (map type (cut xs 20)))) 1)
    (kind-of-all xs)))

(defn column-of [xs cls depth]
  (or
    (cond
      (not xs) (write-constants xs)
      (in cls FLAT) ((get TO-COLUMN cls) xs)
      (few? xs) None
      (is cls None) (write-mixed xs)
      (in cls TO-COLUMN) ((get TO-COLUMN cls) xs)
      (not-in cls DATUM) (write-tagged xs))
    (write-texts xs depth)))

;; Reading

(defn unpack [data]
  "The value that packed data denote; the inverse of `pack`. ::

      (unpack (.join b\"\" (pack [1 \"a\"])))  ; => [1 \"a\"]

  ``data`` is a bytes-like object. If it can be written to, arrays of NumPy lie in
  it. Raises `DatumSyntaxError` if it is anything but one packed datum."
  (setv data (.cast (memoryview data) "B")
        array (unpack-array data))
  (if (is array None)
    (unpack-columns data)
    array))

(defn unpack-columns [data]
  (setv columns (read-plan data))
  (if (< (len data) LARGE)
    (values-of columns)
    (with [_ (no-collection)]
      (values-of columns))))

(defn values-of [columns]
  (setv values [])
  ; A column's parts stand behind it, so from the last one on there is no recursion.
  (for [column (reversed columns)]
    (setv children (lfor  _ (range column.width)  (.pop values))
          [read #* _] (get FROM-COLUMN column.kind))
    (try
      (setv xs (read column #* children))
      (same-count xs column.count)
      (except [e Exception]
        (raise (syntax-error column.start f"a column of kind {column.kind}" e)
          :from (or e.__cause__ e))))
    (.append values xs))
  (get values 0 0))

(defn read-plan [data]
  "The columns, each with its bytes."
  (setv m (.search NEWLINE data)
        columns []
        depths [1])  ; of the columns that have not come yet, the next one last
  (unless (and m (= (cut data 1) MARK))
    (raise (syntax-error 0 "the plan" (Misread "no packed datum begins so"))))
  (try
    (setv plan (only list (read-datum (str (cut data 1 (.start m)) "utf-8")))
          start (.end m))
    (for [entry plan]
      (unless depths
        (raise (Misread "a column too many")))
      (setv column (place-column data start (.pop depths) #* (only list entry))
            start (+ start (len column.data)))
      (when (> column.width (len plan))
        (raise (Misread "columns are missing")))
      (.append columns column)
      (.extend depths (* [(+ column.depth column.levels)] column.width)))
    (when (or depths (!= start (len data)))
      (raise (Misread "columns are missing, or bytes too many")))
    (when (!= (. (get columns 0) count) 1)
      (raise (Misread "more or less than one value")))
    (except [e Exception]
      (raise (syntax-error 0 "the plan" e) :from (or e.__cause__ e))))
  columns)

(defn place-column [data start depth kind count size #* more]
  (setv [_ width levels] (.get FROM-COLUMN (only str kind) #(None None None)))
  (when (is width None)
    (raise (Misread f"{(snippet kind)} is no kind of columns")))
  (setv width (width #* more)
        end (+ start (only int size)))
  (unless (and (>= (only int count) 0) (>= (only int width) 0) (<= start end (len data)))
    (raise (Misread f"a column of kind {kind} has no such size")))
  (when (> (+ depth levels -1) MAX-DEPTH)
    (raise (Misread f"nested more than {MAX-DEPTH} levels deep")))
  (Column kind count start (cut data start end) depth more width levels))

(defn syntax-error [place what e]
  (setv why (cond
    (isinstance e Misread) e.why
    (isinstance e DatumSyntaxError) e.msg
    True f"{(. (type e) __name__)}: {e}"))
  (DatumSyntaxError f"{why}, in {what}" #("<packed datum>" 1 (+ place 1) None)))


(export :objects [pack unpack small?])
