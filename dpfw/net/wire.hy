"A connection: frames over one stream socket.

Before the first frame stand the lines of the handshake; `receive-line` reads them.

One thread receives at a time and one sends, and any may abort. Who may wait calls
`receive-header` and `send`; who may not, `arrived` and `post`, which leaves what
the socket does not take in the outbox. What was received is kept before it is
looked at, and looking at it again gives the same, so the right to receive can
pass from one thread to another between any two calls. Whatever goes wrong in the
middle of a frame leaves the stream without meaning, so it ends the connection."

(import
  collections [deque]
  select
  socket
  struct
  threading
  time
  dpfw.data.codec [packed? size-of]
  dpfw.errors [WireError]
  dpfw.net.addresses [HANG-UP hung-up? own-name peer-name polled]
  dpfw.net.frames [
    DEFAULT-LIMIT HEADER check-partial-header checked-header framed frames-ahead header]
  dpfw.net.memory [new-memory])
(eval-when-compile (require hyrule.control [unless]))

(setv
  CHUNK 65536               ; bytes asked of the socket at once,
  LARGE-CHUNK (* 16 CHUNK)  ; and in the middle of a long payload
  STALL 20                  ; milliseconds without room, after which nobody waits for more
  NOW (| socket.MSG-DONTWAIT (getattr socket "MSG_NOSIGNAL" 0)))


(defclass ConnectionEnded [WireError]
  "The other end closed the connection, or the network did.")

(defclass ConnectionCut [WireError]
  "The same, in the middle of a frame.")

; What an end that leaves whenever it likes looks like.
(setv GONE #(ConnectionEnded ConnectionCut BrokenPipeError ConnectionResetError))


(defclass Connection []
  "Frames over one connected stream socket, which it owns. ``limit`` is the
  largest payload of a frame that is not ``data``, in bytes.

  ``sock`` is a `socket.socket`, or has as many of its methods as a
  `dpfw.net.tls.TlsSocket`."

  (defn __init__ [self sock [limit DEFAULT-LIMIT]]
    (setv
      self.sock sock
      self.limit limit
      self.binding b""    ; the TLS channel binding, empty without TLS
      self.packed False   ; have both ends said that they take packed data?
      self.spoken False   ; has the other end, which dialled, sent anything?
      self.role None      ; the other end's: master, slave or watcher,
      self.about {}       ; what it has said of itself,
      self.differences "" ; and how its versions differ from ours
      ; Of a process that was started here, and is at the other end:
      self.lifeline None  ; a file that can be read when it has ended,
      self.why ""         ; and how it did, in words,
      self.last-words []  ; and the lines that it said last
      self.peer (peer-name sock)
      self.name (own-name sock)
      self.received b""   ; bytes that came and were not taken yet:
      self.taken 0        ; those from here on
      self.left 0         ; bytes of the current payload not taken yet
      self.header None    ; kind and number of the frame that `arrived` waits for,
      self.pieces []      ; and what it has of a payload that comes in several
      self.lent False     ; does somebody receive by `receive-header`, and `arrived` find nothing?
      self.outbox (deque) ; [bytes, what to call when they are sent], to be sent
      self.congested None ; what to call when the socket does not take them now
      self.receiving (threading.Lock)
      self.sending (threading.Lock)
      self.aborted False
      self.began (time.monotonic)))

  (defn secure [self wrap]
    "Put another socket, made of the present one, in its place: TLS. Nobody else
    receives, sends or closes meanwhile."
    (with [_ self.receiving  _ self.sending]
      (setv self.sock (wrap self.sock))))

  ;; Receiving

  (defn receive-line [self limit deadline]
    "Take one line of at most ``limit`` bytes, its line feed included; return
    it without that. For the handshake, before any frame. Raises `TimeoutError`
    at the moment ``deadline`` of the monotonic clock."
    (with [_ self.receiving]
      (while True
        (setv end (.find self.received b"\n" self.taken (+ self.taken limit)))
        (when (>= end 0)
          (setv line (cut self.received self.taken end)
                self.taken (+ end 1))
          (return line))
        (when (>= (- (len self.received) self.taken) limit)
          (raise (WireError f"{self.peer} sent no line feed in {limit} bytes")))
        (.set-timeout self (max 0.001 (- deadline (time.monotonic))))
        (.fill self limit))))

  (defn peek [self deadline]
    "Wait for the first byte, and leave it there. No bytes at the end."
    (with [_ self.receiving]
      (.set-timeout self (max 0.001 (- deadline (time.monotonic))))
      (.recv self.sock 1 socket.MSG-PEEK)))

  (defn arrived [self]
    "Receive what has come, without waiting; return the frames that are whole now,
    as ``[kind number payload]``, and the `OSError` that says why no more will come
    after them, or None. Finds nothing while another thread receives, or is about to."
    (unless (.acquire self.receiving :blocking False)
      (return #([] None)))
    (try
      (when self.lent
        (return #([] None)))
      (setv frames []  end None)
      (try
        (.fill-now self)
        (except [BlockingIOError])  ; that was all that has come
        (except [e OSError]
          (setv end e)))
      (try
        (while (and (< self.taken (len self.received)) (setx frame (.whole-frame self)))
          (.append frames frame))
        (except [e WireError]
          (setv end e)))
      #(frames end)
      (finally
        (.release self.receiving))))

  (defn receive-header [self]
    "Take the header of the next frame; return its kind, number and length. What
    was left of the payload before it is skipped."
    (with [_ self.receiving]
      (when self.header
        (return (.begin-again self)))
      (while self.left
        (.take self))
      (while True
        (when (< self.taken (len self.received))
          (setv found (HEADER.match self.received self.taken))
          (when found
            (return (.begin-payload self found)))
          (check-partial-header self.received self.taken self.peer))
        (.fill self))))

  (defn lend [self lent]
    "Leave receiving to who calls `receive-header`, until it is lent no more. Meanwhile,
    the other end is told of our end even if it does not read: what was sent may fill the
    way, and a close that waits its turn behind that would reach it minutes later."
    (with [_ self.receiving]
      (setv self.lent lent)
      (try
        (.setsockopt self.sock socket.SOL-SOCKET socket.SO-LINGER (struct.pack "ii" lent 0))
        (except [OSError]))))  ; closed already

  (defn receive-into [self view]
    "Take bytes of the current payload into ``view``, a writable memoryview of
    bytes, straight from the socket where none wait; return their number."
    (with [_ self.receiving]
      (setv view (cut view self.left))
      (if (< self.taken (len self.received))
        (do
          (setv bytes-taken (.take self (len view))
                n (len bytes-taken)
                (cut view n) bytes-taken))
        (do
          (setv n (.recv-into self view))
          (-= self.left n)))
      n))

  (defn receive-payload [self]
    "Take all that is left of the current payload, as bytes, or as writable memory."
    (with [_ self.receiving]
      (when (<= self.left (- (len self.received) self.taken))
        (return (.take self self.left)))
      (setv view (new-memory self.left)
            at 0)
      (while self.left
        (if (< self.taken (len self.received))
          (do
            (setv piece (.take self self.left)
                  (cut view at (+ at (len piece))) piece)
            (+= at (len piece)))
          (do
            (setv n (.recv-into self (cut view at None)))
            (-= self.left n)
            (+= at n))))
      view))

  (defn look-ahead [self kinds limit]
    "The kind and number of each frame of these kinds among what has come. Never
    waits: reads at most ``limit`` bytes ahead, and finds nothing while another
    thread receives."
    (unless (.acquire self.receiving :blocking False)
      (return []))
    (try
      (setv end None)
      (try
        (while (> (setx room (- limit (- (len self.received) self.taken))) 0)
          ; As much as there is at once: what was received before is copied each time.
          (.fill self room NOW))
        (except [BlockingIOError])  ; that was all that has come
        (except [e OSError]
          (setv end e)))
      (setv found (list (frames-ahead self.received (+ self.taken self.left) kinds)))
      (when (and end (not found))
        (raise end))
      found
      (finally
        (.release self.receiving))))

  (defn buffered [self]
    "Is there something to receive that poll(2) does not show? For who receives."
    (or (< self.taken (len self.received))
        (.sock-buffered self)
        ; Closed, as it is in a child that was forked: receiving says so.
        (< (.fileno self) 0)))

  (defn sock-buffered [self]
    "Has a TLS socket decrypted more than it has given?"
    (getattr self.sock "buffered" False))

  ; The methods below are called with `self.receiving` held.

  (defn fill [self [size CHUNK] #* flags]
    "Wait for bytes and append them to those received."
    (setv chunk (.recv self.sock size #* flags))
    (unless chunk
      (raise (.ended self)))
    (setv self.received (if (= self.taken (len self.received))
                          chunk
                          (+ (cut self.received self.taken None) chunk))
          self.taken 0))

  (defn fill-now [self]
    (if (and (= self.taken (len self.received)) (<= self.left CHUNK))
      (do  ; as mostly
        (setv self.received (.recv self.sock CHUNK NOW)
              self.taken 0)
        (unless self.received
          (raise (.ended self))))
      (.fill self (if (> self.left CHUNK) LARGE-CHUNK CHUNK) NOW))
    (while (.sock-buffered self)
      (.fill self CHUNK NOW)))

  (defn begin-payload [self found]
    "Take the header that was found; return its kind, number and length."
    (setv header (checked-header found self.limit self.peer)
          self.taken (.end found)
          self.left (get header 2))
    header)

  (defn begin-again [self]
    "Put back what `arrived` has of a frame; return that one's header."
    (setv header self.header
          self.received (.join b"" [#* self.pieces  (cut self.received self.taken None)])
          self.taken 0
          self.left (get header 2)
          self.header None
          self.pieces [])
    header)

  (defn whole-frame [self]
    "Take the next frame, if all of it has come. A long payload is put aside piece
    by piece."
    (when (is self.header None)
      (setv found (HEADER.match self.received self.taken))
      (unless found
        (check-partial-header self.received self.taken self.peer)
        (return None))
      (setv self.header (.begin-payload self found)))
    (setv piece (cut self.received self.taken (+ self.taken self.left)))
    (+= self.taken (len piece))
    (-= self.left (len piece))
    (if self.left
      (.append self.pieces piece)
      (do
        (setv [kind number _] self.header
              self.header None)
        (when self.pieces
          ; Writable, so that arrays can stay where they are.
          (setv piece (.join (bytearray) [#* self.pieces piece])
                self.pieces []))
        #(kind number piece))))

  (defn take [self [size CHUNK]]
    "Take bytes of the payload from those received, at least one, at most ``size``."
    (when (and self.left (= self.taken (len self.received)))
      (.fill self))
    (setv start self.taken
          end (min (+ start (min size self.left)) (len self.received))
          self.taken end)
    (-= self.left (- end start))
    (cut self.received start end))

  (defn recv-into [self view]
    (setv n (.recv-into self.sock view))
    (unless n
      (raise (.ended self)))
    n)

  (defn ended [self]
    (if (or self.left (< self.taken (len self.received)))
      (ConnectionCut f"the connection with {self.peer} was cut in the middle of a frame")
      (ConnectionEnded f"the connection with {self.peer} ended")))

  (defn check-agreed [self payload]
    "Packed data come from who has agreed to them. Raises `WireError`."
    (when (and (packed? payload) (not self.packed))
      (raise (WireError f"{self.peer} sent packed data, which was not agreed upon"))))

  ;; Sending

  (defn [property] knows-leave [self]
    "Has the other end said that it knows the frame ``leave``?"
    (.get self.about "leave" False))

  (defn post-leave [self]
    "Say ``leave`` to one that knows it; answers whether it does."
    (when self.knows-leave
      (try
        (.post self [(framed "leave" 0 b"")])
        (except [OSError])))  ; it has gone already
    self.knows-leave)

  (defn send [self kind number [payload b""]]
    "Send one frame, and wait for as long as that takes. ``payload`` is bytes, or a
    memoryview of bytes."
    (.send-bytes self (header kind number (len payload)) payload))

  (defn send-buffers [self kind number payload]
    "The same with a payload that is a list of buffers."
    (setv size (size-of payload))
    (if (< size CHUNK)
      (.send self kind number (.join b"" payload))
      (.send-bytes self (header kind number size) #* payload)))

  (defn send-line [self line]
    "Send one line of the handshake, a str without its line feed."
    (.send-bytes self (.encode line) b"\n"))

  (defn post [self frames [done None] * [patience 0]]
    "Send whole frames, a list of buffers, without waiting, or for at most ``patience``
    seconds, as long as the other end takes more. Answers True if the system
    has all of them now. Else what it has not stays in the outbox, and ``done`` is
    called once, with whether the system has got it after all."
    (setv sent False)
    (if (and (= (len frames) 1) (not self.outbox) (.acquire self.sending :blocking False))
      (try
        (setv sent (.post-first self (get frames 0) done))
        (except [BaseException]
          (.abort self)
          (raise))
        (finally
          (.release self.sending)))
      (for [[n frame] (enumerate frames 1)]
        (.append self.outbox #(frame (when (= n (len frames)) done)))))
    ; Others may have put something there, and left it to who had the lock.
    (when self.outbox
      (.flush self patience))
    sent)

  (defn flush [self [patience 0]]
    "Send what is in the outbox, as far as the socket takes it now, or as `post` has it."
    (setv until (if patience (+ (time.monotonic) patience) 0))
    (while (and self.outbox (.acquire self.sending :blocking False))
      ; While somebody else sends, that one looks again when it has done so.
      (setv calls []  blocked False)
      (try
        (.empty-outbox self calls NOW)
        (except [BlockingIOError]
          (setv blocked True))
        (except [e OSError]
          (.abort self)
          ; Its frames so far refer to memory that is not ours.
          (raise (.with-traceback e None)))
        (except [BaseException]
          (.abort self)
          (raise))
        (finally
          (.release self.sending)
          (for [call calls]
            (call True))
          (when self.aborted
            (.give-up-outbox self))))
      (when blocked
        (setv room False)
        (try
          (setv room (.has-room-until self until))
          (finally  ; also where the handler of a signal raises meanwhile
            (when (and self.congested (not room))
              (self.congested))))
        (unless room
          (break)))))

  (defn has-room-until [self until]
    "Does the socket soon take more, and before this moment?"
    (and until (< (time.monotonic) until)
         (polled self.sock select.POLLOUT :wait STALL)))

  (defn repost [self frames done]
    "What of a `post` is still in the outbox, with the same ``done``, send from here, where
    the same bytes are."
    (with [_ self.sending]
      ; Not by iterating: others may append to it.
      (setv at (next (gfor  n (range (len self.outbox))  :if (is (get self.outbox n 1) done)  n) -1))
      (for [frame (reversed frames)]
        (when (< at 0)
          (break))
        (setv [data call] (get self.outbox at)
              (get self.outbox at) #((cut (memoryview frame) (- (len frame) (len data)) None) call))
        (-= at 1)))
    ; Who was to send it meanwhile has left that to who had the lock.
    (.flush self))

  (defn send-bytes [self head body #* more]
    (setv calls [])
    (try
      (with [_ self.sending]
        (.empty-outbox self calls)
        (if (< (len body) CHUNK)
          (.sendall self.sock (+ head body))  ; one packet
          (.send-both self head (memoryview body)))
        (for [buffer more]
          (.sendall self.sock buffer)))
      (except [BaseException]
        ; An unknown part of the frame is gone.
        (.abort self)
        (raise))
      (finally
        (for [call calls]
          (call True))
        (when self.aborted
          (.give-up-outbox self))))
    (.flush self))

  (defn give-up-outbox [self]
    "Tell of all that will never be sent."
    (with [_ self.sending]
      (setv unsent (lfor  [_ done] self.outbox  :if done  done))
      (.clear self.outbox))
    (for [done unsent]
      (done False)))

  ; The methods below are called with `self.sending` held.

  (defn post-first [self frame done]
    "Send a frame at once; the rest of it, if any, goes to the outbox before others."
    (setv n 0)
    (unless self.outbox
      (try
        (setv n (.send self.sock frame NOW))
        (except [BlockingIOError])))
    (setv all (and (= n (len frame)) (not (getattr self.sock "unsent" b""))))
    (unless all
      (.append self.outbox #((cut frame n None) done)))
    all)

  (defn empty-outbox [self calls [flags 0]]
    "Send what is in the outbox; append to ``calls`` what is to be called for it,
    when the lock is free again."
    (while self.outbox
      (setv [data sent] (get self.outbox 0)
            n (if data (.send self.sock data flags) 0)
            left (- (len data) n))
      ; A TLS socket may have taken bytes, and keep them.
      (when (and (not left) (getattr self.sock "unsent" b""))
        (setv (get self.outbox 0) #(b"" sent))
        (.push self.sock flags))
      (if left
        (setv (get self.outbox 0) #((cut (memoryview data) n None) sent))
        (do
          (.popleft self.outbox)
          (when sent
            (.append calls sent))))))

  (defn send-both [self head body]
    ; A packet with nothing but a header would wake the other end for nothing.
    (setv sent (.sendmsg self.sock [head body]))
    (when (< sent (len head))
      (.sendall self.sock (cut head sent None))
      (setv sent (len head)))
    (.sendall self.sock (cut body (- sent (len head)) None)))

  ;; Ending

  (defn set-timeout [self seconds]
    "How long a single send or receive may wait; None is for ever."
    (.settimeout self.sock seconds))

  (defn fileno [self]
    (.fileno self.sock))

  (defn hung-up [self]
    "Has the other end closed its side?"
    (or self.aborted
        (if self.lifeline
          (polled self.lifeline select.POLLIN self.sock HANG-UP)
          (hung-up? self.sock))))

  (defn abort [self]
    "End the connection now, waking any thread that waits in it. Idempotent;
    the socket stays open until `close`."
    (setv self.aborted True)
    (try
      (.shutdown self.sock socket.SHUT-RDWR)
      (except [OSError])))  ; not connected any more

  (defn close [self]
    "End the connection and free its descriptor. Idempotent."
    (.abort self)
    ; A descriptor closed under a thread that uses it may be another file's by
    ; then; after the abort, both locks are free in no time.
    (with [_ self.receiving  _ self.sending]
      (.close self.sock))
    (.give-up-outbox self)))
