"Columns of a packed datum: values of one kind, in a few bytes each. Here are those of
atoms; ``container_columns`` and ``column_kinds`` have those that are made of others.

A writer takes the values, and returns a list of the kind and what else the plan says
of the column; the bytes, as a list of buffers; and the columns that it is made of, as
lists of values. It returns None for values that have no column but their texts.

A reader takes the `Column` and the values of the columns that it is made of.

What is done for each value is done in C. What is read may come from anyone: each value
has to take a byte or more, or a short datum could be a large value."

(import
  array [array]
  itertools [accumulate chain]
  operator [attrgetter]
  dpfw.data.sexp [items-text read-datum]
  dpfw.data.standard-types [little-endian only]
  dpfw.data.tokens [Misread keyword-text read-keyword])

(setv
  CONSTANTS [None False True]
  ; What stands once in packed data and many times in their text, keys of a shape and
  ; keywords, must be short, or that text could be of any length.
  LONGEST-NAME 100
  ; What each string ends with, where none has it inside.
  ENDS [#("line" "\n") #("zero" "\0")]
  ; Kind, type code, least and greatest integer.
  INTS [
    #("u1" "B" 0 0xff)
    #("u2" "H" 0 0xffff)
    #("u4" "I" 0 0xffffffff)
    #("i2" "h" -0x8000 0x7fff)
    #("i4" "i" -0x80000000 0x7fffffff)
    #("i8" "q" -0x8000000000000000 0x7fffffffffffffff)
    #("u8" "Q" 0 0xffffffffffffffff)])


(defclass Column []
  "A column that is read. It has ``count`` values, and is made of ``width`` others.
  Its bytes begin at ``start``, in the packed datum. Its values are nested ``depth``
  levels deep, and those that they are made of ``levels`` deeper. ``more`` is what else
  the plan says of it."

  (defn __init__ [self kind count start data depth more width levels]
    (setv
      self.kind kind  self.count count  self.start start  self.data data  self.depth depth
      self.more more  self.width width  self.levels levels)))


;; Bytes

(defn same-count [xs n]
  (when (!= (len xs) n)
    (raise (Misread f"{(len xs)} items where there should be {n}"))))

(defn number-bytes [code xs]
  (.tobytes (little-endian (array code xs))))

(defn numbers [code data]
  (setv x (array code))
  (.frombytes x data)
  (little-endian x))

(defn lengths [xs]
  (number-bytes "I" (list (map len xs))))

(defn head-and-rest [column]
  "The integers that a column begins with, four bytes for each value, and its rest."
  (setv end (* 4 column.count))
  #((numbers "I" (cut column.data end)) (cut column.data end None)))

(defn pieces [xs lengths]
  "All of ``xs``, in pieces of these lengths."
  (setv ends (list (accumulate lengths)))
  (same-count xs (if ends (get ends -1) 0))
  (if (= (len ends) 1)
    (iter [xs])
    (map (. xs __getitem__) (map slice (chain [0] ends) ends))))


;; Atoms

(defn write-constants [xs]
  #(["constant"] [(bytes (map (. {None 0  False 1  True 2} __getitem__) xs))] []))

(defn read-constants [column]
  (list (map (. CONSTANTS __getitem__) column.data)))

(defn write-ints [xs]
  ; Some tell what can be spared to try.
  (setv some (cut xs None None (+ 1 (// (len xs) 100)))  low (min some)  high (max some))
  (for [[kind code least greatest] INTS]
    (when (<= least low high greatest)
      (try
        (return #([kind] [(int-bytes code xs)] []))
        (except [[OverflowError ValueError]])))))

(defn int-bytes [code xs]
  ; Of these, array takes three times as long as for its "I".
  (cond
    (= code "B") (bytes xs)
    (= code "H") (low-halves (number-bytes "I" xs))
    True (number-bytes code xs)))

(defn low-halves [data]
  "The lower two of each four bytes, of which the others should be zero."
  (setv half (bytearray (// (len data) 2)))
  (for [i [2 3]]
    (when (.strip (cut data i None 4) b"\0")
      (raise (OverflowError "more than two bytes"))))
  (for [i [0 1]]
    (setv (cut half i None 2) (cut data i None 4)))
  half)

(defn number-reader [code]
  (fn [column] (.tolist (numbers code column.data))))

(defn write-floats [xs]
  #(["f8"] [(number-bytes "d" xs)] []))

(defn write-complexes [xs]
  (setv parts (chain.from-iterable (map (attrgetter "real" "imag") xs)))
  #(["c16"] [(number-bytes "d" (list parts))] []))

(defn read-complexes [column]
  (setv parts (numbers "d" column.data))
  (list (map complex (cut parts 0 None 2) (cut parts 1 None 2))))

(defn write-strings [xs]
  (for [[kind end] ENDS]
    (setv text (.join end (chain xs [""])))
    (when (= (.count text end) (len xs))
      (return #([kind] [(utf-8 text)] []))))
  #(["str"] [(lengths xs) (utf-8 (.join "" xs))] []))

(defn utf-8 [text]
  (.encode text "utf-8" "surrogatepass"))

(defn ended-reader [end]
  (fn [column]
    (setv xs (.split (from-utf-8 column.data) end))
    (when (.pop xs)
      (raise (Misread "the last string has no end")))
    xs))

(defn from-utf-8 [data]
  (str data "utf-8" "surrogatepass"))

(defn read-strings [column]
  (setv [lengths data] (head-and-rest column))
  (list (pieces (from-utf-8 data) lengths)))

(defn write-bytes [xs]
  #([(. (type (get xs 0)) __name__)] [(lengths xs) (.join b"" xs)] []))

(defn read-bytes [column]
  (setv [lengths data] (head-and-rest column))
  (list (pieces (bytes data) lengths)))

(defn read-bytearrays [column]
  (list (map bytearray (read-bytes column))))

(defn write-keywords [xs]
  ; A keyword's own hash is not computed in C.
  (setv names (list (map (attrgetter "name") xs))
        distinct (dict (zip names xs))
        codes (dict (zip distinct (range (len distinct)))))
  (for [k (.values distinct)]
    (keyword-text k))
  (when (> (max (map len distinct)) LONGEST-NAME)
    (return None))
  #(["keyword"] [(number-bytes "I" (list (map (. codes __getitem__) names)))] [(list distinct)]))

(defn read-keywords [column names]
  (setv keywords (lfor  name names  (read-keyword (+ ":" (only str name)))))
  (when (any (gfor  name names  (> (len name) LONGEST-NAME)))
    (raise (Misread f"a keyword in a column has more than {LONGEST-NAME} characters")))
  (list (map (. keywords __getitem__) (numbers "I" column.data))))


;; Texts: whatever is rare, or little

(defn write-texts [xs depth]
  #(["text"] [(.encode (items-text xs depth xs))] []))

(defn read-texts [column]
  ; As deep within lists as the values were, or the levels would not be counted.
  (setv
    around (- column.depth 1)
    x (read-datum (+ (* "[" around) (str column.data "utf-8") (* "]" around))))
  (for [_ (range (- around 1))]
    (setv [x] x))
  (if around x [x]))
