"Processes of multiprocessing's: what is meant for their parent does not hold in them."

(import
  sys
  dpfw.errors [LaunchError NoSlaves])


(defn multiprocessing-process []
  "The module that knows of them, if this program uses it."
  (.get sys.modules "multiprocessing.process"))

(defn spawned? []
  "Has multiprocessing started this process?"
  (setv module (multiprocessing-process))
  (and (is-not module None) (is-not (.parent-process module) None)))

(defn no-slaves []
  (NoSlaves (+ "a task waits, and there is no slave: those of the process that started this one are its own. "
    "Make the tasks there, or give this process slaves, with (dpfw-launch 2) or (dpfw-master-client host port)")))

(defn check-main-imported []
  "Raise `LaunchError` in a process that only imports the main module anew: it is about to
  launch slaves without end. As multiprocessing itself does."
  (setv module (multiprocessing-process))
  (when (and module (getattr (.current-process module) "_inheriting" False))
    (raise (LaunchError (+ "multiprocessing imports the main module in each process that it spawns, "
      "and so slaves would be launched there, too; put what launches them below "
      "(when (= __name__ \"__main__\") …), in Python: if __name__ == \"__main__\":")))))
