"A task, as its master sees it: a remote for a slave, and what becomes of it."

(import
  dpfw.errors [SlaveLost]
  dpfw.net.frames [LIMIT-ADVICE framed])

(setv SMALL 65536)  ; bytes, below which frames are joined to one packet


(defclass Task []
  "A remote, who is to run it, and who hears of it. First what it is made of, then
  what the dispatcher owns of it, and then what `Network` does.

  ``payloads`` are those of the frames that the slave is sent, by kind. ``reader``
  makes what reads the answer, and then ``local`` is None; or ``local`` is a
  procedure of two ports, and has a thread. ``slave`` is the one that it must run
  on, or None; ``timeout`` is in seconds, or None; ``retries`` is how often it may
  still run again when its slave is lost."

  (defn __init__ [self payloads [reader None] [local None] [slave None]
                  [timeout None] [retries 0]]
    (setv
      self.payloads payloads
      self.reader reader
      self.local local
      self.slave slave
      self.timeout timeout
      self.promise None

      self.state "waiting"
      self.retries retries
      self.session None       ; where it runs,
      self.number None        ; and its number there
      self.preparation None   ; its number, of what a slave runs first
      self.playing False      ; does its local procedure run?

      self.timer None))

  (defn frames [self number]
    "The frames that its slave is sent, a list of bytes; ``number`` is the task's."
    (setv parts (lfor  [kind payload] self.payloads  (framed kind number payload)))
    (if (and (> (len parts) 1) (< (sum (map len parts)) SMALL))
      [(.join b"" parts)]
      parts))

  (defn __repr__ [self]
    f"<task {self.number} on {self.session !r}>"))


(defn task-payloads [remote]
  "What a slave is sent of a `Remote`: the kind and the payload of each frame."
  (setv text #("task" (.encode remote.text)))
  (if remote.values
    [#("values" (.encode (.join "\n" remote.values))) text]
    [text]))

(defn check-size [payloads limit]
  (for [[kind payload] payloads]
    (when (> (len payload) limit)
      (raise (OverflowError (+
        f"the remote's {(if (= kind "task") "text takes" "values take")} {(len payload)} bytes and a "
        f"frame at most {limit}. {LIMIT-ADVICE}, or have the local procedure send data by write-object"))))))

(defn slave-lost [address error]
  (setv lost (SlaveLost (+
    f"the slave at {address} was lost: {error}. What became of the task "
    "is unknown; if it may run twice, give it :retries")))
  (setv lost.__cause__ error)
  lost)
