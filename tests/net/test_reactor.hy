"The reactor calls what is due, in order, and nothing can end its watch but its
own end."

(import
  logging
  queue
  select
  socket
  threading
  time
  pytest
  dpfw.net.reactor
  dpfw.net.reactor [Reactor]
  tests.helpers [begin holds outcome tcp-pair until WAIT])

(defn [(pytest.fixture :params ["epoll" "poll"])] reactor [request monkeypatch]
  "With what the system has, and with what every system has."
  (when (= request.param "poll")
    (monkeypatch.setattr dpfw.net.reactor "EPOLL" None))
  (setv reactor (Reactor "the reactor of a test"))
  (yield reactor)
  (.close reactor)
  (when reactor.thread
    (.join reactor.thread WAIT)
    (assert (not (.is-alive reactor.thread)))))

(defn [pytest.fixture] sockets []
  (setv [one two] (tcp-pair))
  (.settimeout two WAIT)
  (yield #(one two))
  (.close one)
  (.close two))

(defn [pytest.fixture] happened []
  (queue.SimpleQueue))

(defn next-of [happened]
  (.get happened :timeout WAIT))

(defn turned-round [reactor]
  "Let the reactor come round once more: what was pending has been called."
  (setv round (threading.Event))
  (for [_ (range 2)]
    (.clear round)
    (.call-after reactor 0 round.set)
    (assert (.wait round WAIT) "the reactor does not come round")))


;; * Watching

(defn test-it-calls-on-each-event-in-its-own-thread [reactor sockets happened]
  (setv [one two] sockets)
  (.watch reactor one select.POLLIN
    (fn [] (.put happened #((.recv one 1) (. (threading.current-thread) name)))))
  (.sendall two b"abc")
  (for [wanted [b"a" b"b" b"c"]]
    (holds (next-of happened) #(wanted "the reactor of a test")))
  (.sendall two b"d")
  (holds (get (next-of happened) 0) b"d"))

(defn test-it-watches-many [reactor happened]
  (setv pairs (lfor  _ (range 50)  (tcp-pair)))
  (try
    (for [[n [one _]] (enumerate pairs)]
      (.watch reactor one select.POLLIN
        (fn [[one one] [n n]] (.recv one 10) (.put happened n))))
    (for [[_ two] (reversed pairs)]
      (.sendall two b"x"))
    (holds (sorted (gfor  _ pairs  (next-of happened))) (list (range 50)))
    (finally
      (for [[one two] pairs]
        (.unwatch reactor one)
        (.close one)
        (.close two)))))

(defn test-it-calls-when-the-other-end-is-gone [reactor sockets happened]
  (setv [one two] sockets)
  (.watch reactor one select.POLLIN
    (fn [] (.unwatch reactor one) (.put happened (.recv one 10))))
  (.close two)
  (holds (next-of happened) b""))

(defn test-unwatch-ends-the-calls [reactor sockets happened]
  (setv [one two] sockets)
  (.watch reactor one select.POLLIN (fn [] (.put happened (.recv one 10))))
  (.sendall two b"a")
  (holds (next-of happened) b"a")
  (.unwatch reactor one)
  (.unwatch reactor one)
  (.sendall two b"b")
  (turned-round reactor)
  (holds (.empty happened) True)
  ; And a file may be watched again.
  (.watch reactor one select.POLLIN (fn [] (.put happened (.recv one 10))))
  (holds (next-of happened) b"b"))

(defn test-a-closed-file-cannot-be-watched [reactor sockets]
  (setv [one _] sockets)
  (.close one)
  (with [_ (pytest.raises ValueError)]
    (.watch reactor one select.POLLIN (fn [])))
  (holds reactor.calls {})
  (.unwatch reactor one))

(defn test-an-error-in-one-call-is-logged-and-the-others-go-on [reactor sockets happened caplog]
  (setv [one two] sockets)
  (.watch reactor one select.POLLIN
    (fn [] (.put happened (.recv one 1)) (raise (ValueError "on purpose"))))
  (.call-after reactor 0 (fn [] (raise (KeyError "on purpose as well"))))
  (.sendall two b"a")
  (holds (next-of happened) b"a")
  (.sendall two b"b")
  (holds (next-of happened) b"b")
  (turned-round reactor)
  (holds (sorted (gfor  r caplog.records  (. (get r.exc-info 0) __name__)))
         ["KeyError" "ValueError" "ValueError"])
  (for [record caplog.records]
    (assert (in "the reactor of a test" (.getMessage record)) (.getMessage record))
    (holds record.levelno logging.ERROR)))


;; * Timers

(defn test-timers-come-in-the-order-of-their-moments [reactor happened monkeypatch]
  ; The clock stands still meanwhile, however slow the machine is.
  (with [patch (monkeypatch.context)]
    (patch.setattr time "monotonic" (fn [[now (time.monotonic)]] now))
    (for [seconds [0.06 0.02 0.04 0 0.08]]
      (.call-after reactor seconds (fn [[seconds seconds]] (.put happened seconds)))))
  (holds (lfor  _ (range 5)  (next-of happened)) [0 0.02 0.04 0.06 0.08]))

(defn test-timers-of-one-moment-come-in-the-order-given [reactor happened monkeypatch]
  (with [patch (monkeypatch.context)]
    (patch.setattr time "monotonic" (fn [[now (time.monotonic)]] now))
    (for [n (range 100)]
      (.call-after reactor 0 (fn [[n n]] (.put happened n)))))
  (holds (lfor  _ (range 100)  (next-of happened)) (list (range 100))))

(defn test-a-timer-comes-no-sooner-than-it-may [reactor happened]
  (setv start (time.monotonic))
  (.call-after reactor 0.1 (fn [] (.put happened (time.monotonic))))
  (setv took (- (next-of happened) start))
  (assert (>= took 0.1) f"it took {took} s"))

(defn test-a-sooner-timer-wakes-who-waits-for-a-later-one [reactor happened]
  (.call-after reactor 3600 (fn [] (.put happened "late")))
  (until (fn [] (is-not reactor.wakes-at None)))
  (.call-after reactor 0.01 (fn [] (.put happened "soon")))
  (holds (next-of happened) "soon"))

(defn [(pytest.mark.parametrize "seconds" [(* 30 86400) 1e12 (float "inf")])]
      test-a-timer-may-be-far-away [reactor happened seconds]
  "poll(2) waits for 24 days at most."
  (.call-after reactor seconds (fn [] (.put happened "late")))
  (until (fn [] (is-not reactor.wakes-at None)))
  (.call-after reactor 0.01 (fn [] (.put happened "soon")))
  (holds (next-of happened) "soon")
  (holds (.is-alive reactor.thread) True)
  (holds (.empty happened) True))

(defn test-a-cancelled-timer-does-not-come [reactor happened]
  (setv go-on (threading.Event))
  (.call-after reactor 0 (fn [] (.wait go-on WAIT)))
  (setv timer (.call-after reactor 0 (fn [] (.put happened "cancelled"))))
  (.call-after reactor 0 (fn [] (.put happened "other")))
  (.cancel timer)
  (.set go-on)
  (holds (next-of happened) "other"))

(defn test-a-call-may-set-timers-and-cancel-them [reactor happened]
  (defn first []
    (setv later (.call-after reactor 0.03 (fn [] (.put happened "cancelled")))
          _ (.cancel later))
    (.call-after reactor 0.05 (fn [] (.put happened "second")))
    (.put happened "first"))
  (.call-after reactor 0 first)
  (holds [(next-of happened) (next-of happened)] ["first" "second"]))

(defn test-cancelled-timers-do-not-pile-up [reactor]
  (for [_ (range 10000)]
    (.cancel (.call-after reactor 3600 (fn []))))
  (assert (< (len reactor.timers) 1000) (len reactor.timers)))

(defn test-it-does-not-spin [reactor sockets]
  "It uses no time of the processor while nothing happens."
  (.watch reactor (get sockets 0) select.POLLIN (fn []))
  (.call-after reactor 60 (fn []))
  (turned-round reactor)
  (setv rounds [])
  (setv patience reactor.patience
        reactor.patience (fn [] (.append rounds 1) (patience)))
  (time.sleep 0.1)
  (assert (<= (len rounds) 1) f"it came round {(len rounds)} times"))


;; * Its thread

(defn test-there-is-no-thread-before-the-first-use []
  (setv before (threading.enumerate)
        reactor (Reactor "unused"))
  (holds (threading.enumerate) before)
  (.close reactor)
  (holds reactor.thread None))

(defn test-there-is-one-thread-whoever-is-first [reactor]
  (for [starting (lfor  _ (range 16)  (begin reactor.call-after 0 (fn [])))]
    (outcome starting))
  (holds (len (lfor  t (threading.enumerate)  :if (= t.name "the reactor of a test")  t)) 1))

(defn test-close-ends-the-thread-and-all-that-was-to-come [reactor sockets happened]
  (setv [one two] sockets)
  (.watch reactor one select.POLLIN (fn [] (.put happened "watched")))
  (.call-after reactor 0.05 (fn [] (.put happened "timer")))
  (.close reactor)
  (holds (.is-alive reactor.thread) False)
  (.sendall two b"x")
  (.call-after reactor 0 (fn [] (.put happened "after")))
  (.watch reactor one select.POLLIN (fn [] (.put happened "after")))
  (.unwatch reactor one)
  (.close reactor)
  (with [_ (pytest.raises queue.Empty)]
    (.get happened :timeout 0.1)))

(defn test-close-from-its-own-thread [reactor happened]
  (defn close []
    (.close reactor)
    (.close reactor)
    (.put happened "closed"))
  (.call-after reactor 0 close)
  (.call-after reactor 0 (fn [] (.put happened "after")))
  (holds (next-of happened) "closed")
  (.join reactor.thread WAIT)
  (holds (.is-alive reactor.thread) False)
  (holds (.empty happened) True))

(defn test-several-threads-close-it-at-once [reactor]
  (.call-after reactor 60 (fn []))
  (for [closing (lfor  _ (range 8)  (begin reactor.close))]
    (outcome closing))
  (until (fn [] (not (.is-alive reactor.thread)))))

(defn test-threads-watch-and-unwatch-all-at-once [reactor]
  (setv errors [])
  (defn use []
    (for [_ (range 100)]
      (setv [one two] (socket.socketpair)
            called (threading.Event))
      (.watch reactor one select.POLLIN called.set)
      (.send two b"x")
      (unless-set called errors)
      (.unwatch reactor one)
      (.close one)
      (.close two)))
  (defn unless-set [event errors]
    (when (not (.wait event WAIT))
      (.append errors "not called")))
  (for [using (lfor  _ (range 6)  (begin use))]
    (outcome using))
  (holds errors [])
  (holds reactor.calls {}))
