"Dask: each slave is one long task on a worker of a cluster, which Dask sees as such.

Its priority and place are Dask's business. It declares a long duration, so that Dask gives
the worker little else to do, and so that adaptive clusters have a worker for each slave. What
Dask itself would do about a task whose worker is lost is not waited for: the place asks for
another, under another key, so that no slave is ever suspected of killing workers."

(import
  logging
  sys
  urllib.parse [urlsplit]
  dpfw.engines.keeper [keep]
  dpfw.engines.launch [EngineLaunch]
  dpfw.engines.towards [host-towards]
  dpfw.errors [LaunchError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  NAME "dpfw-slave"      ; of all such tasks, to Dask
  ANSWER-TIMEOUT 10      ; seconds, for the scheduler, and to fetch what a task returned
  ; Each task that ends halves what Dask thinks that the next will take, and one that takes twice
  ; as long has it forget. So it is more than any runs, and said for each anew.
  DURATION (* 100 365 86,400)  ; seconds
  RUNNING #{"running" "paused"}             ; states of a worker that goes on,
  EXECUTING #{"executing" "long-running"})  ; and of a task


(defn dask-launch [master client settings host port timeout resources]
  "An `EngineLaunch` on the workers of this `distributed.Client`."
  (setv engine (Dask (checked-client client) resources timeout))
  (.check engine)
  (EngineLaunch master engine settings (or host (host-for engine.address)) port))

(defn checked-client [client]
  (setv module (.get sys.modules "distributed"))
  (unless (and module (isinstance client module.Client))
    (raise (TypeError (+ f"{client !r} is no client of Dask's; give one, such as "
      "(distributed.Client \"tcp://scheduler:8786\"). Where that is missing: pip install 'dpfw[dask]'"))))
  (when client.asynchronous
    (raise (TypeError f"{client !r} is asynchronous, and launching waits; give a Client that is not")))
  client)

(defn host-for [address]
  "What workers are to dial of a cluster whose scheduler has this address."
  (setv parts (urlsplit address))
  (if (= parts.scheme "inproc")  ; all of it is in this process
    "127.0.0.1"
    (host-towards parts.hostname parts.port)))


(defclass Dask []
  "An engine; see ``launch``."

  (setv
    name "Dask"
    extra "dask")

  (defn __init__ [self client resources timeout]
    (setv
      self.client client
      self.resources resources
      self.timeout timeout
      self.address (when client.scheduler client.scheduler.address)))

  (defn submit [self word errand]
    (setv future (.submit self.client errand
      :key f"{NAME}-{word}" :pure False :resources self.resources :retries 0))
    (try
      (.run-on-scheduler self.client (declaration NAME DURATION) :callback-timeout ANSWER-TIMEOUT)
      (except [e Exception]  ; it may be forbidden; then Dask finds out by itself, slowly
        (log.info "Dask was not told that slaves are long tasks: %r" e)))
    future)

  (defn when-done [self future f]
    (.add-done-callback future (fn [_] (f))))

  (defn answer [self future]
    ; What is lost with its worker would be computed again.
    (setv status future.status)
    (if (= status "finished")
      (.result future :timeout ANSWER-TIMEOUT)
      (raise (or (when (= status "error") (.exception future :timeout ANSWER-TIMEOUT))
                 (LaunchError f"the task is {status}")))))

  (defn cancel [self future]
    (try
      (.cancel future)
      (except [e Exception]  ; the client is closed, or the scheduler gone, and the task with it
        (log.info "Dask was not told that a slave's task is over: %s" e))))

  (defn closed [self]
    (in self.client.status ["closed" "closing"]))

  (defn check [self]
    (unless (= self.client.status "running")
      (raise (LaunchError (+ f"no slave on Dask: its client is {self.client.status}; make another, such as "
        f"(distributed.Client \"{(or self.address "tcp://scheduler:8786")}\"), when a scheduler is there")))))

  (defn room [self]
    (try
      (setv threads (.sync self.client self.client.scheduler.ncores :callback-timeout ANSWER-TIMEOUT))
      (except [e Exception]
        (return f"the scheduler at {self.address} does not answer either: {e !r}")))
    (+ f"Dask at {self.address} has {(len threads)} workers with {(sum (.values threads))} threads in all"
      (if self.resources f", and each slave asks for {self.resources}" "")
      "; each slave takes a thread. Add workers, or launch fewer slaves, or say by :timeout how many seconds to wait")))


(defn run-slave [#* order]
  "The task, on a worker."
  (import distributed [get-worker])
  (setv worker (get-worker)
        key (.get-current-task worker))
  (keep #* order worker.address (fn []
    (setv task (.get worker.state.tasks key))
    (cond
      (not-in worker.status.name RUNNING) "leave"
      (and task (in task.state EXECUTING)) "yes"
      True "no"))))

(defn declaration [name duration]
  "A function for the scheduler, which may have no dpfw: so it is one in a function, which
  is pickled by value."
  (fn [dask-scheduler]
    (import dask)
    (setv key "distributed.scheduler.default-task-durations"
          prefix (.get dask-scheduler.task-prefixes name))
    ; Of the first, which may be here in a moment;
    (dask.config.set {key {#** (dask.config.get key {})  name f"{duration}s"}})
    ; and of the next.
    (when prefix
      (setv prefix.duration-average duration))
    None))
