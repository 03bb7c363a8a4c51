"Dispatch: the slaves that a master has, who is idle, and what waits in line.

A task that is made goes to an idle slave at once, sent by the thread that made
it; a thread of the crew then runs the local procedure. When that task is over,
the same thread sends the slave the next task in line. So a task costs no more
than one wake-up of a parked thread, and an idle slave costs no thread."

(import
  collections [defaultdict deque]
  concurrent.futures [CancelledError]
  logging
  threading
  weakref [WeakValueDictionary]
  dpfw.errors [MasterClosed Refused SlaveLost]
  dpfw.network [pauses]
  dpfw.node [Node]
  dpfw.ports [read-result]
  dpfw.promise [force]
  dpfw.sexp [write-remote]
  dpfw.task [SEND-EVERY Task sent?]
  dpfw.wire [HANG-UP])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  KILL-GRACE 2)  ; seconds that a slave has to end when it is told to


(defclass Slave []
  "A slave, as its master sees it. ``session`` is the id of its process,
  ``address`` where it is; ``lost`` says that it is gone, ``busy`` that it has a
  task."

  (defn __init__ [self session]
    (setv
      self.session session
      self.address None
      self.connection None
      self.dialled None    ; the host and port to dial it at again, or None
      self.useful False    ; has it done a task in this session?
      self.through None    ; the address of ours that it dialled
      self.process None    ; the `subprocess.Popen` of one that was launched here
      self.lost True
      self.busy False
      self.tasks (deque))) ; that wait for this slave

  (defn __repr__ [self]
    (setv state (cond self.lost "lost"  self.busy "busy"  True "idle"))
    f"<slave {(cut self.session 8)} at {self.address}, {state}>"))


(defclass Master [Node]
  "A master's end of the network. The ``dpfw-…`` functions act on one default
  master; make your own to have several. ::

    (with [m (Master)]
      (.connect m \"node-b\" 10000)
      (force (.make-task m '(fn [i o] (+ 2 3)) read-result)))"

  (setv role "master")

  (defn __init__ [self]
    (.__init__ (super))
    (setv
      self.change (threading.Condition self.lock)  ; of who is there and idle
      self.by-session {}      ; session id -> connected slave, in order of joining
      self.known (WeakValueDictionary)  ; session id -> slave, lost ones too
      self.prepared (defaultdict set)   ; session id -> indexes of `initial` that it has run
      self.idle {}            ; idle slaves -> None, the longest idle first
      self.line (deque)       ; tasks that wait for any slave
      self.pauses {}          ; address that was dialled -> pauses between dials
      self.initial []))       ; remotes that every slave runs first

  ;; Who is there

  (defn serve [self port [backlog 100] [host None]]
    "Listen for slaves that dial in. Blocks until the master is closed."
    (setv address (.listen self port backlog host))
    (try
      (.wait self)
      (finally
        (.unlisten self address))))

  (defn connect [self host port]
    "Dial a slave server; returns the `Slave`, connected and authenticated.
    Dials again, until the master is closed, when the slave goes away."
    (setv [connection session] (.dial self host port))
    (.join self connection session :dialled #(host port)))

  (defn slaves [self]
    "Every connected slave, in the order in which they joined."
    (with [_ self.lock]
      (list (.values self.by-session))))

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
    (setv task (Task (remote-text remote) local slave timeout retries))
    (.submit self task)
    task.promise)

  (defn parallel [self tasks]
    "See `dpfw-parallel`."
    (force-all (lfor  [remote local] tasks  (.make-task self remote local))))

  (defn broadcast [self remote]
    "See `dpfw-broadcast`."
    (force-all (lfor  slave (.slaves self)  (.make-task self remote read-result slave))))

  (defn on-connect [self remote]
    "See `dpfw-on-connect`."
    (setv text (remote-text remote))
    (with [_ self.lock]
      (.append self.initial text)
      (setv n (- (len self.initial) 1)
            tasks (lfor  slave (.slaves self)  (.preparation self n slave))))
    (for [task tasks]
      (.submit self task))
    (force-all (lfor  task tasks  task.promise)))

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
      (setv slave (or task.slave (next (iter self.idle) None)))
      (cond
        (and slave slave.lost)
          (setv lost True)
        (in slave self.idle)
          (do
            (.pop self.idle slave)
            (setv slave.busy True))
        True
          (do
            (.append (if slave slave.tasks self.line) task)
            (.warn-if-alone self)
            (return))))
    (if slave.lost
      (.fail task.promise (lost-before slave))
      (.hand-over self slave task)))

  (defn hand-over [self slave task]
    "Send a task to a slave that was taken for it, and run what follows in a
    thread of the crew."
    (setv task (.begin-next self slave slave.connection task))
    (when (and task (not (.run self.crew self.attend slave task)))
      (.fail task.promise (closed-error))))

  (defn attend [self slave task]
    "Play one task after the other with a slave, as long as there are any."
    (while task
      (setv connection task.connection
            following None
            [end what] (played task))
      (if (is end Task.lost)
        (.lose self slave connection)
        (setv slave.useful True
              ; The slave has its next task before this one's result is told.
              following (.begin-next self slave connection)))
      (.conclude self task end what)
      (setv task following)))

  (defn begin-next [self slave connection [task None]]
    "Send a slave its next task, this one or the first in line; returns it, or
    None when there is none or the slave is lost."
    (while (not (.gone self slave connection))
      (setv task (or task (.take-task self slave)))
      (unless task
        ; If it hung up just before it was counted as idle, nobody noticed.
        (.gone self slave connection)
        (return None))
      (try
        (when (.begin task connection self.lookout)
          (return task))
        (except [OSError]
          (.lose self slave connection)
          (break))
        (except [BaseException]
          (.lose self slave connection)
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

  (defn take-task [self slave]
    "Take the next task for this slave; with none, count it as idle."
    (with [_ self.change]
      (cond
        slave.tasks (.popleft slave.tasks)
        self.line (.popleft self.line)
        True (do
          (setv slave.busy False
                (get self.idle slave) None)
          (.notify-all self.change)
          None))))

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
        (setv slave (next (iter self.idle) None))
        (unless (and slave self.line)
          (return))
        (.pop self.idle slave)
        (setv slave.busy True
              task (.popleft self.line)))
      (.hand-over self slave task)))

  (defn conclude [self task end what]
    (when (and (is end Task.lost) (.is-set self.closed))
      (setv what (closed-error what)))
    (when (end task what)
      (.put-back self task)))

  ;; Coming and going

  (defn joined [self connection session]
    (.join self connection session))

  (defn join [self connection session [dialled None]]
    "A slave is there. Its process may be one that was there before."
    (with [_ self.lock]
      (setv present (.get self.by-session session)))
    (when present
      (when dialled
        ; One connection with a process is enough.
        (.retire self connection)
        (return present))
      ; It dialled again, so it knows that the other connection is no more.
      (.lose self present present.connection))
    (setv slave (.enlist self connection session dialled))
    (.watch self.lookout connection HANG-UP (fn [] (.hung-up self slave connection)))
    (.hand-over self slave None)
    slave)

  (defn enlist [self connection session dialled]
    (with [_ self.change]
      (.check-open self)
      (setv slave (.get self.known session))
      (when (is slave None)
        (setv slave (Slave session)))
      (setv
        slave.tasks (deque (gfor
          n (range (len self.initial))
          :if (not-in n (get self.prepared session))
          (.initial-task self n slave)))
        slave.connection connection
        slave.address connection.peer
        slave.through connection.name
        slave.dialled dialled
        slave.useful False
        slave.lost False
        slave.busy True
        (get self.known session) slave
        (get self.by-session session) slave)
      (.notify-all self.change))
    slave)

  (defn preparation [self n slave]
    "The task of the nth remote given to `on-connect`."
    (setv task (Task (get self.initial n) read-result slave None 0))
    (.add-done-callback task.promise (fn [promise]
      (unless (or (.cancelled promise) (.exception promise))
        (.add (get self.prepared slave.session) n))))
    task)

  (defn initial-task [self n slave]
    "The same, when the slave joins. One on which it fails is not fit for use."
    (setv task (.preparation self n slave))
    (.add-done-callback task.promise (fn [promise]
      (setv error (.exception promise))
      ; On a slave that was lost, it runs again when the slave is back.
      (unless (isinstance error #((type None) SlaveLost MasterClosed))
        (log.error "%r is closed, since a remote given to dpfw-on-connect failed on it: %s"
          slave error)
        (setv slave.useful False)
        (.abort slave.connection))))
    task)

  (defn hung-up [self slave connection]
    "In the lookout's thread: the slave closed this connection."
    (when (.hung-up connection)
      (.unwatch self.lookout connection)
      (with [_ self.lock]
        (setv idle (and (is slave.connection connection) (in slave self.idle))))
      ; A busy slave's last words may still be on their way; who attends it will see.
      (when idle
        (.run self.crew self.lose slave connection))))

  (defn lose [self slave connection]
    "A slave is gone, as far as this connection goes: forget it, and dial it
    again if we dialled it. Idempotent."
    (with [_ self.change]
      (when (or slave.lost (is-not slave.connection connection))
        (return))
      (setv slave.lost True
            slave.busy False
            tasks (list slave.tasks))
      (.clear slave.tasks)
      (.pop self.by-session slave.session)
      (.pop self.idle slave None)
      (.notify-all self.change))
    (.retire self connection)
    (for [task tasks]
      (.fail task.promise (lost-before slave)))
    (unless (.is-set self.closed)
      (log.warning "%r is gone" slave)
      (when slave.dialled
        (.run self.crew self.dial-again slave.dialled slave.useful))))

  (defn dial-again [self address start-anew]
    "Dial until a slave answers. The pauses go on growing from one session to the
    next where a session was of no use."
    (when (or start-anew (not-in address self.pauses))
      (setv (get self.pauses address) (pauses)))
    (for [pause (get self.pauses address)]
      (when (.wait self.closed pause)
        (return))
      (try
        (.connect self #* address)
        (return)
        (except [e Refused]
          (log.warning "%s; dialling again" e))
        (except [e OSError]
          (log.debug "%s; dialling again" e))
        (except [MasterClosed]
          (return)))))

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

(defn remote-text [remote]
  (if (is (type remote) str)
    remote
    (write-remote remote)))

(defn lost-before [slave]
  (SlaveLost f"the slave at {slave.address} was lost before it was given this task"))

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
