"A tree: slaves that are masters of others, so that no master has too many.

::

    root ══ chunks ══> head ══ parts ══> leaf
     └────────── its own tasks ───────────┘

Each head is told to listen, and its leaves to dial it, with a cookie of the branch's own.
The sessions with the root stay: for definitions, broadcasts and tasks for one slave, and so
that all go when the root goes; but of what is for any slave, leaves get nothing any more.

A chunk for a head is what any slave would be given. The head passes it on in parts, as its
master would have, and answers with what came back: see ``serve/branch``.

What ends above ends below. A head that is lost is a lost slave, and so is its chunk; its
leaves are the root's again."

(import
  itertools [groupby]
  logging
  math [ceil]
  secrets
  threading
  dpfw.dispatch.readers [ResultReader]
  dpfw.errors [AddressError MasterClosed SlaveLost]
  dpfw.net.addresses [parse-address])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  LOOPBACK "127.0.0.1")


(defclass Branch []
  "A head, and its leaves."

  (defn __init__ [self head leaves]
    (setv
      self.head head
      self.leaves leaves
      self.cookie (secrets.token-hex 32)))

  (defn [property] one-host [self]
    "Are all on one machine, as far as they say?"
    (= 1 (len (sfor  slave [self.head #* self.leaves]  (host-of slave)))))

  (defn address [self listens]
    "Where leaves dial the head, which ``listens`` there."
    (setv [host port] listens)
    #((if self.one-host host (reached-at self.head)) port)))

(defn host-of [slave]
  (.get slave.session.connection.about "host"))

(defn reached-at [slave]
  "The host by which others reach a slave: where it dialled from, or was dialled; what it
  calls itself, if it is reached in another way."
  (try
    (setv [host _] (parse-address slave.address))
    (except [AddressError]
      (setv host None)))
  (if (or (is host None) (.startswith host "127.") (= host "::1"))
    (host-of slave)
    host))


(defclass Tree []
  "The branches of a `Network`'s slaves."

  (defn __init__ [self network]
    (setv
      self.network network
      self.building (threading.Lock)  ; is held while there comes to be another tree
      self.lock (threading.Lock)
      self.branches []))

  (defn __bool__ [self]
    (bool self.branches))

  (defn [property] wanted [self]
    "Does it want to hear of who is lost?"
    (bool self))

  (defn [property] weight [self]
    "How many slaves work on a chunk, as a rule."
    (setv leaves (sum (gfor  branch (list self.branches)  (len branch.leaves))))
    (max 1 (// leaves (max 1 (.slave-count self.network)))))

  (defn build [self width]
    "Build it of the slaves that are here, so that no master is left with more than
    ``width`` that work for it, anew if there is one; returns the heads."
    (with [_ self.building]
      (.dissolve self)
      (.grow self width)))

  (defn grow [self width]
    (setv slaves (lfor
            slave (.connected self)
            :if (!= slave.state "leaving")
            slave)
          branches (if (or (is width None) (<= (len slaves) width)) [] (list (branched slaves width))))
    (try
      (.open self branches width)
      (except [BaseException]
        (.close self branches)
        (raise)))
    (with [_ self.lock]
      (+= self.branches branches))
    (for [branch branches  leaf branch.leaves]
      (.act self.network self.network.dispatcher.lent leaf.session))
    ; Some may have been lost meanwhile.
    (for [branch branches  slave [branch.head #* branch.leaves]]
      (when slave.lost
        (.note-gone self slave)))
    (lfor  branch branches  branch.head))

  (defn open [self branches width]
    (setv listening (.on-all self (gfor
            branch branches
            #(branch.head `(open-branch ~branch.cookie ~(when branch.one-host LOOPBACK))))))
    (.on-all self (gfor
      [branch listens] (zip branches listening)
      leaf branch.leaves
      #(leaf `(join-branch ~branch.cookie ~#* (.address branch listens) ~leaf.name ~(list leaf.labels)))))
    (.on-all self (gfor
      branch branches
      #(branch.head `(complete-branch ~(len branch.leaves) ~width)))))

  (defn on-all [self calls]
    "Have slaves call procedures of ``serve/branch``; the results, in order. All run to
    their end; then the first failure is raised."
    (lfor  promise (.told self calls)  (.result promise)))

  (defn told [self calls]
    "The promises of that, all of which have ended."
    (setv promises (lfor
      [slave [procedure #* arguments]] calls
      (.make-task self.network
        `(fn [i o] ((. hy I dpfw/serve/branch ~procedure) o ~@arguments))
        ResultReader None slave)))
    (try
      (for [promise promises]
        (.exception promise))
      (except [BaseException]
        (for [promise promises]
          (.cancel promise))
        (raise)))
    promises)

  (defn dissolve [self]
    "Have no tree: all slaves are the root's again."
    (with [_ self.lock]
      (setv [branches self.branches] [self.branches []]))
    (.close self branches)
    (for [branch branches]
      (.take-back self branch)))

  (defn close [self branches]
    (setv here (set (.connected self))
          heads (lfor  branch branches  branch.head)
          leaves (lfor  branch branches  leaf branch.leaves  leaf))
    ; Heads first: they are not to be surprised.
    (for [slaves [heads leaves]
          promise (.told self (gfor  slave slaves  :if (in slave here)  #(slave '(leave-branch))))]
      ; With one that is lost, its part has ended.
      (unless (isinstance (.exception promise) #((type None) SlaveLost MasterClosed))
        (.result promise))))

  (defn take-back [self branch]
    (for [leaf branch.leaves]
      (.act self.network self.network.dispatcher.taken-back leaf.session)))

  (defn note-gone [self slave]
    "A slave is lost."
    (with [_ self.lock]
      (for [branch self.branches]
        (when (in slave branch.leaves)
          (.remove branch.leaves slave)))
      (setv lost (lfor  branch self.branches  :if (is branch.head slave)  branch))
      (for [branch lost]
        (.remove self.branches branch)))
    (for [branch lost]
      (.take-back self branch)
      (unless (.is-set self.network.node.closed)
        (log.warning "%s was the head of a branch; its %d slaves work for this master itself, until (dpfw-tree …) builds another"
          slave.name (len branch.leaves)))))

  (defn connected [self]
    (with [_ self.network.lock]
      (list (.values self.network.dispatcher.registry.connected)))))


(defn branched [slaves width]
  "Yield branches of these slaves, ``width`` of them or fewer: of slaves with the same labels,
  as far as may be of one machine. Who is left over has no branch."
  (setv order (sorted slaves :key kind)
        heads (min width (ceil (/ (len slaves) (+ width 1)))))
  (for [[_ alike] (groupby order :key (fn [slave] (sorted slave.labels)))]
    (setv alike (list alike)
          parts (max 1 (round (/ (* heads (len alike)) (len slaves)))))
    (for [n (range parts)]
      (setv [head #* leaves] (cut alike (part-start n parts alike) (part-start (+ n 1) parts alike)))
      (when leaves
        (yield (Branch head leaves))))))

(defn part-start [n parts xs]
  (// (* n (len xs)) parts))

(defn kind [slave]
  #((sorted slave.labels) (or (host-of slave) "")))
