"Which rank of a parallel job this process is, if ``mpirun`` or ``srun`` has started it.

They tell each process by its environment, which its children inherit. A slave that
serves the one that has started it, over a socket or an ssh, is no rank for that."

(import
  os
  socket
  dpfw.net.about [LONGEST text?])
(eval-when-compile (require hyrule.control [unless]))

(setv
  WAIT 60  ; seconds that a rank dials when no master answers: a job costs, and has an end
  ; The nearest first: an mpirun may run within a job of Slurm's.
  RANKS [
    "OMPI_COMM_WORLD_RANK"   ; Open MPI
    "PMIX_RANK"              ; its successors, and srun --mpi=pmix
    "PMI_RANK"               ; MPICH, Intel MPI, and srun --mpi=pmi2
    "SLURM_PROCID"])


(defn rank-name []
  "NODE/rank-N, or NODE/job-ID.STEP/rank-N of Slurm's; None in any other process. ::

    (os.environ.update {\"SLURM_PROCID\" \"3\"  \"SLURM_JOB_ID\" \"17\"  \"SLURM_STEP_ID\" \"0\"
                        \"SLURMD_NODENAME\" \"node-a\"})
    (rank-name)  ; => \"node-a/job-17.0/rank-3\""
  (for [variable RANKS]
    (setv rank (number variable))
    (unless (is rank None)
      (setv job (when (= variable "SLURM_PROCID") (job-step)))
      (unless (and (is job None) (= variable "SLURM_PROCID"))
        (return (cut (.join "/" [(node) #* (if job [job] []) f"rank-{rank}"]) LONGEST))))))

(defn job-step []
  "None in the script of a batch job, which has a SLURM_PROCID, too, and is no rank."
  (setv [job step] (map number ["SLURM_JOB_ID" "SLURM_STEP_ID"]))
  (unless (or (is job None) (is step None))
    f"job-{job}.{step}"))

(defn node []
  (setv name (os.environ.get "SLURMD_NODENAME" ""))
  (if (and name (text? name))
    name
    (socket.gethostname)))

(defn number [variable]
  (setv text (os.environ.get variable ""))
  (when (and (.isascii text) (.isdigit text) (< (len text) 10))
    (int text)))
