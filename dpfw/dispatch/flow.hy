"The flow of chunks to the slaves, and of what came of them back.

::

    items ──> columns of a chunk ──> a task: ``chunks`` on a slave ──> its results
              as long as `pace` says                     read by who takes them

Each slave has one chunk, and one waits in line for it: what is read of the items
ahead of their results is bounded by that. Where results are handed out in order,
some more wait for those before them."

(import
  collections [deque]
  contextlib [closing]
  functools [partial]
  math [inf]
  dpfw.data.codec [size-of]
  dpfw.dispatch.chunk [Chunk ChunkReader]
  dpfw.dispatch.items [Items total]
  dpfw.dispatch.pace [Pace TARGET]
  dpfw.errors [SlaveLost TaskTimeout]
  dpfw.net.interrupt [Whole]
  dpfw.net.leader [Waiter]
  dpfw.task.remote [Remote])
(eval-when-compile (require hyrule.control [unless]))

(setv
  AHEAD 2            ; chunks for each slave: one that it has, one in line;
  AHEAD-IN-ORDER 8   ; and with those that wait for one before them
  HEAVY (* 16 1024 1024))  ; bytes, above which a chunk is halved


(defn all-chunks [#* arguments  #** options]
  "The results of all chunks, by their start; takes what `flow` takes."
  ; Closed here and now: what is raised while the garbage collector closes a
  ; generator, such as a Ctrl-C, is lost.
  (with [chunks (closing (flow #* arguments #** options))]
    (dict chunks)))

(defn flow [#* arguments  #** options]
  "A generator of the start and the results of each chunk; takes what `Flow` takes.

  When an item fails, nothing more is begun, what stands before it runs to its
  end, and the first error in the order of the items is raised."
  ; Not itself a generator, so that what is wrong is told of now.
  (handed-out (Flow #* arguments #** options)))

(defn handed-out [chunks]
  (try
    (.show-progress chunks)
    (while (setx chunk (.next chunks))
      (yield #(chunk.start chunk.results)))
    (.settle chunks.network.output)
    (when chunks.failed
      (raise chunks.failed.error))
    (finally
      (.stop chunks))))


(defclass Flow []
  "Chunks on their way to the slaves and back. ``count-of-results`` says how many a
  chunk of so many items must have, ``numbers`` how errors call the items, if not by
  their place, ``in-order`` whether chunks are handed out in the order of the items."

  (defn __init__ [self network remote collections count-of-results options
                  [numbers None] [in-order False]]
    (setv
      self.network network
      self.remote remote
      self.total (total collections)
      self.items (Items collections (if options.chunk-size inf TARGET))
      self.pace (Pace options.chunk-size self.total (weight network))
      self.options options
      self.count-of-results count-of-results
      self.numbers numbers
      self.in-order in-order
      self.taken 0              ; items
      self.ended 0              ; items of chunks that have ended
      self.handed 0             ; items of chunks that were handed out in order
      self.open True            ; may there be more?
      self.running {}           ; promise -> `Chunk`
      self.done (deque)         ; promises that have ended
      self.settled (deque)      ; chunks that have ended, and no slave had them
      self.held {}              ; start -> `Chunk` that has ended before those before it
      self.waiter None          ; the `Waiter` of the thread that waits for one
      self.failed None          ; the first `Chunk` that has
      self.bar None))

  (defn next [self]
    "The next chunk whose results are to be handed out; None when that is all."
    (if self.in-order
      (.next-in-order self)
      (.next-ended self)))

  (defn next-in-order [self]
    (while (not-in self.handed self.held)
      (setv chunk (.next-ended self))
      (unless chunk
        (return None))
      (setv (get self.held chunk.start) chunk))
    (while (and self.items.at-hand (.room? self))
      (.begin self))
    (setv chunk (.pop self.held self.handed))
    (+= self.handed chunk.size)
    chunk)

  (defn next-ended [self]
    (while (or self.settled self.open self.running)
      (cond
        self.settled (return (.popleft self.settled))
        (.room? self) (.begin self)
        True (do
          (setv promise (.await-done self)
                chunk (.pop self.running promise None))
          (when (and chunk (.finish self chunk promise))  ; else it was cancelled
            (return chunk))))))

  (defn await-done [self]
    (while (not self.done)
      (when (.late self.options)
        (raise (TaskTimeout (+ f"the call took longer than {self.options.timeout} seconds; {self.ended} "
          (if (is self.total None) "" f"of {self.total} ") "items were done"))))
      (setv self.waiter (Waiter))
      ; It is there for all to see; what has ended before is seen here.
      (unless self.done
        (.wait self.network self.waiter self.options.deadline)))
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
    (setv slaves (slave-count self.network self.options.on)
          begun (+ (len self.running) (len self.settled)))
    (and self.open
         ; Items may be slow to come: results that are there need not wait for them.
         (or self.items.at-hand (not self.done))
         (< begun (* AHEAD slaves))
         (< (+ begun (len self.held)) (* AHEAD-IN-ORDER slaves))
         (not (.late self.options))))

  (defn begin [self]
    (setv chunk (Chunk self.taken self.numbers self.options.returned))
    (try
      (setv columns (.take self.items
              (.size self.pace self.taken (slave-count self.network self.options.on))))
      (if columns
        (.send self chunk columns)
        (setv self.open False))
      (except [e Exception]
        (.fail self chunk e))))

  (defn send [self chunk columns]
    (setv value (.value-of chunk columns))
    (while (and (heavy? value) (not self.pace.fixed) (> (len (get columns 0)) 1))
      (setv columns (.shortened self.items columns (// (len (get columns 0)) 2))
            value (.value-of chunk columns)))
    (+= self.taken chunk.size)
    (try
      (setv payloads (.payloads self.network (with-chunk self.remote value)))
      (except [e OverflowError]
        (unless (and self.options.returned (= chunk.size 1))
          (raise))
        (.give-error chunk (.about-items chunk e))
        (.settle self chunk))
      (else
        (.submit self chunk payloads))))

  (defn submit [self chunk payloads]
    (setv options self.options
          task (.new-task self.network payloads (partial ChunkReader chunk) None None None
                 options.retries options.on options.priority)
          promise task.promise
          chunk.task task)
    (.append promise.waiters (partial self.note-done promise))
    ; Noted first, so that a Ctrl-C leaves no task behind that nobody cancels.
    (setv (get self.running promise) chunk)
    (.submit self.network task))

  (defn settle [self chunk]
    (.count self chunk)
    (.append self.settled chunk))

  (defn finish [self chunk promise]
    "Take the results of a chunk; answers whether there are any."
    (setv task chunk.task
          chunk.task None)
    (try
      (setv seconds (.take chunk (.given promise) task (self.count-of-results chunk.size)))
      (except [e Exception]
        (if (and self.options.returned (isinstance e SlaveLost))
          (.give-error chunk (.about-items chunk e))
          (do
            (.fail self chunk e)
            (return False))))
      (else
        (.note self.pace chunk.size seconds)))
    (.count self chunk)
    True)

  (defn count [self chunk]
    (+= self.ended chunk.size)
    (unless (is self.bar None)  ; without a total, it has no truth value
      (.update self.bar chunk.size)))

  (defn fail [self chunk error]
    "Begin nothing more, and end what stands behind the first that failed."
    (setv self.open False
          chunk.error (.about-items chunk error)
          self.failed (min chunk (or self.failed chunk) :key (fn [c] c.start)))
    (for [[promise later] (list (.items self.running))]
      (when (> later.start self.failed.start)
        (del (get self.running promise))
        (setv later.task None)
        (.cancel promise))))

  (defn show-progress [self]
    (when self.options.progress
      (setv self.bar (progress-bar self.total))))

  (defn stop [self]
    (with [_ (Whole)]
      (for [promise self.running]
        (.cancel promise)))
    (unless (is self.bar None)
      (.close self.bar))))

(defn with-chunk [remote value]
  (Remote remote.text #(value #* (cut remote.values 1 None))))

(defn heavy? [value]
  (> (if (is (type value) str) (len value) (size-of value)) HEAVY))

(defn weight [network]
  "How many slaves work on what one is given."
  (if network.tree network.tree.weight 1))

(defn slave-count [network on]
  (max 1 (.slave-count network on)))

(defn progress-bar [total]
  "A bar for where this runs: a terminal, or a notebook that can show one."
  (try
    (import tqdm.auto [tqdm])
    (except [e ImportError]
      (raise (ImportError "a progress bar needs tqdm; install it with: pip install 'dpfw[progress]'")
        :from e)))
  (tqdm :total total :unit "items"))
