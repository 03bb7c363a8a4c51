"The slave's end of a session: one task after the other, from the ``task`` frame to
the ``end`` or ``error`` frame.

::

    session's thread     receives between two tasks, runs the remote, answers
    threads of a remote  receive and send what the remote reads and writes
    reactor              while a task runs, looks for what cannot wait: its
                         ``cancel``, a ``kill``, the end of the connection

The master counts the tasks, from 1 on. What comes is for the task that runs, or
late, for one before it, and skipped; all else ends the session."

(import
  contextlib [contextmanager ExitStack]
  logging
  os
  signal
  time [monotonic]
  dpfw.data.codec [encode size-of]
  dpfw.errors [Interrupted]
  dpfw.net.addresses [HANG-UP]
  dpfw.net.frames [LIMIT-ADVICE]
  dpfw.net.interrupt [Guard handling]
  dpfw.net.wire [ConnectionEnded GONE]
  dpfw.serve.capture [capture]
  dpfw.serve.exits [die end-fork]
  dpfw.serve.streams [Bell Shield SlaveInlet SlaveOutlet pass-over]
  dpfw.task.failure [describe]
  dpfw.task.ports [LOOK-AHEAD make-ports]
  dpfw.task.remote [values-of])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  URGENT #{"cancel" "kill"}
  LOOK-EVERY 0.2        ; seconds between two looks for them, and at least
  REST 4                ; times as long as a look takes: at 300,000 short frames, most of a second
  LOOKS-WHEN-IDLE 25    ; looks after the last task, then none
  INSIST-EVERY 1        ; seconds between interrupts when the master is gone
  PATIENCE 5)           ; seconds, at least, without a task until one that leaves hangs up


(defclass Session []
  "Serves one master on one connection, in the thread that calls `serve`.
  ``when-gone`` is called in the reactor's thread when the master is, ``began`` when
  a task begins."

  (defn __init__ [self connection evaluator reactor [when-gone None] [began None]]
    (setv
      self.connection connection
      self.evaluator evaluator
      self.reactor reactor
      self.when-gone when-gone
      self.began began
      self.guard (Guard)
      self.shield (Shield self.guard)
      self.bell (Bell connection)
      self.number 0          ; of the last task
      self.values None       ; the payload of the next one's `values`
      self.inlet None        ; of the last task
      self.printer None      ; for what remotes print, if the master asks for it
      self.busy False        ; does its remote run?
      self.working False     ; or is its answer still to be sent?
      self.since None        ; the moment when the last task came
      self.done 0            ; tasks that ended in a result,
      self.failed 0          ; and in an error
      self.answered False    ; has a remote returned?
      self.leaving False     ; has the master been asked for no more tasks,
      self.rests None        ; and since when has none run?
      self.dismissed False   ; has it said that there are none?
      self.sent None         ; the payloads of the task that runs, for who passes it on
      self.at-end None       ; what to call when the session is over
      self.error None        ; what ended the session
      self.master-gone False
      self.stop None         ; what ends the process, when a signal said so
      self.looking False     ; does a timer of the reactor call `look`?
      self.idle-looks 0
      self.called False      ; has the last remote's text given a procedure?
      self.process (os.getpid)))

  (defn serve [self]
    "Run tasks until the connection ends; `error` says then why."
    (.watch self.reactor self.connection HANG-UP self.hung-up)
    (try
      (with [_ (.on-duty self.guard)  _ (.heeding-signals self)  printer (.captured capture self)]
        (setv self.printer printer)
        (while True
          (.take-frame self #* (.receive-header self.connection))))
      (except [e OSError]
        (setv self.error e)
        ; A master may leave whenever it likes.
        (unless (isinstance e GONE)
          (log.warning "%s" e))
        (.heed-last-words self))
      (finally
        (.unwatch self.reactor self.connection)
        (.close self.bell)
        (when self.at-end
          (self.at-end)))))

  (defn take-frame [self kind number length]
    "Take a frame that comes while no task runs."
    (setv next (= number (+ self.number 1)))
    (cond
      (and next (= kind "task"))
        (.run-task self number (.receive-payload self.connection))
      (and next (= kind "values") (is self.values None))
        (do
          (setv self.values (.receive-payload self.connection))
          (.check-agreed self.connection self.values))
      (= kind "kill")
        (die)
      (and (= kind "leave") (= number length 0)) (do
        (setv self.dismissed True)
        (raise (ConnectionEnded f"{self.connection.peer} has drained this slave")))
      True
        (pass-over self.connection kind number length self.number)))

  (defn heed-last-words [self]
    "An order to end holds also when it came with the end of the connection."
    (try
      (for [[kind _] (.look-ahead self.connection #{"kill" "leave"} LOOK-AHEAD)]
        (if (= kind "kill")
          (die)
          (setv self.dismissed True)))
      (except [OSError])))

  (defn run-task [self number payload]
    (setv values self.values
          self.values None
          self.number number
          self.inlet (SlaveInlet self.connection number self.shield self.bell)
          self.since (monotonic)
          self.working True)
    (when self.began
      (self.began))
    (setv self.busy True)
    (.keep-looking self)
    (when self.printer
      (.begin self.printer number))
    (try
      (setv [kind answer] (.outcome self payload values))
      (finally
        (setv self.busy False)))
    (if (= kind "end")
      (+= self.done 1)
      (+= self.failed 1))
    (when self.stop
      (self.stop))
    (when self.printer
      (.finish self.printer))
    (.send-buffers self.connection kind number answer)
    (when (= kind "end")
      (setv self.answered True))
    (when self.leaving
      (setv self.rests (monotonic)))
    (setv self.working False)
    (when (and self.leaving (not self.connection.knows-leave))
      (raise (ConnectionEnded "this slave leaves"))))

  (defn outcome [self payload values]
    "Evaluate a remote and call it; returns the kind and the payload of the
    frame that tells how it ended, that as a list of buffers."
    (setv [i o] (make-ports
            self.inlet
            (SlaveOutlet self.connection self.number self.shield))
          o.raw.session self
          self.sent #(payload values))
    (try
      (setv answer (.run self.guard self.perform payload values i o :token self.number))
      #("end" answer)
      (except [e BaseException]
        (unless (= (os.getpid) self.process)
          (end-fork e))
        (when self.stop
          (self.stop))  ; raises what ends the process
        #("error" [(describe e self.connection.limit :of-text (not self.called))]))
      (finally
        (setv self.sent None)
        (close-quietly i o))))

  (defn perform [self payload values i o]
    (setv self.called False)
    (when self.master-gone
      (raise (Interrupted)))
    (setv procedure (.procedure self.evaluator
                      (str payload "utf-8") (if values (values-of values) []))
          self.called True
          result (procedure i o))
    (unless (= (os.getpid) self.process)
      (end-fork))
    (setv answer (encode result self.connection.packed))
    (check-size answer self.connection.limit)
    (unless o.closed
      (.flush o))
    answer)

  (defn [contextmanager] heeding-signals [self]
    "Tell a Ctrl-C or SIGTERM, which is for the process, from a remote's own
    `KeyboardInterrupt` or `SystemExit`."
    (with [stack (ExitStack)]
      (when self.guard.main
        (for [number [signal.SIGINT signal.SIGTERM]]
          (setv handler (signal.getsignal number))
          (when (callable handler)
            (setv noting (.noting self handler))
            (.append self.shield.spared noting)
            (.enter-context stack (handling number noting)))))
      (yield)))

  (defn noting [self handler]
    (fn [#* arguments]
      (try
        (handler #* arguments)
        (except [e BaseException]
          (setv error e  ; which stays bound
                self.stop (fn [] (raise error)))
          (raise)))))

  ;; Leaving

  (defn leave [self]
    "Ask the master for no more tasks, once; in any thread. It hangs up when it has none
    for us any more. One that cannot be asked is hung up on between two tasks."
    (setv self.leaving True
          self.rests (monotonic))
    (if (.post-leave self.connection)
      (.part-later self)
      (unless self.working
        (.abort self.connection))))

  (defn part-later [self]
    (.call-after self.reactor PATIENCE (fn []
      (if (or self.working (< (- (monotonic) self.rests) PATIENCE))
        (.part-later self)
        (.abort self.connection)))))

  ;; In the reactor's thread

  (defn keep-looking [self]
    (unless self.looking
      (setv self.looking True)
      (.call-after self.reactor LOOK-EVERY self.look)))

  (defn look [self]
    (setv pause LOOK-EVERY)
    (when self.busy
      (setv self.idle-looks 0
            start (monotonic))
      (.remind self.guard)
      (.look-for-orders self)
      (setv pause (max pause (* REST (- (monotonic) start)))))
    (+= self.idle-looks 1)
    (when (> self.idle-looks LOOKS-WHEN-IDLE)
      (setv self.looking False)
      (unless self.busy  ; else, a task began just now and saw `looking` set
        (return)))
    (setv self.looking True)
    (.call-after self.reactor pause self.look))

  (defn look-for-orders [self]
    ; The task may end meanwhile, and the next one begin: an order that is found has
    ; the number of its task, and the inlet is that of one task only.
    (setv inlet self.inlet)
    (try
      (setv orders (.look-ahead self.connection URGENT LOOK-AHEAD))
      (except [OSError]
        (.lose-master self)
        (return)))
    (for [[kind number] orders]
      (cond
        (= kind "kill") (die)
        (= number inlet.number) (.cancel inlet)))
    ; The remote may wait for what was just received.
    (.ring self.bell))

  (defn hung-up [self]
    (when (.hung-up self.connection)
      (.unwatch self.reactor self.connection)
      (.lose-master self)))

  (defn lose-master [self]
    (when self.master-gone
      (return))
    (setv self.master-gone True)
    ; If only this direction is closed, the other one must bring no answer: what
    ; is interrupted now was not the master's wish.
    (.abort self.connection)
    (.insist self)
    (when self.when-gone
      (self.when-gone)))

  (defn insist [self]
    "Nobody is there to kill a remote that swallows its interrupt: interrupt it
    until it stops."
    (when self.busy
      (.interrupt self.guard :again True)
      (.call-after self.reactor INSIST-EVERY self.insist))))


(defn check-size [answer limit]
  (setv size (size-of answer))
  (when (> size limit)
    (raise (OverflowError (+
      f"the result takes {size} bytes and a frame at most {limit}. "
      f"{LIMIT-ADVICE}, or send it by write-object")))))

(defn close-quietly [i o]
  "Close the ports of a task that is over, whatever its threads still do with them.
  What its output still held is sent, if it can be; the answer follows."
  ; This first: a thread that waits for input has the port's buffer locked.
  (.finish i.raw)
  (for [port [o i]]
    (try
      (.close port)
      (except [[OSError ValueError]])))  ; the connection is gone, and `serve` will see it
  (.finish o.raw))
