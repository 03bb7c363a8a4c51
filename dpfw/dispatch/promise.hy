"Promises: what `dpfw-make-task` returns, and `force`."

(import
  collections [deque]
  concurrent.futures [Future InvalidStateError CancelledError TimeoutError]
  logging
  threading
  time
  dpfw.dispatch.awaiting [Awaiting]
  dpfw.dispatch.task [called]
  dpfw.net.leader [Waiter]
  dpfw.tidy [tidied])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  NOTHING (object)  ; where None may be a value
  ; What a promise has from the moment that somebody asks for it; most have none of
  ; these. The first two are a Future's, of which `wait` and `as-completed` make use.
  LATE {"_condition" threading.Condition  "_waiters" list  "waiters" list  "callbacks" deque  "waits" dict})


(defclass Promise [Awaiting Future]
  "The result of a task to come: a `concurrent.futures.Future`, and awaitable.

  ``(.cancel promise)`` also stops a task that runs: the promise is cancelled at
  once, and the slave is free again when the remote has stopped.

  Who waits for it receives what comes from the slaves meanwhile. Its callbacks
  run in threads of their own, so whatever they do stops nothing else."

  (setv
    ; A Future's, until it ends. Its own callbacks are not used.
    _state "PENDING"  _result None  _exception None  _done-callbacks #()
    value NOTHING    ; its result, when it has one
    unshown None     ; the `Output` that its remote's output has gone to, as far as known
    traceback None   ; of its error, when it ended: a local procedure's frames
    ended False)     ; as `done` says

  ; A Future makes a lock for each, which takes longer than all else that is made here.
  (defn __init__ [self [network None] [task None]]
    (setv
      self.network network  ; that its task runs on, until it has ended
      self.task task))

  (defn __getattr__ [self name]
    "``waiters`` are what to call when it ends: quick, and no user's code."
    (setv make (.get LATE name))
    (when (is make None)
      (raise (AttributeError f"a promise has no attribute {name !r}" :name name :obj self)))
    ; Of two threads, one makes it for both.
    (.setdefault self.__dict__ name (make)))

  ;; Its end, by the network

  ; Who ends it sets the state first and looks for waiters and callbacks then; who
  ; adds one looks at the state after that. So one of the two sees the other.

  (defn end [self how value]
    "End it, as \"result\", \"error\" or \"cancelled\"; answers whether it had not
    ended."
    (setv outcome #(how value))
    (unless (is (.setdefault self.__dict__ "outcome" outcome) outcome)
      (return False))
    (cond
      (= how "result") (setv self._result value  self.value value  self._state "FINISHED")
      (= how "error") (setv self._exception value  self.traceback (tidied value)  self._state "FINISHED")
      True (setv self._state "CANCELLED_AND_NOTIFIED"))
    (setv
      self.ended True
      network self.network
      ; They refer to each other.
      self.task None
      self.network None)
    (when (in "_condition" self.__dict__)
      (.tell-future-waiters self how))
    (when (in "waiters" self.__dict__)
      (for [wake (list self.waiters)]
        (wake)))
    (when (in "callbacks" self.__dict__)
      (unless (and network (.run-callbacks network self.call-back))
        (.call-back self)))
    True)

  (defn tell-future-waiters [self how]
    "Those who wait in `wait` and `as-completed`."
    (with [_ self._condition]
      (for [waiter self._waiters]
        (cond
          (= how "result") (.add-result waiter self)
          (= how "error") (.add-exception waiter self)
          True (.add-cancelled waiter self)))
      (.notify-all self._condition)))

  (defn call-back [self]
    (while self.callbacks
      (try
        (setv callback (.popleft self.callbacks))
        (except [IndexError]  ; another thread has it
          (break)))
      (try
        (callback self)
        (except [BaseException]  ; as a Future has it, and what else is raised
          (log.exception "exception calling callback for %r" self)))))

  ;; What a Future has

  (defn cancel [self]
    "Cancel its task, wherever that is; answers whether it is cancelled, which what has
    ended is not."
    (setv network self.network
          task self.task)
    (cond
      (and network task) (or (.cancel network task) (.cancelled self))
      True (do
        (.end self "cancelled" None)
        (.cancelled self))))

  (defn done [self]
    self.ended)

  (defn cancelled [self]
    (and self.ended (= (get self.outcome 0) "cancelled")))

  (defn set-result [self result]
    (.end-here self "result" result))

  (defn set-exception [self exception]
    (.end-here self "error" exception))

  (defn end-here [self how value]
    (unless (.end self how value)
      (raise (InvalidStateError f"{self._state}: {self !r}"))))

  (defn running [self]
    (setv task self.task)
    (and (is-not task None) (not (.done self)) (!= task.state "waiting")))

  (defn add-done-callback [self callback]
    "As of any `Future`; but it is never called in a thread that others wait for."
    (.append self.callbacks callback)
    (when (.done self)
      (.call-back self)))

  (defn result [self [timeout None]]
    "As of any `Future`. Raises `TimeoutError` when there is none in so many
    seconds."
    (unless self.ended
      (.wait self timeout))
    (when self.unshown
      (.await-output self timeout))
    (unless (is self.value NOTHING)
      (return self.value))
    (try
      (raise (or (.error self) (TimeoutError)))
      (finally
        (setv self None))))  ; else the error refers to itself, by its traceback

  (defn given [self]
    "The same of one that has ended, without waiting for output."
    (setv self.unshown None)
    (.result self))

  (defn exception [self [timeout None]]
    (unless self.ended
      (.wait self timeout))
    (when self.unshown
      (.await-output self timeout))
    (.exception (super) 0))

  (defn await-output [self timeout]
    "Let what the remote printed be seen before its result, if that does not take long."
    (setv [output self.unshown] [self.unshown None])
    (.settle output timeout))

  (defn error [self]
    "What it has ended with, if not with a result. It has no frames of those who have
    raised it before."
    (cond
      (.cancelled self) (CancelledError)
      self._exception (.with-traceback self._exception self.traceback)))

  (defn wait [self [timeout None]]
    "Wait until it has ended, or so many seconds."
    (setv waiter (Waiter)
          deadline (when (is-not timeout None) (+ (time.monotonic) timeout))
          network self.network
          task self.task)
    (.append self.waiters waiter.wake)
    (try
      (unless (.done self)
        (if network
          ; A local procedure's thread receives what this one waits for.
          (.wait network waiter deadline :lead (not (and task task.local)))
          (.sleep waiter deadline)))
      (finally
        (.remove self.waiters waiter.wake))))

  (defn __repr__ [self]
    (setv task self.task
          session (when task task.session))
    (if (or (.done self) (is task None))
      (.__repr__ (super))
      (+ f"<Promise at {(hex (id self))}"
         (if task.name f" of {(called task)}" "")
         (if (and session (.running self)) f" state=running on {session.slave !r}>" " state=pending>")))))


(defn force [promise]
  "Wait for a promise; return its result or raise its error. Forcing it again
  gives the same again. What is no promise is returned as it is. ::

    (force 5)  ; => 5"
  (unless (isinstance promise Future)
    (return promise))
  (try
    (.result promise)
    (except [e BaseException]
      (raise (.with-traceback e (tidied e))))))
