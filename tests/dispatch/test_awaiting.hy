"Promises in asyncio: whatever takes something to wait for takes them as they are."

(import
  asyncio
  sys
  threading
  pytest
  dpfw.dispatch.promise [Promise]
  tests.helpers [WAIT begin holds message outcome])

(setv newer (pytest.mark.skipif (< sys.version-info #(3 11)) :reason "came with Python 3.11"))

(defn soon [result]
  "A promise that ends a moment later, in the loop's thread."
  (setv promise (Promise))
  (.call-soon (asyncio.get-running-loop) promise.end "result" result)
  promise)

(defn run [main]
  (asyncio.run (asyncio.wait-for (main) WAIT)))

(defn :async in-a-group []
  (with [:async group (asyncio.TaskGroup)]
    (setv task (.create-task group (soon 5))))
  (.result task))

(defn :async first-of-all []
  (for [first (asyncio.as-completed [(soon 5)])]
    (return (await first))))

(defn [(pytest.mark.parametrize "wait" [
    (fn :async [] (await (asyncio.create-task (soon 5))))
    (fn :async [] (await (asyncio.ensure-future (soon 5))))
    (fn :async [] (get (await (asyncio.gather (soon 5) (soon 6))) 0))
    (fn :async [] (await (asyncio.wait-for (soon 5) WAIT)))
    (fn :async [] (await (asyncio.shield (soon 5))))
    (fn :async [] (await (asyncio.wrap-future (soon 5))))
    (fn :async [] (.result (.pop (get (await (asyncio.wait [(asyncio.create-task (soon 5))])) 0))))
    first-of-all
    (pytest.param in-a-group :marks newer)])]
    test-it-is-taken [wait]
  (holds (run wait) 5))

(defn test-it-can-be-run []
  (setv promise (Promise)
        timer (threading.Timer 0.01 promise.end ["result" 5]))
  (.start timer)
  (holds (asyncio.run promise) 5)
  (.join timer))

(defn test-it-can-be-run-in-the-loop-of-another-thread []
  (setv promise (Promise))
  (defn :async main []
    (setv loop (asyncio.get-running-loop)
          future (begin (fn [] (.result (asyncio.run-coroutine-threadsafe promise loop) WAIT))))
    (.end promise "result" 5)
    (while (not (.done future))
      (await (asyncio.sleep 0.001)))
    (outcome future))
  (holds (run main) 5))

(defn test-several-tasks-wait-for-one-promise []
  (defn :async main []
    (setv promise (Promise)
          tasks (lfor  _ (range 3)  (asyncio.create-task promise)))
    (await (asyncio.sleep 0))
    (.end promise "result" 5)
    (setv results (await (asyncio.gather #* tasks (asyncio.create-task promise))))
    (holds promise.waits {})
    results)
  (holds (run main) [5 5 5 5]))

(defn test-an-error-comes-out-of-the-task []
  (defn :async main []
    (setv promise (Promise))
    (.call-soon (asyncio.get-running-loop) promise.end "error" (KeyError "k"))
    (setv task (asyncio.create-task promise))
    (await (asyncio.wait [task]))
    (holds promise.waits {})
    (.exception task))
  (assert (isinstance (run main) KeyError)))

(defn test-who-cancels-the-task-cancels-the-promise []
  (defn :async main []
    (setv promise (Promise)
          task (asyncio.create-task promise))
    (await (asyncio.sleep 0))
    (.cancel task)
    (try
      (await task)
      (except [asyncio.CancelledError]))
    (.cancelled promise))
  (holds (run main) True))

(defn [newer] test-what-takes-futures-only-says-so []
  (defn :async main []
    (await (asyncio.wait [(Promise)])))
  (with [raised (pytest.raises TypeError)]
    (run main))
  (message raised "use tasks explicitly"))
