"What the tests of sockets and threads share: every wait in them has an end."

(import
  concurrent.futures [Future]
  contextlib [contextmanager]
  select
  socket
  struct
  sys
  threading
  time
  pytest
  dpfw.net.frames [DEFAULT-LIMIT]
  dpfw.net.wire [Connection])

(setv WAIT 60)  ; seconds until what should have happened has not, on a busy machine


(defn holds [got wanted]
  (assert (= got wanted) f"got {got !r}, wanted {wanted !r}"))

(defn message [raised #* parts]
  "Check that the message of what was raised has all of these parts."
  (setv text (str raised.value))
  (for [part parts]
    (assert (in part text) f"{part !r} is not in {text !r}")))

(defn steps [module procedure #* arguments]
  "How many lines of this module's file run when the procedure is called: what it costs, whatever
  the machine is like."
  (setv n 0
        before (sys.gettrace))
  (defn note [frame event _]
    (nonlocal n)
    (when (= frame.f-code.co-filename module.__file__)
      (+= n 1)
      note))
  (sys.settrace note)
  (try
    (procedure #* arguments)
    (finally
      (sys.settrace before)))
  n)

(defn until [true-now]
  "Wait for what no event tells of."
  (setv deadline (+ (time.monotonic) WAIT))
  (while (not (true-now))
    (assert (< (time.monotonic) deadline) f"not so in {WAIT} seconds")
    (time.sleep 0.001)))


;; * Threads

(defn begin [procedure #* arguments]
  "Call a procedure in a thread of its own; returns a Future. Ask its result
  with `outcome`, which joins the thread."
  (setv future (Future))
  (defn run []
    (try
      (.set-result future (procedure #* arguments))
      (except [e BaseException]
        (.set-exception future e))))
  (setv future.thread (threading.Thread :target run :name "begun by a test" :daemon True))
  (.start future.thread)
  future)

(defn outcome [future]
  "The result of what `begin` began, or what it raised."
  (.join future.thread WAIT)
  (assert (not (.is-alive future.thread)) f"it has not ended in {WAIT} seconds")
  (.result future 0))

(defn [contextmanager] no-threads []
  "Meanwhile, the system has no thread to give."
  (with [patch (pytest.MonkeyPatch.context)]
    (.setattr patch threading.Thread "start" (fn [_] (raise (RuntimeError "can't start new thread"))))
    (yield)))


;; * Sockets

(defn tcp-pair []
  "Two sockets connected with each other over loopback."
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (setv one (socket.create-connection (.getsockname listener) WAIT))
    (try
      (.settimeout one None)
      (setv two (get (.accept listener) 0))
      (except [BaseException]
        (.close one)
        (raise))))
  ; Not Python's timeout, which is the code's own to set.
  (for [sock [one two]  option [socket.SO-RCVTIMEO socket.SO-SNDTIMEO]]
    (.setsockopt sock socket.SOL-SOCKET option (struct.pack "ll" WAIT 0)))
  [one two])

(defn [contextmanager] linked []
  "Two `Connection`s with each other."
  (setv [one two] (map Connection (tcp-pair)))
  (try
    (yield #(one two))
    (finally
      (.close one)
      (.close two))))

(defn [contextmanager] facing [[limit DEFAULT-LIMIT]]
  "A `Connection`, and the bare socket at its other end."
  (setv [ours theirs] (tcp-pair))
  (setv connection (Connection ours limit))
  (try
    (yield #(connection theirs))
    (finally
      (.close connection)
      (.close theirs))))

(defn [pytest.fixture] pair []
  (with [both (linked)]
    (yield both)))

(defn [pytest.fixture] stranger []
  (with [both (facing)]
    (yield both)))

(defn all-from [sock]
  "What comes on a bare socket until its other end closes."
  (setv said b"")
  (try
    (while (setx chunk (.recv sock 65536))
      (+= said chunk))
    ; It closed, and had not read all that was sent to it.
    (except [ConnectionResetError]))
  said)

(defn exactly [sock n]
  "The next ``n`` bytes from a bare socket."
  (setv said (bytearray))
  (while (< (len said) n)
    (setv chunk (.recv sock (min 65536 (- n (len said)))))
    (assert chunk f"it ended after {(len said)} of {n} bytes")
    (.extend said chunk))
  (bytes said))

(defn line-from [sock]
  "The next line from a bare socket, without its line feed."
  (setv said b"")
  (while (not (.endswith said b"\n"))
    (+= said (exactly sock 1)))
  (cut said -1))

(defn reset [sock]
  "Close a socket rudely, as a process that dies with bytes unread does."
  (.setsockopt sock socket.SOL-SOCKET socket.SO-LINGER (struct.pack "ii" 1 0))
  (.close sock))

(defn stuff [sock peer]
  "Send until the buffers are full, both this end's and the other's; returns
  the number of bytes."
  ; The kernel makes no more room, later, in a buffer whose size was set.
  (.setsockopt peer socket.SOL-SOCKET socket.SO-RCVBUF 65536)
  (.setsockopt sock socket.SOL-SOCKET socket.SO-SNDBUF 65536)
  (setv n 0)
  (.setblocking sock False)
  (try
    (while True
      (try
        (+= n (.send sock (* b"x" 65536)))
        (except [BlockingIOError]
          ; The other end's buffer may take some more a moment later.
          (setv poll (select.poll))
          (.register poll sock select.POLLOUT)
          (when (not (.poll poll 100))
            (return n)))))
    (finally
      (.setblocking sock True))))
