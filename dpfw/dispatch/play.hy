"Playing a task: its local procedure, on two ports, while the remote runs.

::

    master                                  slave
    i      <─────────────────────── data ──  its o
    o      ── data, eof ──────────────────>  its i
    i      <──────────────── end or error ──  what it returned or raised"

(import
  dpfw.data.codec [decode packed?]
  dpfw.data.sexp [write-datum]
  dpfw.dispatch.task [called slave-lost]
  dpfw.errors [DatumSyntaxError SlaveLost UnwritableError WireError]
  dpfw.net.frames [MAX-HEADER]
  dpfw.task.failure [remote-error]
  dpfw.task.ports [BUFFER-SIZE Inlet Outlet make-ports])
(eval-when-compile (require hyrule.control [unless]))

(setv ASIDE #{"leave" "output"})  ; frames that are not for the procedure


(defn play [task connection number failed outlet-made aside]
  "Run the local procedure of a task, then wait for the remote to end.

  ``failed`` is called with the procedure's error when it fails before the remote
  has ended, ``outlet-made`` with what the remote is sent, and ``aside`` with the kind,
  number and payload of a frame that is not for the procedure. Returns the task's
  outcome, and the error that ended the connection, or None; with the latter, the
  outcome is None unless the procedure made something of it."
  (setv
    inlet (MasterInlet connection number task aside)
    outlet (MasterOutlet connection number inlet task.promise)
    [i o] (make-ports inlet outlet)
    result None
    failure None)
  (outlet-made outlet)
  (try
    (setv result (task.local i o))
    (except [e BaseException]
      (setv failure e)))
  (.close-output inlet o)
  (when (and failure (not inlet.ended))
    ; Nobody is there to hear what the remote still has to say.
    (failed failure))
  (.drain inlet)
  (.close i)
  (cond
    (and inlet.lost (or (is failure inlet.error) (not inlet.heard)))
      #(None inlet.cause)
    failure
      #(#("error" failure) inlet.cause)
    (and inlet.error (not inlet.heard))
      #(#("error" inlet.error) inlet.cause)
    True
      #(#("result" result) inlet.cause)))


(defclass MasterInlet [Inlet]
  "What the slave sends to a local procedure: the remote's output, then its
  result, on a line of its own."

  (defn __init__ [self connection number task aside]
    (.__init__ (super) connection number)
    (setv
      self.task task
      self.aside aside
      self.error None    ; of the remote, or that the slave was lost
      self.heard False   ; has the local procedure heard of it?
      self.lost False
      self.cause None))  ; why it is lost

  (defn readinto [self view]
    (try
      (setv n (.readinto (super) view))
      (except [e OSError]
        (.lose self e)
        (setv n 0)))
    (when (and self.error (= n 0))
      (setv self.heard True)
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

  (defn output [self]
    "Yield what the remote writes, as bytes, as it comes; to be used instead of the
    port. What the port gives after that is the remote's result, or its error."
    (while True
      (try
        (.await-frame self)
        (except [e OSError]
          (.lose self e)))
      (unless self.unread
        (return))
      (setv data (bytearray (min self.unread BUFFER-SIZE))
            n (.readinto self data))
      (yield (cut data n))))

  (defn control-other [self kind number length]
    (unless (in kind ASIDE)
      (raise (WireError
        f"{self.connection.peer} sent a frame {kind} of task {number}, which it does not run")))
    (self.aside kind number (.receive-payload self.connection)))

  (defn control [self kind length]
    (setv payload (.receive-payload self.connection))
    (when (in kind ASIDE)
      (return (self.aside kind self.number payload)))
    (cond
      (= kind "end") (do
        (.check-agreed self.connection payload)
        (.take-result self payload))
      (= kind "error")
        (setv self.error (described (bytes payload) self.connection self.task))
      True
        (raise (WireError f"{self.connection.peer} sent a frame {kind}, which only masters send")))
    (setv self.ended True))

  (defn take-result [self payload]
    "What follows the remote's output: the result, as text."
    (try
      (setv self.tail (+ (if self.fresh b"" b"\n") (as-text payload) b"\n"))
      ; Of packed data that say nothing here, or whose value has no text.
      (except [e [DatumSyntaxError UnwritableError]]
        (setv self.error e))))

  (defn lose [self error]
    (unless self.ended
      (setv
        self.lost True
        self.ended True
        self.unread 0
        self.cause error
        self.error (slave-lost self.task.session error self.task))))

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

  (defn __init__ [self connection number inlet promise]
    (.__init__ (super) connection number)
    (setv self.inlet inlet
          self.promise promise
          self.sent 0))  ; bytes, headers included, or about to be

  (defn write [self view]
    (when (.done self.promise)
      ; Cancelled, or too late. A local procedure that writes without end would
      ; keep the slave for ever.
      (raise (ValueError "I/O operation on a port of a task that was stopped")))
    (+= self.sent (+ (len view) MAX-HEADER))
    (.or-lose self (fn [] (.write (super MasterOutlet self) view))))

  (defn close [self]
    (unless self.closed
      (.close (super))
      (unless self.inlet.ended
        (.or-lose self (fn [] (.send self.connection "eof" self.number))))))

  (defn or-lose [self send]
    (try
      (send)
      (except [e OSError]
        (.lose self.inlet e)
        (raise (or self.inlet.error e))))))


(defn as-text [payload]
  "A result, as who reads its text is to find it."
  (if (packed? payload)
    (.encode (write-datum (decode payload)))
    (bytes payload)))

(defn check-leave [connection number length]
  "It is about no task, and empty. Raises `WireError`."
  (when (or number length)
    (raise (WireError
      f"{connection.peer} sent a frame (leave {number} {length}), which has no place there"))))

(defn described [payload connection task [arguments True]]
  "The remote's error that the payload of an error frame tells of; without its arguments,
  if they are not to be read."
  (try
    (remote-error payload (+ connection.peer (if task.name f", in {(called task)}" ""))
      connection.differences :arguments arguments)
    (except [e [SyntaxError ValueError TypeError KeyError AttributeError]]
      (raise (WireError
        f"{connection.peer} sent an error that cannot be understood") :from e))))
