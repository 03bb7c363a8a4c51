"The place of a slave that is launched: one process is there after the other.

When the process has ended, and nobody wanted that, another is started in its place,
after a pause that grows as long as none is of use."

(import
  logging
  re
  time
  dpfw.dispatch.states [PREPARED]
  dpfw.errors [LaunchError]
  dpfw.net.addresses [files-advice pauses]
  dpfw.processes.linked [END-TIMEOUT])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  NUMBERS (re.compile "[0-9]+"))


(defclass Place []
  "A kind of place has the methods `called`, which is how messages call it; `attempt`,
  which starts a process and has its slave join, or raises; and `why-not`, which makes
  the `LaunchError` of a process that has brought no slave."

  (defn __init__ [self launch]
    (setv
      self.launch launch
      self.network launch.network
      self.node launch.node
      self.slave None      ; the last `Slave` that was here,
      self.failure None    ; or why none came up
      self.given-up True   ; until it is opened
      self.again False     ; has it been filled before?
      self.pauses (pauses)
      self.said None))     ; of its last end, in the log

  (defn open [self]
    ; Nobody is alone with tasks as long as somebody is to come.
    (setv self.given-up False)
    (.act self.network self.network.dispatcher.opened 1))

  (defn give-up [self]
    "Let it be empty when its process ends. Idempotent."
    (unless self.given-up
      (setv self.given-up True)
      (.act self.network self.network.dispatcher.opened -1)
      (.leave-if-over self.launch)))

  (defn come-up [self]
    "Fill it; in a thread of the pool."
    (when self.given-up
      (return))
    (try
      (.attempt self)
      (except [e Exception]
        (.note-failure self (if (isinstance e LaunchError) e (.failure-by self e))))
      (else
        (setv self.failure None
              self.again True)))
    (.tell-watchers self.network))

  (defn failure-by [self error]
    (setv failure (LaunchError f"{(.called self)} did not come up: {error}{(files-advice error)}")
          failure.__cause__ error)
    failure)

  (defn note-failure [self error]
    (with [_ self.launch.lock]
      (setv self.failure error
            complete self.launch.complete))
    (when complete
      (.refill self (str error) False)))

  (defn fill [self process handshake]
    "Shake hands with a process's slave, and have it join; or end the process, and raise
    a `LaunchError`."
    (try
      (.join self.launch self process (handshake process.connection))
      (except [e Exception]  ; also what an engine raises
        (setv ended process.over)
        (when process.connection  ; there may be none yet
          (.retire self.node process.connection))
        (unless ended
          (.abort process)
          (.end-by process (+ (time.monotonic) END-TIMEOUT)))
        (raise (.why-not self process ended e) :from e))))

  (defn note-end [self process complete]
    "The process has ended, whose slave was here."
    (setv session self.slave.session
          ; What it must run first is of no use by itself.
          of-use (and session.useful (> session.number (len self.slave.prepared))))
    (cond
      (not complete) (setv self.failure (LaunchError
        f"{(.called self)} was lost before all were ready: {(.fate process)}"))
      (not session.farewell) (.refill self f"{(.called self)} is lost: {(.fate process)}" of-use)
      of-use (.refill self f"{(.called self)} has left" True :expected True)
      True (.refill self f"{(.called self)} has left, and has done no task" False)))

  (defn refill [self why of-use [expected False]]
    "Start another process, after a pause."
    ; Who leaves the network hangs up before the launch hears of it.
    (when (or self.given-up self.launch.over (.is-set self.node.closed))
      (return))
    (when of-use
      (setv self.pauses (pauses)))
    ; The same again but for numbers, such as that of the process, is worth a word once.
    (setv before self.said
          self.said (NUMBERS.sub "" why))
    (.say self.node (cond expected log.info  (= before self.said) log.debug  True log.warning)
      "%s; another is started in its place" why)
    (.call-after self.node.reactor (next self.pauses)
      (fn [] (.run-late self.node.threads self.come-up))))

  (defn check [self]
    (when self.failure
      (raise self.failure)))

  (defn prepared [self]
    (and self.slave (in self.slave.state PREPARED))))

