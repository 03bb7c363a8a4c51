"Whatever strangers do to a listening node, the next honest one gets in, and
nothing of theirs stays."

(import
  contextlib [closing ExitStack]
  logging
  os
  queue
  random
  re
  resource
  socket
  threading
  time
  pytest
  dpfw.errors [HandshakeError WireError]
  dpfw.net.handshake
  dpfw.net.handshake [dial-handshake]
  dpfw.net.node
  dpfw.net.node [Node]
  tests.helpers [all-from begin holds outcome reset until WAIT])

(setv OTHER {"master" "slave"  "slave" "master"})

(defclass TestedNode [Node]
  "One that keeps what joins until it hangs up."
  (setv __test__ False)

  (defn __init__ [self role]
    (setv self.guests (queue.SimpleQueue))
    (.__init__ (super) role self.be-joined dict))

  (defn be-joined [self connection session]
    (.put self.guests session)
    (try
      (.receive-header connection)
      (except [WireError])
      (finally
        (.retire self connection)))))

(defn [(pytest.fixture :params (list OTHER))] node [request]
  (with [node (TestedNode request.param)]
    (.listen node :host "127.0.0.1")
    (yield node)))

(defn address [node]
  (get (list node.listeners) 0))

(defn knock [node]
  "A bare socket that dials the node."
  (socket.create-connection (address node) WAIT))

(defn check-honest [node]
  "An honest node comes, is let in without delay, and goes."
  (setv start (time.monotonic))
  (with [guest (TestedNode (get OTHER node.role))]
    (setv [connection session] (.dial guest #* (address node)))
    (holds session node.session)
    (holds (.get node.guests :timeout WAIT) guest.session)
    (.retire guest connection))
  (setv took (- (time.monotonic) start))
  (assert (< took 9) f"it took {took} s"))

(defn descriptors []
  (len (os.listdir "/dev/fd")))

(defn check-quiet [caplog]
  "Strangers are worth a line in the log, and no traceback."
  (for [record caplog.records]
    (assert (not record.exc-info) record.exc-text)
    (holds record.levelno logging.WARNING)))


(setv NOISE {
  "http" b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
  "tls that is none" (+ b"\x16\x03\x01\x00\x05" (bytes 200) b"\n")
  "a line" b"hello\n"
  "much" (* b"x" 1000000)
  "zeros" (bytes 600)})

(defn [(pytest.mark.parametrize "name" NOISE)]
      test-noise-does-not-stop-the-next [node caplog name]
  (setv before (descriptors))
  (for [_ (range 10)]
    (with [sock (closing (knock node))]
      (try
        (.sendall sock (get NOISE name))
        (except [OSError]))  ; it hung up before it heard all
      (all-from sock)))
  (check-honest node)
  (until (fn [] (not node.connections)))
  (until (fn [] (<= (descriptors) (+ before 2))))  ; the reactor's pair
  (until (fn [] (>= (len caplog.records) 10)))
  (check-quiet caplog)
  (holds (len caplog.records) 10))

(defn test-random-bytes-do-not-stop-the-next [node caplog]
  (setv dice (random.Random 5))
  (for [n (range 50)]
    (with [sock (closing (knock node))]
      (try
        (.sendall sock (.randbytes dice (.randrange dice 1 700)))
        (.shutdown sock socket.SHUT-WR)
        (except [OSError]))  ; it hung up before it heard all
      (all-from sock)))
  (check-honest node)
  (check-quiet caplog))

(defn test-fifty-who-say-nothing-hold-nobody-up [node caplog monkeypatch]
  (monkeypatch.setattr dpfw.net.handshake "DEADLINE" 5)
  (check-honest node)
  (setv before (descriptors))
  (with [stack (ExitStack)]
    (setv silent (lfor  _ (range 50)
      (.enter-context stack (closing (knock node)))))
    (until (fn [] (>= (len node.connections) 50)))
    (check-honest node)
    (until (fn [] (= (len node.connections) 50)))
    ; And each is put out when its time is over, without a word that would be final.
    (for [sock silent]
      (holds (all-from sock) b""))
    (until (fn [] (not node.connections))))
  (until (fn [] (<= (descriptors) before)))
  (check-honest node)
  (check-quiet caplog))

(defn test-who-comes-in-a-crowd-is-let-in-in-turn [node monkeypatch]
  "More than may shake hands at once: none of them is put out for the others."
  (monkeypatch.setattr dpfw.net.node "MOST_STRANGERS" 4)
  (monkeypatch.setattr dpfw.net.node "SILENCE" WAIT)
  (with [guest (TestedNode (get OTHER node.role))]
    (setv crowd (lfor  _ (range 12)  (.own guest (knock node))))
    (until (fn [] (= (len node.strangers) 4)))
    ; The reactor has looked at the fifth by then, and at the others.
    (setv round (threading.Event))
    (.call-after node.reactor 0.1 round.set)
    (assert (.wait round WAIT))
    (for [connection crowd]
      (holds (.shake-hands guest dial-handshake connection (.secret guest)) node.session)
      (holds (.get node.guests :timeout WAIT) guest.session))))

(defn [(pytest.mark.parametrize "leave" [(fn [sock] (.close sock)) reset])]
      test-two-hundred-who-hang-up-at-once-do-no-harm [node caplog leave]
  (check-honest node)
  (setv before (descriptors))
  (for [_ (range 200)]
    (leave (knock node)))
  (check-honest node)
  (until (fn [] (not node.connections)))
  (until (fn [] (<= (descriptors) before)))
  (check-quiet caplog))

(defn test-many-come-at-once-honest-and-other [node caplog]
  (defn visit [n]
    (if (% n 2)
      (with [guest (TestedNode (get OTHER node.role))]
        (setv [connection session] (.dial guest #* (address node)))
        (.retire guest connection)
        session)
      (with [sock (closing (knock node))]
        (.sendall sock b"GET / HTTP/1.1\r\n\r\n")
        (all-from sock))))
  (setv visits (lfor  n (range 40)  (begin visit n)))
  (for [[n visit] (enumerate visits)]
    (if (% n 2)
      (holds (outcome visit) node.session)
      (assert (in b"this port speaks dpfw 1" (outcome visit)))))
  (for [_ (range 20)]
    (.get node.guests :timeout WAIT))
  (check-quiet caplog))

(defn test-one-of-the-same-role-is-no-guest [node]
  (with [other (TestedNode node.role)]
    (with [_ (pytest.raises HandshakeError :match "both ends are")]
      (.dial other #* (address node)))
    (holds other.connections (set)))
  (check-honest node)
  (holds (.empty node.guests) True))

(defn test-one-with-another-cookie-is-no-guest [node]
  (with [other (TestedNode (get OTHER node.role))]
    (setv other.cookie b"the cookie of somebody else")
    (with [_ (pytest.raises HandshakeError :match "the cookies differ")]
      (.dial other #* (address node)))
    (holds other.connections (set)))
  (check-honest node)
  (holds (.empty node.guests) True))

(defn [pytest.fixture] crowded [node caplog monkeypatch]
  "A node that has run out of descriptors, and tries again after a while."
  (monkeypatch.setattr dpfw.net.node "DESCRIPTOR_PAUSE" 0.1)
  (check-honest node)
  (setv [soft hard] (resource.getrlimit resource.RLIMIT-NOFILE))
  (with [stack (ExitStack)]
    (setv guests (lfor  _ (range 60)  (.enter-context stack (closing (socket.socket))))
          used (sfor  name (os.listdir "/dev/fd")  (int name))
          fifth-free (get (sorted (- (set (range (+ 5 (len used)))) used)) 4))
    (resource.setrlimit resource.RLIMIT-NOFILE #(fifth-free hard))
    (try
      (for [sock guests]
        (.connect sock (address node)))
      (until (fn [] (in "cannot accept a connection" caplog.text)))
      ; It tries again and again, and says so once.
      (setv later (threading.Event))
      (.call-after node.reactor 0.5 later.set)
      (assert (.wait later WAIT))
      (finally
        (resource.setrlimit resource.RLIMIT-NOFILE #(soft hard))))
    (yield node)))

(defn test-without-descriptors-it-tries-again [crowded caplog]
  (setv [said] (lfor  record (.get-records caplog "setup")  :if (= record.levelno logging.ERROR)  (.getMessage record)))
  (assert (re.search "too many open files; this process may have [0-9]+ at once, .* type ulimit -n [0-9]+" said re.I) said)
  (check-honest crowded))

(defn test-without-descriptors-it-can-stop-listening [crowded caplog]
  (.unlisten crowded (address crowded))
  (setv later (queue.SimpleQueue))
  (.call-after crowded.reactor 0.2 (fn [] (.put later True)))
  (.get later :timeout WAIT)
  (for [record caplog.records]
    (assert (not record.exc-info) record.exc-text)))

(defn test-the-port-of-a-closed-node-refuses [node]
  (setv there (address node))
  (check-honest node)
  (.close node)
  (.close node)
  (with [_ (pytest.raises ConnectionRefusedError)]
    (.close (socket.create-connection there WAIT)))
  (with [_ (pytest.raises RuntimeError :match f"this {node.role} is closed")]
    (.listen node))
  (with [_ (pytest.raises RuntimeError :match f"this {node.role} is closed")]
    (.dial node #* there)))

(defn test-a-node-that-is-closed-while-it-begins-to-listen-does-not [node]
  (setv secret node.secret
        before (descriptors))
  (defn closing-secret []
    (.close node)
    (secret))
  (setv node.secret closing-secret)
  (with [_ (pytest.raises RuntimeError :match f"this {node.role} is closed")]
    (.listen node))
  (holds node.listeners {})
  (assert (< (descriptors) before)))

(defn test-close-puts-out-who-is-there-still [node caplog]
  "Guests, and those who have not said who they are."
  (with [guest (TestedNode (get OTHER node.role))  silent (closing (knock node))]
    (setv [connection _] (.dial guest #* (address node)))
    (.get node.guests :timeout WAIT)
    (until (fn [] (= (len node.connections) 2)))
    (setv start (time.monotonic))
    (.close node)
    (setv took (- (time.monotonic) start))
    (assert (< took 9) f"it took {took} s")
    (holds (all-from silent) b"")
    (with [_ (pytest.raises WireError)]
      (.receive-header connection)))
  (holds node.connections (set))
  (check-quiet caplog))

(defn test-a-listener-less-is-gone-at-once [node]
  "Even while the reactor waits for it: the kernel keeps open what poll(2) holds."
  (for [_ (range 10)]
    (setv there (.listen node :host "127.0.0.1")
          round (threading.Event))
    (.call-after node.reactor 0.01 round.set)
    (assert (.wait round WAIT))
    (time.sleep 0.01)  ; by now, it waits again
    (.unlisten node there)
    (with [_ (pytest.raises ConnectionRefusedError)]
      (.close (socket.create-connection there WAIT)))
    (setv again (.listen node (get there 1) :host "127.0.0.1"))
    (holds again there)
    (.unlisten node again))
  (check-honest node))

(defn test-a-listener-less-is-no-listener [node]
  (setv first (address node)
        second (.listen node :host "127.0.0.1"))
  (assert (.unlisten node first))
  (assert (not (.unlisten node first)))
  (with [_ (pytest.raises ConnectionRefusedError)]
    (.close (socket.create-connection first WAIT)))
  (holds (address node) second)
  (check-honest node))
