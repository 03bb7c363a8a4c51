"TLS: what every session is that leaves the machine.

The listener's certificate is made when it is first needed, lives in memory and
vouches for nobody. That the dialler talks with the listener itself, and no man
in the middle, the proofs of the handshake show: they are bound to this
certificate, and only who holds the cookie can make them.

TLS has the listener sign the handshake with the certificate's key, so it is of
no use to show the certificate of another.

A session on loopback is not encrypted. The listener tells the two apart by the
first byte, and takes plain text from loopback only; a dialler speaks TLS to any
other address. So neither can be talked out of it.

A session over ssh has, at both ends, a pair of sockets between dpfw and ssh, which
encrypts, and knows the other host by its key.

What is left to an attacker: to guess a cookie that a person thought up, off
line, since a listener proves itself first, and to anyone; to cut connections
and count their bytes; and, as another user of this machine, to listen on a
loopback port that dpfw has left, and speak between two ends that hold the cookie."

(import
  functools [lru-cache]
  hashlib
  ipaddress
  os
  threading
  time
  dpfw.errors [HandshakeError WireError]
  dpfw.net.addresses [local-pair?])
(eval-when-compile (require
  hyrule.argmove [->]
  hyrule.control [unless]))

(setv
  CLIENT-HELLO b"\x16"       ; the first byte of every TLS connection
  CHUNK 65536                ; bytes
  RECORD-HEADER 5            ; bytes: type, version, and in the last two the length
  MAX-RECORD 16384           ; bytes of plain text in a TLS record
  VALID-DAYS 3650)           ; of the certificate, which nobody checks


(defn secure-dialled [connection deadline]
  "Make a new connection that was dialled TLS, unless it stays on this machine."
  (unless (loopback? connection.sock)
    (setv tls (secure connection deadline (dialler-context) :server-side False)
          connection.binding (fingerprint (.certificate tls)))))

(defn secure-accepted [connection deadline]
  "Make a new connection that was accepted TLS, if its dialler asks for it.
  Answers False if it does not, and comes from another machine."
  (setv byte (.peek connection deadline)
        connection.spoken True)
  (when (= byte CLIENT-HELLO)
    (setv [context own] (listener-identity))
    (secure connection deadline context :server-side True)
    (setv connection.binding own))
  ; Who hung up without a word has not asked for anything, and never will.
  (or (in byte [CLIENT-HELLO b""]) (loopback? connection.sock)))

(defn secure [connection deadline context server-side]
  (.secure connection (fn [sock]
    (setv tls (TlsSocket sock context server-side connection.peer))
    (try
      (.handshake tls deadline)
      (except [e [WireError TimeoutError]]
        ; Nothing is said in plain text to who may be on another machine.
        (raise (HandshakeError f"no TLS with {connection.peer}: {e}; is that port dpfw's?") :from e)))
    tls))
  connection.sock)

(defn fingerprint [certificate]
  "The channel binding tls-server-end-point (RFC 5929): the SHA-256 of the
  listener's certificate."
  (.digest (hashlib.sha256 certificate)))

(defn loopback? [sock]
  ; Of a pair of sockets, the other one is here. Where it leads to another machine,
  ; as an ssh's does, whoever has it sees to that.
  (when (local-pair? sock)
    (return True))
  (setv address (ipaddress.ip-address (get (.getpeername sock) 0))
        ; Until Python 3.13, ::ffff:127.0.0.1 is no loopback address of its own.
        mapped (getattr address "ipv4_mapped" None))
  (. (or mapped address) is-loopback))

(defn wait-until [sock deadline]
  "Let a socket wait until that moment of the monotonic clock, and no longer.
  Raises `TimeoutError` when it has come."
  (setv left (- deadline (time.monotonic)))
  (unless (> left 0)
    (raise (TimeoutError "timed out")))
  (.settimeout sock left))


;; Contexts

(defn [(lru-cache :maxsize 1)] dialler-context []
  (import ssl)
  (setv context (ssl.SSLContext ssl.PROTOCOL-TLS-CLIENT)
        context.minimum-version ssl.TLSVersion.TLSv1-3
        context.check-hostname False
        context.verify-mode ssl.CERT-NONE)
  context)

(setv identity-lock (threading.Lock))

(defn listener-identity []
  "The context of this process's listeners, and the fingerprint of its certificate."
  (with [_ identity-lock]
    (make-listener-identity)))

(defn [(lru-cache :maxsize 1)] make-listener-identity []
  (import ssl)
  (setv [certificate key] (make-certificate)
        context (ssl.SSLContext ssl.PROTOCOL-TLS-SERVER)
        context.minimum-version ssl.TLSVersion.TLSv1-3
        context.num-tickets 0)  ; no session is ever resumed
  (load-certificate context certificate key)
  #(context (fingerprint (ssl.PEM-cert-to-DER-cert (.decode certificate)))))

(defn make-certificate []
  "A new self-signed certificate and its key, both in PEM."
  (import
    cryptography [x509]
    cryptography.hazmat.primitives [hashes serialization]
    cryptography.hazmat.primitives.asymmetric [ec]
    datetime [datetime timedelta timezone])
  (setv
    key (ec.generate-private-key (ec.SECP256R1))
    name (x509.Name [(x509.NameAttribute x509.NameOID.COMMON-NAME "dpfw")])
    now (datetime.now timezone.utc)
    certificate (-> (x509.CertificateBuilder)
      (.subject-name name)
      (.issuer-name name)
      (.public-key (.public-key key))
      (.serial-number (x509.random-serial-number))
      (.not-valid-before (- now (timedelta :days 1)))
      (.not-valid-after (+ now (timedelta :days VALID-DAYS)))
      (.sign key (hashes.SHA256))))
  #((.public-bytes certificate serialization.Encoding.PEM)
    (.private-bytes key serialization.Encoding.PEM serialization.PrivateFormat.PKCS8
      (serialization.NoEncryption))))

(defn load-certificate [context certificate key]
  "Load from memory, as far as the system has files that lie in memory only;
  the ssl module takes nothing but names of files."
  (try
    (setv f (open (os.memfd-create "dpfw") "w+b")
          name f"/proc/self/fd/{(.fileno f)}")
    (except [[AttributeError OSError]]  ; no such system, or one that forbids it
      (import tempfile)
      (setv f (tempfile.NamedTemporaryFile)  ; of mode 0600
            name f.name)))
  (with [_ f]
    (.write f (+ certificate key))
    (.flush f)
    (.load-cert-chain context name)))


;; The socket

(defclass TlsSocket []
  "A connected socket under TLS, with as much of a socket's face as a
  `Connection` uses. One thread may receive while another sends: the TLS object
  itself is used by one at a time, and never while anybody waits."

  (defn __init__ [self sock context server-side peer]
    (import ssl)
    (setv
      self.sock sock
      self.peer peer
      self.timeout (.gettimeout sock)
      self.incoming (ssl.MemoryBIO)
      self.outgoing (ssl.MemoryBIO)
      self.tls (.wrap-bio context self.incoming self.outgoing :server-side server-side)
      self.lock (threading.Lock)  ; of the TLS object and the two above
      self.process (os.getpid)
      self.header b""     ; what has come of a record's header
      self.missing 0      ; bytes of the last record that are still to come
      self.unsent b""     ; records that the socket has not taken yet
      self.wants-read ssl.SSLWantReadError
      self.ends #(ssl.SSLZeroReturnError ssl.SSLEOFError)
      self.failure ssl.SSLError
      self.fileno sock.fileno
      self.setsockopt sock.setsockopt
      self.shutdown sock.shutdown
      self.close sock.close
      self.getpeername sock.getpeername
      self.getsockopt sock.getsockopt
      self.getsockname sock.getsockname))

  (defn settimeout [self seconds]
    (setv self.timeout seconds)
    (.settimeout self.sock seconds))

  (defn certificate [self]
    "The listener's certificate, in DER, on the dialler's side."
    (.getpeercert self.tls :binary-form True))

  (defn handshake [self deadline]
    (wait-until self.sock deadline)
    (while (is (setx done (.step self)) WANTS-MORE)
      (.feed self deadline))
    (unless (is done None)
      (raise (WireError "it hung up"))))

  (defn step [self]
    "One step of the handshake; WANTS-MORE, or None when it is complete."
    (try
      (.attempt self self.tls.do-handshake)
      (finally
        ; On failure, this is the alert that tells the other end why.
        (when self.outgoing.pending
          (.sendall self.sock (.read self.outgoing))))))

  (defn recv [self size [flags 0]]
    "At most so many bytes; none at the end. ``flags`` may be MSG_DONTWAIT."
    (.receive self flags size))

  (defn recv-into [self view]
    (.receive self 0 (min (len view) MAX-RECORD) view))

  (defn receive [self flags #* how]
    ; The timeout is for all of it: bytes of a record that trickle in are no
    ; sign of life.
    (setv deadline (when self.timeout (+ (time.monotonic) self.timeout)))
    (while (is (setx got (.attempt self self.tls.read #* how)) WANTS-MORE)
      (.feed self deadline flags))
    (when (and (not got) (or self.missing self.header))
      (raise (WireError f"the connection with {self.peer} was cut in the middle of a TLS record")))
    got)

  (defn [property] buffered [self]
    "Are there bytes that came, and can be received without the network?"
    (with [_ self.lock]
      (or (> (.pending self.tls) 0) (> self.incoming.pending 0))))

  ; The connection has one sender at a time, so the records leave in order.

  (defn sendall [self data]
    (setv view (memoryview data))
    (while view
      (setv view (cut view (.send self view) None))))

  (defn send [self data [flags 0]]
    "Take some of these bytes; return how many. ``flags`` may be MSG_DONTWAIT, and
    then some of them may wait here, in `unsent`, for `push`."
    (.push self flags)
    (setv piece (cut (memoryview data) CHUNK)
          records (.attempt self self.encrypt piece))
    (when (in records [WANTS-MORE b""])
      (raise (WireError f"{self.peer} broke off a message of TLS's own")))
    (setv self.unsent records)
    (try
      (.push self flags)
      (except [BlockingIOError]))  ; they wait
    (len piece))

  (defn push [self [flags 0]]
    "Send the records that wait. Raises `BlockingIOError` when the socket does not
    take them all now, and ``flags`` say not to wait."
    (while self.unsent
      (setv self.unsent (cut self.unsent (.send self.sock self.unsent flags) None))))

  (defn sendmsg [self parts]
    "Send all of them, unlike a socket's; returns the number of bytes."
    (for [part parts]
      (.sendall self part))
    (sum (map len parts)))

  (defn encrypt [self view]
    "The records that carry these bytes, after what TLS itself has to say."
    (unless (= (os.getpid) self.process)
      ; Two processes that encrypt with one key and counter give both texts away.
      (raise (WireError f"the session with {self.peer} belongs to the process that this one was forked from")))
    (while view
      (setv view (cut view (.write self.tls view) None)))
    (.read self.outgoing))

  (defn attempt [self procedure #* arguments]
    "Call what uses the TLS object; WANTS-MORE if it has to hear more first, no
    bytes at the end."
    (try
      (with [_ self.lock]
        (procedure #* arguments))
      (except [self.wants-read]
        WANTS-MORE)
      (except [self.ends]
        b"")
      (except [e self.failure]
        (raise (WireError f"TLS with {self.peer} failed: {(or e.reason e)}") :from e))))

  (defn feed [self deadline [flags 0]]
    "Wait for bytes from the network, and give them to the TLS object."
    (unless (is deadline None)
      (wait-until self.sock deadline))
    (setv records (.recv self.sock CHUNK flags))
    (.follow self records)
    (with [_ self.lock]
      ; What TLS answers, to demands for new keys, leaves with what is sent next.
      (when (> self.outgoing.pending CHUNK)
        (raise (WireError f"{self.peer} demands new keys without end")))
      (if records
        (.write self.incoming records)
        (.write-eof self.incoming))))

  (defn follow [self records]
    "Keep track of where records end; the ssl module does not tell."
    (setv records (+ self.header records)
          at self.missing)
    (while (<= (+ at RECORD-HEADER) (len records))
      (+= at RECORD-HEADER (int.from-bytes (cut records (+ at 3) (+ at RECORD-HEADER)) "big")))
    (setv self.header (cut records at None)
          self.missing (max 0 (- at (len records))))))

(setv WANTS-MORE (object))
