"An interrupt stops what runs under the guard, once, and never what comes after."

(import
  os
  pathlib [Path]
  random
  signal
  subprocess
  sys
  threading
  time
  pytest
  dpfw.errors [DpfwError Interrupted]
  dpfw.net.interrupt [Guard handling SIGNAL]
  tests.helpers [begin holds outcome until WAIT])

(setv ROOT (. (Path __file__) parent parent parent))

(defn spin [#* events]
  "Loop in Python, for much longer than anybody waits."
  (setv deadline (+ (time.monotonic) (* 3 WAIT)))
  (for [event events]
    (.set event))
  (while (< (time.monotonic) deadline))
  "nobody interrupted")

(defn guarding [body]
  "Begin ``(body guard)`` in a thread; returns its Future, and the guard."
  (setv box []
        made (threading.Event))
  (defn start []
    (.append box (Guard))
    (.set made)
    (body (get box 0)))
  (setv future (begin start))
  (assert (.wait made WAIT))
  [future (get box 0)])

(defn finished [future]
  "The result, which no interrupt came in the way of. An `Interrupted` that went
  on from here would end the whole test run, as Ctrl-C does."
  (try
    (outcome future)
    (except [Interrupted]
      (pytest.fail "it was interrupted"))))

(defn interrupted [future]
  (with [_ (pytest.raises Interrupted)]
    (outcome future)))


;; * In a thread

(defn test-a-loop-is-interrupted []
  (setv started (threading.Event)
        [future guard] (guarding (fn [guard] (.run guard spin started))))
  (assert (.wait started WAIT))
  (.interrupt guard)
  (interrupted future))

(defn test-run-gives-what-the-procedure-gives []
  (setv [future _] (guarding (fn [guard] (.run guard divmod 17 5))))
  (holds (finished future) #(3 2))
  (setv [future _] (guarding (fn [guard] (.run guard int "x"))))
  (with [_ (pytest.raises ValueError)]
    (outcome future)))

(defn test-a-procedure-may-interrupt-itself []
  (setv [future _] (guarding (fn [guard]
    (.run guard (fn [] (.interrupt guard) (spin))))))
  (interrupted future))

(defn test-it-is-called-what-it-is []
  (setv [future _] (guarding (fn [guard]
    (.run guard (fn [] (.interrupt guard) (spin))))))
  (with [raised (pytest.raises Interrupted)]
    (outcome future))
  (setv error raised.type)
  (holds [error.__name__ error.__module__] ["Interrupted" "dpfw.errors"])
  (holds [(issubclass error Exception) (issubclass error DpfwError)] [False False]))

(defn test-nobody-is-interrupted-before-or-after []
  (setv go (threading.Event)
        ran (threading.Event)
        end (threading.Event))
  (defn body [guard]
    (assert (.wait go WAIT))
    (setv results [(.run guard (fn [] "first"))])
    (.set ran)
    (assert (.wait end WAIT))
    (.append results (.run guard (fn [] (sum (range 10000)) "second")))
    results)
  (setv [future guard] (guarding body))
  (.interrupt guard)
  (.set go)
  (assert (.wait ran WAIT))
  (.interrupt guard)
  (.set end)
  (holds (finished future) ["first" "second"]))

(defn test-what-was-swallowed-is-not-raised-again []
  (setv started (threading.Event)
        swallowed (threading.Event)
        again (threading.Event))
  (defn procedure [guard]
    (try
      (spin started)
      (except [Interrupted]
        (.set swallowed)))
    (assert (.wait again WAIT))
    (sum (gfor  n (range 10000)  n))
    ; Nor is it taken for one that a shield has held back.
    (with [_ guard])
    "finished")
  (setv [future guard] (guarding (fn [guard] (.run guard procedure guard))))
  (assert (.wait started WAIT))
  (.interrupt guard)
  (assert (.wait swallowed WAIT))
  (.interrupt guard)
  (.set again)
  (holds (finished future) "finished"))

(defn dies-and-goes-on [guard struck]
  "An interrupt strikes a finaliser first, in which nothing can be raised."
  (defclass Dying []
    (defn __del__ [self]
      (spin struck)))
  (Dying)
  (assert guard.lost)
  (with [_ guard])
  (spin))

(defn test-what-struck-a-finaliser-is-sent-again [capsys]
  (setv started (threading.Event)
        [future guard] (guarding (fn [guard] (.run guard dies-and-goes-on guard started))))
  (assert (.wait started WAIT))
  (.interrupt guard)
  (until (fn [] (.remind guard) (.done future)))
  (interrupted future)
  ; Python has told nobody of what is not over.
  (holds (tuple (.readouterr capsys)) #("" "")))

(defn test-a-remote-may-have-a-hook-of-its-own [monkeypatch]
  (setv started (threading.Event))
  (monkeypatch.setattr sys "unraisablehook" sys.unraisablehook)  ; and it is put back
  (defn procedure [guard]
    (setv sys.unraisablehook print)
    (dies-and-goes-on guard started))
  (setv [future guard] (guarding (fn [guard] (.run guard procedure guard))))
  (assert (.wait started WAIT))
  (.interrupt guard)
  (until (fn [] (.remind guard) (.done future)))
  (interrupted future))

(defn test-another-error-in-a-finaliser-is-shown-as-ever [monkeypatch]
  (setv shown [])
  (monkeypatch.setattr sys "unraisablehook" (fn [what] (.append shown (str what.exc-value))))
  (defclass Dying []
    (defn __del__ [self]
      (raise (ValueError "on purpose"))))
  (setv [future _] (guarding (fn [guard] (.run guard (fn [] (Dying) 5)))))
  (holds [(finished future) shown] [5 ["on purpose"]]))

(defn test-hooks-that-come-and-go-do-not-pile-up [monkeypatch]
  (setv shown [])
  (monkeypatch.setattr sys "unraisablehook" (fn [what] (.append shown (str what.exc-value))))
  (defclass Dying []
    (defn __del__ [self]
      (raise (ValueError "on purpose"))))
  (setv guard (Guard))
  (.run guard int)
  ; More than Python calls within one another.
  (for [_ (range 2000)]
    (setv found sys.unraisablehook
          sys.unraisablehook print)
    (.run guard int)
    (setv sys.unraisablehook found)
    (.run guard int))
  (Dying)
  (holds shown ["on purpose"]))

(defn test-each-run-can-be-interrupted []
  (setv started (threading.Event))
  (defn body [guard]
    (lfor  _ (range 20)
      (do
        (.clear started)
        (try
          (.run guard spin started)
          (except [Interrupted]
            "interrupted")))))
  (setv [future guard] (guarding body))
  (while (not (.done future))
    (when (.wait started 0.01)
      (.interrupt guard)))
  (holds (finished future) (* ["interrupted"] 20)))

(defn test-a-call-that-waits-in-c-is-interrupted-when-it-returns []
  (setv waiting (threading.Event)
        go (threading.Event)
        after [])
  (defn procedure []
    (.set waiting)
    (.wait go WAIT)
    (spin)
    (.append after True))
  (setv [future guard] (guarding (fn [guard] (.run guard procedure))))
  (assert (.wait waiting WAIT))
  (.interrupt guard)
  (.set go)
  (interrupted future)
  (holds after []))


;; * The shield

(defn shielded [use]
  "Run ``(use guard log inside go)``; interrupt when it says that it is inside,
  let it go on, and return what it logged until it was interrupted."
  (setv inside (threading.Event)
        go (threading.Event)
        log [])
  (setv [future guard] (guarding (fn [guard] (.run guard use guard log inside go))))
  (assert (.wait inside WAIT))
  (.interrupt guard)
  (.set go)
  (interrupted future)
  log)

(defn test-an-interrupt-is-held-back-until-the-end-of-the-shield []
  (holds
    (shielded (fn [guard log inside go]
      (with [_ guard]
        (.set inside)
        (.wait go WAIT)
        (sum (gfor  n (range 10000)  n))
        (.append log "sent whole"))
      (.append log "not here")))
    ["sent whole"]))

(defn test-shields-within-shields []
  (holds
    (shielded (fn [guard log inside go]
      (with [_ guard]
        (with [_ guard]
          (.set inside)
          (.wait go WAIT)
          (.append log "inner"))
        (.append log "between")
        (with [_ guard]
          (.append log "inner again"))
        (.append log "outer"))
      (.append log "not here")))
    ["inner" "between" "inner again" "outer"]))

(defn test-an-interrupt-is-held-back-when-the-shield-ends-with-an-error []
  "It is raised all the same, and the error can be seen."
  (setv inside (threading.Event)
        go (threading.Event))
  (defn use [guard]
    (with [_ guard]
      (.set inside)
      (.wait go WAIT)
      (raise (ValueError "on purpose"))))
  (setv [future guard] (guarding (fn [guard]
    (.run guard (fn []
      (try
        (use guard)
        (except [ValueError]))
      (spin))))))
  (assert (.wait inside WAIT))
  (.interrupt guard)
  (.set go)
  (interrupted future))

(defn test-without-an-interrupt-a-shield-does-nothing []
  (defn procedure [guard]
    (for [_ (range 100)]
      (with [_ guard]
        (with [_ guard])))
    (with [_ guard]
      (raise (ValueError "on purpose"))))
  (setv [future _] (guarding (fn [guard] (.run guard procedure guard))))
  (with [_ (pytest.raises ValueError)]
    (outcome future)))

(defn test-after-a-shield-it-is-raised-at-once []
  (setv started (threading.Event))
  (defn procedure [guard]
    (with [_ guard])
    (spin started))
  (setv [future guard] (guarding (fn [guard] (.run guard procedure guard))))
  (assert (.wait started WAIT))
  (.interrupt guard)
  (interrupted future))

(defn test-an-interrupt-of-a-shield-is-not-of-the-next-run []
  "The shield was still up when the run ended: a frame of its last word, say."
  (setv inside (threading.Event)
        go (threading.Event))
  (defn procedure [guard]
    (.__enter__ guard)
    (.set inside)
    (.wait go WAIT)
    "finished")
  (defn body [guard]
    [(.run guard procedure guard)
     (.run guard (fn [] (with [_ guard]) (sum (range 10000)) "next"))])
  (setv [future guard] (guarding body))
  (assert (.wait inside WAIT))
  (.interrupt guard)
  (.set go)
  (holds (finished future) ["finished" "next"]))


;; * Races

(setv
  ENOUGH 10  ; runs interrupted, to have tried it
  MORE 50)   ; times the runs, at most: how the threads take turns is the system's affair

(defn race [guard work runs]
  "Run ``work`` so often, and more often until ENOUGH runs were interrupted, while
  another thread interrupts at random moments. Returns how many runs were
  interrupted, and how often something leaked out."
  (setv caught 0
        leaked 0
        over (threading.Event)
        moments (random.Random 1))
  (defn interrupt []
    (while (not (.is-set over))
      (for [_ (range (.randrange moments 60))])
      (.interrupt guard)))
  (setv interrupting (begin interrupt)
        interval (sys.getswitchinterval))
  (sys.setswitchinterval 1e-5)
  (try
    (for [n (range (* MORE runs))]
      (when (and (>= n runs) (>= caught ENOUGH))
        (break))
      (setv returned False)
      (try
        (.run guard work n)
        (setv returned True)
        (time.sleep 0)
        (except [Interrupted]
          (if returned
            (+= leaked 1)
            (+= caught 1)))))
    (finally
      (.set over)
      (sys.setswitchinterval interval)))
  (try
    (outcome interrupting)
    (for [_ (range 10000)])
    (except [Interrupted]
      (+= leaked 1)))
  #(caught leaked))

(defn work [n]
  "Gives the other thread its turn, and ends some time after that."
  (time.sleep 0)
  (for [_ (range (% (* n 7) 50))]))

(defn test-nothing-leaks-out-of-a-run []
  (setv [future _] (guarding (fn [guard] (race guard work 2000)))
        [caught leaked] (finished future))
  (holds leaked 0)
  ; Else it has not been tried.
  (assert (>= caught ENOUGH) f"only {caught} runs were interrupted"))

(defn test-nothing-leaks-out-of-a-run-with-shields []
  "Nor into a shield."
  (setv torn [])
  (defn shielding [guard n]
    (for [_ (range (% n 4))]
      (setv whole 0)
      (try
        (with [_ guard]
          (setv whole 1)
          (time.sleep 0)
          (setv whole 2))
        (finally
          (when (= whole 1)
            (.append torn n))))))
  (setv [future _] (guarding (fn [guard] (race guard (fn [n] (shielding guard n)) 2000)))
        [caught leaked] (finished future))
  (holds [leaked torn] [0 []])
  (assert (>= caught ENOUGH) f"only {caught} runs were interrupted"))

(defn test-a-guard-is-of-use-after-all-that []
  (setv started (threading.Event))
  (defn body [guard]
    (race guard work 500)
    (.run guard spin started))
  (setv [future guard] (guarding body))
  (assert (.wait started WAIT))
  (.interrupt guard)
  (interrupted future))


;; * In the main thread

(defn in-main [scenario]
  "Call a function below in the main thread of another process."
  (setv done (subprocess.run
    [sys.executable "-c" f"import hy, tests.net.test_interrupt as t; t.{(hy.mangle scenario)}(); print('fine')"]
    :env {#** os.environ  "PYTHONPATH" (str ROOT)}
    :capture-output True :text True :timeout (* 3 WAIT)))
  (assert (= #(done.returncode done.stdout) #(0 "fine\n")) done.stderr))

(defn main-wait-is-interrupted []
  (setv guard (Guard)
        start (time.monotonic)
        started (threading.Event))
  (defn procedure []
    (.set started)
    (time.sleep (* 2 WAIT)))
  (with [_ (.on-duty guard)]
    (begin (fn []
      (.wait started WAIT)
      (.interrupt guard)
      ; What comes just before a wait does not wake.
      (until (fn [] (.remind guard) (not guard.running)))))
    (with [_ (pytest.raises Interrupted)]
      (.run guard procedure)))
  (setv took (- (time.monotonic) start))
  (assert (< took WAIT) f"it took {took} s"))

(defn test-a-wait-in-c-is-interrupted-in-the-main-thread []
  (in-main "main-wait-is-interrupted"))

(defn main-is-reminded []
  (setv guard (Guard)
        started (threading.Event)
        kill signal.pthread-kill
        lost [])
  (defn procedure []
    (.set started)
    (time.sleep (* 2 WAIT)))
  (defn interrupt []
    (.wait started WAIT)
    ; What comes just before a wait does not wake.
    (setv signal.pthread-kill (fn [#* arguments] (.append lost arguments)))
    (.interrupt guard)
    (.interrupt guard)
    (setv signal.pthread-kill kill)
    ; That, too, may come just before the wait.
    (until (fn [] (.remind guard) guard.raised)))
  (with [_ (.on-duty guard)]
    (setv reminder (begin interrupt))
    (with [_ (pytest.raises Interrupted)]
      (.run guard procedure))
    (.result reminder WAIT)
    (assert (= (len lost) 1) lost)
    ; Nobody is interrupted twice, or without being asked.
    (.remind guard)
    (assert (= (.run guard (fn [] (.remind guard) 5)) 5))))

(defn test-a-signal-that-does-not-wake-the-main-thread-is-sent-again []
  (in-main "main-is-reminded"))

(defn main-dies-and-goes-on []
  (setv guard (Guard)
        struck (threading.Event))
  (defn interrupt []
    (.wait struck WAIT)
    (.interrupt guard)
    (until (fn [] (.remind guard) (not guard.running))))
  (with [_ (.on-duty guard)]
    (setv interrupting (begin interrupt))
    (with [_ (pytest.raises Interrupted)]
      (.run guard dies-and-goes-on guard struck))
    (.result interrupting WAIT)))

(defn test-what-struck-a-finaliser-in-the-main-thread-is-sent-again []
  (in-main "main-dies-and-goes-on"))

(defn main-shields []
  (setv guard (Guard)
        log [])
  (defn procedure []
    (with [_ guard]
      (with [_ guard]
        (outcome (begin guard.interrupt))
        ; Another one from somebody else does not break the shield.
        (os.kill (os.getpid) SIGNAL)
        (time.sleep 0.01)
        (.append log "inner"))
      (.append log "outer"))
    (.append log "not here"))
  (defn swallows []
    (with [_ (pytest.raises Interrupted)]
      (outcome (begin guard.interrupt))
      (spin))
    (outcome (begin guard.interrupt))
    (time.sleep 0.01)
    "finished")
  (with [_ (.on-duty guard)]
    (with [_ (pytest.raises Interrupted)]
      (.run guard procedure))
    (holds log ["inner" "outer"])
    (holds (.run guard swallows) "finished")
    (outcome (begin guard.interrupt))
    (holds (.run guard (fn [] (time.sleep 0.01) "next")) "next")))

(defn test-shields-hold-in-the-main-thread []
  (in-main "main-shields"))

(defn main-races []
  (setv guard (Guard)
        torn [])
  (defn shielding [n]
    (setv whole 0)
    (try
      (with [_ guard]
        (setv whole 1)
        (time.sleep 0)
        (setv whole 2))
      (finally
        (when (= whole 1)
          (.append torn n)))))
  (with [_ (.on-duty guard)]
    (for [procedure [work shielding]]
      (setv [caught leaked] (race guard procedure 2000))
      (holds leaked 0)
      (assert (>= caught ENOUGH) f"only {caught} runs were interrupted")))
  (holds torn []))

(defn test-nothing-leaks-out-of-a-run-in-the-main-thread []
  (in-main "main-races"))

(defn main-handler []
  (setv guard (Guard)
        before (signal.getsignal SIGNAL)
        seen [])
  (with [_ (.on-duty guard)]
    (assert (!= (signal.getsignal SIGNAL) before))
    ; One from somebody else interrupts nothing.
    (.run guard (fn [] (os.kill (os.getpid) SIGNAL) (time.sleep 0.01))))
  (holds (signal.getsignal SIGNAL) before)
  (with [given (handling signal.SIGUSR1 (fn [#* _] (.append seen 1)))]
    (holds given signal.SIG-DFL)
    (with [_ (handling signal.SIGUSR1 (fn [#* _] (.append seen 2)))]
      (signal.raise-signal signal.SIGUSR1))
    (signal.raise-signal signal.SIGUSR1))
  (holds seen [2 1])
  (holds (signal.getsignal signal.SIGUSR1) signal.SIG-DFL))

(defn test-handlers-are-put-back []
  (in-main "main-handler"))

(defn test-what-runs-in-the-middle-of-a-shield-may-be-shielded-itself []
  "As a finaliser that prints."
  (setv guard (Guard))
  (defn procedure []
    (with [_ guard.lock]
      (with [_ guard]
        guard.shields)))
  (holds (outcome (begin (fn [] (.run guard procedure)))) 1)
  (holds guard.shields 0))
