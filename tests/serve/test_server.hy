"A slave finds its masters, and they find it, whatever else answers or dials."

(import
  contextlib [contextmanager]
  secrets
  socket
  threading
  unittest.mock [patch]
  pytest
  dpfw.data.sexp [register-type]
  dpfw.errors [AddressError Refused]
  dpfw.net.addresses [resolve]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [hello listen-handshake]
  dpfw.net.wire [Connection]
  dpfw.serve.evaluator [Evaluator]
  dpfw.serve.process [evaluator]
  dpfw.serve.server [Server]
  dpfw.slave
  tests.helpers [WAIT begin holds line-from message outcome reset until]
  tests.serve.sessions [dialled ends hangs-up task])

(setv GARBAGE b"HTTP/1.1 502 Bad Gateway\r\n\r\n")

(defn [contextmanager] dialling [[host None]]
  "What a slave dials: its listening socket, and how the slave ends."
  (with [listener (socket.create-server #("127.0.0.1" 0))
         _ (patch "dpfw.net.addresses.LONGEST_PAUSE" 0.01)
         server (Server (Evaluator {}))]
    (.settimeout listener WAIT)
    (setv [address port] (.getsockname listener)
          serving (begin server.serve-dialled (or host address) port))
    (try
      (yield #(listener serving))
      (finally
        (.close server.node)
        (.join serving.thread WAIT)))))

(defn [contextmanager] called [listener]
  "The bare socket of the slave that has dialled."
  (with [sock (get (.accept listener) 0)]
    (.settimeout sock WAIT)
    (yield sock)))

(defn [contextmanager] joined [listener [secret None]]
  "A master's connection with the slave that has dialled."
  (setv master (Connection (get (.accept listener) 0)))
  (try
    (listen-handshake master "master" (secrets.token-hex 16) (or secret (cookie)))
    (.settimeout master.sock WAIT)
    (yield master)
    (finally
      (.close master))))

(defn serves [listener]
  "Check that the slave has dialled again, and serves."
  (with [master (joined listener)]
    (task master 1 "(fn [i o] 5)")
    (ends master 1 "5")))

(defn answers [sock bytes]
  (line-from sock)
  (.sendall sock bytes))

(setv OTHERS {
  "hangs up" (fn [sock])
  "resets" reset
  "hangs up when it has heard enough" line-from
  "garbage" (fn [sock] (answers sock GARBAGE) (assert (.startswith (line-from sock) b"(refused \"")))
  "half a hello" (fn [sock] (answers sock b"(dpfw 1 mas"))
  "much" (fn [sock] (answers sock (* b"x" 513)) (line-from sock))
  "silence" (fn [sock] (line-from sock) (holds (.recv sock 1) b""))})

(defn [(pytest.mark.parametrize "name" OTHERS)]
  test-a-slave-dials-again-whoever-answers-in-its-master-s-place [monkeypatch name]
  (when (= name "silence")
    (.setattr monkeypatch "dpfw.net.handshake.DEADLINE" 1))
  (with [[listener serving] (dialling)]
    (for [_ (range 3)]
      (with [sock (called listener)]
        ((get OTHERS name) sock)))
    (serves listener)
    (assert (not (.done serving)))))

(defn test-a-slave-dials-again-when-its-master-goes []
  (with [[listener serving] (dialling)]
    (for [_ (range 5)]
      (serves listener))
    (assert (not (.done serving)))))

(defn refusal [serving #* parts]
  (with [raised (pytest.raises Refused)]
    (outcome serving))
  (message raised #* parts))

(defn test-a-slave-that-was-refused-ends []
  (with [[listener serving] (dialling)]
    (serves listener)
    (with [sock (called listener)]
      (line-from sock)
      (.sendall sock b"(refused \"come again tomorrow\")\n")
      (refusal serving "come again tomorrow"))))

(defn test-a-slave-with-another-cookie-than-its-master-ends []
  (with [[listener serving] (dialling)]
    (with [_ (pytest.raises Refused)]
      (with [_ (joined listener b"some other cookie")]))
    (refusal serving "the cookies differ")))

(defn test-a-slave-that-dials-a-slave-ends []
  (with [[listener serving] (dialling)]
    (with [sock (called listener)]
      (answers sock (.encode (+ (hello "slave" (secrets.token-hex 16)) "\n")))
      (refusal serving "both ends are slaves"))))

(defn test-a-host-that-does-not-resolve-is-final-if-it-never-did []
  (with [[listener serving] (dialling "no.such.host.invalid")]
    (with [raised (pytest.raises AddressError)]
      (outcome serving))
    (message raised "does not resolve"))
  ; Who has dialled it before does not end when the name servers fail.
  (setv fails (threading.Event)
        failed (threading.Event))
  (with [[listener serving] (dialling)
         _ (patch "dpfw.net.addresses.resolve" (fn [#* address]
             (when (.is-set fails)
               (.set failed)
               (raise (AddressError "the host does not resolve")))
             (resolve #* address)))]
    (with [master (joined listener)]
      (.set fails)
      (task master 1 "(fn [i o])")
      (ends master 1 "None"))
    (assert (.wait failed WAIT))
    (.clear fails)
    (serves listener)))


;; * Masters that dial

(defn [contextmanager] listening []
  "A slave server whose thread of honour is this process's main thread no more."
  (with [server (Server (Evaluator {"threading" threading}))]
    (setv address (.listen server.node :host "127.0.0.1")
          serving (begin server.serve-in-turn))
    (yield #(address serving)))
  (outcome serving))

(setv WHERE "(fn [i o] (. (threading.current-thread) name))")

(defn test-the-first-master-has-the-thread-that-serves-in-turn []
  (with [[address serving] (listening)]
    (setv name (. serving thread name))
    (with [first (dialled address)]
      (task first 1 WHERE)
      (ends first 1 f"\"{name}\"")
      (with [second (dialled address)]
        (task second 1 WHERE)
        (ends second 1 "\"dpfw-slave\"")))
    ; When that one has gone, another has it.
    (until (fn []
      (with [third (dialled address)]
        (task third 1 WHERE)
        (setv [_ _ n] (.receive-header third))
        (= (.receive-payload third) (.encode f"\"{name}\"")))))))

(defn test-a-master-that-breaks-the-protocol-is-hung-up-on-and-no-other []
  (with [[address _] (listening)
         good (dialled address)]
    (for [[n said] (enumerate [b"(task 2 0)\n" b"(task 1 9999999999)\n" b"(end 1 1)\n5" b"nonsense\n"
                               b"(cancel 1 0)\n" (bytearray 1000)])]
      (with [bad (dialled address)]
        (.send-bytes bad said b"")
        (hangs-up bad))
      (task good (+ n 1) "(fn [i o] 5)")
      (ends good (+ n 1) "5"))))

(defn test-a-server-that-closes-ends-every-session []
  (with [[address serving] (listening)]
    (setv contexts (lfor  _ (range 3)  (dialled address))
          masters (lfor  context contexts  (.__enter__ context)))
    (for [master masters]
      (task master 1 "(fn [i o] (.read i))")))
  (for [[context master] (zip contexts masters)]
    (hangs-up master)
    (.__exit__ context None None None)))


;; * What programs and remotes have

(defn test-programs-import-what-slaves-are-made-of []
  (holds (sorted dpfw.slave.__all__)
    ["dpfw_slave_client" "dpfw_slave_ht" "dpfw_slave_server" "register_type"]))

(defn test-remotes-have-the-same []
  (for [name dpfw.slave.__all__]
    (assert (is (getattr dpfw.slave name) (getattr evaluator.module name)) name))
  (assert (is dpfw.slave.register-type register-type)))
