"One thread at a time waits for all connections, the reactor's when nobody else
does; and an interrupt cuts no step in two."

(import
  contextlib [contextmanager]
  signal
  sys
  threading
  time
  pytest
  dpfw.net.interrupt [Guard Whole handling]
  dpfw.net.leader
  dpfw.net.leader [Leader Waiter]
  dpfw.net.reactor [Reactor]
  dpfw.net.wire [Connection]
  tests.helpers [begin holds outcome tcp-pair until WAIT])
(eval-when-compile (require hyrule.control [unless]))

(defclass Room []
  "A leader with connections that say what comes on them, and by which thread."

  (defn __init__ [self n]
    (setv
      self.reactor (Reactor "the reactor of a test")
      self.leader (Leader self.reactor)
      self.heard []
      self.waiters {}
      self.ours []
      self.theirs [])
    (for [k (range n)]
      (setv [one two] (tcp-pair)
            connection (Connection one))
      (.append self.ours connection)
      (.append self.theirs two)
      (.watch self.leader connection (fn [[connection connection] [k k]] (.hear self connection k)))))

  (defn hear [self connection k]
    (setv [frames end] (.arrived connection))
    (for [[kind number payload] frames]
      (.append self.heard #(k number (threading.get-ident)))
      (setv waiter (.get self.waiters number))
      (when waiter
        (.wake waiter))))

  (defn say [self k number]
    (.sendall (get self.theirs k) (.encode f"(end {number} 0)\n")))

  (defn wait-for [self number [seconds WAIT]]
    "Wait until a frame of this number has come; returns whether it has."
    (setv waiter (Waiter)
          (get self.waiters number) waiter)
    ; It may have come before.
    (when (any (gfor  [_ n _] self.heard  (= n number)))
      (.wake waiter))
    (.wait waiter self.leader (+ (time.monotonic) seconds))
    waiter.over)

  (defn close [self]
    (for [connection self.ours]
      (.remove self.leader connection)
      (.close connection))
    (for [sock self.theirs]
      (.close sock))
    (.close self.leader)
    (.close self.reactor)))

(defn [(pytest.fixture :params ["epoll" "poll"])] room [request monkeypatch]
  (when (= request.param "poll")
    (monkeypatch.setattr dpfw.net.leader "EPOLL" None)
    (monkeypatch.setattr dpfw.net.reactor "EPOLL" None))
  (setv room (Room 3))
  (yield room)
  (.close room))


(defn led? [room]
  "Does somebody lead? Before Python 3.14, an RLock only shows it."
  (in "<locked" (repr room.leader.leading)))

(defn [contextmanager] led-elsewhere [room]
  "In another thread."
  (setv held (threading.Event)
        free (threading.Event))
  (defn lead []
    (with [_ room.leader.leading]
      (.set held)
      (.wait free WAIT)))
  (setv leading (begin lead))
  (assert (.wait held WAIT))
  (try
    (yield)
    (finally
      (.set free)
      (outcome leading))))


;; Who hears

(defn test-with-nobody-there-the-reactor-hears [room]
  (for [[n k] (enumerate [0 1 2 0])]
    (.say room k n)
    (until (fn [] (> (len room.heard) n))))
  (holds (sfor  [_ _ who] room.heard  who) #{room.reactor.thread.ident}))

(defn test-who-waits-hears-what-comes-for-others-too [room]
  (unless room.leader.set
    (pytest.skip "without epoll, the reactor hears all"))
  (setv waiting (begin (fn []
    #((.wait-for room 7) (threading.get-ident)))))
  (until (fn [] (led? room)))
  (.say room 0 1)
  (.say room 1 2)
  (until (fn [] (= (len room.heard) 2)))
  (.say room 2 7)
  (setv [came who] (outcome waiting))
  (holds came True)
  (holds room.heard [#(0 1 who) #(1 2 who) #(2 7 who)])
  ; And the reactor again.
  (.say room 0 3)
  (until (fn [] (= (len room.heard) 4)))
  (holds (get room.heard -1) #(0 3 room.reactor.thread.ident)))

(defn test-of-many-who-wait-each-hears-of-its-own [room]
  (for [turn (range 20)]
    (setv numbers (list (range (* 10 turn) (+ (* 10 turn) 8)))
          waiting (lfor  n numbers  (begin room.wait-for n)))
    (for [n (reversed numbers)]
      (until (fn [] (in n room.waiters)))
      (.say room (% n 3) n))
    (holds (lfor  future waiting  (outcome future)) (* [True] 8))))

(defn test-after-the-last-who-led-the-reactor-hears [room]
  "It takes the set back by itself."
  (.say room 0 1)
  (holds (.wait-for room 1) True)
  (.say room 1 2)
  (until (fn [] (= (len room.heard) 2)))
  (until (fn [] (not room.leader.ticking)))
  (.say room 2 3)
  (until (fn [] (= (len room.heard) 3))))

(defn test-who-led-last-takes-the-set-when-it-expects-an-answer [room monkeypatch]
  (unless room.leader.set
    (pytest.skip "without epoll, the reactor hears all"))
  (setv ticks [])
  (monkeypatch.setattr room.reactor "call_after" (fn [_ tick] (.append ticks tick)))
  (.expect room.leader)
  (holds room.leader.given True)  ; nobody has led yet
  (.say room 0 1)
  ; The reactor may be at it.
  (until (fn [] (.wait-for room 1) (= room.leader.last (threading.get-ident))))
  ; As if the reactor had the set again.
  (setv room.leader.given True)
  ; Unless that has just begun to hear.
  (until (fn [] (.expect room.leader) (not room.leader.given)))
  ; If that thread does not wait after all, the reactor hears.
  (.say room 1 2)
  ((.pop ticks))
  (holds room.leader.given False)
  ; The reactor may still be at what it was woken for before.
  (until (fn []
    (when ticks
      ((.pop ticks)))
    room.leader.given))
  (until (fn [] (= (len room.heard) 2)))
  (holds #(room.leader.last ticks) #(None [])))

(defn test-nothing-ticks-while-somebody-leads [room]
  (unless room.leader.set
    (pytest.skip "without epoll, the reactor hears all"))
  (for [turn (range 20)]
    (setv waiting (begin room.wait-for turn))
    (until (fn [] (and (led? room) (not room.leader.ticking))))
    (.say room 0 turn)
    (holds (outcome waiting) True)
    ; And the reactor hears what comes after that.
    (until (fn [] room.leader.given))
    (setv n (len room.heard))
    (.say room 1 (+ 1000 turn))
    (until (fn [] (> (len room.heard) n)))))

(defn test-whoever-lets-go-has-the-reactor-tick-again [room monkeypatch]
  "A last tick may meet anybody who has the right to lead."
  (unless room.leader.set
    (pytest.skip "without epoll, the reactor hears all"))
  (setv ticks [])
  (monkeypatch.setattr room.reactor "call_after" (fn [_ tick] (.append ticks tick)))
  (.say room 0 1)
  (until (fn [] (.wait-for room 1) (= room.leader.last (threading.get-ident))))
  (for [let-go [room.leader.help (fn [] (.wait-for room 1))]]
    (until (fn [] (not (led? room))))
    (setv give-back room.leader.give-back
          met [])
    (defn meet-somebody []
      (.append met True)
      (with [_ (led-elsewhere room)]
        (give-back)))
    (setv room.leader.led False)
    (monkeypatch.setattr room.leader "give_back" meet-somebody)
    ((.pop ticks))
    (monkeypatch.undo)
    (monkeypatch.setattr room.reactor "call_after" (fn [_ tick] (.append ticks tick)))
    (holds [(len met) ticks room.leader.ticking room.leader.given] [2 [] False False])
    (let-go)
    (holds [(len ticks) room.leader.ticking] [1 True]))
  (monkeypatch.undo)
  (setv room.leader.led False)
  ((.pop ticks))
  (holds room.leader.given True))

(defn test-who-helps-hears-what-has-come-and-does-not-wait [room]
  (unless room.leader.set
    (pytest.skip "without epoll, the reactor hears all"))
  ; While somebody leads, there is nothing to do for others.
  (setv waiting (begin room.wait-for 7))
  (until (fn [] (led? room)))
  (.help room.leader)
  (.say room 0 7)
  (holds (outcome waiting) True)
  ; The reactor is kept busy, and does not hear.
  (setv held (threading.Event)
        free (threading.Event))
  (.call-after room.reactor 0 (fn [] (.set held) (.wait free WAIT)))
  (assert (.wait held WAIT))
  (.say room 1 8)
  (until (fn [] (.help room.leader) (= (len room.heard) 2)))
  (.set free)
  (holds (get room.heard -1) #(1 8 (threading.get-ident))))

(defn test-two-threads-may-close-at-once [room]
  (unless room.leader.set
    (pytest.skip "without epoll, there is nothing to close"))
  (with [_ room.leader.leading]
    (setv closing (lfor  _ (range 2)  (begin room.leader.close)))
    ; Both are past what they see without the lock.
    (until (fn [] (= (sum (gfor  thread (threading.enumerate)  (waits-in-close? thread))) 2))))
  (for [future closing]
    (outcome future)))

(defn test-the-reactor-may-follow-when-it-is-closed-already [room]
  (unless room.leader.set
    (pytest.skip "without epoll, there is nothing to close"))
  ; It has seen that something came, and is about to look what.
  (.say room 0 1)
  (.close room.leader)
  (.follow room.leader))

(defn waits-in-close? [thread]
  (setv frame (.get (sys._current-frames) thread.ident))
  (and frame (= frame.f-code Leader.close.__code__)))

(defn test-a-deadline-ends-the-wait [room]
  (holds (.wait-for room 1 0.01) False)
  (.say room 0 1)
  (until (fn [] room.heard)))

(defn test-another-thread-wakes-who-leads [room]
  (setv waiting (begin room.wait-for 5))
  (until (fn [] (in 5 room.waiters)))
  (.wake (get room.waiters 5))
  (holds (outcome waiting) True))

(defn test-a-fault-in-one-call-stops-nobody [room caplog]
  (.watch room.leader (get room.ours 0) (fn []
    (.arrived (get room.ours 0))
    (raise (ValueError "on purpose"))))
  (setv waiting (begin room.wait-for 2))
  (until (fn [] (in 2 room.waiters)))
  (.say room 0 1)
  (until (fn [] (in "on purpose" caplog.text)))
  (.say room 1 2)
  (holds (outcome waiting) True))

(defn test-what-is-removed-is-not-heard [room]
  (.remove room.leader (get room.ours 0))
  (.remove room.leader (get room.ours 0))
  (.say room 0 1)
  (.say room 1 2)
  (until (fn [] room.heard))
  (holds (get room.heard 0 1) 2))


;; Steps that are done whole

(defn test-an-interrupt-strikes-at-the-end-of-a-step []
  (setv did [])
  (with [_ (pytest.raises KeyboardInterrupt)]
    (with [_ (Whole)]
      (.append did 1)
      (signal.raise-signal signal.SIGINT)
      (.append did 2))
    (.append did 3))
  (holds did [1 2])
  (holds (signal.getsignal signal.SIGINT) signal.default-int-handler))

(defn test-steps-within-steps []
  (setv did [])
  (with [_ (pytest.raises KeyboardInterrupt)]
    (with [_ (Whole)]
      (with [_ (Whole)]
        (signal.raise-signal signal.SIGINT)
        (.append did 1))
      (.append did 2))
    (.append did 3))
  (holds did [1 2]))

(defn test-a-step-lets-an-interrupt-in-where-it-waits []
  (setv did [])
  (with [_ (pytest.raises KeyboardInterrupt)]
    (with [step (Whole)]
      (.let-in step signal.raise-signal signal.SIGINT)
      (.append did 1)))
  (holds did [])
  ; And one that came before, too.
  (with [_ (pytest.raises KeyboardInterrupt)]
    (with [step (Whole)]
      (signal.raise-signal signal.SIGINT)
      (.let-in step did.append 1)))
  (holds did []))

(defn test-a-handler-of-the-users-is-called-and-stays []
  (setv seen [])
  (with [_ (handling signal.SIGINT (fn [number frame] (.append seen number)))]
    (setv handler (signal.getsignal signal.SIGINT))
    (with [_ (Whole)]
      (signal.raise-signal signal.SIGINT)
      (holds seen []))
    (holds seen [signal.SIGINT])
    (holds (signal.getsignal signal.SIGINT) handler)))

(defn [(pytest.mark.parametrize "handler" [signal.SIG-IGN signal.SIG-DFL])]
  test-what-is-not-pythons-is-left-alone [handler]
  (with [_ (handling signal.SIGINT handler)]
    (with [_ (Whole)]
      (holds (signal.getsignal signal.SIGINT) handler))))

(defn test-an-error-of-the-step-is-its-own []
  (with [_ (pytest.raises ValueError)]
    (with [_ (Whole)]
      (raise (ValueError "on purpose"))))
  (holds (signal.getsignal signal.SIGINT) signal.default-int-handler))

(defn test-another-thread-sets-no-handler []
  (holds (outcome (begin (fn []
    (with [step (Whole)]
      #((.let-in step int "5") (is (signal.getsignal signal.SIGINT) signal.default-int-handler)))))) #(5 True)))

(defn test-a-guards-interrupt-strikes-at-the-end-of-a-step-too []
  "As when a remote that is itself a master is cancelled."
  (setv did []
        guard (Guard))
  (defn body []
    (with [_ (Whole)]
      (.interrupt guard)
      (.append did 1))
    (.append did 2))
  (with [_ (.on-duty guard)  _ (pytest.raises KeyboardInterrupt)]
    (.run guard body))
  (holds did [1]))

(defn test-a-guards-interrupt-is-let-in []
  (setv did []
        guard (Guard))
  (defn body []
    (with [step (Whole)]
      (.let-in step (fn [] (.interrupt guard) (time.sleep WAIT)))
      (.append did 1)))
  (with [_ (.on-duty guard)  _ (pytest.raises KeyboardInterrupt)]
    (.run guard body))
  (holds did []))
