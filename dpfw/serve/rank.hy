"Which rank of a parallel job this process is, if ``mpirun`` or ``srun`` has started it.

They tell each process by its environment, which its children inherit. A slave that
serves the one that has started it, over a socket or an ssh, is no rank for that."

(import
  os
  socket
  dpfw.net.about [text?])
(eval-when-compile (require hyrule.control [unless]))

(setv
  LONGEST-NODE 60  ; characters, so that the rest has room in a name
  WAIT 60  ; seconds that a rank dials when no master answers: a job costs, and has an end
  ; The nearest first: an mpirun may run within a job of Slurm's.
  RANKS [
    "OMPI_COMM_WORLD_RANK"   ; Open MPI
    "PMIX_RANK"              ; its successors, and srun --mpi=pmix
    "PMI_RANK"               ; MPICH, Intel MPI, and srun --mpi=pmi2
    "SLURM_PROCID"])


(defn rank-name [[environment os.environ]]
  "NODE/rank-N, or NODE/job-ID.STEP/rank-N of Slurm's; None in any other process. ::

    (rank-name {\"SLURM_PROCID\" \"3\"  \"SLURM_JOB_ID\" \"17\"  \"SLURM_STEP_ID\" \"0\"  \"SLURMD_NODENAME\" \"node-a\"})
    ; => \"node-a/job-17.0/rank-3\""
  (for [variable RANKS]
    (setv rank (number environment variable)
          job (if (= variable "SLURM_PROCID") (job-step environment) []))
    (unless (or (is rank None) (is job None))
      (return (.join "/" [(node environment) #* job f"rank-{rank}"])))))

(defn job-step [environment]
  "None in the script of a batch job and in an interactive shell, which have a SLURM_PROCID,
  too, and are no ranks: they have no step, or one whose number has more digits."
  (setv [job step] (lfor  variable ["SLURM_JOB_ID" "SLURM_STEP_ID"]  (number environment variable)))
  (unless (or (is job None) (is step None))
    [f"job-{job}.{step}"]))

(defn node [environment]
  (setv name (.get environment "SLURMD_NODENAME" ""))
  (cut (if (and name (text? name)) name (socket.gethostname)) LONGEST-NODE))

(defn number [environment variable]
  (setv text (.get environment variable ""))
  (when (and (.isascii text) (.isdigit text) (< (len text) 10))
    (int text)))
