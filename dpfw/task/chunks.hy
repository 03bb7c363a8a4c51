"The slave's part of the calls over collections: a procedure, and a chunk of the
items for it.

Each writes what came of the chunk, as a list, which may be packed, and returns the
seconds it took. When an item fails, its place in the chunk is written instead, as an
int on a line, and the error is raised. `try-chunk` goes on instead, and what it writes
are three lists: the results, the places of those that failed among them, and the
errors, each as the payload of an ``error`` frame."

(import
  functools [reduce]
  operator [length-hint]
  time [perf-counter]
  dpfw.data.codec [encode]
  dpfw.data.sexp [write-datum]
  dpfw.errors [Interrupted UnwritableError]
  dpfw.task.failure [describe]
  dpfw.task.ports [write])


(defn map-chunk [f columns o]
  "Write the list of ``(f x …)`` for the items in the columns, which are read
  here, since the time for that counts."
  (timed (fn []
    (write-results (mapped f (columns) o) o))))

(defn try-chunk [f columns o]
  "The same, but what fails of an item ends nothing."
  (timed (fn []
    (setv [results errors] (tried f (columns) o))
    (write-tried results errors o))))

(defn each-chunk [f columns o]
  "Call f for each item, and keep nothing."
  (timed (fn []
    (setv [items] (columns)  place 0)
    (with-place o (fn [] place) (fn []
      (nonlocal place)
      (for [[place x] (enumerate items)]
        (f x))))
    (write-all [] o))))

(defn reduce-chunk [f columns o]
  "Write the one value that f makes of the items, in a list."
  (timed (fn []
    (setv [items] (columns))
    (write-results [(reduced f items o)] o (- (len items) 1)))))

(defn map-reduce-chunk [f g columns o]
  "The same with g, of what f makes of each item."
  (timed (fn []
    (setv items (mapped f (columns) o))
    (write-results [(reduced g items o)] o (- (len items) 1)))))


;; What fails, and at which item

(defn with-place [o place procedure]
  "Call the procedure; if it fails, tell at which place."
  (try
    (procedure)
    (except [Interrupted]
      (raise))
    (except [e BaseException]
      (write (place) o)
      (raise (no-end e)))))

(defn no-end [error]
  "Whoever hears of a StopIteration would take it for the end of something."
  (when (isinstance error StopIteration)
    (setv end error
          error (RuntimeError "the procedure raised StopIteration")
          error.__cause__ end))
  error)

(defn mapped [f columns o]
  (setv results [])
  (with-place o (fn [] (len results)) (fn []
    ; `extend` keeps what it has when the iterator fails, and calls f from C.
    (.extend results (map f #* columns))
    (when (< (len results) (min (map len columns)))
      ; Which to `extend` is the end of the items.
      (raise (StopIteration)))))
  results)

(defn tried [f columns o]
  "The results, with None in the places of what failed; and a dict from these to the
  errors. Only an `Exception` is the item's own."
  (setv results []
        errors {}
        calls (map f #* columns)
        n (min (map len columns)))
  (with-place o (fn [] (len results)) (fn []
    (while (< (len results) n)
      (try
        (.extend results calls)
        (when (< (len results) n)
          (raise (StopIteration)))
        (except [e Exception]
          (setv (get errors (len results)) (described e o))
          (.append results None))))))
  #(results errors))

(defn described [error o]
  (describe (no-end error) o.raw.connection.limit))

(defn reduced [f items o]
  (setv items (list items)
        rest (iter items))
  (with-place o (fn [] (- (len items) (length-hint rest) 1)) (fn []
    (reduce f rest))))

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
