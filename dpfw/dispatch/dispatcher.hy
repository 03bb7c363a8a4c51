"The dispatcher: which slave does what, who is idle, what waits in line.

::

    events ──> dispatcher ──> what is to be done
    joined, hung-up, drained       send, cancel, play, end
    made, sent, answered, stop     hang-up, dial, farewell
    close, reminded                warn, remind, changed

It knows no socket, no thread and no clock. Each event is a method, which changes
states as ``states`` has them and returns a list of what is to be done, in order,
as tuples: the verb, then what it is about. `Network` does it; so does the
simulation that holds this file to its promises (``tests/simulation``). Events may
come late, or twice, from several threads; one at a time, with the lock that is
the caller's. In between, anything may happen.

    listen session             receive from it, and say `heard` the first time
    send session task          give the slave this task, then say `sent` or `unsent`
    cancel session number      tell the slave to stop this task
    play session task          run the local procedure, then say `answered` or `parted`;
                               or say `unplayed`, where there is no thread for it
    end task outcome           end its promise: [\"result\" x], [\"error\" e],
                               [\"cancelled\"], or as the task's reader has it
    hang-up session            close the connection
    farewell session           before that: tell a slave that was drained so
    gone session               tell the user that this slave is lost
    dial address of-use        dial this slave again; was the session of any use?
    warn text                  tell the user
    remind seconds             say `reminded` after so long
    changed                    somebody waits for who is here or idle"

(import
  math [inf]
  dpfw.dispatch.line [Line]
  dpfw.dispatch.readers [Discarder ResultReader]
  dpfw.dispatch.registry [Registry note-about]
  dpfw.dispatch.session [Session]
  dpfw.dispatch.states [OPEN SESSION TASK advance]
  dpfw.dispatch.task [MOST-DEATHS Task drained-before lost-before slave-lost]
  dpfw.errors [MasterClosed WireError]
  dpfw.see [see])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PATIENCE 60  ; seconds between warnings of what waits; longer each time
  ALONE (+ "a task waits, and this master has no slave; start some with (dpfw-launch 2), "
    "or connect to one with (dpfw-master-client host port)" (see "how-to/index.md"))
  ENTANGLED (+ "every slave is held by a local procedure that itself waits for a task in "
    "line, so nothing can go on; start more slaves, or make such tasks outside of local "
    "procedures" (see "failures.md#the-local-procedure"))
  UNLABELLED (+ "a task waits for a slave with the label {label!r}, and none is connected; start one with "
    "(dpfw-launch 1 :labels [\"{label}\"]), or with: hy -m dpfw.slave … --label {label}"))


(defclass Dispatcher []
  "What a master knows of its slaves and tasks."

  (defn __init__ [self [master None]]
    (setv
      self.master master
      self.registry (Registry)
      self.idle {}              ; idle sessions -> None, the longest idle first
      self.line (Line)          ; tasks that wait for any slave, or any with a label
      self.closed False
      self.doors 0              ; addresses that we listen on
      self.watchers 0           ; threads that wait for who is here or idle
      self.adrift (set)         ; tasks of lost slaves, of which somebody is still to say more
      self.waiting (set)        ; tasks whose local procedures wait for others
      self.answers 0            ; tasks that slaves have ended,
      self.failures 0           ; and those of them that ended in an error
      self.patience None        ; seconds until the next reminder, when one is to come
      self.answers-then 0       ; `answers` when it was asked for
      self.told-alone False     ; has the user been told, since a slave was here?
      self.told-labels (set)))  ; and of labels that none has?

  ;; Slaves

  (defn joined [self id connection [dialled None]]
    "The process with this id is there, on a new connection; ``dialled`` is the
    address that we dialled, if we did. Returns the slave, and what is to be done."
    (setv todo [])
    (when self.closed
      (return #(None [#("hang-up" (Session None connection dialled))])))
    (setv slave (.slave self.registry id self.master)
          present (.get self.registry.connected id))
    (when (and slave.let-go (not dialled))
      ; It had dialled before it heard of that.
      (when present
        (+= todo (.hung-up self present.session (WireError "it dialled again"))))
      (setv session (Session slave connection))
      (return #(None [#* todo  #("farewell" session) #("hang-up" session)])))
    (when present
      (when dialled
        ; One connection with a process is enough.
        (return #(present [#("hang-up" (Session slave connection dialled))])))
      ; It dialled again, so it knows that the other connection is no more.
      (setv before present.session)
      (+= todo (.hung-up self before (WireError "it dialled again")))
      ; Also if a local procedure plays on it: nothing more will come.
      (.append todo #("hang-up" before)))
    (setv session (Session slave connection dialled)
          slave.session session
          slave.let-go False
          session.unprepared (.unprepared self.registry slave))
    (note-about slave connection.about)
    (.enter self.registry slave)
    (setv self.told-alone False)
    (.difference-update self.told-labels slave.labels)
    (.append todo #("listen" session))
    #(slave todo))

  (defn heard [self session]
    "What a slave that joined says will be heard."
    (setv todo [])
    (unless (= session.state "lost")
      (advance session SESSION "heard")
      (when (= session.state "preparing")
        (.prepare self session todo)))
    todo)

  (defn hung-up [self session error]
    "The connection of a session is of no use any more; ``error`` says why."
    (when (= session.state "lost")
      (return []))
    (setv todo []
          slave session.slave)
    (unless (and session.task session.task.playing)
      ; With a local procedure, its port is open to the end.
      (.append todo #("hang-up" session)))
    (advance session SESSION "hung-up")
    (.pop self.idle session None)
    (.leave self.registry slave)
    (for [task (list slave.line)]
      (.finish self task "lost" #("error" (lost-before slave task)) todo))
    (.clear slave.line)
    (when session.task
      (.lose-task self session session.task error todo))
    (.append todo #("gone" session))
    (when session.dialled
      (.append todo #("dial" session.dialled session.useful)))
    (.worry self todo)
    (.change self todo)
    todo)

  (defn dismissed [self session]
    "This slave gets no more tasks, and is to be killed."
    (unless (= session.state "lost")
      (setv session.killed True)
      (advance session SESSION "dismissed")
      (.pop self.idle session None))
    [])

  (defn drained [self session]
    "This slave gets no more tasks but those that wait for it; then it is hung up on."
    (setv todo [])
    (unless (or session.drained (in session.state ["leaving" "lost"]))
      (setv session.drained True)
      (when (= session.state "idle")
        (.pop self.idle session None)
        (.part-with self session todo)))
    todo)

  (defn let-go [self session]
    "The same, and this master wants it back only if it dials it."
    (unless (= session.state "lost")
      (setv session.slave.let-go True
            session.dialled None))
    (.drained self session))

  (defn lent [self session]
    "This slave works for another one, as a leaf of a tree does: of this master's tasks it is
    given those that are for it alone."
    (when (and (!= session.state "lost") (.lend self.registry session.slave))
      (.pop self.idle session None))
    [])

  (defn taken-back [self session]
    "It does so no more."
    (setv todo [])
    (when (and (!= session.state "lost") (.take-back self.registry session.slave)
               (= session.state "idle"))
      (.next self session todo))
    todo)

  (defn part-with [self session todo]
    "A slave that was drained has nothing to do any more."
    (setv session.farewell True)
    (advance session SESSION "dismissed")
    (.append todo #("farewell" session))
    (+= todo (.hung-up self session (WireError "it was drained"))))

  (defn prepare [self session todo]
    "Give a slave that joined what it must run first; then it is idle."
    (cond
      (and session.drained (not session.slave.line))
        (.part-with self session todo)
      session.unprepared
      (do
        (setv n (.pop session.unprepared 0)
              task (Task (get self.registry.preparations n) :reader ResultReader
                     :slave session.slave)
              task.preparation n)
        (.start self session task todo))
      True (do
        (advance session SESSION "prepared")
        (.change self todo)
        (.next self session todo))))

  (defn initialise [self remote make [key None] [last True]]
    "Every slave runs this remote, now or before anything else; see the registry for
    its key and its place. ``make`` makes the `Task` for one that is here. Returns the
    tasks, and what is to be done."
    (setv todo []
          [n before] (.prepare-with self.registry remote key last)
          tasks [])
    (for [slave (list (.values self.registry.connected))
          :if (not slave.session.drained)]
      (setv ahead slave.session.unprepared)
      (if (in before ahead)
        ; It has not come to what this replaces.
        (do
          (setv (get ahead (.index ahead before)) n)
          (when last
            (.append ahead (.pop ahead (.index ahead n)))))
        (do
          (setv task (make slave)
                task.preparation n
                ; No task that is made later runs before it, however urgent.
                task.priority inf
                task.special True)
          (.append tasks task)
          (+= todo (.made self task)))))
    #(tasks todo))

  (defn drop-preparation [self key]
    "No slave that joins need run what has this key any more."
    (setv n (.discard self.registry key))
    (for [slave (.values self.registry.connected)]
      (when (in n slave.session.unprepared)
        (.remove slave.session.unprepared n)))
    [])

  ;; Tasks

  (defn made [self task]
    "A task is there: for an idle slave, or in line."
    (setv todo []
          slave task.slave
          special task.special
          session (cond
            slave slave.session
            special (.idle-with self task.on)
            True (.warmest self)))
    (cond
      self.closed
        (.finish self task "closed" #("error" (closed-error)) todo)
      (and slave slave.lost)
        (.finish self task "lost" #("error" (lost-before slave task)) todo)
      (and slave session.drained)
        (.finish self task "lost" #("error" (drained-before slave task)) todo)
      (and session (= session.state "idle"))
        (.give self session task todo)
      True (do
        (setv line self.line)
        (if (or slave special line.ranked)
          (.add (if slave slave.line line) task)
          (setv (get line.plain task) line.last))  ; as mostly
        (.worry self todo)))
    todo)

  (defn sent [self session task]
    "The system has all of a task."
    (unless (.sending self session task)
      (return []))
    (setv todo [])
    (advance task TASK "sent")
    (cond
      (= session.state "lost") (.lose-task self session task session.error todo)
      (= task.state "stopping") (do
        (unless task.reader
          ; Its local procedure will never run.
          (setv task.reader Discarder)
          (.append todo #("listen" session)))
        (.append todo #("cancel" session task.number)))
      (not task.reader) (do
        (setv task.playing True)
        (.append todo #("play" session task))))
    todo)

  (defn unsent [self session task error]
    "The connection has ended, and the system has not got all of a task, so the
    slave has not seen it."
    (setv todo (.hung-up self session error))
    (when (.sending self session task)
      (if (or task.slave (!= task.state "sending") self.closed)
        (.finish-lost self task (lost-before session.slave task) todo)
        (do
          (advance task TASK "unsent")
          (.put-back self task todo))))
    todo)

  (defn sending [self session task]
    (and (is task.session session) (in task.state ["sending" "withdrawn"])))

  (defn answered [self session number outcome]
    "The slave has ended the task of this number."
    (setv todo []
          task session.task
          its-own (and task (is task.session session) (= task.number number)))
    (when (= session.state "lost")
      (when (and its-own task.playing)
        ; It was lost after it had answered, and the local procedure has ended now.
        (setv task.playing False)
        (.append todo #("hang-up" session))
        (.finish self task "answered" outcome todo))
      (return todo))
    (unless its-own
      (return (.hung-up self session (WireError
        f"it answered task {number}, and was given {(if task task.number "none")}"))))
    (setv session.task None
          session.useful True
          task.playing False)
    (+= self.answers 1)
    (when (= (get outcome 0) "error")
      (+= self.failures 1)
      (+= session.failures 1))
    (when (is-not task.preparation None)
      (.note-preparation self session task outcome todo))
    ; Its next task goes out first, so it works while this result is looked at.
    (cond
      (= session.state "preparing") (.prepare self session todo)
      (= session.state "busy") (.next self session todo))
    (.finish self task "answered" outcome todo)
    todo)

  (defn parted [self session task error outcome]
    "The local procedure of a task has ended, and the slave is lost. ``outcome`` is
    what the procedure made of that, or None when it knew nothing better."
    (setv todo (.hung-up self session error)
          task.playing False)
    (.append todo #("hang-up" session))
    (if (and outcome (!= task.state "ended"))
      (.finish self task "lost" outcome todo)
      (.lose-task self session task error todo))
    todo)

  (defn unplayed [self session task error]
    "There is no thread for the local procedure of a task, which ends with this error."
    (when (= session.state "lost")
      (return (.parted self session task session.error None)))
    (setv task.playing False
          task.reader Discarder)
    [#("listen" session)
     #* (or (.stop self task #("error" error)) [])])

  (defn stop [self task outcome]
    "Nobody wants the result any more; the promise ends so. Returns what is to be
    done, or None if the promise has ended already."
    (setv todo [])
    (unless (in task.state OPEN)
      (return None))
    (when (= task.state "waiting")
      (.discard (if task.slave task.slave.line self.line) task))
    (advance task TASK "stopped")
    (.append todo #("end" task outcome))
    (when (= task.state "stopping")
      (.append todo #("cancel" task.session task.number)))
    todo)

  (defn tasks [self [slave None]]
    "All tasks whose promises have not ended, or those of one slave: what runs,
    then what waits."
    (setv slaves (if slave [slave] (list (.values self.registry.connected))))
    (lfor
      task [
        #* (gfor  s slaves  :if (and s.session s.session.task)  s.session.task)
        #* (gfor  task self.adrift  :if (not slave)  task)
        #* (gfor  s slaves  task s.line  task)
        #* (if slave [] self.line)]
      :if (and task.promise (in task.state OPEN))
      ; One that was lost with a slave may wait in line, or run elsewhere, by now.
      :if (or (not slave) (is task.slave slave) (and task.session (is task.session.slave slave)))
      task))

  (defn close [self]
    "Leave: every promise ends, every connection does, and nothing comes after."
    (setv todo []
          self.closed True)
    (for [slave (list (.values self.registry.connected))]
      (setv session slave.session)
      (advance session SESSION "hung-up")
      (.leave self.registry slave)
      (.append todo #("hang-up" session))
      (for [task [#* (if session.task [session.task] [])  #* slave.line]]
        (.finish self task "closed" #("error" (closed-error)) todo))
      (.clear slave.line))
    (for [task [#* self.line  #* self.adrift]]
      (.finish self task "closed" #("error" (closed-error)) todo))
    (.clear self.line)
    (.clear self.idle)
    (.change self todo)
    todo)

  ;; What is worth a warning

  (defn opened [self n]
    "The number of addresses that we listen on has changed by ``n``."
    (+= self.doors n)
    [])

  (defn reminded [self]
    "The time that was asked for with `remind` has passed."
    (setv todo []
          patience self.patience
          self.patience None
          self.told-alone False)
    (.clear self.told-labels)
    (unless (or self.closed (not self.line))
      (when (and (= self.answers self.answers-then) (not (.alone self)))
        (.append todo #("warn" (+
          f"no slave has fallen free for {patience} seconds, and {(len self.line)} tasks wait; "
          "(dpfw-tasks) shows them, (dpfw-cancel) ends what runs"))))
      (.worry self todo (* 2 patience)))
    todo)

  (defn waits [self task]
    "The local procedure of this task waits for another task."
    (.add self.waiting task)
    (if (.entangled self)
      [#("warn" ENTANGLED)]
      []))

  (defn waits-no-more [self task]
    (.discard self.waiting task)
    [])

  (defn entangled [self]
    (and self.line
         (all (gfor
           slave (.values self.registry.connected)
           (in slave.session.task self.waiting)))
         (bool self.registry.connected)))

  (defn alone [self]
    (not (or self.registry.connected self.doors)))

  (defn worry [self todo [patience PATIENCE]]
    "Tell who is alone with what waits, now and later."
    (when (and (or self.line.plain self.line.ranked) (not self.closed))
      (when (and (.alone self) (not self.told-alone))
        (setv self.told-alone True)
        (.append todo #("warn" ALONE)))
      (when self.line.ranked
        (.worry-about-labels self todo))
      (when (is self.patience None)
        (setv self.patience patience
              self.answers-then self.answers)
        (.append todo #("remind" patience)))))

  (defn worry-about-labels [self todo]
    (for [label self.line.ranked]
      ; With no slave at all, they are still to come, or the user is told that.
      (unless (or (is label None) (in label self.told-labels) (get self.registry.labels label)
                  (not self.registry.connected))
        (.add self.told-labels label)
        (.append todo #("warn" (.format UNLABELLED :label label))))))

  ;; What follows is the dispatcher's own. ``todo`` is what it appends to.

  (defn warmest [self]
    "The session that was busy last, of those that are idle: what its slave needs
    is still in its processor's caches, so it is a third faster than one that slept."
    (next (reversed self.idle) None))

  (defn idle-with [self label]
    "The same of those with this label, or, if that is None, of all."
    (next (gfor
      session (reversed self.idle)
      :if (or (is label None) (in label session.slave.labels))
      session) None))

  (defn give [self session task todo]
    (advance session SESSION "given")
    (.pop self.idle session None)
    (.start self session task todo))

  (defn start [self session task todo]
    (advance task TASK "given")
    (+= session.number 1)
    (setv session.task task
          task.session session
          task.number session.number)
    (.append todo #("send" session task)))

  (defn next [self session todo]
    "Give a slave that has nothing to do its next task."
    (setv own session.slave.line
          line self.line
          lent (and self.registry.lent (in session.slave.id self.registry.lent))
          task (cond
            (or session.drained lent) (.take own)
            (or line.ranked own.plain own.ranked)
              (or (.take own) (.take line session.slave.labels))
            line.plain  ; as mostly
              (get (.popitem line.plain :last False) 0)))
    (cond
      task
        (.give self session task todo)
      session.drained
        (.part-with self session todo)
      True (do
        (when (= session.state "busy")
          (advance session SESSION "freed"))
        (unless lent
          (setv (get self.idle session) None))
        (.change self todo))))

  (defn lose-task [self session task error todo]
    "The slave of a task is lost."
    (setv session.error error)
    (cond
      ; Who sends it will say whether the slave can have seen it; its local
      ; procedure, what it makes of that.
      (or task.playing (.sending self session task))
        (.add self.adrift task)
      (and (= task.state "running") task.retries (not task.slave) (not self.closed)
           (not (.deadly? self session task))) (do
        (-= task.retries 1)
        (advance task TASK "retried")
        (.put-back self task todo))
      True
        (.finish-lost self task (slave-lost session error task) todo)))

  (defn deadly? [self session task]
    "Has it ended one process after the other? Of slaves that were not launched here,
    nobody knows."
    (when (and session.connection.why (not session.killed))
      (+= task.deaths 1))
    (>= task.deaths MOST-DEATHS))

  (defn finish-lost [self task error todo]
    (.finish self task "lost" #("error" (if self.closed (closed-error) error)) todo))

  (defn put-back [self task todo]
    "A task that was lost is the next one."
    (.discard self.adrift task)
    (setv task.session None
          session (.idle-with self task.on))
    (if session
      (.give self session task todo)
      (do
        (.put-first self.line task)
        (.worry self todo))))

  (defn finish [self task event outcome todo]
    "End a task; and its promise, if that has not ended yet."
    (when (= task.state "ended")
      (return))
    (setv open (in task.state OPEN))
    (advance task TASK event)
    (when self.waiting
      (.discard self.waiting task))
    (when self.adrift
      (.discard self.adrift task))
    (when (and open task.promise)
      (.append todo #("end" task outcome))))

  (defn note-preparation [self session task outcome todo]
    (cond
      (!= (get outcome 0) "error")
        (.add session.slave.prepared task.preparation)
      (= session.state "preparing") (do
        ; One on which it fails when it joins is not fit for use.
        (setv session.useful False)
        (.append todo #("warn" (+ f"{session.slave !r} is closed, since what every slave runs "
          f"first, by dpfw-on-connect, dpfw-defn or their kin, failed on it: {(get outcome 1)}")))
        (+= todo (.hung-up self session (WireError "its preparation failed"))))))

  (defn change [self todo]
    (when self.watchers
      (.append todo #("changed")))))


(defn closed-error []
  (MasterClosed "the master left the network before the task was done"))
