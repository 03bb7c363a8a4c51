"The calls over collections: a quoted procedure, and data.

The data of a chunk travel beside the remote, so the slaves compile the procedure
once. ``flow`` takes the items to the slaves, and hands out what comes back."

(import
  contextlib [closing]
  itertools [chain]
  dpfw.data.sexp [write-datum]
  dpfw.dispatch.flow [all-chunks flow slave-count]
  dpfw.dispatch.procedures [procedure-form]
  dpfw.errors [UnwritableError]
  dpfw.task.remote [Datum OwnLine as-remote]
  dpfw.tidy [tidily])
(eval-when-compile (require hyrule.control [unless]))

(defclass Nothing []
  "Where None may be a value."

  (defn __repr__ [self]
    "nothing"))

(setv
  NOTHING (Nothing)
  NO-VALUE "a reduction needs the values of all items; map with it, leave the errors out, and reduce the rest"
  NO-RESULTS "nothing is kept of what the procedure gives here; dpfw-map gives a list of results and errors")


;; The calls. ``options`` are `Options`.

(defn map-items [network f columns options]
  "See `dpfw-map`."
  (in-order (all-chunks network (map-remote network f columns options) columns itself options)))

(defn map-unordered [network f columns options]
  "See `dpfw-map-unordered`."
  (tidily (one-by-one (flow network (map-remote network f columns options) columns itself options))))

(defn map-in-order [network f columns options]
  "See `dpfw-imap`."
  (tidily (one-by-one (flow network (map-remote network f columns options) columns itself options :in-order True))))

(defn one-by-one [chunks]
  (with [_ (closing chunks)]
    (for [[_ values] chunks]
      (yield :from values))))

(defn for-each [network f items options]
  "See `dpfw-for-each`."
  (.refuse-returned options NO-RESULTS)
  (all-chunks network (chunk-remote 'each-chunk (spread network options) #(f 1)) [items] none options)
  None)

(defn reduce-items [network f items initial options]
  "See `dpfw-reduce`."
  (.refuse-returned options NO-VALUE)
  (unless (is initial NOTHING)
    (check-initial initial))
  (setv chunks (all-chunks network (chunk-remote 'reduce-chunk (spread network options) #(f 2)) [items] one options))
  (unless (is initial NOTHING)
    (setv (get chunks -1) [initial]))
  (combined network f chunks options))

(defn check-initial [initial]
  "Complain now, not when all the items are done."
  (try
    (write-datum initial)
    (except [e UnwritableError]
      (raise (UnwritableError f"the initial value: {e}") :from None))))

(defn map-reduce [network f g items options]
  "See `dpfw-map-reduce`."
  (.refuse-returned options NO-VALUE)
  (combined network g
    (all-chunks network (chunk-remote 'map-reduce-chunk (spread network options) #(f 1) #(g 2)) [items] one options)
    options))

(defn combined [network f chunks options]
  "The one value that f makes of those of all chunks, in the order of the items."
  (setv starts (sorted chunks)
        values (in-order chunks)
        slaves (slave-count network options.on))
  (unless values
    (raise (TypeError "there is nothing to reduce; give an initial value")))
  (while (> (len values) 1)
    (setv size (max 2 (- (// (- (len values)) slaves)))
          reduced (all-chunks network (chunk-remote 'reduce-chunk None #(f 2)) [values] one
                    (.in-chunks-of options size) :numbers starts)
          starts (lfor  n (sorted reduced)  (get starts n))
          values (in-order reduced)))
  (get values 0))

;; How many results are right for a chunk of so many items.
(defn itself [size] size)
(defn one [size] 1)
(defn none [size] 0)

(defn in-order [chunks]
  (list (chain.from-iterable (gfor  start (sorted chunks)  (get chunks start)))))


;; The remote

(defn map-remote [network f columns options]
  (chunk-remote (if options.returned 'try-chunk 'map-chunk) (spread network options) #(f (len columns))))

(defn spread [network options]
  "What the head of a branch is to know of a call, None where there are no branches."
  (when network.tree
    [options.retries options.chunk-size]))

(defn chunk-remote [procedure spread #* fs]
  "A `Remote` that has a procedure of ``chunks`` at a chunk, its first value. The fs are
  pairs: a procedure, and how many arguments it is called with. Its names are none that f
  could mean."
  (as-remote
    `(fn [dpfw-i dpfw-o]
       ; First, so that no macro in f stands before it. In functions of their
       ; own, so that a `dir` or `eval` in f cannot see it.
       (setv dpfw-columns (fn [] ~(Datum None)))
       ((. hy I dpfw/task/chunks ~procedure)
         ~@(gfor  [f arity] fs  `((fn [] ~(OwnLine (procedure-form f arity))))) dpfw-columns dpfw-o
         ~@(if spread [(Datum spread)] [])))))
