"A real Slurm of one node: its daemons, started here, with a configuration, ports and a
folder of the tests' own."

(import
  contextlib [contextmanager ExitStack]
  os
  secrets
  shutil
  socket
  subprocess
  pytest
  tests.helpers [WAIT until]
  tests.ssh.sshd [free-port])

(setv
  PATH (+ (os.environ.get "PATH" "") ":/usr/sbin:/usr/local/sbin")
  PROGRAMS ["munged" "slurmctld" "slurmd" "srun" "sbatch" "scancel" "sinfo" "squeue"]
  needed (pytest.mark.skipif (or (os.geteuid) (not (all (gfor  p PROGRAMS  (shutil.which p :path PATH)))))
    :reason "Slurm is not installed, or this is not root, who can start it; on Debian and its kin: apt-get install slurm-wlm munge"))

(defn configuration [folder]
  ; The number of a job says its port, and other tests may run on this machine.
  (setv host (socket.gethostname))
  f"ClusterName=dpfw
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={(free-port)}
SlurmdPort={(free-port)}
SlurmUser=root
FirstJobId={(+ 1 (secrets.randbelow 9000))}
AuthType=auth/munge
AuthInfo=socket={folder}/munge
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
NodeName=node-1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN
PartitionName=all Nodes=node-1 Default=YES State=UP
")

(defn [contextmanager] daemon [folder up #* command]
  "Such a process, when it is ``up``."
  (setv name (get command 0)
        log (/ folder f"{name}.log"))
  (with [f (open log "w")]
    (setv process (subprocess.Popen [(shutil.which name :path PATH) #* (cut command 1 None)]
      :stdin subprocess.DEVNULL :stdout f :stderr f)))
  (try
    (until (fn []
      (assert (is (.poll process) None) f"{name} has ended:\n{(.read-text log)}")
      (up)))
    (yield)
    (finally
      (.terminate process)
      (.wait process WAIT))))

(defn [contextmanager] running [folder]
  "A running Slurm."
  (for [name ["state" "spool"]]
    (.mkdir (/ folder name)))
  (setv key (/ folder "munge.key"))
  (.write-bytes key (secrets.token-bytes 1024))
  (.chmod key 0o400)
  (.write-text (/ folder "slurm.conf") (configuration folder))
  (with [patch (pytest.MonkeyPatch.context)
         stack (ExitStack)]
    (.setenv patch "SLURM_CONF" (str (/ folder "slurm.conf")))
    ; By force: its socket is in a folder of the tests', that others cannot enter.
    (.enter-context stack (daemon folder (fn [] (.exists (/ folder "munge"))) "munged" "--foreground" "--force" #* (lfor
      [option name] [["socket" "munge"] ["key-file" "munge.key"] ["pid-file" "munge.pid"]
                     ["log-file" "munge.log"] ["seed-file" "munge.seed"]]
      f"--{option}={folder}/{name}")))
    (.enter-context stack (daemon folder state "slurmctld" "-D"))
    (.enter-context stack (daemon folder (fn [] (= (state) "idle")) "slurmd" "-D" "-N" "node-1"))
    (yield)))

(defn state []
  "That of the node; nothing, if nobody tells."
  (.strip (. (subprocess.run ["sinfo" "--noheader" "--format=%T"] :capture-output True :text True) stdout)))

(defn [(pytest.fixture :scope "module")] slurm [tmp-path-factory]
  (with [_ (running (.mktemp tmp-path-factory "slurm"))]
    (yield)))
