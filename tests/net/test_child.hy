"A child's end is heard, whatever the system tells of it."

(import
  errno
  os
  signal
  subprocess
  threading
  pytest
  dpfw.net.child [Child]
  dpfw.net.reactor [Reactor]
  tests.helpers [WAIT holds]
  tests.processes [await-slaves launched pausing run-task])

(defn forbidden [_]
  (raise (OSError errno.ENOSYS (os.strerror errno.ENOSYS))))

(defn [(pytest.fixture :params [None forbidden])] untold [request monkeypatch]
  "A system without pidfds, or one that forbids them."
  (if request.param
    (monkeypatch.setattr os "pidfd_open" request.param :raising False)
    (monkeypatch.delattr os "pidfd_open" :raising False)))

(defn [pytest.fixture] reactor []
  (setv reactor (Reactor "the reactor of a test"))
  (yield reactor)
  (.close reactor))

(defn check-end [reactor process]
  "The reactor tells of it, and not who makes the child: he may hold locks."
  (setv heard (threading.Event)
        threads [])
  (setv child (Child process reactor (fn []
          (.append threads (threading.current-thread))
          (.set heard))))
  (.kill process)
  (assert (.wait heard WAIT))
  (.end-by child 0)
  (holds threads [reactor.thread]))

(defn test-of-one-that-lives [untold reactor]
  (check-end reactor (subprocess.Popen ["sleep" "60"])))

(defn test-of-one-that-has-ended-already [untold reactor]
  (setv process (subprocess.Popen ["true"]))
  (os.waitid os.P-PID process.pid (| os.WEXITED os.WNOWAIT))
  (check-end reactor process))

(defn test-a-launched-slave-is-replaced [untold]
  (with [_ (pausing 0)  [master [slave]] (launched 1)]
    (os.kill slave.process.pid signal.SIGKILL)
    (.wait-for master.network (fn [] (or slave.lost None)) WAIT)
    (await-slaves master 1)
    (assert (!= (run-task master '(fn [i o] (import os) (os.getpid))) slave.process.pid))))
