"An ssh process, and the connection through it.

::

    connection <──> ┌ pair of sockets ┐ <──> standard input and output of ssh
                                                      ^
                    last words <── standard error ────┘

The end of the pair that ssh has, this process keeps open as well. So the connection
does not end when ssh does, but when it is known how ssh ended, and what it said last;
whoever receives then can say so."

(import
  contextlib [ExitStack]
  os
  socket
  subprocess
  threading
  dpfw.net.addresses [HANG-UP]
  dpfw.net.child [Child signal-name]
  dpfw.ssh.last-words [LastWords])
(eval-when-compile (require hyrule.control [unless]))

(setv
  END-TIMEOUT 5  ; seconds that ssh has to end when its connection has
  ; A Ctrl-C at the terminal is the master's. Signals that are ignored stay so.
  IGNORING ["sh" "-c" "trap '' INT QUIT; exec \"$@\"" "sh"])


(defclass Ssh []
  "``words`` are those of the command; ``ask`` is whether ssh may use the terminal, to ask
  for a password. ``show`` is called with each line of its standard error, and ``ended``
  with this, once all of it has ended. Raises `OSError` if there is no such program."

  (defn __init__ [self words node peer ask show ended]
    (setv
      self.node node
      self.ended ended
      self.lock (threading.Lock)
      self.over False
      [ours theirs] (socket.socketpair)
      self.theirs theirs)
    (with [undo (ExitStack)]
      (.callback undo theirs.close)
      (.callback undo ours.close)
      (setv self.connection (.own node ours)
            self.connection.peer peer)
      (.callback undo node.retire self.connection)
      (setv self.process (started words theirs ask))
      (.callback undo self.process.stderr.close)
      (.callback undo self.process.wait)
      (.callback undo self.process.kill)
      (setv self.words (LastWords self.process.stderr node show))
      (.watch node.reactor theirs HANG-UP self.hung-up)
      ; The last: it may have ended by now.
      (setv self.child (Child self.process node.reactor self.finish))
      (setv made (.pop-all undo))))  ; nothing is undone

  (defn hung-up [self]
    "Our end of the connection is closed. As a rule ssh ends then, with what it started."
    (.unwatch self.node.reactor self.theirs)
    (.call-after self.node.reactor END-TIMEOUT self.process.kill))

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
        (.close self.words)
        (setv self.connection.why (.fate self))
        (.unwatch self.node.reactor self.theirs)
        ; Not only closed: a child that this process forked may have it open, too.
        (try
          (.shutdown self.theirs socket.SHUT-RDWR)
          (except [OSError]))  ; our end is closed
        (.close self.theirs)
        (self.ended self))))

  (defn fate [self]
    "How it ended, in words."
    (setv status self.process.returncode
          said (.said self.words))
    (+ (if (< status 0)
         f"ssh was ended by {(signal-name (- status))}"
         f"ssh ended with status {status}")
       (if said f" and said: {said}" ""))))


(defn started [words sock ask]
  (subprocess.Popen [#* (if ask IGNORING []) #* words]
    :stdin sock  :stdout sock  :stderr subprocess.PIPE  :bufsize 0
    :start-new-session (not ask)
    ; The session has a cookie of its own; this one is not for ssh to pass on.
    :env (dfor  [name value] (.items os.environ)  :if (!= name "DPFW_COOKIE")  name value)))

(defn terminal? []
  "Is there a terminal at which somebody could answer what ssh asks?"
  (try
    (with [terminal (open "/dev/tty" "rb" :buffering 0)]
      (= (os.tcgetpgrp (.fileno terminal)) (os.getpgrp)))
    (except [OSError]
      False)))
