"What the tests of a slave's session share: a master that is a bare `Connection`,
and sessions that are served in this process, or in a slave's."

(import
  contextlib [contextmanager]
  secrets
  socket
  unittest.mock [patch]
  dpfw.net.addresses [tune]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [dial-handshake listen-handshake]
  dpfw.net.reactor [Reactor]
  dpfw.net.tls
  dpfw.net.wire [Connection]
  dpfw.serve.evaluator [Evaluator]
  dpfw.serve.session [Session]
  dpfw.task.ports [read write]
  tests.helpers [WAIT begin holds linked outcome])


(defn [contextmanager] reacting []
  (setv reactor (Reactor "of a test"))
  (try
    (yield reactor)
    (finally
      (.close reactor))))

(defclass Looker []
  "In the place of a reactor: calls nothing by itself."

  (defn __init__ [self]
    (setv self.watched {}
          self.pauses []))

  (defn watch [self file events call]
    (setv (get self.watched file) call))

  (defn unwatch [self file]
    (.pop self.watched file None))

  (defn call-after [self seconds call]
    (.append self.pauses seconds)))


(defn make-tls [master slave]
  "Let two connections shake hands as from two machines."
  (with [_ (patch.object dpfw.net.tls (hy.mangle "loopback?") (fn [sock] False))]
    (setv listening (begin listen-handshake slave "slave" (secrets.token-hex 16) (cookie)))
    (dial-handshake master "master" (secrets.token-hex 16) (cookie))
    (outcome listening)))

(defn [contextmanager] serving [[reactor None] [tls False] #** names]
  "A master's connection, and the `Session` at its other end, in a thread of its own
  and in a module of remotes with these names. Without a reactor, tests call what it
  would."
  (with [[master slave] (linked)]
    (for [end [master slave]]
      (tune end.sock))
    (when tls
      (make-tls master slave))
    (setv made []
          evaluator (Evaluator {"read" read  "write" write  #** names}))
    (defn serve []
      ; Here, since a guard is for the thread that makes it.
      (.append made (Session slave evaluator (or reactor (Looker))))
      (.serve (get made 0)))
    (setv served (begin serve))
    (.settimeout master.sock WAIT)
    (try
      ; The first answer shows that the session is there.
      (task master 1 "(fn [i o])")
      (holds (answer master) #("end" 1 b"None"))
      (yield #(master (get made 0)))
      (finally
        (.abort master)
        (outcome served)))))

(defn task [master number text]
  (.send master "task" number (.encode text)))

(defn answer [master]
  "The next frame from the slave."
  (setv [kind number _] (.receive-header master))
  #(kind number (.receive-payload master)))

(defn ends [master number value]
  "Check that this is the slave's next frame."
  (holds (answer master) #("end" number (.encode value))))

(defn fails [master number part]
  "Check that the slave's next frame is an error whose payload has this part."
  (setv [kind got payload] (answer master))
  (holds #(kind got) #("error" number))
  (assert (in (.encode part) payload) f"{part} is not in {payload}"))

(defn hangs-up [master]
  "Check that the slave sends nothing more, and ends the session."
  (setv said b"")
  (while (setx chunk (.recv master.sock 65536))
    (+= said chunk))
  (holds said b""))

(defn [contextmanager] dialled [address]
  "A master's connection with a slave's process that listens there."
  (setv master (Connection (socket.create-connection address WAIT)))
  (try
    (tune master.sock)
    (dial-handshake master "master" (secrets.token-hex 16) (cookie))
    (.settimeout master.sock WAIT)
    (yield master)
    (finally
      (.close master))))
