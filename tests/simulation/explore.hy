"Who chooses what happens next in a world: chance, a list of choices, or every
choice, one after the other.

A choice is the number of a move among all that are offered. `walk` makes them by
chance, and so a seed stands for a run; `replay` makes those it is given; `exhaust`
makes each of them in every state that a small network can come into. States that
differ in nothing that matters to what follows are one (`key-of`)."

(import
  pickle
  tests.simulation.keys [key-of]
  tests.simulation.rules [hold rested]
  tests.simulation.world [World offered step])
(eval-when-compile (require hyrule.control [unless]))

(setv
  LONGEST 2000  ; steps of a run; those of one that never ends are more
  ; How readily what may happen does, when something else must; and how much chance
  ; prefers those who were there first, or those who came last. One of each a run.
  RASHNESS [0.02 0.1 0.3]
  LEANING [0.5 1 1 2])


(defclass Failure [Exception]
  "A run in which something did not hold: its plan, its choices, and what."

  (defn __init__ [self plan choices error [World World] [brief False]]
    (.__init__ (super) plan choices error)
    (setv self.plan plan
          self.choices choices
          self.error error
          self.World World
          self.brief brief))

  (defn __str__ [self]
    f"{(. (type self.error) __name__)}: {self.error}"))


;; By chance

(defn walk [random plan [World World]]
  "Run a world to its end by chance; returns the choices that were made."
  (setv
    choices []
    chance random.random
    rashness (.choice random RASHNESS)
    leaning (.choice random LEANING))
  (try
    (setv w (World plan))  ; it may fail as slaves join, too
    (while True
      (setv [must may] (offered w)
            n (len must))
      (if must
        (if (and may (< (chance) rashness))
          (setv choice (+ n (int (* (chance) (len may))))
                move (get may (- choice n)))
          (setv choice (int (* (** (chance) leaning) n))
                move (get must choice)))
        (do
          (rested w)
          ; It may stay so.
          (unless (and may (> (chance) 0.1))
            (break))
          (setv choice (int (* (chance) (len may)))
                move (get may choice))))
      (.append choices choice)
      (step w move)
      (hold (< (len choices) LONGEST) "it goes on and on"))
    (last-words w)
    (except [e Exception]  ; of the dispatcher's, too
      (raise (Failure plan choices e World) :from e)))
  choices)

(defn last-words [w]
  "Whose tasks wait at the end is told, at the second reminder at the latest: before
  the first, there may have been answers."
  (when (and w.dispatcher.line (not w.closed))
    (setv slaves (list (.values w.dispatcher.registry.connected))
          labels (sum (gfor  slave slaves  (list slave.labels)) []))
    (setv said (+ (.reminded w.dispatcher) (.reminded w.dispatcher)))
    (setv warnings (lfor  action said  :if (= (get action 0) "warn")  (get action 1)))
    (hold warnings "tasks wait, and nobody is told")
    (for [task w.dispatcher.line]
      (hold (or (not task.on) (in task.on labels) (not slaves)
                (any (gfor  text warnings  (in (repr task.on) text))))
        task "waits for a label that nobody has, and nobody is told"))))


;; By choices

(defn replay [plan choices [World World] [trace None] [brief False] [to-the-end True]]
  "Run a world by these choices, and on as it must; returns the `Failure`, or None.
  ``trace`` is called with the world before each move, and with that."
  (setv w (World plan brief)
        made []
        waiting (iter choices))
  (try
    (while True
      (setv [must may] (offered w)
            moves (+ must may))
      (unless must
        (rested w))
      (setv choice (next waiting None))
      (when (is choice None)
        (unless (and to-the-end must)
          (break))
        (setv choice 0))
      (unless moves
        (break))
      (setv choice (% choice (len moves)))
      (.append made choice)
      (when trace
        (trace w (get moves choice)))
      (step w (get moves choice))
      (hold (< (len made) LONGEST) "it goes on and on"))
    (unless may
      (last-words w))
    (except [e Exception]
      (Failure plan made e World brief))))


;; Every choice

(defn exhaust [plan [World World]]
  "Go through every state that a world can come into. Returns how many there are, and
  how many orders of steps lead through them to an end. Raises `Failure`."
  (setv
    w (World plan :brief True)
    path None       ; the last choice, and the path before it
    before None     ; the state before
    followers {}    ; state -> those that can follow it
    paths {}        ; state -> how it was come by
    todo [])        ; a copy of a world, its path, what to choose there, its state
  (try
    (while True
      (setv state (key-of w)
            moves [])
      (unless (is before None)
        (.append (get followers before) state))
      (unless (in state followers)
        (setv (get followers state) []
              (get paths state) path
              [must may] (offered w)
              moves (+ must may))
        (unless must
          (rested w))
        (unless moves
          (last-words w))
        (when (> (len moves) 1)
          (setv copy (pickle.dumps w -1))
          (for [n (range 1 (len moves))]
            (.append todo #(copy path n state)))))
      (cond
        moves
          (setv choice 0
                before state)
        todo
          (setv [copy path choice before] (.pop todo)
                w (pickle.loads copy)
                moves (sum (offered w) []))
        True
          (break))
      (setv path #(choice path))
      (step w (get moves choice)))
    #((len followers) (orders followers paths))
    (except [e Circle]
      (raise (Failure plan (choices-of e.path) e World True) :from e))
    (except [e Exception]
      (raise (Failure plan (choices-of path) e World True) :from e))))

(defn choices-of [path]
  (setv choices [])
  (while path
    (setv [choice path] path)
    (.append choices choice))
  (cut choices None None -1))

(defclass Circle [Exception]
  "After this path, it may go on for ever."

  (defn __init__ [self path]
    (.__init__ (super) "it can go round in a circle from here")
    (setv self.path path)))

(defn orders [followers paths]
  "How many ways there are from the first state to those that nothing follows."
  (setv
    counts {}
    begun (set)
    todo [(next (iter followers))])
  (while todo
    (setv state (get todo -1)
          after (get followers state))
    (cond
      (in state counts)
        (.pop todo)
      (in state begun) (do
        (when (any (gfor  s after  (not-in s counts)))
          (raise (Circle (get paths state))))
        (setv (get counts state) (or (sum (gfor  s after  (get counts s))) 1)))
      True (do
        (.add begun state)
        (.extend todo (gfor  s after  :if (not-in s counts)  s)))))
  (get counts state))
