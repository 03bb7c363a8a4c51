"A node: what a master and a slave have in common. It listens and dials, shakes
hands, and owns every thread and socket that comes of it."

(import
  functools [partial]
  logging
  os
  select
  socket
  threading
  time [monotonic]
  weakref [WeakSet]
  dpfw.data.codec [takes-packed?]
  dpfw.errors [HandshakeError]
  dpfw.net.about [differences own-about]
  dpfw.net.addresses [LONGEST-SILENCE NO-DESCRIPTORS dial files-advice format-address listen-on polled silent? tune]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [new-session dial-handshake listen-handshake]
  dpfw.net.reactor [Reactor]
  dpfw.net.status [serve-watcher]
  dpfw.net.threads [ThreadPool]
  dpfw.net.frames [frame-limit]
  dpfw.net.wire [Connection]
  dpfw.see [see])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  REMEMBERED 1000      ; processes of another version that the log has named
  MOST-STRANGERS 256   ; connections that were accepted and are shaking hands
  ROOM-PAUSE 0.01      ; seconds until the next look for room, when there is none
  SILENCE 1            ; seconds that each of them has to say something, however many come,
  STRANGER-TIME 5      ; and then for the rest
  CHECK-EVERY 10       ; seconds between two looks for dead hosts
  DESCRIPTOR-PAUSE 1)  ; seconds until the next try to accept, then


(setv nodes (WeakSet))  ; of this process

(defn forsake-all []
  (for [node (list nodes)]
    (.forsake node)))

(os.register-at-fork :after-in-child forsake-all)


(defclass Node []
  "One end of a network, in a role: \"master\" or \"slave\".

  ``joined`` is called with a connection that the other end dialled, when it has
  shaken hands, and the other end's session id; in a thread of its own. ``status`` is
  called for what watchers are told. ``about`` is what it says of itself beside versions
  and the like, as `own-about` has it."

  (defn __init__ [self role joined status #** about]
    (setv
      self.role role
      self.joined joined
      self.status status
      self.began (monotonic)
      self.session (new-session)
      self.frame-limit (frame-limit)
      self.packed (takes-packed?)
      self.about (own-about #** about)  ; what it says of itself
      self.others {}        ; session ids of processes of another version, the first one first
      self.lock (threading.RLock)
      self.reactor (Reactor f"dpfw-{role}-reactor")
      self.threads (ThreadPool f"dpfw-{role}")
      self.listeners {}     ; host and port -> listening socket
      self.lent (set)       ; those of them that another process has as well, and listens on
      self.connections (set)
      self.strangers {}     ; accepted connections that shake hands, oldest first, and since when
      self.short False      ; has the log told that there are no descriptors left?
      self.waiting []       ; listeners that wait until there are fewer, and what they admit by
      self.checks None      ; the timer of `check-hosts`
      self.closers (set)    ; what else to call when the node closes,
      self.releases []      ; and in a process that was forked, to close what is the parent's
      self.cookie None
      self.closed (threading.Event))
    (.add nodes self))

  (defn secret [self]
    (when (is self.cookie None)
      (setv self.cookie (cookie)))
    self.cookie)

  (defn listen [self [port 0] [backlog 1000] [host None] [secret None] [joined None]]
    "Listen for the other role, without blocking. ``port`` 0 is any free port,
    ``host`` None every address of this machine. Returns the host and port that
    it got. Who dials there holds ``secret``, or the node's if that is None, and
    ``joined`` is called with who does, or the node's. Raises `AddressError` and
    `CookieError`."
    (.check-open self)
    (setv admit (partial self.admit (or secret (.secret self)) (or joined self.joined)))
    (.listen-with self (listen-on port backlog host) :admit admit))

  (defn listen-with [self listener [lent False] [admit None]]
    "The same with a socket that listens already."
    (setv admit (or admit (partial self.admit (.secret self) self.joined))
          address (cut (.getsockname listener) 2))
    (.setblocking listener False)
    (with [_ self.lock]
      (setv (get self.listeners address) listener)
      (when lent
        (.add self.lent listener)))
    (.watch-listener self listener admit)
    (log.info "the %s listens on %s" self.role (format-address address))
    (when (.is-set self.closed)  ; meanwhile
      (.unlisten self address)
      (.check-open self))
    address)

  (defn unlisten [self address]
    "Stop listening there; answers whether it did listen. Idempotent."
    (with [_ self.lock]
      (setv listener (.pop self.listeners address None)))
    (unless (is listener None)
      (.unwatch self.reactor listener)
      ; The kernel keeps a socket open as long as poll(2) has it, and a
      ; listener would go on to accept.
      (unless (in listener self.lent)  ; else the other process would hear nobody either
        (try
          (.shutdown listener socket.SHUT-RDWR)
          (except [OSError])))  ; macOS knows no such thing of a listener
      (.discard self.lent listener)
      (.close listener))
    (is-not listener None))

  (defn dial [self host port]
    "Connect to the other role; returns the connection and the other end's
    session id."
    (.check-open self)
    (setv secret (.secret self)
          connection (.own self (dial host port self.role)))
    #(connection (.shake-hands self dial-handshake connection secret)))

  (defn shake-hands [self handshake connection secret]
    "Do one side of the handshake, or retire the connection; returns the other end's
    session id."
    (try
      (setv session (handshake connection self.role self.session secret self.packed self.about))
      (.name-differences self connection session)
      (except [BaseException]
        (.retire self connection)
        (raise)))
    session)

  (defn name-differences [self connection session]
    "Note it on the connection, and log it once for each process, if the other end is
    of another version."
    (setv text (differences self.about connection.about self.role)
          connection.differences text)
    (unless text
      (return))
    (with [_ self.lock]
      (setv new (not-in session self.others)
            (get self.others session) None)
      (when (> (len self.others) REMEMBERED)
        (del (get self.others (next (iter self.others))))))
    (when new
      (log.warning "%s: %s" connection.peer text)))

  (defn retire [self connection]
    "Close a connection and forget it. Idempotent."
    (.unwatch self.reactor connection)
    (.close connection)
    (with [_ self.lock]
      (.discard self.connections connection)))

  (defn at-close [self closer]
    "Call ``closer`` when the node closes, after its connections have ended."
    (with [_ self.lock]
      (.add self.closers closer)))

  (defn not-at-close [self closer]
    "Call it no more: there is nothing left to close. Idempotent."
    (with [_ self.lock]
      (.discard self.closers closer)))

  (defn wait [self]
    "Block until the node is closed."
    (.wait self.closed))

  (defn close [self]
    "Leave the network: close every listener and connection, end every thread.
    Idempotent."
    (with [_ self.lock]
      (.set self.closed)
      (setv connections (list self.connections)
            addresses (list self.listeners)
            closers (list self.closers)))
    (for [address addresses]
      (.unlisten self address))
    (for [connection connections]
      (.abort connection))
    (for [closer closers]
      (closer))
    (for [thread (.close self.threads)]
      (log.warning "%s still runs a procedure of its user's" thread.name))
    (.close self.reactor)
    (for [connection connections]
      (.retire self connection)))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.close self))

  (defn say [self log #* what]
    "Log it in a thread of the pool: handlers are a user's code, which may wait."
    (.run-late self.threads log #* what))

  ;; What follows is the node's own.

  (defn forsake [self]
    "In a child process that was forked: let go of what is the parent's. A socket
    that the child kept open would outlive the parent, and hide its death."
    (when (.is-set self.closed)
      (return))  ; it has nothing open
    (for [file [#* (.values self.listeners)
                #* (gfor  connection self.connections  connection.sock)]]
      (.close file))
    (.release self.reactor)
    (for [release self.releases]
      (release))
    ; No other thread came along, and what they locked stays locked.
    (.__init__ self self.role self.joined self.status)
    (.set self.closed)
    (.close self.reactor))

  (defn check-open [self]
    (when (.is-set self.closed)
      (raise (RuntimeError f"this {self.role} is closed; make another"))))

  (defn own [self sock]
    "Make a connection of a socket; `close` will close it."
    (setv connection (Connection sock self.frame-limit))
    (with [_ self.lock]
      (when (is self.checks None)
        (setv self.checks (.call-after self.reactor CHECK-EVERY self.check-hosts)))
      (.add self.connections connection)
      (setv late (.is-set self.closed)))
    (when late
      (.retire self connection)
      (.check-open self))
    connection)

  (defn check-hosts [self]
    "End the connections whose other host is dead or cannot be reached."
    (with [_ self.lock]
      (setv connections (list self.connections)
            self.checks (when connections
              (.call-after self.reactor CHECK-EVERY self.check-hosts))))
    (for [connection connections]
      (when (silent? connection.sock)
        (.say self log.warning "%s has not confirmed for %d seconds what it was sent%s"
          connection.peer LONGEST-SILENCE (see "failures.md#the-network-and-processes"))
        (.abort connection))))

  (defn watch-listener [self listener admit]
    "Watch a listening socket, unless it was closed meanwhile."
    (with [_ self.lock]
      (when (in listener (.values self.listeners))
        (.watch self.reactor listener select.POLLIN
          (fn [] (.accept self listener admit))))))

  (defn accept [self listener admit]
    (unless (.room? self)
      (return (.wait-for-room self listener admit)))
    (try
      (setv [sock _] (.accept listener))
      (except [e OSError]
        (when (in e.errno NO-DESCRIPTORS)
          (unless self.short
            (setv self.short True)
            (.say self log.error "cannot accept a connection: %s%s" e.strerror (files-advice e)))
          (.unwatch self.reactor listener)
          (.call-after self.reactor DESCRIPTOR-PAUSE (fn [] (.watch-listener self listener admit))))
        (return)))  ; else, who dialled has hung up already
    (setv self.short False)
    (.setblocking sock True)
    (try
      (setv connection (.own self sock))
      (except [RuntimeError]  ; the node was closed meanwhile
        (return)))
    (with [_ self.lock]
      (setv (get self.strangers connection) (monotonic)))
    (setv admitted False)
    (try
      (setv admitted (.run self.threads admit connection))
      (finally
        (unless admitted
          (.pop self.strangers connection None)
          (.retire self connection)
          (unless (.is-set self.closed)
            (.say self log.error "no thread is to be had to admit %s, so it is hung up on" connection.peer))))))

  (defn room? [self]
    "May another stranger be let in? Of too many, the one that has been silent longest goes:
    so many who say nothing keep nobody out. But each has its time: many who come at once
    are let in one after the other, and none of them is put out for that."
    (with [_ self.lock]
      (when (< (len self.strangers) MOST-STRANGERS)
        (return True))
      (setv now (monotonic)
            silent (next (gfor
              [connection since] (.items self.strangers)
              :if (and (>= (- now since) (if connection.spoken STRANGER-TIME SILENCE))
                       ; If it has spoken, it is we who are slow.
                       (not (polled connection.sock select.POLLIN)))
              connection) None))
      (when silent
        (del (get self.strangers silent))
        (.abort silent))
      (is-not silent None)))

  (defn wait-for-room [self listener admit]
    (.unwatch self.reactor listener)
    (with [_ self.lock]
      (.append self.waiting #(listener admit))
      (setv first (= (len self.waiting) 1)))
    (when first
      (.call-after self.reactor ROOM-PAUSE self.look-for-room)))

  (defn look-for-room [self]
    (with [_ self.lock]
      (setv [waiting self.waiting] [self.waiting []]))
    (for [listening waiting]
      (.watch-listener self #* listening)))

  (defn admit [self secret joined connection]
    "Shake hands with who dialled, and join."
    (try
      (tune connection.sock)
      (setv session (.shake-hands self listen-handshake connection secret))
      (except [e HandshakeError]
        (log.warning "%s" e)
        (return))
      (except [BaseException]
        (.retire self connection)
        (raise))
      (finally
        (with [_ self.lock]
          (.pop self.strangers connection None))))
    (log.info "joined by %s" connection.peer)
    (if (= connection.role "watcher")
      (.show self connection)
      (joined connection session)))

  (defn show [self connection]
    "Answer a watcher until it goes."
    (try
      (serve-watcher connection self.status)
      (finally
        (.retire self connection)))))
