"Ctrl-C, thousands of times, in the middle of whatever a master's main thread does:
no byte, no promise and no session is lost."

(import
  logging
  os
  random
  signal
  threading
  pytest
  dpfw.master [force read read-result]
  dpfw.net.interrupt [handling]
  tests.helpers [begin holds outcome until]
  tests.processes [launched run-task])

(eval-when-compile (require hyrule.control [unless]))

(setv
  ; `make interrupts` takes 10,000 for all of them.
  MANY (int (os.environ.get "DPFW_TEST_INTERRUPTS" 10,000))
  SOME (min MANY (int (os.environ.get "DPFW_TEST_INTERRUPTS" 1000)))
  SEED 8)

(defn struck-while [call times [number signal.SIGINT]]
  "Call it again and again, each time until a Ctrl-C, or another signal, breaks it off."
  (setv main (. (threading.main-thread) ident)
        ready (threading.Semaphore 0)
        over (threading.Event)
        chance (random.Random SEED)
        struck 0)
  (defn strike []
    (while (not (.is-set over))
      ; One that strikes in a finaliser is lost, as Python has it.
      (.acquire ready :timeout 1)
      ; At no moment in particular.
      (for [_ (range (.randrange chance 2000))])
      (signal.pthread-kill main number)))
  (defn on-signal [#* _]
    (unless (.is-set over)
      (raise (KeyboardInterrupt))))
  (with [_ (handling number on-signal)]
    (setv striking (begin strike))
    (while (< struck times)
      (try
        (.release ready)
        (while True
          (call))
        (except [KeyboardInterrupt]
          (+= struck 1))))
    (.set over)
    (.release ready)
    (outcome striking)))

(defn check-whole [master slaves caplog]
  (holds (set (.slaves master)) (set slaves))
  (until (fn [] (not (any (gfor  slave slaves  slave.busy)))))
  (for [slave slaves]
    (holds (run-task master '(fn [i o] (+ 2 3)) :slave slave) 5))
  (holds (.tasks master) [])
  (holds (lfor  record caplog.records  :if (>= record.levelno logging.WARNING)  (.getMessage record)) []))

(defn small [master]
  (holds (force (.make-task master '(fn [i o] (+ 2 3)) read-result)) 5))

(defn with-a-value [master]
  (holds (force (.make-task master `(fn [i o] (* 2 ~21)) read-result)) 42))

(defn many [master]
  (holds (.parallel master (* [['(fn [i o] 7) read-result]] 5)) (* [7] 5)))

(defn mapped [master]
  (holds (.map master '(fn [x] (* x x)) (range 20) :chunk-size 5) (lfor  x (range 20)  (* x x))))

(defn with-a-thread [master]
  (holds (force (.make-task master '(fn [i o] 3) (fn [i o] (read i)))) 3))

;; One that strikes while the garbage collector calls something is lost, as Python
;; has it, and pytest tells of it.
(defn [(pytest.mark.filterwarnings "ignore::pytest.PytestUnraisableExceptionWarning")
       (pytest.mark.parametrize #("call" "times") [
    #(small MANY) #(with-a-value MANY) #(many MANY) #(mapped SOME) #(with-a-thread SOME)])]
  test-thousands-of-interrupts-lose-nothing [call times caplog]
  (with [[master slaves] (launched 2)]
    (struck-while (fn [] (call master)) times)
    (check-whole master slaves caplog)))

(defn [(pytest.mark.filterwarnings "ignore::pytest.PytestUnraisableExceptionWarning")
       (pytest.mark.parametrize "number" [signal.SIGTERM signal.SIGALRM])]
  test-nor-do-other-signals-whose-handlers-raise [number caplog]
  (with [[master slaves] (launched 2)]
    (struck-while (fn [] (small master)) SOME number)
    (check-whole master slaves caplog)))

(defn test-a-ctrl-c-reaches-the-iterable-that-makes-tasks []
  "Which may wait for its next, and for ever; what was made is cancelled."
  (with [[master [slave]] (launched 1)]
    (setv went-on [])
    (defn tasks []
      (yield ['(fn [i o] (import time) (time.sleep 1000)) read-result])
      (signal.raise-signal signal.SIGINT)
      (.append went-on True)
      (yield ['(fn [i o] 2) read-result]))
    (with [_ (pytest.raises KeyboardInterrupt)]
      (.parallel master (tasks)))
    (holds went-on [])
    (holds (.tasks master) [])
    (holds (run-task master '(fn [i o] 3)) 3)))
