"The slave's part of the calls over collections: a procedure, and a chunk of the
items for it.

Each writes what came of the chunk, as a list, which may be packed, and returns the
seconds it took. When an item fails, its place in the chunk is written instead, as an
int on a line, and the error is raised. `try-chunk` goes on instead, and what it writes
are three lists: the results, the places of those that failed among them, and the
errors, each as the payload of an ``error`` frame."

(import
  functools [reduce]
  inspect [isfunction]
  operator [length-hint]
  reprlib
  time [perf-counter]
  dpfw.data.codec [encode]
  dpfw.data.packed [small?]
  dpfw.data.sexp [write-datum]
  dpfw.errors [Interrupted UnwritableError]
  dpfw.task.failure [describe]
  dpfw.task.ports [write])

(setv
  LONGEST-ITEM 200  ; characters of one that an error is about
  ; Session with a master -> what passes its chunks on, in a process that is the head of a
  ; branch: see ``serve/branch``.
  branches {})


(defn map-chunk [f columns o [spread None]]
  "Write the list of ``(f x …)`` for the items in the columns, which are read
  here, since the time for that counts. ``spread`` is what a head is to know: see `passed-on`."
  (timed (fn []
    (write-results (or-here (passed-on "itself" columns o spread)
      (fn [] (mapped f (columns) o))) o))))

(defn try-chunk [f columns o [spread None]]
  "The same, but what fails of an item ends nothing."
  (timed (fn []
    (setv [results errors] (or-here (passed-on "itself" columns o spread :returned True)
      (fn [] (tried f (columns) o))))
    (write-tried results errors o))))

(defn each-chunk [f columns o [spread None]]
  "Call f for each item, and keep nothing."
  (timed (fn []
    (or-here (passed-on "none" columns o spread) (fn []
      (setv [items] (columns)  place 0)
      (with-place o (fn [] place) [items] (fn []
        (nonlocal place)
        (plainly-named f)
        (for [[place x] (enumerate items)]
          (f x))))))
    (write-all [] o))))

(defn reduce-chunk [f columns o [spread None]]
  "Write the one value that f makes of the items, in a list."
  (timed (fn []
    (setv items (or-here (passed-on "one" columns o spread) (fn [] (get (columns) 0))))
    (write-results [(reduced f items o)] o (- (len items) 1)))))

(defn map-reduce-chunk [f g columns o [spread None]]
  "The same with g, of what f makes of each item."
  (timed (fn []
    (setv items (or-here (passed-on "one" columns o spread) (fn [] (mapped f (columns) o))))
    (write-results [(reduced g items o)] o (- (len items) 1)))))


;; The head of a branch

(defn passed-on [results columns o spread [returned False]]
  "What the slaves of this process's branch make of the items, in their order; None if it
  is no head. For each part there are so many ``results``; ``spread`` says how often a part
  may run again, and how many items it has, None if that is found by measurement. With
  ``returned``, the results and a dict of the errors."
  (setv branch (when spread (.get branches o.raw.session)))
  (when branch
    (.pass-on branch results (columns) #* spread :returned returned :o o)))

(defn or-here [results procedure]
  (if (is results None) (procedure) results))


;; What fails, and at which item

(defn with-place [o place columns procedure]
  "Call the procedure; if it fails, tell at which place, and of what items."
  (try
    (procedure)
    (except [Interrupted]
      (raise))
    (except [e BaseException]
      (write (place) o)
      (raise (note-items (no-end e) columns (place))))))

(defn no-end [error]
  "Whoever hears of a StopIteration would take it for the end of something."
  (when (isinstance error StopIteration)
    (setv end error
          error (RuntimeError "the procedure raised StopIteration")
          error.__cause__ end))
  error)

(defn plainly-named [f]
  "The procedure; if it is one of the remote's, it calls itself as its user knows it
  when it is called wrongly."
  (when (and (isfunction f) (.startswith f.__code__.co-filename "<remote "))
    (setv f.__qualname__ (if (.startswith f.__name__ "_hy_anon_") "<lambda>" f.__name__)))
  f)

(defclass ItemNote [str]
  "A note of ours.")

(defn note-items [error columns place]
  "Have the traceback of the error end with the items that the procedure failed for."
  (setv texts (lfor  column columns  (shown (get column place)))
        ; A procedure may raise the same exception again.
        others (lfor
          note (getattr error "__notes__" [])
          :if (not (isinstance note ItemNote))
          note))
  (try
    (setv error.__notes__ [#* others
      (ItemNote f"for the item{(if (cut texts 1 None) "s" "")} {(.join " and " texts)}")])
    (except [Exception]))  ; of a class that lets nobody
  error)

(defn shown [x]
  ; What is between the two parts of a map-reduce may be no data.
  (for [show [as-data reprlib.repr]]
    (try
      (return (show x))
      (except [Exception])))
  (object.__repr__ x))

(defn as-data [x]
  (if (small? x) (shortened (write-datum x)) (reprlib.repr x)))

(defn shortened [text]
  (if (> (len text) LONGEST-ITEM)
    (+ (cut text LONGEST-ITEM) "…")
    text))

(defn mapped [f columns o]
  (setv results [])
  (with-place o (fn [] (len results)) columns (fn []
    ; `extend` keeps what it has when the iterator fails, and calls f from C.
    (.extend results (map (plainly-named f) #* columns))
    (when (< (len results) (min (map len columns)))
      ; Which to `extend` is the end of the items.
      (raise (StopIteration)))))
  results)

(defn tried [f columns o]
  "The results, with None in the places of what failed; and a dict from these to the
  errors. Only an `Exception` is the item's own."
  (setv results []
        errors {}
        calls (map (plainly-named f) #* columns)
        n (min (map len columns)))
  (with-place o (fn [] (len results)) columns (fn []
    (while (< (len results) n)
      (try
        (.extend results calls)
        (when (< (len results) n)
          (raise (StopIteration)))
        (except [e Exception]
          (setv (get errors (len results)) (described (note-items (no-end e) columns (len results)) o))
          (.append results None))))))
  #(results errors))

(defn described [error o]
  (describe error o.raw.connection.limit))

(defn reduced [f items o]
  (setv items (list items)
        rest (iter items))
  (with-place o (fn [] (- (len items) (length-hint rest) 1)) [items] (fn []
    (reduce (plainly-named f) rest))))

(defn write-results [results o [before 0]]
  "``before`` is the number of items before that of the first result."
  (try
    (write-all results o)
    (except [e UnwritableError]
      (setv [place error] (first-unwritable results e 1))
      (write (+ before place) o)
      (raise error))))

(defn write-tried [results errors o]
  (defn write-them []
    (setv places (sorted errors))
    (write-all [results places (lfor  n places  (get errors n))] o))
  (try
    (write-them)
    (except [UnwritableError]
      (for [[place error] (unwritable results 2)]
        (setv (get results place) None
              (get errors place) (described error o)))
      (write-them))))

(defn write-all [results o]
  (for [buffer (encode results o.raw.connection.packed)]
    (.write o.buffer buffer)))

(defn first-unwritable [items error levels]
  "The place of the first item that has no s-expression, and the error that
  tells of it. In what is sent, the items stand so many levels deep."
  ; None, if it was unwritable only a moment ago.
  (next (unwritable items levels) #(0 error)))

(defn unwritable [items levels]
  "Yield the places of all such items, and their errors."
  (for [[place x] (enumerate items)]
    (setv whole x)
    (for [_ (range levels)]
      (setv whole [whole]))
    (try
      (write-datum x)
      (write-datum whole)
      (except [e UnwritableError]
        (yield #(place e))))))

(defn timed [procedure]
  (setv start (perf-counter))
  (procedure)
  (- (perf-counter) start))
