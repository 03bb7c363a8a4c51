"The items of the calls over collections, taken in chunks, as columns: one list,
or slice, of each collection.

What can be sliced is, and so stays a list, or an array. Anything else is read no
further than the chunk goes, and no longer than somebody waits."

(import
  collections.abc [Iterable]
  sys
  time [perf-counter])
(eval-when-compile (require hyrule.control [unless]))

(setv
  SLICED [list tuple range]
  NUMBERS "biufcmM")  ; kinds of dtypes whose arrays are data


(defclass Items []
  "Takes chunks of items from collections side by side, to the end of the
  shortest, as columns. ``patience`` is how many seconds it takes at most, and
  then gives what there is."

  (defn __init__ [self collections patience]
    (for [c collections]
      (unless (or (sliced? c) (iterable? c))
        (raise (TypeError f"{c !r} is no collection of items; give a list, a range, a generator, …"))))
    (setv self.sliced (all (map sliced? collections))
          self.more (if self.sliced
            (slices collections)
            (pieces collections patience))
          self.back []))  ; columns that were taken, the next ones last

  (defn [property] at-hand [self]
    "Can more be taken without waiting for it?"
    (or self.sliced (bool self.back)))

  (defn take [self n]
    "The next columns, of at most ``n`` items; None at the end."
    (setv columns (if self.back (.pop self.back) (.more self n)))
    (when (and columns (len (get columns 0)))
      (.shortened self columns n)))

  (defn shortened [self columns n]
    "The first ``n`` items of columns; the others are given back."
    (if (<= (len (get columns 0)) n)
      columns
      (do
        (.append self.back (lfor  column columns  (cut column n None)))
        (lfor  column columns  (cut column n))))))

(defn sliced? [c]
  (or (in (type c) SLICED) (array? c)))

(defn iterable? [c]
  (or (isinstance c Iterable) (hasattr (type c) "__getitem__")))

(defn array? [c]
  "Is it an array of NumPy's that is data?"
  (setv cls (type c))
  (and (= #(cls.__module__ cls.__name__) #("numpy" "ndarray"))
       c.ndim
       (in c.dtype.kind NUMBERS)))

(defn slices [collections]
  "A function that gives the next n items of what can be sliced, such as a range."
  (setv at 0)
  (fn [n]
    (nonlocal at)
    (+= at n)
    (setv columns (lfor  c collections  (cut c (- at n) at))
          least (min (map len columns)))
    (lfor  column columns  (cut column least))))

(defn pieces [collections patience]
  "The same for what can only be iterated over."
  (setv single (= (len collections) 1)
        rest (if single (iter (get collections 0)) (zip #* collections))
        failed None)
  (fn [n]
    (nonlocal failed rest)
    (when failed
      (raise failed))
    (setv some []
          late (+ (perf-counter) patience))
    (try
      (for [x rest]
        (.append some x)
        (when (or (= (len some) n) (> (perf-counter) late))
          (break))
        (else
          ; Nothing is asked for behind the end.
          (setv rest (iter []))))
      (except [e Exception]
        ; What came before has its turn first.
        (unless some
          (raise))
        (setv failed e)))
    (if single [some] (list (map list (zip #* some))))))

(defn total [collections]
  "The number of items, None if it is not known."
  (when (all (gfor  c collections  (hasattr c "__len__")))
    (min (map size collections))))

(defn size [collection]
  (try
    (len collection)
    (except [OverflowError]  ; a long range
      sys.maxsize)))
