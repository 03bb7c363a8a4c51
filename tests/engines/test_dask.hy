"Slaves on a real Dask cluster, of worker processes."

(import
  re
  subprocess
  sys
  cloudpickle
  dpfw.engines.dask [host-for]
  dpfw.engines.keeper [errand]
  tests.engines.scenarios [heavy needs run says told]
  tests.example-runs [promised-lines ROOT]
  tests.helpers [holds])

(setv
  pytestmark (needs "distributed")
  ROOM ["Dask at tcp://127.0.0.1:" "; each slave takes a thread. Add workers"])

(defn test-from-the-launch-to-the-end []
  (setv seen (told "on_dask.py" "life"))
  (holds (get seen "names") ["w-1" "w-2"])
  (holds (get seen "labelled") [0 1 4 9 16])
  (holds (get seen "env") ["ours" "ours"])
  (assert (get seen "workers") "the parent of a slave is no worker")
  (assert (all (gfor  n (get seen "durations")  (> n 1e9))) (get seen "durations"))
  (says (get seen "no client") "TypeError" "is no client of Dask's" "pip install 'dpfw[dask]'")
  (says (get seen "no room") "LaunchError" "on Dask did not come up" "within 0.5 seconds"
    "has 2 workers with 2 threads in all" #* ROOM)
  (holds (get seen "there") 2)
  ; How a process ended is known from its worker, unless that is lost, too.
  (says ["" (get seen "crash")] "" "w-2 at 127.0.0.1:" " was lost: its process " " on tcp://127.0.0.1:"
    " was ended by SIGSEGV and said: " "What became of the task")
  (setv [crashed parted] (get seen "log"))
  (says ["" crashed] "" "on Dask is lost: its process " " on tcp://127.0.0.1:" " was ended by SIGSEGV and said: "
    "; another is started in its place")
  (says ["" parted] "" "its connection ended, as it does when a worker is lost; another is started")
  (holds (get seen "lost") ["SlaveLost" True])
  (holds (get seen "on") (sum (range 100)))
  (holds (get seen "left") [])
  (says (get seen "closed") "LaunchError" "no slave on Dask: its client is closed; make another"))

(defn test-a-worker-without-dpfw-says-so-and-shows-no-cookie []
  (setv procedure (errand "dpfw.engines.dask" ["--place" "here"] {} "a cookie")
        code (+ "import sys, pickle; sys.modules['dpfw'] = sys.modules['hy'] = None; "
               "errand = pickle.load(sys.stdin.buffer); print(errand); errand()")
        done (subprocess.run [sys.executable "-c" code] :input (cloudpickle.dumps procedure) :capture-output True))
  (assert (in b"ModuleNotFoundError: No module named 'dpfw" done.stderr) done.stderr)
  (for [shown [(repr procedure) (str done)]]
    (assert (not-in "a cookie" shown) shown)))

(defn test-a-cluster-in-this-process-is-on-this-machine []
  (holds (host-for "inproc://192.0.2.1/1/1") "127.0.0.1")
  (holds (host-for "tcp://127.0.0.1:8786") "127.0.0.1"))

(defn [heavy] test-the-document-prints-what-it-shows []
  (setv text (get (re.search r"^```python\n(.*?)^```$" (.read-text (/ ROOT "docs" "dask.md")) (| re.M re.S)) 1)
        done (run text))
  (holds #(done.returncode (.splitlines done.stdout)) #(0 (promised-lines text))))

(defn [heavy] test-the-blocks-of-hy-in-the-documents-launch []
  (for [document ["dask.md" "clusters.md"]]
    (setv [block] (gfor
            text (re.findall r"^```hy\n(.*?)^```$" (.read-text (/ ROOT "docs" document)) (| re.M re.S))
            :if (in "distributed" text)
            text)
          block (.replace (.replace block "tcp://scheduler:8786" "ADDRESS") ") 8)" ") 2)")
          done (run f"
import hy
from distributed import LocalCluster
import dpfw
import dpfw.launch

if __name__ == '__main__':
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for form in hy.read_many({block !r}.replace('ADDRESS', cluster.scheduler_address)):
            hy.eval(form, globals())
        print(len(dpfw.slaves()), dpfw.map('(fn [x] (* x x))', range(5)))
        dpfw.close()
"))
    (holds #(done.returncode done.stdout) #(0 "2 [0, 1, 4, 9, 16]\n"))))

(defn [heavy] test-a-worker-is-killed-every-second []
  (setv seen (told "on_dask.py" "storm"))
  (assert (>= (get seen "kills") 5) f"{seen}")
  (holds #((get seen "wrong") (get seen "ends") (get seen "waiting") (get seen "left"))
         #([] [5000 5000] 0 [])))

(defn [heavy] test-an-adaptive-cluster-grows-and-shrinks-with-the-slaves []
  (holds (told "on_dask.py" "adapt")
    {"up" [3 3]  "down" [False 1]  "retired" True  "replaced" True}))

(defn [heavy] test-restarts-and-the-loss-of-all-workers []
  (setv seen (told "on_dask.py" "restart"))
  (holds #((get seen "anew") (get seen "right") (get seen "again")) #(True True 1))
  (says (get seen "launch") "LaunchError" "has 0 workers with 0 threads" #* ROOM)
  (says (get seen "closed") "LaunchError" "its client is closed"))

(defn [heavy] test-workers-that-are-not-prepared []
  (setv seen (told "on_dask.py" "bare"))
  (for [name ["deaf" "unknown"]]
    (says (get seen name) "LaunchError" "ended with status 1 and said: dpfw-slave: " "it was to dial "
      "with :host and :port"))
  (says (get seen "bare") "LaunchError" "Dask answered: " "dpfw" "pip install 'dpfw[dask]=="))
