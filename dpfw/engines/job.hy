"A slave that an engine runs: the task there, and the connection with the slave here.

::

    this process                          the engine's worker
    ask ───────────── engine ───────────> the task, which starts
    door <─────────── connection ──────── the slave
    answered <─────── engine ──────────── how that has ended

It is what `processes/linked.Linked` is of a process that was started here. Its end is that of
the connection: what the engine says comes a moment later, or never."

(import
  threading
  time
  dpfw.engines.keeper [errand]
  dpfw.errors [LaunchError]
  dpfw.processes.last-words [in-one-line]
  dpfw.task.failure [escaped])
(eval-when-compile (require hyrule.control [unless]))

(setv
  LOOK-EVERY 0.5   ; seconds between two looks whether the engine is there
  ANSWER-TIME 1)   ; seconds that the engine has to say how a slave ended that has gone


(defclass Job []
  "``ended`` is called with this once it is over."

  (setv tells-late True)

  (defn __init__ [self engine door node ended]
    (setv
      self.engine engine
      self.door door
      self.node node
      self.ended ended
      self.lock (threading.Lock)
      self.news (threading.Event)   ; has the slave arrived, or will it never?
      self.over False
      self.aborted False
      self.place None               ; its `Place`
      self.joined False             ; has its slave joined?
      self.connection None
      self.id None                  ; of the slave's session
      self.future None              ; the engine's,
      self.done (threading.Event)   ; what that came to is known
      self.patience ANSWER-TIME     ; for the rest of that
      self.answer None              ; from the keeper: a dict,
      self.error None               ; or an exception of the engine's
      self.word (.expect door self)))

  (defn ask [self options env]
    "Have the engine run it; with these options and environment."
    (setv self.future (.submit self.engine self.word (errand self.engine.__module__
      ["--connect" self.door.address "--place" self.word #* options] env self.door.cookie)))
    (.when-done self.engine self.future
      (fn [] (or (.run-late self.node.threads self.hear-answer) (.set self.done))))
    (when self.aborted
      (.cancel self.engine self.future)))

  (defn arrival [self]
    "Wait until the slave has dialled in; returns the id of its session."
    (setv deadline (+ (time.monotonic) self.engine.timeout))
    (while (not (.wait self.news LOOK-EVERY))
      (.check self.engine)
      (when (> (time.monotonic) deadline)
        (raise (TimeoutError))))
    (unless self.id
      (raise (LaunchError "it has ended")))
    self.id)

  (defn arrived [self connection id]
    "Its slave is here; answers whether that is wanted."
    (with [_ self.lock]
      (unless (or self.over self.aborted)
        (setv self.connection connection
              self.id id)))
    (.set self.news)
    (is self.connection connection))

  (defn hear-answer [self]
    "The engine says that its task has ended."
    (try
      (setv answer (.answer self.engine self.future))
      ; Some engines run a task again by themselves, and that one is not ours.
      (when (or (not self.connection) (= (get answer "pid") (.get self.connection.about "pid")))
        (setv self.answer answer))
      (except [e Exception]
        (unless self.over  ; else it was we who cancelled it
          (setv self.error e))))
    (.set self.done)
    (unless self.connection
      (.finish self)))

  (defn gone [self]
    "The connection with its slave has ended."
    (unless (.run-late self.node.threads self.settle)
      (.finish self)))

  (defn settle [self]
    (.await-word self)
    (.finish self))

  (defn await-word [self]
    "The connection has ended. Let it tell how its slave has, if the engine says so in time."
    (.wait self.done self.patience)
    (setv self.patience 0)
    (when self.answer
      (setv
        self.connection.last-words (list (map escaped (get self.answer "said")))
        self.connection.why (get self.answer "how"))))

  (defn [property] own [self]
    None)

  (defn kill [self]
    ; The slave will hear of it; and if it does not listen, its task ends it, where the engine
    ; can end that.
    (.give-up self.place)
    (.cancel self.engine self.future)
    False)

  (defn abort [self]
    "End it; `end-by` waits for that."
    (with [_ self.lock]
      (setv self.aborted True))
    (.expect-no-more self.door self.word)
    (.set self.news)
    (cond
      self.connection (.abort self.connection)
      self.future (.cancel self.engine self.future)))

  (defn end-by [self deadline]
    "Wait for its end until that moment of the monotonic clock, then have the engine end
    it. Idempotent."
    ; Of one that waits for its turn, nothing is to be seen of an end.
    (while (and self.connection (not (.is-set self.done)) (< (time.monotonic) deadline)
                (not (.closed self.engine)))
      (.wait self.done (min LOOK-EVERY (max 0 (- deadline (time.monotonic))))))
    (.finish self))

  (defn finish [self]
    "Nothing more is to come of it. Idempotent."
    (with [_ self.lock]
      (setv first (not self.over)
            self.over True))
    (when first
      (.expect-no-more self.door self.word)
      (when self.future
        (.cancel self.engine self.future))
      (.set self.news)
      (self.ended self)))

  (defn fate [self]
    "How it ended, in words, and what it said last."
    (cond
      self.answer (+ (get self.answer "how") (.told self))
      self.error f"{self.engine.name} answered: {(escaped (str self.error))}"
      True "its connection ended, as it does when a worker is lost"))

  (defn told [self]
    (setv said (escaped (in-one-line (get self.answer "said"))))
    (if said f" and said: {said}" "")))
