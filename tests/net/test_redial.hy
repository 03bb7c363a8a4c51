"An address is dialled until somebody answers there, and not in a hurry."

(import
  logging
  math
  socket
  sys
  threading
  pytest
  dpfw.errors [AddressError CookieError HandshakeError MasterClosed Refused]
  dpfw.net.redial [Redialler dial-for]
  tests.helpers [WAIT begin holds outcome until])

(defclass Closed []
  "An event that is set when it has been waited for so often; keeps the times."

  (defn __init__ [self [n 1000]]
    (setv self.n n  self.times []))

  (defn is-set [self]
    (>= (len self.times) self.n))

  (defn wait [self seconds]
    (.append self.times seconds)
    (.is-set self)))

(defn answering [#* answers]
  "What gives these one after the other, and raises those that are exceptions."
  (setv answers (list answers))
  (fn []
    (setv answer (.pop answers 0))
    (if (isinstance answer BaseException)
      (raise answer)
      answer)))

(defn redialler [closed #* answers  [final #()]]
  (Redialler (answering #* answers) closed :final final))

(setv NOBODY (ConnectionRefusedError 111 "nobody is there"))


(defn test-who-answers-is-dialled-once []
  (setv closed (Closed))
  (holds (.dial (redialler closed "answer")) "answer")
  (holds closed.times []))

(defn [(pytest.mark.parametrize "error" [NOBODY (HandshakeError "no dpfw") (TimeoutError "silence")
                                         (Refused "no") (AddressError "no such host")])]
  test-it-is-dialled-until-somebody-answers [error]
  (setv closed (Closed))
  (holds (.dial (redialler closed error error error "answer")) "answer")
  (holds (len closed.times) 3))

(defn within [time longest]
  (assert (<= (/ longest 2) time longest) f"{time} is not between {longest} and half of that"))

(defn test-pauses-double-up-to-15-seconds []
  (setv closed (Closed))
  (.dial (redialler closed #* (* [NOBODY] 12) "answer"))
  (for [[time longest] (zip closed.times [0.1 0.2 0.4 0.8 1.6 3.2 6.4 12.8 15 15 15 15] :strict True)]
    (within time longest)))

(defn test-pauses-grow-on-where-a-session-was-of-no-use []
  (setv closed (Closed)
        r (redialler closed #* "abcd" NOBODY "e" "f"))
  (.dial r)
  (for [_ (range 4)]
    (.dial-again r :of-use False))
  (for [[time longest] (zip closed.times [0.1 0.2 0.4 0.8 1.6] :strict True)]
    (within time longest))
  ; And begin anew where it was of use.
  (.dial-again r :of-use True)
  (within (get closed.times -1) 0.1))

(defn [(pytest.mark.parametrize "error" [(Refused "another cookie") (CookieError "no cookie")])]
  test-what-is-final-is-raised [error]
  (setv closed (Closed))
  (with [raised (pytest.raises (type error))]
    (.dial (redialler closed NOBODY error "answer" :final #(CookieError Refused))))
  (assert (is raised.value error))
  (holds (len closed.times) 1))

(defn test-what-is-no-failure-of-a-connection-is-raised []
  (for [error [(RuntimeError "a fault") (KeyError "another")]]
    (with [_ (pytest.raises (type error))]
      (.dial (redialler (Closed) error "answer")))))

(defn test-who-is-closed-dials-no-more []
  (setv closed (Closed 2))
  (holds (.dial (redialler closed #* (* [NOBODY] 5))) None)
  (holds (len closed.times) 2)
  (holds (.dial-again (redialler closed "answer") True) None)
  (holds (.dial (redialler closed "answer")) None))

(defn [(pytest.mark.parametrize "error" [(MasterClosed "it has left") (OSError "aborted")])]
  test-a-dial-that-fails-since-its-end-is-closed-ends-it [error caplog]
  (setv closed (threading.Event))
  (defn dial []
    (.set closed)
    (raise error))
  (holds (.dial (Redialler dial closed)) None)
  (holds caplog.records []))

(defn test-closing-ends-a-pause []
  (setv closed (threading.Event)
        dialled (threading.Event)
        r (Redialler (fn [] (.set dialled) (raise NOBODY)) closed))
  (setv r.pauses (iter [1000]))
  (setv dialling (begin r.dial))
  (assert (.wait dialled 10))
  (.set closed)
  (holds (outcome dialling) None))

(defn test-a-failure-is-a-warning-once [caplog]
  (caplog.set-level logging.DEBUG)
  (setv other (HandshakeError "it hung up")
        r (redialler (Closed) NOBODY NOBODY other NOBODY "answer" NOBODY "answer"))
  (.dial r)
  (.dial-again r True)
  (holds (lfor  r caplog.records  r.levelname)
    ["WARNING" "DEBUG" "WARNING" "WARNING" "WARNING"])
  (assert (in "nobody is there" (. (get caplog.records 0) message)) caplog.text))


;; * While somebody waits

(defn no-such-host []
  (setv error (AddressError "no such host")
        error.__cause__ (socket.gaierror -2 "unknown"))
  error)

(defn [(pytest.mark.parametrize "error" [NOBODY (HandshakeError "no dpfw") (TimeoutError "silence") (no-such-host)])]
  test-a-server-may-come-up-while-it-is-waited-for [error]
  (for [seconds [1000 math.inf]]
    (setv closed (Closed))
    (holds (dial-for seconds (answering #* (* [error] 9) "answer") closed) "answer")
    (holds [(len closed.times) (<= (max closed.times) 1)] [9 True])))

(defn [(pytest.mark.parametrize "error" [(Refused "no") (CookieError "no cookie") (AddressError "no port") (ValueError "odd")])]
  test-what-would-be-the-same-again-is-not-waited-for [error]
  (setv closed (Closed)
        failed (begin dial-for 1000 (answering error) closed))
  (with [raised (pytest.raises (type error))]
    (outcome failed))
  (holds [raised.value closed.times] [error []]))

(defn test-an-error-says-how-long-it-was-tried []
  (for [[error says] [[NOBODY "[Errno 111] nobody is there; tried for 1e-09 seconds"]
                      [(HandshakeError "no dpfw") "no dpfw; tried for 1e-09 seconds"]
                      [(no-such-host) "no such host; tried for 1e-09 seconds"]]]
    (with [raised (pytest.raises (type error))]
      (dial-for 1e-9 (answering error) (Closed)))
    (holds [(str raised.value) raised.value.__cause__] [says error]))
  ; Which who does not wait need not be told.
  (with [raised (pytest.raises ConnectionError)]
    (dial-for 0 (answering NOBODY) (Closed)))
  (holds raised.value NOBODY))

(defn test-the-last-pause-is-no-longer-than-the-wait []
  (setv closed (Closed 1))
  (dial-for 0.01 (answering NOBODY) closed)
  (assert (<= (get closed.times 0) 0.01) closed.times))

(defn test-nobody-waits-when-all-is-closed []
  (holds (dial-for 1000 (answering NOBODY) (Closed 1)) None))

(defn test-two-slaves-of-one-address-may-pause-at-once []
  (setv inside (threading.Event)
        more (threading.Event)
        r (redialler (Closed)))
  (defn slow []
    (.set inside)
    (.wait more WAIT)
    (yield 0)
    (yield 0))
  (setv r.pauses (slow)
        one (begin r.pause))
  (assert (.wait inside WAIT))
  (setv other (begin r.pause))
  ; It waits there, or has ended; nothing tells of it.
  (until (fn []
    (setv frame (.get (sys._current-frames) other.thread.ident))
    (or (.done other) (and frame (= frame.f-code.co-name "pause")))))
  (.set more)
  (for [pausing [one other]]
    (outcome pausing)))
