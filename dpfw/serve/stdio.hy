"Serving the master at the other end of standard input and output, which an ssh carries.

::

    ssh             carrier (this process)         slave (its child)
    input  ── 0 ──> ┐
                    ├── pair of sockets ─────────> connection, session
    output <── 1 ── ┘
    errors <── 2 ─────────── pipe <─────────────── what remotes print, on 1 and 2

The slave is a child process, and this one carries bytes, for three reasons. What a
remote prints, or reads, or hands down to its own children, is never the wire. When the
slave dies, the ssh ends at once, though children of its own may live on: they have
nothing of it open. And when the ssh ends, so does the slave, whatever it does."

(import
  os
  select
  signal
  socket
  sys
  threading
  time
  dpfw.net.child [signal-name]
  dpfw.net.handshake [listen-handshake]
  dpfw.net.preamble [COOKIE-TIMEOUT hear-cookie say-ready])
(eval-when-compile (require hyrule.control [unless]))

(setv
  CHUNK (* 256 1024)  ; bytes
  GRACE 3             ; seconds that the last bytes have to get out
  PATIENCE 5)         ; seconds that the slave has to end by itself when its master has gone


(defn accept-over [node sock]
  "The connection with the master at the other end of this socket, hands shaken. Raises
  `HandshakeError`, `WireError`, and `TimeoutError` when no master says anything."
  (setv connection (.own node sock)
        connection.peer (master-name))
  (try
    (say-ready connection)
    (setv cookie (hear-cookie connection (+ (time.monotonic) COOKIE-TIMEOUT)))
    (except [BaseException]
      (.retire node connection)
      (raise)))
  (.shake-hands node listen-handshake connection cookie)
  connection)

(defn master-name []
  (setv client (.split (os.environ.get "SSH_CONNECTION" "")))
  (if client
    f"the master at {(get client 0)}, over ssh,"
    "the master over ssh"))

(defn socket-to-master []
  "Fork. In the child, returns a socket that leads to the master; this process carries,
  and ends as the child does. For a process without threads."
  (setv [near far] (socket.socketpair)
        [words-out words-in] (os.pipe))
  (for [stream [sys.stdout sys.stderr]]
    (.flush stream))
  (setv child (os.fork))
  (when child
    (.close near)
    (os.close words-in)
    (os._exit (carry child far words-out)))
  (.close far)
  (os.close words-out)
  (setv empty (os.open os.devnull os.O-RDONLY))
  (for [[to from] (enumerate [empty words-in words-in])]
    (os.dup2 from to))
  (os.close empty)
  (os.close words-in)
  near)


;; The carrier

(defn carry [child far words]
  "Carry until the child has ended, and the last that it said has got out; returns the
  status to end with."
  (setv [bell rope] (os.pipe)
        over (threading.Event))
  (for [number [signal.SIGTERM signal.SIGINT]]
    (signal.signal number (fn [number _] (os.kill child number))))
  (begin carry-in far child over)
  (setv outward [(begin carry-out (.fileno far) 1 bell (fn [] (.shutdown far socket.SHUT-RDWR)))
                 (begin carry-out words 2 bell (fn [] (os.close words)))]
        [_ status] (os.waitpid child 0)
        deadline (+ (time.monotonic) GRACE))
  (.set over)
  (os.close rope)
  (for [thread outward]
    (.join thread (max 0 (- deadline (time.monotonic)))))
  (reported child (os.waitstatus-to-exitcode status)))

(defn begin [run #* arguments]
  (setv thread (threading.Thread :target run :args arguments :daemon True))
  (.start thread)
  thread)

(defn carry-in [far child over]
  "Until the master's side ends; then the slave has to end, too."
  (try
    (while (setx piece (os.read 0 CHUNK))
      (.sendall far piece))
    (.shutdown far socket.SHUT-WR)
    (except [OSError]))  ; the slave has hung up
  (unless (.wait over PATIENCE)
    (os.kill child signal.SIGKILL)))

(defn carry-out [source sink bell hang-up]
  "Until the source ends, or nothing more is there after the bell; or until nobody reads
  it any more, which who writes is to notice."
  (setv poll (select.poll))
  (for [file [source bell]]
    (.register poll file select.POLLIN))
  (try
    (while (and (in source (dict (.poll poll)))
                (setx piece (os.read source CHUNK)))
      (while piece
        (setv piece (cut piece (os.write sink piece) None))))
    (except [OSError]
      (try
        (hang-up)
        (except [OSError])))))  ; it is hung up

(defn reported [child status]
  "The status of an end, as shells have it; a signal is worth a word."
  (when (>= status 0)
    (return status))
  (try
    (os.write 2 (.encode f"dpfw-slave: process {child} was ended by {(signal-name (- status))}\n"))
    (except [OSError]))
  (- 128 status))
