"TLS: what leaves the machine cannot be read, changed, or led astray."

(import
  contextlib [contextmanager closing ExitStack]
  errno
  hashlib
  os
  pathlib [Path]
  random
  re
  select
  socket
  ssl
  stat
  struct
  subprocess
  sys
  unittest.mock [patch]
  warnings
  pytest
  dpfw.net.handshake
  dpfw.net.tls
  dpfw.master [Master]
  dpfw.errors [HandshakeError Refused WireError]
  dpfw.net.handshake [dial-handshake listen-handshake new-session]
  dpfw.net.addresses [format-address parse-address]
  dpfw.net.tls [CHUNK MAX-RECORD load-certificate make-certificate]
  dpfw.net.frames [framed]
  dpfw.net.wire [Connection ConnectionEnded]
  tests.helpers [all-from begin holds line-from linked message outcome stranger until]
  tests.processes [await-slaves run-task slave-server]
  tests.tls-strangers [Forger Impostor MiddleMan Tap WAIT client-context machines server-context with-ipv6])
(require hyrule.control [unless])

(setv
  COOKIE b"the cookie of these tests"
  AWAY (hy.mangle "loopback?")
  ; A remote and a result that have no byte string longer than this in common
  ; with anything else on the wire.
  SECRETS ["the-word-in-the-remote" "the-word-in-the-input" "THE-WORD-IN-THE-RESULT"]
  REMOTE '(fn [i o] (setv x "the-word-in-the-remote") (.upper (.replace (read i) "input" "result"))))

(defn local [i o]
  (import dpfw.task.ports [read write])
  (write "the-word-in-the-input" o)
  (read i))

(defn ends-encrypted [tap]
  "Check that what passed was TLS, and all the same cannot be read."
  (assert tap.seen "nothing passed")
  (holds (cut tap.seen 2) b"\x16\x03")
  (for [word ["(dpfw" "(proof" "(task" #* SECRETS]]
    (assert (not-in (.encode word) tap.seen) f"{word} passed in plain text")))


;; * Sessions on loopback that dpfw takes for others

(defn away []
  "Every address is another machine's."
  (patch.object dpfw.net.tls AWAY (fn [sock] False)))

(defn [pytest.fixture] elsewhere []
  (with [_ (away)]
    (yield)))

(defn shake [dialler listener]
  [(begin dial-handshake dialler "master" (new-session) COOKIE)
   (begin listen-handshake listener "slave" (new-session) COOKIE)])

(defn listening [connection]
  (begin listen-handshake connection "slave" (new-session) COOKIE))

(defn dialling [connection]
  (begin dial-handshake connection "master" (new-session) COOKIE))

(defn [pytest.fixture] session [elsewhere]
  "Two `Connection`s with each other, after the handshake."
  (with [both (linked)]
    (for [future (shake #* both)]
      (outcome future))
    (yield both)))

(defn [contextmanager] tapped-session []
  "As `session`, and a tap between the two."
  (with [stack (ExitStack)
         target (socket.create-server #("127.0.0.1" 0))
         tap (Tap (socket.create-server #("127.0.0.1" 0))
               (fn [] (socket.create-connection (.getsockname target) WAIT)))]
    (setv one (Connection (socket.create-connection tap.address WAIT)))
    (.callback stack one.close)
    (setv two (Connection (get (.accept target) 0)))
    (.callback stack two.close)
    (for [future (shake one two)]
      (outcome future))
    (yield #(one two tap))))

(defn records-of [connection payload]
  "The TLS records that carry these bytes from this end."
  (.encrypt connection.sock (memoryview payload)))

(defn bare [connection]
  "The socket under the TLS of a connection."
  connection.sock.sock)

(defn at-once [procedure #* arguments]
  "Call what must not wait: if it does, the sockets' own timeouts make it fail."
  (outcome (begin procedure #* arguments)))

(defn failing [future error #* parts]
  (with [raised (pytest.raises error)]
    (outcome future))
  (message raised #* parts))

(defn short-deadline [monkeypatch [seconds 0.4]]
  (monkeypatch.setattr dpfw.net.handshake "DEADLINE" seconds))


(defn test-a-session-that-leaves-the-machine-is-tls-1-3 [session]
  (for [connection session]
    (holds (.version connection.sock.tls) "TLSv1.3"))
  (setv bindings (lfor  connection session  connection.binding)
        certificate (.certificate (. (get session 0) sock)))
  (holds bindings (* 2 [(.digest (hashlib.sha256 certificate))])))

(defn test-a-session-on-loopback-is-not []
  (with [both (linked)]
    (for [future (shake #* both)]
      (outcome future))
    (for [connection both]
      (holds (type connection.sock) socket.socket)
      (holds connection.binding b""))))

(defn test-a-listener-takes-tls-on-loopback-too []
  (with [both (linked)]
    (with [_ (patch.object dpfw.net.tls AWAY (fn [sock] (is sock (. (get both 1) sock))))]
      (for [future (shake #* both)]
        (outcome future)))
    (holds (lfor  c both  (.version c.sock.tls)) ["TLSv1.3" "TLSv1.3"])))

(defn test-neither-remote-nor-result-can-be-read-on-the-wire []
  (with [[_ #* address] (slave-server)]
    (defn seen []
      (with [tap (Tap (socket.create-server #("127.0.0.1" 0))
                   (fn [] (socket.create-connection address WAIT)))
             master (Master)]
        (.connect master #* tap.address)
        (holds (run-task master REMOTE local) "THE-WORD-IN-THE-RESULT"))
      tap)
    (with [_ (away)]
      (ends-encrypted (seen)))
    ; And a tap would see it.
    (setv plain (seen))
    (for [word SECRETS]
      (assert (in (.encode word) plain.seen) word))))


;; * One TLS object, two threads

(defclass Watched []
  "A TLS object that notices when two threads use it at once."

  (defn __init__ [self tls]
    (setv self.tls tls  self.user None  self.crowded False))

  (defn __getattr__ [self name]
    (setv method (getattr self.tls name))
    (fn [#* arguments]
      (when self.user
        (setv self.crowded True))
      (setv self.user name)
      (try
        (method #* arguments)
        (finally
          (setv self.user None))))))

(defn test-both-ends-send-and-receive-at-once [session]
  (setv
    sizes [0 1 (- MAX-RECORD 1) MAX-RECORD (+ MAX-RECORD 1) (- CHUNK 10) CHUNK (+ CHUNK 1) 1000000])
  (defn send [connection seed]
    (setv rng (random.Random seed)
          sum (hashlib.sha256))
    (for [_ (range 4)  size (rng.sample sizes (len sizes))]
      (setv payload (rng.randbytes size))
      (.update sum payload)
      (.send connection "data" 1 payload))
    (.send connection "eof" 1)
    (.digest sum))
  (defn receive [connection piece]
    (setv sum (hashlib.sha256)
          view (memoryview (bytearray piece)))
    (while True
      (setv [kind _ length] (.receive-header connection))
      (when (= kind "eof")
        (return (.digest sum)))
      (if (% length 2)
        (.update sum (.receive-payload connection))
        (while length
          (setv n (.receive-into connection view))
          (.update sum (cut view n))
          (-= length n)))))
  (for [connection session]
    (setv connection.sock.tls (Watched connection.sock.tls)))
  (setv [one two] session
        interval (sys.getswitchinterval))
  (sys.setswitchinterval 1e-5)
  (try
    (setv
      sending [(begin send one 1) (begin send two 2)]
      receiving [(begin receive two 100000) (begin receive one 999)]
      ; These first, since when one fails, who sends gets stuck.
      came (list (map outcome receiving))
      sent (list (map outcome sending)))
    (finally
      (sys.setswitchinterval interval)))
  (holds came sent)
  (for [connection session]
    (assert (not connection.sock.tls.crowded) "two threads used the TLS object at once")))

(defn test-who-sends-does-not-keep-this-end-from-receiving [session]
  (setv [one two] session
        ; It stops when the buffers are full.
        sending (begin one.send "end" 1 (bytes (* 64 1024 1024))))
  (until (fn [] (not (get (select.select [] [(bare one)] [] 0.05) 1))))
  (.send two "data" 1 b"came through")
  (holds (at-once one.receive-header) #("data" 1 12))
  (holds (at-once one.receive-payload) b"came through")
  (.abort one)
  (failing sending OSError))

(defn test-who-waits-to-receive-does-not-keep-this-end-from-sending [session]
  (setv [one two] session
        receiving (begin one.receive-header))
  (.send one "data" 1 b"ping")
  (holds (at-once two.receive-header) #("data" 1 4))
  (holds (at-once two.receive-payload) b"ping")
  (.send two "eof" 1)
  (holds (outcome receiving) #("eof" 1 0)))

(defn test-abort-wakes-who-receives-and-who-sends [session]
  (setv [one two] session
        receiving (begin one.receive-header)
        sending (begin one.send "end" 1 (bytes (* 64 1024 1024))))
  (.abort one)
  (failing receiving WireError)
  (failing sending OSError)
  (.close one)
  (.close one))

(defn test-a-forked-process-does-not-speak-for-its-parent [session]
  "It would use the same keys and counters for other bytes."
  (setv [one two] session)
  (with [_ (warnings.catch-warnings)]
    (warnings.simplefilter "ignore")  ; of threads, from Python 3.12 on
    (setv pid (os.fork)))
  (when (= pid 0)
    (try
      (.sendall one.sock b"(eof 1 0)\n")
      (except [WireError]
        (os._exit 5))
      (finally
        (os._exit 6))))
  (holds (os.waitstatus-to-exitcode (get (os.waitpid pid 0) 1)) 5)
  (.send one "data" 1 b"mine")
  (holds (.receive-header two) #("data" 1 4)))


;; * What has arrived, and what is posted

(defn await-bytes [connection n]
  "Wait until so many bytes lie before the TLS."
  (until (fn [] (= n (len (.recv (bare connection) (* 16 CHUNK) socket.MSG-PEEK))))))

(defn readable [connection]
  (bool (get (select.select [(bare connection)] [] [] 0) 0)))

(defn test-all-arrives-that-was-received-though-no-socket-shows-it [session]
  (setv [one two] session
        frames (lfor  n (range 1 31)  #("data" n (* b"x" n)))
        records (.join b"" (lfor  parts frames  (records-of one (framed #* parts)))))
  (.sendall (bare one) records)
  (await-bytes two (len records))
  (holds (.arrived two) #(frames None))
  (holds #((readable two) two.sock.buffered) #(False False)))

(defn test-who-receives-one-frame-is-told-that-more-are-there [session]
  (setv [one two] session
        records (+ (records-of one b"(eof 1 0)\n") (records-of one b"(eof 2 0)\n")))
  (.sendall (bare one) records)
  (await-bytes two (len records))
  (holds (.receive-header two) #("eof" 1 0))
  (holds #((readable two) two.sock.buffered) #(False True))
  (holds (.arrived two) #([#("eof" 2 b"")] None)))

(defn test-half-a-record-is-waited-for-elsewhere [session]
  (setv [one two] session
        record (records-of one b"(eof 1 0)\n"))
  (for [piece [(cut record 3) (cut record 3 9)]]
    (.sendall (bare one) piece)
    (await-bytes two (len piece))
    (holds (at-once two.arrived) #([] None)))
  (.sendall (bare one) (cut record 9 None))
  (await-bytes two (- (len record) 9))
  (holds (at-once two.arrived) #([#("eof" 1 b"")] None)))

(defn test-a-long-payload-arrives-record-by-record [session]
  (setv [one two] session
        payload (os.urandom 3,000,000)
        sending (begin one.send "end" 7 payload)
        frames [])
  (until (fn []
    (setv [more end] (.arrived two))
    (.extend frames more)
    (holds end None)
    frames))
  (outcome sending)
  (assert (= frames [#("end" 7 payload)])))

(defn test-frames-that-arrive-before-a-cut-in-a-record [session]
  (setv [one two] session)
  (.sendall (bare one) (+ (records-of one b"(eof 1 0)\n") (cut (records-of one b"(eof 2 0)\n") 7)))
  (.shutdown one.sock socket.SHUT-WR)
  (setv frames []  end None)
  (while (not end)
    (setv [more end] (.arrived two))
    (.extend frames more))
  (holds frames [#("eof" 1 b"")])
  (holds (type end) WireError)
  (assert (in "cut in the middle of a TLS record" (str end)) (str end)))

(defn fill [connection]
  "Post data until the socket takes no more; returns the frames, and what became of them."
  (setv frames []  done [])
  (while (not connection.outbox)
    (setv n (len frames))
    (.append frames #("data" n (os.urandom 100,000)))
    (when (.post connection [(framed #* (get frames n))] (fn [ok [n n]] (.append done #(n ok))))
      (.append done #(n True))))
  #(frames done))

(defn hear [connection frames]
  (for [parts frames]
    (setv [kind number _] (.receive-header connection))
    (assert (= #(kind number (.receive-payload connection)) parts))))

(defn test-posting-does-not-wait-for-room [session]
  (setv [one two] session
        congested []
        one.congested (fn [] (.append congested True))
        [frames done] (at-once fill one)
        more [#("data" 1000 b"abc") #("eof" 1000 b"")])
  (assert congested)
  (holds (at-once one.post (lfor  parts more  (framed #* parts)) (fn [ok] (.append done #("more" ok)))) False)
  (setv hearing (begin hear two [#* frames #* more]))
  (until (fn [] (.flush one) (not one.outbox)))
  (outcome hearing)
  (holds done [#* (gfor  n (range (len frames))  #(n True))  #("more" True)])
  (holds one.sock.unsent b""))

(defn test-what-was-posted-goes-before-what-is-sent [session]
  (setv [one two] session
        [frames done] (fill one)
        sending (begin one.send "end" 2000 (os.urandom 200,000)))
  (hear two frames)
  (holds (.receive-header two) #("end" 2000 200,000))
  (.receive-payload two)
  (outcome sending)
  (holds done (lfor  n (range (len frames))  #(n True))))

(defn test-what-was-posted-and-is-never-sent-is-told [session]
  (setv [one two] session
        [frames done] (fill one))
  (.abort one)
  (with [_ (pytest.raises OSError)]
    (until (fn [] (.flush one) False)))
  (holds (get done -1) #((- (len frames) 1) False)))

(defn test-records-leave-whole-and-in-order-however-the-socket-takes-them [session]
  (setv [one two] session
        sock (bare one))
  (defclass Narrow []
    (setv dice (random.Random 6))
    (defn send [self data [flags 0]]
      (setv n (.choice self.dice [0 1 7 1000]))
      (when (and flags (= n 0))
        (raise (BlockingIOError)))
      (.send sock (cut (memoryview data) (max n 1)) flags))
    (defn __getattr__ [self name]
      (getattr sock name)))
  (setv one.sock.sock (Narrow)
        frames (lfor  n (range 20)  #("data" n (os.urandom (* n 500))))
        hearing (begin hear two frames))
  (for [[n parts] (enumerate frames)]
    (if (% n 3)
      (.post one [(framed #* parts)])
      (.send one #* parts)))
  (while one.outbox
    (.flush one))
  (outcome hearing))

(defn test-send-tells-what-it-took-and-keeps-what-the-socket-did-not [session]
  (setv [one two] session
        n (.send one.sock (bytes (* 3 CHUNK))))
  (holds n CHUNK)
  (.setblocking (bare one) False)
  (setv taken n)
  (with [_ (pytest.raises BlockingIOError)]
    (while True
      (+= taken (.send one.sock (bytes CHUNK) socket.MSG-DONTWAIT))))
  (assert one.sock.unsent)
  (with [_ (pytest.raises BlockingIOError)]
    (.push one.sock socket.MSG-DONTWAIT))
  (.setblocking (bare one) True)
  (setv pushing (begin one.sock.push)
        got 0)
  (while (< got taken)
    (+= got (len (.recv two.sock CHUNK))))
  (outcome pushing)
  (holds #(got one.sock.unsent) #(taken b"")))


;; * Looking ahead

(setv AHEAD (* 4 1024 1024))

(defn test-a-look-ahead-does-not-wait-for-the-rest-of-a-record [session]
  (setv [one two] session
        record (records-of one b"(cancel 5 0)\n"))
  (holds (at-once two.look-ahead ["cancel"] AHEAD) [])
  (for [piece [(cut record 3) (cut record 3 9)]]
    (.sendall (bare one) piece)
    (select.select [(bare two)] [] [] WAIT)
    (holds (at-once two.look-ahead ["cancel"] AHEAD) []))
  (.sendall (bare one) (cut record 9 None))
  (select.select [(bare two)] [] [] WAIT)
  (holds (at-once two.look-ahead ["cancel"] AHEAD) [#("cancel" 5)])
  (holds (.receive-header two) #("cancel" 5 0)))

(defn test-a-look-ahead-sees-what-was-read-and-not-yet-decrypted [session]
  (setv [one two] session
        ; Many records that come, and are read, at once.
        frames (.join b"" (lfor  _ (range 20)  [kind payload] [["eof" b""] ["data" b"abc"]]
                 (records-of one (+ (.encode f"({kind} 1 {(len payload)})\n") payload)))))
  (setv record (records-of one b"(cancel 5 0)\n"))
  (.sendall (bare one) (+ frames record))
  (until (fn [] (= (len frames) (- (len (.recv (bare two) CHUNK socket.MSG-PEEK)) (len record)))))
  (holds (.receive-header two) #("eof" 1 0))
  (assert two.sock.incoming.pending)
  (holds (select.select [(bare two)] [] [] 0) #([] [] []))
  (holds (at-once two.look-ahead ["cancel"] AHEAD) [#("cancel" 5)]))

(defn test-a-look-ahead-sees-behind-much-data [session]
  (setv [one two] session
        data (os.urandom 300000))
  (setv sending (begin (fn []
    (.send one "data" 5 data)
    (.send one "cancel" 5))))
  (until (fn [] (.look-ahead two ["cancel"] AHEAD)))
  (outcome sending)
  (holds (.receive-header two) #("data" 5 300000))
  (holds (.receive-payload two) data)
  (holds (.receive-header two) #("cancel" 5 0)))

(defn test-a-look-ahead-ends-at-its-limit [session]
  (setv [one two] session)
  (.send one "data" 1 (bytes 200000))
  (.receive-header two)
  (holds (at-once two.look-ahead ["cancel"] 50000) [])
  (holds (len two.received) 50000))


;; * The end

(defn [(pytest.mark.parametrize "politely" [False True])] test-an-end-between-frames-is-an-end
      [session politely]
  (setv [one two] session)
  (.send one "data" 1 b"abc")
  (when politely
    (with [_ (pytest.raises ssl.SSLWantReadError)]  ; the other end's good-bye
      (.unwrap one.sock.tls))
    (.sendall (bare one) (.read one.sock.outgoing)))
  (unless politely
    (.shutdown one.sock socket.SHUT-WR))
  (holds (.receive-header two) #("data" 1 3))
  (holds (.receive-payload two) b"abc")
  (failing (begin two.receive-header) ConnectionEnded "ended"))

(defn [(pytest.mark.parametrize "n" [1 4 5 6 20 -1])] test-a-cut-in-a-record-is-an-error [session n]
  (setv [one two] session)
  (.send one "data" 1 b"abc")
  (.sendall (bare one) (cut (records-of one b"(end 1 3)\nabc") n))
  (.shutdown one.sock socket.SHUT-WR)
  (holds (.receive-header two) #("data" 1 3))
  (with [raised (pytest.raises WireError)]
    (.receive-header two))
  (holds raised.type WireError)
  (message raised two.peer "cut in the middle of a TLS record"))

(defn test-a-cut-between-records-in-a-frame-is-an-error [session]
  (setv [one two] session)
  (.sendall (bare one) (records-of one b"(end 1 9)\nabc"))
  (.shutdown one.sock socket.SHUT-WR)
  (.receive-header two)
  (with [raised (pytest.raises WireError)]
    (.receive-payload two))
  (message raised two.peer "cut in the middle of a frame"))

(defn test-records-that-come-in-pieces-are-followed [session]
  (setv [one two] session
        stream (.join b"" (lfor  size [1 5 300 MAX-RECORD 50000]
                 (records-of one (+ (.encode f"(end 1 {size})\n") (bytes size)))))
        rng (random.Random 3)
        sizes [])
  (defn drip []
    (setv view (memoryview stream))
    (while view
      (setv n (rng.choice [1 2 3 4 5 6 7 100 16000]))
      (.sendall (bare one) (cut view n))
      (setv view (cut view n None)))
    (.shutdown one.sock socket.SHUT-WR))
  (.setsockopt (bare one) socket.IPPROTO-TCP socket.TCP-NODELAY 1)
  (setv dripping (begin drip))
  (try
    (while True
      (.append sizes (get (.receive-header two) 2))
      (.receive-payload two))
    (except [ConnectionEnded]))
  (outcome dripping)
  (holds sizes [1 5 300 MAX-RECORD 50000]))

(defn test-a-record-that-was-changed-is-an-error [session]
  (setv [one two] session
        record (bytearray (records-of one b"(end 1 3)\nabc")))
  (^= (get record 9) 1)
  (.sendall (bare one) record)
  (with [raised (pytest.raises WireError)]
    (.receive-header two))
  (message raised two.peer "BAD_RECORD_MAC")
  ; And that was the end: there is no speaking to this peer either.
  (failing (begin two.send "eof" 1) OSError))

(defn test-a-record-that-comes-twice-is-an-error [session]
  (setv [one two] session
        record (records-of one b"(eof 1 0)\n"))
  (.sendall (bare one) (+ record record))
  (holds (.receive-header two) #("eof" 1 0))
  (with [raised (pytest.raises WireError)]
    (.receive-header two))
  (message raised "BAD_RECORD_MAC"))


;; * Those who are slow, and those who are no TLS

(defn too-late [future]
  "It ends, before the sockets' own timeouts, and for that reason."
  (with [raised (pytest.raises HandshakeError)]
    (outcome future))
  (str raised.value))

(defn drip [sock bytes]
  "Send a byte every 50 ms until the other end closes."
  (for [byte bytes]
    (try
      (.send sock (struct.pack "B" byte))
      (except [OSError]
        (return)))
    ; Readable: it closed, or said so.
    (when (get (select.select [sock] [] [] 0.05) 0)
      (return))))

(defn client-hello []
  (setv outgoing (ssl.MemoryBIO)
        tls (.wrap-bio (client-context) (ssl.MemoryBIO) outgoing))
  (with [_ (pytest.raises ssl.SSLWantReadError)]
    (.do-handshake tls))
  (.read outgoing))

(defn [(pytest.mark.parametrize "said" ["all" "half" "byte"])]
      test-who-falls-silent-in-tls-is-given-up [elsewhere stranger monkeypatch said]
  (short-deadline monkeypatch)
  (setv [connection peer] stranger
        hello (client-hello))
  (.sendall peer (cut hello (get {"all" None  "half" 100  "byte" 1} said)))
  (setv error (too-late (listening connection)))
  (assert (in "no TLS" error) error)
  (assert (in "timed out" error) error))

(defn test-a-dialler-gives-up-who-does-not-answer-and-tells-nothing [elsewhere stranger monkeypatch]
  (short-deadline monkeypatch)
  (setv [connection peer] stranger
        error (too-late (dialling connection)))
  (assert (in "no TLS" error) error)
  (.close connection)
  (setv said (all-from peer))
  (holds (cut said 1) b"\x16")
  (for [word [b"dpfw" b"refused"]]
    (assert (not-in word said) said)))

(defn test-a-hello-that-trickles-in-is-given-up [elsewhere stranger monkeypatch]
  (short-deadline monkeypatch)
  (setv [connection peer] stranger
        listened (listening connection)
        dripping (begin drip peer (client-hello)))
  (too-late listened)
  (.close connection)
  (outcome dripping))

(defn test-a-record-that-trickles-in-is-given-up [elsewhere stranger monkeypatch]
  "Its bytes are no sign of life, even if each comes in time."
  (short-deadline monkeypatch 3)
  (setv [connection peer] stranger
        listened (listening connection)
        forger (Forger peer)
        dripping (begin drip peer (.text forger (bytes 5000)))
        error (too-late listened))
  (assert (in "took more than 3 seconds" error) error)
  (.close connection)
  (outcome dripping))

(defn test-records-without-end-that-say-nothing-are-given-up [elsewhere stranger monkeypatch]
  "They come so fast that nobody ever waits."
  (short-deadline monkeypatch 3)
  (setv [connection peer] stranger
        listened (listening connection)
        forger (Forger peer))
  (defn flood []
    (try
      (while True
        (.sendall peer (.key-update forger False)))
      (except [OSError])))
  (setv flooding (begin flood)
        error (too-late listened))
  (assert (in "took more than 3 seconds" error) error)
  (.close connection)
  (outcome flooding))

(defn test-who-speaks-only-tls-1-2-is-refused-and-told [elsewhere stranger]
  (setv [connection peer] stranger)
  (.settimeout peer WAIT)
  (setv listened (listening connection))
  (with [_ (pytest.raises ssl.SSLError :match "(?i)protocol.version")]
    (with [_ (.wrap-socket (client-context ssl.TLSVersion.TLSv1-2) peer)]))
  (failing listened HandshakeError "no TLS" "UNSUPPORTED_PROTOCOL"))

(defn test-a-listener-that-speaks-only-tls-1-2-is-left [elsewhere stranger]
  (setv [connection peer] stranger)
  (.settimeout peer WAIT)
  (setv dialled (dialling connection)
        context (server-context)
        context.maximum-version ssl.TLSVersion.TLSv1-2)
  (with [_ (pytest.raises ssl.SSLError)]
    (with [_ (.wrap-socket context peer :server-side True)]))
  (failing dialled HandshakeError "no TLS" "PROTOCOL_VERSION"))

(defn [(pytest.mark.parametrize "garbage" [
        b"\x16" b"\x16\x03" b"\x16\x03\x01\xff\xff" (+ b"\x16" (bytes 3000))
        (+ b"\x16\x03\x01\x02\x00" (* b"\xff" 600))
        (+ b"\x16(dpfw 1 master)" (* b"\n" 100))])]
      test-what-only-begins-like-tls-is-refused [elsewhere stranger garbage]
  (setv [connection peer] stranger
        listened (listening connection))
  (.sendall peer garbage)
  (.shutdown peer socket.SHUT-WR)
  (failing listened HandshakeError "no TLS"))

(defn test-who-hangs-up-in-tls-or-before-is-noticed [elsewhere stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (.shutdown peer socket.SHUT-RDWR)
  (failing listened HandshakeError "hung up"))

(defn test-who-hangs-up-after-tls-is-noticed [elsewhere stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (Forger peer)
  (.shutdown peer socket.SHUT-RDWR)
  (failing listened HandshakeError "hung up"))


;; * What a stranger can make us keep

(defn test-a-client-hello-of-great-length-is-refused-early [elsewhere stranger]
  "It says that it is 16 MiB long, and goes on and on."
  (setv [connection peer] stranger
        listened (listening connection)
        flooding (begin (fn []
          (try
            (for [start [b"\x01\xff\xff\xff" #* (* 1000 [(bytes 4)])]]
              (.sendall peer (+ b"\x16\x03\x01\x40\x00" start (bytes (- MAX-RECORD 4)))))
            (except [OSError])))))
  (failing listened HandshakeError "no TLS" "EXCESSIVE_MESSAGE_SIZE")
  (.close connection)
  (outcome flooding))

(defn test-a-line-without-end-is-refused-early [elsewhere stranger]
  (setv [connection peer] stranger
        listened (listening connection)
        forger (Forger peer)
        flooding (begin (fn []
          (try
            (for [_ (range 64)]
              (.sendall peer (.text forger (* b"x" MAX-RECORD))))
            (except [OSError])))))
  (failing listened HandshakeError "was something else")
  (assert (<= (len connection.received) 512) (len connection.received))
  (assert (<= connection.sock.incoming.pending CHUNK) connection.sock.incoming.pending)
  (.close connection)
  (outcome flooding))

(defn test-demands-for-new-keys-without-end-are-refused [elsewhere stranger]
  "Each has an answer, which waits until something is sent."
  (setv [connection peer] stranger
        listened (listening connection)
        forger (Forger peer)
        flooding (begin (fn []
          (try
            (for [_ (range 20000)]
              (.sendall peer (.key-update forger True)))
            (except [OSError])))))
  (with [raised (pytest.raises HandshakeError)]
    (outcome listened))
  (assert (in "new keys" (str raised.value.__context__)) (repr raised.value.__context__))
  (assert (<= connection.sock.outgoing.pending (* 2 CHUNK)) connection.sock.outgoing.pending)
  (.close connection)
  (outcome flooding))

(defn hand-shaken [connection peer]
  "A forger that holds the cookie, after the handshake with a listener."
  (setv listened (listening connection)
        forger (Forger peer)
        mine f"(dpfw 1 master \"{(* "5" 32)}\" \"{(* "6" 32)}\")"
        binding (.hexdigest (hashlib.sha256 (.getpeercert forger.tls :binary-form True))))
  (.sendall peer (.text forger (.encode (+ mine "\n"))))
  (setv theirs (.decode (.recv forger 1000))
        theirs (re.sub r" \"[0-9a-f]{64}\"\)\n$" ")" theirs)
        proof (.hexdigest (hmac-of (.join "\n" ["dpfw proof 1" "dialler" mine theirs binding]))))
  (.sendall peer (.text forger (.encode f"(proof \"{proof}\")\n")))
  (outcome listened)
  forger)

(defn hmac-of [text]
  (import hmac)
  (hmac.new COOKIE (.encode text) "sha256"))

(defn test-a-dialler-by-hand [elsewhere stranger]
  "The documentation has all that an implementation in another language needs."
  (setv [connection peer] stranger
        forger (hand-shaken connection peer))
  (.sendall peer (.text forger b"(task 1 3)\nabc"))
  (holds (.receive-header connection) #("task" 1 3)))

(defn [(pytest.mark.parametrize "demanded" [False True])]
      test-new-keys-are-taken-and-given [elsewhere stranger demanded]
  (setv [connection peer] stranger
        forger (hand-shaken connection peer))
  (for [n (range 3)]
    (.sendall peer (+ (.key-update forger demanded) (.text forger b"(data 1 3)\nabc")))
    (holds (.receive-header connection) #("data" 1 3))
    (holds (.receive-payload connection) b"abc")
    (.send connection "end" 1 b"def")
    (holds (.recv forger 100) b"(end 1 3)\ndef")))

(defn test-a-message-of-tls-that-is-broken-off-is-an-error [elsewhere stranger]
  (setv [connection peer] stranger
        forger (hand-shaken connection peer))
  (.sendall peer (.record forger 22 b"\x18\x00\x00\x01"))
  (select.select [(bare connection)] [] [] WAIT)
  (holds (at-once connection.look-ahead ["cancel"] AHEAD) [])
  (failing (begin connection.send "end" 1 b"abc") WireError connection.peer))


;; * Who is on this machine

(defn [(pytest.mark.parametrize "host, here" [
        ["127.0.0.1" True]  ["127.8.9.1" True]  ["::1" True]  ["::1%lo" True]
        ["::ffff:127.0.0.1" True]  ["::ffff:127.0.0.1%eth0" True]
        ["192.0.2.1" False]  ["10.0.0.1" False]  ["128.0.0.1" False]  ["0.0.0.0" False]
        ["::ffff:192.0.2.1" False]  ["::ffff:0:127.0.0.1" False]  ["::127.0.0.1" False]
        ["fe80::1" False]  ["fe80::1%eth0" False]  ["fe80::1%lo" False]  ["2001:db8::1" False]
        ["64:ff9b::127.0.0.1" False]  ["2002:7f00:1::" False]  ["::" False]])]
      test-only-loopback-is-this-machine [host here]
  (defclass Sock []
    (defn getpeername [self]
      #(host 80 0 0)))
  (holds (dpfw.net.tls.loopback? (Sock)) here))

(defn test-a-listener-refuses-plain-text-from-elsewhere [elsewhere stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (.sendall peer (.encode f"(dpfw 1 master \"{(* "5" 32)}\" \"{(* "6" 32)}\")\n"))
  (setv said (line-from peer))
  (assert (re.fullmatch rb"\(refused \"[^\"]* must be TLS[^\"]*\"\)" said) said)
  (failing listened Refused "must be TLS")
  (.close connection)
  (holds (all-from peer) b""))

(defn test-a-dialler-speaks-no-plain-text-to-elsewhere [elsewhere stranger]
  (setv [connection peer] stranger
        dialled (dialling connection)
        said (.recv peer 65536))
  (.sendall peer (.encode f"(dpfw 1 slave \"{(* "5" 32)}\" \"{(* "6" 32)}\" \"{(* "7" 64)}\")\n"))
  (failing dialled HandshakeError "no TLS" "WRONG_VERSION_NUMBER" "is that port dpfw's?")
  (.close connection)
  (+= said (all-from peer))
  (holds (cut said 3) b"\x16\x03\x01")
  (for [word [b"dpfw" b"master" b"refused"]]
    (assert (not-in word said) said)))


;; * The man in the middle

(defn [contextmanager] middle-man-before [address]
  (with [man (MiddleMan (socket.create-server #("127.0.0.1" 0))
               (fn [] (socket.create-connection address WAIT)))]
    (yield man)))

(setv
  MARK '(fn [i o] (setv (get (dpfw-slave-ht) "evaluated") True))
  MARKED? '(fn [i o] (in "evaluated" (dpfw-slave-ht))))

(defn stood-in-the-middle [man]
  "Check that he was where he wanted to be, and heard no remote."
  (assert (.startswith man.seen b"(dpfw 1 ") man.seen)
  (assert (not-in b"(task" man.seen) man.seen)
  (assert (not-in b"(proof" man.seen) man.seen))

(defn test-a-dialler-finds-out-a-middle-man [elsewhere]
  (with [[process #* address] (slave-server)
         master (Master)]
    (.on-connect master MARK)
    (with [man (middle-man-before address)]
      (with [raised (pytest.raises Refused)]
        (.connect master #* man.address))
      (message raised "somebody stands between the two ends")
      ; The listener is told.
      (setv line (.readline process.stderr))
      (assert (in "somebody stands between" line) line))
    (stood-in-the-middle man)
    (with [honest (Master)]
      (.connect honest #* address)
      (holds (run-task honest MARKED?) False))))

(defn test-a-listener-finds-out-a-middle-man-by-itself [elsewhere]
  "Even if the dialler would be fooled."
  (with [target (socket.create-server #("127.0.0.1" 0))
         man (middle-man-before (.getsockname target))
         dialler (closing (Connection (socket.create-connection man.address WAIT)))]
    (setv [sock _] (.accept target))
    (with [listener (closing (Connection sock))]
      (setv listened (listening listener))
      (with [_ (patch.object dpfw.net.handshake "check_proof"
                 (let [check dpfw.net.handshake.check-proof]
                   (fn [connection #* arguments]
                     (unless (is connection dialler)
                       (check connection #* arguments)))))]
        (outcome (dialling dialler))
        (failing listened Refused "somebody stands between the two ends")))))

;; What the proofs are bound to is worth no more than this.
(defn [(pytest.mark.parametrize "own" [True False])]
      test-to-show-a-certificate-takes-its-key [elsewhere stranger own]
  "The listener's own is no secret: everybody who dials gets to see it."
  (import cryptography.hazmat.primitives.serialization [load-pem-private-key])
  (setv [connection peer] stranger
        dialled (dialling connection)
        [certificate key] (make-certificate)
        [_ other-key] (make-certificate)
        key (load-pem-private-key (if own key other-key) None))
  (Impostor peer (ssl.PEM-cert-to-DER-cert (.decode certificate)) key)
  (.shutdown peer socket.SHUT-WR)
  (if own
    (failing dialled HandshakeError "hung up during")  ; after TLS
    (failing dialled HandshakeError "no TLS" "BAD_SIGNATURE")))

(defn test-who-passes-everything-on-is-no-middle-man []
  (with [_ (away)]
    (with [both (tapped-session)]
      (setv [one two tap] both)
      (.send one "data" 1 b"hello there")
      (holds (.receive-header two) #("data" 1 11))
      (holds (.receive-payload two) b"hello there"))
    (ends-encrypted tap)))


;; * The certificate, and what it costs

(defn test-a-certificate-is-of-one-process-only []
  (setv [a key-a] (make-certificate)
        [b key-b] (make-certificate))
  (assert (!= a b))
  (assert (!= key-a key-b))
  (setv [context own] (dpfw.net.tls.listener-identity))
  (assert (is context (get (dpfw.net.tls.listener-identity) 0))))

(defclass Loader []
  "Looks at what a context is told to load."
  (defn load-cert-chain [self path]
    (setv self.path path
          self.status (os.stat path)
          self.content (.read-bytes (Path path)))))

(defn test-a-key-is-never-on-a-disk []
  (unless (hasattr os "memfd_create")
    (pytest.skip "this system has no files that lie in memory only"))
  (setv loader (Loader))
  (with [_ (patch "tempfile.NamedTemporaryFile" None)]
    (load-certificate (server-context) #* (make-certificate)))
  (load-certificate loader b"CERTIFICATE" b"KEY")
  (assert (.startswith loader.path "/proc/self/fd/") loader.path)
  (holds loader.content b"CERTIFICATEKEY"))

(defn forbidden [#* _]
  (raise (OSError errno.ENOSYS (os.strerror errno.ENOSYS))))

(defn [(pytest.mark.parametrize "memfd" [None forbidden])]
      test-where-it-must-be-nobody-else-reads-it-and-it-goes [monkeypatch memfd]
  (if memfd
    (monkeypatch.setattr os "memfd_create" memfd :raising False)
    (monkeypatch.delattr os "memfd_create" :raising False))
  (setv loader (Loader))
  (load-certificate loader b"CERTIFICATE" b"KEY")
  (holds (stat.S-IMODE loader.status.st-mode) 0o600)
  (holds loader.content b"CERTIFICATEKEY")
  (assert (not (os.path.exists loader.path)) loader.path)
  (load-certificate (server-context) #* (make-certificate)))

(defn [(pytest.mark.parametrize "module" ["slave" "master" "launch"])]
      test-who-stays-on-this-machine-never-loads-tls [module]
  (setv code f"import dpfw.{module}, sys; print([m for m in ('ssl', '_ssl', 'cryptography') if m in sys.modules])"
        got (subprocess.run [sys.executable "-c" code]
              :capture-output True  :text True  :timeout WAIT))
  (holds got.stdout "[]\n"))


;; * Two machines

(defn [(pytest.fixture :scope "module")] two-machines []
  (with [both (machines)]
    (yield both)))

(defn [contextmanager] process-on [machine #* arguments]
  "A Python process on a machine; its standard output and error are pipes."
  (setv process (subprocess.Popen (.command machine sys.executable #* arguments)
    :stdin subprocess.DEVNULL  :stdout subprocess.PIPE  :stderr subprocess.PIPE  :text True))
  (try
    (yield process)
    (finally
      (.kill process)
      (.communicate process))))

(defn [contextmanager] slave-server-on [machine [host None]]
  "A slave server on a machine; gives the process and its port."
  (with [process (process-on machine "-m" "dpfw.slave" "0" #* (if host ["--host" host] []))]
    (setv line (.readline process.stdout))
    (yield #(process (get (parse-address (get (.split line) -1)) 1)))))

(setv MASTER "
import sys
from dpfw.master import *
host, port = sys.argv[1:]
dpfw_master_client(host, int(port))
def local(i, o):
    write('the-word-in-the-input', o)
    return read(i)
print(force(dpfw_make_task(sys.stdin.read(), local)))
print(sum(dpfw_parallel([[f'(fn [i o] (* 2 {n}))', read_result] for n in range(50)])))
")

(defn on [machine procedure #* arguments]
  (.here machine procedure #* arguments))

(defn test-a-master-dials-a-slave-on-another-machine [two-machines]
  (setv [a b] two-machines)
  (with [[_ port] (slave-server-on b b.address)
         tap (Tap (.listener b) (.dialler b #(b.address port)))]
    (setv master (subprocess.run (.command a sys.executable "-c" MASTER #* (map str tap.address))
      :input (cut (hy.repr REMOTE) 1 None)
      :capture-output True  :text True  :timeout WAIT))
    (holds master.stderr "")
    (holds (.splitlines master.stdout) ["THE-WORD-IN-THE-RESULT" "2450"]))
  (ends-encrypted tap))


(defn test-a-slave-dials-a-master-on-another-machine [two-machines]
  (setv [a b] two-machines)
  (with [master (Master)]
    (setv address (on b (fn [] (.listen master :host b.address))))
    (with [tap (Tap (.listener b) (.dialler b address))
           process (process-on a "-m" "dpfw.slave" "--connect" (format-address tap.address))]
      (await-slaves master 1)
      (holds (run-task master REMOTE local) "THE-WORD-IN-THE-RESULT")
      (holds (run-task master '(fn [i o] (import os) (os.getpid))) process.pid))
    (ends-encrypted tap)))

(defn test-ipv6-and-addresses-of-one-link-too [two-machines]
  (with-ipv6 two-machines)
  (setv [a b] two-machines)
  (with [[_ port] (slave-server-on b)]
    (for [host [b.address b.address6 f"{b.local6}%eth0"]]
      (with [master (Master)]
        (setv slave (on a (fn [] (.connect master host port))))
        (holds (.version slave.session.connection.sock.tls) "TLSv1.3")
        (holds (run-task master REMOTE local) "THE-WORD-IN-THE-RESULT")))
    ; Loopback of that other machine is as good as ours.
    (for [host ["127.0.0.1" "::1"]]
      (with [master (Master)]
        (setv slave (on b (fn [] (.connect master host port))))
        (holds (type slave.session.connection.sock) socket.socket)
        (holds (run-task master REMOTE local) "THE-WORD-IN-THE-RESULT")))))

(defn test-a-stranger-on-another-machine-who-speaks-plain-text-is-refused [two-machines]
  (setv [a b] two-machines)
  (with [[process port] (slave-server-on b)
         sock ((.dialler a #(b.address port)))]
    (.sendall sock (.encode f"(dpfw 1 master \"{(* "5" 32)}\" \"{(* "6" 32)}\")\n"))
    (holds (all-from sock)
      b"(refused \"from another machine, a session must be TLS; dpfw on both ends sees to that\")\n")
    (setv line (.readline process.stderr))
    (for [part ["refused " a.address "must be TLS"]]
      (assert (in part line) line))))

(defn test-a-master-finds-out-a-middle-man-between-the-machines [two-machines]
  (setv [a b] two-machines)
  (with [[process port] (slave-server-on b b.address)
         man (MiddleMan (.listener b) (.dialler b #(b.address port)))
         master (Master)]
    (.on-connect master MARK)
    (with [raised (pytest.raises Refused)]
      (on a (fn [] (.connect master #* man.address))))
    (message raised "somebody stands between the two ends")
    (setv line (.readline process.stderr))
    (assert (in "somebody stands between" line) line)
    (stood-in-the-middle man)
    (with [honest (Master)]
      (on a (fn [] (.connect honest b.address port)))
      (holds (run-task honest MARKED?) False))))

(defn test-a-slave-finds-out-a-middle-man-between-the-machines [two-machines caplog]
  (setv [a b] two-machines)
  (with [master (Master)]
    (setv address (on b (fn [] (.listen master :host b.address))))
    (with [man (MiddleMan (.listener b) (.dialler b address))
           process (process-on a "-m" "dpfw.slave" "--connect" (format-address man.address))]
      (setv [out err] (.communicate process :timeout WAIT))
      (holds process.returncode 1)
      (assert (in "somebody stands between the two ends" err) err)
      (until (fn [] (in "somebody stands between the two ends" caplog.text)))
      (stood-in-the-middle man))
    (holds (.slaves master) [])))
