"The dispatcher keeps its promises in simulated networks, whatever happens in whatever
order; and the simulation is worth something: it comes everywhere, and finds whatever
defect one puts in. ``make simulate`` runs far more."

(import
  os
  random [Random]
  shlex
  subprocess
  sys
  time
  pytest
  dpfw.dispatch [dispatcher]
  dpfw.dispatch.states [SESSION TASK]
  tests.helpers [holds]
  tests.simulation [explore]
  tests.simulation.defects [DEFECTS]
  tests.simulation.explore [Circle exhaust Failure orders replay walk]
  tests.simulation.moves [ACTIONS DEEDS MOVES]
  tests.simulation.networks [SMALL large]
  tests.simulation.story [how-to-replay shrunk story]
  tests.simulation.world [World])

(setv
  SCHEDULES 1500
  FIRST (if (os.environ.get "CI") 0 (int (time.time)))  ; seed
  MOST 5000  ; schedules in which a defect must be found
  ; Small networks that take a second or two. ``make simulate`` takes all.
  QUICK [
    "retries, retries, retries"
    "a late local procedure"
    "a local procedure without a thread"
    "a local procedure that awaits a task, and the only slave dies"
    "remotes that never end"
    "tasks that are sent in two parts"
    "a slave that prepares twice"
    "a preparation of those that are here"
    "one slave dialled twice"
    "one slave dialled twice, that is lost"
    "a slave that is dialled again"
    "one that serves and one that dials"
    "a task for one slave"
    "a task that is cancelled, and the next"
    "a slave that is killed"
    "a slave that is drained"
    "a slave that is drained, and dials again"
    "a slave that works for another"
    "a slave that leaves"
    "a server that leaves, and begins anew"])

(defn run [seed [world World]]
  (setv random (Random seed))
  (walk random (large random) world))

(defn tell [failure]
  "Fail with the steps of a failure."
  (setv failure (shrunk failure))
  (pytest.fail :pytrace False :reason (.join "\n" [
    (story failure.plan failure.choices failure.World failure.brief)
    (str failure)
    (how-to-replay failure)])))

(defn first-failure [world]
  "The first schedule, from seed 0 on, in which a world fails, or None."
  (for [seed (range MOST)]
    (try
      (run seed world)
      (except [e Failure]
        (return e)))))


;; * The dispatcher

(defn test-schedules-by-chance []
  (for [seed (range FIRST (+ FIRST SCHEDULES))]
    (try
      (run seed)
      (except [e Failure]
        (print f"hy -m tests.simulation --seed {seed}")
        (tell e)))))

(defn [(pytest.mark.parametrize "name" QUICK)] test-every-order-of-events [name]
  (try
    (setv [states orders] (exhaust (get SMALL name)))
    (except [e Failure]
      (tell e))
    (else
      (assert (< 100 states orders) #(states orders)))))


;; * The simulation

(defn [(pytest.mark.parametrize "text" DEFECTS)] test-a-defect-is-found [text]
  (assert (first-failure (get DEFECTS text)) f"not in {MOST} schedules"))

(defn [(pytest.mark.parametrize #("text" "name") [
        ["1: close puts a running task with retries back in line" "retries, retries, retries"]
        ["1: close forgets a task between the line and the slave" "tasks that are sent in two parts"]
        ["2: the next task is sent to a slave whose preparation failed, before it is closed"
          "a slave that prepares twice"]
        ["5: two connections with one process, when both came at once" "one slave dialled twice"]
        ["6: a cancel strikes whatever runs" "a task that is cancelled, and the next"]
        ["6: a cancel overtakes its task" "remotes that never end"]
        ["16: what is left to be done is dropped by an interrupt" "a slave that is dialled again"]])]
      test-a-defect-is-found-in-every-order-of-a-small-network [text name]
  (with [_ (pytest.raises Failure)]
    (exhaust (get SMALL name) (get DEFECTS text))))

(defn test-a-schedule-is-its-seed []
  (holds (lfor  seed (range 20)  (run seed)) (lfor  seed (range 20)  (run seed))))

(defn test-every-transition-every-move-and-every-action-happens [monkeypatch]
  (setv seen (set)
        advance dispatcher.advance
        step explore.step)
  (defn note-transition [thing table event]
    (.add seen #((if (is table TASK) "task" "session") thing.state event))
    (advance thing table event))
  (defn note-move [w move]
    (setv [name agent _] move)
    (.add seen name)
    (when (= name "perform")
      (.add seen #("action" (get agent.queue 0 0))))
    (when (= name "act")
      (.add seen #("deed" (get agent.script 0 0))))
    (step w move))
  (.setattr monkeypatch dispatcher "advance" note-transition)
  (.setattr monkeypatch explore "step" note-move)
  (for [seed (range SCHEDULES)]
    (run seed))
  (setv wanted #{
    #* (gfor  [name table] [["task" TASK] ["session" SESSION]]
              [state events] (.items table)
              event events
              #(name state event))
    #* (gfor  name MOVES  name)
    #* (gfor  name ACTIONS  #("action" name))
    #* (gfor  name DEEDS  #("deed" name))})
  ; These are of worlds with defects.
  (holds (- wanted seen) #{"interrupt" #("action" "enlist")}))

(defn test-states-and-orders-are-counted []
  (holds (exhaust {"slaves" []}) #(1 1))
  ; No slave. A is made before B, and each before it is cancelled: 3 of 24 orders.
  (setv maybe [#("cancel" 0) #("cancel" 1)])
  (holds (exhaust {"tasks" [{} {}]  "users" [[#("make" 0) #("make" 1)]]  "maybe" maybe}) #(7 3))
  (holds (orders {1 [2 3]  2 [4]  3 [4 4]  4 []} {}) 3))

(defn test-what-may-go-on-for-ever-is-a-failure []
  (with [raised (pytest.raises Circle)]
    (orders {1 [2]  2 [3 4]  3 [2]  4 []} {2 #(0 None)}))
  (holds raised.value.path #(0 None)))

(defn test-a-failure-is-told-in-steps-and-can-be-run-again []
  (setv failure (shrunk (first-failure (get DEFECTS "16: what is left to be done is dropped by an interrupt")))
        text (story failure.plan failure.choices failure.World)
        again (replay failure.plan failure.choices failure.World))
  (holds (str again) (str failure))
  (assert (in "is interrupted, and forgets what is left to be done" text) text)
  (assert (<= (len failure.choices) 6) text)
  ; Without the defect, it holds.
  (assert (is (replay failure.plan failure.choices) None))
  (setv command (shlex.split (how-to-replay failure))
        ran (subprocess.run [sys.executable "-m" "hy" #* (cut command 1 None)]
              :capture-output True :text True))
  (holds ran.returncode 1)
  (assert (in (str failure) ran.stdout) #(ran.stdout ran.stderr)))
