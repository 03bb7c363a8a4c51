"An executor of the standard library's kind, whose workers are slaves.

::

    import dpfw

    with dpfw.Executor() as executor:
        print(executor.submit(pow, 2, 10).result())
        print(list(executor.map(\"(fn [x] (* x x))\", range(5))))

Each call is a task, and its future a `Promise`. An executor has no threads, sockets or
slaves of its own; these are its master's, and go on when it shuts down."

(import
  collections [deque]
  concurrent [futures]
  functools [lru-cache partial]
  itertools [count islice]
  logging
  os
  threading
  time [monotonic]
  weakref [WeakSet]
  hy.models [Object]
  dpfw.dispatch.procedures [procedure-form]
  dpfw.dispatch.options [checked-retries]
  dpfw.dispatch.promise [Promise]
  dpfw.master [master-or-default]
  dpfw.net.interrupt [Whole]
  dpfw.task.calls [ANSWERS call-remote function-source result-of with-arguments]
  dpfw.task.failure [with-cause]
  dpfw.task.names [names-of]
  dpfw.task.remote [named-form Remote]
  dpfw.tidy [tidy tidy-methods])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  CACHED 256        ; remotes of callables that were called before
  LARGE 65536       ; bytes of an answer that has a thread of its own to read it
  LOOK-EVERY 1      ; seconds, when the interpreter is about to end,
  LOOKS 5           ; and how often in a row there may be no slave
  _executors (WeakSet)
  _ending False)    ; is the interpreter about to end?


(defclass Here [threading.local]
  "What a thread is about."
  (setv calling-back False))  ; does it run a callback?


(defclass [tidy-methods] Executor [futures.Executor]
  "A `concurrent.futures.Executor`: `submit`, `map`, `shutdown`, and ``with``.

  What is called is a procedure, quoted, or its text, or a function, class or method that
  slaves can import under its name; with cloudpickle installed, anything that this can
  pickle. ``master`` is the default one if None is given. ``results`` says how they
  come back: as \"data\", or as a \"pickle\" like the exceptions, which lets slaves run code
  here. ``retries`` is how often a call whose slave is lost may run again. ::

    (with [executor (Executor)]
      (.result (.submit executor pow 2 10)))  ; => 1024"

  (defn __init__ [self [master None] * [results "data"] [retries 0]]
    (unless (and (is (type results) str) (in results ANSWERS))
      (raise (ValueError f"the results are {results !r}; give \"data\" or \"pickle\"")))
    (setv
      self.master (master-or-default master)
      self.results results
      self.retries (checked-retries retries)
      self.process (os.getpid)
      ; A call whose slave turns out to be lost may end while it is made, and so run
      ; callbacks in this thread.
      self.lock (threading.RLock)
      self.closed False
      self.numbers (count)
      self.pending {}   ; number -> the promise of a call, or of a callback
      self.here (Here))
    (.add _executors self))

  (defn submit [self function / #* arguments #** keywords]
    "Have a slave call the function with these arguments; returns its promise.

    Raises `UnwritableError`, a `TypeError`, when something cannot be sent, and
    `RuntimeError` after `shutdown`."
    (.start self (function-remote function self.results False) #(arguments keywords)))

  (defn map [self function / #* iterables  [timeout None] [chunksize 1] [buffersize None]]
    "An iterator over what the function gives for the items of the iterables, side by
    side, in their order.

    The iterables are read at once, and all calls made; with ``buffersize``, no further
    than so many chunks ahead of the results that were taken. ``chunksize`` items are one
    task. When ``timeout`` seconds have passed since now, the iterator raises
    `TimeoutError`. An error ends it, and cancels the calls that are left; so does closing it."
    (check-count "chunksize" chunksize)
    (unless (is buffersize None)
      (check-count "buffersize" buffersize))
    (setv
      deadline (unless (is timeout None) (+ timeout (monotonic)))
      remote (function-remote function self.results True)
      chunks (chunked (zip #* iterables) chunksize)
      promises (deque))
    (defn begin [n]
      (for [chunk (islice chunks n)]
        ; Noted at once, so that a Ctrl-C leaves no call behind that nobody cancels.
        (with [_ (Whole)]
          (.append promises (.start self remote #(#(chunk) {}) (len chunk))))))
    (try
      (begin buffersize)
      (except [BaseException]
        (cancel-all promises)
        (raise)))
    (Results promises (results-in-order promises deadline (if buffersize (fn [] (begin 1)) (fn [])))))

  (defn shutdown [self [wait True] * [cancel-futures False]]
    "Take no more calls; ``wait`` until those that were made have ended, and their
    callbacks too, unless this is one. With ``cancel-futures``, those that no slave has
    begun are cancelled. The master goes on."
    (unless (.of-parent self)
      (with [_ self.lock]
        (setv self.closed True))
      (when cancel-futures
        (for [call (.calls self)]
          (.withdraw call)))
      (when wait
        (for [promise (if self.here.calling-back
                        (.calls self)
                        (list (.values self.pending)))]
          (.wait promise)))))

  ;; What follows is the executor's own.

  (defn start [self remote arguments [many None]]
    "Make a task of a call, or of ``many``."
    (.check-open self)
    (setv
      network self.master.network
      task (.new-task network (.payloads network (Remote remote.text (with-arguments remote arguments)))
             (partial CallReader self.results many))
      call (Call network task self)
      task.promise call
      task.retries self.retries)
    (with [_ (Whole)  _ self.lock]
      (.check-open self)
      (setv number (.note self call))
      (.append call.waiters (fn [] (.pop self.pending number None)))
      (.submit network task))
    call)

  (defn check-open [self]
    (.check-open self.master)
    (when (or self.closed _ending)
      (raise (RuntimeError (if self.closed
        "this executor was shut down, and takes no more calls"
        "the interpreter is about to end, and executors take no more calls")))))

  (defn note [self promise]
    (setv number (next self.numbers)
          (get self.pending number) promise)
    number)

  (defn calls [self]
    (lfor  promise (list (.values self.pending))  :if (isinstance promise Call)  promise))

  (defn of-parent [self]
    "Is this a process that was forked? Its parent's calls do not end here."
    (!= self.process (os.getpid)))

  (defn noting [self callback]
    "The callback, for whose end `shutdown` waits."
    (setv ended (Promise)
          number (.note self ended))
    (fn [promise]
      (setv outer self.here.calling-back
            self.here.calling-back True)
      (try
        (callback promise)
        (finally
          (setv self.here.calling-back outer)
          (.pop self.pending number None)
          (.end ended "result" None)))))

  (defn complete [self]
    "Wait for all that is pending, as long as there are slaves."
    (setv looks 0)
    (for [promise (list (.values self.pending))]
      (while (not (or (.done promise) (= looks LOOKS)))
        (.wait promise LOOK-EVERY)
        (setv looks (if (.alone self.master.network) (+ looks 1) 0))))
    (setv left (sum (gfor  call (.calls self)  (not (.done call)))))
    (when left
      (log.warning "the interpreter ends, and there is no slave for %d calls of an Executor" left))))


(defclass Call [Promise]
  "The promise of a call, for whose callbacks its executor waits as well."

  (defn __init__ [self network task executor]
    (.__init__ (super) network task)
    (setv self.executor executor))

  (defn add-done-callback [self callback]
    (.add-done-callback (super) (.noting self.executor callback)))

  (defn withdraw [self]
    "Cancel it if no slave has begun with it."
    (setv network self.network
          task self.task)
    (when (and network task)
      (.withdraw network task))))


(defclass CallReader []
  "What comes of a call; see `readers`."

  (setv sated False)

  (defn __init__ [self results many]
    (setv
      self.results results
      self.many many
      self.pieces []))

  (defn feed [self data]
    (.append self.pieces data)
    False)

  (defn apart [self]
    "Unpickling runs whatever code, and may wait for something."
    (or (= self.results "pickle")
        (> (sum (map len self.pieces)) LARGE)))

  (defn value [self payload]
    (result-of (if self.pieces (.join (bytearray) self.pieces) payload) self.results self.many))

  (defn failed [self error]
    (with-cause error error)))


;; Callables

(defn function-remote [f results each]
  (cond
    (isinstance f str) (text-remote f results each)
    (isinstance f Object) (call-remote (procedure-form f) results each)
    (not (callable f)) (raise (TypeError
      f"{f !r} cannot be called; give a function, or a procedure, quoted, as in '(fn [x] …), or its text"))
    True (do
      (setv names (names-of f))
      (if names
        (named-remote names results each)
        (call-remote (function-source f) results each)))))

(defn [(lru-cache CACHED)] text-remote [text results each]
  (call-remote (procedure-form text) results each))

(defn [(lru-cache CACHED)] named-remote [names results each]
  (call-remote (named-form names) results each))


;; Map

(defn check-count [name n]
  (unless (and (is (type n) int) (> n 0))
    (raise ((if (is (type n) int) ValueError TypeError)
      f"the {name} is {n !r}; give a number, 1 or more"))))

(defn chunked [items size]
  (while (setx chunk (list (islice items size)))
    (yield chunk)))

(defclass Results []
  "What `map` returns: a generator, but for two things. Its `close` is heeded before the first
  result, too. And calls go on where nobody takes any: they may be for their effects."

  (defn __init__ [self promises results]
    (setv self.promises promises
          self.results results))

  (defn __iter__ [self]
    self)

  (defn [tidy] __next__ [self]
    (next self.results))

  (defn close [self]
    (.close self.results)
    (cancel-all self.promises)))

(defn results-in-order [promises deadline more]
  "Yield the results of chunks. ``more`` is called when those of one were taken, and may
  append to the promises."
  (try
    (while promises
      (setv results (.result (get promises 0)
                      (unless (is deadline None) (- deadline (monotonic)))))
      (.popleft promises)
      (.reverse results)
      (while results
        ; Nothing here keeps what was yielded.
        (yield (.pop results)))
      (more))
    (finally
      (cancel-all promises))))

(defn cancel-all [promises]
  (with [_ (Whole)]
    (while promises
      (.cancel (.popleft promises)))))


;; At the interpreter's end

(defn complete-all []
  "Before Python waits for threads, and ends what is registered with `atexit`, among it
  the default master and its slaves."
  (global _ending)
  (setv _ending True)
  (for [executor (list _executors)]
    (unless (or (.of-parent executor) executor.master.closed)
      (.complete executor))))

; What concurrent.futures uses itself. After it, Python starts no more threads, and the
; callbacks need them.
(threading._register-atexit complete-all)

(export :objects [Executor])
