"Who receives: one thread at a time, the leader, waits for all connections.

::

    reactor ──watches──> set of connections <──waits on── a thread that leads

The connections are in a set of their own, an epoll object, which the reactor
watches like any descriptor. So with nobody else there, the reactor leads. A
thread that has to wait for a promise takes the set away from the reactor, which
costs one system call and wakes nobody; then it waits on the set itself, and
handles what comes on any connection, until its own promise has ended. Of several
such threads one leads, and the others sleep until somebody ends their promises.

Who has led is likely to lead again, for its next promise. If the set went back to
the reactor in between, an answer would wake it, and two threads would fight for the
interpreter. So the reactor takes the set back by itself, when nobody has led for the
time of a tick; and a thread that led last takes it already when it makes a task. While
somebody leads for longer, nothing ticks.

Source: the pattern Leader/Followers (Schmidt and others, 2000)."

(import
  functools [partial]
  logging
  os
  select
  threading
  time
  dpfw.net.interrupt [Whole]
  dpfw.net.reactor [EPOLL watch-in])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  AT-ONCE 64   ; connections that are looked at before the leader looks up
  TICK 0.001   ; seconds
  LONGEST-WAIT 1e6)  ; seconds; poll(2) takes no more than 2^31 milliseconds


(defclass Waiter []
  "A thread that waits until another, or it itself while it leads, says `wake`."

  (defn __init__ [self]
    (setv
      self.over False
      self.thread (threading.get-ident)
      self.leader None    ; the `Leader` on whose set it waits,
      self.gate None))    ; or the lock that it sleeps on

  ; Who wakes sets `over` first and looks then how to wake; who waits says first
  ; how it waits and looks at `over` then. So one of the two sees the other.

  (defn wake [self]
    (setv self.over True
          gate self.gate
          leader self.leader)
    (cond
      gate (.open-gate self gate)
      (and leader (!= self.thread (threading.get-ident))) (.wake leader)))

  (defn open-gate [self gate]
    (try
      (.release gate)
      (except [RuntimeError])))  ; it is open already

  (defn sleep [self [deadline None]]
    "Sleep until somebody wakes this thread, or the deadline."
    (setv gate (threading.Lock))
    (.acquire gate)
    (setv self.gate gate)
    (unless self.over
      (if (is deadline None)
        (.acquire gate)
        (.acquire gate :timeout (seconds-to deadline)))))

  (defn wait [self leader [deadline None]]
    "Wait, as the leader if nobody else is."
    (unless (.lead leader self deadline)
      (.sleep self deadline))))


(defclass Leader []
  "The connections of a node, and who waits on them."

  (defn __init__ [self reactor]
    "Without a reactor, it is closed from the start."
    (setv
      self.reactor reactor
      self.lock (threading.RLock)     ; of what is in the set
      self.calls {}                   ; descriptor -> what to call when something came
      ; Held by who leads, whom a signal's handler may make lead within that; and with it:
      self.leading (threading.RLock)
      self.given True                 ; does the reactor watch the set?
      self.ticking False              ; will it look whether anybody has led?
      self.led False                  ; since it last looked?
      self.last None                  ; the thread that has led last, lately
      self.closed (is reactor None)
      self.waker None                 ; an eventfd in the set
      self.set None)                  ; without epoll, the reactor always leads
    (when (and EPOLL reactor)
      (setv self.set (EPOLL)
            self.waker (os.eventfd 0 (| os.EFD-NONBLOCK os.EFD-CLOEXEC)))
      (.register self.set self.waker select.POLLIN)
      (.watch reactor self.set select.POLLIN self.follow)
      ; Of what the reactor is to be told on this set.
      (setv self.watch-for (partial reactor.set.modify (.fileno self.set)))))

  (defn watch [self connection call [events select.POLLIN]]
    "Have ``call`` called, by who leads, when something came on a connection, or at
    these events."
    (unless self.set
      (.watch self.reactor connection events call)
      (return))
    (with [_ self.lock]
      ; One that is about to be closed has been removed already.
      (unless (or self.closed connection.aborted)
        (watch-in self.set self.calls (.fileno connection) events call))))

  (defn remove [self connection]
    "Look at this connection no more. Call it before the connection is closed.
    Idempotent."
    (unless self.set
      (.unwatch self.reactor connection)
      (return))
    (with [_ self.lock]
      (setv descriptor (.fileno connection))
      (when (and (is-not (.pop self.calls descriptor None) None) (not self.closed))
        (.unregister self.set descriptor))))

  (defn lead [self waiter [deadline None]]
    "Handle what comes until the waiter is woken, or the deadline. Answers False,
    at once, if another thread leads."
    (unless self.set
      (return False))
    (with [step (Whole)]
      (unless (.acquire self.leading :blocking False)
        (return False))
      (try
        (when self.closed
          (return False))
        (.take self)
        (setv waiter.leader self
              self.last waiter.thread)
        (while (not (or waiter.over self.closed (and deadline (late? deadline))))
          (.handle self (.let-in step self.set.poll
            (when deadline (seconds-to deadline)) AT-ONCE)))
        (except [OSError]
          ; A signal's handler has closed it meanwhile.
          (unless self.closed
            (raise)))
        (finally
          (.let-go self))))
    True)

  (defn expect [self]
    "This thread is about to cause an answer. If it led last, it will probably wait
    for that one too."
    (when (and self.given (= self.last (threading.get-ident))
               (.acquire self.leading :blocking False))
      (try
        (unless self.closed
          (.take self))
        (finally
          (.let-go self)))))

  (defn help [self]
    "Handle what has come, if nobody else is about to; never waits."
    (when (and self.set (.acquire self.leading :blocking False))
      (try
        (unless self.closed
          (.take self)
          (.handle self (.poll self.set 0 AT-ONCE)))
        (finally
          (.let-go self)))))

  (defn take [self]
    (setv self.led True)
    (when self.given
      (setv self.given False)
      (self.watch-for 0)
      (unless self.ticking
        (.begin-ticking self))))

  (defn let-go [self]
    (.release self.leading)
    ; A tick that met somebody at it was the last, and relies on this.
    (unless (or self.given self.ticking self.closed)
      (.begin-ticking self)))

  (defn begin-ticking [self]
    (setv self.ticking True)
    (.call-after self.reactor TICK self.tick))

  (defn tick [self]
    "In the reactor's thread: take the set back, unless somebody has led since the
    last tick."
    (cond
      self.led (do
        ; Without the lock: who meets it held goes to sleep.
        (setv self.led False)
        (.call-after self.reactor TICK self.tick))
      (not (.give-back self)) (do
        ; Somebody leads, and has us tick again when he lets go; or he did so just now.
        (setv self.ticking False)
        (.give-back self))))

  (defn give-back [self]
    "Have the reactor watch the set again, unless somebody leads; answers whether
    nobody does."
    (when (.acquire self.leading :blocking False)
      (try
        (setv self.ticking False
              self.last None)
        (unless (or self.given self.closed)
          (setv self.given True)
          (self.watch-for select.POLLIN))
        True
        (finally
          (.release self.leading)))))

  (defn follow [self]
    "In the reactor's thread: there is something to handle, and perhaps no leader."
    (when (.acquire self.leading :blocking False)
      (try
        (unless self.closed
          (.handle self (.poll self.set 0 AT-ONCE)))
        (finally
          (.let-go self)))))

  (defn handle [self events]
    (for [[descriptor _] events]
      (setv call (.get self.calls descriptor))
      (if call
        (try
          (call)
          (except [Exception]  ; a fault of ours: no code of a user's runs here
            (log.exception "in %s" (. (threading.current-thread) name))))
        (when (= descriptor self.waker)
          (os.eventfd-read self.waker)))))

  (defn wake [self]
    "Have the leader see whether what it waits for is there."
    (with [_ self.lock]
      (unless self.closed
        (os.eventfd-write self.waker 1))))

  (defn close [self]
    "To be called when nobody waits any more. Idempotent."
    (unless self.set
      (return))
    (with [_ self.leading]
      (unless self.closed
        (.unwatch self.reactor self.set)
        (with [_ self.lock]
          (setv self.closed True)
          (.release self)))))

  (defn release [self]
    "Close what it has open. Idempotent: its descriptors may be others' by now."
    (when (and self.set (is-not self.waker None))
      (setv [waker self.waker] [self.waker None])
      (.close self.set)
      (os.close waker))))


(defn late? [deadline]
  (>= (time.monotonic) deadline))

(defn seconds-to [deadline]
  "At most as many as the system can wait for at once."
  (max 0 (min LONGEST-WAIT (- deadline (time.monotonic)))))
