"What must always hold, whatever happens in whatever order.

`SAID` looks at what the dispatcher says is to be done, `begun` at each task that
a slave begins, `held` at the dispatcher after every step, and `rested` at all there
is when nothing is left that must happen."

(import
  dpfw.errors [MasterClosed SlaveLost])
(eval-when-compile (require hyrule.control [unless]))


(defclass Broken [AssertionError]
  "Something that must hold does not.")

(defn hold [true-now #* parts]
  "Unless it is true, say so; ``parts`` are put together only then."
  (unless true-now
    (raise (Broken (.join " " (map str parts))))))


;; What the dispatcher says is to be done

(defn said-send [w action]
  (setv [_ session task] action
        slave session.slave)
  (hold (and (is session.task task) (is task.session session) (= task.state "sending"))
    task "is to be sent to" slave "which it is not given to")
  (hold (is slave.session session) task "is given to a session of the past with" slave)
  (if (and (is-not task.preparation None) (not task.promise))
    (hold (= session.state "preparing") slave "is" session.state "and is to run what comes first")
    (hold (= session.state "busy") task "is given to" slave "which is" session.state))
  (hold (not session.connection.dismissed) task "is given to" slave "which is to be killed")
  (hold (or (not session.drained) (is-not task.preparation None) task.own)
    task "is given to" slave "which is drained")
  (hold (not (and task.promise task.late)) task "is given to" slave "which was drained before")
  (when task.promise
    (if task.own
      (hold (is task.own slave) task "is for" task.own "and given to" slave)
      (said-in-turn w task slave))
    (+= task.given 1)))

(defn said-in-turn [w task slave]
  "Of all that wait and that this slave may run, it is the next."
  (hold (may-run? slave task) task "is for a slave with the label" task.on "and is given to" slave)
  (setv earlier True)
  (for [other w.made]
    (when (is other task)
      (setv earlier False))
    (when (and (= other.state "waiting") (not other.own) (may-run? slave other))
      (hold (<= other.priority task.priority) task "is given before" other "which is more urgent")
      (when (and (= other.priority task.priority) (not task.given))
        (hold (not earlier) task "is given before" other "which was made earlier")
        (hold (not other.given) task "is given before" other "which was lost")))))

(defn may-run? [slave task]
  (or (not task.on) (in task.on slave.body.labels)))

(defn said-end [w action]
  (setv [_ task outcome] action
        how (get outcome 0)
        what (when (> (len outcome) 1) (get outcome 1)))
  (hold (is task.ended None) "the promise of" task "ends twice")
  (setv task.ended (if (= how "error") (error-name what) how))
  (cond
    (in how ["answer" "result"])  ; received by the leader, or by a local procedure
      (hold (is what task) task "gets the answer of" what)
    (= how "cancelled")
      (hold task.cancelled task "is cancelled by nobody")
    (and (isinstance what SlaveLost) task.late)
      None
    (isinstance what SlaveLost) (do
      (hold w.faults task "is lost, and nothing has failed")
      (if task.own
        (hold task.own.body.losses task "is lost, and" task.own "never was")
        (hold (> task.wholes task.spare) task "is lost, and was with a slave" task.wholes
          "times, and may be so" (+ 1 task.spare))))
    (isinstance what MasterClosed)
      (hold w.closed task "ends as after a close, and there was none")
    True (do
      (setv [why cause] what)
      (cond
        (= why "late")
          (hold (is cause task.session) task "is late by the time of a former attempt")
        (= why "interrupted")
          (hold False task "was interrupted, and nobody has stopped it")
        True
          (hold (is cause task) task "gets the error of" cause)))))

(defn error-name [what]
  (if (isinstance what tuple) (get what 0) (. (type what) __name__)))

(defn said-play [w action]
  (setv [_ session task] action)
  (hold (and (is session.task task) (= task.state "running") task.local)
    task "is to be played, and is" task.state))

(defn said-dial [w action]
  (hold (not w.closed) "a slave is dialled after the close"))

(defn said-farewell [w action]
  (setv [_ session] action
        slave session.slave)
  (hold (not session.task) slave "is bid farewell, and runs" session.task)
  (hold (or slave.body.leaving slave.body.drained) slave "is bid farewell, and nobody asked for that"))

(setv SAID {"send" said-send  "end" said-end  "play" said-play  "dial" said-dial
            "farewell" said-farewell})


;; What a slave begins

(defn begun [w link number task]
  "All of a task is with the system, and its slave takes it."
  (setv process link.process)
  (hold (is link.running None) process "is to run" task "and runs" link.running)
  (hold (= number (+ link.number 1)) process "is sent task" number "after task" link.number)
  (if (is-not task.preparation None)
    (.add process.tried task.preparation)
    (do
      (for [n (range link.first)]
        (hold (in n process.prepared)
          task "runs on" process "which has not run preparation" n))
      (for [n (range link.first task.preparations)]
        (hold (or (in n process.tried) (in n w.called-off))
          task "runs on" process "before preparation" n "which is older"))
      (+= task.begun 1)
      (hold (<= task.begun (+ 1 task.spare))
        task "runs" task.begun "times, and may" (+ 1 task.spare) "times")
      (hold (not-in task.ended ["answer" "result" "SlaveLost"])
        task "begins when its promise has ended by" task.ended))))


;; After every step

(defn held [w]
  (setv d w.dispatcher
        idle d.idle
        connected d.registry.connected)
  (when idle
    (for [session idle]
      (for [task d.line]
        (hold (not (may-run? session.slave task)) session "is idle, and" task "waits"))
      (hold (not-in session.slave.id d.registry.lent) session "is lent, and idle for all")
      (hold (and (= session.state "idle") (is session.task None) (not session.slave.line))
        session "is idle, and has something to do")))
  (for [slave (.values connected)]
    (setv session slave.session
          state session.state)
    (hold (not (and session.drained (= state "idle"))) slave "is drained, idle, and here")
    (cond
      (= state "busy") (hold session.task slave "is busy with nothing")
      (in slave.id d.registry.lent) (hold (not (and (= state "idle") slave.line))
        slave "is lent, and its own tasks wait")
      (= state "idle") (hold (in session idle) slave "is idle, and nobody knows")
      True (hold (!= state "lost") slave "is here")))
  (for [id d.registry.lent]
    (hold (in id connected) id "is lent, and not here"))
  (when w.closed
    (hold (not (or connected d.line idle d.adrift)) "something is left after the close")))


;; When nothing is left that must happen

(defn rested [w]
  (setv d w.dispatcher)
  (for [task w.made]
    (cond
      (is task.ended None)
        (rested-task w task)
      (!= task.state "ended")
        (hold (blocked w task) task "has ended, and its slave is busy with it for ever")))
  (for [link w.links]
    (rested-link w link))
  (for [slave (.values d.registry.connected)]
    (hold (in slave.session.state ["idle" "busy"]) slave "is so for ever"))
  (for [task [#* d.adrift #* d.waiting]]
    (hold (blocked w task) task "is adrift, or said to wait, for ever"))
  (when d.line
    (hold (is-not d.patience None) "tasks wait, and nobody will be reminded"))
  (for [address w.enlisted]
    (hold (or w.closed (present? w address))
      "the slave at" address "is lost, and nobody dials it"))
  (for [user w.users]
    (hold (not (and user.asleep (or d.idle w.closed)))
      user "sleeps, and what it waits for is there"))
  (hold (not (and w.closed w.links)) "a connection is open after the close")
  (rested-lists w))

(defn rested-task [w task]
  "Its promise has not ended; may that be?"
  (hold (not w.closed) task "waits after the close")
  (cond
    (= task.state "waiting")
      (if task.own
        (hold (and (in task task.own.line) (= task.own.session.state "busy")) task "waits for" task.own)
        (hold (in task w.dispatcher.line) task "waits, and not in line"))
    (= task.state "running")
      (hold (or (blocked w task) (running? task)) task "is said to run, and does not")
    True
      (hold False task "is" task.state "for ever")))

(defn blocked [w task]
  "Does its local procedure wait for another task?"
  (any (gfor  player w.players  (and (is player.task task) player.awaited
                                     (is player.awaited.ended None)))))

(defn running? [task]
  "Does its slave run it, and will until somebody stops it?"
  (setv link task.session.connection)
  (and task.endless (is link.running task) (not link.interrupted) (= task.session.state "busy")))

(defn rested-link [w link]
  (setv session link.session)
  (hold session "a connection with" link.process "is open, and of no session")
  (cond
    (and link.player (blocked w link.player.task))
      (hold (or (not link.ended) (= session.state "lost")) "nobody notices that" link "has ended")
    True (do
      (hold (!= session.state "lost") session "is lost, and its connection open")
      (hold (not link.ended) "nobody notices that" link "has ended")
      (hold (or (= link.watched "all") (and link.player (running? link.player.task)))
        "nobody receives what comes on" link))))

(defn present? [w address]
  (or (any (gfor  slave (.values w.dispatcher.registry.connected)
             (= slave.body.address address)))
      (any (gfor  dialler w.diallers  (= dialler.address address)))))

(defn rested-lists [w]
  "What users are shown is what there is."
  (setv d w.dispatcher
        open (lfor  task w.made  :if (is task.ended None)  task)
        shown (.tasks d))
  (hold (and (= (len shown) (len open)) (= (set shown) (set open)))
    "these tasks are shown:" shown "and these are open:" open)
  (for [slave w.slaves  task (.tasks d slave)]
    (hold (or (is task.own slave)
              (and task.session (is task.session.slave slave)))
      task "is shown as a task of" slave)))
