"Dask, in processes of its own that stand still while others have their turns.

Its scheduler and workers never rest: with them beside it, a round trip of any
other contender can take twice as long."

(import
  contextlib [contextmanager suppress]
  logging
  multiprocessing [Pipe]
  os
  signal
  tempfile [TemporaryDirectory]
  time
  bench.processes [SPAWN WORKERS])

(setv CATCH-UP 0.2)  ; seconds for what it missed while it stood still


(defn [contextmanager] dask [turn-of]
  "Gives a turn, which ``turn-of``, an importable function of a client, makes."
  (setv
    [here there] (Pipe)
    process (.Process SPAWN :target take-turns :args [there turn-of]))
  (.start process)
  (.close there)

  (defn tell-all [number]
    (with [_ (suppress ProcessLookupError)]
      (os.killpg process.pid number)))

  (try
    (.recv here)
    (tell-all signal.SIGSTOP)
    (yield (fn []
      (tell-all signal.SIGCONT)
      (time.sleep CATCH-UP)
      (.send here None)
      (setv result (.recv here))
      (tell-all signal.SIGSTOP)
      result))
    (finally
      (tell-all signal.SIGCONT)
      (.close here)
      (.join process))))

(defn take-turns [pipe turn-of]
  "In the process of the client: a turn for whatever comes, until nothing does."
  (os.setpgid 0 0)  ; Dask's other processes will be of this group
  (with [client (client-of-cluster)]
    (setv turn (turn-of client))
    (.send pipe None)
    (with [_ (suppress EOFError)]
      (while True
        (.recv pipe)
        (.send pipe (turn))))))

(defn [contextmanager] client-of-cluster []
  (import dask
          distributed [Client LocalCluster])
  (with [; Else it leaves a folder in the system's place for temporary files.
         folder (TemporaryDirectory :prefix "dpfw-bench-")
         _ (dask.config.set {"temporary-directory" folder})
         cluster (LocalCluster :n-workers WORKERS :threads-per-worker 1 :processes True
                   :dashboard-address "127.0.0.1:0" :scheduler-kwargs {"dashboard" False}
                   :silence-logs logging.CRITICAL)
         client (Client cluster)]
    (yield client)))
