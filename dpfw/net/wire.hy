"Frames on a connection: the grammar of the wire, and its limits.

::

    frame    = header payload
    header   = \"(\" kind \" \" number \" \" length \")\\n\"     at most 48 bytes, ASCII
    kind     = \"values\" | \"task\" | \"data\" | \"eof\" | \"cancel\" | \"kill\"
             | \"end\" | \"error\" | \"output\"
    number   = decimal digits                 of the task that the frame is about
    length   = decimal digits                 of the payload, in bytes
    payload  = length bytes

Before the first frame stand the lines of the handshake; `receive-line` reads
them. Nothing here knows what a payload means.

One thread receives at a time and one sends, and any may abort. Who may wait calls
`receive-header` and `send`; who may not, `arrived` and `post`, which leaves what
the socket does not take in the outbox. What was received is kept before it is
looked at, and looking at it again gives the same, so the right to receive can
pass from one thread to another between any two calls. Whatever goes wrong in the
middle of a frame leaves the stream without meaning, so it ends the connection."

(import
  collections [deque]
  os
  re
  select
  socket
  sys
  threading
  time
  dpfw.errors [SettingError WireError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  KINDS {b"values" "values"  b"task" "task"  b"data" "data"  b"eof" "eof"
         b"cancel" "cancel"  b"kill" "kill"
         b"end" "end"  b"error" "error"  b"output" "output"}
  WORDS (dfor  [word kind] (.items KINDS)  kind word)
  HEADER (re.compile rb"\(([a-z]{1,8}) (0|[1-9][0-9]{0,14}) (0|[1-9][0-9]{0,14})\)\n")
  MAX-HEADER 48             ; bytes, line feed included
  MAX-DATA (* 1024 1024)    ; bytes in one data frame
  DEFAULT-LIMIT (* 256 1024 1024)  ; bytes in any other frame
  LOWEST-LIMIT MAX-DATA            ; room for any description of an error
  CHUNK 65536               ; bytes asked of the socket at once,
  LARGE-CHUNK (* 16 CHUNK)  ; and in the middle of a long payload
  NOW (| socket.MSG-DONTWAIT (getattr socket "MSG_NOSIGNAL" 0))
  HANG-UP (getattr select "POLLRDHUP" select.POLLHUP)
  TCP-STATE (when (= sys.platform "linux") socket.TCP-INFO)  ; its first byte
  ESTABLISHED 1  ; neither end has hung up
  LIMIT-ADVICE "Set DPFW_FRAME_LIMIT on both ends")


(defn frame-limit []
  "The largest payload that this process sends or takes in one frame, in bytes:
  ``$DPFW_FRAME_LIMIT``, else 256 MiB. Raises `SettingError`. ::

    (frame-limit)  ; => 268435456"
  (setv text (os.environ.get "DPFW_FRAME_LIMIT" ""))
  (unless text
    (return DEFAULT-LIMIT))
  (unless (and (.isascii text) (.isdigit text) (<= LOWEST-LIMIT (int text)))
    (raise (SettingError
      f"DPFW_FRAME_LIMIT is {(repr text)}; give it a number of bytes, at least {LOWEST-LIMIT}")))
  (int text))


(defclass ConnectionEnded [WireError]
  "The other end closed the connection, or the network did.")


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
      self.peer (peer-name sock)
      self.name (cut (.getsockname sock) 2)  ; our own host and port
      self.received b""   ; bytes that came and were not taken yet:
      self.taken 0        ; those from here on
      self.left 0         ; bytes of the current payload not taken yet
      self.header None    ; kind and number of the frame that `arrived` waits for,
      self.pieces []      ; and what it has of a payload that comes in several
      self.outbox (deque) ; [bytes, what to call when they are sent], to be sent
      self.congested None ; what to call when the socket does not take them now
      self.receiving (threading.Lock)
      self.sending (threading.Lock)
      self.aborted False))

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
    after them, or None. Finds nothing while another thread receives."
    (unless (.acquire self.receiving :blocking False)
      (return #([] None)))
    (try
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
      (while self.left
        (.take self))
      (while True
        (when (< self.taken (len self.received))
          (setv found (HEADER.match self.received self.taken))
          (when found
            (setv self.taken (.end found))
            (return (.check-header self found)))
          (.check-partial-header self))
        (.fill self))))

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
    "Take all that is left of the current payload, as bytes."
    (with [_ self.receiving]
      (when (<= self.left (- (len self.received) self.taken))
        (return (.take self self.left)))
      (setv payload (bytearray self.left)
            view (memoryview payload)
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
      (bytes payload)))

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
      (setv found (list (.find-ahead self kinds)))
      (when (and end (not found))
        (raise end))
      found
      (finally
        (.release self.receiving))))

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
    ; What a TLS socket has decrypted already, poll(2) does not show.
    (while (getattr self.sock "buffered" False)
      (.fill self CHUNK NOW)))

  (defn whole-frame [self]
    "Take the next frame, if all of it has come. A long payload is put aside piece
    by piece."
    (when (is self.header None)
      (setv found (HEADER.match self.received self.taken))
      (unless found
        (.check-partial-header self)
        (return None))
      (setv self.taken (.end found)
            self.header (.check-header self found)))
    (setv piece (cut self.received self.taken (+ self.taken self.left)))
    (+= self.taken (len piece))
    (-= self.left (len piece))
    (if self.left
      (.append self.pieces piece)
      (do
        (setv [kind number _] self.header
              self.header None)
        (when self.pieces
          (setv piece (.join b"" [#* self.pieces piece])
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

  (defn check-header [self found]
    (setv [word number length] (.groups found)
          kind (.get KINDS word)
          length (int length)
          limit (if (= kind "data") MAX-DATA self.limit))
    (when (is kind None)
      (raise (WireError f"{self.peer} sent a frame of the unknown kind {(ascii word)}")))
    (when (> length limit)
      (raise (WireError (+
        f"{self.peer} announced a {kind} frame of {length} bytes; the limit is {limit}. "
        (if (= kind "data")
          "Cut long data into several frames"
          f"{LIMIT-ADVICE}, or send bulk data with write-object")))))
    (setv self.left length)
    #(kind (int number) length))

  (defn check-partial-header [self]
    (setv partial (cut self.received self.taken (+ self.taken MAX-HEADER)))
    (when (or (= (len partial) MAX-HEADER) (in b"\n" partial))
      (raise (WireError f"{self.peer} sent what is no frame header: {(ascii partial)}"))))

  (defn find-ahead [self kinds]
    "The kind and number of each frame of these kinds that begins in the bytes
    received."
    (setv at (+ self.taken self.left))
    ; What is announced may be longer than anything that can be, or be counted.
    (while (and (< at (len self.received))
                (setx found (HEADER.match self.received at)))
      (setv kind (.get KINDS (.group found 1)))
      (when (in kind kinds)
        (yield #(kind (int (.group found 2)))))
      (setv at (+ (.end found) (int (.group found 3))))))

  (defn ended [self]
    (if (or self.left (< self.taken (len self.received)))
      (WireError f"the connection with {self.peer} was cut in the middle of a frame")
      (ConnectionEnded f"the connection with {self.peer} ended")))

  ;; Sending

  (defn send [self kind number [payload b""]]
    "Send one frame, and wait for as long as that takes. ``payload`` is bytes, or a
    memoryview of bytes."
    (.send-bytes self (header kind number payload) payload))

  (defn send-line [self line]
    "Send one line of the handshake, a str without its line feed."
    (.send-bytes self (.encode line) b"\n"))

  (defn post [self frames [done None]]
    "Send whole frames, a list of bytes, without waiting. Answers True if the system
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
      (.flush self))
    sent)

  (defn flush [self]
    "Send what is in the outbox, as far as the socket takes it now."
    (while (and self.outbox (.acquire self.sending :blocking False))
      ; While somebody else sends, that one looks again when it has done so.
      (setv calls []  blocked False)
      (try
        (.empty-outbox self calls NOW)
        (except [BlockingIOError]
          (setv blocked True))
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
        (when self.congested
          (self.congested))
        (break))))

  (defn send-bytes [self head body]
    (setv calls [])
    (try
      (with [_ self.sending]
        (.empty-outbox self calls)
        (if (< (len body) CHUNK)
          (.sendall self.sock (+ head body))  ; one packet
          (.send-both self head (memoryview body))))
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
      (setv unsent (list self.outbox))
      (.clear self.outbox))
    (for [[_ done] unsent]
      (when done
        (done False))))

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
    (or self.aborted (hung-up? self.sock)))

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


(defn header [kind number payload]
  (% b"(%b %d %d)\n" #((get WORDS kind) number (len payload))))

(defn framed [kind number payload]
  "A whole frame, as bytes. ::

    (framed \"end\" 7 b\"5\")  ; => b\"(end 7 1)\\n5\""
  (% b"(%b %d %d)\n%b" #((get WORDS kind) number (len payload) payload)))

(defn hung-up? [sock]
  ; Asked for each task. The socket option answers without letting go of the
  ; interpreter, for which another thread may be waiting.
  (try
    (!= (get (.getsockopt sock socket.IPPROTO-TCP TCP-STATE 1) 0) ESTABLISHED)
    (except [[OSError TypeError]]  ; closed, no TCP, or a system that does not tell
      (polled sock HANG-UP))))

(defn polled [sock events]
  "Does poll(2) report any of these events, or an error, at this moment?"
  (setv poll (select.poll))
  (try
    (.register poll sock events)
    (except [ValueError]  ; closed
      (return True)))
  (bool (.poll poll 0)))

(defn peer-name [sock]
  "How errors call the other end: HOST:PORT."
  (try
    (format-address (.getpeername sock))
    (except [OSError]
      "a peer that is gone")))

(defn format-address [address]
  "The address of a socket as a person writes it. ::

    (format-address #(\"::1\" 80 0 0))  ; => \"[::1]:80\""
  (setv [host port] (cut address 2))
  (if (in ":" host)
    f"[{host}]:{port}"
    f"{host}:{port}"))
