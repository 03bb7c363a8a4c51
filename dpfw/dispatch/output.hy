"What remotes print and log is shown here.

::

    who receives ── take ──> queue, bounded ──> a thread of the pool ──> sys.stdout, sys.stderr,
                                                 folds equal lines       a file, a function; `logging`

Whatever a file or a function of a user's does there, nothing else waits for it, but
who has forced a promise: that one is to see what its task has printed before the
result, and so waits `SETTLE` seconds at most."

(import
  collections [deque]
  itertools [groupby]
  logging
  re
  sys
  threading
  time [monotonic]
  dpfw.dispatch.folding [Folding]
  dpfw.dispatch.task [MASTERS]
  dpfw.errors [WireError]
  dpfw.task.failure [escaped]
  dpfw.task.output [read-output]
  dpfw.task.whose [owned])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  WINDOW 0.2             ; seconds in which equal lines are folded
  SETTLE 1               ; seconds
  LINE-COSTS 100         ; bytes that a line takes here, besides its text
  ROOM (* 8 1024 1024)   ; bytes of a slave's that wait to be shown
  MOST-LOGGERS 1000      ; that are made because slaves name them
  REMOTE (re.compile "(?<=<remote )[0-9]+(?=>)")  ; each slave counts for itself
  LEFT-OUT "left out here, since they came faster than they were shown …")


(defn checked-output [output]
  "What is given as ``:output``, if it can be: True, None, a file, or a function; of a
  task also `MASTERS`."
  (unless (or (is output True) (is output None) (masters? output)
              (callable output) (callable (getattr output "write" None)))
    (raise (TypeError (+ f"the output is {output !r}; give an open file, a function of slave, stream and "
      "line, True to have it shown, or None"))))
  output)

(defn masters? [output]
  (and (is (type output) str) (= output MASTERS)))


(defclass Output []
  "Of one master. ``shown`` is what is done with the output of tasks that say nothing of
  it."

  (defn __init__ [self network]
    (setv
      self.network network
      self.node network.node
      self.shown True
      self.asked False           ; have slaves been asked for it?
      self.change (threading.Condition)
      self.queue (deque)         ; [serial, slave, what is done with it, what was said, bytes]
      self.waiting {}            ; slave -> bytes of it in the queue
      self.lost {}               ; slave -> characters that had no room there, and where
                                 ; the last of them were to go
      self.came 0                ; pieces that came,
      self.seen 0                ; those that the showing thread has taken,
      self.done 0                ; those that are shown,
      self.hurry 0               ; and up to which none is to wait for others like it
      self.thread None           ; that shows
      self.folding (Folding)
      self.loggers 0
      self.failed (deque :maxlen 100)))  ; files and functions that did

  (defn set [self output]
    "From now on."
    (when (masters? output)
      (raise (TypeError "the master's own output cannot be the master's; give True, None, a file or a function")))
    (setv self.shown (checked-output output)
          about (dict self.node.about))
    (if (is output None)
      (.pop about "output" None)
      (setv (get about "output") True
            self.asked True))
    ; In one step, since slaves may join at any moment.
    (setv self.node.about about))

  ;; Who receives

  (defn take [self session number payload]
    "An ``output`` frame has come. Raises `WireError`."
    (setv task session.task
          peer session.connection.peer)
    (unless self.asked
      (raise (WireError f"{peer} sent output, and was not asked for it")))
    (unless (or (= number 0) (and task (= number task.number)))
      (raise (WireError f"{peer} sent output of task {number}, which it does not run")))
    (try
      (setv said (read-output payload))
      (except [e ValueError]
        (raise (WireError f"{peer} sent output that makes no sense: {e}"))))
    (when number
      (when task.promise
        (setv task.promise.unshown self))
      (unless (= (get said 0) "log")
        ; Should the slave be lost now.
        (setv task.said (cut #(#* task.said (get said 1)) -2 None))))
    (setv output (if number task.output MASTERS))
    (when (masters? output)
      (setv output self.shown))
    (unless (and (is output None) (!= (get said 0) "log"))
      (.put self session.slave output said)))

  (defn put [self slave output said]
    (setv size (cost said))
    (with [_ self.change]
      (setv waiting (.get self.waiting slave 0))
      (if (and waiting (> (+ waiting size) ROOM))
        (setv before (get (.get self.lost slave [0]) 0)
              (get self.lost slave) [(+ before (length said)) output])
        (do
          (when (in slave self.lost)
            (.enqueue self slave #* (notice #* (.pop self.lost slave))))
          (.enqueue self slave output said size)))
      (setv asleep (is self.thread None))
      (if asleep
        (setv self.thread True)  ; it is about to be there
        (.notify-all self.change)))
    (when asleep
      (.start self)))

  (defn enqueue [self slave output said size]
    (+= self.came 1)
    (setv (get self.waiting slave) (+ size (.get self.waiting slave 0)))
    (.append self.queue #(self.came slave output said size)))

  (defn start [self]
    (setv started False)
    (try
      (setv started (.run-late self.node.threads self.show))
      (finally
        (unless started
          (setv self.thread None)))))

  ;; Who waits

  (defn settle [self [timeout None] [patience None]]
    "Wait until all that has come is shown, but not for long."
    (when (and (!= self.came self.done) (is-not self.thread (threading.current-thread)))
      (when (is patience None)
        (setv patience SETTLE))
      (when (is-not timeout None)
        (setv patience (min timeout patience)))
      (with [_ self.change]
        (setv came self.came
              self.hurry came)
        (.notify-all self.change)
        (.wait-for self.change (fn [] (or (>= self.done came) (is self.thread None))) patience))))

  ;; The thread that shows

  (defn show [self]
    (setv self.thread (threading.current-thread))
    (try
      ; What it prints is not to come back here, where master and slave are one process.
      (with [_ (owned None)]
        (while (is-not (setx pieces (.next-pieces self)) None)
          (for [[serial slave #* piece] pieces]
            (.show-piece self serial slave #* piece)
            (.note-shown self slave (get piece -1)))
          (when pieces
            (setv self.seen (get pieces -1 0)))
          (.show-entries self)
          (.note-done self)))
      (finally
        (with [_ self.change]
          ; There may be another by now.
          (when (is self.thread (threading.current-thread))
            (setv self.thread None))
          (.notify-all self.change)))))

  (defn next-pieces [self]
    "Wait for what comes, or until the first of what waits is due. None when there is
    nothing."
    (with [_ self.change]
      (while (and (not self.queue) (setx seconds (.patience self)))
        (.wait self.change seconds))
      (when (and (not self.queue) (is (.first self.folding) None))
        ; Before the lock is free: who comes next starts another thread.
        (setv self.thread None)
        (return None))
      (setv [pieces self.queue] [self.queue (deque)])
      pieces))

  (defn patience [self]
    "The seconds until the first of what waits is due, 0 if it is, or if nothing waits."
    (setv first (.first self.folding))
    (if (or (is first None) (<= first.serial self.hurry))
      0
      (max 0 (- (+ first.moment WINDOW) (monotonic)))))

  (defn nobody-else [self slaves]
    "Is no slave but these at work, that could print the same?"
    (setv dispatcher self.network.dispatcher
          busy (- (len dispatcher.registry.connected) (len dispatcher.idle)))
    (<= busy (sum (gfor  slave (set slaves)  slave.busy))))

  (defn show-piece [self serial slave output said _]
    (cond
      (= (get said 0) "log")
        (.put self.folding serial (monotonic) None said slave)
      (is output True)
        (for [line (lines-of said)]
          (.put self.folding serial (monotonic) #((get said 0) (.sub REMOTE "" line)) line slave))
      (is output None) None
      (hasattr output "write")
        (.guarded self output write-lines output
          (gfor  line (lines-of said)  (labelled slave.name line)))
      True
        (for [line (lines-of said)]
          (.guarded self output output slave (get said 0) line))))

  (defn note-shown [self slave size]
    (with [_ self.change]
      (-= (get self.waiting slave) size)
      (unless (get self.waiting slave)
        (del (get self.waiting slave))
        (when (in slave self.lost)
          (.enqueue self slave #* (notice #* (.pop self.lost slave)))))))

  (defn show-entries [self]
    ; Who is in a hurry wants the lines of all whose tasks have ended by then.
    (setv entries (.take self.folding (- (monotonic) WINDOW) (min self.hurry self.seen)))
    ; Who looks at the queue last sees what they printed who are not at work any more.
    (while (and (setx first (.first self.folding)) (.nobody-else self first.slaves) (not self.queue))
      (+= entries (.take self.folding first.moment)))
    (for [[stream run] (groupby entries (fn [entry] (when entry.key (get entry.key 0))))]
      (if stream
        ; Looked up now: programs and notebooks put others there.
        (.guarded self stream write-lines (getattr sys stream)
          (gfor  entry run  (labelled (label entry.slaves) entry.what)))
        (for [entry run]
          (.guarded self logging self.log-record (get entry.slaves 0) #* (cut entry.what 1 None))))))

  (defn note-done [self]
    (with [_ self.change]
      (setv first (.first self.folding)
            self.done (if first
                        (- first.serial 1)
                        self.seen))
      (.notify-all self.change)))

  (defn log-record [self slave name level message traceback]
    (unless (in name logging.root.manager.loggerDict)
      ; They stay for ever.
      (when (>= self.loggers MOST-LOGGERS)
        (setv name "dpfw.remotes"))
      (+= self.loggers 1))
    (setv logger (logging.getLogger name)
          whom slave.name)
    (when (.isEnabledFor logger level)
      (setv record (logging.LogRecord name level whom 0 (escaped message) None None)
            record.exc-text (escaped traceback)
            record.slave whom)
      (.handle logger record)))

  (defn guarded [self what procedure #* arguments]
    "What fails is told once."
    (try
      (procedure #* arguments)
      (except [BaseException]
        (unless (any (gfor  x self.failed  (is x what)))
          (.append self.failed what)
          (log.exception "output of slaves was to go to %r, which failed" what))))))


(defn cost [said]
  "About the bytes that it takes here."
  (+ (length said) (* LINE-COSTS (+ 1 (.count (get said 1) "\n")))))

(defn notice [lost output]
  (setv said ["stderr" f"… {lost} characters {LEFT-OUT}\n"])
  [output said (cost said)])

(defn length [said]
  (sum (gfor  text (cut said 1 None)  :if (isinstance text str)  (len text))))

(defn lines-of [said]
  (.split (.removesuffix (get said 1) "\n") "\n"))

(defn labelled [name line]
  f"[{name}] {(escaped line)}\n")

(defn label [slaves]
  (if (= (len slaves) 1)
    (. (get slaves 0) name)
    f"{(len slaves)} slaves"))

(defn write-lines [file lines]
  (unless (is file None)  ; as in a process without a console
    (.write file (.join "" lines))
    (when (hasattr file "flush")
      (.flush file))))
