"Processes of the benchmark: one for each figure, helpers, launched slaves."

(import
  concurrent.futures [ProcessPoolExecutor]
  contextlib [contextmanager]
  multiprocessing
  resource
  subprocess
  sys
  dpfw.master [Master]
  dpfw.launch [dpfw-launch])

(setv
  WORKERS 2  ; slaves, or processes of a peer's pool
  PYTHON (getattr hy "sys_executable" sys.executable)
  ; A fork would take along the locks that other threads hold.
  SPAWN (multiprocessing.get-context "spawn"))

; Under hy, sys.executable is the hy script.
(multiprocessing.set-executable PYTHON)


(defn run-fresh [f #* arguments]
  "Call an importable function in a process of its own, so that it finds no
  memory, thread or module of another; return or raise what it does."
  (with [executor (ProcessPoolExecutor 1 :mp-context SPAWN)]
    (.result (.submit executor f #* arguments))))

(defn [contextmanager] helper [f #* arguments]
  "A process that calls an importable function with one end of a pipe; gives the
  other end."
  (setv
    [here there] (multiprocessing.Pipe)
    process (.Process SPAWN :target f :args #(there #* arguments) :daemon True))
  (.start process)
  (.close there)
  (try
    (yield here)
    (finally
      (.terminate process)
      (.join process)
      (.close here))))

(defn [contextmanager] launched [[n WORKERS]]
  "A master with n launched slaves."
  (with [master (Master)]
    (dpfw-launch n master)
    (yield master)))

(defn resident-memory [pid]
  "Of a process, in bytes."
  (* 1024 (int (subprocess.check-output ["ps" "-o" "rss=" "-p" (str pid)]))))

(defn peak-memory []
  "The most that this process had resident, in bytes."
  (* (. (resource.getrusage resource.RUSAGE-SELF) ru-maxrss)
     (if (= sys.platform "darwin") 1 1024)))
