"A task: a remote on a slave, and the local procedure that goes with it.

::

    master                                  slave
    begin    ── values, task ───────────>  evaluates the remote, calls it
    play     ── data ─────────────────────>  its i
    i      <─────────────────────── data ──  its o
           <──────────────── end or error ──  what it returned or raised
    promise: what the local procedure returned, or the first error"

(import
  threading
  dpfw.errors [SlaveLost TaskTimeout WireError]
  dpfw.task.failure [remote-error]
  dpfw.task.ports [Inlet Outlet make-ports]
  dpfw.dispatch.promise [Promise]
  dpfw.net.wire [framed])
(eval-when-compile (require hyrule.control [unless]))

(setv
  SEND-EVERY 0.2   ; seconds between tries to send a cancel
  SEND-TRIES 25    ; tries, until the connection is given up instead
  REACH (* 2 1024 1024))  ; bytes of input behind which a slave surely finds a
                          ; cancel; it looks twice as far, frame headers included


(defclass Task []
  "The frames that a slave is sent, the local procedure, and the promise of its
  result.

  ``slave`` is the one that it must run on, or None; ``timeout`` is in seconds,
  or None; ``retries`` is how often it may still run again when its slave is
  lost."

  (defn __init__ [self frames local slave timeout retries]
    (setv
      self.frames frames
      self.local local
      self.slave slave
      self.timeout timeout
      self.retries retries
      self.promise (Promise)
      self.lock (threading.Lock)
      self.connection None  ; where it runs now
      self.outlet None      ; what the remote is sent
      self.lookout None
      self.timer None))

  (defn begin [self connection lookout]
    "Send the remote to a slave; answers False, and sends nothing, if nobody
    wants the result any more. Raises `OSError` when the slave is gone; it has
    then not seen the remote."
    (setv self.connection connection  self.lookout lookout)
    (unless (.started self.promise self.stop)
      (setv self.connection None)
      (return False))
    (try
      (.send-whole connection self.frames)
      (except [BaseException]
        (.leave self)
        (.waiting self.promise)
        (raise)))
    (unless (is self.timeout None)
      (setv self.timer (.call-after lookout self.timeout self.expire)))
    (when (.done self.promise)  ; cancelled, before the remote was sent
      (.stop self))
    True)

  (defn play [self]
    "Run the local procedure, then wait for the remote to end. Returns how it
    went, `Task.done`, `Task.failed` or `Task.lost`, and the result or error."
    (setv
      inlet (MasterInlet self.connection)
      self.outlet (MasterOutlet self.connection inlet self.promise)
      [i o] (make-ports inlet self.outlet)
      result None
      failure None)
    (try
      (setv result (self.local i o))
      (except [e BaseException]
        (setv failure e)))
    (.close-output inlet o)
    (when (and failure (not inlet.ended))
      ; Nobody is there to hear what the remote still has to say.
      (.fail self.promise failure)
      (.stop self))
    (.drain inlet)
    (.close i)
    (.leave self)
    (cond
      (and inlet.lost (or (is failure inlet.error) (not inlet.told)))
        #(Task.lost inlet.error)
      failure
        #(Task.failed failure)
      (and inlet.error (not inlet.told))
        #(Task.failed inlet.error)
      True
        #(Task.done result)))

  (defn lost [self error]
    "The slave is gone. Answers whether the task is to run again."
    (setv again (and self.retries (is self.slave None) (not (.done self.promise))))
    (if again
      (do
        (-= self.retries 1)
        (.waiting self.promise))
      (.fail self.promise error))
    again)

  (defn failed [self error]
    (.fail self.promise error))

  (defn done [self result]
    (.fulfil self.promise result))

  (defn stop [self [tries SEND-TRIES]]
    "Have the slave interrupt the remote, if it runs. Does not wait."
    (with [_ self.lock]
      (when self.connection
        (cond
          (not (sent? self.connection "cancel" tries))
            (.call-after self.lookout SEND-EVERY (fn [] (.stop self (- tries 1))))
          (and self.outlet (> self.outlet.sent REACH))
            (do
              ; It may lie where the slave never comes.
              (setv connection self.connection)
              (.call-after self.lookout (* SEND-EVERY SEND-TRIES)
                (fn [] (.give-up self connection))))))))

  (defn give-up [self connection]
    "End the connection, if the remote still runs there."
    (with [_ self.lock]
      (when (is self.connection connection)
        (.abort connection))))

  (defn expire [self]
    (.fail self.promise (TaskTimeout f"the task took longer than {self.timeout} seconds"))
    (.stop self))

  (defn leave [self]
    "The connection is another task's from now on."
    (with [_ self.lock]
      (setv self.connection None))
    (when self.timer
      (setv self.timer.call None
            self.timer None))))


(defclass MasterInlet [Inlet]
  "What the slave sends to a local procedure: the remote's output, then its
  result, on a line of its own."

  (defn __init__ [self connection]
    (.__init__ (super) connection)
    (setv
      self.error None     ; what ended the remote: a `RemoteError` or `SlaveLost`
      self.lost False     ; is it a `SlaveLost`?
      self.told False))   ; was it raised in the local procedure?

  (defn readinto [self view]
    (try
      (setv n (.readinto (super) view))
      (except [e OSError]
        (.lose self e)
        (setv n 0)))
    (when (and self.error (= n 0))
      (setv self.told True)
      (raise self.error))
    n)

  (defn only-line [self]
    ; What most remotes have to tell is their result, and a buffer takes longer
    ; to make than that to read.
    (try
      (.await-frame self)
      (except [e OSError]
        (.lose self e)))
    (when (and self.tail (= (.count self.tail b"\n") 1))
      (setv [line self.tail] [self.tail None])
      (.decode line)))

  (defn control [self kind]
    (setv payload (.receive-payload self.connection))
    (when (= kind "output")  ; reserved: no slave sends it yet
      (return))
    (cond
      (= kind "end")
        (setv self.tail (+ (if self.fresh b"" b"\n") payload b"\n"))
      (= kind "error")
        (setv self.error (.described self payload))
      True
        (raise (WireError f"{self.connection.peer} sent a frame {kind}, which only masters send")))
    (setv self.ended True))

  (defn described [self payload]
    (try
      (remote-error payload self.connection.peer)
      (except [e [SyntaxError ValueError TypeError KeyError AttributeError]]
        (raise (WireError
          f"{self.connection.peer} sent an error that cannot be understood") :from e))))

  (defn lose [self error]
    (unless self.ended
      (setv
        self.lost True
        self.ended True
        self.left 0
        self.error (slave-lost self.connection error))))

  (defn drain [self]
    (try
      (.drain (super))
      (except [e OSError]
        (.lose self e))))

  (defn close-output [self o]
    (try
      (.close o)
      (except [SlaveLost])         ; and `lost` is set
      (except [ValueError]))))     ; the local procedure closed its buffer


(defclass MasterOutlet [Outlet]
  "What a local procedure sends to the remote. Closing it tells the remote that
  there is no more."

  (defn __init__ [self connection inlet promise]
    (.__init__ (super) connection)
    (setv self.inlet inlet
          self.promise promise
          self.sent 0))  ; bytes, or about to be

  (defn write [self view]
    (when (.done self.promise)
      ; Cancelled, or too late. A local procedure that writes without end would
      ; keep the slave for ever.
      (raise (ValueError "I/O operation on a port of a task that was stopped")))
    (+= self.sent (len view))
    (.or-lose self (fn [] (.write (super MasterOutlet self) view))))

  (defn close [self]
    (unless self.closed
      (.close (super))
      (unless self.inlet.ended
        (.or-lose self (fn [] (.send self.connection "eof"))))))

  (defn or-lose [self send]
    (try
      (send)
      (except [e OSError]
        (.lose self.inlet e)
        (raise (or self.inlet.error e))))))


(defn task-frames [remote limit]
  "What a slave is sent for a `Remote`, as bytes, with at most ``limit`` in the
  payload of a frame."
  (setv frames (framed "task" (within limit (.encode remote.text) "text takes")))
  (if remote.values
    (+ (framed "values" (within limit (.encode (.join "\n" remote.values)) "values take")) frames)
    frames))

(defn within [limit payload what]
  (when (> (len payload) limit)
    (raise (OverflowError (+
      f"the remote's {what} {(len payload)} bytes and a frame at most {limit}; set DPFW_FRAME_LIMIT "
      "on both ends, or have the local procedure send data by write-object"))))
  payload)

(defn sent? [connection kind tries]
  "Send an empty frame, unless the connection is full of what the remote does
  not read. Answers False when that is to be tried again; with no tries left,
  ends the connection instead."
  (try
    (or (.try-send connection kind)
        (unless tries
          (.abort connection)
          True))
    (except [OSError]  ; it has ended, and who reads from it will see that
      True)))

(defn slave-lost [connection error]
  (setv lost (SlaveLost (+
    f"the slave at {connection.peer} was lost: {error}. What became of the task "
    "is unknown; if it may run twice, give it :retries")))
  (setv lost.__cause__ error)
  lost)
