"When two worlds are the same: when their keys are.

In a key stands what matters to all that may still happen, and not how it came to be
so. Connections and the numbers of tasks are counted from the last one back; and slaves
that are alike in a plan have names by what they are doing, so it is the same whether
one of them has died or the other. (One thing is left out that does matter, to the
order in which a close hangs up: who of those that are here came first.)"

(import
  dpfw.dispatch.states [OPEN]
  tests.simulation.agents [Dialler Job Link Player Process Thread User])


(defn key-of [w]
  "The key of a world, a number."
  (when w.alike
    (label w))
  (setv d w.dispatcher)
  (hash #(
    (tuple (map job w.made))
    (tuple (sorted (gfor  agent w.agents  (hash ((get AGENTS (type agent)) w agent)))))
    (frozenset (map slave w.slaves))
    (frozenset (gfor  [task on] w.timers  :if (in task.state OPEN)  #(task.name (session on))))
    (tuple (gfor  task d.line  task.name))
    (tuple (map session d.idle))
    (frozenset (map some-task d.adrift))
    (frozenset (map some-task d.waiting))
    (frozenset (gfor  here (.values d.registry.connected)  here.body.label))
    (frozenset (gfor  lent (.values d.registry.lent)  lent.body.label))
    (len d.registry.preparations) (frozenset w.called-off) (frozenset w.enlisted)
    (frozenset d.told-labels)
    (is d.patience None) d.watchers d.closed w.closed w.reminders
    w.die w.cut w.restart w.flop w.babble w.remind w.leave w.faults)))

(defn label [w]
  (for [[n process] (enumerate (sorted w.processes :key (fn [p] (doing w p))))]
    (setv process.label n)))

(defn doing [w process]
  "What tells a process from those that are like it, as a number."
  (hash #(
    process.alive process.leaving process.let-go
    (tuple (gfor
      link w.links
      :if (is link.process process)
      #(link.ended link.watched link.interrupted (some-task link.running)
        (len link.up) (len link.queue)
        (when link.session #(link.session.state link.session.drained (when link.session.task link.session.task.state)
                             (in link.session w.dispatcher.idle)))))))))


;; Of each thing

(defn job [task]
  (setv state task.state)
  (if (= state "ended")
    task.name
    #(task.name state task.late task.retries (bool task.given) task.wholes task.begun task.playing
      (is task.ended None) (session task.session)
      (when task.session (- task.session.number task.number)))))

(defn some-task [task]
  (cond
    (is task None) None
    (isinstance task Job) task.name
    True #(task.preparation (session task.session))))

(defn session [s]
  (when s
    (link s.connection)))

(defn link [l]
  #(l.process.label (- l.process.serial l.serial)))

(defn slave [s]
  (setv now s.session)
  #(now.state
    (frozenset s.prepared)
    (if (= now.state "lost")
      #(s.body.label s.let-go (open-task now.task))
      #((session now) (some-task now.task) (tuple now.unprepared)
        now.dialled (and now.dialled now.useful) now.drained s.let-go (tuple (gfor  task s.line  task.name))))))

(defn open-task [task]
  (when (and task task.promise (is task.ended None))
    task.name))

(defn queue [thread]
  (tuple (map action thread.queue)))

(defn action [a]
  (setv [verb #* rest] a)
  (match verb
    (| "send" "sent" "unsent" "unplayed")
      #(verb (session (get rest 0)) (some-task (get rest 1)))
    "parted"
      #(verb (session (get rest 0)) (some-task (get rest 1)) (bool (get rest 2)))
    "cancel"
      #(verb (session (get rest 0)) (- (. (get rest 0) number) (get rest 1)))
    "answered"
      #(verb (session (get rest 0)) (get rest 2 0))
    (| "join" "enlist")
      #(verb (link (get rest 0)))
    (| "listen" "heard" "hang-up" "farewell")
      #(verb (session (get rest 0)))
    _
      verb))


;; Of each kind of agent

(defn a-thread [w thread]
  (queue thread))

(defn a-user [w user]
  #(user.name (if (or user.queue (ever? w user.script)) (len user.script) 0)
    user.asleep user.woken (queue user)))

(defn ever? [w script]
  "Can what is left of it ever be done?"
  (or (not script)
      (!= (get script 0 0) "cancel")
      (not-in (get script 0 1) w.jobs)
      (is (. (get w.jobs (get script 0 1)) ended) None)))

(defn a-player [w player]
  #("player" (some-task player.task) (session player.session) player.failed player.passing
    player.to-make (some-task player.awaited) (queue player)))

(defn a-dialler [w dialler]
  #("dialler" dialler.address dialler.passing (queue dialler)))

(defn a-process [w process]
  #(process.label process.alive process.doomed process.leaving process.let-go process.drained (and w.bound process.losses)
    (frozenset process.tried) (frozenset process.prepared) (tuple (map link process.links))))

(defn a-link [w l]
  #((link l) l.closed l.ended l.noticed l.dialled l.watched (bool l.player)
    (tuple (gfor  [way number task] l.up  #(way (when task (- l.number number)) (some-task task))))
    (when l.outbox (some-task (get l.outbox 2)))
    (if l.session (- l.session.number l.number) 0) l.first
    (some-task l.running) l.interrupted (queue l)))

(setv AGENTS {
  Thread a-thread  User a-user  Player a-player  Dialler a-dialler  Process a-process
  Link a-link})
