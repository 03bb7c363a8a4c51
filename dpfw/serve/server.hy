"Serving masters: those that dial this process, and those that it dials."

(import
  logging
  queue [SimpleQueue]
  dpfw.errors [AddressError CookieError Refused]
  dpfw.net.node [Node]
  dpfw.net.redial [Redialler]
  dpfw.serve.session [Session])
(eval-when-compile (require hyrule.control [unless]))

(setv log (logging.getLogger __name__))


(defclass Server []
  "A slave: the node, and what evaluates the remotes of all its masters."

  (defn __init__ [self evaluator #** about]
    "``about`` is what it says of itself, as `own-about` has it."
    (setv
      self.evaluator evaluator
      self.node (Node "slave" self.joined #** about)
      self.free True       ; is the thread of `serve-in-turn`, for a master?
      self.next-connection (SimpleQueue))
    (.at-close self.node (fn [] (.put self.next-connection None))))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.close self.node))

  (defn joined [self connection _]
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
    (setv session (Session connection self.evaluator self.node.reactor when-gone))
    (try
      (.serve session)
      (finally
        (.retire self.node connection)))
    session)

  (defn dial [self host port]
    (get (.dial self.node host port) 0))

  (defn serve-dialled [self host port]
    "Dial a master and serve it, for ever. Raises what dialling again does not cure:
    that the host does not resolve, unless it has done so before, `CookieError`, and
    `Refused`."
    (setv redialler (Redialler
            (fn [] (.dial self host port)) self.node.closed #(AddressError CookieError Refused))
          connection (.dial redialler)
          redialler.final #(CookieError Refused))
    (while connection
      (setv session (.serve self connection))
      (log.warning "%s" session.error)
      (setv connection (.dial-again redialler session.answered)))))
