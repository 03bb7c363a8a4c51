"A promise is a Future in all that a Future guarantees, can be cancelled while
its task runs, and can be awaited. Here it has a network of its own, which only
notes what it is asked."

(import
  asyncio
  concurrent [futures]
  concurrent.futures [as-completed CancelledError FIRST-COMPLETED Future InvalidStateError wait]
  threading
  pytest
  dpfw.dispatch.promise [force Promise]
  tests.helpers [begin holds outcome WAIT])

(defn [pytest.fixture] promise []
  (Promise))

(defn fulfilled [x]
  (setv p (Promise))
  (.end p "result" x)
  p)

(defn failed [error]
  (setv p (Promise))
  (.end p "error" error)
  p)

(defn cancelled []
  (setv p (Promise))
  (.cancel p)
  p)

(defclass Task []
  "As much of a task as a promise looks at."
  (setv state "running"))

(defclass Network []
  "Notes which tasks it is to cancel, and ends their promises as `Network` does."
  (defn __init__ [self]
    (setv self.cancelled []))
  (defn cancel [self task]
    (setv open (not-in task self.cancelled))
    (.append self.cancelled task)
    (when open
      (.end task.promise "cancelled" None))
    open)
  (defn wait [self waiter [deadline None] * [lead True]]
    (.sleep waiter deadline))
  (defn run-callbacks [self call-back]
    False))

(defn [pytest.fixture] running []
  "A promise whose task runs."
  (setv promise (Promise (Network))
        promise.task (Task)
        promise.task.promise promise)
  promise)


;; * Force

(defn test-force-gives-the-result-again-and-again [promise]
  (setv forcing (begin force promise)
        result (object))
  (.end promise "result" result)
  (assert (is (outcome forcing) result))
  (assert (is (force promise) result))
  (assert (is (force promise) result)))

(defn test-force-raises-the-error-again-and-again []
  (setv error (ValueError "on purpose")
        promise (failed error))
  (for [_ (range 2)]
    (with [raised (pytest.raises ValueError)]
      (force promise))
    (assert (is raised.value error))))

(defn [(pytest.mark.parametrize "x" [5 None "text" [1 2] Promise force])]
      test-what-is-no-promise-is-returned-as-it-is [x]
  (assert (is (force x) x)))

(defn test-force-takes-any-future []
  (setv future (Future))
  (.set-result future 5)
  (holds (force future) 5))

(defn test-force-of-what-was-cancelled []
  (with [_ (pytest.raises CancelledError)]
    (force (cancelled))))


;; * A Future

(defn test-the-result-can-be-waited-for-with-a-timeout [promise]
  ; Not Python's own TimeoutError before Python 3.11.
  (with [_ (pytest.raises futures.TimeoutError)]
    (.result promise 0.01))
  (with [_ (pytest.raises futures.TimeoutError)]
    (.exception promise :timeout 0.01))
  (holds (.done promise) False)
  (.end promise "result" 5)
  (holds (.result promise 0.01) 5)
  (holds (.exception promise 0) None)
  (holds (.done promise) True))

(defn test-the-first-end-stays [promise]
  (setv error (ValueError "on purpose"))
  (.end promise "result" 1)
  (.end promise "result" 2)
  (.end promise "error" error)
  (holds (.result promise 0) 1)
  (setv promise (failed error))
  (.end promise "result" 1)
  (assert (is (.exception promise 0) error))
  (setv promise (cancelled))
  (.end promise "result" 1)
  (.end promise "error" error)
  (holds (.cancelled promise) True))

(defn [(pytest.mark.parametrize "end" [
        (fn [p] (.end p "result" 1)) (fn [p] (.end p "error" (ValueError "on purpose"))) (fn [p] (.cancel p))])]
      test-done-callbacks-are-called-once-before-and-after [promise end]
  (setv called [])
  (.add-done-callback promise (fn [p] (.append called #("before" p))))
  (holds called [])
  (end promise)
  (holds called [#("before" promise)])
  (.add-done-callback promise (fn [p] (.append called #("after" p))))
  (end promise)
  (holds called [#("before" promise) #("after" promise)]))

(defn test-as-completed-gives-them-as-they-end []
  (setv promises (lfor  _ (range 4)  (Promise))
        completed (as-completed promises :timeout WAIT))
  (defn end-one [n how]
    (setv coming (begin next completed))
    (how (get promises n))
    (assert (is (outcome coming) (get promises n))))
  (end-one 2 (fn [p] (.end p "result" 1)))
  (end-one 0 (fn [p] (.cancel p)))
  (end-one 3 (fn [p] (.end p "error" (ValueError "on purpose"))))
  (end-one 1 (fn [p] (.cancel p)))
  (holds (list completed) []))

(defn test-as-completed-and-wait-know-those-that-have-ended []
  (setv promises [(fulfilled 1) (failed (ValueError "on purpose")) (cancelled)])
  (holds (set (as-completed promises :timeout WAIT)) (set promises))
  (setv [done not-done] (wait promises :timeout WAIT))
  (holds #(done not-done) #((set promises) (set))))

(defn test-of-those-who-end-it-at-once-one-does []
  (for [_ (range 200)]
    (setv promise (Promise)
          start (threading.Barrier 4)
          ends (lfor  n (range 4)  (begin (fn [n]
            (.wait start WAIT)
            (.end promise "result" n)) n))
          won (lfor  n (range 4)  :if (outcome (get ends n))  n))
    (holds won [(.result promise WAIT)])))

(defn test-a-result-that-a-user-sets-wakes-all-who-wait [promise]
  (setv waiting (lfor  _ (range 2)  (begin promise.result WAIT))
        completed (begin next (as-completed [promise] :timeout WAIT))
        called [])
  (.add-done-callback promise called.append)
  (.set-result promise 5)
  (holds (list (map outcome waiting)) [5 5])
  (holds (outcome completed) promise)
  (holds called [promise])
  (with [(pytest.raises InvalidStateError)]
    (.set-exception promise (ValueError "on purpose")))
  ; The network ends it too, and changes nothing.
  (holds (.end promise "error" (ValueError "on purpose")) False)
  (holds (.result promise) 5))

(defn test-of-what-few-need-two-threads-have-one []
  (for [_ (range 200)]
    (setv promise (Promise)
          start (threading.Barrier 4)
          made (lfor  _ (range 4)  (begin (fn []
            (.wait start WAIT)
            promise._condition))))
    (holds (len (set (map outcome made))) 1))
  (with [(pytest.raises AttributeError)]
    promise.nonsense))

(defn test-wait-ends-with-the-first [promise]
  (setv other (Promise)
        waiting (begin wait [promise other] WAIT FIRST-COMPLETED))
  (.cancel promise)
  (setv [done not-done] (outcome waiting))
  (holds #(done not-done) #(#{promise} #{other})))


;; * Cancel

(defn test-what-runs-is-cancelled-by-its-network [running]
  (setv [network task] [running.network running.task])
  (holds (.running running) True)
  (holds (.cancel running) True)
  (holds [network.cancelled (.cancelled running) (.running running)] [[task] True False])
  (holds (.cancel running) True)
  (holds network.cancelled [task]))

(defn test-what-waits-does-not-run [running]
  (setv running.task.state "waiting")
  (holds (.running running) False)
  (holds (.cancel running) True))

(defn [(pytest.mark.parametrize "promise" [(fulfilled 1) (failed (ValueError "on purpose"))])]
      test-what-has-ended-cannot-be-cancelled [promise]
  (holds (.cancel promise) False)
  (holds (.cancelled promise) False))

(defn test-several-threads-cancel-at-once [running]
  (setv start (threading.Barrier 4)
        cancelling (lfor  _ (range 4)  (begin (fn [] (.wait start WAIT) (.cancel running)))))
  (holds (lfor  future cancelling  (outcome future)) (* [True] 4)))

(defn test-many-wait-and-one-gives-up [promise]
  "Each waiter hears of the end, also when another leaves at that moment."
  (for [_ (range 50)]
    (setv promise (Promise)
          waiting (lfor  _ (range 4)  (begin promise.result WAIT))
          leaving (begin (fn [] (try (.result promise 0.001) (except [futures.TimeoutError])))))
    (.end promise "result" 5)
    (holds (lfor  future waiting  (outcome future)) (* [5] 4))
    (outcome leaving)
    (holds promise.waiters [])))


;; * Awaiting

(defn test-it-can-be-awaited [promise]
  (defn :async main []
    (.call-later (asyncio.get-running-loop) 0.01 promise.end "result" 5)
    [(await promise) (await promise)])
  (holds (asyncio.run (main)) [5 5]))

(defn test-it-can-be-awaited-from-another-thread-than-it-ends-in [promise]
  (defn :async main []
    (setv ending (begin promise.end "result" 5)
          result (await (asyncio.wait-for promise WAIT)))
    (outcome ending)
    result)
  (holds (asyncio.run (main)) 5))

(defn test-awaiting-raises-the-error []
  (defn :async main []
    (await (failed (ValueError "on purpose"))))
  (with [_ (pytest.raises ValueError :match "on purpose")]
    (asyncio.run (main))))

(defn test-many-are-gathered []
  (defn :async main []
    (setv promises (lfor  _ (range 10)  (Promise)))
    (for [[n promise] (enumerate promises)]
      (.call-soon (asyncio.get-running-loop) promise.end "result" n))
    (await (asyncio.gather #* promises)))
  (holds (asyncio.run (main)) (list (range 10))))

(defn test-a-cancelled-wait-in-asyncio-cancels-the-task [running]
  (setv promise running  network running.network  task running.task)
  (defn :async main []
    (await (asyncio.wait-for promise 0.01)))
  (with [_ (pytest.raises #(TimeoutError asyncio.TimeoutError))]
    (asyncio.run (main)))
  (holds [(.cancelled promise) network.cancelled] [True [task]]))

(defn test-a-shielded-wait-in-asyncio-does-not [running]
  (setv promise running  network running.network)
  (defn :async main []
    (setv inner (asyncio.ensure-future (asyncio.wrap-future promise)))
    (try
      (await (asyncio.wait-for (asyncio.shield inner) 0.01))
      (except [[TimeoutError asyncio.TimeoutError]]))
    (.end promise "result" 5)
    (await inner))
  (holds (asyncio.run (main)) 5)
  (holds [(.cancelled promise) network.cancelled] [False []]))

(defn test-a-cancelled-promise-ends-the-wait-in-asyncio [promise]
  (defn :async main []
    (.call-later (asyncio.get-running-loop) 0.01 promise.cancel)
    (try
      (await promise)
      (except [asyncio.CancelledError]
        "cancelled")))
  (holds (asyncio.run (main)) "cancelled"))
