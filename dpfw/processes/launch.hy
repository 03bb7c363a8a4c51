"Slaves that are launched together, and their places kept filled.

::

    the caller             threads of the pool, one for each place    the reactor
    up ── come up ───────> start a process, shake hands, have its
    waits for all  <────── slave join                                 hears how it ends
                           start another in its place <── a pause ─── and what it said

A slave goes down with its connection, and so with this process, however that ends."

(import
  threading
  time
  dpfw.errors [LaunchError]
  dpfw.processes.linked [END-TIMEOUT])
(eval-when-compile (require hyrule.control [unless]))

(setv START-TIMEOUT 60)  ; seconds until a slave must be ready, and then prepared


(defclass Launch []
  "``places`` is called with this, and gives a `Place` for each slave."

  (defn __init__ [self master places]
    (setv
      self.master master
      self.node master.node
      self.network master.network
      self.lock (threading.Lock)
      self.running (set)    ; the processes,
      self.over False       ; and will no more be started?
      self.complete False   ; has it succeeded, or failed?
      self.places (places self)))

  (defn up [self]
    "Fill the places; returns the `Slave`s."
    (.at-close self.node self.down)
    (try
      (for [place self.places]
        (.open place)
        (unless (.run-late self.node.threads place.come-up)
          (.check-open self.master)
          (raise (LaunchError "no slave was started: no thread is to be had"))))
      (setv slaves (.await-slaves self))
      (except [BaseException]
        (.down self :at-once True)
        (for [place self.places]
          (.give-up place))
        (raise))
      (finally
        (.note-complete self)))
    slaves)

  (defn await-slaves [self]
    ; Each has its own time to come up, and may wait for another, or for a password.
    (setv all-there False)
    (while (is (setx slaves (.wait-for self.network self.slaves-if-all START-TIMEOUT)) None)
      (when all-there
        (setv late (next (gfor  place self.places  :if (not (.prepared place))  place)))
        (raise (LaunchError (+ f"{(.called late)} has not run what was given to "
          f"dpfw-on-connect in {START-TIMEOUT} seconds"))))
      (setv all-there (all (gfor  place self.places  place.slave))))
    slaves)

  (defn slaves-if-all [self]
    "With the dispatcher's lock: the slaves; None if some are missing."
    (.check-open self.master)
    (for [place self.places]
      (.check place))
    (when (all (gfor  place self.places  (.prepared place)))
      (lfor  place self.places  place.slave)))

  (defn note-complete [self]
    "From now on, who ends is replaced; and who ended since it was looked for them."
    (with [_ self.lock]
      (setv self.complete True
            empty (lfor  place self.places  :if place.failure  place)))
    (for [place empty]
      (.refill place (str place.failure) False))
    (.leave-if-over self))

  (defn start [self place make]
    "Start a process for a place: what ``make`` gives for what is to be called with it when
    it has ended."
    (with [_ self.lock]
      (when (or self.over place.given-up)
        (raise (broken-off)))
      (setv process (make (fn [process] (.note-end self place process)))
            process.place place)
      (.add self.running process)
      process))

  (defn join [self place process id]
    "Have the slave of a process join."
    (with [_ self.lock]
      ; Of a connection that is aborted by now, nobody would hear the end.
      (when (or self.over place.given-up self.master.closed process.over)
        (raise (broken-off)))
      (setv slave (.joined self.network process.connection id :linked process))
      (unless slave  ; the master has left in this moment
        (raise (broken-off)))
      (setv process.joined True
            place.slave slave)))

  (defn note-end [self place process]
    (with [_ self.lock]
      (.discard self.running process)
      (setv complete self.complete))
    (when process.joined
      (.note-end place process complete))
    (.leave-if-over self)
    (.tell-watchers self.network))

  (defn leave-if-over [self]
    "Once nothing runs, and nothing will, there is nothing left to take down."
    (when (and self.complete (not self.running)
               (all (gfor  place self.places  place.given-up)))
      (.leave self)))

  (defn leave [self]
    (.not-at-close self.node self.down))

  (defn down [self [at-once False]]
    "Wait for all processes to end, as they do with their connections, or end them at
    once; kill those that do not. Idempotent."
    (with [_ self.lock]
      (setv self.over True
            running (list self.running)))
    (when at-once
      (for [process running]
        (.abort process)))
    (setv deadline (+ (time.monotonic) END-TIMEOUT))
    (for [process running]
      (.end-by process deadline))))


(defn broken-off []
  (LaunchError "the launch was broken off"))
