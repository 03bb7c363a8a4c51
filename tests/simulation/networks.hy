"The networks that are simulated: small ones, which are explored to the end, and
large ones, which chance makes and runs."

(import
  itertools [product])
(eval-when-compile (require hyrule.control [unless]))


;; Large ones

(defn large [random]
  "A plan, by chance."
  (setv
    chance random.random
    below (fn [n] (int (* (chance) n)))
    slaves (lfor  _ (range (+ 1 (below 3)))  (if (< (chance) 0.6) "dials" "serves"))
    n (+ 2 (below 6))
    scripts (lfor  _ (range (+ 1 (below 3)))  [])
    labels (if (< (chance) 0.3) {(str (below (len slaves))) ["x"]} {})
    tasks (lfor  _ (range n)  (task chance below (len slaves)))
    maybe [])
  (for [i (range n)]
    (.append (get scripts (below (len scripts))) #("make" i)))
  (for [[i spec] (enumerate tasks)]
    (when (or (get spec "endless") (< (chance) 0.3))
      (.append maybe #("cancel" i))))
  ; A local procedure makes the last task, which nobody else does.
  (when (and (get tasks 0 "local") (< (chance) 0.2))
    (setv (get tasks 0 "awaits") n)
    (.append tasks (task chance below (len slaves))))
  (when (< (chance) 0.5) (.append maybe #("close")))
  (when (< (chance) 0.2)
    (+= maybe (* [#("kill" (below (len slaves)))] (+ 1 (below 2)))))
  (when (< (chance) 0.3)
    (+= maybe (* [#("drain" (below (len slaves)))] (+ 1 (below 2)))))
  (when (< (chance) 0.2)
    (setv script (get scripts (below (len scripts))))
    (.insert script (below (+ 1 (len script))) #("initialise"))
    (when (< (chance) 0.3) (.append maybe #("call-off"))))
  (when (< (chance) 0.1) (.append maybe #("await-idle")))
  (setv servers (lfor  [i kind] (enumerate slaves)  :if (= kind "serves")  i)
        joined (< (chance) 0.7))
  (for [i servers]
    (unless joined
      (.append scripts [#("connect" i)]))
    (when (< (chance) (if joined 0.1 0.4))
      (.append scripts [#("connect" i)])))
  (when (or labels (< (chance) 0.05))
    (for [spec tasks]
      (when (and (is (get spec "bound") None) (< (chance) 0.4))
        (setv (get spec "on") "x"))))
  (setv plan {"slaves" slaves  "labels" labels  "tasks" tasks  "users" scripts  "maybe" maybe  "joined" joined
   "first" (if (< (chance) 0.25) (+ 1 (below 2)) 0)
   "die" (below 3)  "cut" (below 3)  "restart" (if servers (below 2) 0)
   "flop" (if (< (chance) 0.3) 1 0)
   "babble" (if (< (chance) 0.1) 1 0)
   "remind" (if (< (chance) 0.1) 1 0)
   "leave" (if (< (chance) 0.3) 1 0)})
  (when (< (chance) 0.15)
    (setv n (below (len slaves)))
    (+= maybe [#("lend" n) #("take-back" n)]))
  plan)

(defn task [chance below slaves]
  {"retries" (if (< (chance) 0.4) (+ 1 (below 2)) 0)
   "timeout" (< (chance) 0.3)
   "local" (< (chance) 0.3)
   "threadless" (< (chance) 0.1)
   "bound" (when (< (chance) 0.15) (below slaves))
   "endless" (< (chance) 0.1)
   "big" (< (chance) 0.15)
   "fails" (< (chance) 0.1)
   "quits" (< (chance) 0.3)
   "awaits" None
   "on" None
   "priority" (if (< (chance) 0.2) (- (below 5) 2) 0)})


;; Small ones

(defn small [slaves tasks #* maybe [users None] #** more]
  "A plan; without ``users``, one makes all tasks, one after the other."
  (| {"slaves" slaves
      "tasks" tasks
      "users" (or users [(lfor  n (range (len tasks))  #("make" n))])
      "maybe" (list maybe)}
     more))

(setv
  ONE ["dials"]
  TWO ["dials" "dials"]
  CLOSE #("close")
  AGAIN {"retries" 1}
  LATE {"timeout" True}
  KINDS {"retries" AGAIN  "timeout" LATE  "cancel" {}}
  ; What an issue asked for: two slaves, three tasks, each with retries, a timeout or a
  ; cancel, one death and one close.
  THREES (dfor
    kinds (product KINDS :repeat 3)
    (.join ", " kinds)
    (small TWO (lfor  kind kinds  (get KINDS kind))
      CLOSE #* (gfor  [n kind] (enumerate kinds)  :if (= kind "cancel")  #("cancel" n))
      :die 1))
  OTHERS {
    "local procedures"
      (small TWO [{"local" True "quits" True  #** AGAIN} {"local" True}] CLOSE #("cancel" 1) :die 1)
    "a late local procedure"
      (small ONE [{"local" True  #** LATE} {"local" True "quits" True}] CLOSE :die 1)
    "a local procedure without a thread"
      (small ONE [{"local" True "threadless" True "endless" True  #** LATE} {"local" True}] CLOSE #("cancel" 0) :die 1)
    "a late local procedure, and a slave that comes back"
      (small ONE [{"local" True  #** LATE} {"local" True "quits" True}] :cut 1)
    "a local procedure that awaits a task"
      (small TWO [{"local" True "awaits" 2  #** AGAIN} LATE {}] CLOSE :users [[#("make" 0) #("make" 1)]] :die 1)
    "a local procedure that awaits a task, and the only slave dies"
      (small ["serves"] [{"local" True "awaits" 1} {}] CLOSE :users [[#("make" 0)]] :die 1 :restart 1)
    "remotes that never end"
      (small ONE [{"endless" True} {"endless" True  #** LATE} {}] CLOSE #("cancel" 0) #("cancel" 1) :die 1)
    "local procedures with remotes that never end"
      (small ONE [{"endless" True "local" True} {"endless" True "local" True "quits" True}] CLOSE
        #("cancel" 0) #("cancel" 1) :cut 1)
    "tasks that are sent in two parts"
      (small ONE [{"big" True "local" True} {"big" True  #** AGAIN}] CLOSE #("cancel" 0) #("cancel" 1) :die 1)
    "slaves that come back"
      (small TWO [AGAIN AGAIN] #("cancel" 0) :cut 1)
    "a slave that comes back twice"
      (small ONE [AGAIN] :cut 2)
    "a slave that comes back while a procedure runs"
      (small ONE [{"local" True  #** AGAIN} {"local" True}] CLOSE :cut 1)
    "slaves that join"
      (small TWO [AGAIN {"local" True}] CLOSE :joined False :die 1)
    "slaves that prepare"
      (small TWO [{}] CLOSE :joined False :first 1 :flop 1)
    "slaves that prepare, and die"
      (small TWO [{}] :joined False :first 1 :die 1)
    "a slave that prepares twice"
      (small ONE [{} {"bound" 0}] :joined False :first 2 :flop 1)
    "a preparation of those that are here"
      (small TWO [{} {}] #("initialise") :flop 1)
    "a preparation of one that comes back"
      (small ONE [{} {}] #("initialise") :cut 1)
    "one slave dialled twice"
      (small ["serves"] [{}] CLOSE :joined False
        :users [[#("connect" 0)] [#("connect" 0)] [#("make" 0)]])
    "one slave dialled twice, that is lost"
      (small ["serves"] [] :joined False :users [[#("connect" 0)] [#("connect" 0)]] :cut 1)
    "a slave that is dialled again"
      (small ["serves"] [AGAIN {}] CLOSE :die 1 :restart 1)
    "one that serves and one that dials"
      (small ["serves" "dials"] [AGAIN {}] :cut 1)
    "a task for one slave"
      (small TWO [{"bound" 0  #** AGAIN} {"bound" 0} {}] CLOSE #("cancel" 1) :die 1)
    "tasks for a slave with a label"
      (small TWO [{"on" "x"  #** AGAIN} {} {"on" "x"}] CLOSE #("cancel" 2) :die 1 :labels {"1" ["x"]})
    "a task with a label that comes late"
      (small TWO [{"on" "x"} {}] :joined False :labels {"0" ["x"]})
    "a task with a label that no slave has"
      (small ONE [{"on" "x"} {} {}] #("cancel" 0) CLOSE :remind 1)
    "tasks of several priorities"
      (small ONE [{} {"priority" -1} {"priority" 1  #** AGAIN} {}] #("cancel" 3) :cut 1)
    "tasks of several priorities, for one slave"
      (small TWO [{"bound" 0} {"bound" 0 "priority" 1} {"priority" 1} {"bound" 0 "priority" 1 "on" None}] #("cancel" 1) :die 1)
    "priorities and labels"
      (small TWO [{} {} {"on" "x" "priority" -1} {"on" "x"} {"priority" 1}] :users [[#("make" 0) #("make" 1) #("make" 2)] [#("make" 3) #("make" 4)]] :labels {"0" ["x"]})
    "a task that is cancelled, and the next"
      (small ONE [{} {}] #("cancel" 0) CLOSE)
    "a slave that is killed"
      (small TWO [AGAIN {"bound" 0} {}] #("kill" 0) CLOSE)
    "a killed slave that prepares"
      (small TWO [{}] #("kill" 0) :first 1 :joined False)
    "a slave that is drained"
      (small TWO [AGAIN {"bound" 0} {}] #("drain" 0) CLOSE)
    "a slave that is drained, and its local procedures"
      (small ONE [{"local" True "quits" True} {"local" True "bound" 0} {}] #("drain" 0) :restart 1)
    "a slave that is drained, and dies"
      (small TWO [AGAIN {"bound" 0}] #("drain" 0) #("cancel" 1) :die 1)
    "a slave that is drained twice, and killed"
      (small TWO [{} {"bound" 0}] #("drain" 0) #("drain" 0) #("kill" 0))
    "a slave that is drained, and dials again"
      (small ONE [AGAIN {"bound" 0}] #("drain" 0) :cut 1)
    "a server that is drained, and dialled again"
      (small ["serves" "dials"] [AGAIN {"bound" 0}] #("drain" 0) :users [[#("make" 0) #("make" 1)] [#("connect" 0)]])
    "a slave that prepares, and is drained"
      (small ONE [{} {"bound" 0}] #("drain" 0) #("initialise") :joined False :first 1)
    "a slave that works for another"
      (small TWO [AGAIN {"bound" 0} {}] #("lend" 0) #("take-back" 0) CLOSE)
    "one that works for another, is lost, and comes back"
      (small TWO [AGAIN {"bound" 0}] #("lend" 0) #("take-back" 0) :cut 1)
    "one that works for another, and is drained"
      (small TWO [{} {"bound" 0}] #("lend" 0) #("drain" 0) #("take-back" 0) :first 1 :joined False)
    "a slave that leaves"
      (small TWO [{} {"bound" 0} {}] CLOSE :leave 1)
    "a slave that leaves, and what is drained, too"
      (small TWO [{"big" True} {"local" True} {}] #("drain" 1) :leave 1)
    "a server that leaves, and begins anew"
      (small ["serves"] [{"local" True} {}] :leave 1 :restart 1)
    "a slave that answers what nobody asked"
      (small TWO [AGAIN {"local" True} {}] CLOSE :babble 1)
    "who waits for an idle slave"
      (small TWO [{} AGAIN {}] CLOSE #("await-idle") :die 1)
    "tasks of two users"
      (small TWO [{} AGAIN {} {}] :users [[#("make" 0) #("make" 1)] [#("make" 2) #("make" 3)]] :die 1)
    "reminders"
      (small TWO [{} {} {}] :die 2 :remind 2)}
  SMALL (| OTHERS THREES))
