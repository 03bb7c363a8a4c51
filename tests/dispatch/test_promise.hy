"A promise is a Future in all that a Future guarantees, can be cancelled while
its task runs, and can be awaited."

(import
  asyncio
  concurrent [futures]
  concurrent.futures [as-completed CancelledError FIRST-COMPLETED Future wait]
  threading
  pytest
  dpfw.dispatch.promise [force Promise]
  tests.helpers [begin holds outcome WAIT])

(defn [pytest.fixture] promise []
  (Promise))

(defn fulfilled [x]
  (setv p (Promise))
  (.fulfil p x)
  p)

(defn failed [error]
  (setv p (Promise))
  (.fail p error)
  p)

(defn cancelled []
  (setv p (Promise))
  (.cancel p)
  p)

(defclass Stopper []
  "What stops a task; counts how often it was asked to."
  (defn __init__ [self]
    (setv self.stops 0))
  (defn __call__ [self]
    (+= self.stops 1)))


;; * Force

(defn test-force-gives-the-result-again-and-again [promise]
  (setv forcing (begin force promise)
        result (object))
  (.fulfil promise result)
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
  (.fulfil promise 5)
  (holds (.result promise 0.01) 5)
  (holds (.exception promise 0) None)
  (holds (.done promise) True))

(defn test-the-first-end-stays [promise]
  (setv error (ValueError "on purpose"))
  (.fulfil promise 1)
  (.fulfil promise 2)
  (.fail promise error)
  (holds (.result promise 0) 1)
  (setv promise (failed error))
  (.fulfil promise 1)
  (assert (is (.exception promise 0) error))
  (setv promise (cancelled))
  (.fulfil promise 1)
  (.fail promise error)
  (holds (.cancelled promise) True))

(defn [(pytest.mark.parametrize "end" [
        (fn [p] (.fulfil p 1)) (fn [p] (.fail p (ValueError "on purpose"))) (fn [p] (.cancel p))])]
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
  (end-one 2 (fn [p] (.fulfil p 1)))
  (end-one 0 (fn [p] (.cancel p)))
  (end-one 3 (fn [p] (.fail p (ValueError "on purpose"))))
  (end-one 1 (fn [p] (.started p (fn [])) (.cancel p)))
  (holds (list completed) []))

(defn test-as-completed-and-wait-know-those-that-have-ended []
  (setv promises [(fulfilled 1) (failed (ValueError "on purpose")) (cancelled)])
  (holds (set (as-completed promises :timeout WAIT)) (set promises))
  (setv [done not-done] (wait promises :timeout WAIT))
  (holds #(done not-done) #((set promises) (set))))

(defn test-wait-ends-with-the-first [promise]
  (setv other (Promise)
        waiting (begin wait [promise other] WAIT FIRST-COMPLETED))
  (.cancel promise)
  (setv [done not-done] (outcome waiting))
  (holds #(done not-done) #(#{promise} #{other})))


;; * Cancel

(defn test-what-waits-in-line-is-cancelled-and-never-starts [promise]
  (setv stopper (Stopper))
  (holds (.cancel promise) True)
  (holds (.cancelled promise) True)
  (holds (.started promise stopper) False)
  (holds [stopper.stops (.running promise)] [0 False])
  (with [_ (pytest.raises CancelledError)]
    (.result promise 0)))

(defn test-what-runs-is-stopped-once [promise]
  (setv stopper (Stopper))
  (holds (.running promise) False)
  (holds (.started promise stopper) True)
  (holds [(.running promise) stopper.stops] [True 0])
  (holds (.cancel promise) True)
  (holds (.cancel promise) True)
  (holds [(.cancelled promise) (.running promise) stopper.stops] [True False 1]))

(defn test-what-waits-in-line-again-is-not-stopped [promise]
  "Its slave was lost, and another is to take it."
  (setv lost (Stopper)
        other (Stopper))
  (.started promise lost)
  (.waiting promise)
  (holds (.running promise) False)
  (holds (.started promise other) True)
  (.cancel promise)
  (holds [lost.stops other.stops] [0 1])
  (setv promise (Promise))
  (.started promise lost)
  (.waiting promise)
  (holds (.cancel promise) True)
  (holds [lost.stops (.started promise lost)] [0 False]))

(defn [(pytest.mark.parametrize "promise" [(fulfilled 1) (failed (ValueError "on purpose"))])]
      test-what-has-ended-cannot-be-cancelled [promise]
  (holds (.cancel promise) False)
  (holds (.cancelled promise) False)
  (holds (.started promise (Stopper)) False))

(defn test-a-task-that-ends-is-not-stopped [promise]
  (setv stopper (Stopper))
  (.started promise stopper)
  (.fulfil promise 1)
  (holds [(.cancel promise) stopper.stops (.running promise)] [False 0 False]))

(defn test-those-who-wait-hear-of-a-cancel-before-the-stop [promise]
  (setv seen [])
  (.started promise (fn [] (.append seen (next (as-completed [promise] :timeout 0)))))
  (.cancel promise)
  (holds seen [promise]))

(defn test-several-threads-cancel-at-once-and-it-stops-once []
  (for [_ (range 100)]
    (setv promise (Promise)
          stopper (Stopper)
          start (threading.Barrier 4))
    (.started promise stopper)
    (setv cancelling (lfor  _ (range 4)  (begin (fn [] (.wait start WAIT) (.cancel promise)))))
    (holds (lfor  future cancelling  (outcome future)) (* [True] 4))
    (holds stopper.stops 1)))

(defn test-a-cancel-while-it-starts-is-never-lost []
  "Either the task does not start, or it is stopped, or both."
  (for [_ (range 300)]
    (setv promise (Promise)
          stopper (Stopper)
          start (threading.Barrier 2)
          cancelling (begin (fn [] (.wait start WAIT) (.cancel promise))))
    (.wait start WAIT)
    (setv started (.started promise stopper))
    (holds (outcome cancelling) True)
    (assert (or (not started) (= stopper.stops 1))
            f"started {started}, stopped {stopper.stops} times")))

(defclass Requeued [Promise]
  "A promise whose task goes back into the line at the worst moment: between two
  looks that `cancel` takes at ``stop``."
  (setv [looks is-stop] [0 None])
  (defn [property] stop [self]
    (+= self.looks 1)
    (when (= self.looks 1) self.is-stop))
  (defn [stop.setter] stop [self x]
    (setv self.is-stop x)))

(defn test-a-cancel-while-it-goes-back-into-the-line-is-no-error []
  (setv promise (Requeued)
        promise.stop (Stopper))
  (holds (.cancel promise) True))


;; * Awaiting

(defn test-it-can-be-awaited [promise]
  (defn :async main []
    (.call-later (asyncio.get-running-loop) 0.01 promise.fulfil 5)
    [(await promise) (await promise)])
  (holds (asyncio.run (main)) [5 5]))

(defn test-it-can-be-awaited-from-another-thread-than-it-ends-in [promise]
  (defn :async main []
    (setv ending (begin promise.fulfil 5)
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
      (.call-soon (asyncio.get-running-loop) promise.fulfil n))
    (await (asyncio.gather #* promises)))
  (holds (asyncio.run (main)) (list (range 10))))

(defn test-a-cancelled-wait-in-asyncio-cancels-the-task [promise]
  (setv stopper (Stopper))
  (.started promise stopper)
  (defn :async main []
    (await (asyncio.wait-for promise 0.01)))
  (with [_ (pytest.raises #(TimeoutError asyncio.TimeoutError))]
    (asyncio.run (main)))
  (holds [(.cancelled promise) stopper.stops] [True 1]))

(defn test-a-shielded-wait-in-asyncio-does-not [promise]
  (setv stopper (Stopper))
  (.started promise stopper)
  (defn :async main []
    (setv inner (asyncio.ensure-future (asyncio.wrap-future promise)))
    (try
      (await (asyncio.wait-for (asyncio.shield inner) 0.01))
      (except [[TimeoutError asyncio.TimeoutError]]))
    (.fulfil promise 5)
    (await inner))
  (holds (asyncio.run (main)) 5)
  (holds [(.cancelled promise) stopper.stops] [False 0]))

(defn test-a-cancelled-promise-ends-the-wait-in-asyncio [promise]
  (defn :async main []
    (.call-later (asyncio.get-running-loop) 0.01 promise.cancel)
    (try
      (await promise)
      (except [asyncio.CancelledError]
        "cancelled")))
  (holds (asyncio.run (main)) "cancelled"))
