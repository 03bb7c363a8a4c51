"examples/anywhere.hy runs on slaves of every kind, unchanged but for the line that
launches them. As it stands, with dpfw-launch, tests/test_examples.hy runs it; in a job of
Slurm's, test_slurm.hy; and slaves that are dialled, as systemd has them, are here."

(import
  contextlib [contextmanager]
  importlib.util [find-spec]
  os
  subprocess
  sys
  pytest
  dpfw.launch
  tests.engines.mpirun [mpirun needed :as mpi-needed]
  tests.engines.programs [LISTENS PYTHON program promised]
  tests.helpers [holds]
  tests.processes [ended slave-server]
  tests.ssh.sshd [needed :as ssh-needed separation ssh-of sshd])

(setv
  dask-needed (pytest.mark.skipif (not (and (find-spec "distributed") (hasattr dpfw.launch "dpfw_launch_dask")))
    :reason "Dask is not installed; pip install 'dpfw[dask]'")
  CLUSTER "
import sys
from distributed import LocalCluster
if __name__ == '__main__':
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=':0') as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
")

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

(defn [contextmanager] dask-cluster [folder]
  "The address of a cluster of two workers, in processes of its own."
  (.write-text (/ folder "cluster.py") CLUSTER)
  (with [process (subprocess.Popen [sys.executable (str (/ folder "cluster.py"))]
           :cwd folder :stdin subprocess.PIPE :stdout subprocess.PIPE :text True
           :env {#** os.environ "TMPDIR" (str folder)})]  ; it leaves things there
    (yield (.strip (.readline process.stdout)))
    (.close process.stdin)))

(defn [dask-needed] test-on-dask [tmp-path]
  (with [address (dask-cluster tmp-path)
         process (program tmp-path
           f"(import distributed [Client] dpfw.launch [dpfw-launch-dask]) (dpfw-launch-dask (Client \"{address}\") 2)")]
    (check process)))

(defn test-with-slaves-that-are-dialled [tmp-path]
  (with [[_ host port] (slave-server)
         process (program tmp-path f"(dpfw-master-client \"{host}\" {port})")]
    (check process)))
