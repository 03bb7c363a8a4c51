"A TCP proxy between a master and a slave that does harm, at a chosen point.

It reads the frames that pass (sessions on loopback are plain text), so it knows
where in a task it is. ::

    (with [proxy (FaultProxy #(\"127.0.0.1\" 10000))]
      (.connect master #* proxy.address)
      (.arm proxy \"cut in the header\" \"reply\" \"to master\")
      …)                  ; the next task's `end` frame ends after a few bytes

A fault strikes one frame: the first in its direction from its point on.

    request   from the `task` frame on, which is the first `to slave`
    during    after the first `data` frame that came from the remote
    reply     from the `end` frame on, which is the first `to master`

After that, frames pass again, so a connection that is dialled anew is sound."

(import
  heapq
  itertools
  re
  selectors
  socket
  struct
  threading
  time)
(require hyrule.control [unless])

(setv
  FAULTS [
    "delay"                  ; it comes later, and so do those behind it
    "cut in the header"      ; half of it, then nothing: this direction closes
    "cut in the payload"
    "reset"                  ; half of it, then both sides get a RST
    "swallow"                ; it and all behind it get lost; nothing closes
    "corrupt the header"
    "corrupt the payload"]
  POINTS ["request" "during" "reply"]
  DIRECTIONS ["to slave" "to master"]
  DELAY 0.1                  ; seconds
  HEADER (re.compile rb"\(([a-z]{1,8}) [0-9]{1,15} ([0-9]{1,15})\)\n"))


(defclass FaultProxy []
  "Passes on what comes to ``address``, to ``target`` and back. ``dialler`` is
  the role of who dials. ``listener``, where given, is listened on; it stays the
  caller's. The proxy's one thread and all its sockets go with `close`."

  (defn __init__ [self target [dialler "master"] [listener None]]
    (setv
      self.target target
      self.dialler dialler
      self.listener (if listener (.dup listener) (socket.create-server #("127.0.0.1" 0)))
      self.address (.getsockname self.listener)
      self.armed None         ; [fault point direction], until it has struck
      self.reached False      ; its point, that is
      self.struck (threading.Event)
      self.links (set)
      self.timers []          ; a heap of [moment number procedure]
      self.numbers (itertools.count)
      self.orders []          ; procedures for the thread
      self.done False
      self.selector (selectors.DefaultSelector)
      [self.waked self.waker] (socket.socketpair))
    (.setblocking self.listener False)
    (.register self.selector self.listener selectors.EVENT-READ self.accept)
    (.register self.selector self.waked selectors.EVENT-READ
      (fn [] (.recv self.waked 4096)))
    (setv self.thread (threading.Thread :target self.run :name "fault proxy" :daemon True))
    (.start self.thread))

  (defn arm [self fault point direction]
    "Have this fault strike once, at this point, in this direction."
    (.clear self.struck)
    (setv self.reached False
          self.armed [fault point direction]))

  (defn drop [self]
    "Close every connection that passes through, as TCP does when the other host
    does not answer any more. Returns when it is done."
    (.in-thread self (fn [] (for [link (list self.links)] (.close link)))))

  (defn close [self]
    (.in-thread self (fn [] (setv self.done True)))
    (.join self.thread)
    (for [link (list self.links)]
      (.close link))
    (for [sock [self.listener self.waked self.waker self.selector]]
      (.close sock)))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.close self))

  (defn in-thread [self procedure]
    (setv finished (threading.Event))
    (.append self.orders (fn [] (procedure) (.set finished)))
    (.send self.waker b"!")
    (assert (.wait finished 30)))

  ;; In the thread

  (defn run [self]
    (while (not self.done)
      (setv patience (when self.timers
        (max 0 (- (get self.timers 0 0) (time.monotonic)))))
      (for [[key _] (.select self.selector patience)]
        (when key.fileobj  ; a link may have closed two
          (key.data)))
      (while self.orders
        ((.pop self.orders 0)))
      (while (and self.timers (<= (get self.timers 0 0) (time.monotonic)))
        ((get (heapq.heappop self.timers) 2)))))

  (defn accept [self]
    (try
      (setv [near _] (.accept self.listener))
      (except [OSError]
        (return)))
    (try
      (setv far (socket.create-connection self.target 30))
      (except [OSError]  ; nobody listens there
        (.close near)
        (return)))
    (.add self.links (Link self near far)))

  (defn call-after [self seconds procedure]
    (heapq.heappush self.timers
      #((+ (time.monotonic) seconds) (next self.numbers) procedure))))


(defclass Link []
  "One connection through the proxy: two sockets, two directions."

  (defn __init__ [self proxy near far]
    (setv
      self.proxy proxy
      self.sockets [near far]
      self.open True
      [there back] (if (= proxy.dialler "master") DIRECTIONS (reversed DIRECTIONS)))
    ; The dialler says three lines before its first frame, the listener two.
    (for [[source sink direction lines] [[near far there 3] [far near back 2]]]
      (.setsockopt source socket.IPPROTO-TCP socket.TCP-NODELAY 1)
      (.settimeout source 30)
      (.register proxy.selector source selectors.EVENT-READ
        (. (Lane self source sink direction lines) receive))))

  (defn close [self]
    (when self.open
      (setv self.open False)
      (.discard self.proxy.links self)
      (for [sock self.sockets]
        (.unregister self.proxy.selector sock)
        (.close sock))))

  (defn reset [self]
    "Close both ends so that their peers get a RST."
    (for [sock self.sockets]
      (.setsockopt sock socket.SOL-SOCKET socket.SO-LINGER (struct.pack "ii" 1 0)))
    (.close self)))


(defclass Lane []
  "One direction of a link."

  (defn __init__ [self link source sink direction lines]
    (setv
      self.link link
      self.proxy link.proxy
      self.source source
      self.sink sink
      self.direction direction
      self.lines lines        ; of the handshake, that are to come
      self.received b""
      self.dead False         ; does nothing pass any more?
      self.delayed False
      self.waiting b""))      ; what comes after a frame that is delayed

  (defn receive [self]
    (unless self.link.open
      (return))
    (try
      (setv chunk (.recv self.source 65536))
      (except [OSError]
        (setv chunk b"")))
    (unless chunk
      (.close self.link)
      (return))
    (+= self.received chunk)
    (while (and self.link.open (setx unit (.next-unit self)))
      (.treat self #* unit)))

  (defn next-unit [self]
    "Take a whole line of the handshake, or a whole frame, from what was
    received: its kind, header and payload."
    (if self.lines
      (do
        (setv [line feed rest] (.partition self.received b"\n"))
        (when feed
          (-= self.lines 1)
          (setv self.received rest)
          #("line" (+ line feed) b"")))
      (when (setx found (HEADER.match self.received))
        (setv start (.end found)
              end (+ start (int (get found 2))))
        (when (>= (len self.received) end)
          (setv header (get found 0)
                payload (cut self.received start end)
                self.received (cut self.received end None))
          #((.decode (get found 1)) header payload)))))

  (defn treat [self kind header payload]
    "Pass a frame on, unless it is to be struck."
    (setv [fault point direction] (or self.proxy.armed [None None None])
          mine (= direction self.direction)
          key #(kind self.direction))
    (when (or (= #(point #* key) #("request" "task" "to slave"))
              (= #(point #* key) #("reply" "end" "to master")))
      (setv self.proxy.reached True))
    (if (and mine self.proxy.reached)
      (do
        (setv self.proxy.armed None)
        (.strike self fault header payload)
        (.set self.proxy.struck))
      (do
        (.send self (+ header payload))
        (when (= #(point #* key) #("during" "data" "to master"))
          (setv self.proxy.reached True)))))

  (defn strike [self fault header payload]
    (cond
      (= fault "delay") (do
        (setv self.delayed True)
        (.send self (+ header payload))
        (.call-after self.proxy DELAY self.catch-up))
      (= fault "cut in the header") (do
        (.send self (cut header 4))
        (.cut self))
      (= fault "cut in the payload") (do
        (.send self (+ header (cut payload (// (len payload) 2))))
        (.cut self))
      (= fault "reset") (do
        (.send self (+ header (cut payload (// (len payload) 2))))
        (.reset self.link))
      (= fault "swallow")
        (setv self.dead True)
      (= fault "corrupt the header")
        (.send self (+ b"?" (cut header 1 None) payload))
      (= fault "corrupt the payload") (do
        (setv at (// (len payload) 2)
              changed (bytearray payload)
              (get changed at) (^ (get changed at) 0x81))
        (.send self (+ header (bytes changed))))
      True (raise (ValueError fault))))

  (defn catch-up [self]
    (setv self.delayed False)
    (when self.link.open
      (.send self self.waiting)))

  (defn cut [self]
    "Close this direction; the other one stays as it is."
    (setv self.dead True)
    (try
      (.shutdown self.sink socket.SHUT-WR)
      (except [OSError])))

  (defn send [self data]
    (cond
      self.dead None
      self.delayed (+= self.waiting data)
      True (try
        (.sendall self.sink data)
        (except [OSError]
          (.close self.link))))))
