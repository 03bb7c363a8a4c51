"A step holds back every signal whose handler may raise, and leaves all handlers as the
user has them."

(import
  os
  pathlib [Path]
  signal
  subprocess
  sys
  pytest
  dpfw.net [interrupt]
  dpfw.net.interrupt [Whole handling]
  tests.helpers [begin holds outcome WAIT])

(eval-when-compile (require hyrule.control [unless]))

(setv ROOT (. (Path __file__) parent parent parent))

(defclass Late [Exception])

(defn late [#* _]
  (raise (Late)))


(defn [(pytest.mark.parametrize "name" ["SIGTERM" "SIGALRM" "SIGHUP" "SIGQUIT" "SIGUSR1" "SIGUSR2"])]
  test-it-strikes-at-the-end-of-a-step [name]
  (setv number (getattr signal name)
        did [])
  (with [_ (handling number late)]
    (with [_ (pytest.raises Late)]
      (with [_ (Whole)]
        (.append did 1)
        (signal.raise-signal number)
        (.append did 2))
      (.append did 3))
    (holds did [1 2])
    (holds (signal.getsignal number) late)
    (holds (signal.getsignal signal.SIGINT) signal.default-int-handler)))

(defn test-it-is-let-in []
  (setv did [])
  (with [_ (handling signal.SIGTERM late)]
    (with [_ (pytest.raises Late)]
      (with [step (Whole)]
        (.let-in step signal.raise-signal signal.SIGTERM)
        (.append did 1)))
    (with [_ (pytest.raises Late)]
      (with [step (Whole)]
        (signal.raise-signal signal.SIGTERM)
        (.let-in step did.append 1)))
    (holds did [])))

(defn test-they-strike-in-the-order-in-which-they-came []
  "Whatever those before them raise."
  (setv seen [])
  (defn note [number frame]
    (.append seen number)
    (when (= number signal.SIGUSR2)
      (late)))
  (with [_ (handling signal.SIGUSR1 note)  _ (handling signal.SIGUSR2 note)  _ (handling signal.SIGTERM note)]
    (with [_ (pytest.raises Late)]
      (with [_ (Whole)]
        (for [number [signal.SIGUSR2 signal.SIGTERM signal.SIGUSR1]]
          (signal.raise-signal number))
        (holds seen [])))
    (holds seen [signal.SIGUSR2 signal.SIGTERM signal.SIGUSR1])))

(defn test-one-that-strikes-where-a-step-begins-leaves-the-handlers-as-they-were [monkeypatch]
  (setv times 0)
  (defn striking [number handler]
    (nonlocal times)
    (+= times 1)
    (when (= times 2)
      (late))
    (real number handler))
  (setv real interrupt.set-handler)
  (with [_ (handling signal.SIGTERM late)]
    (.setattr monkeypatch interrupt "set_handler" striking)
    (with [_ (pytest.raises Late)]
      (with [_ (Whole)]))
    (holds (signal.getsignal signal.SIGINT) signal.default-int-handler)
    (holds (signal.getsignal signal.SIGTERM) late)))

(defn test-one-that-strikes-where-a-step-ends-leaves-them-too [monkeypatch]
  (setv times 0)
  (defn striking [number handler]
    (nonlocal times)
    (+= times 1)
    (when (= times 4)
      (late))
    (real number handler))
  (setv real interrupt.set-handler)
  (with [_ (handling signal.SIGTERM late)]
    (.setattr monkeypatch interrupt "set_handler" striking)
    (with [_ (pytest.raises Late)]
      (with [_ (Whole)]))
    (holds (signal.getsignal signal.SIGINT) signal.default-int-handler)
    (holds (signal.getsignal signal.SIGTERM) late)))

(defn test-what-a-handler-sets-stays []
  "Many a program gives a second Ctrl-C back to the system."
  (defn first [#* _]
    (signal.signal signal.SIGINT signal.SIG-DFL))
  (for [others [signal.SIG-DFL late]]
    (with [_ (handling signal.SIGTERM others)]
      (with [_ (handling signal.SIGINT first)]
        (with [step (Whole)]
          (.let-in step signal.raise-signal signal.SIGINT))
        (holds (signal.getsignal signal.SIGINT) signal.SIG-DFL))
      (with [_ (handling signal.SIGINT first)]
        (with [_ (Whole)]
          (signal.raise-signal signal.SIGINT))
        (holds (signal.getsignal signal.SIGINT) signal.SIG-DFL)))))

(defn test-what-a-handler-sets-is-held-back-as-well []
  (setv did [])
  (defn first [#* _]
    (signal.signal signal.SIGINT late))
  (with [_ (handling signal.SIGINT first)]
    (with [_ (pytest.raises Late)]
      (with [step (Whole)]
        (.let-in step signal.raise-signal signal.SIGINT)
        (signal.raise-signal signal.SIGINT)
        (.append did 1))
      (.append did 2))
    (holds did [1])
    (holds (signal.getsignal signal.SIGINT) late)))

(defn fork-in-a-thread []
  (defn fork []
    (setv child (os.fork))
    (unless child
      (try
        (try
          (signal.raise-signal signal.SIGINT)
          (except [KeyboardInterrupt]
            (try
              (signal.raise-signal signal.SIGTERM)
              (except [Late]
                (os._exit (if (= (signal.getsignal signal.SIGTERM) late) 5 4))))))
        (finally
          (os._exit 3))))
    (os.waitstatus-to-exitcode (get (os.waitpid child 0) 1)))
  (with [_ (handling signal.SIGTERM late)  _ (Whole)  _ (Whole)]
    (holds (outcome (begin fork)) 5)))

(defn test-a-child-that-another-thread-forks-is-in-no-step []
  (setv done (subprocess.run
    [sys.executable "-W" "ignore" "-c"
      "import hy, tests.net.test_held_signals as t; t.fork_in_a_thread(); print('fine')"]
    :env {#** os.environ  "PYTHONPATH" (str ROOT)}
    :capture-output True :text True :timeout WAIT))
  (assert (= #(done.returncode done.stdout) #(0 "fine\n")) done.stderr))
