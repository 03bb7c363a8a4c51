"IPython Parallel: each slave is one long task on an engine of its, which does nothing else meanwhile.

As ``dask``; but a task that runs cannot be cancelled. It ends with the slave, which ends with
its connection."

(import
  logging
  sys
  threading
  dpfw.engines.keeper [keep]
  dpfw.engines.launch [EngineLaunch]
  dpfw.engines.towards [host-towards]
  dpfw.errors [LaunchError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  ANSWER-TIMEOUT 10  ; seconds, to fetch what a task returned
  ; What pickles tasks there is one for all, and set up by the first.
  SUBMITTING (threading.Lock))


(defn ipyparallel-launch [master client settings host port timeout]
  "An `EngineLaunch` on the engines of this `ipyparallel.Client`."
  (setv module (.get sys.modules "ipyparallel"))
  (unless (and module (isinstance client module.Client))
    (raise (TypeError (+ f"{client !r} is no client of IPython Parallel's; give one, such as (ipyparallel.Client). "
      "Where that is missing: pip install 'dpfw[ipyparallel]'"))))
  (setv engine (IPythonParallel client timeout))
  (.check engine)
  (EngineLaunch master engine settings (or host (host-towards (get client._config "location"))) port))


(defclass IPythonParallel []
  "An engine; see ``launch``."

  (setv
    name "IPython Parallel"
    extra "ipyparallel")

  (defn __init__ [self client timeout]
    (setv
      self.client client
      self.timeout timeout
      self.view (.load-balanced-view client :retries 0)))

  (defn submit [self word errand]
    (with [_ SUBMITTING]
      (.apply-async self.view errand)))

  (defn when-done [self future f]
    (.add-done-callback future (fn [_] (f))))

  (defn answer [self future]
    (.get future ANSWER-TIMEOUT))

  (defn cancel [self future]
    (try
      (unless (.done future)
        (.abort self.client future :block False))
      (except [e Exception]  ; the client is closed, or the controller gone
        (log.info "IPython Parallel was not told that a slave's task is over: %s" e))))

  (defn closed [self]
    self.client._closed)

  (defn check [self]
    (when (.closed self)
      (raise (LaunchError "no slave on IPython Parallel: the client is closed; make another, by (ipyparallel.Client)"))))

  (defn room [self]
    (+ f"IPython Parallel has {(len self.client.ids)} engines, and each slave takes one. "
      "Add engines, or launch fewer slaves, or say by :timeout how many seconds to wait")))


(defn run-slave [#* order]
  "The task, on an engine."
  (import os socket)
  (keep #* order f"the engine {(socket.gethostname)}/{(os.getpid)}" (fn [] "yes")))
