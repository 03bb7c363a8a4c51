"What is told of a run in which something did not hold: its steps in words, after
`shrunk` has looked for a shorter one, in a smaller network."

(import
  json
  random [Random]
  shlex
  traceback
  tests.simulation.explore [Failure replay walk]
  tests.simulation.agents [NAMES TASK]
  tests.simulation.world [PLAN World])
(eval-when-compile (require hyrule.control [unless]))


;; In words

(defn story [plan choices [World World] [brief False]]
  "The numbered steps of a run, and what the dispatcher said to each."
  (setv lines []  said []  n 0)
  (defn note-said []
    (when said
      (.append lines f"       => {(.join ", " (map action-text said))}")
      (.clear said)))
  (defn note [w move]
    (nonlocal n)
    (note-said)
    (setv w.trace said)
    (+= n 1)
    (.append lines f"{n :5d}  {(move-text w #* move)}"))
  (replay plan choices World note brief)
  (note-said)
  (.join "\n" lines))

(defn move-text [w move agent way]
  (setv text (get MOVES move))
  (if (callable text)
    (text w agent way)
    (.format text agent)))

(defn send-text [w thread way]
  (setv [_ session task] (get thread.queue 0))
  (+ f"{thread} sends {task} to {session.connection.process}: "
     (get {
       "whole" "the system takes it, and the slave has it"
       "part" "the system takes a part of it"
       "void" "the system takes it, and has not heard that the connection has ended"
       "broken" "the connection has ended"
       "refused" "the connection is closed"} way)))

(defn act-text [w user _]
  (setv [deed #* numbers] (get user.script 0))
  (.join " " [user.name "does:" deed #* (gfor  n numbers
    (if (in deed ["kill" "drain" "connect"]) f"s{n}" (get NAMES n)))]))

(setv MOVES {
  "perform" (fn [w thread _] f"{thread}: {(action-text (get thread.queue 0))}")
  "send" send-text
  "flush" (fn [w link _] f"{link} {(if link.ended "cannot take" "takes")} the rest of {(get link.outbox 2)}")
  "knock" "{} dials"
  "dial" "{} has a connection"
  "die" (fn [w process way] (+ f"{process} dies" (if (= way "reset") ", and what it has said is lost" "")))
  "cut" "{} loses its connection"
  "say leave" "{} asks for no more tasks"
  "restart" "another process begins where {} was"
  "answer" (fn [w link way] f"{link.process} ends {link.running} ({way})")
  "babble" "{} answers what nobody asked"
  "receive" (fn [w link _] f"{link} is read: the end of {(get link.up 0 2)} ({(get link.up 0 0)})")
  "notice" "{} is read: it has ended"
  "hear" (fn [w player _] f"{player} hears: {(get player.session.connection.up 0 0)}")
  "part" (fn [w player way] (+ f"{player} hears that the slave is lost"
                               (if way ", and has a result all the same" "")))
  "quit" "{} fails"
  "begin awaiting" (fn [w player _] f"{player} makes {(get NAMES player.to-make)}, and awaits it")
  "go on" "{} need wait no more"
  "expire" (fn [w timer _] f"the time of {(get timer 0)} is over, on {(. (get timer 1) connection)}")
  "remind" (fn [w _ _how] "the time of a reminder is over")
  "act" act-text
  "look" "{} looks for an idle slave"
  "interrupt" "{} is interrupted, and forgets what is left to be done"})

(defn action-text [action]
  (.join " " (map part-text action)))

(defn part-text [part]
  (cond
    (hasattr part "connection") (str part.connection)
    (isinstance part tuple) (.join " " (map part-text part))
    True (str part)))

(defn how-to-replay [failure]
  (shlex.join ["hy" "-m" "tests.simulation"
    #* (if failure.brief ["--brief"] [])
    #* (if failure.World.defect ["--defect" failure.World.defect] [])
    "--plan" (json.dumps (brief-plan failure.plan))
    "--choices" (.join "," (map str failure.choices))]))

(defn brief-plan [plan]
  "What of a plan need be said."
  (setv said (dfor  [key x] (.items plan)  :if (!= x (get PLAN key))  key x))
  (when (in "tasks" said)
    (setv (get said "tasks") (lfor
      task (get said "tasks")
      (dfor  [key x] (.items task)  :if (!= x (get TASK key))  key x))))
  said)


;; Shorter

(setv TRIES 300)  ; runs of each smaller network

(defn shrunk [failure]
  "A failure of the same kind, in fewer steps, perhaps of a smaller network."
  (setv place (where failure.error)
        best (cut-short failure place))
  (unless failure.brief
    (setv again True)
    (while again
      (setv again False)
      (for [plan (smaller best.plan)]
        (setv found (fails-so plan best.World place))
        (when found
          (setv best found
                again True)
          (break))))
    (setv best (cut-short best place)))
  best)

(defn where [error]
  "The kind of an error, and the line that found it."
  (setv frames (lfor
    frame (traceback.extract-tb error.__traceback__)
    :if (!= frame.name "hold")
    frame))
  #((type error) (. (get frames -1) filename) (. (get frames -1) lineno)))

(defn fails-so [plan World place]
  "The shortest of some runs of this plan that fail there."
  (setv best None)
  (for [seed (range TRIES)]
    (try
      (walk (Random seed) plan World)
      (except [e Failure]
        (when (and (= (where e.error) place)
                   (or (is best None) (< (len e.choices) (len best.choices))))
          (setv best e)))))
  best)

(defn cut-short [failure place]
  "Leave out choices, as long as it fails."
  (setv best failure
        size (// (len best.choices) 2))
  (while (> size 0)
    (setv at 0)
    (while (< at (len best.choices))
      (setv choices (+ (cut best.choices at) (cut best.choices (+ at size) None))
            found (replay best.plan choices best.World :brief best.brief))
      (if (and found (= (where found.error) place)
               (< (len found.choices) (len best.choices)))
        (setv best found)
        (+= at size)))
    (setv size (// size 2)))
  best)

(defn smaller [plan]
  "Plans with one thing less."
  (for [key ["maybe" "users"]]
    (setv all (get plan key))
    (for [n (range (len all))]
      (yield (| plan {key (+ (cut all n) (cut all (+ n 1) None))}))))
  (for [[n script] (enumerate (get plan "users"))]
    (for [m (range (len script))]
      (setv users (list (get plan "users"))
            (get users n) (+ (cut script m) (cut script (+ m 1) None)))
      (yield (| plan {"users" users}))))
  (for [key ["die" "cut" "restart" "flop" "babble" "remind" "leave" "first"]]
    (when (get plan key)
      (yield (| plan {key (- (get plan key) 1)}))))
  (unless (get plan "joined")
    (yield (| plan {"joined" True})))
  (setv slaves (get plan "slaves"))
  (when (and (> (len slaves) 1) (not-in (- (len slaves) 1) (set (mentioned plan))))
    (yield (| plan {"slaves" (cut slaves -1)})))
  (for [[n task] (enumerate (get plan "tasks"))]
    (for [[key x] (.items task)]
      (unless (= x (get TASK key))
        (setv tasks (list (get plan "tasks"))
              (get tasks n) (| task {key (get TASK key)}))
        (yield (| plan {"tasks" tasks}))))))

(defn mentioned [plan]
  "The numbers of the slaves that something is said of."
  (for [deed (+ (get plan "maybe") (sum (get plan "users") []))]
    (when (in (get deed 0) ["kill" "connect"])
      (yield (get deed 1))))
  (for [task (get plan "tasks")]
    (yield (.get task "bound"))))
