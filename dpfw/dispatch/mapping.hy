"The calls over collections: a quoted procedure, and data.

::

    items ──> columns of a chunk ──> a task: ``chunks`` on a slave ──> its results
              as long as `pace` says

The data of a chunk travel beside the remote, so the slaves compile the
procedure once. Each slave has one chunk, and one waits in line for it: what is
read of the items ahead of their results is bounded by that."

(import
  itertools [chain]
  math [inf]
  queue [SimpleQueue]
  dpfw.task.chunks [first-unwritable packed unpacked]
  dpfw.errors [RemoteError SlaveLost UnwritableError]
  dpfw.dispatch.items [Items total]
  dpfw.dispatch.pace [Pace TARGET]
  dpfw.task.ports [read]
  dpfw.task.remote [Datum Remote as-remote]
  dpfw.data.sexp [write-datum]
  dpfw.dispatch.task [Task])
(eval-when-compile (require hyrule.control [unless]))

(setv
  AHEAD 2            ; chunks for each slave: one that it has, one in line
  HEAVY (* 16 1024 1024)  ; characters, above which a chunk is halved
  NOTHING (object))  ; where None may be a value


;; The calls

(defn map-items [master f columns #** options]
  "See `dpfw-map`."
  (setv results {})
  (for [[start values] (flow master (chunk-remote 'map-chunk f) columns #** options)]
    (setv (get results start) values))
  (in-order results))

(defn map-unordered [master f columns #** options]
  "See `dpfw-map-unordered`."
  (setv chunks (flow master (chunk-remote 'map-chunk f) columns #** options))
  ; A generator of its own, so that a wrong f is told of now.
  ((fn []
    (for [[_ values] chunks]
      (yield :from values)))))

(defn for-each [master f items #** options]
  "See `dpfw-for-each`."
  (for [_ (flow master (chunk-remote 'each-chunk f) [items] #** options)]))

(defn reduce-items [master f items initial #** options]
  "See `dpfw-reduce`."
  (unless (is initial NOTHING)
    (check-initial initial))
  (setv chunks (dict (flow master (chunk-remote 'reduce-chunk f) [items] #** options)))
  (unless (is initial NOTHING)
    (setv (get chunks -1) [initial]))
  (combined master f chunks))

(defn check-initial [initial]
  "Complain now, not when all the items are done."
  (try
    (write-datum initial)
    (except [e UnwritableError]
      (raise (UnwritableError f"the initial value: {e}") :from None))))

(defn map-reduce [master f g items #** options]
  "See `dpfw-map-reduce`."
  (combined master g
    (dict (flow master (chunk-remote 'map-reduce-chunk f g) [items] #** options))))

(defn combined [master f chunks]
  "The one value that f makes of those of all chunks, in the order of the items."
  (setv starts (sorted chunks)
        values (in-order chunks)
        slaves (max 1 (len (.slaves master))))
  (unless values
    (raise (TypeError "there is nothing to reduce; give an initial value")))
  (while (> (len values) 1)
    (setv size (max 2 (- (// (- (len values)) slaves)))
          reduced (dict (flow master (chunk-remote 'reduce-chunk f) [values]
                          :chunk-size size  :numbers starts))
          starts (lfor  n (sorted reduced)  (get starts n))
          values (in-order reduced)))
  (get values 0))

(defn in-order [chunks]
  (list (chain.from-iterable (gfor  start (sorted chunks)  (get chunks start)))))


;; The remote

(defn chunk-remote [procedure #* fs]
  "A `Remote` that has a procedure of ``chunks`` at a chunk, its first value. Its
  names are none that f could mean."
  (as-remote
    `(fn [dpfw-i dpfw-o]
       ; First, so that no macro in f stands before it. In functions of their
       ; own, so that a `dir` or `eval` in f cannot see it.
       (setv dpfw-columns (fn [] ~(Datum None)))
       ((. hy I dpfw/task/chunks ~procedure)
         ~@(gfor  f fs  `((fn [] ~(form f)))) dpfw-columns dpfw-o))))

(defn form [f]
  "The form of a procedure, which was given as such or as text."
  (cond
    (isinstance f hy.models.Object)
      f
    (isinstance f str) (do
      (setv forms (list (hy.read-many f :filename "<procedure>")))
      (when (!= (len forms) 1)
        (raise (SyntaxError f"the procedure has {(len forms)} forms; give one, such as (fn [x] …)")))
      (get forms 0))
    True
      (raise (TypeError
        f"the procedure is {f !r}, which cannot be sent; quote it, as in '(fn [x] …) or 'math.sqrt"))))

(defn with-chunk [remote text]
  (Remote remote.text #(text #* (cut remote.values 1 None))))

(defn chunk-text [columns start]
  (try
    (write-datum (list (map packed columns)))
    (except [e UnwritableError]
      (setv items (if (= (len columns) 1) (get columns 0) (zip #* columns))
            [place error] (first-unwritable items e))
      (raise (UnwritableError f"item {(+ start place)}: {error}") :from None))))


;; The flow of chunks

(defn flow [master remote collections
            [chunk-size None] [retries 0] [progress False] [numbers None]]
  "Yield the start and the results of each chunk, as they come. ``numbers`` is
  how errors call the items, if not by their place.

  When an item fails, nothing more is begun, what stands before it runs to its
  end, and the first error in the order of the items is raised."
  (setv
    count (total collections)
    items (Items collections (if chunk-size inf TARGET))
    chunks (Flow master remote items (Pace chunk-size count) retries numbers)
    bar (when progress (progress-bar count)))
  (try
    (while (setx chunk (.next-done chunks))
      (unless (is bar None)  ; without a total, it has no truth value
        (.update bar chunk.size))
      (yield #(chunk.start chunk.results)))
    (when chunks.failed
      (raise chunks.failed.error))
    (finally
      (.stop chunks)
      (unless (is bar None)
        (.close bar)))))

(defclass Flow []
  "Chunks on their way to the slaves and back."

  (defn __init__ [self master remote items pace retries numbers]
    (setv
      self.master master
      self.remote remote
      self.items items
      self.pace pace
      self.retries retries
      self.numbers numbers
      self.taken 0              ; items
      self.open True            ; may there be more?
      self.running {}           ; promise -> `Chunk`
      self.done (SimpleQueue)   ; of promises
      self.failed None))        ; the first `Chunk` that has

  (defn next-done [self]
    "The next chunk whose results are there; None when all have ended."
    (while (or self.open self.running)
      (if (.room? self)
        (.begin self)
        (do
          (setv promise (.get self.done)
                chunk (.pop self.running promise None))
          (when (and chunk (.finish self chunk promise))  ; else it was cancelled
            (return chunk))))))

  (defn room? [self]
    "Is another chunk to be sent, before anything else?"
    (and self.open
         ; Items may be slow to come: results that are there need not wait for them.
         (.empty self.done)
         (< (len self.running) (* AHEAD (slave-count self.master)))))

  (defn begin [self]
    (setv chunk (Chunk self.taken self.numbers))
    (try
      (setv columns (.take self.items
              (.size self.pace self.taken (slave-count self.master))))
      (if columns
        (.send self chunk columns)
        (setv self.open False))
      (except [e Exception]
        (.fail self chunk e))))

  (defn send [self chunk columns]
    (setv text (chunk-text columns chunk.start))
    (while (and (> (len text) HEAVY) (not self.pace.fixed) (> (len (get columns 0)) 1))
      (setv columns (.shortened self.items columns (// (len (get columns 0)) 2))
            text (chunk-text columns chunk.start)))
    (setv chunk.size (len (get columns 0)))
    (+= self.taken chunk.size)
    (setv frames (.frames self.master (with-chunk self.remote text))
          task (Task frames chunk.read None None self.retries))
    ; Noted first, so that a Ctrl-C leaves no task behind that nobody cancels.
    (setv (get self.running task.promise) chunk)
    (.add-done-callback task.promise self.done.put)
    (try
      (.submit self.master task)
      (except [Exception]  ; the master has left
        (del (get self.running task.promise))
        (raise))))

  (defn finish [self chunk promise]
    "Take the results of a chunk; answers whether there are any."
    (setv error (.exception promise))
    (if error
      (.fail self chunk error)
      (do
        (setv [chunk.results seconds] (.result promise))
        (.note self.pace chunk.size seconds)
        True)))

  (defn fail [self chunk error]
    "Begin nothing more, and end what stands behind the first that failed."
    (setv self.open False
          chunk.error (.told chunk error)
          self.failed (min chunk (or self.failed chunk) :key (fn [c] c.start)))
    (for [later (lfor  [p c] (.items self.running)  :if (> c.start self.failed.start)  p)]
      (del (get self.running later))
      (.cancel later)))

  (defn stop [self]
    (for [promise self.running]
      (.cancel promise))))

(defn slave-count [master]
  (max 1 (len (.slaves master))))

(defclass Chunk []
  "Items that are a task."

  (defn __init__ [self start numbers]
    (setv
      self.start start
      self.numbers numbers
      self.size None
      self.results None
      self.error None))

  (defn read [self i o]
    "The local procedure: reads the results, and the seconds they took."
    (setv told (read i))
    (when (is (type told) int)
      (try
        (read i)
        (except [e RemoteError]
          (setv e.index (.number self told))
          (raise))))
    #((unpacked told) (read i)))

  (defn number [self place]
    (setv n (+ self.start place))
    (if self.numbers
      (get self.numbers n)
      n))

  (defn told [self error]
    "The error, which says which items it concerns."
    (setv about (cond
      (isinstance error SlaveLost) (SlaveLost (+ f"{error}; it had the items "
        f"from {(.number self 0)} to {(.number self (- self.size 1))}"))
      ; Of its text.
      (and (is (type error) OverflowError) self.size) (OverflowError
        f"item {(.number self 0)}: {error}")))
    (if about
      (do
        (setv about.__cause__ error)
        about)
      error)))

(defn progress-bar [total]
  (try
    (import tqdm [tqdm])
    (except [e ImportError]
      (raise (ImportError "a progress bar needs tqdm; install it with: pip install 'dpfw[progress]'")
        :from e)))
  (tqdm :total total :unit "items"))
