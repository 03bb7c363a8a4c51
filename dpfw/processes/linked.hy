"A process that was started here, and the connection with it.

::

    connection <──> ┌ pair of sockets ┐ <──> the process
                                                │ standard error
                    last words <── pipes ───────┘

The end of the pair that the process has, this one keeps open as well. So the connection
does not end when the process does, but when it is known how that ended, and what it said
last; whoever receives then can say so."

(import
  contextlib [ExitStack]
  os
  socket
  threading
  dpfw.net.addresses [HANG-UP polled]
  dpfw.net.child [Child]
  dpfw.processes.ending [MemoryKills ending]
  dpfw.processes.last-words [LastWords])
(eval-when-compile (require hyrule.control [unless]))

(setv
  END-TIMEOUT 5               ; seconds that a process has to end when its connection has
  LONGEST-REST (* 256 1024))  ; bytes that are read of what one has left in a pipe


(defclass Linked []
  "``start`` is called with the process's end of the connection, and gives its
  `subprocess.Popen`, whose standard error is a pipe, and the ends of further pipes, which
  the process itself reads as long as it lives: what is left there when it has ended, it
  said last as well. ``show`` is called with each line of all that, and ``ended`` with
  this, once all of it has ended. What ``start`` raises is raised."

  (setv tells-late False)  ; can its connection end before it is known how it ended?

  (defn __init__ [self start node show ended]
    (setv
      self.node node
      self.ended ended
      self.lock (threading.Lock)
      self.over False
      self.killed False  ; did its user say so?
      self.place None    ; its `Place`
      self.joined False  ; has its slave joined?
      self.kills (MemoryKills)
      [ours theirs] (socket.socketpair)
      self.theirs theirs)
    (with [undo (ExitStack)]
      (.callback undo theirs.close)
      (.callback undo ours.close)
      (setv self.connection (.own node ours))
      (.callback undo node.retire self.connection)
      (setv [self.process self.ends] (start theirs))
      (for [end self.ends]
        (.callback undo end.close))
      (.callback undo self.process.stderr.close)
      (.callback undo self.process.wait)
      (.callback undo self.process.kill)
      (setv self.words (LastWords self.process.stderr node show))
      (.watch node.reactor theirs HANG-UP self.hung-up)
      ; The last: it may have ended by now.
      (setv self.child (Child self.process node.reactor self.finish)
            self.connection.lifeline self.child.file)
      (.pop-all undo))  ; nothing is undone
    None)

  (defn called [self]
    f"its process {self.process.pid}")

  (defn hung-up [self]
    "Our end of the connection is closed. As a rule the process ends then."
    (when (polled self.theirs HANG-UP)  ; else it was of a file whose number this has now
      (.unwatch self.node.reactor self.theirs)
      (.call-after self.node.reactor END-TIMEOUT self.process.kill)))

  (defn gone [self]
    "The connection has ended; it did when the process had, or will with it.")

  (defn [property] own [self]
    "The `subprocess.Popen` of the slave, if that is this process itself."
    self.process)

  (defn kill [self]
    "Kill it, and have none in its place; answers whether that is all there is to do."
    (.give-up self.place)
    (setv self.killed True)
    (.kill self.process)
    True)

  (defn abort [self]
    "End it; `end-by` waits for that."
    (.abort self.connection)
    (.terminate self.process))

  (defn end-by [self deadline]
    "Wait for its end until that moment of the monotonic clock, then kill it.
    Idempotent."
    (.end-by self.child deadline)
    (.finish self))

  (defn finish [self]
    "It has ended; whoever hears of that first puts an end to the rest, and others wait
    for that."
    (with [_ self.lock]
      (unless self.over
        (setv self.over True)
        (for [end self.ends]
          (.add self.words (rest-of end)))
        (.close self.words)
        (setv
          self.connection.last-words (.excerpt self.words)
          self.connection.why (.how self))
        (.unwatch self.node.reactor self.theirs)
        (try
          (self.ended self)
          (finally
            ; The last, so that whoever hears of it finds all of this done.
            (close-read self.theirs))))))

  (defn how [self]
    "How it ended, in words."
    (+ (.called self) " " (if self.killed
      "was killed, as its master was told to do"
      (ending self.process.returncode self.kills))))

  (defn fate [self]
    "The same, and what it said last, on one line."
    (setv said (.said self.words))
    (+ (.how self) (if said f" and said: {said}" ""))))


(defn rest-of [end]
  "What is still in a pipe, which is closed with that."
  (with [_ end]
    (os.set-blocking (.fileno end) False)
    ; Not all that is to come: a child of the process may hold the other end.
    (or (.read end LONGEST-REST) b"")))

(defn close-read [sock]
  "Close one of a pair, so that the other has all that was sent, and then the end of it."
  ; Not only closed: a child that this process forked may have it open, too.
  (try
    (.shutdown sock socket.SHUT-RDWR)
    (except [OSError]))  ; the other is closed
  ; With bytes unread, the other would see an error before the end.
  (.setblocking sock False)
  (try
    (while (.recv sock 65536))
    (except [OSError]))
  (.close sock))
