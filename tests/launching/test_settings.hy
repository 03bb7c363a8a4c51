"What launched slaves are started with: names, labels, environment, memory, threads."

(import
  collections [Counter]
  os
  sys
  pytest
  dpfw.launch [dpfw-launch]
  dpfw.master [Master]
  dpfw.processes.settings [KIN Settings]
  dpfw.serve.memory-limit [bytes-of]
  dpfw.task.ports [read-result]
  tests.helpers [holds message until]
  tests.processes [await-so ended pausing run-task slave-process WAIT])

(setv
  LINUX (pytest.mark.skipif (!= sys.platform "linux") :reason "no limits of memory here")
  ENV '(fn [i o] (import os) (dict os.environ)))

(defn [pytest.fixture] bare [monkeypatch]
  "The user has set nothing."
  (for [name KIN]
    (.delenv monkeypatch name :raising False)))

(defn environment [#* arguments #** options]
  "That of slaves with these settings."
  (with [master (Master)]
    (.environment (Settings #* arguments #** options) master.node)))

(defn [LINUX] test-they-have-what-was-asked-for []
  (with [master (Master)]
    (setv slaves (dpfw-launch 2 master :name "w" :labels ["gpu" "big"] :env {"ANSWER" "42" "PYTHONPATH" "/nowhere"}
                   :memory "256M"))
    (holds (lfor  s slaves  s.name) ["w-1" "w-2"])
    (holds (lfor  s slaves  s.labels) [["big" "gpu"] ["big" "gpu"]])
    (setv env (run-task master ENV :on "gpu"))
    (holds (get env "ANSWER") "42")
    (holds (get (.split (get env "PYTHONPATH") os.pathsep) 0) "/nowhere")
    ; Who wants too much is told, again and again, and the slave serves on.
    (for [_ (range 2)]
      (with [_ (pytest.raises MemoryError)]
        (run-task master '(fn [i o] (len (bytearray 300,000,000))) :slave (get slaves 0))))
    (holds (run-task master '(fn [i o] (len (bytearray 10,000,000))) :slave (get slaves 0)) 10,000,000)
    (holds (.slaves master) (lfor  s (.slaves master)  :if (in s slaves)  s))))

(defn test-who-comes-in-a-place-has-the-same-name [monkeypatch]
  (with [master (Master)]
    (setv [slave] (dpfw-launch 1 master :name "one" :labels ["x"]))
    (.kill slave.process)
    (setv next (run-task master '(fn [i o] (import os) (os.getpid)) :on "x" :retries 1))
    (holds (lfor  s (.slaves master)  [s.name s.process.pid]) [["one" next]])
    (assert (!= next slave.process.pid))))


;; How long they live

(defn test-after-so-many-tasks-another-comes-and-nothing-is-lost-or-run-twice [tmp-path]
  (with [_ (pausing 0.001)
         master (Master)]
    (dpfw-launch 2 master :tasks 5)
    (setv note `(fn [i o] (import os) (with [f (open ~(str (/ tmp-path "runs")) "a")] (.write f "x")) (os.getpid))
          pids (lfor  p (lfor  _ (range 40)  (.make-task master note read-result))  (.result p WAIT)))
    (holds (.read-text (/ tmp-path "runs")) (* "x" 40))
    (holds (max (.values (Counter pids))) 5)
    ; One of the two may have more to do yet.
    (assert (in (len (set pids)) [8 9]))))

(defn test-after-its-lifetime-another-comes []
  (with [_ (pausing 0.001)
         master (Master)]
    (setv [slave] (dpfw-launch 1 master :lifetime "2s"))
    (await-so master (fn [] slave.lost))
    (assert (!= (run-task master '(fn [i o] (import os) (os.getpid)) :retries 5) slave.process.pid))))

(defn test-who-leaves-without-a-task-is-told [caplog]
  (with [_ (pausing 0.001)
         master (Master)]
    (.on-connect master '(fn [i o] 1))
    (dpfw-launch 1 master :tasks 2)
    (.broadcast master '(fn [i o] 1))
    (.on-connect master '(fn [i o] 2))
    (until (fn [] (in "has left, and has done no task; another is started in its place" caplog.text)))))

(defn test-none-comes-for-one-that-was-drained []
  (with [master (Master)]
    (setv [slave other] (dpfw-launch 2 master)
          runs (.make-task master '(fn [i o] 1) read-result slave))
    (.drain master slave :wait True)
    (holds (.result runs WAIT) 1)
    (holds (.wait slave.process WAIT) 0)
    (.drain master other)
    (until (fn [] (not master.node.closers)))
    (holds (.slaves master) [])))

(defn test-another-comes-for-one-that-was-told-to-leave-by-others []
  (with [_ (pausing 0.001)
         master (Master)]
    (setv [slave] (dpfw-launch 1 master))
    (run-task master '(fn [i o] 1))
    (.terminate slave.process)
    (holds (.wait slave.process WAIT) 0)
    (assert (!= (run-task master '(fn [i o] (import os) (os.getpid))) slave.process.pid))))


;; Threads of libraries

(defn test-each-has-its-share-of-the-processors [bare monkeypatch]
  (.setattr monkeypatch os "sched_getaffinity" (fn [_] (range 9)) :raising False)
  (for [[n share] [[1 "9"] [2 "4"] [4 "2"] [9 "1"] [100 "1"]]]
    (setv env (environment n))
    (holds (lfor  name KIN  (get env name)) (* [share] (len KIN)))))

(defn test-what-the-user-has-set-stays [bare monkeypatch]
  (.setenv monkeypatch "MKL_NUM_THREADS" "7")
  (setv env (environment 64 :env {"OPENBLAS_NUM_THREADS" "5"}))
  (holds (lfor  name (cut KIN 3)  (get env name)) ["1" "5" "7"])
  ; Where this is set, others would follow it.
  (setv env (environment 64 :env {"OMP_NUM_THREADS" "3"}))
  (holds (lfor  name KIN  (.get env name)) ["3" None "7" None None None]))


;; Wrong ones

(defn [(pytest.mark.parametrize #("options" "error" "says") [
    [{"name" ""} ValueError "such as \"worker\""]
    [{"name" 7} TypeError "such as \"worker\""]
    [{"name" (* "x" 99)} ValueError "with a number behind it"]
    [{"labels" "gpu"} TypeError "give a list"]
    [{"labels" [7]} TypeError "such as \"gpu\""]
    [{"labels" (* ["x"] 21)} ValueError "give 20 at most"]
    [{"env" ["A=1"]} TypeError "give a dict"]
    [{"env" {"A" 1}} TypeError "'A' is 1; give texts"]
    [{"env" {"A=B" "1"}} ValueError "'A=B'"]
    [{"env" {"A" "x\0"}} ValueError "'A'"]
    [{"env" {"DPFW_COOKIE" "x"}} ValueError "leave it out"]
    [{"memory" "much"} ValueError "such as \"500M\""]
    [{"memory" 2.5} TypeError "such as \"2G\""]
    [{"memory" True} TypeError "such as \"2G\""]
    [{"memory" "1M"} ValueError "give \"64M\" or more"]
    [{"memory" -1} ValueError "give \"64M\" or more"]
    [{"lifetime" 7200} TypeError "such as \"90s\""]
    [{"lifetime" "2 hours"} ValueError "such as 90s or 2h"]
    [{"tasks" 0} ValueError "1 or more"]
    [{"tasks" "7"} TypeError "1 or more"]])]
    test-what-makes-no-sense-starts-nothing [options error says]
  (with [master (Master)]
    (with [raised (pytest.raises error)]
      (dpfw-launch 2 master #** options))
    (holds raised.type error)
    (message raised says)
    (assert (not master.node.closers))))

(defn test-a-label-given-twice-is-one-label []
  (holds (. (Settings 2 :labels ["gpu" "big" "gpu"]) labels) ["big" "gpu"]))

(defn test-sizes []
  (for [[text n] [["100" 100] ["1K" 1024] ["1.5G" (* 3 (** 2 29))] ["2GiB" (** 2 31)] ["2GB" (** 2 31)] ["1T" (** 2 40)] [5 5]]]
    (holds (bytes-of text) n))
  (for [text ["" "G" "-1G" "1 G" "1e3" "٣"]]
    (with [_ (pytest.raises ValueError)]
      (bytes-of text))))

(defn [LINUX] test-a-slave-at-the-command-line-has-a-limit-too []
  (for [[size says] [["2X" "such as \"500M\""] ["1M" "give \"64M\" or more"]]]
    (with [process (slave-process "0" "--memory" size)]
      (setv [status out err] (ended process))
      (holds status 2)
      (assert (in says err) err))))

(defn test-a-descriptor-that-is-no-socket-is-refused []
  (for [text ["x" "3" "99,1,1,1,1" "0,1,1,1,1"]]
    (with [process (slave-process "--inherited" text)]
      (setv [status out err] (ended process))
      (holds status 2)
      (assert (in f"'{text}' are no descriptors that were left open here" err) err))))
