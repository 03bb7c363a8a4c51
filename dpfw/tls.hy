"TLS: what every session is that leaves the machine.

The listener's certificate is made when it is first needed, lives in memory and
vouches for nobody. That the dialler talks with the listener itself, and no man
in the middle, the proofs of the handshake show: they are bound to this
certificate, and only who holds the cookie can make them.

A session on loopback is not encrypted. The listener tells the two apart by the
first byte, and takes plain text from loopback only; a dialler speaks TLS to any
other address. So neither can be talked out of it."

(import
  functools [lru-cache]
  hashlib
  ipaddress
  os
  socket
  threading
  time
  dpfw.errors [HandshakeError WireError])
(eval-when-compile (require
  hyrule.argmove [->]
  hyrule.control [unless]))

(setv
  CLIENT-HELLO b"\x16"       ; the first byte of every TLS connection
  CHUNK 65536                ; bytes
  MAX-RECORD 16384           ; bytes of plain text in a TLS record
  VALID-DAYS 3650)           ; of the certificate, which nobody checks


(defn secure-dialled [connection deadline]
  "Make a new connection that was dialled TLS, unless it stays on this machine."
  (unless (loopback? connection.sock)
    (secure connection deadline :context (dialler-context) :server-side False)))

(defn secure-accepted [connection deadline]
  "Make a new connection that was accepted TLS, if its dialler asks for it.
  Answers False if it does not, and comes from another machine."
  (setv tls (= (first-byte connection.sock deadline) CLIENT-HELLO))
  (when tls
    (secure connection deadline :context (get (listener-identity) 0) :server-side True))
  (or tls (loopback? connection.sock)))

(defn secure [connection deadline context server-side]
  (setv tls (TlsSocket connection.sock context server-side))
  (try
    (.handshake tls deadline)
    (except [e WireError]
      (raise (HandshakeError f"no TLS with {connection.peer}: {e}") :from e)))
  (setv
    connection.sock tls
    connection.binding (if server-side
                         (get (listener-identity) 1)
                         (fingerprint (.certificate tls)))))

(defn fingerprint [certificate]
  "The channel binding tls-server-end-point (RFC 5929): the SHA-256 of the
  listener's certificate."
  (.digest (hashlib.sha256 certificate)))

(defn loopback? [sock]
  (setv host (get (.split (get (.getpeername sock) 0) "%") 0)
        address (ipaddress.ip-address host)
        mapped (getattr address "ipv4_mapped" None))
  (. (or mapped address) is-loopback))

(defn first-byte [sock deadline]
  "Wait for the first byte, and leave it there."
  (.settimeout sock (max 0.001 (- deadline (time.monotonic))))
  (.recv sock 1 socket.MSG-PEEK))


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
  (if (hasattr os "memfd_create")
    (with [f (open (os.memfd-create "dpfw") "w+b")]
      (.write f (+ certificate key))
      (.flush f)
      (.load-cert-chain context f"/proc/self/fd/{(.fileno f)}"))
    (do
      (import tempfile)
      (with [f (tempfile.NamedTemporaryFile)]  ; of mode 0600
        (.write f (+ certificate key))
        (.flush f)
        (.load-cert-chain context f.name)))))


;; The socket

(defclass TlsSocket []
  "A connected socket under TLS, with as much of a socket's face as a
  `Connection` uses. One thread may receive while another sends: the TLS object
  itself is used by one at a time, and never while anybody waits."

  (defn __init__ [self sock context server-side]
    (import ssl)
    (setv
      self.sock sock
      self.incoming (ssl.MemoryBIO)
      self.outgoing (ssl.MemoryBIO)
      self.tls (.wrap-bio context self.incoming self.outgoing :server-side server-side)
      self.lock (threading.Lock)      ; of the TLS object and what it puts out
      self.wants-read ssl.SSLWantReadError
      self.ends #(ssl.SSLZeroReturnError ssl.SSLEOFError)
      self.failure ssl.SSLError
      self.fileno sock.fileno
      self.settimeout sock.settimeout
      self.shutdown sock.shutdown
      self.close sock.close
      self.getpeername sock.getpeername
      self.getsockname sock.getsockname))

  (defn certificate [self]
    "The listener's certificate, in DER, on the dialler's side."
    (.getpeercert self.tls :binary-form True))

  (defn handshake [self deadline]
    (while True
      (setv done (.attempt self self.tls.do-handshake))
      (.sendall self.sock (.read self.outgoing))
      (when (is done None)
        (return))
      (when (= done b"")
        (raise (WireError "it hung up")))
      (.settimeout self.sock (max 0.001 (- deadline (time.monotonic))))
      (.feed self 0)))

  (defn recv [self size [flags 0]]
    "At most so many bytes; none at the end. ``flags`` may be MSG_DONTWAIT."
    (while True
      (setv got (.attempt self self.tls.read size))
      (when (is-not got WANTS-MORE)
        (return got))
      (.feed self flags)))

  (defn recv-into [self view]
    (setv got (.recv self (min (len view) MAX-RECORD))
          (cut view (len got)) got)
    (len got))

  (defn sendall [self data]
    ; The connection has one sender at a time, so the records leave in order.
    (setv view (memoryview data))
    (for [start (range 0 (len view) CHUNK)]
      (with [_ self.lock]
        (.write self.tls (cut view start (+ start CHUNK)))
        (setv records (.read self.outgoing)))
      (.sendall self.sock records)))

  (defn attempt [self procedure #* arguments]
    "Call a method of the TLS object; WANTS-MORE if it has to hear more first,
    no bytes at the end."
    (try
      (with [_ self.lock]
        (procedure #* arguments))
      (except [self.wants-read]
        WANTS-MORE)
      (except [self.ends]
        b"")
      (except [e self.failure]
        (raise (WireError f"TLS failed: {(or e.reason e)}") :from e))))

  (defn feed [self flags]
    "Wait for bytes from the network, and give them to the TLS object."
    (setv records (.recv self.sock CHUNK flags))
    (with [_ self.lock]
      (if records
        (.write self.incoming records)
        (.write-eof self.incoming)))))

(setv WANTS-MORE (object))
