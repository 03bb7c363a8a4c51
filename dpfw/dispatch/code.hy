"The code that a master has defined on its slaves, and defines on those that join.

Each definition has a *key*, which says what it defines: a later one with the same key
takes its place. It *needs* other keys when it is evaluated: so it stands behind them,
and when one of them is defined anew, it is evaluated again. What fails on a slave is
taken back."

(import
  concurrent.futures [CancelledError]
  functools [partial]
  threading
  hy.models [Symbol]
  dpfw.dispatch.definitions [of-file]
  dpfw.dispatch.module-file [read-module-file]
  dpfw.errors [MasterClosed SlaveLost])
(eval-when-compile (require hyrule.control [unless]))


(defclass Code []
  (defn __init__ [self network]
    (setv
      self.network network
      self.lock (threading.RLock)
      self.definitions {}))  ; key -> `Definition`, in the order in which slaves have them

  (defn define [self definition]
    "Have it on all slaves, present and future. Those that are busy come to it before
    their next task. Raises the error of the first slave on which it fails, and then what
    was defined before is back."
    (setv key definition.key)
    (with [_ self.lock]
      (setv before (.get self.definitions key))
      (try
        (.put self definition)
        (except [Exception]
          (.take-back self key before)
          (raise)))
      (.renew self key)))

  (defn load [self path]
    "See `dpfw-load`."
    (setv file (read-module-file path))
    (with [_ self.lock]
      (for [parent file.parents]
        (.load self parent))
      (setv definition (of-file file)
            before (.get self.definitions definition.key))
      (unless (and before (= before.thing definition.thing))
        (.define self definition)))
    file.name)

  (defn there? [self name value]
    "Has what is called so here been defined on the slaves?"
    (setv definition (.get self.definitions name))
    (and definition (is-not value None) (is definition.thing value)))

  (defn known [self f]
    "The name of a function that has been defined on the slaves; of all else, itself."
    (setv name (getattr f "__name__" None))
    (if (and (is (type name) str) (.there? self name f))
      (Symbol name :from-parser True)
      f))

  (defn put [self definition]
    (setv key definition.key
          last (.too-early self definition)
          tasks (.initialise self.network definition.remote key last))
    (when last
      (.pop self.definitions key None))
    (setv (get self.definitions key) definition)
    (.await-ends self definition tasks))

  (defn take-back [self key before]
    (try
      (when before
        (.put self before)
        (.renew self key)
        (return))
      (except [Exception]))  ; the slaves have changed, and it is no more use than what came after
    (.drop self key))

  (defn drop [self key]
    (.drop-preparation self.network key)
    (.pop self.definitions key None))

  (defn await-ends [self definition tasks]
    ; A slave that is busy may be so for long, and with the very thread that waits here.
    (setv busy (lfor  task tasks  :if (= task.state "waiting")  task))
    (for [task busy]
      (.add-done-callback task.promise (partial self.tell-late definition)))
    (setv errors (lfor
      task tasks
      :if (not-in task busy)
      :setv error (.exception task.promise)
      ; Who is gone needs no definitions.
      :if (and error (not (isinstance error SlaveLost)))
      error))
    (when errors
      (raise (get errors 0))))

  (defn tell-late [self definition promise]
    (try
      (setv error (.exception promise))
      (except [e CancelledError]
        (setv error e)))
    (when (and error (not (isinstance error #(SlaveLost MasterClosed))))
      (.warn self.network f"{definition.key} could not be defined on a slave that had been busy: {error !r}")))

  (defn too-early [self definition]
    "Is the place of what it replaces before something that it needs?"
    (setv keys (list self.definitions)
          behind (if (in definition.key keys) (cut keys (+ (.index keys definition.key) 1) None) []))
    (not (.isdisjoint definition.needs behind)))

  (defn renew [self key]
    "Evaluate again what needs what has been defined, and what needs that."
    (setv changed #{key}  failed None)
    (for [other (list (.values self.definitions))]
      (unless (or (= other.key key) (.isdisjoint other.needs changed))
        (.add changed other.key)
        (try
          (.put self other)
          (except [e Exception]
            (.drop self other.key)
            (setv failed (or failed e))))))
    (when failed
      (raise failed))))
