"Ray: each slave is one long task of a Ray cluster, and has a processor of it.

As ``dask``, with less to be said: Ray gives a task its processor for as long as it runs, and
its autoscaler looks at what was asked for."

(import
  logging
  sys
  dpfw.engines.keeper [keep]
  dpfw.engines.launch [EngineLaunch]
  dpfw.engines.towards [host-towards]
  dpfw.errors [LaunchError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  ANSWER-TIMEOUT 10  ; seconds, to fetch what a task returned
  START "no slave on Ray: this process is in no Ray cluster; type (import ray) (ray.init) to start or to join one")


(defn ray-launch [master settings host port timeout resources]
  "An `EngineLaunch` on the Ray cluster that this process is in."
  (setv ray (.get sys.modules "ray"))
  (unless (and ray (.is-initialized ray))
    (raise (LaunchError (+ START ". Where it is missing: pip install 'dpfw[ray]'"))))
  (setv address (. (.get-runtime-context ray) gcs-address))
  (EngineLaunch master (Ray ray resources timeout address) settings
    (or host (host-towards (get (.rpartition address ":") 0))) port))


(defclass Ray []
  "An engine; see ``launch``."

  (setv
    name "Ray"
    extra "ray")

  (defn __init__ [self ray resources timeout address]
    (setv
      self.ray ray
      self.timeout timeout
      self.address address
      ; Whoever is lost is replaced by its place, and by nobody else.
      self.remote (.remote ray :num-cpus 1 :max-retries 0 :resources resources)))

  (defn submit [self word errand]
    (.remote (.options (self.remote errand) :name "dpfw-slave")))

  (defn when-done [self future f]
    (.add-done-callback (.future future) (fn [_] (f))))

  (defn answer [self future]
    (.get self.ray future :timeout ANSWER-TIMEOUT))

  (defn cancel [self future]
    (try
      (.cancel self.ray future)
      (except [e Exception]  ; Ray was left
        (log.info "Ray was not told that a slave's task is over: %s" e))))

  (defn closed [self]
    (not (.is-initialized self.ray)))

  (defn check [self]
    (when (.closed self)
      (raise (LaunchError START))))

  (defn room [self]
    (setv [all free] (gfor  what [self.ray.cluster-resources self.ray.available-resources]  (.get (what) "CPU" 0)))
    (+ f"Ray at {self.address} has {all :g} processors, and {free :g} free; each slave takes one. "
      "Add nodes, or launch fewer slaves, or say by :timeout how many seconds to wait")))


(defn run-slave [#* order]
  "The task, on a worker. Ray interrupts the thread of one that is cancelled."
  (import ray)
  (setv node (. (.get-runtime-context ray) (get-node-id)))
  (keep #* order f"Ray's node {(cut node 8)}" (fn [] "yes")))
