"Frames on a connection: the grammar of the wire, and its limits.

::

    frame    = header payload
    header   = \"(\" kind \" \" length \")\\n\"     at most 32 bytes, ASCII
    kind     = \"values\" | \"task\" | \"data\" | \"eof\" | \"cancel\" | \"kill\"
             | \"end\" | \"error\" | \"output\"
    length   = decimal digits                 of the payload, in bytes
    payload  = length bytes

Before the first frame stand the lines of the handshake; `receive-line` reads
them. Nothing here knows what a payload means.

A connection may be used by one receiving and one sending thread at once, and
aborted by any. Whatever goes wrong in the middle of a frame leaves the stream
without meaning, so it ends the connection."

(import
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
  HEADER (re.compile rb"\(([a-z]{1,8}) (0|[1-9][0-9]{0,18})\)\n")
  MAX-HEADER 32             ; bytes, line feed included
  MAX-DATA (* 1024 1024)    ; bytes in one data frame
  DEFAULT-LIMIT (* 256 1024 1024)  ; bytes in any other frame
  LOWEST-LIMIT MAX-DATA            ; room for any description of an error
  CHUNK 65536               ; bytes asked of the socket at once
  HANG-UP (getattr select "POLLRDHUP" select.POLLHUP)
  TCP-STATE (when (= sys.platform "linux") socket.TCP-INFO)  ; its first byte
  ESTABLISHED 1)  ; neither end has hung up


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
      self.receiving (threading.Lock)
      self.sending (threading.Lock)
      self.aborted False))

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

  (defn receive-header [self]
    "Take the header of the next frame; return its kind and length. What was
    left of the payload before it is skipped."
    (with [_ self.receiving]
      (while self.left
        (.take self))
      (while True
        (setv found (HEADER.match self.received self.taken))
        (when found
          (setv self.taken (.end found))
          (return (.check-header self found)))
        (.check-partial-header self)
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
    "The first of these kinds of which a frame is among what has come, or None.
    Never waits: reads at most ``limit`` bytes ahead, and answers None while
    another thread receives."
    (unless (.acquire self.receiving :blocking False)
      (return None))
    (try
      (setv end None)
      (try
        (while (> (setx room (- limit (- (len self.received) self.taken))) 0)
          ; As much as there is at once: what was received before is copied each time.
          (.fill self room socket.MSG-DONTWAIT))
        (except [BlockingIOError])  ; that was all that has come
        (except [e OSError]
          (setv end e)))
      (setv kind (.find-ahead self kinds))
      (when (and end (not kind))
        (raise end))
      kind
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
    (setv [word digits] (.groups found)
          kind (.get KINDS word)
          length (int digits)
          limit (if (= kind "data") MAX-DATA self.limit))
    (when (is kind None)
      (raise (WireError f"{self.peer} sent a frame of the unknown kind {(ascii word)}")))
    (when (> length limit)
      (raise (WireError (+
        f"{self.peer} announced a {kind} frame of {length} bytes; the limit is {limit}. "
        (if (= kind "data")
          "Cut long data into several frames"
          "Set DPFW_FRAME_LIMIT on both ends, or send bulk data with write-object")))))
    (setv self.left length)
    #(kind length))

  (defn check-partial-header [self]
    (setv partial (cut self.received self.taken (+ self.taken MAX-HEADER)))
    (when (or (= (len partial) MAX-HEADER) (in b"\n" partial))
      (raise (WireError f"{self.peer} sent what is no frame header: {(ascii partial)}"))))

  (defn find-ahead [self kinds]
    "The first of these kinds of which a frame begins in the bytes received."
    (setv at (+ self.taken self.left))
    ; What is announced may be longer than anything that can be, or be counted.
    (while (and (< at (len self.received))
                (setx found (HEADER.match self.received at)))
      (setv kind (.get KINDS (.group found 1)))
      (when (in kind kinds)
        (return kind))
      (setv at (+ (.end found) (int (.group found 2))))))

  (defn ended [self]
    (if (or self.left (< self.taken (len self.received)))
      (WireError f"the connection with {self.peer} was cut in the middle of a frame")
      (ConnectionEnded f"the connection with {self.peer} ended")))

  ;; Sending

  (defn send [self kind [payload b""]]
    "Send one frame. ``payload`` is bytes, or a memoryview of bytes."
    (.send-bytes self (header kind payload) payload))

  (defn send-whole [self frames]
    "Send frames, header and all, as `framed` makes them."
    (.send-bytes self frames b""))

  (defn send-line [self line]
    "Send one line of the handshake, a str without its line feed."
    (.send-bytes self (.encode line) b"\n"))

  (defn try-send [self kind]
    "Send an empty frame, unless that would have to wait; return whether it was sent."
    (unless (.acquire self.sending :blocking False)
      (return False))
    (try
      (when (polled self.sock select.POLLOUT)
        (.transmit self (header kind b"") b"")
        True)
      (finally
        (.release self.sending))))

  (defn send-bytes [self head body]
    (with [_ self.sending]
      (.transmit self head body)))

  (defn transmit [self head body]
    (try
      (if (< (len body) CHUNK)
        (.sendall self.sock (+ head body))  ; one packet
        (.send-both self head (memoryview body)))
      (except [BaseException]
        ; An unknown part of the frame is gone.
        (.abort self)
        (raise))))

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
      (.close self.sock))))


(defn header [kind payload]
  (.encode f"({kind} {(len payload)})\n"))

(defn framed [kind payload]
  "A whole frame, as bytes. ::

    (framed \"end\" b\"5\")  ; => b\"(end 1)\\n5\""
  (+ (header kind payload) payload))

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
