"The pool runs every order once, in as many threads as it takes, and lets them
end when there is nothing to do."

(import
  collections [Counter]
  gc
  logging
  threading
  time
  weakref
  pytest
  dpfw.net.threads
  dpfw.net.threads [ThreadPool]
  tests.helpers [begin holds no-threads outcome until WAIT])

(defn [pytest.fixture] crew []
  (setv crew (ThreadPool "the crew of a test"))
  (yield crew)
  (holds (.close crew WAIT) (set)))

(defn parked [crew n]
  "Wait until so many threads are parked."
  (until (fn [] (= crew.parked n))))

(defn in-crew [crew procedure]
  "What a procedure returns in a thread of the crew."
  (setv box []
        done (threading.Event))
  (.run crew (fn [] (.append box (procedure)) (.set done)))
  (assert (.wait done WAIT))
  (get box 0))


(defn test-it-calls-with-the-arguments-in-a-daemon-thread-of-its-name [crew]
  (setv got []
        done (threading.Event))
  (holds (.run crew (fn [#* xs] (.extend got xs) (.set done)) 1 [2] None) True)
  (assert (.wait done WAIT))
  (holds got [1 [2] None])
  (setv thread (in-crew crew threading.current-thread))
  (holds [thread.name thread.daemon] ["the crew of a test" True]))

(defn test-a-parked-thread-is-used-again [crew]
  (setv threads (set))
  (for [_ (range 50)]
    (.add threads (in-crew crew threading.get-ident))
    (parked crew 1))
  (holds (len threads) 1)
  (holds (len crew.threads) 1))

(defn test-as-many-run-at-once-as-there-are-orders [crew]
  (setv barrier (threading.Barrier 41))
  (for [_ (range 40)]
    (.run crew barrier.wait))
  ; Nobody passes before all are there.
  (.wait barrier WAIT)
  (parked crew 40)
  ; Parked ones and new ones together, too.
  (setv barrier (threading.Barrier 61))
  (for [_ (range 60)]
    (.run crew barrier.wait))
  (.wait barrier WAIT)
  (parked crew 60)
  (holds (len crew.threads) 60))

(defn test-parked-threads-end-after-a-while [crew monkeypatch]
  (monkeypatch.setattr dpfw.net.threads "PARKED" 0.05)
  (setv barrier (threading.Barrier 11))
  (for [_ (range 10)]
    (.run crew barrier.wait))
  (.wait barrier WAIT)
  (until (fn [] (not crew.threads)))
  (holds crew.parked 0)
  ; And the crew is of use still.
  (holds (in-crew crew (fn [] "again")) "again"))

(defn test-an-error-is-logged-and-the-thread-stays [crew caplog]
  (setv first (in-crew crew threading.get-ident))
  (parked crew 1)
  (.run crew (fn [] (raise (ValueError "on purpose"))))
  (parked crew 1)
  (holds (in-crew crew threading.get-ident) first)
  (holds (len caplog.records) 1)
  (setv [record] caplog.records)
  (holds record.levelno logging.ERROR)
  (assert (in "the crew of a test" (.getMessage record)) (.getMessage record))
  (holds (str (get record.exc-info 1)) "on purpose"))

(defn test-a-parked-thread-keeps-nothing-alive [crew]
  "A slave's connection, or a task's result, say."
  (defclass Thing [])
  (setv thing (Thing)
        ref (weakref.ref thing))
  (.run crew (fn [_]) thing)
  (del thing)
  (parked crew 1)
  (gc.collect)
  (holds (ref) None))

(defn test-an-order-may-give-orders [crew]
  (setv done (threading.Event)
        counts [])
  (defn order [n]
    (.append counts n)
    (if n
      (.run crew order (- n 1))
      (.set done)))
  (.run crew order 100)
  (assert (.wait done WAIT))
  (holds counts (list (range 100 -1 -1))))


;; * Where the system has no thread to give

(defn test-an-order-that-no-thread-is-to-be-had-for-is-refused [crew]
  (with [_ (no-threads)]
    (holds (.run crew print) False)
    ; Nor is there a spare one.
    (holds (.run-late crew print) False))
  (holds [crew.threads crew.parked] [(set) 0])
  (holds (in-crew crew (fn [] "again")) "again"))

(defn test-the-spare-thread-does-what-is-run-late-in-order [crew]
  (.keep-spare crew)
  (.keep-spare crew)  ; there is one at most
  (setv go (threading.Event)
        done (threading.Event)
        ran [])
  (defn note [n]
    (.append ran #(n (threading.current-thread))))
  (with [_ (no-threads)]
    (holds (.run crew note 0) False)
    (.run-late crew go.wait WAIT)
    (for [n (range 3)]
      (holds (.run-late crew note n) True))
    (.run-late crew done.set)
    (holds ran [])
    (.set go)
    (assert (.wait done WAIT)))
  (holds ran (lfor  n (range 3)  #(n crew.spare)))
  ; And where there are others, it does nothing.
  (.run-late crew note 3)
  (until (fn [] (= (len ran) 4)))
  (assert (is-not (get ran 3 1) crew.spare)))

(defn test-what-was-to-run-late-has-run-when-the-crew-is-closed []
  (setv crew (ThreadPool "closed")
        ran [])
  (.keep-spare crew)
  (setv spare crew.spare)
  (with [_ (no-threads)]
    (for [n (range 20)]
      (.run-late crew ran.append n)))
  (holds (.close crew WAIT) (set))
  (holds [ran (.is-alive spare)] [(list (range 20)) False])
  (holds (.run-late crew ran.append 20) False)
  (.keep-spare crew)
  (holds (.close crew WAIT) (set)))


;; * Close

(defn test-close-ends-the-parked-threads []
  (setv crew (ThreadPool "closed")
        barrier (threading.Barrier 6))
  (for [_ (range 5)]
    (.run crew barrier.wait))
  (.wait barrier WAIT)
  (parked crew 5)
  (setv threads (list crew.threads)
        start (time.monotonic))
  (holds (.close crew) (set))
  (for [thread threads]
    (holds (.is-alive thread) False))
  (setv took (- (time.monotonic) start))
  (assert (< took 2) f"it took {took} s")
  (holds (.close crew) (set)))

(defn test-close-waits-for-what-runs []
  (setv crew (ThreadPool "closed")
        go (threading.Event)
        ended [])
  (.run crew (fn [] (.wait go WAIT) (.append ended True)))
  (setv closing (begin crew.close WAIT))
  (until (fn [] crew.closed))
  (holds [ended (.done closing)] [[] False])
  (.set go)
  (holds (outcome closing) (set))
  (holds ended [True]))

(defn test-close-tells-who-still-runs [monkeypatch]
  (monkeypatch.setattr dpfw.net.threads "PARKED" 0)
  (setv crew (ThreadPool "closed")
        go (threading.Event)
        threads [])
  (for [_ (range 2)]
    (.run crew (fn [] (.append threads (threading.current-thread)) (.wait go WAIT))))
  (.run crew (fn []))
  (until (fn [] (= crew.threads (set threads))))
  (setv start (time.monotonic))
  (holds (.close crew 0.1) (set threads))
  (setv took (- (time.monotonic) start))
  (assert (<= 0.1 took 9) f"two threads took {took} s")
  (.set go)
  (holds (.close crew WAIT) (set)))

(defn test-close-from-a-thread-of-the-crew-does-not-wait-for-itself []
  (setv crew (ThreadPool "closed")
        others []
        done (threading.Event))
  (.run crew (fn [] (.append others (.close crew)) (.set done)))
  (assert (.wait done WAIT))
  (holds others [(set)])
  (holds (.close crew WAIT) (set)))

(defn test-a-closed-crew-takes-no-order []
  (setv crew (ThreadPool "closed")
        called [])
  (.run crew (fn []))
  (.close crew)
  (holds (.run crew (fn [] (.append called True))) False)
  (.close crew)
  (holds called []))

(defn test-an-order-is-run-or-refused-when-the-crew-closes []
  "Never accepted and forgotten."
  (for [_ (range 100)]
    (setv crew (ThreadPool "closed")
          ran []
          start (threading.Barrier 3))
    (defn give []
      (.wait start WAIT)
      (sum (gfor  n (range 20)  (.run crew ran.append n))))
    (setv giving [(begin give) (begin give)])
    (.wait start WAIT)
    (.close crew)
    (setv taken (sum (map outcome giving)))
    (until (fn [] (= (len ran) taken)))))


;; * Stress

(defn [(pytest.mark.parametrize "seconds" [10 0 1e-4])]
      test-ten-thousand-orders-run-once-each [monkeypatch seconds]
  "Also when the threads end just as they are given something."
  (monkeypatch.setattr dpfw.net.threads "PARKED" seconds)
  (setv crew (ThreadPool "stressed")
        ran [])
  (defn give [giver]
    (for [n (range 1250)]
      (.run crew ran.append #(giver n))
      ; Else there may be as many threads as orders.
      (while (> (- (len crew.threads) crew.parked) 20)
        (time.sleep 0))))
  (setv giving (lfor  giver (range 8)  (begin give giver)))
  (for [future giving]
    (outcome future))
  (until (fn [] (= (len ran) 10000)))
  (holds (.close crew WAIT) (set))
  (holds (len (set ran)) 10000)
  (holds (set (.values (Counter ran))) #{1})
  (holds [crew.parked crew.threads (.empty crew.orders)] [0 (set) True]))
