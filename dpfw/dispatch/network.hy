"The network of a master: its dispatcher, and what does what that says.

::

    threads of users          the reactor (one thread)          threads of the pool
    make-task, force,         timers, listeners; leads          local procedures, callbacks,
    cancel, close             when nobody waits                 handshakes, dialling, logging
         └───────────────┬──────────┘───────────────────────────────┘
                         v
              report an event ──> dispatcher, with the lock
                         v
              do what it says, without it: send, end promises, hang up, dial …

Locks, outermost first: the right to lead (``net/leader``), the dispatcher's or that of a
loan (``loan``), those of a connection. No code of a user's runs with any of them held, or in the
reactor. What is done in a user's thread is done whole: a Ctrl-C strikes between
two steps (``net/interrupt``)."

(import
  functools [partial]
  logging
  select
  threading
  time
  dpfw.data.registered [UsersCode without-users-code]
  dpfw.dispatch.dispatcher [ALONE Dispatcher]
  dpfw.dispatch.loan [borrow end-loan NOTHING patience-of]
  dpfw.dispatch.output [Output]
  dpfw.dispatch.play [check-leave described play]
  dpfw.dispatch.promise [Promise]
  dpfw.dispatch.readers [ResultReader]
  dpfw.dispatch.spawned [no-slaves spawned?]
  dpfw.dispatch.status [master-status]
  dpfw.dispatch.task [Task called check-size task-payloads]
  dpfw.dispatch.tree [Tree]
  dpfw.errors [MasterClosed TaskTimeout WireError]
  dpfw.net.addresses [HANG-UP]
  dpfw.net.frames [framed]
  dpfw.net.interrupt [Whole]
  dpfw.net.leader [Leader]
  dpfw.net.node [Node]
  dpfw.net.reactor [EPOLL]
  dpfw.net.redial [Redialler dial-for]
  dpfw.see [see]
  dpfw.task.ports [REACH]
  dpfw.task.remote [as-remote borrowing])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  STOP-GRACE 5      ; seconds until a slave that a cancel cannot reach is hung up on
  KILL-GRACE 2      ; seconds that a slave has to end when it is told to
  CLOSE-PATIENCE 5  ; seconds until nobody waits any more for output to be shown
  THREAD-PAUSE 1    ; seconds until the next try to dial, where no thread is to be had
  FLUSH-EVERY 0.02  ; seconds, where the system does not tell when a socket has room
  PAGE (see "failures.md#the-local-procedure")
  HEAVY 65536)      ; bytes of an answer that is not read in the reactor's thread


(defclass Here [threading.local]
  "What a thread is about."
  (setv queue None   ; what it is to do
        task None))  ; the task whose local procedure it runs


(defclass Network []
  "A master's connections, threads and timers, in the service of a `Dispatcher`."

  (defn __init__ [self master]
    (setv
      self.node (Node "master" self.admitted (partial master-status self))
      self.dispatcher (Dispatcher master)
      self.lock (threading.RLock)                  ; of the dispatcher
      self.change (threading.Condition self.lock)  ; of who is here or idle
      self.leader (Leader self.node.reactor)
      self.output (Output self)
      self.here (Here)
      self.tree (Tree self)         ; of its slaves, if they are branches
      self.forsaken False           ; is this a process that was forked?
      self.redialling {}            ; address that was dialled -> its `Redialler`
      self.doing {
        "listen" self.listen  "send" self.send  "cancel" self.send-cancel  "play" self.play
        "end" self.end  "hang-up" self.hang-up  "dial" self.dial-again  "gone" self.say-gone
        "warn" self.warn  "remind" self.remind  "changed" self.tell-watchers
        "farewell" self.send-farewell})
    (.append self.node.releases self.forsake)
    (.keep-spare self.node.threads))

  ;; Events, and what is to be done

  (defn report [self event #* arguments]
    "Tell the dispatcher of an event, and do what it says."
    (when (owned? self.lock)
      (return (.call-soon self.node.reactor (partial self.report event #* arguments))))
    (with [_ self.lock]
      (setv todo (event #* arguments)))
    (when todo
      (.perform self todo)))

  (defn act [self event #* arguments]
    "The same in a user's thread."
    (with [_ (Whole)]
      (.report self event #* arguments)))

  (defn perform [self todo]
    (when self.here.queue
      ; What is being done led to more. It has its turn, on no deeper stack.
      (.extend self.here.queue todo)
      (return))
    (setv self.here.queue todo
          struck None)
    (try
      (for [action todo]  ; which grows meanwhile
        (try
          ((get self.doing (get action 0)) #* (cut action 1 None))
          (except [Exception]  ; a fault of ours; the rest is to be done all the same
            (log.exception "a fault of dpfw, in %s" (get action 0)))
          (except [e BaseException]  ; the handler of a signal that no step holds back
            (setv struck e))))
      (finally
        (setv self.here.queue None)))
    (when struck
      (raise struck)))

  ;; Slaves come and go

  (defn admitted [self connection id]
    "A slave that dialled has shaken hands. If it has hung up since, it may have
    dialled again, and be here already."
    (if (.hung-up connection)
      (.retire self.node connection)
      (.joined self connection id)))

  (defn joined [self connection id [dialled None] [linked None]]
    "A slave has shaken hands; returns it. ``linked`` is the `processes/linked.Linked` of
    one that was launched."
    (setv connection.congested (partial self.congested connection))
    (with [_ (Whole)]
      (with [_ self.lock]
        (setv [slave todo] (.joined self.dispatcher id connection dialled))
        (when (and slave (is slave.session.connection connection))
          (setv slave.address connection.peer
                slave.linked linked
                slave.process (when linked linked.own))))
      (.perform self todo))
    slave)

  (defn connect [self host port [wait 0]]
    "Dial a slave server, for so many seconds if it is not up yet; returns the `Slave`."
    (setv dialled (dial-for wait (fn [] (.dial self.node host port)) self.node.closed))
    (or (and dialled (.joined self #* dialled :dialled #(host port)))
        (raise (MasterClosed "this master has left the network"))))

  (defn listen [self session]
    (.lend session.connection False)
    ; What came in one piece with the end of a task that was played.
    (when (.buffered session.connection)
      (.receive self session))
    (.watch self.leader session.connection (partial self.receive session))
    (when (= session.state "joining")
      (.report self self.dispatcher.heard session)))

  (defn hang-up [self session]
    (setv connection session.connection)
    (.abort connection)
    (.remove self.leader connection)
    (.retire self.node connection))

  (defn send-farewell [self session]
    "Tell a slave that it was drained, if it knows of such a thing."
    (.post-leave session.connection))

  (defn dial-again [self address of-use]
    (when (not-in address self.redialling)
      (setv (get self.redialling address)
            (Redialler (fn [] (.connect self #* address)) self.node.closed)))
    ; It may dial for ever, so it is not run late.
    (unless (or (.run self.node.threads (. (get self.redialling address) dial-again) of-use)
                (.is-set self.node.closed))
      (.call-after self.node.reactor THREAD-PAUSE (fn [] (.dial-again self address of-use)))))

  ;; Sending

  (defn send [self session task]
    (setv connection session.connection
          session.since (time.monotonic))
    (when (and (not session.awake) (.hung-up connection))
      ; It was idle, and nobody has noticed yet.
      (return (.note-unsent self session task (WireError "it hung up"))))
    (when (is-not task.timeout None)
      (.stop-timer self task)
      (setv task.timer (.call-after self.node.reactor task.timeout
                         (partial self.expire task session))))
    (unless task.reader
      ; Its own thread receives. But that may do other things when the slave dies.
      (.lend connection True)
      (.watch self.leader connection (partial self.notice-end session) HANG-UP))
    (if (and (not connection.packed) task.packed)
      (.send-as-text self session task)
      (.post-task self session task)))

  (defn send-as-text [self session task]
    ; Writers and readers of users' types do this, in another thread.
    (.own-payloads self task)
    (unless (.run-late self.node.threads self.convert-and-post session task)
      (.note-unsent self session task (WireError "the master left"))))

  (defn convert-and-post [self session task]
    "Give a task with packed data to a slave that takes none."
    (try
      (setv task.payloads (.texts task self.node.frame-limit))
      (except [e Exception]
        (.cancel self task #("error" e))
        ; The slave counts its tasks, and has to have one.
        (setv task.payloads NOTHING)))
    (.post-task self session task))

  (defn post-task [self session task]
    (setv connection session.connection
          number session.number
          done (partial self.note-posted session task)
          patience (patience-of task))
    (when (and task.loan (not patience))
      (.own-payloads self task))
    (try
      (try
        (setv all (.post connection (.frames task number) done :patience patience))
        (finally
          (when patience
            (.own-posted self connection task number done))))
      (except [e OSError]
        (return (.note-unsent self session task e))))
    (when all
      (.report self self.dispatcher.sent session task)))

  (defn own-posted [self connection task number done]
    "What the system has not got of a task is no user's any more."
    (if (.own-payloads self task)
      (.repost connection (.frames task number) done)
      (do  ; It has only half of a frame, perhaps.
        (.abort connection)
        (.give-up-outbox connection))))

  (defn own-payloads [self task]
    "End the loan of a task, if it has one; answers False, and ends its promise, if there is
    no memory for that."
    (try
      (end-loan task)
      True
      (except [e [MemoryError OSError]]
        (.cancel self task #("error" (MemoryError
          f"there is no memory for a copy of the arrays of the {(called task)}, which its slave did not take at once")))
        False)
      (except [e BaseException]  ; the handler of a signal that no step holds back
        (.cancel self task #("error" e))
        (raise))))

  (defn note-posted [self session task all]
    "Some of a task has waited in the outbox, and the system has all of it now, or
    never will."
    (if all
      (do
        (end-loan task :sent True)
        (.report self self.dispatcher.sent session task))
      (.note-unsent self session task (WireError "the connection ended"))))

  (defn note-unsent [self session task error]
    (.report self self.dispatcher.unsent session task error))

  (defn send-cancel [self session number]
    "Have the slave interrupt a remote."
    (setv connection session.connection)
    (defn give-up []
      (when (and session.task (= session.task.number number))
        (.abort connection)))
    (try
      (setv all (.post connection [(framed "cancel" number b"")]))
      (when (or (not all) (and session.outlet (> session.outlet.sent REACH)))
        ; It may lie where the slave never comes.
        (.call-after self.node.reactor STOP-GRACE give-up))
      (except [e OSError])))  ; who receives will see

  (defn congested [self connection]
    "The socket does not take all that it is to be sent."
    (if EPOLL
      (.watch self.node.reactor connection select.POLLOUT (fn []
        (.unwatch self.node.reactor connection)
        (.flush self connection)))
      (.call-after self.node.reactor FLUSH-EVERY (fn [] (.flush self connection)))))

  (defn flush [self connection]
    (try
      (.flush connection)
      (except [OSError]  ; who receives, or the end of what it should send, will tell
        (.abort connection))))

  (defn expire [self task session]
    "The time of a task is over."
    (with [_ self.lock]
      (setv todo (when (is task.session session)
        (.stop self.dispatcher task #("error"
          (TaskTimeout f"the {(called task)} took longer than {task.timeout} seconds"))))))
    (when todo
      (.perform self todo)))

  ;; Receiving

  (defn receive [self session]
    "Take in what has come from a slave; the leader calls it."
    (setv [frames error] (.arrived session.connection))
    (try
      (for [[kind number payload] frames]
        (.take-frame self session kind number payload))
      (except [e WireError]
        (setv error e))
      (except [e Exception]  ; a reader can make nothing of what the slave wrote
        (setv error (WireError f"{session.connection.peer} sent an answer that makes no sense: {e}"))))
    (when error
      (.lose self session error)))

  (defn lose [self session error]
    "A connection has ended. Who has a task there is told how the slave ended, if that is
    known in a moment."
    (defn report []
      (.report self self.dispatcher.hung-up session error))
    (defn report-later []
      (try
        (.await-word session.slave.linked)
        (finally
          (report))))
    (unless (and session.task (tells-late session) (do
              ; Before it is closed.
              (.remove self.leader session.connection)
              (.run self.node.threads report-later)))
      (report)))

  (defn notice-end [self session]
    "A slave hung up while a local procedure plays with it. What it has sent before
    is the procedure's to read, on the connection as it is."
    ; Else it is of what came before the task was given to it.
    (when (.hung-up session.connection)
      (.remove self.leader session.connection)
      (.report self self.dispatcher.hung-up session (WireError "it hung up"))))

  (defn take-frame [self session kind number payload]
    (when (= kind "leave")
      (check-leave session.connection number (len payload))
      (return (.report self self.dispatcher.drained session)))
    (when (= kind "output")
      (return (.take self.output session number payload)))
    (setv task session.task)
    (unless (and task task.reader (= number task.number))
      (raise (WireError
        f"{session.connection.peer} sent a frame {kind} of task {number}, which it does not run")))
    (setv reading (or session.reading (task.reader)))
    (cond
      (= kind "end") (do
        (.check-agreed session.connection payload)
        (setv session.reading None
              session.awake True)
        (.report self self.dispatcher.answered session number #("answer" reading payload))
        (setv session.awake False))
      (= kind "error") (do
        (setv session.reading None)
        (.report self self.dispatcher.answered session number
          (failure payload session.connection task reading)))
      (= kind "data") (do
        (setv session.reading reading)
        (.feed self session task reading payload))
      True
        (raise (WireError f"{session.connection.peer} sent a frame {kind}, which only masters send"))))

  (defn feed [self session task reading data]
    (try
      (when (and (.feed reading data) (not reading.sated))
        ; It reads no more, so nothing more is to be written to the remote.
        (setv reading.sated True)
        (.post session.connection [(framed "eof" session.number b"")]))
      (except [OSError]
        (raise))
      (except [e Exception]
        (.cancel self task #("error" e)))))

  ;; Ends

  (defn stop-timer [self task]
    (when task.timer
      (.cancel task.timer)
      (setv task.timer None)))

  (defn end [self task outcome]
    (.stop-timer self task)
    (setv [how #* what] outcome)
    (cond
      (= how "answer") (.end-answered self task #* what)
      (= (len what) 2) (.end-apart self task how (get what 1))
      True (.end task.promise how (when what (get what 0)))))

  (defn end-answered [self task reading payload]
    (when (or (and (> (len payload) HEAVY) (.mine self.node.reactor)) (.apart reading))
      (return (.end-apart self task "result" reading.value payload)))
    (try
      (setv value (without-users-code reading.value payload))
      (except [UsersCode]
        (.end-apart self task "result" reading.value payload))
      (except [e BaseException]
        (.end task.promise "error" e))
      (else
        (.end task.promise "result" value))))

  (defn end-apart [self task how read #* arguments]
    "End it with what is still to be read, in a thread of its own, if there is one."
    (or (.run self.node.threads self.end-read task how read #* arguments)
        (.end-read self task how read #* arguments)))

  (defn end-read [self task how read #* arguments]
    (try
      (setv what (read #* arguments))
      (except [e BaseException]  ; a user's code may have made it
        (.end task.promise "error" e))
      (else
        (.end task.promise how what))))

  (defn run-callbacks [self call-back]
    "In a thread of their own; answers False if not even the spare one is to be had."
    (.run-late self.node.threads call-back))

  (defn wait [self waiter [deadline None] * [lead True]]
    "Let this thread wait until something wakes it, and receive meanwhile, unless
    ``lead`` is false."
    (when self.forsaken
      (raise (MasterClosed "what is waited for belongs to the process that this one was forked from")))
    (setv task self.here.task)
    (when task
      (.report self self.dispatcher.waits task))
    (try
      (if lead
        (.wait waiter self.leader deadline)
        (.sleep waiter deadline))
      (finally
        (when task
          (.report self self.dispatcher.waits-no-more task)))))

  ;; Local procedures

  (defn play [self session task]
    (unless (.run self.node.threads self.play-on session task)
      (if (.is-set self.node.closed)
        ; The network has been left.
        (.report self self.dispatcher.parted session task (WireError "the master left") None)
        (.report self self.dispatcher.unplayed session task (RuntimeError
          f"the local procedure of the {(called task)} was not called: no thread is to be had{PAGE}")))))

  (defn play-on [self session task]
    "In a thread of the pool."
    (setv connection session.connection
          number session.number)
    (setv self.here.task task)
    (try
      (setv [outcome error] (play task connection number
        (fn [failure] (.cancel self task #("error" failure)))
        (fn [outlet] (setv session.outlet outlet))
        (partial self.take-frame session)))
      (except [e BaseException]  ; out of memory, or a fault of ours
        (setv [outcome error] [None (WireError f"the local procedure's thread failed: {e !r}")]))
      (finally
        (setv self.here.task None
              session.outlet None)))
    (if error
      (do
        (when (tells-late session)
          (.await-word session.slave.linked))
        (.report self self.dispatcher.parted session task error outcome))
      (do
        (.listen self session)
        (.report self self.dispatcher.answered session number outcome))))

  ;; What users do

  (defn make-task [self remote #* options]
    "Make a `Task` of a remote, and hand it to a slave or put it in line; returns
    its promise."
    (setv task (.new-task self (.payloads self (borrowing remote)) #* options))
    (when task.packed
      (borrow task))
    (if task.loan
      (with [_ (Whole)]
        (.submit self task)
        (.own-payloads self task))
      (.submit self task))
    task.promise)

  (defn new-task [self payloads #* options]
    "A `Task` with a promise; the options are those of `Task`."
    (setv task (Task payloads #* options)
          task.promise (Promise self task))
    task)

  (defn payloads [self remote]
    (setv remote (as-remote remote))
    (when (is remote.payloads None)
      (setv remote.payloads (task-payloads remote)))
    (check-size remote.payloads self.node.frame-limit)
    remote.payloads)

  (defn submit [self task]
    (with [_ (Whole)]
      (when task.reader
        (.expect self.leader))
      (.report self self.dispatcher.made task)
      (when self.dispatcher.line
        (.end-forlorn self)
        ; Who makes tasks faster than they are done must not keep the slaves waiting.
        (.help self.leader))))

  (defn initialise [self remote [key None] [last True]]
    "See `dpfw-on-connect`, and the registry for the key and the place. Returns the
    tasks of those that are here."
    (setv payloads (.payloads self remote))
    (with [_ (Whole)]
      (with [_ self.lock]
        (setv [tasks todo] (.initialise self.dispatcher payloads (fn [slave]
          (.new-task self payloads ResultReader None slave)) key last)))
      (.perform self todo))
    tasks)

  (defn drop-preparation [self key]
    (.act self self.dispatcher.drop-preparation key))

  (defn tasks [self [slave None]]
    (with [_ self.lock]
      (.tasks self.dispatcher slave)))

  (defn cancel [self task [outcome #("cancelled")]]
    "End a promise, and stop its task; answers whether it had not ended."
    (when (.broken-into self)
      (.call-soon self.node.reactor (partial self.cancel task outcome))
      (return (not (.done task.promise))))
    (with [_ (Whole)]
      (with [_ self.lock]
        (setv todo (.stop self.dispatcher task outcome)))
      (unless (is todo None)
        (.perform self todo)))
    (is-not todo None))

  (defn broken-into [self]
    "Does this thread hold a lock of ours? Then the garbage collector has called a finaliser
    in it, such as that of a generator that is to cancel its tasks."
    (any (map owned? [self.lock self.leader.lock self.node.reactor.lock self.node.threads.lock])))

  (defn withdraw [self task]
    "Cancel a task that waits in line; leave one that a slave was given."
    (with [_ (Whole)]
      (with [_ self.lock]
        (setv todo (when (= task.state "waiting")
          (.stop self.dispatcher task #("cancelled")))))
      (when todo
        (.perform self todo))))

  (defn kill [self slave]
    (setv session slave.session)
    (.act self self.dispatcher.dismissed session)
    (unless (and slave.linked (.kill slave.linked))
      (try
        (.post session.connection [(framed "kill" 0 b"")])
        (except [OSError]))  ; it has ended already
      ; It may be stopped, or the network gone.
      (.call-after self.node.reactor KILL-GRACE session.connection.abort)))

  (defn drain [self slave wait]
    (when slave.linked
      ; None is to come in its place.
      (.give-up slave.linked.place))
    (.act self self.dispatcher.let-go slave.session)
    (when wait
      (.wait-for self (fn [] (when slave.lost True)))))

  (defn slave-count [self [label None]]
    "How many are connected that any task may be given to; with a label, how many of those
    have it."
    (.count self.dispatcher.registry label))

  (defn alone [self]
    "Is there no slave, nor any way for one to join?"
    (with [_ self.lock]
      (.alone self.dispatcher)))

  (defn wait-for [self look [timeout None]]
    "What ``look`` gives, with the dispatcher's lock, as soon as that is true; or
    when so many seconds have passed."
    (with [_ self.change]
      (+= self.dispatcher.watchers 1)
      (try
        ; `Condition.wait-for` takes an empty list for a no.
        (setv deadline (when (is-not timeout None) (+ (time.monotonic) timeout)))
        (while (is (setx seen (look)) None)
          (unless (.wait self.change (when deadline (- deadline (time.monotonic))))
            (return (look))))
        seen
        (finally
          (-= self.dispatcher.watchers 1)))))

  (defn forsake [self]
    "In a child process that was forked: slaves and tasks are the parent's."
    (.release self.leader)
    ; What other threads had locked stays locked.
    (setv
      self.forsaken True
      self.leader (Leader None)
      self.output (Output self)
      self.dispatcher (Dispatcher self.dispatcher.master)
      self.dispatcher.closed True
      self.lock (threading.RLock)
      self.change (threading.Condition self.lock)))

  (defn close [self]
    (.set self.node.closed)
    (.act self self.dispatcher.close)
    (with [_ self.change]
      (.notify-all self.change))
    (.settle self.output :patience CLOSE-PATIENCE)
    (.close self.leader)
    (.close self.node))

  ;; What users are told

  (defn warn [self text]
    (unless (and (is text ALONE) (.end-forlorn self))
      (.say self.node log.warning "%s" text)))

  (defn end-forlorn [self]
    "Where nobody will come, nobody waits; answers whether that is so."
    (when (spawned?)
      (with [_ self.lock]
        (setv tasks (when (.alone self.dispatcher) (.tasks self.dispatcher))))
      (for [task (or tasks [])]
        (.cancel self task #("error" (no-slaves))))
      (is-not tasks None)))

  (defn say-gone [self session]
    (when self.tree.wanted
      (.run-late self.node.threads self.tree.note-gone session.slave))
    (when session.slave.linked
      (.gone session.slave.linked))
    (cond
      (.is-set self.node.closed) None
      session.farewell (.say self.node log.info "%r was drained, and has left" session.slave)
      ; Of one that was launched, its `Place` tells.
      (not session.slave.linked) (.say self.node log.warning "%r is gone" session.slave)))

  (defn remind [self seconds]
    (.call-after self.node.reactor seconds (fn [] (.report self self.dispatcher.reminded))))

  (defn tell-watchers [self]
    (with [_ self.change]
      (.notify-all self.change))))


(defn owned? [lock]
  "Does this thread hold an RLock? A `threading.Condition` asks the same."
  ((. lock _is-owned)))

(defn tells-late [session]
  "Can its connection end before it is known how its slave did?"
  (setv linked session.slave.linked)
  (and linked linked.tells-late))

(defn failure [payload connection task reading]
  "The outcome of a task whose remote has failed. If the error's arguments are for a reader
  of a user's, its error is without them, and what gives it whole comes after that."
  (defn whole []
    (.failed reading (described payload connection task)))
  (try
    #("error" (without-users-code whole))
    (except [UsersCode]
      #("error" (.failed reading (described payload connection task :arguments False)) whole))))
