"Promises: what `dpfw-make-task` returns, and `force`."

(import
  collections [deque]
  concurrent.futures [Future InvalidStateError CancelledError]
  logging
  time
  dpfw.net.leader [Waiter])
(eval-when-compile (require hyrule.control [unless]))

(setv log (logging.getLogger __name__))


(defclass Promise [Future]
  "The result of a task to come: a `concurrent.futures.Future`, and awaitable.

  ``(.cancel promise)`` also stops a task that runs: the promise is cancelled at
  once, and the slave is free again when the remote has stopped.

  Who waits for it receives what comes from the slaves meanwhile. Its callbacks
  run in threads of their own, so whatever they do stops nothing else."

  (defn __init__ [self [network None]]
    (.__init__ (super))
    (setv
      self.network network  ; that its task runs on, until it has ended
      self.task None
      self.ended False      ; as `done` says, and ten times as fast
      self.waiters []       ; what to call when it ends: quick, and no user's code
      self.callbacks (deque)))

  ;; Its end, by the network

  ; Who ends it sets the state first and looks for waiters and callbacks then; who
  ; adds one looks at the state after that. So one of the two sees the other.

  (defn end [self how value]
    "End it: as \"result\", \"error\" or \"cancelled\"."
    (try
      (cond
        (= how "result") (.set-result self value)
        (= how "error") (.set-exception self value)
        (.cancel (super Promise self))
          ; Tells those who wait in `as-completed` and `wait`.
          (.set-running-or-notify-cancel self))
      (except [InvalidStateError]
        (return)))  ; a user has done so
    (setv self.ended True)
    (for [wake (list self.waiters)]
      (wake))
    (setv network self.network
          ; They refer to each other.
          self.task None
          self.network None)
    (when self.callbacks
      (unless (and network (.run-callbacks network self.call-back))
        (.call-back self))))

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
    (setv network self.network
          task self.task)
    (cond
      (and network task) (or (.cancel network task) (.cancelled self))
      (.done self) (.cancelled self)
      True (do
        (.end self "cancelled" None)
        (.cancelled self))))

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
    (.result (super) 0))

  (defn exception [self [timeout None]]
    (unless self.ended
      (.wait self timeout))
    (.exception (super) 0))

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

  (defn __await__ [self]
    (import asyncio)  ; takes 0.1 s, and few need it
    (setv loop (asyncio.get-running-loop)
          ended (.create-future loop))
    (defn tell []
      (unless (.done ended)
        (.set-result ended None)))
    (defn wake []
      (try
        (.call-soon-threadsafe loop tell)
        (except [RuntimeError])))  ; the loop was closed, and nobody awaits any more
    (.append self.waiters wake)
    (when (.done self)
      (tell))
    (try
      (yield :from (.__await__ ended))
      (except [asyncio.CancelledError]
        (.cancel self)
        (raise)))
    (try
      (return (.result self))
      (except [e CancelledError]
        (raise (asyncio.CancelledError #* e.args) :from e))
      (except [e StopIteration]
        ; Which to `await` is a result.
        (raise (RuntimeError "the local procedure raised StopIteration") :from e))))

  (defn __repr__ [self]
    (setv task self.task)
    (if (or (.done self) (is task None))
      (.__repr__ (super))
      f"<promise of {task !r}, {task.state}>")))


(defn force [promise]
  "Wait for a promise; return its result or raise its error. Forcing it again
  gives the same again. What is no promise is returned as it is. ::

    (force 5)  ; => 5"
  (if (isinstance promise Future)
    (.result promise)
    promise))
