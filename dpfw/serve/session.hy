"The slave's side of a session: one task after the other, from the ``task`` frame
to the ``end`` or ``error`` frame.

While a remote runs, its thread reads from the connection only when the remote
does. The lookout looks for what cannot wait: a ``cancel`` frame, and the end of
the connection."

(import
  contextlib [contextmanager ExitStack]
  logging
  os
  signal
  sys
  traceback
  dpfw.errors [Interrupted WireError]
  dpfw.task.failure [describe]
  dpfw.net.interrupt [Guard handling]
  dpfw.task.ports [Inlet Outlet make-ports]
  dpfw.data.sexp [write-datum]
  dpfw.net.wire [ConnectionEnded HANG-UP])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  LOOK-EVERY 0.2                   ; seconds between two looks for a cancel
  LOOKS-WHEN-IDLE 25               ; looks after the last task, then none
  INSIST-EVERY 1                   ; seconds between interrupts when the master is gone
  LOOK-AHEAD (* 4 1024 1024))      ; bytes that may be read ahead of the remote


(defclass SlaveInlet [Inlet]
  "What the master sends to a remote."

  (defn __init__ [self connection guard]
    (.__init__ (super) connection :shield guard)
    (setv self.guard guard))

  (defn readinto [self view]
    (try
      (.readinto (super) view)
      (except [OSError]
        ; Whatever the remote makes of this, its master is to see a lost slave,
        ; not an answer.
        (.abort self.connection)
        (raise))))

  (defn control [self kind]
    (cond
      (= kind "eof") (setv self.ended True)
      (= kind "cancel") (.interrupt self.guard)  ; raises where the shield ends
      (= kind "kill") (die)
      True (raise (WireError
        f"{self.connection.peer} sent a frame {kind} in the middle of a task")))))


(defclass Service []
  "Serves one master on one connection, in the thread that calls `serve`."

  (defn __init__ [self connection evaluator lookout [when-gone None]]
    (setv
      self.connection connection
      self.evaluator evaluator
      self.lookout lookout
      self.when-gone when-gone
      self.guard (Guard)
      self.stop None         ; what ends the process, when a signal said so
      self.busy False
      self.looking False     ; does a timer of the lookout call `look`?
      self.idle-looks 0
      self.master-gone False
      self.answered False    ; has a remote returned in this session?
      self.values b""        ; of the next task
      self.process (os.getpid)))

  (defn serve [self]
    "Run tasks until the connection ends. Returns the error that ended it."
    (.watch self.lookout self.connection HANG-UP self.hung-up)
    (try
      (with [_ (.on-duty self.guard)  _ (.heeding-signals self)]
        (while True
          (setv [kind _] (.receive-header self.connection))
          ; Other kinds are what the last task left behind, and are skipped.
          (cond
            (= kind "values") (setv self.values (.receive-payload self.connection))
            (= kind "task") (.run-task self (.receive-payload self.connection))
            (= kind "kill") (die))))
      (except [e OSError]
        ; A master may leave whenever it likes.
        (unless (isinstance e #(ConnectionEnded BrokenPipeError ConnectionResetError))
          (log.warning "%s" e))
        (.heed-last-words self)
        e)
      (finally
        (.unwatch self.lookout self.connection))))

  (defn heed-last-words [self]
    "An order to end holds also when it came with the end of the connection."
    (try
      (when (.look-ahead self.connection #{"kill"} LOOK-AHEAD)
        (die))
      (except [OSError])))

  (defn run-task [self payload]
    (setv values self.values
          self.values b""
          self.busy True)
    (.keep-looking self)
    (try
      (setv [kind answer] (.outcome self payload values))
      (finally
        (setv self.busy False)))
    (when self.stop
      (self.stop))
    (.send self.connection kind answer)
    (when (= kind "end")
      (setv self.answered True)))

  (defn outcome [self payload values]
    "Evaluate a remote and call it; returns the kind and the payload of the
    frame that tells how it ended."
    (setv [i o] (make-ports
      (SlaveInlet self.connection self.guard)
      (Outlet self.connection self.guard)))
    (try
      (setv answer (.run self.guard self.perform payload values i o))
      #("end" answer)
      (except [e BaseException]
        (unless (= (os.getpid) self.process)
          (end-fork e))
        (when self.stop
          (self.stop))  ; raises what ends the process
        #("error" (describe e self.connection.limit)))
      (finally
        (close-quietly i o))))

  (defn perform [self payload values i o]
    (when self.master-gone
      (raise (Interrupted)))
    (setv procedure (.procedure self.evaluator (.decode payload) (lines values))
          result (procedure i o))
    (unless (= (os.getpid) self.process)
      (end-fork))
    (setv answer (.encode (write-datum result)))
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
            (.enter-context stack (handling number (.noting self handler))))))
      (yield)))

  (defn noting [self handler]
    (fn [#* arguments]
      (setv self.stop (fn [] (handler #* arguments)))
      (self.stop)))

  ;; In the lookout's thread

  (defn keep-looking [self]
    (unless self.looking
      (setv self.looking True)
      (.call-after self.lookout LOOK-EVERY self.look)))

  (defn look [self]
    (when self.busy
      (setv self.idle-looks 0)
      (.look-for-cancel self))
    (+= self.idle-looks 1)
    (when (> self.idle-looks LOOKS-WHEN-IDLE)
      (setv self.looking False)
      (unless self.busy  ; else, a task began just now and saw `looking` set
        (return)))
    (setv self.looking True)
    (.call-after self.lookout LOOK-EVERY self.look))

  (defn look-for-cancel [self]
    (try
      (setv kind (.look-ahead self.connection #{"cancel" "kill"} LOOK-AHEAD))
      (cond
        (= kind "cancel") (.interrupt self.guard)
        (= kind "kill") (die))
      (except [OSError]
        (.lose-master self))))

  (defn hung-up [self]
    (when (.hung-up self.connection)
      (.unwatch self.lookout self.connection)
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
      (.call-after self.lookout INSIST-EVERY self.insist))))


(defn lines [payload]
  (if payload
    (.split (.decode payload) "\n")
    []))

(defn die []
  "End this process as only the system can."
  (os.kill (os.getpid) signal.SIGKILL))

(defn end-fork [[error None]]
  "End a process that a remote forked, and that came out of the remote's
  procedure as its parent will: there is one answer to give, the parent's."
  (setv status (cond
    (is error None) 0
    (and (isinstance error SystemExit) (isinstance error.code (| int None))) (or error.code 0)
    True 1))
  (when status
    (traceback.print-exception error))
  (for [stream [sys.stdout sys.stderr]]
    (.flush stream))
  (os._exit status))

(defn check-size [answer limit]
  (when (> (len answer) limit)
    (raise (OverflowError (+
      f"the result takes {(len answer)} bytes as text and a frame at most {limit}; "
      "set DPFW_FRAME_LIMIT on both ends, or send it by write-object")))))

(defn close-quietly [i o]
  "Close the ports of a task that is over. What its output still held is sent,
  if it can be; the frame that ends the task follows."
  (for [port [o i]]
    (try
      (.close port)
      (except [[OSError ValueError]]))))  ; the connection is gone, and `serve` will see it
