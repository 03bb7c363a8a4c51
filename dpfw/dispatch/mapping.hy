"The calls over collections: a quoted procedure, and data.

::

    items ──> columns of a chunk ──> a task: ``chunks`` on a slave ──> its results
              as long as `pace` says                     read by who takes them

The data of a chunk travel beside the remote, so the slaves compile the
procedure once. Each slave has one chunk, and one waits in line for it: what is
read of the items ahead of their results is bounded by that."

(import
  collections [deque]
  contextlib [closing]
  functools [partial]
  itertools [chain]
  math [inf]
  re
  dpfw.data.codec [decode size-of]
  dpfw.data.sexp [write-datum]
  dpfw.dispatch.items [Items total]
  dpfw.dispatch.pace [Pace TARGET]
  dpfw.errors [RemoteError SlaveLost UnwritableError WireError]
  dpfw.net.interrupt [Whole]
  dpfw.net.leader [Waiter]
  dpfw.task.chunks [first-unwritable]
  dpfw.task.remote [Datum Remote as-remote as-value])
(eval-when-compile (require hyrule.control [unless]))

(setv
  AHEAD 2            ; chunks for each slave: one that it has, one in line
  HEAVY (* 16 1024 1024)  ; bytes, above which a chunk is halved
  PLACE (re.compile rb"([0-9]{1,18})\n")
  NOTHING (object))  ; where None may be a value


;; The calls

(defn map-items [network f columns #** options]
  "See `dpfw-map`."
  (in-order (all-chunks network (chunk-remote 'map-chunk f) columns itself #** options)))

(defn map-unordered [network f columns #** options]
  "See `dpfw-map-unordered`."
  (setv chunks (flow network (chunk-remote 'map-chunk f) columns itself #** options))
  ; A generator of its own, so that a wrong f is told of now.
  ((fn []
    (for [[_ values] chunks]
      (yield :from values)))))

(defn for-each [network f items #** options]
  "See `dpfw-for-each`."
  (all-chunks network (chunk-remote 'each-chunk f) [items] none #** options)
  None)

(defn reduce-items [network f items initial #** options]
  "See `dpfw-reduce`."
  (unless (is initial NOTHING)
    (check-initial initial))
  (setv chunks (all-chunks network (chunk-remote 'reduce-chunk f) [items] one #** options))
  (unless (is initial NOTHING)
    (setv (get chunks -1) [initial]))
  (combined network f chunks))

(defn check-initial [initial]
  "Complain now, not when all the items are done."
  (try
    (write-datum initial)
    (except [e UnwritableError]
      (raise (UnwritableError f"the initial value: {e}") :from None))))

(defn map-reduce [network f g items #** options]
  "See `dpfw-map-reduce`."
  (combined network g
    (all-chunks network (chunk-remote 'map-reduce-chunk f g) [items] one #** options)))

(defn combined [network f chunks]
  "The one value that f makes of those of all chunks, in the order of the items."
  (setv starts (sorted chunks)
        values (in-order chunks)
        slaves (slave-count network))
  (unless values
    (raise (TypeError "there is nothing to reduce; give an initial value")))
  (while (> (len values) 1)
    (setv size (max 2 (- (// (- (len values)) slaves)))
          reduced (all-chunks network (chunk-remote 'reduce-chunk f) [values] one
                          :chunk-size size  :numbers starts)
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

(defn with-chunk [remote value]
  (Remote remote.text #(value #* (cut remote.values 1 None))))

(defn chunk-value [columns start]
  (try
    (as-value (list columns))
    (except [e UnwritableError]
      (setv items (if (= (len columns) 1) (get columns 0) (zip #* columns))
            [place error] (first-unwritable items e 2))
      (raise (UnwritableError f"item {(+ start place)}: {error}") :from None))))


;; The flow of chunks

(defn all-chunks [network remote #* arguments  #** options]
  "The results of all chunks, by their start."
  ; Closed here and now: what is raised while the garbage collector closes a
  ; generator, such as a Ctrl-C, is lost.
  (with [chunks (closing (flow network remote #* arguments #** options))]
    (dict chunks)))

(defn flow [network remote collections count-of-results
            [chunk-size None] [retries 0] [progress False] [numbers None]]
  "Yield the start and the results of each chunk, as they come.
  ``count-of-results`` says how many a chunk of so many items must have,
  ``numbers`` how errors call the items, if not by their place.

  When an item fails, nothing more is begun, what stands before it runs to its
  end, and the first error in the order of the items is raised."
  (setv
    count (total collections)
    items (Items collections (if chunk-size inf TARGET))
    chunks (Flow network remote items (Pace chunk-size count) (checked-retries retries)
             count-of-results numbers)
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

  (defn __init__ [self network remote items pace retries count-of-results numbers]
    (setv
      self.network network
      self.remote remote
      self.items items
      self.pace pace
      self.retries retries
      self.count-of-results count-of-results
      self.numbers numbers
      self.taken 0              ; items
      self.open True            ; may there be more?
      self.running {}           ; promise -> `Chunk`
      self.done (deque)         ; promises that have ended
      self.waiter None          ; the `Waiter` of the thread that waits for one
      self.failed None))        ; the first `Chunk` that has

  (defn next-done [self]
    "The next chunk whose results are there; None when all have ended."
    (while (or self.open self.running)
      (if (.room? self)
        (.begin self)
        (do
          (setv promise (.await-done self)
                chunk (.pop self.running promise None))
          (when (and chunk (.finish self chunk promise))  ; else it was cancelled
            (return chunk))))))

  (defn await-done [self]
    (while (not self.done)
      (setv self.waiter (Waiter))
      ; It is there for all to see; what has ended before is seen here.
      (unless self.done
        (.wait self.network self.waiter)))
    (setv promise (.popleft self.done))
    ; They refer to each other, and to the results.
    (.clear promise.waiters)
    promise)

  (defn note-done [self promise]
    "In the thread that ends a promise."
    (.append self.done promise)
    (setv waiter self.waiter)
    (when waiter
      (.wake waiter)))

  (defn room? [self]
    "Is another chunk to be sent, before anything else?"
    (and self.open
         ; Items may be slow to come: results that are there need not wait for them.
         (not self.done)
         (< (len self.running) (* AHEAD (slave-count self.network)))))

  (defn begin [self]
    (setv chunk (Chunk self.taken self.numbers))
    (try
      (setv columns (.take self.items
              (.size self.pace self.taken (slave-count self.network))))
      (if columns
        (.send self chunk columns)
        (setv self.open False))
      (except [e Exception]
        (.fail self chunk e))))

  (defn send [self chunk columns]
    (setv value (chunk-value columns chunk.start))
    (while (and (heavy? value) (not self.pace.fixed) (> (len (get columns 0)) 1))
      (setv columns (.shortened self.items columns (// (len (get columns 0)) 2))
            value (chunk-value columns chunk.start)))
    (setv chunk.size (len (get columns 0)))
    (+= self.taken chunk.size)
    (setv task (.new-task self.network (.payloads self.network (with-chunk self.remote value))
                 (partial ChunkReader chunk))
          task.retries self.retries
          promise task.promise)
    (.append promise.waiters (partial self.note-done promise))
    ; Noted first, so that a Ctrl-C leaves no task behind that nobody cancels.
    (setv (get self.running promise) chunk)
    (.submit self.network task))

  (defn finish [self chunk promise]
    "Take the results of a chunk; answers whether there are any."
    (try
      (setv [results seconds] (read-answer (.result promise))
            wanted (self.count-of-results chunk.size))
      (when (!= (len results) wanted)
        (raise (WireError
          f"a slave answered {chunk.size} items with {(len results)} results, not {wanted}")))
      (except [e Exception]
        (.fail self chunk e))
      (else
        (setv chunk.results results)
        (.note self.pace chunk.size seconds)
        True)))

  (defn fail [self chunk error]
    "Begin nothing more, and end what stands behind the first that failed."
    (setv self.open False
          chunk.error (.about-items chunk error)
          self.failed (min chunk (or self.failed chunk) :key (fn [c] c.start)))
    (for [later (lfor  [p c] (.items self.running)  :if (> c.start self.failed.start)  p)]
      (del (get self.running later))
      (.cancel later)))

  (defn stop [self]
    (with [_ (Whole)]
      (for [promise self.running]
        (.cancel promise)))))

(defn heavy? [value]
  (> (if (is (type value) str) (len value) (size-of value)) HEAVY))

(defn slave-count [network]
  (max 1 (.slave-count network)))

(defn checked-retries [retries]
  (unless (and (is (type retries) int) (>= retries 0))
    (raise ((if (is (type retries) int) ValueError TypeError)
      f"the retries are {retries !r}; give how often a task may run again, 0 or more")))
  retries)

(defclass Chunk []
  "Items that are a task."

  (defn __init__ [self start numbers]
    (setv
      self.start start
      self.numbers numbers
      self.size None
      self.results None
      self.error None))

  (defn number [self place]
    (setv n (+ self.start place))
    (if self.numbers
      (get self.numbers n)
      n))

  (defn about-items [self error]
    "The error, which says which items it concerns."
    (setv about (cond
      (and (isinstance error SlaveLost) self.size) (SlaveLost (+ f"{error}; it had the items "
        f"from {(.number self 0)} to {(.number self (- self.size 1))}"))
      ; Of its text.
      (and (is (type error) OverflowError) self.size) (OverflowError
        f"item {(.number self 0)}: {error}")))
    (if about
      (do
        (setv about.__cause__ error)
        about)
      error)))

(defclass ChunkReader []
  "What a slave writes of a chunk: as it came, for whoever takes the results. Each
  task of a chunk has one."

  (setv sated False)

  (defn __init__ [self chunk]
    (setv self.chunk chunk
          self.pieces []))

  (defn feed [self data]
    (.append self.pieces data)
    False)

  (defn value [self payload]
    #((.join (bytearray) self.pieces) payload))

  (defn failed [self error]
    "If it was an item that failed, the remote wrote its place, and nothing else."
    (setv place (PLACE.fullmatch (.join b"" self.pieces)))
    (when (and place (isinstance error RemoteError)
               (< (int (get place 1)) self.chunk.size))
      (setv error.index (.number self.chunk (int (get place 1)))))
    error))

(defn read-answer [answer]
  "The results of a chunk, and the seconds they took."
  (setv [results seconds] (map decode answer))
  (unless (and (is (type results) list) (in (type seconds) [int float]))
    (raise (WireError "a slave answered a chunk with what is no list of results")))
  #(results seconds))

(defn progress-bar [total]
  (try
    (import tqdm [tqdm])
    (except [e ImportError]
      (raise (ImportError "a progress bar needs tqdm; install it with: pip install 'dpfw[progress]'")
        :from e)))
  (tqdm :total total :unit "items"))
