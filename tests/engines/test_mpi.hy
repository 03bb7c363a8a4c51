"Slaves that the real mpirun starts."

(import
  re
  signal
  socket
  pytest
  dpfw.errors [SlaveLost]
  dpfw.master [Master]
  dpfw.task.ports [read-result]
  tests.engines.mpirun [mpirun needed]
  tests.helpers [WAIT holds until]
  tests.processes [await-slaves ended held run-task])

(setv
  pytestmark needed
  HOST (socket.gethostname))

(defn [pytest.fixture] master []
  "A master that listens, and where: HOST:PORT."
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1")
          master.where f"{host}:{port}")
    (yield master)))

(defn lines-of-ranks [err]
  (sorted (gfor  line (.splitlines err)  :if (.startswith line "dpfw-slave")  line)))

(defn ranks-say [err n what]
  (holds (lines-of-ranks err) (lfor  rank (range n)  f"dpfw-slave {HOST}/rank-{rank}: {what}")))

(defn named [master rank]
  (next (gfor  slave (.slaves master)  :if (= slave.name f"{HOST}/rank-{rank}")  slave)))

(defn test-its-ranks-are-slaves-until-their-master-goes [master tmp-path]
  (with [process (mpirun tmp-path 3 "--connect" master.where)]
    (await-slaves master 3)
    (holds (sorted (gfor  s (.slaves master)  s.name)) (lfor  n (range 3)  f"{HOST}/rank-{n}"))
    (holds (.map master '(fn [x] (* x x)) (range 1000)) (lfor  x (range 1000)  (* x x)))
    (holds (sorted (.broadcast master '(fn [i o] (import os) (get os.environ "OMPI_COMM_WORLD_LOCAL_RANK")))) ["0" "1" "2"])
    (.close master)
    (setv [status out err] (ended process))
    (holds [status out] [0 ""])
    (ranks-say err 3 f"its master at {master.where} has gone")))

(defn test-a-signal-that-it-passes-on-drains-them [master tmp-path]
  (with [process (mpirun tmp-path 3 "--connect" master.where)]
    (await-slaves master 3)
    (setv slave (named master 1))
    (with [promise (held master slave)]
      (.send-signal process signal.SIGUSR2)
      (until (fn [] (= #((.slaves master) slave.state) #([slave] "leaving")))))
    (assert (.result promise WAIT))
    (setv [status _ err] (ended process))
    (holds [status (lines-of-ranks err)] [0 []])
    (assert (in "SIGUSR2: this slave ends when what runs has ended" err) err)))

(defn test-its-own-sigterm-drains-as-long-as-it-waits [master tmp-path]
  ; It waits so long before the SIGTERM, and before the SIGKILL.
  (with [process (mpirun tmp-path 1 "--mca" "odls_base_sigkill_timeout" "4" "--" "--connect" master.where)]
    (await-slaves master 1)
    (setv [slave] (.slaves master))
    (with [promise (held master slave)]
      (.terminate process)
      (until (fn [] (= slave.state "leaving"))))
    (assert (.result promise WAIT))
    ; It says itself that it was ended.
    (setv [_ _ err] (ended process))
    (holds (lines-of-ranks err) [])))

(defn test-a-rank-that-dies-is-a-lost-slave-and-others-go-on [master tmp-path]
  (with [process (mpirun tmp-path 2 "--enable-recovery" "--" "--connect" master.where)]
    (await-slaves master 2)
    (setv promise (.make-task master '(fn [i o] (import os signal) (os.kill (os.getpid) signal.SIGKILL)) read-result (named master 0)))
    (assert (isinstance (.exception promise WAIT) SlaveLost))
    (holds (lfor  s (.slaves master)  s.name) [f"{HOST}/rank-1"])
    (holds (run-task master '(fn [i o] 5)) 5)
    (.close master)
    (holds (lines-of-ranks (get (ended process) 2)) [f"dpfw-slave {HOST}/rank-1: its master at {master.where} has gone"])))

(defn test-what-keeps-them-from-a-master-is-a-line-and-a-status [master tmp-path]
  (defn fails [says n #* arguments #** environment]
    (with [process (mpirun tmp-path n #* arguments #** environment)]
      (setv [status out err] (ended process)
            said (lines-of-ranks err))
      (holds [status out] [1 ""])
      ; It ends all when one has failed, so not all have a say.
      (assert said err)
      (for [line said]
        (assert (re.fullmatch f"dpfw-slave {(re.escape HOST)}/rank-[01]: {says}.*" line) line))))
  (fails f"refused {master.where}: the cookies differ; give both ends the same" 2
    "--connect" master.where :DPFW-COOKIE (* "z" 32))
  (.close master)
  (fails f"nothing listens on {master.where}; start a master there with: " 2
    "--connect" master.where "--wait" "0.3s"))
