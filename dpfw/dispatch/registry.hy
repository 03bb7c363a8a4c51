"The roster: the slaves that a master has, how they come and how they go.

Who is here by its session id; who of them is idle, `dispatch` says. A slave that
was dialled is dialled again when it goes. What was given to `on-connect` runs on
each that joins, before anything else."

(import
  collections [defaultdict deque]
  logging
  threading
  weakref [WeakValueDictionary]
  dpfw.errors [MasterClosed Refused SlaveLost]
  dpfw.net.addresses [pauses]
  dpfw.net.node [Node]
  dpfw.task.ports [read-result]
  dpfw.dispatch.task [Task]
  dpfw.net.wire [HANG-UP])
(eval-when-compile (require hyrule.control [unless]))

(setv log (logging.getLogger __name__))


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


(defclass Roster [Node]
  "The slaves of a master. A subclass says in `employ` what to do with one that
  is free for the first time in its session."

  (setv role "master")

  (defn __init__ [self]
    (.__init__ (super))
    (setv
      self.change (threading.Condition self.lock)  ; of who is there and idle
      self.by-session {}      ; session id -> connected slave, in order of joining
      self.known (WeakValueDictionary)  ; session id -> slave, lost ones too
      self.idle {}            ; idle slaves -> None, the longest idle first
      self.pauses {}          ; address that was dialled -> pauses between dials
      self.initial []         ; the frames of remotes that every slave runs first
      self.prepared (defaultdict set)))  ; session id -> indexes of those it has run

  (defn employ [self slave]
    (raise NotImplementedError))

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

  ;; What follows is for `Master`.

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
    (.employ self slave)
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
          (return))))))


(defn lost-before [slave]
  (SlaveLost f"the slave at {slave.address} was lost before it was given this task"))
