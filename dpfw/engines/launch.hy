"Slaves that an engine runs, launched together, and their places kept filled.

An engine is an object with a ``name``, an ``extra`` by which pip knows it, a ``timeout``, the seconds
that a slave has to dial in, and the methods below, which any thread may call. Its module has `run-slave`, which is called with an
order on the worker, and has `keep` follow it.

    submit word errand   have a worker call this; returns the future of that
    when-done future f   call f, which does not wait, when that is done or cancelled
    answer future        what it returned, of one that is done; or raise what went wrong
    cancel future        end it, if it is not done, and let go of it; idempotent
    check                raise a `LaunchError` if the engine cannot be reached
    closed               has its user left it?
    room                 how much there is, in words, and what to do about it"

(import
  dpfw
  logging
  dpfw.engines.door [Door]
  dpfw.engines.job [Job]
  dpfw.errors [LaunchError]
  dpfw.processes.launch [Launch]
  dpfw.processes.place [Place]
  dpfw.see [see])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  PAGE (see "dask.md#when-a-slave-does-not-come-up"))


(defclass EngineLaunch [Launch]
  "As many slaves as these `Settings` are for, which dial this process as ``host``."

  (defn __init__ [self master engine settings host port]
    (.check-open master)
    (.check engine)
    (setv self.door (Door master.node host port settings.n))
    (.__init__ (super) master (fn [launch]
      (lfor  i (range settings.n)  (EnginePlace launch engine settings i)))))

  (defn leave [self]
    (.leave (super))
    (.close self.door))

  (defn down [self [at-once False]]
    (.down (super) at-once)
    (.close self.door)))


(defclass EnginePlace [Place]
  "The place of the i-th slave with these settings."

  (defn __init__ [self launch engine settings i]
    (.__init__ (super) launch)
    (setv
      self.engine engine
      self.settings settings
      self.i i))

  (defn called [self]
    (setv name (if self.slave self.slave.name (.name-of self.settings self.i)))
    (if name
      f"the slave {name} on {self.engine.name}"
      f"a slave on {self.engine.name}"))

  (defn attempt [self]
    (.check self.engine)
    (setv job (.start self.launch self
      (fn [ended] (Job self.engine self.launch.door self.node ended))))
    (.fill self job (fn [_]
      (.ask job (.options self.settings self.i) self.settings.env)
      (.arrival job))))

  (defn why-not [self job ended error]
    (setv where f"{(.called self)} did not come up: ")
    (LaunchError (cond
      (isinstance error TimeoutError)
        f"{where}it has not dialled in within {self.engine.timeout} seconds{PAGE}; {(.room self.engine)}"
      job.answer
        (+ f"{where}{(.fate job)}{PAGE}; it was to dial {self.launch.door.address}. If workers reach this process by another "
          "name or port, say so, with :host and :port")
      job.error
        f"{where}{(.fate job)}{(.advice self job.error)}"
      True
        f"{where}{error}")))

  (defn advice [self error]
    (if (in "No module named" (str error))
      (+ ". The workers need what this process has; there, type: "
        f"pip install 'dpfw[{self.engine.extra}]=={dpfw.__version__}'")
      ""))

  (defn refill [self #* arguments  #** options]
    "Not where there is no engine any more."
    (if (.closed self.engine)
      (unless self.given-up
        (.give-up self)
        (.say self.node (if self.network.dispatcher.line log.warning log.info)
          "%s has none in its place, since %s was left; launch others, where tasks are to be done"
          (.called self) self.engine.name))
      (.refill (super) #* arguments #** options))))
