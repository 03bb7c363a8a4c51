"A slave's part in a tree: as the head of a branch, a master of other slaves; as a leaf, a
slave of the head as well.

::

    root's session ── a chunk ──> this process, a head ── its parts ──> leaves
                   <── results, an error with its item ──

These are called by remotes of the master above, with the output port of the task: a branch
belongs to the session with that master, and ends with it. See ``dispatch/tree``."

(import
  contextlib [closing]
  functools [partial]
  sys
  threading
  dpfw.dispatch.flow [Flow handed-out]
  dpfw.dispatch.mapping [in-order itself none one]
  dpfw.dispatch.network [Network]
  dpfw.dispatch.options [Options]
  dpfw.dispatch.tree [Tree]
  dpfw.errors [MasterClosed RemoteError SlaveLost]
  dpfw.serve.process [evaluator]
  dpfw.serve.server [Server]
  dpfw.task.chunks [branches]
  dpfw.task.failure [PassedOn describe]
  dpfw.task.ports [write]
  dpfw.task.remote [Remote values-of]
  dpfw.task.whose [owned])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PATIENCE 30  ; seconds in which leaves that have dialled a head are to be there, and in which
               ; a leaf that was drained has to end what it does
  COUNTS {"itself" itself  "one" one  "none" none}
  leaving {})  ; session with a master -> what ends its branch here


(defn open-branch [o cookie host]
  "Be the head of a branch: listen for its leaves on this host; returns the host and the port."
  (setv head (Head o.raw.session cookie))
  (begin o head.close)
  (setv (get branches o.raw.session) head)
  (list (.listen head.network.node 0 :host host)))

(defn complete-branch [o n width]
  "Wait until all n leaves are there. If they are more than ``width``, build the next level."
  (setv head (get branches o.raw.session))
  (unless (.wait-for head.network (fn [] (when (>= (.slave-count head.network) n) True)) PATIENCE)
    (raise (TimeoutError f"{(.slave-count head.network)} of the {n} slaves of a branch have come in {PATIENCE} seconds")))
  (.build head.network.tree width)
  None)

(defn join-branch [o cookie host port name labels]
  "Be a leaf: dial the head, and serve it in a thread of its own."
  (setv server (Server evaluator :name name :labels labels)
        server.node.cookie (.encode cookie)
        server.notices.wanted False)
  (try
    (setv connection (.dial server host port))
    (except [BaseException]
      (.close server.node)
      (raise)))
  (setv over (threading.Event))
  (defn serve []
    (try
      (.serve server connection)
      (finally
        (.set over)
        (.close server.node))))
  (begin o (partial leave-head o.raw.session server over))
  (unless (.run server.node.threads serve)
    (.set over)
    (.close server.node)
    (raise (RuntimeError "no thread is to be had")))
  None)

(defn leave-head [session server over]
  "If this slave was drained, what it has begun for the head ends first."
  (when (or session.leaving session.dismissed)
    (.drain server)
    (.wait over PATIENCE))
  (.close server.node))

(defn leave-branch [o]
  (end o.raw.session))

(defn begin [o close]
  "A branch begins here, in the place of another of this session's."
  (setv session o.raw.session)
  (end session)
  (setv (get leaving session) close
        session.at-end (partial end session)))

(defn end [session]
  (.pop branches session None)
  (setv close (.pop leaving session None))
  (when close
    (close)))


(defclass Head []
  "A master in a slave's process. Chunks of the session with the master above are passed on."

  (defn __init__ [self session cookie]
    (setv
      self.session session
      self.network (Network None)
      self.network.tree (Below self.network self.close-apart)
      self.network.node.cookie (.encode cookie)
      self.paces {})  ; text of a remote -> the `Pace` of its last chunk
    (.set self.network.output (when session.printer self.show)))

  (defn close [self]
    (.close self.network))

  (defn close-apart [self]
    (.start (threading.Thread :target self.close :name "dpfw-head" :daemon True)))

  (defn show [self slave stream line]
    "What leaves print goes up as if it were printed here."
    (with [_ (owned self.session.printer)]
      (.write (getattr sys stream) f"[{slave.name}] {line}\n")))

  (defn pass-on [self results columns retries chunk-size * returned o]
    "See `chunks.passed-on`."
    (unless (.slave-count self.network)
      ; All have gone.
      (return None))
    (setv remote (.remote self)
          options (Options :chunk-size chunk-size :retries retries :errors (if returned "return" "raise"))
          flow (Flow self.network remote columns (get COUNTS results) options))
    (.take-pace self remote.text flow)
    (try
      (with [chunks (closing (handed-out flow))]
        (setv values (in-order (dict chunks))))
      (except [e RemoteError]
        (unless (is e.index None)
          (write e.index o))
        (raise (PassedOn e) :from None))
      (except [e SlaveLost]
        (raise (PassedOn (without-places e)) :from None))
      (except [MasterClosed]
        (when retries
          (return None))
        (setv lost (SlaveLost "all slaves of a branch were lost")
              lost.places [0 (- (len (get columns 0)) 1)])
        (raise (PassedOn lost) :from None)))
    (if returned
      (.told self values)
      values))

  (defn remote [self]
    "The remote that this task is, for leaves: its text and values, but for the items."
    (setv [text values] self.session.sent
          [_ #* others] (values-of values))
    (Remote (str text "utf-8") #("" #* (gfor  x others  (if (is (type x) str) x [x])))))

  (defn take-pace [self text flow]
    "What items cost is known from the last chunk."
    (setv before (.get self.paces text)
          self.paces {text flow.pace})
    (when before
      (setv flow.pace.cost before.cost
            flow.pace.largest before.largest)))

  (defn told [self values]
    "The results, and a dict from places to errors."
    (setv limit self.session.connection.limit
          errors (dfor
            [place x] (enumerate values)
            :if (isinstance x #(RemoteError SlaveLost))
            place (describe (PassedOn (if (isinstance x SlaveLost) (without-places x) x)) limit)))
    #((lfor  [place x] (enumerate values)  (if (in place errors) None x)) errors)))

(defn without-places [lost]
  "What was said before it was said of which items, which are called otherwise above."
  (setv told (or lost.__cause__ lost)
        told.places lost.places)
  told)


(defclass Below [Tree]
  "The tree below a head, if there is one; and without a slave, the head is none any more."

  (defn __init__ [self network close]
    (.__init__ (super) network)
    (setv self.close-head close))

  (defn [property] wanted [self]
    True)

  (defn note-gone [self slave]
    (.note-gone (super) slave)
    (unless (.slave-count self.network)
      (self.close-head))))
