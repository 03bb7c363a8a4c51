"Columns of lists, tuples, sets and dicts, which are made of columns of what these
hold. ``columns`` says what their functions take."

(import
  collections [defaultdict deque]
  itertools [chain compress count islice repeat]
  operator [countOf setitem]
  hy.models [Keyword]
  dpfw.data.columns [LONGEST-NAME lengths number-bytes numbers pieces same-count]
  dpfw.data.sexp [build-dict build-set]
  dpfw.data.standard-types [CROWDED MOST-ALIKE PRIME alike crowded? kind-of-all only]
  dpfw.data.tokens [Misfit Misread])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; The fewest lists or dicts for which each place, or key, has a column of its own.
  ROWS 64
  WIDEST 16  ; of such lists
  MOST-SHAPES 16  ; of such dicts
  ; Keys that take no time to compare.
  CHEAP (frozenset [(type None) bool int float complex str bytes Keyword])
  ; Of these, equal keys have the same type. No other dicts have shapes.
  SHAPED (frozenset [(type None) int str bytes Keyword]))


;; What belongs to several columns

(defn numbered [keys]
  "Those of the keys that differ, and for each key which of these it is."
  (setv numbers (defaultdict (. (count) __next__))
        codes (list (map (. numbers __getitem__) keys)))
  #((list numbers) codes))

(defn split-up [xs codes n]
  "For each number below ``n`` those of ``xs`` that have it for a code."
  (lfor
    i (range n)
    :setv table (bytearray 256)
    :do (setv (get table i) 1)
    (if (= n 1) xs (list (compress xs (.translate codes table))))))

(defn merge [parts codes]
  "The inverse: for each code the next item of the part that it is the number of."
  (same-count codes (sum (map len parts)))
  (for [[i part] (enumerate parts)]
    (same-count part (.count codes i)))
  (if (= (len parts) 1)
    (get parts 0)
    (list (map next (map (. (list (map iter parts)) __getitem__) codes)))))


;; Sequences and sets

(defn flat [xs]
  "The items of all these lists or tuples."
  (if (= (len xs) 1)
    (get xs 0)
    (list (chain.from-iterable xs))))

(defn write-sequences [xs]
  (setv
    kind (. (type (get xs 0)) __name__)
    items (flat xs)
    width (common-width xs))
  (if width
    #([kind width] [(lengths xs)] (lfor  i (range width)  (cut items i None width)))
    #([kind] [(lengths xs)] [items])))

(defn common-width [xs]
  "The length of these, if they are many of the same, of items of several types."
  (setv width (len (get xs 0)))
  (when (and
      (>= (len xs) ROWS)
      (<= 2 width WIDEST)
      (is (kind-of-all (get xs 0)) None)
      (= (countOf (map len xs) width) (len xs)))
    width))

(defn runs [items iterator lengths]
  "Iterators over so many of the items each. Each has to be used up in turn."
  (same-count items (sum lengths))
  (map islice (repeat iterator) lengths))

(defn sequence-reader [build]
  (fn [column items #* more]
    (setv lengths (numbers "I" column.data))
    (list (cond
      column.more (build-rows build column.count lengths [items #* more])
      ; A slice has no room that it does not need.
      (is build list) (pieces items lengths)
      True (map build (runs items (iter items) lengths))))))

(defn build-rows [build count lengths children]
  (when (!= (.count lengths (len children)) count)
    (raise (Misread f"not all lengths are {(len children)}")))
  (for [child children]
    (same-count child count))
  (if (is build tuple)
    (zip #* children)
    (map build (zip #* children))))

(defn write-sets [xs]
  (setv items (list (chain.from-iterable xs)))
  (refuse-crowds xs items)
  #([(. (type (get xs 0)) __name__)] [(lengths xs)] [items]))

(defn refuse-crowds [xs keys]
  "``keys`` are those of all the sets or dicts ``xs``."
  (setv cheap (.issuperset CHEAP (map type keys)))
  (when (and (or (not cheap) (> (max (map len xs)) MOST-ALIKE))
             (any (gfor  x xs  (crowded? x (not cheap)))))
    (raise (Misfit CROWDED))))

(defn set-reader [build]
  (fn [column items]
    (setv
      lengths (numbers "I" column.data)
      parts (runs items (iter items) lengths)
      sets (list (map build (if (easy? items lengths)
        parts
        (map (fn [part] (build-set (list part) True)) parts)))))
    (same-count items (sum (map len sets)))
    sets))

(defn easy? [keys lengths]
  "Are these sure not to be crowded?"
  (and (<= (max lengths :default 0) MOST-ALIKE) (.issuperset CHEAP (map type keys))))


;; Dicts

(defn write-dicts [xs]
  (or (write-records xs) (do
    (setv
      keys (list (chain.from-iterable xs))
      values (list (chain.from-iterable (map dict.values xs))))
    (refuse-crowds xs keys)
    #(["dict"] [(lengths xs)] [keys values]))))

(defn read-dicts [column keys values]
  (same-count values (len keys))
  (setv
    lengths (numbers "I" column.data)
    parts (runs keys (zip keys values) lengths))
  (if (easy? keys lengths)
    (do
      (setv dicts (list (map dict parts)))
      (same-count keys (sum (map len dicts)))
      dicts)
    (lfor  part parts  (build-dict (list (chain.from-iterable part)) True))))

(defn write-records [xs]
  "Dicts that have one of few shapes, which are tuples of keys."
  (when (and
      (>= (len xs) ROWS)
      (<= (len (set (map tuple (cut xs ROWS)))) MOST-SHAPES)
      (.issuperset SHAPED (map type (chain.from-iterable xs))))
    ; To compare takes less than to hash, if most keys are the same objects.
    (setv
      shape (tuple (get xs 0))
      [shapes codes] (if (= (countOf (map tuple xs) shape) (len xs))
        [[shape] (* [0] (len xs))]
        (numbered (map tuple xs))))
    (when (and
        (<= (len shapes) MOST-SHAPES)
        (<= (sum (map len shapes)) (len xs))
        (all (map shape? shapes)))
      #(["record" (list (map list shapes))]
        [(number-bytes "I" codes)]
        (lfor
          [dicts shape] (zip (split-up xs (bytes codes) (len shapes)) shapes)
          column (values-by-key dicts (len shape))
          column)))))

(defn shape? [keys]
  "Can dicts with these keys be made without a look at each?"
  (and
    (.issuperset SHAPED (map type keys))
    (not (any (map long-name? keys)))
    (all (gfor  k keys  (or (is-not (type k) int) (< (- PRIME) k PRIME))))
    (or (not keys) (<= (alike keys) 2))))

(defn long-name? [key]
  (cond
    (in (type key) [str bytes]) (> (len key) LONGEST-NAME)
    (is (type key) Keyword) (> (len key.name) LONGEST-NAME)))

(defn values-by-key [dicts width]
  (setv values (list (chain.from-iterable (map dict.values dicts))))
  (lfor  i (range width)  (cut values i None width)))

(defn count-keys [shapes]
  (when (> (len (only list shapes)) MOST-SHAPES)
    (raise (Misread f"more than {MOST-SHAPES} shapes")))
  (sum (gfor  keys shapes  (len (only list keys)))))

(defn read-records [column #* children]
  (setv
    [shapes] column.more
    codes (numbers "I" column.data)
    children (iter children))
  (merge
    (lfor
      [i keys] (enumerate shapes)
      (build-records keys (.count codes i) (list (islice children (len keys)))))
    codes))

(defn build-records [keys count columns]
  (unless (shape? keys)
    (raise (Misread "these cannot be the keys of a shape")))
  (setv empty (dict.fromkeys keys))
  (when (!= (len empty) (len keys))
    (raise (Misread "a key occurs twice")))
  ; In half the time of making them of their pairs.
  (setv dicts (list (map dict.copy (repeat empty count))))
  (for [[k column] (zip keys columns)]
    (same-count column count)
    (deque (map setitem dicts (repeat k) column) 0))
  dicts)
