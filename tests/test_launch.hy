"Slave processes of one's own."

(import
  logging
  os
  signal
  subprocess
  sys
  threading
  types [SimpleNamespace]
  pytest
  dpfw.dispatch.dispatcher [Dispatcher]
  dpfw.dispatch.readers [ResultReader]
  dpfw.dispatch.task [Task]
  dpfw.errors [LaunchError MasterClosed WireError]
  dpfw.launch [dpfw-launch dpfw-launch-dask dpfw-launch-ipyparallel dpfw-launch-ray dpfw-launch-ssh]
  dpfw.master [Master]
  dpfw.processes.launch [Launch]
  dpfw.processes.local [local-launch]
  dpfw.processes.place [Place]
  dpfw.processes.settings [Settings]
  dpfw.task.ports [read-result]
  tests.helpers [begin outcome]
  tests.processes [await-so error-of launched run-task WAIT])

(setv PID '(fn [i o] (import os) (os.getpid)))

(defn gone? [pid]
  "Has this process, which may be no child of ours, ended?"
  (try
    (with [f (open f"/proc/{pid}/stat")]
      (= (get (.split (get (.rpartition (.read f) ")") 2)) 0) "Z"))
    (except [FileNotFoundError]
      True)))

(defn wait-until [condition]
  "Poll for what gives no event: the end of another's child."
  (import time)
  (setv deadline (+ (time.monotonic) WAIT))
  (while (not (condition))
    (assert (< (time.monotonic) deadline) "waited in vain")
    (os.sched-yield)))

(defn test-launched-slaves-are-processes-of-this-one []
  (with [[master slaves] (launched 2)]
    (assert (= (len slaves) 2) slaves)
    (assert (= (set slaves) (set (.slaves master))))
    (setv parents (.broadcast master '(fn [i o] (import os) (os.getppid))))
    (assert (= parents [(os.getpid) (os.getpid)]) parents)))

(defn [(pytest.mark.skipif (not (hasattr os "pidfd_open")) :reason "the system tells of no process's end")]
      test-one-of-whose-end-nobody-could-hear-does-not-stay [monkeypatch]
  (setv started [])
  (defn no-descriptors [pid]
    (.append started pid)
    (raise (OSError 24 "no more descriptors")))
  (with [master (Master)]
    (monkeypatch.setattr os "pidfd_open" no-descriptors)
    (setv error (error-of dpfw-launch 1 master))
    (assert (in "no more descriptors" (str error)) (repr error))
    (assert (gone? (get started 0)))
    ; Nor does a zombie, or the address that it was to dial.
    (assert (not (os.path.exists f"/proc/{(get started 0)}")))
    (assert (not master.node.connections) master.node.connections)))

(defn test-they-go-with-the-master-that-closes []
  (with [[master slaves] (launched 2)]
    (setv pids (.broadcast master PID)))
  (for [pid pids]
    (assert (gone? pid) pid)))

(defn test-they-go-when-they-are-busy-and-do-not-listen []
  (with [[master [slave]] (launched 1)]
    (setv promise (.make-task master
      '(fn [i o]
        (import os)
        (write (os.getpid) o)
        (.flush o)
        (while True
          (try
            (while True)
            (except [BaseException]))))
      (fn [i o]
        (.append pids (read-result i o))
        (.set started)
        (read-result i o)))
      pids []
      started (threading.Event))
    (.wait started WAIT))
  (assert (isinstance (.exception promise WAIT) Exception))
  (assert (gone? (get pids 0))))

(defn [(pytest.mark.parametrize "ending" ["(os.kill (os.getpid) 9)" "(os._exit 1)" "None" "(/ 1 0)"])]
  test-they-go-however-the-master-ends [ending tmp-path]
  (.write-text (/ tmp-path "m.hy") f"
    (import os dpfw.master * dpfw.launch [dpfw-launch])
    (dpfw-launch 2)
    (print #* (dpfw-broadcast {(hy.repr PID)}) :flush True)
    (setv busy (dpfw-make-task '(fn [i o] (while True)) read-result))
    {ending}")
  ; Not by the file's name: Python 3.12.0 to 3.12.5 cannot run Hy 1.3 so.
  (setv got (subprocess.run [sys.executable "-m" "hy" "-m" "m"] :cwd tmp-path
    :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT))
  (setv pids (list (map int (.split got.stdout))))
  (assert (= (len pids) 2) got)
  (for [pid pids]
    (wait-until (fn [] (gone? pid)))))

(defn test-from-plain-python [tmp-path]
  (setv script (/ tmp-path "m.py"))
  (.write-text script "
from dpfw.master import dpfw_make_task, dpfw_close, force, read_result
from dpfw.launch import dpfw_launch
slaves = dpfw_launch(1)
print(len(slaves), force(dpfw_make_task('(fn [i o] (* 6 7))', read_result)))
dpfw_close()
")
  (setv got (subprocess.run [sys.executable (str script)]
    :capture-output True :text True :timeout WAIT))
  (assert (= [got.stdout got.stderr got.returncode] ["1 42\n" "" 0]) got))

(defn test-from-a-repl []
  (setv got (subprocess.run [sys.executable "-m" "hy" "-i"]
    :input "(import dpfw.master * dpfw.launch [dpfw-launch])
(len (dpfw-launch 1))
(force (dpfw-make-task `(fn [i o] (+ 2 3)) read-result))
"
    :capture-output True :text True :timeout WAIT))
  (assert (= got.returncode 0) got)
  (assert (in "5" (.split got.stdout)) got))

(defn test-they-import-what-the-master-can-import [tmp-path monkeypatch]
  (.write-text (/ tmp-path "only_here.py") "answer = 42\n")
  (.syspath-prepend monkeypatch (str tmp-path))
  (with [[master _] (launched 1)]
    (assert (= (run-task master '(fn [i o] (import only-here) only-here.answer)) 42))))

(defn test-a-slave-that-does-not-come-up-is-an-error-and-none-stays [monkeypatch]
  (.setattr monkeypatch sys "executable" "/bin/false")
  (with [master (Master)]
    (setv error (error-of dpfw-launch 2 master))
    (assert (isinstance error LaunchError) (repr error))
    (assert (in "status 1" (str error)) (str error))
    (assert (= (.slaves master) []))))

(defn test-a-dead-slave-is-reaped []
  (with [[master [slave]] (launched 1)]
    (setv pid (run-task master PID))
    (os.kill pid signal.SIGKILL)
    (wait-until (fn [] (not (os.path.exists f"/proc/{pid}"))))
    (await-so master (fn [] slave.lost))))


;; When it is up

(defn joining-slave [dispatcher #* preparations]
  "A slave that has just joined, and the launch that it belongs to."
  (setv network (SimpleNamespace :dispatcher dispatcher)
        master (SimpleNamespace :node None :network network :check-open (fn []))
        launch (Launch master (fn [launch] [(Place launch)])))
  (for [remote preparations]
    (.initialise dispatcher remote None))
  (setv [slave _] (.joined dispatcher "id" (SimpleNamespace :about {} :why "" :last-words []))
        (. (get launch.places 0) slave) slave)
  #(launch slave))

(defn test-it-waits-for-slaves-that-are-prepared []
  (setv dispatcher (Dispatcher)
        [launch slave] (joining-slave dispatcher "a preparation"))
  (defn check [state there]
    (assert (= slave.state state) slave.state)
    (assert (= (.slaves-if-all launch) (when there [slave])) slave.state))
  (check "joining" False)
  (.heard dispatcher slave.session)
  (check "preparing" False)
  (.sent dispatcher slave.session slave.session.task)
  (.answered dispatcher slave.session 1 #("result" None))
  (check "idle" True)
  (.made dispatcher (Task ["frames"] :reader ResultReader :slave slave))
  (check "busy" True))

(defn test-a-slave-that-leaves-is-not-up []
  (setv dispatcher (Dispatcher)
        [launch slave] (joining-slave dispatcher))
  (.heard dispatcher slave.session)
  (.dismissed dispatcher slave.session)
  (assert (= slave.state "leaving") slave.state)
  (assert (is (.slaves-if-all launch) None))
  (.hung-up dispatcher slave.session (WireError "it was killed"))
  (assert (= slave.state "lost") slave.state)
  (assert (is (.slaves-if-all launch) None)))

(defn test-a-master-that-closes-ends-the-launch [tmp-path monkeypatch]
  (setv gate (/ tmp-path "gate")
        slow (/ tmp-path "slow"))
  (os.mkfifo gate)
  (.write-text slow f"#!/bin/sh\necho > {gate}\nexec sleep {WAIT}\n")
  (.chmod slow 0o700)
  (.setattr monkeypatch sys "executable" (str slow))
  (with [master (Master)]
    (setv launching (begin error-of dpfw-launch 1 master))
    (.read-text gate)  ; it has started
    (.close master)
    (setv error (outcome launching))
    (assert (isinstance error MasterClosed) (repr error))))


;; When it is down

(defn [(pytest.mark.skipif (not (hasattr os "pidfd_open")) :reason "the system tells of no end")]
  test-who-hears-of-an-end-and-who-waits-for-it-close-one-file-once [caplog]
  (with [master (Master)]
    (setv launch (local-launch master (Settings 1))
          [slave] (.up launch)
          reactor master.node.reactor
          unwatch reactor.unwatch
          told-by slave.linked.child.file
          heard (threading.Event)
          down (threading.Event))
    (defn slow-unwatch [file]
      (when (and (.mine reactor) (is file told-by))
        (.set heard)
        (.wait down WAIT))
      (unwatch file))
    (setv reactor.unwatch slow-unwatch)
    (.kill slave.process)
    (assert (.wait heard WAIT))
    (.down launch)
    (.down launch)
    (.set down)
    (await-so master (fn [] slave.lost)))
  (assert (not (lfor  r caplog.records  :if (>= r.levelno logging.ERROR)  r)) caplog.text))

(defn test-nothing-is-kept-of-slaves-that-have-ended []
  (with [master (Master)]
    (defn nothing-kept []
      (not master.node.closers))
    (dpfw-launch 0 master)
    (assert (nothing-kept))
    (setv slaves (dpfw-launch 2 master))
    (.kill master (get slaves 0))
    (await-so master (fn [] (. (get slaves 0) lost)))
    (assert (not (nothing-kept)))
    (.kill master (get slaves 1))
    (await-so master nothing-kept)))

(defn test-nor-of-a-launch-that-failed [monkeypatch]
  (.setattr monkeypatch sys "executable" "/bin/false")
  (with [master (Master)]
    (assert (isinstance (error-of dpfw-launch 2 master) LaunchError))
    (assert (not master.node.closers) master.node.closers)))

(defn [(pytest.mark.parametrize "other" [0 "" "m" False [] (Settings 1)])] test-what-is-no-master-is-refused [other]
  (for [call [(fn [] (dpfw-launch 1 other)) (fn [] (dpfw-launch-ssh ["nowhere.invalid"] other))
              (fn [] (dpfw-launch-dask None 1 other)) (fn [] (dpfw-launch-ray 1 other))
              (fn [] (dpfw-launch-ipyparallel None 1 other))]]
    (with [_ (pytest.raises TypeError :match "is no Master; give one, or nothing for the default one")]
      (call))))
