"Who stands between two ends of dpfw, or at the other one, in the tests of TLS:
a tap that records, a middle man who ends TLS himself, a forger of records; and
two machines, made of network namespaces."

(import
  contextlib [contextmanager ExitStack]
  ctypes
  hashlib
  hmac
  os
  select
  shutil
  socket
  ssl
  struct
  subprocess
  tempfile
  cryptography.hazmat.primitives [hashes]
  cryptography.hazmat.primitives.asymmetric [ec x25519]
  cryptography.hazmat.primitives.ciphers.aead [AESGCM]
  cryptography.hazmat.primitives.kdf.hkdf [HKDFExpand]
  pytest
  dpfw.net.tls [load-certificate make-certificate]
  tests.helpers [begin exactly outcome])
(require hyrule.control [unless])

(setv
  WAIT 20  ; seconds, for anything at all
  CLONE-NEWNET 0x40000000
  HANDSHAKE 22  APPLICATION 23)  ; types of TLS records


;; * Contexts that are not dpfw's own

(defn client-context [[version None]]
  (setv context (ssl.SSLContext ssl.PROTOCOL-TLS-CLIENT)
        context.check-hostname False
        context.verify-mode ssl.CERT-NONE)
  (when version
    (setv context.maximum-version version))
  context)

(defn server-context []
  (setv context (ssl.SSLContext ssl.PROTOCOL-TLS-SERVER))
  (load-certificate context #* (make-certificate))
  context)


;; * Between two ends

(defclass Tap []
  "Passes on what comes to a listening socket, to a socket that ``dial`` gives,
  and back; ``seen`` is all that it passed on. The sockets are its to close."

  (defn __init__ [self listener dial]
    (setv
      self.listener listener
      self.address (cut (.getsockname listener) 2)
      self.dial dial
      self.seen (bytearray)
      self.sockets []
      self.links []
      self.done False
      [self.waked self.waker] (socket.socketpair)
      self.serving (begin self.serve)))

  (defn serve [self]
    (while True
      (setv [ready _ _] (select.select [self.listener self.waked] [] []))
      (when (in self.waked ready)
        (return))
      (.append self.links (begin self.link (get (.accept self.listener) 0)))))

  (defn link [self near]
    (with [stack (ExitStack)]
      (.enter-context stack near)
      (.settimeout near WAIT)
      (try
        (.pass-on self #* (.ends self stack near))
        ; An end hung up, or would not talk with us.
        (except [OSError]))))

  (defn ends [self stack near]
    "The two sockets to pass on between; the stack will close them."
    (setv far (.enter-context stack (self.dial)))
    (.settimeout far WAIT)
    [near far])

  (defn pass-on [self near far]
    (.extend self.sockets [near far])
    (setv ways {near far  far near})
    (while (not self.done)
      (setv held (lfor  s ways  :if (and (hasattr s "pending") (.pending s))  s))
      (for [source (or held (get (select.select (list ways) [] [] WAIT) 0))]
        (setv chunk (.recv source 65536))
        (unless chunk
          (return))
        (.extend self.seen chunk)
        (.sendall (get ways source) chunk))))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (setv self.done True)
    (.send self.waker b"!")
    (outcome self.serving)
    (for [sock self.sockets]
      (try
        (.shutdown sock socket.SHUT-RDWR)
        (except [OSError])))
    (for [link self.links]
      (outcome link))
    (for [sock [self.listener self.waked self.waker]]
      (.close sock))))


(defclass MiddleMan [Tap]
  "Speaks TLS with both, and passes on what they say in it."

  (defn __init__ [self #* arguments]
    (setv self.context (server-context))
    (.__init__ (super) #* arguments))

  (defn ends [self stack near]
    (setv [near far] (.ends (super) stack near)
          near (.enter-context stack (.wrap-socket self.context near :server-side True))
          far (.enter-context stack (.wrap-socket (client-context) far)))
    [near far]))


;; * At the other end

(defn expand [secret label length [context b""]]
  "HKDF-Expand-Label of RFC 8446."
  (setv label (+ b"tls13 " (.encode label))
        info (+ (struct.pack ">HB" length (len label)) label (bytes [(len context)]) context))
  (.derive (HKDFExpand (hashes.SHA384) length info) secret))

(defclass Writer []
  "Makes the records of one direction, under TLS_AES_256_GCM_SHA384, from a secret."

  (defn use-secret [self secret]
    (setv
      self.secret secret
      self.cipher (AESGCM (expand secret "key" 32))
      self.iv (int.from-bytes (expand secret "iv" 12) "big")
      self.sequence 0))

  (defn record [self type content]
    (setv
      header (struct.pack ">BHH" APPLICATION 0x0303 (+ (len content) 17))
      nonce (.to-bytes (^ self.iv self.sequence) 12 "big"))
    (+= self.sequence 1)
    (+ header (.encrypt self.cipher nonce (+ content (bytes [type])) header))))


(defclass Forger [Writer]
  "A TLS client that shakes hands by the book, and then makes its records by
  itself, so that it can say what no library lets it say. It hears by the book."

  (defn __init__ [self sock]
    (setv
      context (client-context)
      self.sock sock
      self.incoming (ssl.MemoryBIO)
      self.outgoing (ssl.MemoryBIO)
      self.tls (.wrap-bio context self.incoming self.outgoing))
    (with [log (tempfile.NamedTemporaryFile)]
      (setv context.keylog-filename log.name
            ; The one above was made before there was a log.
            self.tls (.wrap-bio context self.incoming self.outgoing))
      (.shake self)
      (setv context.keylog-filename None
            [line] (lfor
              line (.splitlines (.read log))
              :if (.startswith line b"CLIENT_TRAFFIC_SECRET_0 ")
              line)))
    (setv [name #* _] (.cipher self.tls))
    (unless (= name "TLS_AES_256_GCM_SHA384")
      (pytest.skip f"the forger knows no {name}"))
    (.use-secret self (bytes.fromhex (.decode (get (.split line) -1)))))

  (defn shake [self]
    (while True
      (setv done False)
      (try
        (.do-handshake self.tls)
        (setv done True)
        (except [ssl.SSLWantReadError]))
      (.sendall self.sock (.read self.outgoing))
      (when done
        (return))
      (.hear self)))

  (defn hear [self]
    (setv chunk (.recv self.sock 65536))
    (assert chunk "the other end hung up")
    (.write self.incoming chunk))

  (defn recv [self size]
    (while True
      (try
        (return (.read self.tls size))
        (except [ssl.SSLWantReadError]
          (.hear self)))))

  (defn text [self content]
    (.record self APPLICATION content))

  (defn key-update [self demanded]
    "The record that announces new keys of ours, and maybe demands the same."
    (setv record (.record self HANDSHAKE (bytes [24 0 0 1 (int demanded)])))
    (.use-secret self (expand self.secret "traffic upd" 48))
    record))


(defclass Impostor [Writer]
  "A TLS server that shows a certificate, and signs with a key that need not be
  the certificate's."

  (defn __init__ [self sock certificate key]
    (setv self.sock sock
          self.said (hashlib.sha384)  ; the transcript
          secret (.begin self))
    (.use-secret self (expand secret "s hs traffic" 48 (.digest self.said)))
    (.say self 8 b"\x00\x00")  ; no extensions
    (.say self 11 (+ b"\x00" (sized 3 (+ (sized 3 certificate) b"\x00\x00"))))
    (.say self 15 (+ b"\x04\x03" (sized 2 (.sign key
      (+ (* b" " 64) b"TLS 1.3, server CertificateVerify\x00" (.digest self.said))
      (ec.ECDSA (hashes.SHA256))))))
    (.say self 20 (hmac.digest (expand self.secret "finished" 48) (.digest self.said) "sha384")))

  (defn begin [self]
    "The two hellos; returns the secret that follows from them."
    (setv [_ _ size] (struct.unpack ">BHH" (exactly self.sock 5))
          hello (exactly self.sock size)
          session (cut hello 38 (+ 39 (get hello 38)))
          ; The client's share for x25519, the 32 bytes after its number and size.
          share (cut hello (+ (.index hello b"\x00\x1d\x00\x20") 4) None)
          key (x25519.X25519PrivateKey.generate)
          public (.public-bytes-raw (.public-key key)))
    (.update self.said hello)
    (setv answer (message 2 (+ b"\x03\x03" (os.urandom 32) session b"\x13\x02\x00" (sized 2 (+
      b"\x00\x2b\x00\x02\x03\x04"
      b"\x00\x33\x00\x24\x00\x1d\x00\x20" public)))))
    (.update self.said answer)
    (.sendall self.sock (+ b"\x16\x03\x03" (sized 2 answer)))
    (setv
      nothing (bytes 48)
      early (hmac.digest nothing nothing "sha384")
      derived (expand early "derived" 48 (.digest (hashlib.sha384)))
      shared (.exchange key (x25519.X25519PublicKey.from-public-bytes (cut share 32))))
    (hmac.digest derived shared "sha384"))

  (defn say [self type content]
    (setv said (message type content))
    (.update self.said said)
    (.sendall self.sock (.record self HANDSHAKE said))))

(defn sized [n bytes]
  "Bytes, after their number in ``n`` bytes."
  (+ (.to-bytes (len bytes) n "big") bytes))

(defn message [type content]
  (+ (bytes [type]) (sized 3 content)))


;; * Two machines

(defclass Machine []
  "A network namespace."

  (defn __init__ [self letter number]
    (setv
      self.name f"dpfw-tls-{(os.getpid)}-{letter}"
      self.address f"192.0.2.{number}"         ; TEST-NET-1
      self.address6 f"2001:db8::{number}"      ; for documentation
      self.local6 f"fe80::{number}"))          ; of this link

  (defn command [self #* words]
    "What runs a command on this machine."
    ["ip" "netns" "exec" self.name #* words])

  (defn here [self procedure #* arguments]
    "Call a procedure on this machine: sockets that it makes are this machine's."
    (defn there []
      ; Of this thread alone, which ends after that.
      (with [f (open f"/run/netns/{self.name}")]
        (unless (= 0 (.setns libc (.fileno f) CLONE-NEWNET))
          (raise (OSError (ctypes.get-errno) "setns"))))
      (procedure #* arguments))
    (outcome (begin there)))

  (defn listener [self]
    (.here self socket.create-server #(self.address 0)))

  (defn dialler [self address]
    "A procedure that connects to an address from this machine."
    (fn [] (.here self socket.create-connection address WAIT))))

(setv libc (ctypes.CDLL None :use-errno True))

(defn ip [#* words]
  (subprocess.run ["ip" #* words]
    :check True  :capture-output True  :text True  :timeout WAIT))

(defn [contextmanager] machines []
  "Two machines with a cable between them, and nothing else. Skips the test
  where that is not allowed."
  (unless (and (shutil.which "ip") (hasattr libc "setns"))
    (pytest.skip "no command ip, or no Linux: no network namespaces"))
  (setv a (Machine "a" 1)  b (Machine "b" 2))
  (with [stack (ExitStack)]
    (try
      (for [machine [a b]]
        (ip "netns" "add" machine.name)
        (.callback stack ip "netns" "delete" machine.name))
      (ip "-n" a.name "link" "add" "eth0" "type" "veth" "peer" "name" "eth0" "netns" b.name)
      (for [machine [a b]]
        (for [link ["lo" "eth0"]]
          (ip "-n" machine.name "link" "set" link "up"))
        (ip "-n" machine.name "address" "add" f"{machine.address}/30" "dev" "eth0"))
      (except [e subprocess.CalledProcessError]
        (pytest.skip f"no network namespaces here: {(.strip e.stderr)}")))
    (yield [a b])))

(defn with-ipv6 [machines]
  "Give them IPv6 addresses too; skips the test where there are none."
  (try
    (for [machine machines  address [machine.address6 machine.local6]]
      (ip "-n" machine.name "address" "replace" f"{address}/64" "dev" "eth0" "nodad"))
    (except [e subprocess.CalledProcessError]
      (pytest.skip f"no IPv6 here: {(.strip e.stderr)}"))))
