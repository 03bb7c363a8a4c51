"A task, as its master sees it: a remote for a slave, and what becomes of it."

(import
  dpfw.data.buffers [in-few]
  dpfw.data.codec [packed? size-of]
  dpfw.errors [SlaveLost]
  dpfw.net.frames [LIMIT-ADVICE framed header]
  dpfw.see [see]
  dpfw.task.failure [escaped]
  dpfw.task.remote [as-texts values-payload])
(eval-when-compile (require hyrule.control [unless]))

(setv
  MASTERS "master"  ; the output of a task that goes where its master's goes
  MOST-DEATHS 5     ; slaves that may die of one task
  FEW 2             ; lines that fit into a message
  MOST-SHOWN 200)   ; characters of a line, or bytes of a remote, in one


(defclass Task []
  "A remote, who is to run it, and who hears of it. First what it is made of, then
  what the dispatcher owns of it, and then what `Network` does.

  ``payloads`` are those of the frames that the slave is sent: of each the kind, and
  its bytes as a list of buffers. ``reader``
  makes what reads the answer, and then ``local`` is None; or ``local`` is a
  procedure of two ports, and has a thread. ``slave`` is the one that it must run
  on, or None; ``timeout`` is in seconds, or None; ``retries`` is how often it may
  still run again when its slave is lost. ``on`` is a label that its slave must have,
  or None; the tasks of a higher ``priority`` are next; ``name`` is for people, and
  ``output`` says what is done with what it prints."

  ; Of most tasks.
  (setv
    on None  priority 0  name None
    special False   ; has it a label or a priority?
    loan None       ; the `Loan` of the memory that its payloads are in
    said #()        ; the last texts that its remote has printed
    deaths 0)       ; slaves that have died while they ran it

  (defn __init__ [self payloads [reader None] [local None] [slave None]
                  [timeout None] [retries 0] [on None] [priority 0] [name None] [output MASTERS]]
    (when (or on priority)
      (setv self.on on  self.priority priority  self.special True))
    (when name
      (setv self.name name))
    (setv
      self.payloads payloads
      self.reader reader
      self.local local
      self.slave slave
      self.timeout timeout
      self.output output
      self.promise None

      self.state "waiting"
      self.retries retries
      self.session None       ; where it runs,
      self.number None        ; and its number there
      self.preparation None   ; its number, of what a slave runs first
      self.playing False      ; does its local procedure run?

      self.timer None))

  (defn [property] packed [self]
    "Are there packed data in it?"
    (packed? (get self.payloads 0 1 0)))

  (defn texts [self limit]
    "The same payloads without packed data. Raises what `as-texts` does, and
    `OverflowError` if one has more bytes than ``limit``."
    (setv payloads (lfor
      [kind payload] self.payloads
      #(kind (if (packed? (get payload 0)) (as-texts payload) payload))))
    (check-size payloads limit)
    payloads)

  (defn frames [self number]
    "The frames that its slave is sent, as a list of buffers; ``number`` is the task's."
    (setv [[kind payload] #* more] self.payloads)
    (unless more
      (return [(framed kind number (get payload 0))]))
    (setv parts [])
    (for [[kind payload] self.payloads]
      (.append parts (header kind number (size-of payload)))
      (.extend parts payload))
    (in-few parts))

  (defn __repr__ [self]
    (if self.session
      f"<{(called self)} {self.number} on {self.session !r}>"
      f"<{(called self)}>")))

(defn called [task]
  "A task, as messages call it."
  (if task.name f"task {task.name !r}" "task"))


(defn task-payloads [remote]
  "What a slave is sent of a `Remote`, as `Task` has it."
  (setv text #("task" [(.encode remote.text)]))
  (if remote.values
    [#("values" (values-payload remote.values)) text]
    [text]))

(defn check-size [payloads limit]
  (for [[kind payload] payloads]
    (setv size (size-of payload))
    (when (> size limit)
      (raise (OverflowError (+
        f"the remote's {(if (= kind "task") "text takes" "values take")} {size} bytes and a "
        f"frame at most {limit}. {LIMIT-ADVICE}, or have the local procedure send data by write-object"))))))

(defn slave-lost [session error task]
  (setv
    slave session.slave
    [said-now said-below] (what-was-said session.connection.last-words)
    lost (SlaveLost (+
      f"the slave {slave.name} at {slave.address} was lost: {(or session.connection.why error)}{said-now}.{(printed-last task)} "
      f"What became of the {(called task)} is unknown; "
      (if (>= task.deaths MOST-DEATHS)
        f"{task.deaths} slaves in a row have died while they ran it, so it is not tried again"
        (+ "if it may run twice, give it :retries" (see "how-to/a-slave-died.md")))
      (if session.connection.why (what-ran task) "")
      said-below))
    lost.__cause__ error)
  lost)

(defn what-was-said [lines]
  "The last words of a slave's process, for within a message and for below it."
  (cond
    (not lines) ["" ""]
    (<= (len lines) FEW) [f" and said: {(.rstrip (.join " / " (map str.strip lines)) ".")}" ""]
    True ["" (.join "\n  " [". It said last:" #* lines])]))

(defn what-ran [task]
  "The beginning of its remote, if people have written that."
  (setv [[_ text]] (cut task.payloads -1 None)
        shown (.join " " (.split (str (cut (get text 0) MOST-SHOWN) "utf-8" "replace"))))
  (cond
    (.startswith shown "(fn [dpfw-i dpfw-o]") ""
    (< (len (get text 0)) MOST-SHOWN) f". It ran {shown}"
    True f". It ran {shown} …"))

(defn printed-last [task]
  (setv lines (cut (.splitlines (.join "" task.said)) (- FEW) None))
  (if lines
    f" It printed last: {(.join " / " (gfor  line lines  (escaped (cut line MOST-SHOWN))))}."
    ""))

(defn lost-before [slave task]
  (SlaveLost f"the slave {slave.name} at {slave.address} was lost before it was given this {(called task)}"))

(defn drained-before [slave task]
  (SlaveLost (+ f"the slave {slave.name} at {slave.address} is drained, and takes no new tasks; "
    f"this {(called task)} was not given to it. Make it for another, or for any")))
