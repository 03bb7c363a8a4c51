"What each move does in a world, and what a thread does of what the dispatcher said.

The events of the dispatcher come from here, as they come from `Network` else, and
`ACTIONS` stand for its actions: read the two side by side."

(import
  dpfw.errors [WireError]
  tests.simulation.agents [Dialler Job Link NAMES Player Process TASK Thread]
  tests.simulation.rules [SAID begun hold])
(eval-when-compile (require hyrule.control [unless]))

(defclass Ended [WireError]
  "There is one, also where a world was copied."
  (defn __reduce__ [self]
    "ENDED"))

(setv ENDED (Ended "the connection ended"))


;; What a thread does of what the dispatcher said

(defn perform [w thread _]
  (setv action (.pop thread.queue 0))
  ((get ACTIONS (get action 0)) w thread #* (cut action 1 None))
  (end-passing w thread))

(defn end-passing [w thread]
  (when (and thread.passing (not thread.queue))
    (depart w thread)))

(defn depart [w thread]
  (.remove w.agents thread)
  (cond
    (isinstance thread Player) (.remove w.players thread)
    (isinstance thread Dialler) (.remove w.diallers thread)))

(defn heed [w thread todo]
  "The dispatcher said to a thread what is to be done."
  (when (is-not w.trace None)
    (.extend w.trace todo))
  (setv queue thread.queue)
  (for [action todo]
    (setv verb (get action 0)
          check (.get SAID verb))
    (when check
      (check w action))
    (if (and w.brief (in verb UNSEEN))
      ((get ACTIONS verb) w thread #* (cut action 1 None))
      (.append queue action))))

(defn in-passing [w name todo]
  "A thread does what is to be done, and ends."
  (setv thread (Thread name :passing True))
  (heed w thread todo)
  (when thread.queue
    (.append w.agents thread)))


(defn send [w thread way]
  (setv [_ session task] (.pop thread.queue 0)
        link session.connection
        then (get {"whole" ["sent"]  "void" ["sent"]  "part" []  "refused" ["unsent"]
                   ; `Connection.post` raises, and tells of what is in the outbox, too.
                   "broken" ["unsent" "unsent"]} way))
  (unless (= way "refused")
    (when task.timeout
      (setv task.timer #(task session))
      (.append w.timers task.timer))
    (unless task.reader
      (setv link.watched "end")))
  (match way
    "whole" (deliver w link session.number task)
    "part" (setv link.outbox #(session.number session task))
    "void" (count-whole task))
  (setv (cut thread.queue 0 0) (lfor  event then  #(event session task)))
  (end-passing w thread))

(defn deliver [w link number task]
  "The system has all of a task, and so has the slave, which begins it."
  (count-whole task)
  (begun w link number task)
  (setv link.number number
        link.running task
        link.interrupted False))

(defn count-whole [task]
  (when task.promise
    (+= task.wholes 1)))

(defn listen [w thread session]
  (setv link session.connection)
  (unless link.closed
    (hold (is link.player None) "the leader begins to receive on" link "where" link.player "does")
    (setv link.watched "all"))
  (when (= session.state "joining")
    (.insert thread.queue 0 #("heard" session))))

(defn send-cancel [w thread session number]
  (setv link session.connection)
  (unless (or link.ended link.closed)
    (hold (<= number link.number) "a cancel overtakes task" number "on" link)
    (when (and link.running (or (= number link.number) (not w.numbered)))
      (setv link.interrupted True))))

(defn play [w thread session task]
  (cond
    w.closed
      ; The pool has no more threads.
      (.insert thread.queue 0 #("parted" session task None))
    task.threadless
      (.insert thread.queue 0 #("unplayed" session task))
    True (do
      (setv player (Player session task)
            session.connection.player player)
      (.append w.players player)
      (.append w.agents player))))

(defn end [w thread task outcome]
  (when task.timer
    (when (in task.timer w.timers)
      (.remove w.timers task.timer))
    (setv task.timer None)))

(defn say-farewell [w thread session]
  (setv link session.connection)
  (unless (or link.ended link.closed)
    (setv link.process.let-go True)))

(defn hang-up [w thread session]
  (setv link session.connection)
  (unless link.closed
    (setv link.closed True
          link.watched None)
    (end-link link)
    (.remove w.links link)
    (when link.outbox
      (.insert thread.queue 0 #("unsent" #* (cut link.outbox 1 None)))
      (setv link.outbox None))
    ; The thread that leads there may have more to do, or be the one that does this.
    (if (or link.queue (is link thread))
      (setv link.passing True)
      (.remove w.agents link))))

(defn dial-again [w thread address anew]
  (unless w.closed
    (setv dialler (Dialler address))
    (.append w.diallers dialler)
    (.append w.agents dialler)))

(defn remind-later [w thread seconds]
  (+= w.reminders 1)
  (hold (= w.reminders 1) "two reminders are to come"))

(defn tell-watchers [w thread]
  (for [user w.users]
    (setv user.woken user.asleep)))

(defn tell-user [w thread what])

;; and between two of these

(defn join [w thread link]
  (if (or w.one-step (in link.process.id w.dispatcher.registry.connected))
    (enlist w thread link)
    (.insert thread.queue 0 #("enlist" link))))

(defn enlist [w thread link]
  (setv process link.process
        [slave todo] (.joined w.dispatcher process.id link link.dialled)
        session (when slave slave.session))
  (when (and slave link.dialled
             (or (is slave.session.connection link)
                 ; Else nobody promised to dial it again: it was drained, or killed and then let go.
                 (and (not slave.session.drained) slave.session.dialled)))
    (.add w.enlisted link.dialled))
  (when (and session (is session.connection link))
    (unless process.slave
      (setv process.slave slave
            slave.body process
            slave.address process)
      (.append w.slaves slave))
    (if link.dialled
      (setv process.drained False)
      (hold (not process.drained) process "was drained, and is let in again"))
    (setv link.session session
          link.first (len w.dispatcher.registry.preparations))
    (for [other w.links]
      (hold (or (is other link) (is-not other.process process)
                (not other.session) (= other.session.state "lost"))
        process "has two sessions")))
  (heed w thread todo))

(defn leave [w thread]
  "What else `Network.close` does."
  (for [link w.links]
    (end-link link))
  (tell-watchers w thread))

(setv
  ACTIONS {
    "listen" listen  "cancel" send-cancel  "play" play  "end" end  "hang-up" hang-up
    "farewell" say-farewell
    "dial" dial-again  "gone" tell-user  "warn" tell-user  "remind" remind-later
    "changed" tell-watchers
    "join" join  "enlist" enlist  "leave" leave
    "heard" (fn [w thread #* what] (heed w thread (.heard w.dispatcher #* what)))
    "sent" (fn [w thread #* what] (heed w thread (.sent w.dispatcher #* what)))
    "unsent" (fn [w thread #* what] (heed w thread (.unsent w.dispatcher #* what ENDED)))
    "answered" (fn [w thread #* what] (heed w thread (.answered w.dispatcher #* what)))
    "parted" (fn [w thread session task outcome]
      (heed w thread (.parted w.dispatcher session task ENDED outcome)))
    "unplayed" (fn [w thread session task]
      (heed w thread (.unplayed w.dispatcher session task #("threadless" task))))}
  ; What commutes with all that another may do.
  UNSEEN #{"play" "end" "dial" "gone" "warn" "remind" "changed"})


;; Connections and slaves

(defn open-link [w process dialled thread]
  "A thread has shaken hands on a new connection."
  (setv link (Link process dialled))
  (.append w.links link)
  (.append w.agents link)
  (.append thread.queue #("join" link)))

(defn end-link [link [way None]]
  (unless link.ended
    (setv link.ended True
          link.running None)
    (+= link.process.losses 1)
    (.remove link.process.links link)
    (when (= way "reset")
      (.clear link.up))))

(defn knock [w process _]
  (setv thread (Thread f"who opens to {process}" :passing True))
  (.append w.agents thread)
  (open-link w process None thread))

(defn dial [w dialler _]
  (setv dialler.passing True)
  (open-link w (get w.servers dialler.address) dialler.address dialler))

(defn die [w process way]
  (unless (or process.doomed (= way "quietly"))
    (-= w.die 1)
    (setv w.faults True))
  (setv process.alive False)
  (for [link (list process.links)]
    (end-link link way)))

(defn cut-off [w process _]
  "Its connections break, and it knows."
  (-= w.cut 1)
  (setv w.faults True)
  (for [link (list process.links)]
    (end-link link)))

(defn say-leave [w process _]
  "It asks for no more tasks."
  (-= w.leave 1)
  (setv process.leaving True)
  (for [link process.links]
    (.append link.up #("leave" 0 None))))

(defn restart [w process _]
  (-= w.restart 1)
  (setv other (Process (+ process.name "'") process.address process.labels)
        (get w.servers process.address) other)
  (.append w.processes other)
  (.append w.agents other))

(defn babble [w process _]
  "It answers what nobody asked."
  (-= w.babble 1)
  (setv w.faults True)
  (setv link (get process.links -1))
  (+= process.losses 1)
  (.append link.up #("babble" (+ link.number (if link.running 1 0)) link.running)))

(defn answer [w link way]
  (setv task link.running
        link.running None
        n task.preparation)
  (cond
    (= way "flop") (do
      (-= w.flop 1)
      (setv w.faults True)
      (+= link.process.losses 1))  ; if it has just joined, we shall hang up
    (and (= way "end") (is-not n None))
      (.add link.process.prepared n))
  (.append link.up #(way link.number task)))

(defn flush [w link _]
  "The system takes the rest of a task, unless the connection has ended."
  (setv [number session task] link.outbox
        link.outbox None)
  (unless link.ended
    (deliver w link number task))
  (setv event (if link.ended "unsent" "sent"))
  (.append w.agents (Thread f"who sends on {link}" [#(event session task)] :passing True)))


;; Readers

(defn receive [w link _]
  (setv [kind number task] (.pop link.up 0)
        session link.session
        own session.task)
  (cond
    (= kind "leave")
      (heed w link (.drained w.dispatcher session))
    (and own (not own.reader)) (do
      (hold (= kind "babble") "the leader receives what is for the local procedure of" own)
      (heed w link (.hung-up w.dispatcher session ENDED)))
    True
      (heed w link (.answered w.dispatcher session number (outcome-of kind task)))))

(defn outcome-of [kind task]
  (if (= kind "end")
    #("answer" task)
    #("error" #(kind task))))

(defn notice [w link _]
  (setv link.noticed True)
  (heed w link (.hung-up w.dispatcher link.session ENDED)))


;; Local procedures

(defn hear [w player _]
  "The remote has ended, so the procedure does; or its slave says that it leaves."
  (setv session player.session
        [kind number task] (.pop session.connection.up 0))
  (when (= kind "leave")
    (return (heed w player (.drained w.dispatcher session))))
  (setv player.passing True)
  (if (= number player.number)
    (do
      (setv session.connection.player None)
      (+= player.queue [
        #("listen" session)
        #("answered" session number (if player.failed
                                      #("error" #("quit" player.task))
                                      (outcome-of kind task)))]))
    (.append player.queue #("parted" session player.task None))))

(defn part [w player outcome]
  (setv player.passing True)
  (.append player.queue #("parted" player.session player.task outcome)))

(defn quit [w player _]
  (setv player.failed True
        todo (.stop w.dispatcher player.task #("error" #("quit" player.task))))
  (when todo
    (heed w player todo)))

(defn begin-awaiting [w player _]
  (setv n player.to-make
        player.to-make None)
  (make w player n)
  (setv player.awaited (get w.jobs n))
  (heed w player (.waits w.dispatcher player.task)))

(defn go-on [w player _]
  (setv player.awaited None)
  (heed w player (.waits-no-more w.dispatcher player.task)))


;; The clock

(defn expire [w timer _]
  (setv [task session] timer)
  (.remove w.timers timer)
  (when (or (is task.session session) (not w.own-time))
    (setv todo (.stop w.dispatcher task #("error" #("late" session))))
    (when todo
      (in-passing w f"the clock of {task}" todo))))

(defn remind [w clock _]
  (-= w.remind 1)
  (-= w.reminders 1)
  (in-passing w "who reminds" (.reminded w.dispatcher)))


;; Users

(defn act [w user _]
  (setv [deed #* arguments] (.pop user.script 0))
  ((get DEEDS deed) w user #* arguments))

(defn make [w thread n]
  (setv spec (get w.specs n)
        bound (get spec "bound")
        slave (when (is-not bound None) (. (get w.processes bound) slave))
        task (Job (get NAMES n) spec (len w.dispatcher.registry.preparations) slave)
        (get w.jobs n) task)
  (.append w.made task)
  (heed w thread (.made w.dispatcher task)))

(defn cancel [w user n]
  (cancel-task w user (get w.jobs n)))

(defn cancel-task [w user task]
  (setv task.cancelled True
        todo (.stop w.dispatcher task #("cancelled")))
  (when todo
    (heed w user todo)))

(defn kill [w user n]
  (setv process (get w.processes n)
        session process.slave.session
        process.doomed True
        w.faults True
        session.connection.dismissed True)
  (heed w user (.dismissed w.dispatcher session)))

(defn drain [w user n]
  (setv process (get w.processes n)
        session process.slave.session)
  (unless (= session.state "lost")
    (setv process.drained True)
    (.discard w.enlisted process.address))
  (heed w user (.let-go w.dispatcher session)))

(defn lend [w user n]
  "It is to work for another slave, and gets nothing of what is for any."
  (heed w user (.lent w.dispatcher (. (get w.processes n) slave session))))

(defn take-back [w user n]
  (heed w user (.taken-back w.dispatcher (. (get w.processes n) slave session))))

(defn connect [w user n]
  (setv process (get w.servers f"address {n}"))
  (when (.answers process)
    (open-link w process process.address user)))

(defn initialise [w user]
  (setv n (len w.dispatcher.registry.preparations))
  (defn task-for [slave]
    (setv task (Job f"preparation {n} on {slave.body}" TASK n slave))
    (.append w.made task)
    task)
  (setv [_ todo] (.initialise w.dispatcher f"preparation {n}" task-for))
  (heed w user todo))

(defn call-off [w user]
  "Cancel what `initialise` made."
  (for [task w.made]
    (when (and (is-not task.preparation None) (is task.ended None))
      (.add w.called-off task.preparation)
      (cancel-task w user task))))

(defn await-idle [w user]
  (unless (or w.dispatcher.idle w.closed)
    (+= w.dispatcher.watchers 1)
    (setv user.asleep True
          user.woken False)))

(defn look [w user _]
  (setv user.woken False)
  (when (or w.dispatcher.idle w.closed)
    (-= w.dispatcher.watchers 1)
    (setv user.asleep False)))

(defn close [w user]
  (setv w.closed True)
  (for [dialler (list w.diallers)]
    (unless dialler.passing
      (depart w dialler)))
  (heed w user (.close w.dispatcher))
  (for [task w.made]
    (hold (is-not task.ended None) task "has not ended at the close"))
  (.append user.queue #("leave")))

(defn interrupt [w thread _]
  "What only a world does that has this defect."
  (.clear thread.queue)
  (end-passing w thread))

(setv
  DEEDS {
    "make" make  "cancel" cancel  "kill" kill  "drain" drain  "lend" lend  "take-back" take-back  "connect" connect  "initialise" initialise
    "call-off" call-off  "await-idle" await-idle  "close" close}
  MOVES {
    "perform" perform  "send" send  "flush" flush
    "knock" knock  "dial" dial  "die" die  "cut" cut-off  "restart" restart
    "say leave" say-leave
    "answer" answer  "babble" babble  "receive" receive  "notice" notice
    "hear" hear  "part" part  "quit" quit  "begin awaiting" begin-awaiting  "go on" go-on
    "expire" expire  "remind" remind
    "act" act  "look" look  "interrupt" interrupt})
