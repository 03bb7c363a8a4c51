"Addresses as people write them, sockets as dpfw wants them, and errors that say
what to do."

(import
  contextlib [closing]
  errno
  itertools [islice]
  os
  socket
  pytest
  dpfw.errors [AddressError]
  dpfw.net.addresses
  dpfw.net.addresses [FIRST-PAUSE LONGEST-PAUSE dial format-address listen-on parse-address pauses tune]
  tests.helpers [holds message tcp-pair])

(setv HAS-IPV6 (try
  (.close (socket.create-server #("::1" 0) :family socket.AF-INET6))
  True
  (except [OSError]
    False)))
(setv with-ipv6 (pytest.mark.skipif (not HAS-IPV6) :reason "this machine has no IPv6"))

(defn port-of [listener]
  (get (.getsockname listener) 1))

(defn meet [listener host]
  "Dial a listener, and check that it is the one that answers."
  (with [one (closing (dial host (port-of listener) "master"))]
    (.settimeout listener 10)
    (setv [two _] (.accept listener))
    (with [two (closing two)]
      (.sendall one b"hello")
      (holds (.recv two 100) b"hello"))))


;; * Addresses

(defn [(pytest.mark.parametrize "text, wanted" [
        #("localhost:80" #("localhost" 80))
        #("127.0.0.1:0" #("127.0.0.1" 0))
        #("master.example.com:65535" #("master.example.com" 65535))
        #("[::1]:80" #("::1" 80))
        #("[fe80::1%eth0]:10000" #("fe80::1%eth0" 10000))
        #("a:00080" #("a" 80))])]
      test-an-address-is-a-host-and-a-port [text wanted]
  (holds (parse-address text) wanted))

(defn [(pytest.mark.parametrize "text" [
        "" ":" "80" "localhost" "localhost:" ":80" "localhost:http" "localhost:-1" "localhost:+1"
        "localhost:1.0" "localhost: 80" "localhost:65536" "localhost:\u0661" "localhost:²"
        "localhost:1_0" (+ "localhost:" (* "9" 5000)) "::1:80" "::1" "[::1]" "[::1]:" "[]:80" "[::1]80"
        "[::1:80" "::1]:80" "[::1]x:80" "x[::1]:80" "[[::1]]:80" "a:b:80"])]
      test-what-is-no-address-is-named [text]
  (with [raised (pytest.raises AddressError)]
    (parse-address text))
  (message raised (repr text) "HOST:PORT" "brackets"))

(defn [(pytest.mark.parametrize "address" [#("127.0.0.1" 80) #("::1" 0) #("a.example" 65535)])]
      test-an-address-that-was-written-is-read [address]
  (holds (parse-address (format-address address)) address))


;; * Listening

(defn test-port-0-is-any-free-port []
  (with [one (closing (listen-on 0))  two (closing (listen-on 0))]
    (assert (> (port-of one) 0))
    (assert (!= (port-of one) (port-of two)))
    (meet one "127.0.0.1")
    (meet two "127.0.0.1")))

(defn [with-ipv6] test-no-host-is-both-families []
  (with [listener (closing (listen-on 0))]
    (meet listener "127.0.0.1")
    (meet listener "::1")
    (meet listener "localhost")))

(defn test-without-ipv6-it-listens-all-the-same [monkeypatch]
  (monkeypatch.setattr socket "has_dualstack_ipv6" (fn [] False))
  (with [listener (closing (listen-on 0))]
    (holds listener.family socket.AF-INET)
    (meet listener "127.0.0.1")))

(defn test-a-host-is-that-address-and-no-other []
  (with [listener (closing (listen-on 0 :host "127.0.0.1"))]
    (holds (get (.getsockname listener) 0) "127.0.0.1")
    (meet listener "127.0.0.1")))

(defn [with-ipv6] test-a-host-may-be-ipv6 []
  (with [listener (closing (listen-on 0 :host "::1"))]
    (meet listener "::1")
    (with [_ (pytest.raises ConnectionRefusedError)]
      (dial "127.0.0.1" (port-of listener) "master"))))

(defn [(pytest.mark.parametrize "host" [None "127.0.0.1"])]
      test-a-port-in-use-is-named-with-the-cure [host]
  (with [listener (closing (listen-on 0 :host host))]
    (with [raised (pytest.raises AddressError)]
      (listen-on (port-of listener) :host host))
    (message raised f"{(or host "*")}:{(port-of listener)}" "give another port, or 0")
    (holds raised.value.errno errno.EADDRINUSE)))

(defn test-a-port-is-free-again-after-close []
  (with [listener (closing (listen-on 0))]
    (setv port (port-of listener))
    (meet listener "127.0.0.1"))
  (with [listener (closing (listen-on port))]
    (meet listener "127.0.0.1")))

(defn test-a-low-port-needs-rights [monkeypatch]
  "As root there is no such port, so the error is made."
  (defn no [#* _ #** kw]
    (raise (PermissionError errno.EACCES (os.strerror errno.EACCES))))
  (monkeypatch.setattr socket "create_server" no)
  (with [raised (pytest.raises AddressError)]
    (listen-on 80))
  (message raised "*:80" "give a port above 1023"))

(defn test-an-address-of-another-machine-is-named []
  (with [raised (pytest.raises AddressError)]
    (listen-on 0 :host "192.0.2.1"))
  (message raised "192.0.2.1:0" "give an address of this machine"))

(defn [(pytest.mark.parametrize "host" [None "127.0.0.1"])
       (pytest.mark.parametrize "port" [-1 65536 70000 (** 10 30) "http" None 1.0])]
      test-what-is-no-port-is-named [port host]
  "getaddrinfo takes 70000 for 4464."
  (with [raised (pytest.raises AddressError)]
    (listen-on port :host host))
  (message raised (repr port) "is no port" "from 0 to 65535")
  (with [raised (pytest.raises AddressError)]
    (dial "127.0.0.1" port "master"))
  (message raised (repr port) "is no port"))

(defn [(pytest.mark.parametrize "host" ["no-such-host.invalid" "a..b" (* "x" 300) "1.2.3.4.5" "a b"])]
      test-a-host-that-does-not-resolve-is-named [host]
  (for [use [(fn [] (listen-on 0 :host host)) (fn [] (dial host 80 "master"))]]
    (with [raised (pytest.raises AddressError)]
      (use))
    (message raised (repr host))))


;; * Dialling

(defn free-port []
  (with [listener (closing (listen-on 0 :host "127.0.0.1"))]
    (port-of listener)))

(defn test-where-nothing-listens-a-slave-is-to-be-started []
  (setv port (free-port))
  (with [raised (pytest.raises ConnectionRefusedError)]
    (dial "127.0.0.1" port "master"))
  (message raised f"nothing listens on 127.0.0.1:{port}" f"a slave there with: hy -m dpfw.slave {port}")
  (with [raised (pytest.raises ConnectionRefusedError)]
    (dial "127.0.0.1" port "slave"))
  (message raised f"a master there with: (dpfw-listen {port})")
  (holds raised.value.errno errno.ECONNREFUSED))

(defn test-who-does-not-answer-is-named-with-the-time [monkeypatch]
  "A listener whose backlog is full leaves the next one unanswered."
  (monkeypatch.setattr dpfw.net.addresses "DIAL_TIMEOUT" 0.2)
  (with [listener (closing (listen-on 0 :host "127.0.0.1" :backlog 0))]
    (setv port (port-of listener)
          dialled [])
    (try
      (with [raised (pytest.raises TimeoutError)]
        (for [_ (range 20)]
          (.append dialled (dial "127.0.0.1" port "master"))))
      (finally
        (for [sock dialled]
          (.close sock))))
    (message raised f"127.0.0.1:{port} did not answer in 0.2 seconds")
    (assert (not-in "None" (str raised.value)) (str raised.value))))

(defn test-the-next-address-is-dialled-when-the-first-does-not-answer [monkeypatch]
  (setv closed (free-port))
  (with [listener (closing (listen-on 0 :host "127.0.0.1"))]
    (defn addresses [#* _ #** kw]
      (lfor  port [closed (port-of listener)]
        #(socket.AF-INET socket.SOCK-STREAM 6 "" #("127.0.0.1" port))))
    (monkeypatch.setattr socket "getaddrinfo" addresses)
    (meet listener "two.example")))

(defn test-a-dialled-socket-waits-as-long-as-it-must []
  (with [listener (closing (listen-on 0))
         sock (closing (dial "127.0.0.1" (port-of listener) "master"))]
    (holds (.gettimeout sock) None)))

(defn test-a-tuned-socket-does-not-delay-and-probes []
  (setv [one two] (tcp-pair))
  (with [one (closing one)  two (closing two)]
    (tune one)
    (holds (bool (.getsockopt one socket.IPPROTO-TCP socket.TCP-NODELAY)) True)
    (holds (bool (.getsockopt one socket.SOL-SOCKET socket.SO-KEEPALIVE)) True)
    (for [[name value] [["TCP_KEEPIDLE" 15] ["TCP_KEEPINTVL" 5] ["TCP_KEEPCNT" 3]]]
      (when (hasattr socket name)
        (holds (.getsockopt one socket.IPPROTO-TCP (getattr socket name)) value)))))

(defn test-a-dialled-socket-is-tuned []
  (with [listener (closing (listen-on 0))
         sock (closing (dial "127.0.0.1" (port-of listener) "master"))]
    (holds (bool (.getsockopt sock socket.IPPROTO-TCP socket.TCP-NODELAY)) True)))

(defn [(pytest.mark.parametrize "host" [None b"127.0.0.1" 5 ["a"]])] test-a-host-is-text [host]
  (with [raised (pytest.raises AddressError)]
    (dial host 80 "slave"))
  (message raised "is no host; give a text"))


;; * Pauses

(defn test-pauses-grow-to-a-limit []
  (setv longest FIRST-PAUSE)
  (for [pause (islice (pauses) 30)]
    (assert (<= (/ longest 2) pause longest) f"{pause} is not from {(/ longest 2)} to {longest}")
    (setv longest (min (* 2 longest) LONGEST-PAUSE)))
  (holds longest LONGEST-PAUSE))

(defn test-two-processes-do-not-dial-in-step []
  (assert (!= (list (islice (pauses) 10)) (list (islice (pauses) 10)))))
