"Slaves that a real Slurm starts, by srun and in the job of deploy/slurm.sh."

(import
  contextlib [contextmanager]
  os
  re
  subprocess
  sys
  time
  pytest
  dpfw.errors [SlaveLost]
  dpfw.master [Master]
  dpfw.task.ports [read-result]
  tests.engines.programs [hy-arguments promised rewritten]
  tests.engines.slurm [needed slurm]
  tests.example-runs [ROOT]
  tests.helpers [WAIT holds until]
  tests.processes [await-slaves ended held run-task slave-command])

(setv
  pytestmark [needed (pytest.mark.usefixtures "slurm")])

(defn [pytest.fixture] master []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1")
          master.where f"{host}:{port}")
    (yield master)))

(defn [contextmanager] srun [n #* arguments  #** environment]
  "``n`` slaves with these arguments; standard output and error are pipes."
  (setv process (subprocess.Popen ["srun" f"--ntasks={n}" #* (slave-command #* arguments)]
    :stdin subprocess.DEVNULL :stdout subprocess.PIPE :stderr subprocess.PIPE :text True
    :env {#** os.environ #** environment}))
  (try
    (yield process)
    (finally
      (.terminate process)
      (.communicate process))))

(defn step-of [master]
  "The job and step that its slaves are, by the name of one."
  (.group (re.fullmatch r"node-1/job-(\d+\.\d+)/rank-\d+" (. (get (.slaves master) 0) name)) 1))

(defn ranks-say [err n what]
  (setv said (sorted (gfor  line (.splitlines err)  :if (.startswith line "dpfw-slave")  line)))
  (holds (len said) n)
  (for [[rank line] (enumerate said)]
    (assert (re.fullmatch fr"dpfw-slave node-1/job-\d+\.0/rank-{rank}: {what}" line) line)))

(defn test-its-tasks-are-slaves-until-their-master-goes [master]
  (with [process (srun 3 "--connect" master.where)]
    (await-slaves master 3)
    (holds (sorted (gfor  s (.slaves master)  s.name)) (lfor  n (range 3)  f"node-1/job-{(step-of master)}/rank-{n}"))
    (holds (.map master '(fn [x] (* x x)) (range 1000)) (lfor  x (range 1000)  (* x x)))
    (.close master)
    (setv [status out err] (ended process))
    (holds [status out] [0 ""])
    (ranks-say err 3 f"its master at {master.where} has gone")))

(defn test-scancel-drains-them [master]
  (with [process (srun 2 "--connect" master.where)]
    (await-slaves master 2)
    (setv [slave _] (.slaves master))
    (with [promise (held master slave)]
      (subprocess.run ["scancel" (get (.split (step-of master) ".") 0)] :check True)
      (until (fn [] (= #((.slaves master) slave.state) #([slave] "leaving")))))
    (assert (.result promise WAIT))
    (ranks-say (get (ended process) 2) 0 "")))

(defn test-a-task-that-dies-is-a-lost-slave-and-others-go-on [master]
  (with [process (srun 2 "--connect" master.where)]
    (await-slaves master 2)
    (setv [slave other] (.slaves master)
          promise (.make-task master '(fn [i o] (import os signal) (os.kill (os.getpid) signal.SIGKILL)) read-result slave))
    (assert (isinstance (.exception promise WAIT) SlaveLost))
    (holds (.slaves master) [other])
    (holds (run-task master '(fn [i o] 5)) 5)
    (.close master)
    (setv [status _ err] (ended process))
    (holds status 137)))  ; as srun has it

(defn test-what-keeps-them-from-a-master-is-a-line-and-a-status [master]
  (with [process (srun 2 "--connect" master.where :DPFW-COOKIE (* "z" 32))]
    (setv [status _ err] (ended process))
    (holds status 1)
    (ranks-say err 2 f"refused {master.where}: the cookies differ; give both ends the same, .*"))
  (.close master)
  (with [process (srun 2 "--connect" master.where "--wait" "0.3s")]
    (setv [status _ err] (ended process))
    (holds status 1)
    (ranks-say err 2 f"nothing listens on {master.where}; .*; tried for 0\\.3 seconds")))

(defn told-of [job]
  (time.sleep 0.1)  ; each look is a process
  (. (subprocess.run ["scontrol" "show" "job" job] :capture-output True :text True) stdout))

(defn test-a-job-of-its-own-runs-the-program-and-its-slaves [tmp-path]
  ; With the same hy and dpfw-slave as here.
  (setv environment {#** os.environ "PATH" (+ (os.path.dirname sys.executable) ":" (get os.environ "PATH"))}
        ; Who dials when the program has ended already goes on for a minute.
        path (rewritten tmp-path (+ "(dpfw-listen (int (hy.I.os.getenv \"DPFW_PORT\"))) "
               "(while (< (len (dpfw-slaves)) 3) (hy.I.time.sleep 0.01))"))
        output (/ tmp-path "output")
        run (subprocess.run ["sbatch" "--parsable" "--ntasks=3" f"--output={output}" f"--chdir={tmp-path}"
                             (str (/ ROOT "deploy" "slurm.sh")) #* (hy-arguments path)]
              :env environment :capture-output True :text True :timeout WAIT :check True))
  (until (fn [] (in "JobState=COMPLETED" (told-of (.strip run.stdout)))))
  (setv lines (.splitlines (.read-text output)))
  (holds (lfor  line lines  :if (not (.startswith line "dpfw-slave"))  line) (promised))
  (holds (len lines) (+ 3 (len (promised)))))
