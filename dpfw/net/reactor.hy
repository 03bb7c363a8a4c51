"The lookout: the one thread of a process's master or slave that waits for
events, so that no idle connection needs a thread.

It watches descriptors with poll(2) and keeps timers. What it calls must not
wait."

(import
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
  LONGEST-POLL 3600000)  ; milliseconds; poll(2) takes 24 days at most

(defclass Timer []
  "A call to come. Set ``call`` to None to cancel it."
  (defn __init__ [self call]
    (setv self.call call)))

(defclass Lookout []
  "Waits in a thread of its own, which starts with the first thing to wait for."

  (defn __init__ [self name]
    (setv
      self.name name
      self.lock (threading.Lock)
      self.calls {}             ; descriptor -> what to call on an event
      self.timers []            ; a heap of [moment number timer]
      self.crowd CROWD          ; so many timers are worth a purge
      self.numbers (itertools.count)
      self.poll (select.poll)
      self.wakes-at None        ; the moment until which poll(2) waits
      self.thread None
      self.closed False
      [self.waked self.waker] (socket.socketpair))
    (.setblocking self.waked False)
    (.setblocking self.waker False)
    (.register self.poll self.waked select.POLLIN))

  (defn watch [self file events call]
    "Call ``call`` in the lookout's thread whenever poll(2) reports one of these
    events, or an error, for this file."
    (with [_ self.lock]
      (.register self.poll file events)
      (setv (get self.calls (.fileno file)) call)
      (.start self))
    (.wake self))

  (defn unwatch [self file]
    "Watch this file no more. Call it before the file is closed. Idempotent."
    (with [_ self.lock]
      (when (is-not (.pop self.calls (.fileno file) None) None)
        (.unregister self.poll file)
        ; Else poll(2) keeps the file open, when it is closed, until it returns.
        (.wake self))))

  (defn call-after [self seconds call]
    "Call ``call`` in the lookout's thread after so many seconds; returns the `Timer`."
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

  (defn close [self]
    "End the thread and forget everything. Idempotent."
    (with [_ self.lock]
      (when self.closed
        (return))
      (setv self.closed True
            thread self.thread))
    (.wake self)
    (when (and thread (is-not thread (threading.current-thread)))
      (.join thread))
    (.close self.waked)
    (.close self.waker))

  (defn start [self]
    (unless (or self.thread self.closed)
      (setv self.thread (threading.Thread :target self.run :name self.name :daemon True))
      (.start self.thread)))

  (defn wake [self]
    (try
      (.send self.waker b"!")
      (except [BlockingIOError])  ; enough wakes wait there
      (except [OSError]           ; closed
        (unless self.closed
          (raise)))))

  (defn run [self]
    (while (not self.closed)
      (for [[descriptor _] (.poll self.poll (.patience self))]
        (if (= descriptor (.fileno self.waked))
          (.drain self)
          (.attempt self (.get self.calls descriptor))))
      (for [timer (.due self)]
        (.attempt self timer.call))))

  (defn patience [self]
    "Milliseconds until the first timer, or None."
    (with [_ self.lock]
      (setv self.wakes-at (when self.timers (get self.timers 0 0)))
      (unless (is self.wakes-at None)
        (min (max 0 (* 1000 (- self.wakes-at (time.monotonic)))) LONGEST-POLL))))

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
        (except [Exception]
          (log.exception "in the lookout %s" self.name))))))
