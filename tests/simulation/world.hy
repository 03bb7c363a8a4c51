"A world for a dispatcher to live in: slaves, connections, threads and time, all of
which do only what they are told to, one step after the other.

::

    users ── make, cancel, close, kill, connect ──┐
    readers ── answers, hang-ups ─────────────────┤
    procedures ── end, fail, make tasks ──────────┼──> an event ──> dispatcher
    clock ── timeouts, reminders ─────────────────┘                      │
                                                                         v
    slaves <── tasks, cancels <── the queue of the same thread <── what is to be done

As with `Network`, each event comes from a thread, which then does what is to be
done, one thing after the other. Between any two of these, and between the last
byte of a task and the report that it is sent, all the other threads may do anything.
`offered` lists what may happen next. Who chooses is not the world's concern
(``explore``).

What it leaves out: what is sent arrives at once, and a slave begins a task as soon
as it has it; later is the same as that it takes its time, or dies before it begins.
What it adds: `Network` has one thread that leads, and here each connection has a
reader of its own, so more orders are possible than today."

(import
  dpfw.dispatch.dispatcher [Dispatcher]
  dpfw.dispatch.states [OPEN]
  tests.simulation.agents [Dialler Link Process TASK User]
  tests.simulation.moves [MOVES]
  tests.simulation.rules [held])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PLAN {              ; what a plan says, and what it need not say
    "slaves" []       ; each "dials" or "serves"
    "tasks" []        ; each as `TASK` has it
    "users" []        ; what each does, one thing after the other (see `DEEDS`)
    "maybe" []        ; what may be done, or not, at any time
    "labels" {}       ; number of a slave, as text -> its labels
    "first" 0         ; remotes that were given to on-connect before any slave came
    "joined" True     ; have the slaves joined before anything else happens?
    ; How often may a process die, a connection break, a server begin anew, a
    ; preparation fail, a slave answer what nobody asked, a reminder come, a slave
    ; ask for no more tasks?
    "die" 0  "cut" 0  "restart" 0  "flop" 0  "babble" 0  "remind" 0  "leave" 0})


(defclass World []
  "``plan`` is as `PLAN` has it. With ``brief``, what nobody else can notice is done
  at once, which leaves fewer orders to explore."

  ; What a world with a defect has otherwise (``defects``).
  (setv
    defect None
    Dispatcher Dispatcher
    numbered True        ; does a slave look whether a cancel is for what it runs?
    whole True           ; is all that is to be done done, whatever interrupts?
    own-time True        ; does a timeout look whether it is of the present attempt?
    one-step True)       ; is it one step to see that a process is not here, and to enlist it?

  (defn __init__ [self plan [brief False]]
    (setv
      plan (| PLAN plan)
      self.dispatcher (self.Dispatcher)
      self.dispatcher.registry.known {}  ; a dict, unlike what it is else, can be copied
      self.brief brief
      self.closed False
      self.trace None       ; a list, for what the dispatcher says

      self.specs (lfor  spec (get plan "tasks")  (| TASK spec))
      self.bound (any (gfor  spec self.specs  (is-not (get spec "bound") None)))
      self.alike (and       ; does nothing tell one slave from another?
        (not self.bound)
        (not (get plan "labels"))
        (= (get plan "slaves") (* ["dials"] (len (get plan "slaves"))))
        (not (any (gfor  deed (sum (get plan "users") (get plan "maybe"))
                    (in (get deed 0) ["kill" "drain" "lend" "take-back" "initialise"])))))
      self.jobs {}          ; number in the plan -> task
      self.made []          ; tasks, as they were made
      self.called-off (set) ; preparations that a user has cancelled on some slave
      self.timers []        ; task, session
      self.reminders 0      ; that are to come
      self.faults False     ; has anything failed by which a task can be lost?

      self.slaves []        ; that have joined
      self.enlisted (set)   ; addresses that were dialled, and where one joined
      self.links []         ; that are not closed
      self.players []
      self.diallers []
      self.users []
      self.processes (lfor
        [n kind] (enumerate (get plan "slaves"))
        (Process f"s{n}" (when (= kind "serves") f"address {n}") (.get (get plan "labels") (str n) #())))
      self.servers (dfor  p self.processes  :if p.address  p.address p)
      self.agents (list self.processes))  ; all of these
    (for [name ["die" "cut" "restart" "flop" "babble" "remind" "leave"]]
      (setattr self name (get plan name)))
    (.opened self.dispatcher (.count (get plan "slaves") "dials"))
    (for [n (range (get plan "first"))]
      (.initialise self.dispatcher f"preparation {n}" None))
    (when (get plan "joined")
      (.join-all self))
    (for [[n script] (enumerate (get plan "users"))]
      (.append self.users (User f"user {n}" script)))
    (for [deed (get plan "maybe")]
      (.append self.users (User f"who may {(.join " " (map str deed))}" [deed] :maybe True)))
    (.extend self.agents self.users))

  (defn join-all [self]
    "Have all slaves join, and run what comes first."
    (for [address self.servers]
      (setv dialler (Dialler address))
      (.append self.diallers dialler)
      (.append self.agents dialler))
    (setv [flop self.flop] [self.flop 0])
    (while (setx must (get (offered self) 0))
      (step self (get must 0)))
    (setv self.flop flop)))


(defn offered [w]
  "The moves that must come sooner or later, and those that may come."
  (setv must []  may [])
  (for [agent w.agents]
    (.offer agent w must may))
  (for [timer w.timers]
    (when (in (. (get timer 0) state) OPEN)
      (.append may #("expire" timer None))))
  (when (and w.remind w.reminders)
    (.append may #("remind" None None)))
  (unless w.whole
    (for [agent w.agents]
      ; Whoever leads may be a thread of a user's, too.
      (when (and (isinstance agent #(User Link)) agent.queue
                 (in (get agent.queue 0 0) ["hang-up" "gone" "dial"]))
        (.append may #("interrupt" agent None)))))
  #(must may))

(defn step [w move]
  "Do a move, and see whether all that must hold does."
  (setv [name agent way] move)
  ((get MOVES name) w agent way)
  (held w))
