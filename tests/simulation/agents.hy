"Who lives in a world: users, slaves and their connections, local procedures, who
dials. Each offers what it could do next, as moves: what it does by name (``moves``),
itself, and in which way. Some of these must come sooner or later, and some may."

(import
  dpfw.dispatch.readers [ResultReader]
  dpfw.dispatch.task [Task])
(eval-when-compile (require hyrule.control [unless]))

(setv
  NAMES "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  ; of tasks
  TASK {              ; what a plan says of a task, and what it need not say
    "retries" 0
    "timeout" False
    "local" False     ; has it a local procedure, which needs a thread?
    "threadless" False  ; and is there none for it?
    "bound" None      ; the number of the slave that it is for
    "on" None         ; the label that its slave must have
    "priority" 0
    "endless" False   ; does its remote end only when it is interrupted?
    "big" False       ; may the system take a part of it first?
    "fails" False     ; may its remote fail?
    "quits" False     ; may its local procedure fail before the remote has ended?
    "awaits" None})   ; the number of the task that its local procedure makes, and awaits


(defclass Thread []
  "A thread, and what it has still to do of what the dispatcher said. One that is
  passing ends with that."

  (defn __init__ [self name [queue None] [passing False]]
    (setv
      self.name name
      self.queue (or queue [])
      self.passing passing))

  (defn __str__ [self]
    self.name)

  (defn offer [self w must may]
    (if self.queue
      (.offer-action self must)
      (.offer-more self w must may)))

  (defn offer-action [self must]
    (setv [verb #* rest] (get self.queue 0))
    (if (!= verb "send")
      (.append must #("perform" self None))
      (do
        (setv [session task] rest
              link session.connection)
        (for [way (cond
                    link.closed ["refused"]
                    ; The system may not have heard of it yet.
                    link.ended ["broken" "void"]
                    (and task.promise task.big) ["whole" "part"]
                    True ["whole"])]
          (.append must #("send" self way))))))

  (defn offer-more [self w must may]))


(defclass User [Thread]
  "Does what its script says; with ``maybe``, or does not."

  (defn __init__ [self name script [maybe False]]
    (.__init__ (super) name)
    (setv
      self.script (list script)
      self.maybe maybe
      self.asleep False   ; it waits for an idle slave,
      self.woken False))  ; and was told to look again

  (defn offer-more [self w must may]
    (cond
      self.asleep
        (when self.woken
          (.append must #("look" self None)))
      (and self.script (.ready self w #* (get self.script 0)))
        (.append (if self.maybe may must) #("act" self None))))

  (defn ready [self w deed [n None]]
    "Can this be done now?"
    (cond
      (= deed "cancel") (and (in n w.jobs) (is (. (get w.jobs n) ended) None))
      (in deed ["kill" "drain" "lend" "take-back"]) (and (. (get w.processes n) slave) (not w.closed))
      (= deed "call-off") (any (gfor  task w.made  (and (is task.ended None)
                                                        (is-not task.preparation None))))
      True True)))


(defclass Player [Thread]
  "The local procedure of a task, and what `Network.play-on` does for it."

  (defn __init__ [self session task]
    (.__init__ (super) f"the procedure of {task}")
    (setv
      self.session session
      self.task task
      self.number session.number
      self.failed False
      self.to-make task.awaits   ; the number of the task that it will make and await,
      self.awaited None))        ; and the task, while it waits for it

  (defn offer-more [self w must may]
    (setv link self.session.connection)
    (cond
      self.passing
        None
      self.awaited
        (unless (is self.awaited.ended None)
          (.append must #("go on" self None)))
      (is-not self.to-make None)
        (.append must #("begin awaiting" self None))
      True (do
        (when (and self.task.quits (not self.failed))
          (.append may #("quit" self None)))
        (cond
          (and link.up (not link.closed))
            (.append must #("hear" self None))
          link.ended (do
            (.append must #("part" self None))
            ; It may have made something of that.
            (unless self.failed
              (.append must #("part" self #("result" self.task))))))))))


(defclass Dialler [Thread]
  "Dials an address until somebody answers."

  (defn __init__ [self address]
    (.__init__ (super) f"who dials {address}")
    (setv self.address address))

  (defn offer-more [self w must may]
    (when (and (not self.passing) (.answers (get w.servers self.address)))
      (.append must #("dial" self None)))))


(defclass Link [Thread]
  "A connection: who receives at our end, which as a thread is the one that leads;
  what is on its way; and what the slave runs."

  (defn __init__ [self process dialled]
    (.__init__ (super) None)
    (setv
      self.process process
      self.dialled dialled
      self.serial process.serial
      self.about {"labels" process.labels}
      self.why ""
      self.last-words []
      self.session None
      self.closed False       ; at our end
      self.ended False        ; at the other, or by the network
      self.watched None       ; what the leader waits for: all, its end or nothing
      self.player None        ; who receives in its place
      self.noticed False      ; has the leader seen that it ended?
      self.dismissed False    ; is its slave to be killed?
      self.up []              ; answers on their way: kind, number, task
      self.first 0            ; preparations that there were when it joined
      self.outbox None        ; number, session and task that is sent in part
      self.number 0           ; of the last task that the slave began,
      self.running None       ; that task, as long as it runs,
      self.interrupted False) ; and whether it was interrupted
    (+= process.serial 1)
    (.append process.links self))

  (defn __str__ [self]
    f"connection {(+ self.serial 1)} with {self.process}")

  (defn offer [self w must may]
    (cond
      self.queue
        (.offer-action self must)
      (and self.up (= self.watched "all"))
        (.append must #("receive" self None))
      (and self.ended self.watched (not self.noticed))
        (.append must #("notice" self None)))
    (when self.running
      (for [way (.ways self self.running w)]
        (.append must #("answer" self way))))
    (when self.outbox
      (.append must #("flush" self None))))

  (defn ways [self task w]
    "How what runs may end."
    (when self.interrupted
      (yield "interrupted"))
    (if (is task.preparation None)
      (do
        (unless task.endless
          (yield "end"))
        (when task.fails
          (yield "failed")))
      (do
        (yield "end")
        (when w.flop
          (yield "flop"))))))


(defclass Process []
  "A slave's process. Without an address it dials us, as long as it has no connection."

  (defn __init__ [self name address [labels #()]]
    (setv
      self.name name
      self.id name
      self.label name        ; in keys (``keys``)
      self.address address
      self.labels labels
      self.alive True
      self.doomed False      ; was it killed?
      self.leaving False     ; has it asked for no more tasks?
      self.let-go False      ; has a master said that it may end?
      self.drained False     ; is it given no more tasks but those that wait for it?
      self.links []          ; that it believes to have
      self.serial 0          ; links that it has had,
      self.losses 0          ; and reasons to lose them
      self.slave None        ; the master's `Slave`
      self.tried (set)       ; those that it has begun,
      self.prepared (set)))  ; and that succeeded

  (defn __str__ [self]
    self.name)

  (defn answers [self]
    "Does it, if somebody dials it?"
    (and self.alive (not self.leaving)))

  (defn offer [self w must may]
    (unless self.alive
      (when (and w.restart self.address (is (get w.servers self.address) self))
        (.append may #("restart" self None)))
      (return))
    (cond
      self.links (when (and w.leave (not self.leaving)) (.append may #("say leave" self None)))
      ; It ends by itself.
      (or self.leaving (and self.let-go (not self.address))) (.append must #("die" self "quietly"))
      (not (or self.address w.closed)) (.append must #("knock" self None)))
    (cond
      self.doomed
        (.append must #("die" self None))
      w.die (do
        (.append may #("die" self None))
        (when (any (gfor  link self.links  link.up))
          (.append may #("die" self "reset")))))
    (when self.links
      (when w.cut
        (.append may #("cut" self None)))
      (when w.babble
        (.append may #("babble" self None))))))


(defn drained? [session]
  (or session.drained (in session.state ["leaving" "lost"])))


(defclass Job [Task]
  "A task that a user has made, and what a world knows of it."

  (defn __init__ [self name spec preparations [slave None]]
    (setv local (get spec "local"))
    (.__init__ (super) None :reader (if local None ResultReader) :local local :slave slave
      :timeout (get spec "timeout") :retries (get spec "retries")
      :on (get spec "on") :priority (get spec "priority"))
    (setv
      self.promise True
      self.name name
      self.spare self.retries           ; as they were given,
      self.own slave                    ; and so this
      self.late (and slave (drained? slave.session))  ; is it made for one that takes none any more?
      self.threadless (get spec "threadless")
      self.endless (get spec "endless")
      self.big (get spec "big")
      self.fails (get spec "fails")
      self.quits (get spec "quits")
      self.awaits (get spec "awaits")
      self.preparations preparations    ; that are older than it
      self.given 0                      ; times that the dispatcher gave it to a slave,
      self.wholes 0                     ; that the system took all of it,
      self.begun 0                      ; and that a slave began it
      self.cancelled False
      self.ended None))                 ; how its promise has, as soon as that is said

  (defn __repr__ [self]
    self.name))
