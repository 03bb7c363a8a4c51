"Dispatchers and worlds with one defect each, all of which the simulation must find.

Those with a number are of the first version of dpfw, as they would be in this one."

(import
  dpfw.dispatch.dispatcher [Dispatcher closed-error]
  dpfw.dispatch.states [SESSION TASK advance]
  dpfw.dispatch.task [lost-before]
  dpfw.errors [WireError]
  tests.simulation.world [World])
(eval-when-compile (require hyrule.control [unless]))

(setv
  DEFECTS {}   ; what is wrong -> a `World` in which it is
  LEFT (WireError "left"))

(defn defect [text [kind Dispatcher] #** attributes]
  (setv (get DEFECTS text) (known (type "World" #(World)
    {"__module__" __name__  "defect" text  "Dispatcher" kind  #** attributes}))))

(defn known [kind]
  "Give a class a name of its own, by which copies of a world find it."
  (setv name f"{kind.__name__}{(len DEFECTS)}"
        kind.__name__ name
        kind.__qualname__ name
        (get (globals) name) kind)
  kind)

(defmacro defdefect [text #* methods]
  "A dispatcher that has these methods in the place of its own."
  `(defect ~text (do
    (defclass Defective [Dispatcher] ~@methods)
    (known Defective))))

(defn less [todo #* verbs]
  (lfor  action todo  :if (not-in (get action 0) verbs)  action))


;; Of the first version

(defdefect "1: close puts a running task with retries back in line"
  (defn close [self]
    (setv todo []
          self.closed True)
    (for [task self.line]
      (.finish self task "closed" #("error" (closed-error)) todo))
    (.clear self.line)
    (for [slave (list (.values self.registry.connected))]
      (+= todo (.hung-up self slave.session LEFT)))
    todo)
  (defn lose-task [self #* arguments]
    (setv [closed self.closed] [self.closed False])
    (.lose-task (super) #* arguments)
    (setv self.closed closed)))

(defdefect "1: close forgets a task between the line and the slave"
  (defn close [self]
    (for [slave (.values self.registry.connected)]
      (setv session slave.session)
      (when (and session.task (= session.task.state "sending"))
        (setv session.task None)))
    (.close (super)))
  (defn unsent [self #* arguments]
    (setv [closed self.closed] [self.closed False]
          todo (.unsent (super) #* arguments)
          self.closed closed)
    todo))

(defdefect "2: the next task is sent to a slave whose preparation failed, before it is closed"
  (defn note-preparation [self session task outcome todo]
    (if (and (is-not task.preparation None) (= (get outcome 0) "error") (= session.state "preparing"))
      (setv self.unfit session)
      (.note-preparation (super) session task outcome todo)))
  (defn answered [self session number outcome]
    (setv self.unfit None
          todo (.answered (super) session number outcome))
    (when self.unfit
      (+= todo (.hung-up self session (WireError "its preparation failed"))))
    todo))

(defclass Doubled [Dispatcher]
  (defn joined [self id #* arguments]
    ; That it is not here was seen in another step.
    (.pop self.registry.connected id None)
    (.joined (super) id #* arguments))
  (defn answered [self session number outcome]
    (setv session session.slave.session)
    (.answered (super) session (if session.task session.task.number number) outcome)))

(defect "5: two connections with one process, when both came at once" Doubled :one-step False)

(defect "6: a cancel strikes whatever runs" :numbered False)

(defdefect "6: a cancel overtakes its task"
  (defn stop [self task outcome]
    (setv todo (.stop (super) task outcome))
    (when (and todo (= task.state "withdrawn"))
      (.append todo #("cancel" task.session task.number)))
    todo))

(defect "16: what is left to be done is dropped by an interrupt" :whole False)


;; Of this one, while it was built

(defdefect "a slave whose preparation failed is hung up on, and not lost"
  (defn note-preparation [self session task outcome todo]
    (if (and (is-not task.preparation None) (= (get outcome 0) "error") (= session.state "preparing"))
      (do
        (advance session SESSION "dismissed")
        (.append todo #("hang-up" session)))
      (.note-preparation (super) session task outcome todo))))

(defdefect "nobody receives what a remote says whose local procedure was stopped before it began"
  (defn sent [self session task]
    (less (.sent (super) session task) "listen")))

(defdefect "a local procedure that ends when its slave is lost has no say"
  (defn answered [self session number outcome]
    (if (= session.state "lost")
      []
      (.answered (super) session number outcome))))

(defdefect "a slave is given tasks before anybody receives from it"
  (defn joined [self #* arguments]
    (setv [slave todo] (.joined (super) #* arguments))
    (when (and slave (= slave.state "joining"))
      (+= todo (.heard self slave.session)))
    #(slave todo)))

(defdefect "what was lost is shown as its slave's, wherever it is"
  (defn tasks [self [slave None]]
    (lfor
      task (+ (.tasks (super) slave)
              (if (and slave slave.session.task) [slave.session.task] []))
      :if (and task.promise (in task.state ["waiting" "sending" "running"]))
      task)))


;; Others

(defdefect "what a slave cannot have seen is lost"
  (defn unsent [self session task error]
    (setv todo (.hung-up self session error))
    (when (.sending self session task)
      (advance task TASK "sent")
      (.lose-task self session task error todo))
    todo))

(defdefect "what a slave may have seen is sent again, without retries"
  (defn lose-task [self session task error todo]
    (when (and (= task.state "running") (not task.slave))
      (setv task.retries (max task.retries 1)))
    (.lose-task (super) session task error todo)))

(defdefect "retries are not counted"
  (defn lose-task [self session task error todo]
    (setv retries task.retries)
    (.lose-task (super) session task error todo)
    (setv task.retries retries)))

(defdefect "a task for one slave is retried on any"
  (defn lose-task [self session task error todo]
    (when task.retries
      (setv task.slave None))
    (.lose-task (super) session task error todo)))

(defdefect "a task that was stopped is retried"
  (defn lose-task [self session task error todo]
    (if (and (= task.state "stopping") task.retries (not task.slave) (not task.playing)
             (not self.closed))
      (do
        (-= task.retries 1)
        (setv task.state "waiting")
        (.put-back self task todo))
      (.lose-task (super) session task error todo))))

(defdefect "the last in line is the first"
  (defn next [self session todo]
    (when self.line.plain
      (.move-to-end self.line.plain (next (reversed self.line.plain)) :last False))
    (.next (super) session todo)))

(defdefect "a task that was lost is the last in line"
  (defn put-back [self task todo]
    (.put-back (super) task todo)
    (when (in task self.line)
      (.discard self.line task)
      (.add self.line task))))

(defdefect "a task that was lost waits, though a slave is idle"
  (defn put-back [self task todo]
    (setv [idle self.idle] [self.idle {}])
    (.put-back (super) task todo)
    (setv self.idle idle)))

(defdefect "a slave that has joined is idle, though a task waits"
  (defn prepare [self session todo]
    (if session.unprepared
      (.prepare (super) session todo)
      (do
        (advance session SESSION "prepared")
        (setv (get self.idle session) None)))))

(defdefect "a promise ends when its task is stopped, and again when that has ended"
  (defn finish [self task event outcome todo]
    (setv ended (= task.state "ended"))
    (.finish (super) task event outcome todo)
    (when (and task.promise (not ended) (not-in #("end" task outcome) todo))
      (.append todo #("end" task outcome)))))

(defdefect "close forgets what is adrift"
  (defn close [self]
    (.clear self.adrift)
    (.close (super))))

(defdefect "a task that is sent when its slave is lost is forgotten"
  (defn sent [self session task]
    (if (and (= session.state "lost") (.sending self session task))
      (do
        (advance task TASK "sent")
        [])
      (.sent (super) session task))))

(defect "the time of a former attempt ends the present one" :own-time False)

(defdefect "a task that is stopped before it is sent is not cancelled then"
  (defn sent [self session task]
    (less (.sent (super) session task) "cancel")))

(defdefect "a task that is stopped while it waits stays in line"
  (defn stop [self task outcome]
    (setv waits (in task self.line)
          todo (.stop (super) task outcome))
    (when waits
      (.add self.line task))
    todo))

(defdefect "what waits for one slave goes on waiting when that is lost"
  (defn hung-up [self session error]
    (setv line session.slave.line
          waiting (list line))
    (.clear line)
    (setv todo (.hung-up (super) session error))
    (for [task waiting]
      (.add line task))
    todo))

(defdefect "a task for one slave waits in the line of all"
  (defn made [self task]
    (if (or self.closed (not task.slave) task.slave.lost (= task.slave.state "idle"))
      (.made (super) task)
      (do
        (.add self.line task)
        []))))

(defdefect "a lost slave is not dialled again"
  (defn hung-up [self session error]
    (less (.hung-up (super) session error) "dial")))

(defdefect "a lost slave is not hung up on"
  (defn hung-up [self session error]
    (less (.hung-up (super) session error) "hang-up")))

(defdefect "a slave that plays is hung up on by nobody"
  (defn parted [self #* arguments]
    (less (.parted (super) #* arguments) "hang-up")))

(defdefect "a slave that dials again has two sessions"
  (defn joined [self id #* arguments]
    (.pop self.registry.connected id None)
    (.joined (super) id #* arguments)))

(defdefect "a slave that was dismissed is given tasks"
  (defn dismissed [self session]
    []))

(defdefect "a preparation that failed counts"
  (defn note-preparation [self session task outcome todo]
    (.note-preparation (super) session task #("answer") todo)))

(defdefect "who joins need prepare nothing"
  (defn joined [self #* arguments]
    (setv [slave todo] (.joined (super) #* arguments))
    (when slave
      (.clear slave.session.unprepared))
    #(slave todo)))

(defdefect "a slave may answer whatever it likes"
  (defn answered [self session number outcome]
    (.answered (super) session (if session.task session.task.number number) outcome)))

(defdefect "tasks of a session have no numbers"
  (defn start [self session task todo]
    (.start (super) session task todo)
    (setv session.number 1
          task.number 1)))

(defdefect "who waits for an idle slave is not told"
  (defn change [self todo]))

(defdefect "who is alone with tasks is not told"
  (defn worry [self todo #* _]))

(defdefect "a slave that joins after the close is let in"
  (defn joined [self #* arguments]
    (setv [closed self.closed] [self.closed False]
          slave-and-todo (.joined (super) #* arguments)
          self.closed closed)
    slave-and-todo))

(defdefect "a task that is made after the close waits"
  (defn made [self task]
    (if self.closed
      (do
        (.add self.line task)
        [])
      (.made (super) task))))


;; Labels and priorities

(defdefect "a task for a label goes to whoever is idle"
  (defn idle-with [self label]
    (.warmest self)))

(defdefect "a task for a label goes to whoever falls free"
  (defn next [self session todo]
    (setv task (next (iter self.line) None))
    (when task
      (.discard self.line task)
      (.put-first self.line task)
      (when task.on
        (setv session.slave.labels [task.on])))
    (.next (super) session todo)))

(defdefect "a slave waits behind a task for a label"
  (defn next [self session todo]
    (setv task (next (iter self.line) None))
    (if (and task task.on (not-in task.on session.slave.labels))
      (do
        (when (= session.state "busy")
          (advance session SESSION "freed"))
        (setv (get self.idle session) None))
      (.next (super) session todo))))

(defdefect "priorities are not heeded"
  (defn made [self task]
    (setv task.special (bool task.on))
    (.made (super) task)))

(defdefect "who waits for a label that none has is not told"
  (defn worry-about-labels [self todo]))


;; Slaves that work for others

(defdefect "a slave that works for another is given tasks of all"
  (defn lent [self session]
    (setv todo (.lent (super) session))
    (when (= session.state "idle")
      (setv (get self.idle session) None))
    todo))

(defdefect "a slave that is taken back is forgotten"
  (defn taken-back [self session]
    (.take-back self.registry session.slave)
    []))

(defdefect "one that is lost still works for another"
  (defn hung-up [self session error]
    (setv lent (dict self.registry.lent)
          todo (.hung-up (super) session error))
    (.update self.registry.lent lent)
    todo))


;; Draining

(defdefect "a slave that is drained is given tasks of all"
  (defn next [self session todo]
    (setv [drained session.drained] [session.drained False])
    (.next (super) session todo)
    (setv session.drained drained)))

(defdefect "a slave that is drained is hung up on at once"
  (defn drained [self session]
    (setv todo []
          session.drained True)
    (unless (= session.state "lost")
      (.part-with self session todo))
    todo))

(defdefect "an idle slave that is drained stays"
  (defn drained [self session]
    (when (!= session.state "idle")
      (return (.drained (super) session)))
    (setv session.drained True)
    (.pop self.idle session)
    []))

(defdefect "what waits for a slave that is drained is lost"
  (defn drained [self session]
    (setv todo (.drained (super) session))
    (for [task (list session.slave.line)]
      (.discard session.slave.line task)
      (.finish self task "lost" #("error" (lost-before session.slave task)) todo))
    todo))

(defdefect "a slave that is drained is prepared for tasks that it does not get"
  (defn part-with [self session todo]
    (if (= session.state "preparing")
      (advance session SESSION "prepared")
      (.part-with (super) session todo))))

(defdefect "a slave that was drained is let in again"
  (defn joined [self id #* arguments]
    (setv (. (.slave self.registry id self.master) let-go) False)
    (.joined (super) id #* arguments)))

(defdefect "a slave that leaves by itself is not dialled again"
  (defn drained [self session]
    (setv session.dialled None)
    (.drained (super) session)))
