"The peers, each started as its own documentation recommends."

(import
  concurrent.futures [ProcessPoolExecutor]
  contextlib [contextmanager]
  threading
  time
  bench.processes [SPAWN WORKERS helper])


(defn executor []
  (ProcessPoolExecutor WORKERS :mp-context SPAWN))

(defn pool []
  (.Pool SPAWN WORKERS))

(defn [contextmanager] loky []
  "Of joblib. Gives what returns the list of ``(f argument …)`` for each sequence of
  arguments."
  (import
    joblib [Parallel delayed]
    joblib.externals.loky [get-reusable-executor])
  (try
    (with [parallel (Parallel :n-jobs WORKERS :backend "loky")]
      (yield (fn [f calls]
        (parallel (gfor  arguments calls  ((delayed f) #* arguments))))))
    (finally
      ; Else its processes stay, in case that somebody needs them.
      (.shutdown (get-reusable-executor)))))

(defn [contextmanager] gateway []
  "Of execnet."
  (import execnet)
  (setv group (execnet.Group))
  (try
    (yield (.makegateway group "popen"))
    (finally
      (.terminate group :timeout 5))))

(defn [contextmanager] rpyc-connection []
  "With a server in RPyC's classic mode."
  (import rpyc)
  (with [pipe (helper serve-rpyc)
         connection (rpyc.classic.connect "127.0.0.1" (.recv pipe))]
    (yield connection)))

(defn serve-rpyc [pipe]
  (import rpyc [SlaveService]
          rpyc.utils.server [ThreadedServer])
  (setv
    server (ThreadedServer SlaveService :hostname "127.0.0.1" :port 0)
    thread (threading.Thread :target server.start))
  (.start thread)
  ; It has its port some time before it listens.
  (while (not server.active)
    (time.sleep 0.01))
  (.send pipe server.port)
  (.join thread))
