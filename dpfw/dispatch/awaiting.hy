"Promises in asyncio: ``(await promise)``, and whatever takes a coroutine.

Several tasks may wait for one promise, each on its own. So what `send` resumes is the
wait of the task that runs."

(import
  concurrent.futures [CancelledError])
(eval-when-compile (require hyrule.control [unless]))


(defclass Awaiting []
  "A Future that can be awaited. With the methods of `collections.abc.Coroutine`,
  ``asyncio.create_task``, ``TaskGroup``, ``gather``, ``wait_for`` and ``shield`` take it
  as it is; ``asyncio.wait`` takes futures only, and says so."

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
    (setv error (.error self))
    (when (is error None)
      (return (.given self)))
    (raise (cond
      (isinstance error CancelledError) (caused-by error (asyncio.CancelledError))
      ; Which to `await` is a result.
      (isinstance error StopIteration) (caused-by error
        (RuntimeError "the local procedure raised StopIteration"))
      True error)))

  (defn send [self value]
    (.resume self "send" value))

  (defn throw [self #* error]
    (.resume self "throw" #* error))

  (defn resume [self how #* arguments]
    (import asyncio)
    (setv task (asyncio.current-task)
          wait (.get self.waits task))
    (when (is wait None)
      (setv wait (.__await__ self)
            (get self.waits task) wait))
    (try
      ((getattr wait how) #* arguments)
      (except [BaseException]  ; its end, as a result or an error
        (.pop self.waits task None)
        (raise))))

  (defn close [self]
    "Whoever would have awaited it does not. The promise stands."))


(defn caused-by [cause error]
  (setv error.__cause__ cause)
  error)
