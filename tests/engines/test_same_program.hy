"examples/anywhere.hy runs on slaves of every kind, unchanged but for the line that
launches them. As it stands, with dpfw-launch, tests/test_examples.hy runs it; in a job of
Slurm's, test_slurm.hy; and slaves that are dialled, as systemd has them, are here."

(import
  pytest
  tests.engines.mpirun [mpirun needed :as mpi-needed]
  tests.engines.programs [LISTENS PYTHON program promised]
  tests.helpers [holds]
  tests.processes [ended slave-server]
  tests.ssh.sshd [needed :as ssh-needed separation ssh-of sshd])

(defn check [process]
  (setv [status out err] (ended process))
  (holds [status err (.splitlines out)] [0 "" (promised)]))

(defn [ssh-needed] test-over-ssh [sshd tmp-path]
  (setv options (hy.repr {"per_host" 2  "python" PYTHON  "ssh" (ssh-of sshd)}))
  (with [process (program tmp-path
          f"(import dpfw.launch [dpfw-launch-ssh]) (dpfw-launch-ssh [\"near\"] #** {options})")]
    (check process)))

(defn [mpi-needed] test-under-mpirun [tmp-path]
  (with [process (program tmp-path LISTENS)]
    (setv port (int (.readline process.stdout)))
    (with [job (mpirun tmp-path 3 "--connect" f"127.0.0.1:{port}")]
      (check process)
      (holds (get (ended job) 0) 0))))

(defn test-with-slaves-that-are-dialled [tmp-path]
  (with [[_ host port] (slave-server)
         process (program tmp-path f"(dpfw-master-client \"{host}\" {port})")]
    (check process)))
