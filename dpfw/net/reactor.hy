"The reactor: the one thread of a node that waits for events, so that no idle
connection needs a thread.

It watches descriptors, with epoll(7) or else poll(2), and keeps timers. What it
calls must not wait, and must be no code of a user's."

(import
  collections [deque]
  heapq
  itertools
  logging
  select
  socket
  threading
  time)
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  CROWD 256              ; timers that are never too many
  LONGEST-WAIT 3600.0)   ; seconds; the system takes 24 days at most


(defclass Timer []
  "A call to come."

  (defn __init__ [self call]
    (setv self.call call))

  (defn cancel [self]
    (setv self.call None)))


(defclass PolledSet []
  "What epoll objects do, by poll(2), for systems without. What changes while a
  thread waits counts from its next wait on."

  (defn __init__ [self]
    (setv
      self.poller (select.poll)
      self.register self.poller.register
      self.modify self.poller.modify
      self.unregister self.poller.unregister))

  (defn poll [self [timeout None]]
    (.poll self.poller (when (is-not timeout None) (* 1000 timeout))))

  (defn close [self]))

(setv EPOLL (getattr select "epoll" None))

(defn watch-in [set calls descriptor events call]
  "Have a set watch a descriptor for these events, or for others than before, and note what
  to call at one. The set lets other threads in, who may come to the call at once."
  (setv known (in descriptor calls)
        (get calls descriptor) call)
  (try
    ((if known set.modify set.register) descriptor events)
    (except [BaseException]  ; it is closed, for one
      (del (get calls descriptor))
      (raise))))

(defn new-set []
  (if EPOLL (EPOLL) (PolledSet)))


(defclass Reactor []
  "Waits in a thread of its own, which starts with the first thing to wait for."

  (defn __init__ [self name]
    (setv
      self.name name
      self.lock (threading.RLock)
      self.calls {}             ; descriptor -> what to call on an event
      self.soon (deque)         ; what to call next
      self.timers []            ; a heap of [moment number timer]
      self.crowd CROWD          ; so many timers are worth a purge
      self.numbers (itertools.count)
      self.set (new-set)
      self.wakes-at None        ; the moment until which it waits
      self.thread None
      self.closed False
      [self.waked self.waker] (socket.socketpair))
    (.setblocking self.waked False)
    (.setblocking self.waker False)
    (.register self.set (.fileno self.waked) select.POLLIN))

  (defn watch [self file events call]
    "Call ``call`` in the reactor's thread whenever the system reports one of these
    events, or an error, for this file."
    (setv descriptor (.fileno file))
    (with [_ self.lock]
      (when self.closed
        (return))
      (watch-in self.set self.calls descriptor events call)
      (.start self))
    (.changed self))

  (defn unwatch [self file]
    "Watch this file no more. Call it before the file is closed. Idempotent."
    (setv descriptor (.fileno file))
    (with [_ self.lock]
      (when (is-not (.pop self.calls descriptor None) None)
        (.unregister self.set descriptor)
        ; Else poll(2) keeps the file open, when it is closed, until it returns.
        (.changed self))))

  (defn call-after [self seconds call]
    "Call ``call`` in the reactor's thread after so many seconds; returns the `Timer`."
    (setv moment (+ (time.monotonic) seconds)
          timer (Timer call))
    (with [_ self.lock]
      (when (>= (len self.timers) self.crowd)
        (.purge self))
      (heapq.heappush self.timers #(moment (next self.numbers) timer))
      (setv soon (or (is self.wakes-at None) (< moment self.wakes-at)))
      (.start self))
    (when soon
      (.wake self))
    timer)

  (defn call-soon [self call]
    "Call ``call`` in the reactor's thread, if that has ever started. Takes no lock, so a
    finaliser may ask for it, wherever it has broken in."
    (.append self.soon call)
    (.wake self))

  (defn mine [self]
    "Does the reactor's own thread ask?"
    (is self.thread (threading.current-thread)))

  (defn close [self]
    "End the thread and forget everything. Idempotent."
    (with [_ self.lock]
      (when self.closed
        (return))
      (setv self.closed True
            thread self.thread)
      (.clear self.calls))
    (.wake self)
    (when (and thread (is-not thread (threading.current-thread)))
      (.join thread))
    (.release self))

  (defn release [self]
    "Close what it has open."
    (.close self.waked)
    (.close self.waker)
    (.close self.set))

  (defn start [self]
    (unless (or self.thread self.closed)
      (setv self.thread (threading.Thread :target self.run :name self.name :daemon True))
      (.start self.thread)))

  (defn changed [self]
    (unless EPOLL
      (.wake self)))

  (defn wake [self]
    (try
      (.send self.waker b"!")
      (except [BlockingIOError])  ; enough wakes wait there
      (except [OSError]           ; closed
        (unless self.closed
          (raise)))))

  (defn run [self]
    (while (not self.closed)
      (for [[descriptor _] (.poll self.set (.patience self))]
        (if (= descriptor (.fileno self.waked))
          (.drain self)
          (.attempt self (.get self.calls descriptor))))
      (for [timer (.due self)]
        (.attempt self timer.call))
      (while self.soon
        (.attempt self (.popleft self.soon)))))

  (defn patience [self]
    "Seconds until the first timer, or None."
    (with [_ self.lock]
      (setv self.wakes-at (when self.timers (get self.timers 0 0)))
      (unless (is self.wakes-at None)
        (min (max 0 (- self.wakes-at (time.monotonic))) LONGEST-WAIT))))

  (defn due [self]
    (setv now (time.monotonic)
          due [])
    (with [_ self.lock]
      (while (and self.timers (<= (get self.timers 0 0) now))
        (.append due (get (heapq.heappop self.timers) 2))))
    due)

  (defn purge [self]
    "Forget the timers that were cancelled, which may be due in days. Done at
    each doubling of their number, it takes no time to speak of."
    (setv self.timers (lfor  entry self.timers  :if (. (get entry 2) call)  entry)
          self.crowd (max CROWD (* 2 (len self.timers))))
    (heapq.heapify self.timers))

  (defn drain [self]
    (try
      (while (.recv self.waked 4096))
      (except [BlockingIOError])))

  (defn attempt [self call]
    "Call it; an error of one must not end the watch for all."
    (when (and call (not self.closed))
      (try
        (call)
        (except [BaseException]  ; a fault of ours: nothing of a user's runs here
          (log.exception "in the reactor %s" self.name))))))
