"The slave's part of the calls over collections: a procedure, and a chunk of the
items for it.

Each writes what came of the chunk, as a list, which may be packed, and returns the
seconds it took. When an item fails, its place in the chunk is written instead, as an
int on a line, and the error is raised."

(import
  functools [reduce]
  operator [length-hint]
  time [perf-counter]
  dpfw.data.codec [encode]
  dpfw.data.sexp [write-datum]
  dpfw.errors [Interrupted UnwritableError]
  dpfw.task.ports [write])


(defn map-chunk [f columns o]
  "Write the list of ``(f x …)`` for the items in the columns, which are read
  here, since the time for that counts."
  (timed (fn []
    (write-results (mapped f (columns) o) o))))

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
      (if (isinstance e StopIteration)
        ; Whoever hears of it would take it for the end of something.
        (raise (RuntimeError "the procedure raised StopIteration") :from e)
        (raise)))))

(defn mapped [f columns o]
  (setv results [])
  (with-place o (fn [] (len results)) (fn []
    ; `extend` keeps what it has when the iterator fails, and calls f from C.
    (.extend results (map f #* columns))
    (when (< (len results) (min (map len columns)))
      ; Which to `extend` is the end of the items.
      (raise (StopIteration)))))
  results)

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

(defn write-all [results o]
  (for [buffer (encode results o.raw.connection.packed)]
    (.write o.buffer buffer)))

(defn first-unwritable [items error levels]
  "The place of the first item that has no s-expression, and the error that
  tells of it. In what is sent, the items stand so many levels deep."
  (for [[place x] (enumerate items)]
    (setv whole x)
    (for [_ (range levels)]
      (setv whole [whole]))
    (for [y [x whole]]
      (try
        (write-datum y)
        (except [e UnwritableError]
          (return #(place e))))))
  #(0 error))  ; which was unwritable only a moment ago

(defn timed [procedure]
  (setv start (perf-counter))
  (procedure)
  (- (perf-counter) start))
