"Threads that wait, parked, for something to do.

Waking a parked thread takes a third of the time that starting one takes. A spare one is
there for when the system has none to give, as some Pythons never have at their end."

(import
  logging
  queue
  threading
  time)
(eval-when-compile (require hyrule.control [unless]))

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
      self.threads (set)   ; all of them started,
      self.spare None      ; but for the spare one,
      self.late (queue.SimpleQueue)  ; and its orders
      self.closed False))

  (defn run [self procedure #* arguments]
    "Call ``procedure`` in a thread of the pool. What it raises is logged.
    Answers False, and does nothing, if the pool is closed or there is no thread to be had."
    (setv order #(procedure arguments))
    (with [_ self.lock]
      (cond
        self.closed
          (return False)
        self.parked
          (-= self.parked 1)
        True (do
          (.start-spare self)
          (setv thread (.started self self.work [order]))
          (when thread
            (.add self.threads thread))
          (return (is-not thread None)))))
    (.put self.orders order)
    True)

  (defn run-late [self procedure #* arguments]
    "The same of what ends soon: if there is no thread to be had, the spare one calls it when
    it is free. Answers False if the pool is closed, or not even that one is there."
    (or (.run self procedure #* arguments)
        (with [_ self.lock]
          (setv taken (and self.spare (not self.closed)))
          (when taken
            (.put self.late #(procedure arguments)))
          (bool taken))))

  (defn keep-spare [self]
    "From now on, what is run late is run."
    (with [_ self.lock]
      (.start-spare self)))

  ; With the lock, so that `close` meets no thread that is not started.

  (defn start-spare [self]
    (unless (or self.spare self.closed)
      (setv self.spare (.started self self.work-late))))

  (defn started [self target #* arguments]
    "None if the system has no thread to give."
    (setv thread (threading.Thread :target target :args arguments :name self.name :daemon True))
    (try
      (.start thread)
      thread
      (except [RuntimeError]
        None)))

  ; What the threads do.

  (defn work [self first]
    (setv order (.pop first))  ; a Thread keeps its arguments until it ends
    (while order
      (.carry-out self #* order)
      ; Keeps nothing alive while it is parked.
      (del order)
      (setv order (.await-order self)))
    (with [_ self.lock]
      (.discard self.threads (threading.current-thread))))

  (defn work-late [self]
    (while (setx order (.get self.late))
      (.carry-out self #* order)
      (del order)))

  (defn carry-out [self procedure arguments]
    (try
      (procedure #* arguments)
      (except [BaseException]  ; a thread has nobody else to tell
        (log.exception "in a thread of %s" self.name))))

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
      (unless self.closed
        (.put self.late None))
      (setv self.closed True)
      (for [_ (range self.parked)]
        (.put self.orders None))
      (setv self.parked 0
            others (- (| self.threads (if self.spare #{self.spare} (set)))
                      #{(threading.current-thread)})))
    (setv deadline (+ (time.monotonic) timeout))
    (for [thread others]
      (.join thread (max 0 (- deadline (time.monotonic)))))
    (sfor  thread others  :if (.is-alive thread)  thread)))
