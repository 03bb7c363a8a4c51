"The calls over collections: a quoted procedure, and data.

::

    items ──> columns of a chunk ──> a task: ``chunks`` on a slave ──> its results
              as long as `pace` says

The data of a chunk travel beside the remote, so the slaves compile the
procedure once. Each slave has one chunk, and one waits in line for it: what is
read of the items ahead of their results is bounded by that."

(import
  itertools [chain islice]
  queue [SimpleQueue]
  dpfw.chunks [first-unwritable packed unpacked]
  dpfw.errors [RemoteError SlaveLost UnwritableError]
  dpfw.pace [Pace]
  dpfw.ports [read]
  dpfw.remote [Datum Remote as-remote]
  dpfw.sexp [write-datum])
(eval-when-compile (require hyrule.control [unless]))

(setv
  AHEAD 2            ; chunks for each slave: one that it has, one in line
  SLICED [list tuple range]
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
  (setv chunks (dict (flow master (chunk-remote 'reduce-chunk f) [items] #** options)))
  (unless (is initial NOTHING)
    (setv (get chunks -1) [initial]))
  (combined master f chunks))

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
  "A `Remote` that gives a chunk, its first value, to a procedure of ``chunks``.
  Its names are none that f could mean."
  (as-remote
    `(fn [dpfw-i dpfw-o]
       ; First, so that no macro in f stands before it.
       (setv dpfw-columns ~(Datum None))
       ((. hy I dpfw/chunks ~procedure) ~@(map form fs) dpfw-columns dpfw-o))))

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

(defn with-chunk [remote columns start]
  (Remote remote.text #((chunk-text columns start) #* (cut remote.values 1 None))))

(defn chunk-text [columns start]
  (try
    (write-datum (list (map packed columns)))
    (except [e UnwritableError]
      (setv [place error] (first-unwritable (zip #* columns) e))
      (raise (UnwritableError f"item {(+ start place)}: {error}") :from None))))


;; The items

(defclass Items []
  "Takes chunks of items from collections side by side, to the end of the shortest."

  (defn __init__ [self collections]
    (setv self.takers (list (map taker collections))
          self.taken 0))

  (defn take [self n]
    "The next columns, of at most ``n`` items; None at the end."
    (setv columns [])
    (for [take self.takers]
      (.append columns (take n))
      (setv n (len (get columns -1))))
    (+= self.taken n)
    (when n
      (lfor  column columns  (cut column n)))))

(defn taker [collection]
  "A function that takes the next so many items; what can be sliced, such as a
  range, is."
  (if (in (type collection) SLICED)
    (do
      (setv at 0)
      (fn [n]
        (nonlocal at)
        (+= at n)
        (cut collection (- at n) at)))
    (do
      (setv rest (iter collection))
      (fn [n]
        (list (islice rest n))))))

(defn total [collections]
  "The number of items, None if it is not known."
  (when (all (gfor  c collections  (hasattr c "__len__")))
    (min (map len collections))))


;; The flow of chunks

(defn flow [master remote collections [chunk-size None] [retries 0] [progress False] [numbers None]]
  "Yield the start and the results of each chunk, as they come. ``numbers`` is
  how errors call the items, if not by their place.

  When an item fails, nothing more is begun, what stands before it runs to its
  end, and the first error in the order of the items is raised."
  (setv
    count (total collections)
    items (Items collections)
    pace (Pace chunk-size count)
    running {}              ; promise -> `Chunk`
    done (SimpleQueue)      ; of promises
    failed None
    open True)

  (defn begin []
    "Send one more chunk; answers False when there is none."
    (setv start items.taken
          columns (.take items (.size pace start (slave-count master))))
    (when columns
      (setv chunk (Chunk start (len (get columns 0)) numbers)
            promise (.make-task master (with-chunk remote columns start) chunk.read :retries retries)
            (get running promise) chunk)
      (.add-done-callback promise done.put)
      True))

  (setv bar (when progress (progress-bar count)))
  (try
    (while True
      (while (and open (< (len running) (* AHEAD (slave-count master))))
        (setv open (begin)))
      (unless running
        (break))
      (setv promise (.get done)
            chunk (.pop running promise None))
      (unless chunk  ; it was cancelled
        (continue))
      (setv error (.exception promise))
      (if error
        (do
          (setv open False
                failed (first-failed failed chunk (.told chunk error)))
          (for [later (lfor  [p c] (.items running)  :if (> c.start failed.start)  p)]
            (del (get running later))
            (.cancel later)))
        (do
          (setv [results seconds] (.result promise))
          (.note pace chunk.size seconds)
          (when bar
            (.update bar chunk.size))
          (yield #(chunk.start results)))))
    (when failed
      (raise failed.error))
    (finally
      (for [promise running]
        (.cancel promise))
      (when bar
        (.close bar)))))

(defn slave-count [master]
  (max 1 (len (.slaves master))))

(defclass Chunk []
  "Items that are a task."

  (defn __init__ [self start size numbers]
    (setv
      self.start start
      self.size size
      self.numbers numbers
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
    (when (isinstance error SlaveLost)
      (setv lost (SlaveLost (+ f"{error}; it had the items from {(.number self 0)} "
                               f"to {(.number self (- self.size 1))}"))
            lost.__cause__ error
            error lost))
    error))

(defn first-failed [failed chunk error]
  (setv chunk.error error)
  (if (and failed (< failed.start chunk.start))
    failed
    chunk))

(defn progress-bar [total]
  (try
    (import tqdm [tqdm])
    (except [e ImportError]
      (raise (ImportError "a progress bar needs tqdm; install it with: pip install 'dpfw[progress]'")
        :from e)))
  (tqdm :total total :unit "items"))
