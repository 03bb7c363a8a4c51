"A status: what a process tells its watchers, a dict on one line.

::

    watcher  (status 1 0)
    process  (end 1 319) {\"role\" \"slave\"  \"done\" 7  \"sessions\" [{\"state\" \"busy\" …}] …}
    watcher  (status 2 0)
    …

A watcher has shaken hands as one (``net/handshake``), and asks for nothing else. It is
answered in a thread of its own, so also while remotes run, if these let go of the
interpreter. Both ends share this file. Further words may stand in a status, and are
passed over by who does not know them."

(import
  logging
  os
  resource
  sys
  time [monotonic]
  dpfw.data.sexp [read-standard write-datum]
  dpfw.errors [WireError]
  dpfw.net.about [checked-about text?]
  dpfw.net.addresses [format-address]
  dpfw.net.wire [GONE])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  PAGE (os.sysconf "SC_PAGE_SIZE")  ; bytes
  MOST (** 10 15)  ; of anything that is counted or measured
  COUNT [int]
  SECONDS [int float]
  PROCESS {
    "role" [str]
    "about" [dict]            ; as in the handshake
    "up" SECONDS
    "memory" [int (type None)]  ; bytes that it has in memory
    "listens" [list]          ; addresses, as text
    "line" [int (type None)]  ; tasks that wait for any slave; of a master
    "keys" [int (type None)]  ; of the hash table; of a slave
    "done" COUNT              ; tasks that ended in a result, of all that it ever had,
    "failed" COUNT            ; and in an error
    "sessions" [list]}
  SESSION {
    "peer" [str]              ; the address of the other end
    "about" [dict]
    "state" [str]
    "task" [int (type None)]  ; its number, if one runs,
    "task-name" [str (type None)]  ; what the user calls it, as a master knows,
    "busy" [int float (type None)]  ; and the seconds since it was sent or came
    "age" SECONDS             ; of the session
    "line" [int (type None)]  ; tasks that wait for this very slave; of a master
    "memory" [int (type None)]  ; of the process at the other end, if it is of this machine
    "done" COUNT
    "failed" COUNT})


;; The process that is watched

(defn serve-watcher [connection look]
  "Answer a watcher until it hangs up. ``look`` gives the status, as a dict."
  (setv number 0)
  (try
    (while True
      (+= number 1)
      (setv header (.receive-header connection))
      (unless (= header #("status" number 0))
        (raise (WireError
          f"{connection.peer}, a watcher, sent a frame {header}, and may only send (status {number} 0)")))
      (.send connection "end" number (.encode (write-datum (look)))))
    (except [e OSError]
      ; It may leave whenever it likes.
      (unless (isinstance e GONE)
        (log.warning "%s" e)))))

(defn node-status [node]
  "The part of a status that masters and slaves have in common."
  {"role" node.role
   "about" node.about
   "up" (since node.began)
   "memory" (resident-memory)
   "listens" (lfor  address (list node.listeners)  (format-address address))})

(defn session-status [connection]
  "The same, of a session on this connection."
  {"peer" connection.peer
   "about" connection.about
   "age" (since connection.began)})

(defn since [moment]
  "Seconds since a moment of the monotonic clock; None for None."
  (unless (is moment None)
    (round (- (monotonic) moment) 3)))

(defn resident-memory [[pid None]]
  "The bytes that a process, or this one, has in memory. None if the system does not
  tell. Where it has no /proc, the most that this process has had, and nothing of others."
  (try
    (with [file (open f"/proc/{(or pid "self")}/statm")]
      (* PAGE (int (get (.split (.read file)) 1))))
    (except [OSError]
      (unless pid
        (setv most (. (resource.getrusage resource.RUSAGE-SELF) ru-maxrss))
        (if (= sys.platform "darwin") most (* 1024 most))))))


;; The watcher

(defn read-status [payload role]
  "The dict in a payload that came from an end of this role, checked: it is shown to
  people. Raises `ValueError` or `SyntaxError`."
  (setv status (read-standard (str payload "utf-8")))
  (check status PROCESS "a status")
  (when (!= (get status "role") role)
    (raise (ValueError f"a {role} cannot be a {(get status "role")}")))
  (for [address (get status "listens")]
    (check-text address))
  (for [session (get status "sessions")]
    (check session SESSION "a session"))
  status)

(defn check [told fields what]
  (unless (is (type told) dict)
    (raise (ValueError f"{what} is a dict, not {(type told) !r}")))
  (for [[name types] (.items fields)]
    (setv value (.setdefault told name None))
    (unless (in (type value) types)
      (raise (ValueError f"the {name} of {what} is {value !r}")))
    (cond
      (is (type value) str) (check-text value)
      (is (type value) dict) (checked-about value)
      (and (in (type value) SECONDS) (not (<= 0 value MOST)))
        (raise (ValueError f"the {name} of {what} is out of all bounds")))))

(defn check-text [x]
  (unless (text? x)
    (raise (ValueError f"{x !r} is no text for people"))))
