"A tree of slaves: the calls over collections go down it, and what comes of them comes up."

(import
  builtins
  re
  threading [Barrier]
  pytest
  dpfw.dispatch.pace [PASSES Pace]
  dpfw.dispatch.promise [force]
  dpfw.dispatch.tree [Branch]
  dpfw.errors [MasterClosed RemoteError SlaveLost TaskTimeout]
  dpfw.launch [dpfw-launch]
  dpfw.master [Master read-result]
  dpfw.task.ports [read]
  tests.helpers [WAIT begin holds outcome until])
(eval-when-compile (require hyrule.control [unless]))

(setv PIDS '(fn [x] (hy.I.time.sleep 0.002) (hy.I.os.getpid)))

(defn [(pytest.fixture :scope "module")] forest []
  "A master with six slaves, which a test makes a tree of."
  (with [master (Master)]
    (dpfw-launch 6 master)
    (yield master)))

(defn [pytest.fixture] master [forest]
  (.tree forest 2)
  (yield forest)
  (.tree forest None))

(defn pids [slaves]
  (sfor  slave slaves  (get slave.session.connection.about "pid")))

(defn leaves [master]
  (list (.values master.network.dispatcher.registry.lent)))

(defn test-all-is-done-by-leaves [master]
  (holds (len (leaves master)) 4)
  (holds (set (.map master PIDS (range 200) :chunk-size 5)) (pids (leaves master)))
  (setv heads (- (set (.slaves master)) (set (leaves master))))
  (holds (set (.broadcast master '(fn [i o] (hy.I.os.getpid)))) (pids (.slaves master)))
  ; What is for any slave is for heads; each holds its task until another slave has one too.
  (setv both (Barrier 2 :timeout WAIT))
  (defn held [i o]
    (setv pid (read i))
    (.wait both)
    pid)
  (holds (sfor  p (lfor  _ (range 8)  (.make-task master '(fn [i o] (hy.I.os.getpid)) held))
    (force p))
    (pids heads)))

(defn test-the-calls-give-what-they-give-without-a-tree [master]
  (setv xs (list (range 500))
        texts (list (map str xs)))
  (for [size [7 None]]
    (holds (.map master '(fn [x y] (+ x y)) xs xs :chunk-size size) (lfor  x xs  (+ x x)))
    (holds (list (.imap master '(fn [x] (* x x)) (iter xs) :chunk-size size)) (lfor  x xs  (* x x)))
    (holds (sorted (.map-unordered master 'str xs :chunk-size size)) (sorted texts))
    (holds (.reduce master '(fn [a b] (+ a b)) texts "" :chunk-size size) (.join "" texts))
    (holds (.map-reduce master 'len '(fn [a b] (+ a b)) texts :chunk-size size) (len (.join "" texts)))
    (holds (.for-each master 'str xs :chunk-size size) None)))

(defn test-what-is-beside-the-procedure-goes-along [master]
  (setv big (list (range 1000))
        n 5)
  (holds (.map master `(fn [x] (+ x (get ~big ~n))) (range 100)) (list (range 5 105)))
  (.define master '(defn twice [x] (* 2 x)))
  (holds (.map master 'twice (range 20)) (list (range 0 40 2))))

(defn test-an-error-comes-up-with-its-item-and-its-lines [master]
  (with [raised (pytest.raises ZeroDivisionError)]
    (.map master '(fn [x] (/ 6 (- x 33))) (range 100) :chunk-size 2))
  (setv e raised.value)
  (assert (isinstance e RemoteError))
  (holds #(e.index e.message e.type-name) #(33 "division by zero" "ZeroDivisionError"))
  (setv told (.join "\n" [#* (getattr e "__notes__" []) (str e.__cause__) e.traceback]))
  (for [part ["(fn [x] (/ 6 (- x 33)))" "for the item 33"]]
    (assert (in part told) told))
  (setv got (.map master '(fn [x] (/ 6 (- x 3))) (range 6) :chunk-size 1 :errors "return"))
  (holds (lfor  x got  (if (isinstance x ZeroDivisionError) x.index x)) [-2.0 -3.0 -6.0 3 6.0 3.0])
  (with [_ (pytest.raises NameError :match "nowhere")]
    (.map master '(fn [x] nowhere) [1])))

(defn test-a-group-of-errors-comes-up-whole [master]
  (unless (hasattr builtins "ExceptionGroup")
    (pytest.skip "this Python has no exception groups"))
  (setv [e] (.map master '(fn [x] (raise (ExceptionGroup "both" [(ValueError "a") (KeyError "b")]))) [1]
    :errors "return"))
  (holds (lfor  one e.exceptions  (isinstance one #(ValueError KeyError))) [True True]))

(defn [pytest.fixture] mortal []
  "A master whose slaves may die."
  (with [master (Master)]
    (dpfw-launch 6 master)
    (.tree master 2)
    (yield master)))

(defn test-a-leaf-that-dies-is-a-lost-slave [mortal]
  (setv dies '(fn [x] (when (= x 7) (hy.I.os.kill (hy.I.os.getpid) 9)) x))
  (with [raised (pytest.raises SlaveLost)]
    (.map mortal dies (range 20) :chunk-size 2))
  (assert (re.match "items 6 to 7: the slave " (str raised.value)) (str raised.value))
  ; Another is started in its place, and no branch's.
  (until (fn [] (and (= 3 (len (leaves mortal))) (= 6 (len (.slaves mortal))))))
  (.tree mortal 2)
  (setv got (.map mortal dies (range 20) :chunk-size 2 :errors "return"))
  (holds (lfor  x got  (if (isinstance x SlaveLost) "lost" x))
    [#* (range 6) "lost" "lost" #* (range 8 20)])
  (assert (re.match "items 6 to 7: the slave " (str (get got 7))) (str (get got 7))))

(defn head [master]
  (next (gfor  slave (.slaves master)  :if (not-in slave (leaves master))  slave)))

(defn mapping [master #** options]
  "The results of a call that has begun, as they come."
  (setv results (.imap master '(fn [x] (hy.I.time.sleep 0.005) x) (range 200) :chunk-size 2 #** options))
  (holds (next results) 0)
  results)

(defn test-retries-cover-leaves-heads-and-whole-branches [mortal]
  (setv results (mapping mortal :retries 3))
  (.kill mortal (get (leaves mortal) 0))
  (holds (list results) (list (range 1 200)))
  ; All leaves of one branch.
  (setv results (mapping mortal :retries 3)
        [branch #* _] (sorted mortal.network.tree.branches :key (fn [branch] (len branch.leaves))))
  (for [leaf (list branch.leaves)]
    (.kill mortal leaf))
  (holds (list results) (list (range 1 200)))
  ; The head of the other one, whose leaves work on.
  (setv [branch] (lfor  branch mortal.network.tree.branches  :if branch.leaves  branch)
        results (mapping mortal :retries 3))
  (.kill mortal branch.head)
  (holds (list results) (list (range 1 200)))
  (until (fn [] (not (leaves mortal))))
  (holds (set (.map mortal PIDS (range 60) :chunk-size 1)) (pids (.slaves mortal)))
  (holds (len (.slaves mortal)) 3))

(defn test-a-drained-leaf-and-a-drained-head-lose-nothing [mortal]
  (setv results (mapping mortal))
  (.drain mortal (get (leaves mortal) 0) :wait True)
  (.drain mortal (head mortal) :wait True)
  (holds (list results) (list (range 1 200)))
  (holds (len (.slaves mortal)) 4))

(defn test-without-retries-a-head-that-dies-is-a-lost-slave [mortal]
  ; Each has some in hand for long enough.
  (setv results (.imap mortal '(fn [x] (hy.I.time.sleep (if x 0.2 0)) x) (range 40) :chunk-size 1))
  (holds (next results) 0)
  (.kill mortal (head mortal))
  (with [_ (pytest.raises SlaveLost :match "^items [0-9]+ to [0-9]+: the slave .* was lost")]
    (list results)))

(defn test-the-end-of-a-call-goes-down [master tmp-path]
  (setv path (str (/ tmp-path "began"))
        slow `(fn [x]
                (with [_ (open ~path "a")])
                (try
                  (while True
                    (hy.I.time.sleep 0.01))
                  (finally
                    (with [f (open ~path "a")]
                      (.write f "stopped\n"))))))
  (with [_ (pytest.raises TaskTimeout)]
    (.map master slow (range 4) :chunk-size 1 :timeout 5))
  (until (fn [] (= 4 (.count (.read-text (/ tmp-path "began")) "stopped")))))

(defn test-what-leaves-print-comes-up [mortal]
  (setv lines [])
  (setv mortal.output (fn [slave stream line] (.append lines line)))
  (.for-each mortal '(fn [x] (print "line" x)) (range 4) :chunk-size 1)
  (until (fn [] (>= (len lines) 4)))
  (holds (sorted (lfor  line lines  (get (.split line "] ") -1))) (lfor  n (range 4)  f"line {n}")))

(defn test-labels-stay-together []
  (with [master (Master)]
    (dpfw-launch 2 master)
    (setv gpus (dpfw-launch 2 master :labels ["gpu"]))
    (.tree master 2)
    (holds (set (.map master PIDS (range 40) :on "gpu" :chunk-size 1))
      (& (pids gpus) (pids (leaves master))))))

(defn test-levels []
  "More slaves than the width of two levels have room for: a third."
  (with [master (Master)]
    (dpfw-launch 7 master)
    (holds (len (.tree master 1)) 1)
    ; Head, head, head … and one leaf at the end.
    (holds (len (set (.map master PIDS (range 20) :chunk-size 1))) 1)
    (.tree master 2)
    (holds (len (set (.map master PIDS (range 100) :chunk-size 1))) 4)))

(defn test-nothing-stays-of-a-tree [master]
  (setv [head] (cut (.tree master 2) 1))
  (defn threads []
    (force (.make-task master '(fn [i o] (lfor  t (hy.I.threading.enumerate)  t.name)) read-result head)))
  (assert (in "dpfw-master-reactor" (threads)))
  (.tree master None)
  (until (fn [] (not-in "dpfw-master-reactor" (threads))))
  (holds (leaves master) [])
  (holds (set (.map master PIDS (range 100) :chunk-size 1)) (pids (.slaves master))))

(defn test-bad-widths [forest]
  (for [[width error] [[0 ValueError] [-1 ValueError] ["2" TypeError] [True TypeError] [2.0 TypeError]]]
    (with [_ (pytest.raises error :match "the width is .*; give the most slaves that a master is to have")]
      (.tree forest width)))
  (holds (.tree forest 6) [])
  (with [closed (Master)])
  (with [_ (pytest.raises MasterClosed)]
    (.tree closed 2)))

(defn test-a-branch-that-cannot-be-built-leaves-none [forest monkeypatch]
  (monkeypatch.setattr Branch "address" (fn [self listens] ["127.0.0.1" 1]))
  (with [_ (pytest.raises ConnectionRefusedError :match "nothing listens on 127.0.0.1:1")]
    (.tree forest 2))
  (holds (leaves forest) [])
  (holds (.map forest '(fn [x] x) (range 10)) (list (range 10))))

(defn test-chunks-for-a-branch []
  (setv pace (Pace 2 1000 30))
  (holds (.size pace 0 4) (* 2 30 PASSES))
  (holds (.size pace 600 4) (* 2 50))  ; of the last 400, a share of each of four
  (holds (.size pace 999 4) (* 2 30))
  (holds (.size (Pace 2 None 30) 0 4) (* 2 30 PASSES))
  (holds (.size (Pace 2 1000 1) 0 4) 2))

(defn test-two-trees-at-once-are-one-after-the-other [master]
  (for [_ (range 3)]
    (setv trees (lfor  _ (range 2)  (begin master.tree 2)))
    (for [tree trees]
      (holds (len (outcome tree)) 2)))
  (holds (len (leaves master)) 4)
  (holds (set (.map master PIDS (range 200) :chunk-size 5)) (pids (leaves master))))
