"Threads that wait, parked, for something to do.

Waking a parked thread takes a third of the time that starting one takes."

(import
  logging
  queue
  threading
  time)

(setv
  log (logging.getLogger __name__)
  PARKED 10)  ; seconds that a thread waits, parked, before it ends

(defclass ThreadPool []
  "Runs procedures in daemon threads, as many at once as there are procedures."

  (defn __init__ [self name]
    (setv
      self.name name
      self.lock (threading.RLock)
      self.orders (queue.SimpleQueue)
      self.parked 0        ; threads that wait and have no order coming
      self.threads (set)   ; all of them started
      self.closed False))

  (defn run [self procedure #* arguments]
    "Call ``procedure`` in a thread of the pool. What it raises is logged.
    Answers False, and does nothing, if the pool is closed."
    (setv order #(procedure arguments))
    (with [_ self.lock]
      (cond
        self.closed
          (return False)
        self.parked
          (-= self.parked 1)
        True (do
          (.start-thread self order)
          (return True))))
    (.put self.orders order)
    True)

  (defn start-thread [self order]
    ; With the lock, so that `close` meets no thread that is not started.
    (setv thread (threading.Thread :target self.work :args #([order]) :name self.name :daemon True))
    (.start thread)  ; raises RuntimeError when the system has none to give
    (.add self.threads thread))

  (defn work [self first]
    (setv order (.pop first))  ; a Thread keeps its arguments until it ends
    (while order
      (setv [procedure arguments] order)
      (try
        (procedure #* arguments)
        (except [BaseException]  ; a thread has nobody else to tell
          (log.exception "in a thread of %s" self.name)))
      ; Keeps nothing alive while it is parked.
      (del procedure arguments order)
      (setv order (.await-order self)))
    (with [_ self.lock]
      (.discard self.threads (threading.current-thread))))

  (defn await-order [self]
    (with [_ self.lock]
      (when self.closed
        (return None))
      (+= self.parked 1))
    (try
      (.get self.orders :timeout PARKED)
      (except [queue.Empty]
        (with [_ self.lock]
          (when self.parked
            (-= self.parked 1)
            (return None)))
        ; An order was given in that moment; it is in the queue, or about to be.
        (.get self.orders))))

  (defn close [self [timeout 5]]
    "Let every thread end that has nothing to do; wait at most ``timeout``
    seconds for the others. Returns the threads that still run. Idempotent."
    (with [_ self.lock]
      (setv self.closed True)
      (for [_ (range self.parked)]
        (.put self.orders None))
      (setv self.parked 0
            others (- self.threads #{(threading.current-thread)})))
    (setv deadline (+ (time.monotonic) timeout))
    (for [thread others]
      (.join thread (max 0 (- deadline (time.monotonic)))))
    (sfor  thread others  :if (.is-alive thread)  thread)))
