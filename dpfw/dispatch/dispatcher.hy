"Dispatch: which slave does what, who is idle, and what waits in line.

A task that is made goes to an idle slave at once, sent by the thread that made
it; a thread of the crew then runs the local procedure. When that task is over,
the same thread sends the slave the next task in line. So a task costs no more
than one wake-up of a parked thread, and an idle slave costs no thread."

(import
  collections [deque]
  concurrent.futures [CancelledError]
  logging
  dpfw.dispatch [mapping]
  dpfw.errors [MasterClosed]
  dpfw.task.ports [read-result]
  dpfw.dispatch.promise [force]
  dpfw.task.remote [as-remote]
  dpfw.dispatch.registry [Roster lost-before]
  dpfw.dispatch.task [SEND-EVERY Task sent? task-frames])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  KILL-GRACE 2)  ; seconds that a slave has to end when it is told to


(defclass Master [Roster]
  "A master's end of the network. The ``dpfw-…`` functions act on one default
  master; make your own to have several. ::

    (with [m (Master)]
      (.connect m \"node-b\" 10000)
      (force (.make-task m '(fn [i o] (+ 2 3)) read-result)))"

  (defn __init__ [self]
    (.__init__ (super))
    (setv self.line (deque)))  ; tasks that wait for any slave

  (defn get-slave [self [wait True]]
    "An idle slave, not reserved: the one that has been idle longest. With none
    idle, waits, or returns None if ``wait`` is false."
    (with [_ self.change]
      (while True
        (.check-open self)
        (for [slave self.idle]
          (return slave))
        (unless wait
          (return None))
        (.warn-if-alone self)
        (.wait self.change))))

  (defn check-open [self]
    (when (.is-set self.closed)
      (raise (MasterClosed "this master has left the network; make another"))))

  ;; Tasks

  (defn make-task [self remote local [slave None] * [timeout None] [retries 0]]
    "See `dpfw-make-task`."
    (unless (callable local)
      (raise (TypeError
        f"the local procedure is {(repr local)}, which cannot be called; in a quasiquoted list, write ~read-result")))
    (setv task (Task (.frames self remote) local slave timeout retries))
    (.submit self task)
    task.promise)

  (defn frames [self remote]
    (task-frames (as-remote remote) self.frame-limit))

  (defn parallel [self tasks]
    "See `dpfw-parallel`."
    (force-all (lfor  [remote local] tasks  (.make-task self remote local))))

  (defn broadcast [self remote]
    "See `dpfw-broadcast`."
    (force-all (lfor  slave (.slaves self)  (.make-task self remote read-result slave))))

  (defn on-connect [self remote]
    "See `dpfw-on-connect`."
    (setv frames (.frames self remote))
    (with [_ self.lock]
      (.append self.initial frames)
      (setv n (- (len self.initial) 1)
            tasks (lfor  slave (.slaves self)  (.preparation self n slave))))
    (for [task tasks]
      (.submit self task))
    (force-all (lfor  task tasks  task.promise)))

  ;; Calls over collections

  (defn map [self f xs #* more-xs  #** options]
    "See `dpfw-map`."
    (mapping.map-items self f [xs #* more-xs] #** options))

  (defn map-unordered [self f xs #** options]
    "See `dpfw-map-unordered`."
    (mapping.map-unordered self f [xs] #** options))

  (defn reduce [self f xs [initial mapping.NOTHING] #** options]
    "See `dpfw-reduce`."
    (mapping.reduce-items self f xs initial #** options))

  (defn map-reduce [self f g xs #** options]
    "See `dpfw-map-reduce`."
    (mapping.map-reduce self f g xs #** options))

  (defn for-each [self f xs #** options]
    "See `dpfw-for-each`."
    (mapping.for-each self f xs #** options))

  (defn close [self]
    "Leave the network. Tasks that are not done end with `MasterClosed`.
    Idempotent."
    (with [_ self.change]
      (.set self.closed)
      (setv waiting [#* self.line  #* (gfor  s (.values self.by-session)  t s.tasks  t)])
      (.clear self.line)
      (for [slave (.values self.by-session)]
        (.clear slave.tasks))
      (.notify-all self.change))
    (for [task waiting]
      (.fail task.promise (closed-error)))
    (.close (super)))

  (defn kill [self slave]
    "See `dpfw-kill`."
    (if slave.process
      (.kill slave.process)
      (do
        (.send-kill self slave.connection)
        ; It may be stopped, or the network gone.
        (.call-after self.lookout KILL-GRACE slave.connection.abort))))

  (defn send-kill [self connection]
    (unless (sent? connection "kill" True)
      (.call-after self.lookout SEND-EVERY (fn [] (.send-kill self connection)))))

  ;; Dispatch

  (defn submit [self task]
    "Hand a task to the slave that it is for, if that is idle, or put it in line."
    (with [_ self.lock]
      (.check-open self)
      (setv slave (or task.slave (.warmest self))
            lost (and slave slave.lost))
      (unless (or lost (.take-idle self slave))
        (.append (if slave slave.tasks self.line) task)
        (.warn-if-alone self)
        (return)))
    (if lost
      (.fail task.promise (lost-before slave))
      (.hand-over self slave task)))

  (defn warmest [self]
    "The slave that was busy last, of those that are idle: what it needs is still
    in its processor's caches, so it is a third faster than one that slept."
    (next (reversed self.idle) None))

  (defn take-idle [self slave]
    "Count an idle slave as busy; answers False if it is not idle."
    (when (in slave self.idle)
      (.pop self.idle slave)
      (setv slave.busy True)
      True))

  (defn employ [self slave]
    (.hand-over self slave None))

  (defn hand-over [self slave task]
    "Send a task to a slave that was taken for it, and run what follows in a
    thread of the crew."
    (setv connection slave.connection)
    (try
      (setv task (.begin-next self slave connection task))
      (when (and task (not (.run self.crew self.attend slave task)))
        (.fail task.promise (closed-error)))
      (except [e BaseException]  ; a Ctrl-C: nobody may attend the slave now
        (.lose self slave connection)
        (when task
          (.fail task.promise e))
        (raise))))

  (defn attend [self slave task]
    "Play one task after the other with a slave, as long as there are any."
    (while task
      (setv connection task.connection
            following None
            [end what] (played task))
      (try
        (if (is end Task.lost)
          (.lose self slave connection)
          (setv slave.useful True
                ; The slave has its next task before this one's result is told.
                following (.begin-next self slave connection)))
        (finally
          (.conclude self task end what)))
      (setv task following)))

  (defn begin-next [self slave connection [task None]]
    "Send a slave its next task, this one or the first in line; returns it, or
    None when there is none or the slave is lost."
    (while True
      (setv task (or task (.take-task self slave connection)))
      ; Also of one that is idle now: if it hung up just before, nobody noticed.
      (when (or (.gone self slave connection) (not task))
        (break))
      (try
        (when (.begin task connection self.lookout)
          (return task))
        (except [OSError]
          (.lose self slave connection)
          (break))
        (except [e BaseException]  ; a Ctrl-C, in the thread that makes the task
          (.lose self slave connection)
          (.fail task.promise e)
          (raise)))
      (setv task None))
    (when task
      (.put-back self task)))

  (defn gone [self slave connection]
    "Has the slave's end of this connection hung up? If so, it is lost."
    (setv gone (.hung-up connection))
    (when gone
      (.lose self slave connection))
    gone)

  (defn take-task [self slave connection]
    "Take the next task for this slave; with none, count it as idle."
    (with [_ self.change]
      (cond
        ; Lost at this very moment, or even back, and another thread's affair.
        (or slave.lost (is-not slave.connection connection)) None
        slave.tasks (.popleft slave.tasks)
        self.line (.popleft self.line)
        True (do
          (setv slave.busy False
                (get self.idle slave) None)
          (.notify-all self.change)))))

  (defn put-back [self task]
    "The slave was found to be gone before it saw this task."
    (if task.slave
      (.fail task.promise (lost-before task.slave))
      (do
        (with [_ self.lock]
          (.appendleft self.line task))
        (.use-idle self))))

  (defn use-idle [self]
    "Give idle slaves the tasks that wait in line."
    (while True
      (with [_ self.lock]
        (setv slave (.warmest self))
        (unless (and self.line (.take-idle self slave))
          (return))
        (setv task (.popleft self.line)))
      (.hand-over self slave task)))

  (defn conclude [self task end what]
    (when (and (is end Task.lost) (.is-set self.closed))
      (setv what (closed-error what)))
    (when (end task what)
      (.put-back self task)))

  (defn warn-if-alone [self]
    (unless (or self.by-session self.listeners)
      (log.warning (+ "a task waits, and this master has no slave; "
        "start some with (dpfw-launch 2), or connect to one with (dpfw-master-client host port)")))))


(defn played [task]
  "Play it. Whatever happens, its promise must end."
  (try
    (.play task)
    (except [e BaseException]  ; out of memory, or a fault of ours
      #(Task.lost e))))

(defn closed-error [[cause None]]
  (setv error (MasterClosed "the master left the network before the task was done"))
  (setv error.__cause__ cause)
  error)

(defn force-all [promises]
  "Wait for all; return the results, or raise the first error in the order given."
  (for [promise promises]
    (try
      (.exception promise)
      (except [CancelledError])))
  (lfor  promise promises  (force promise)))
