"A slave that is started at the other end of standard input and output, as a master in
another language would meet it."

(import
  contextlib [contextmanager]
  os
  pty
  signal
  socket
  subprocess
  pytest
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.wire [Connection]
  tests.helpers [holds]
  tests.processes [WAIT slave-command])

(setv COOKIE (* "c0" 32))

(defn said [input #* arguments]
  "The status and the output of a slave that reads this."
  (setv got (subprocess.run (slave-command #* arguments) :input input :capture-output True :timeout WAIT))
  #(got.returncode got.stdout (.decode got.stderr)))

(defn [contextmanager] started []
  "A slave that is ready; gives the process and a connection with it."
  (setv [ours theirs] (socket.socketpair)
        process (subprocess.Popen (slave-command "--stdio")
          :stdin theirs :stdout theirs :stderr subprocess.PIPE :text True)
        connection (Connection ours))
  (.close theirs)
  (try
    (.settimeout ours WAIT)
    (holds (exactly-ready connection) [b"" b"(dpfw stdio)"])
    (yield #(process connection))
    (finally
      (.close connection)
      (.communicate process :timeout WAIT))))

(defn exactly-ready [connection]
  (import time [monotonic])
  (lfor  _ (range 2)  (.receive-line connection 64 (+ (monotonic) WAIT))))

(defn shake-hands [connection [cookie COOKIE]]
  (.send-line connection f"(cookie \"{COOKIE}\")")
  (dial-handshake connection "master" (new-session) (.encode cookie))
  (.set-timeout connection WAIT))

(defn answer [connection number remote]
  (.send connection "task" number (.encode remote))
  (setv [kind n length] (.receive-header connection))
  #(kind n (bytes (.receive-payload connection))))

(defn test-it-is-a-slave-like-any-other []
  (with [[process connection] (started)]
    (shake-hands connection)
    (holds (answer connection 1 "(fn [i o] (print \"hello\") (+ 2 3))") #("end" 1 b"5"))
    (.close connection)
    (holds (.communicate process :timeout WAIT) #(None "hello\n"))
    (holds process.returncode 0)))

(defn test-its-status-is-that-of-the-slave []
  (with [[process connection] (started)]
    (shake-hands connection)
    (.send connection "task" 1 b"(fn [i o] (import os) (os.kill (os.getpid) 9))")
    (setv [_ err] (.communicate process :timeout WAIT))
    (assert (in "was ended by SIGKILL" err) err)
    (holds process.returncode 137)))

(defn test-sigterm-is-the-slaves-own []
  (with [[process connection] (started)]
    (shake-hands connection)
    (.send-signal process signal.SIGTERM)
    (.communicate process :timeout WAIT)
    (holds process.returncode 0)))

(defn test-another-cookie-than-the-one-it-was-given-is-refused []
  (with [[process connection] (started)]
    (with [raised (pytest.raises ConnectionError)]
      (shake-hands connection (* "d0" 32)))
    (assert (in "the cookies differ" (str raised.value)) raised)
    (setv [_ err] (.communicate process :timeout WAIT))
    (assert (in "the cookies differ" err) err)
    (holds process.returncode 1)))

(defn [(pytest.mark.parametrize #("input" "says") [
    #(b"" "ended")
    #(b"GET / HTTP/1.1\r\n\r\n" "at the other end of an ssh")
    #(b"(cookie \"short\")\n" "at the other end of an ssh")
    #((* b"x" 200) "no line feed")])]
  test-what-is-no-master-is-told-so-in-one-line [input says]
  (setv [status out err] (said input "--stdio"))
  (holds #(status out) #(1 b"\n(dpfw stdio)\n"))
  (assert (in says err) err)
  (holds (.count err "\n") 1))

(defn test-it-goes-without-a-port []
  (for [more [["1"] ["--connect" "localhost:1"]]]
    (setv [status out err] (said b"" "--stdio" #* more))
    (holds #(status out) #(2 b""))
    (assert (in "--stdio goes without a port" err) err)))

(defn test-who-types-it-at-a-terminal-is-told-what-it-is []
  (setv [terminal other] (pty.openpty))
  (try
    (setv got (subprocess.run (slave-command "--stdio") :stdin other :capture-output True :text True :timeout WAIT))
    (holds #(got.returncode got.stdout) #(2 ""))
    (assert (in "(dpfw-launch-ssh [\"host\"])" got.stderr) got.stderr)
    (finally
      (os.close terminal)
      (os.close other))))
