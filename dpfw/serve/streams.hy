"The slave's side of the two streams of a task.

Any thread of a remote may use them: its own, those that it starts, and those that
it leaves behind when it ends. None may keep the slave from its next task, or touch
that one's bytes. So

- a thread that waits for input holds nothing of the connection, and waits also for
  a `Bell`, which rings when the task is over or cancelled;
- while a thread receives or sends a frame, the task does not end; and once its streams
  are closed, no thread receives or sends any more. What the other end has begun to
  send, or begun to read, is soon done.

An interrupt that came while the remote's own thread received or sent strikes when
that is done, and so does a signal of the remote's own. The buffer above the stream
takes it for a failure: it knows nothing of bytes that came, and offers those that were
sent once more. So the stream does."

(import
  select
  socket
  threading [Lock get-ident]
  dpfw.errors [WireError]
  dpfw.net.frames [MAX-DATA]
  dpfw.net.interrupt [Whole]
  dpfw.serve.exits [die]
  dpfw.task.ports [CLOSED Inlet Outlet check-open])
(eval-when-compile (require hyrule.control [unless]))

(setv
  LATE #{"data" "eof" "cancel"}   ; frames that may come when their task is over
  EMPTY #{"eof" "cancel"})        ; and those that have no payload


(defn pass-over [connection kind number length latest]
  "Skip a frame that comes late: it is about a task that has begun, ``latest`` or an
  earlier one. Anything else raises `WireError`."
  (unless (and (in kind LATE) (<= 1 number latest) (not (and length (in kind EMPTY))))
    (raise (misplaced connection kind number length)))
  ; Of a payload that were left, the rest would be waited for with the next header.
  (.receive-payload connection))

(defn misplaced [connection kind number length]
  (WireError f"{connection.peer} sent a frame ({kind} {number} {length}), which has no place there"))


(defclass Shield []
  "Steps that are done whole, in the thread that a `Guard` guards. No other is interrupted;
  and none must hold the interrupt back, or have it raised in that thread's place."

  (defn __init__ [self guard]
    (setv self.guard guard
          self.spared []   ; handlers of signals that end the process: there is no whole frame
          self.steps []))  ; to wait for, if the master does not read

  (defn mine? [self]
    (= (get-ident) self.guard.thread))

  (defn __enter__ [self]
    (when (= (get-ident) self.guard.thread)
      (setv step (Whole)
            step.spared self.spared)
      (.append self.steps (.__enter__ step))))

  (defn __exit__ [self #* _]
    (when (= (get-ident) self.guard.thread)
      (.__exit__ (.pop self.steps)))))


(defclass Bell []
  "Wakes the thread that waits for a connection; there is one at most. A session has
  one bell, which costs nothing until a remote waits for input."

  ; Who rings has changed something before, and looks then whether anybody waits;
  ; who waits says so first, and looks then whether anything has changed. So one of
  ; the two sees the other.

  (defn __init__ [self connection]
    (setv
      self.connection connection
      self.waiting False
      self.poll None
      self.rope None     ; to ring the bell, send a byte here,
      self.clapper None  ; which comes out here
      self.clapper-number None))

  (defn ring [self]
    (when self.waiting
      (try
        (.send self.rope b"!")
        (except [BlockingIOError]))))  ; it has been rung enough

  (defn await-bytes [self check]
    "Wait until there are bytes to receive, or the end. ``check`` is called first, and
    when the bell has rung; what it raises ends the wait."
    (setv self.waiting True)
    (try
      (while True
        (check)
        (when (or (.buffered self.connection) (.listen self))
          (return)))
      (finally
        (setv self.waiting False))))

  (defn hang [self]
    (setv [self.clapper self.rope] (socket.socketpair)
          self.clapper-number (.fileno self.clapper)
          self.poll (select.poll))
    (for [sock [self.clapper self.rope]]
      (.setblocking sock False))
    (for [file [self.clapper self.connection]]
      (.register self.poll file select.POLLIN)))

  (defn listen [self]
    "Wait. Answers whether it was the connection, and not the bell."
    (setv events (.poll self.poll)
          rung (any (gfor  [n _] events  (= n self.clapper-number))))
    (when rung
      (.recv self.clapper 4096))
    (not rung))

  (defn close [self]
    "To be called when nobody waits any more."
    (when self.poll
      (.close self.clapper)
      (.close self.rope))))


(defclass SlaveInlet [Inlet]
  "What the master sends to a remote."

  (setv
    kept b""      ; what came with an interrupt
    cancelled False
    over False)

  (defn __init__ [self connection number shield bell]
    (.__init__ (super) connection number :shield shield)
    (setv
      self.bell bell
      self.turn (Lock)))  ; held by the thread that reads

  (defn readinto [self view]
    (setv view (memoryview view)
          n 0)
    (unless view
      (return 0))
    (try
      (with [_ self.turn]
        (.check self)
        (unless self.kept
          (.await-frame self))
        (when (or self.kept self.unread)
          (with [_ self.shield]
            (setv n (if self.kept (.read-kept self view) (.read-data self view))))))
      (except [BaseException]
        (setv self.kept (+ (bytes (cut view n)) self.kept))
        (raise)))
    n)

  (defn next-frame [self]
    (.receiving self (. (super) next-frame)))

  (defn read-data [self view]
    (.receiving self (. (super) read-data) view))

  (defn receiving [self receive #* arguments]
    (try
      (receive #* arguments)
      (except [OSError]
        ; Whatever the remote makes of this, its master is to see a lost slave,
        ; not an answer. A `TimeoutError` of the remote's own strikes elsewhere.
        (.abort self.connection)
        (raise))))

  (defn read-kept [self view]
    (setv n (min (len view) (len self.kept))
          (cut view n) (cut self.kept n)
          self.kept (cut self.kept n None))
    n)

  (defn await-bytes [self]
    (unless self.bell.poll
      (with [_ self.shield]  ; an interrupt would leave the half of it open
        (.hang self.bell)))
    (.await-bytes self.bell self.check))

  (defn check [self]
    "May this thread read on? When the task is cancelled, the remote may, to clean
    up; but it may be waiting for another thread of its own, which waits here."
    (when (or self.over self.closed (and self.cancelled (not (.mine? self.shield))))
      (raise (ValueError CLOSED))))

  (defn control [self kind length]
    (cond
      (= kind "kill") (die)
      (or length (not-in kind EMPTY)) (raise (misplaced self.connection kind self.number length))
      (= kind "eof") (setv self.ended True)
      True (.cancel self)))  ; raises where the shield ends

  (defn control-other [self kind number length]
    (if (= kind "kill")
      (die)
      (pass-over self.connection kind number length self.number)))

  (defn cancel [self]
    "Interrupt the remote. For any thread, and also when the task is over."
    (setv self.cancelled True)
    (.interrupt self.shield.guard :token self.number)
    (.ring self.bell))

  (defn finish [self]
    "Have every thread that reads leave, and wait until it has."
    (setv self.over True)
    ; Who takes its turn from now on sees that it is over.
    (when (.locked self.turn)
      (.ring self.bell)
      (with [_ self.turn]))))


(defclass SlaveOutlet [Outlet]
  "What a remote sends to its master."

  (setv crossed b"")  ; what was sent when an interrupt came

  (defn __init__ [self connection number shield]
    (.__init__ (super) connection number :shield shield)
    (setv self.turn (Lock)))  ; held by the thread that sends

  (defn write [self view]
    (setv view (cut (memoryview view) MAX-DATA)
          n (len view)
          sent False)
    (try
      (with [_ self.turn]
        (check-open self)
        (setv crossed self.crossed
              self.crossed b"")
        (if (and crossed (= (cut view (len crossed)) crossed))
          (setv n (len crossed))
          (with [_ self.shield]
            (.send self.connection "data" self.number view)
            (setv sent True))))
      (except [BaseException]
        (when sent
          (setv self.crossed (bytes view)))
        (raise)))
    n)

  (defn finish [self]
    "When the stream is closed, wait until the thread that sends has sent."
    (when (.locked self.turn)
      (with [_ self.turn]))))
