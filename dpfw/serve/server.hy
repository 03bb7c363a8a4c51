"Serving masters: those that dial this process, and those that it dials."

(import
  functools [partial]
  logging
  queue [SimpleQueue]
  dpfw.errors [AddressError CookieError Refused]
  dpfw.net.node [Node]
  dpfw.net.redial [Redialler]
  dpfw.serve [breakpoints]
  dpfw.serve.capture [capture]
  dpfw.serve.notices [Notices]
  dpfw.serve.pipes [wanted?]
  dpfw.serve.session [Session]
  dpfw.serve.status [counts slave-status])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  LOOK-EVERY 0.1)  ; seconds, of one that drains, whether all its masters have gone


(defclass Server []
  "A slave: the node, and what evaluates the remotes of all its masters."

  (defn __init__ [self evaluator [tasks None] #** about]
    "It drains after so many ``tasks``, if that is not None. ``about`` is what it says
    of itself, as `own-about` has it."
    (wanted?)  ; if that makes no sense, it is better said now
    (setv
      self.evaluator evaluator
      self.tasks tasks     ; that it has still to begin, before it drains
      self.draining False
      self.told (fn [])    ; called when it begins to drain; must not wait
      self.sessions (set)  ; that are being served
      self.notices (Notices)
      self.done 0          ; tasks that ended in sessions that are over,
      self.failed 0        ; and those that ended in an error
      self.node (Node "slave" self.joined (partial slave-status self) #** about)
      self.free True       ; is the thread of `serve-in-turn`, for a master?
      self.next-connection (SimpleQueue))
    (.at-close self.node (fn []
      (.put self.next-connection None)
      (.close capture self.node.reactor)))
    (breakpoints.install))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.close self.node))

  (defn joined [self connection id]
    (.came self.notices connection id)
    ; The first master gets the main thread: signals, and so interrupts, reach
    ; what blocks there, and some libraries work nowhere else. Those that come
    ; while it is busy are served here.
    (with [_ self.node.lock]
      (setv free self.free
            self.free False))
    (if free
      (.put self.next-connection connection)
      (.serve self connection)))

  (defn serve-in-turn [self]
    "Serve, in this thread, one master at a time, until the node is closed."
    (while (setx connection (.get self.next-connection))
      (.serve self connection)
      (with [_ self.node.lock]
        (setv self.free True))))

  (defn serve [self connection [when-gone None]]
    "Serve a master until its connection ends; returns the `Session` with it."
    (setv session (Session connection self.evaluator self.node.reactor when-gone
                    (unless (is self.tasks None) self.count-task)))
    (with [_ self.node.lock]
      (.add self.sessions session)
      (setv draining self.draining))
    (try
      (when draining
        (.leave session))
      (.serve session)
      (finally
        (.retire self.node connection)
        (.forget self session)))
    (.went self.notices connection (not (or session.dismissed self.draining)))
    session)

  (defn forget [self session]
    "A session is over, and its tasks still count."
    (with [_ self.node.lock]
      (.discard self.sessions session)
      (setv counted (counts session))
      (+= self.done (get counted "done"))
      (+= self.failed (get counted "failed"))))

  (defn count-task [self]
    "A task begins."
    (with [_ self.node.lock]
      (-= self.tasks 1)
      (setv last (= self.tasks 0)))
    (when last
      (.drain self)))

  (defn drain [self]
    "Let in no more masters, ask those that are here for no more tasks, and have the
    serving end when they have gone. Does not wait; idempotent."
    (with [_ self.node.lock]
      (when self.draining
        (return))
      (setv self.draining True
            sessions (list self.sessions)
            addresses (list self.node.listeners)))
    (self.told)
    (for [address addresses]
      (.unlisten self.node address))
    (for [session sessions]
      (.leave session))
    (.end-when-left self))

  (defn end-when-left [self]
    ; A master that has shaken hands, or is about to, may have given a task already.
    ; Watchers stay to the end, and hold up nothing.
    (if (any (gfor  c (list self.node.connections)  (!= c.role "watcher")))
      (.call-after self.node.reactor LOOK-EVERY self.end-when-left)
      (do
        (.set self.node.closed)
        (.put self.next-connection None))))

  (defn dial [self host port]
    (setv [connection id] (.dial self.node host port))
    (.came self.notices connection id)
    connection)

  (defn redialler [self host port wait]
    (Redialler (fn [] (.dial self host port)) self.node.closed #(AddressError CookieError Refused) wait))

  (defn serve-dialled [self host port [wait None]]
    "Dial a master and serve it, for ever, or until the master has drained this slave, or
    it has drained by itself. Raises what dialling again does not cure:
    that the host does not resolve, unless it has done so before, `CookieError`, and
    `Refused`; and, when no master has answered for ``wait`` seconds, that."
    (setv redialler (.redialler self host port wait)
          connection (.dial redialler)
          redialler.final #(CookieError Refused)
          self.notices.dials True)
    (while connection
      (setv session (.serve self connection))
      (when (or session.dismissed self.draining)
        (return))
      ((if self.notices.wanted log.info log.warning) "%s" session.error)
      (setv connection (.dial-again redialler session.answered)))))
