"A child: a process that was started here, and how its end is heard and brought about.

Where the system tells of it, by a pidfd, none needs a thread or a timer."

(import
  os
  select
  signal
  subprocess
  threading
  time
  dpfw.net.addresses [NO-DESCRIPTORS])
(eval-when-compile (require hyrule.control [unless]))

(setv LOOK-EVERY 0.2)  ; seconds, where the system does not tell of a process's end


(defclass Child []
  "A `subprocess.Popen`; ``ended`` is called, in the reactor's thread, when it has ended.
  A process of whose end nobody could hear is ended at once, and what is raised says why."

  (defn __init__ [self process reactor ended]
    (setv
      self.process process
      self.reactor reactor
      self.ended ended
      self.lock (threading.Lock)
      self.file None    ; by which the system tells of the end,
      self.timer None)  ; or what looks for it
    (try
      (.listen self)
      (except [BaseException]
        (.kill process)
        (.end-by self (time.monotonic))
        (raise))))

  (defn listen [self]
    (try
      (setv self.file (open (os.pidfd-open self.process.pid) "rb" :buffering 0))
      (except [e [AttributeError OSError]]  ; no such system, or one that forbids it
        (when (in (getattr e "errno" None) NO-DESCRIPTORS)
          (raise))
        (.look-later self))
      (else
        (.watch self.reactor self.file select.POLLIN self.hear))))

  (defn hear [self]
    (unless (is (.poll self.process) None)
      (.let-go self)
      (self.ended)))

  (defn look [self]
    (.hear self)
    (when (is self.process.returncode None)
      (.look-later self)))

  (defn look-later [self]
    (setv self.timer (.call-after self.reactor LOOK-EVERY self.look)))

  (defn end-by [self deadline]
    "Wait for its end until that moment of the monotonic clock, then kill it.
    Idempotent."
    (try
      (.wait self.process (max 0 (- deadline (time.monotonic))))
      (except [subprocess.TimeoutExpired]
        (.kill self.process)
        (.wait self.process)))
    (.let-go self))

  (defn let-go [self]
    "Of the reactor's thread and those that end the child, the first does."
    (with [_ self.lock]
      (setv file self.file
            self.file None))
    (when file
      (.unwatch self.reactor file)
      (.close file))
    (when self.timer
      (.cancel self.timer))))


(defn signal-name [number]
  "What people call a signal. ::

    (signal-name 9)  ; => \"SIGKILL\""
  (try
    (. (signal.Signals number) name)
    (except [ValueError]  ; one that is for real-time
      f"signal {number}")))
