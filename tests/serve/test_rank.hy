"A slave that mpirun or srun has started says so by its name, and ends with its master.
What these really do, `tests/engines` shows; here is what they leave in the environment."

(import
  re
  signal
  socket
  threading
  pytest
  dpfw.master [Master]
  dpfw.serve.rank [rank-name]
  tests.helpers [holds until]
  tests.processes [WAIT ended held launched slave-process])

(setv
  HOST (socket.gethostname)
  SLURM {"SLURM_PROCID" "3"  "SLURM_JOB_ID" "17"  "SLURM_STEP_ID" "0"  "SLURMD_NODENAME" "node-a"})

(defn [(pytest.mark.parametrize #("environment" "name") [
    #({} None)
    #({"OMPI_COMM_WORLD_RANK" "0"} f"{HOST}/rank-0")
    #({"PMIX_RANK" "12"} f"{HOST}/rank-12")
    #({"PMI_RANK" "7"} f"{HOST}/rank-7")
    #(SLURM "node-a/job-17.0/rank-3")
    ; An mpirun in a job of Slurm's.
    #({#** SLURM  "OMPI_COMM_WORLD_RANK" "5"} "node-a/rank-5")
    ; The script of a batch job, which is no rank.
    #({"SLURM_PROCID" "0"  "SLURM_JOB_ID" "17"  "SLURMD_NODENAME" "node-a"} None)
    #({"SLURM_PROCID" "0"  "SLURM_JOB_ID" "17"  "SLURM_STEP_ID" "4294967291"} None)
    ; And the shell of an salloc.
    #({"SLURM_PROCID" "0"  "SLURM_JOB_ID" "17"  "SLURM_STEP_ID" "4294967290"} None)
    #({"PMI_RANK" "1"  "SLURMD_NODENAME" (* "n" 100)} f"{(* "n" 60)}/rank-1")
    #({"OMPI_COMM_WORLD_RANK" "many"} None)
    #({"OMPI_COMM_WORLD_RANK" "-1"} None)
    #({"OMPI_COMM_WORLD_RANK" "3"  "SLURMD_NODENAME" "a\nb"} f"{HOST}/rank-3")])]
  test-names [environment name]
  (holds (rank-name environment) name))

(defn rank [#* arguments #** environment]
  (slave-process #* arguments :OMPI-COMM-WORLD-RANK "3" #** environment))

(defn said [process status what]
  "Check how it ended, and the one line that it said."
  (setv [got out err] (ended process))
  (holds [got out] [status ""])
  (assert (re.fullmatch f"dpfw-slave {(re.escape HOST)}/rank-3: {what}\n" err) err))

(defn test-it-has-its-rank-in-its-name-and-ends-with-its-master []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (rank "--connect" f"{host}:{port}")]
      (holds (. (.get-slave master) name) f"{HOST}/rank-3")
      ; It runs a task when the master goes, and stops.
      (setv begun (threading.Event))
      (.make-task master '(fn [i o] (print "begun" :file o) (.flush o) (while True))
        (fn [i o] (.readline i) (.set begun) (.readline i)))
      (assert (.wait begun WAIT))
      (.close master)
      (said process 0 f"its master at {host}:{port} has gone"))))

(defn test-it-ends-so-though-its-remote-does-not-stop []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (rank "--connect" f"{host}:{port}")]
      (.get-slave master)
      (setv begun (threading.Event))
      (.make-task master '(fn [i o]
          (import signal time)
          (signal.pthread-sigmask signal.SIG-BLOCK [signal.SIGURG])  ; by which it is interrupted
          (try
            (print "begun" :file o)
            (.flush o)
            (except [BaseException]))  ; the master may be gone before that has returned
          (time.sleep 60))
        (fn [i o] (.readline i) (.set begun) (.readline i)))
      (assert (.wait begun WAIT))
      (.close master)
      (said process 1 f"its master at {host}:{port} has gone, and what runs does not stop"))))

(defn test-it-drains-at-sigusr2 []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (rank "--connect" f"{host}:{port}")]
      (setv slave (.get-slave master))
      (with [promise (held master slave)]
        (.send-signal process signal.SIGUSR2)
        (until (fn [] (= slave.state "leaving"))))
      (holds (.result promise WAIT) process.pid)
      (setv [status _ err] (ended process))
      (holds status 0)
      (assert (in "SIGUSR2: this slave ends when what runs has ended" err) err))))

(defn test-a-name-of-its-users-stays []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (rank "--connect" f"{host}:{port}" "--name" "mine")]
      (setv slave (.get-slave master))
      (holds slave.name "mine")
      ; And one that is drained has nothing to say.
      (.drain master slave)
      (holds (ended process) #(0 "" "")))))

(defn test-a-master-that-cannot-be-reached-is-dialled-for-a-while []
  (with [s (socket.create-server #("127.0.0.1" 0))]
    (setv port (get (.getsockname s) 1)))
  (with [process (rank "--connect" f"127.0.0.1:{port}" "--wait" "0.3s")]
    (said process 1 fr"nothing listens on 127\.0\.0\.1:{port}; start a master there with: \(dpfw-listen {port}\); tried for 0\.3 seconds"))
  (with [process (rank "--connect" f"no.such.host.invalid:{port}")]
    (said process 1 "the host 'no.such.host.invalid' does not resolve: .*")))

(defn test-and-it-may-come-meanwhile []
  (with [s (socket.create-server #("127.0.0.1" 0))]
    (setv port (get (.getsockname s) 1)))
  (with [process (rank "--connect" f"127.0.0.1:{port}" "--log-level" "info")]
    (assert (in "dialling for 60 seconds" (.readline process.stderr)))
    (with [master (Master)]
      (.listen master port :host "127.0.0.1")
      (.get-slave master))
    (holds (get (ended process) 0) 0)))

(defn test-another-cookie-is-said-at-once []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (rank "--connect" f"{host}:{port}" :DPFW-COOKIE (* "z" 32))]
      (said process 1 f"refused {host}:{port}: the cookies differ; give both ends the same, .*"))))

(defn test-one-that-serves-who-has-started-it-is-no-rank [monkeypatch]
  (monkeypatch.setenv "OMPI_COMM_WORLD_RANK" "3")
  (with [[master [slave]] (launched 1)]
    (holds slave.name f"{HOST}/{slave.process.pid}")))


;; Without an mpirun

(defn test-with-a-wait-it-dials-again-for-so-long []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (slave-process "--connect" f"{host}:{port}" "--wait" "5s")]
      (setv id (. (.get-slave master) id))
      (.close master)
      (with [other (Master)]
        (.listen other port :host host)
        (holds (. (.get-slave other) id) id))
      (setv [status out err] (ended process))
      (holds [status out] [1 ""])
      (assert (.endswith err "; tried for 5 seconds\n") err)
      (assert (in f"dpfw-slave: nothing listens on {host}:{port}" err) err))))

(defn [(pytest.mark.parametrize #("arguments" "says") [
    #(["0" "--wait" "1s"] "--wait goes with --connect")
    #(["--connect" "127.0.0.1:1" "--wait" "1"] "'1' is no duration")])]
  test-what-makes-no-sense-is-named [arguments says]
  (with [process (slave-process #* arguments)]
    (setv [status _ err] (ended process))
    (holds status 2)
    (assert (in says err) err)))
