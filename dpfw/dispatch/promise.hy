"Promises: what `dpfw-make-task` returns, and `force`."

(import
  concurrent.futures [Future InvalidStateError]
  threading)

(defclass Promise [Future]
  "The result of a task to come: a `concurrent.futures.Future`, and awaitable.

  ``(.cancel promise)`` also stops a task that runs: the promise is cancelled at
  once, and the slave is free again when the remote has stopped."

  (defn __init__ [self]
    (.__init__ (super))
    (setv
      self.stop None  ; what stops the task, while it runs
      self.unannounced (threading.Lock)))

  (defn started [self stop]
    "The task runs now, and ``stop`` stops it. Answers False, and it must not
    run, if the promise has ended before."
    ; `cancel` ends the promise first and looks for `stop` then; here it is the
    ; other way round, so that one of the two sees the other.
    (setv self.stop stop)
    (when (.done self)
      (setv self.stop None))
    (is-not self.stop None))

  (defn waiting [self]
    "The task waits in line, again."
    (setv self.stop None))

  (defn running [self]
    (and (is-not self.stop None) (not (.done self))))

  (defn cancel [self]
    (setv cancelled (.cancel (super)))
    (when (and cancelled (.acquire self.unannounced :blocking False))
      ; Tells those who wait in `as-completed` and `wait`; it may be said once.
      (.set-running-or-notify-cancel self)
      (setv stop self.stop)  ; `waiting` may take it back meanwhile
      (when stop
        (stop)))
    cancelled)

  (defn fulfil [self result]
    "End with this result, unless the promise has ended before."
    (try
      (.set-result self result)
      (setv self.stop None)  ; which refers to the task, and so to this promise
      (except [InvalidStateError])))

  (defn fail [self error]
    "End with this error, unless the promise has ended before."
    (try
      (.set-exception self error)
      (setv self.stop None)
      (except [InvalidStateError])))

  (defn result [self [timeout None]]
    "As of any `Future`. Raises `TimeoutError` when there is none in so many
    seconds."
    (when (and (is timeout None) (not (.done self)))
      ; The lock that a Future's waiters share makes each of them wait twice.
      (setv gate (threading.Lock))
      (.acquire gate)
      (.add-done-callback self (fn [_] (.release gate)))
      (.acquire gate))
    (.result (super) timeout))

  (defn __await__ [self]
    (import asyncio)  ; takes 0.1 s, and few need it
    (.__await__ (asyncio.wrap-future self))))


(defn force [promise]
  "Wait for a promise; return its result or raise its error. Forcing it again
  gives the same again. What is no promise is returned as it is. ::

    (force 5)  ; => 5"
  (if (isinstance promise Future)
    (.result promise)
    promise))
