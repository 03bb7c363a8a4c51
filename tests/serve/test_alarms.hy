"A remote's own signals, whose handlers raise, cost it no session and no byte."

(import
  signal
  pytest
  dpfw.master [read write]
  dpfw.net.interrupt [Guard handling]
  dpfw.serve.streams [Shield]
  tests.helpers [holds]
  tests.processes [launched run-task])

(defn test-an-alarm-in-the-middle-of-a-frame-strikes-when-that-is-sent []
  (with [[master _] (launched 1)]
    (holds
      (run-task master
        '(fn [i o]
           (import signal)
           (setv connection o.raw.connection
                 sock connection.sock)
           (defclass Late [Exception])
           (defclass Striking []
             (defn __getattr__ [self name]
               (getattr sock name))
             (defn sendall [self data]
               (signal.raise-signal signal.SIGALRM)
               (.sendall sock data)))
           (defn strike [#* _]
             (raise (Late)))
           (signal.signal signal.SIGALRM strike)
           (setv connection.sock (Striking))
           (try
             (.write o "once\n")
             (.flush o)
             (except [Late]
               "late")
             (finally
               (setv connection.sock sock)
               (signal.signal signal.SIGALRM signal.SIG-DFL))))
        (fn [i o] (list i)))
      ["once\n" "\"late\"\n"])))

(defn test-an-alarm-ends-the-wait-for-input-and-no-more []
  "Also one that raises a `TimeoutError`, which is an `OSError` as those of sockets are."
  (with [[master _] (launched 1)]
    (holds
      (run-task master
        '(fn [i o]
           (import signal)
           (defn strike [#* _]
             (raise (TimeoutError)))
           (signal.signal signal.SIGALRM strike)
           (signal.setitimer signal.ITIMER-REAL 0.01)
           (try
             (read i)
             (except [TimeoutError]
               (write "late" o)
               (.flush o)
               (read i))
             (finally
               (signal.signal signal.SIGALRM signal.SIG-DFL))))
        (fn [i o]
          (setv said (read i))
          (write 5 o)
          (.flush o)
          [said (read i)]))
      ["late" 5])))

(defn test-what-ends-the-process-strikes-in-a-shield-at-once []
  "A frame that a master does not read is never whole."
  (setv shield (Shield (Guard))
        did [])
  (defclass Late [Exception])
  (defn late [#* _]
    (raise (Late)))
  (defn end [#* _]
    (raise (SystemExit 0)))
  (.append shield.spared end)
  (with [_ (handling signal.SIGTERM end)  _ (handling signal.SIGALRM late)]
    (with [_ (pytest.raises SystemExit)]
      (with [_ shield]
        (signal.raise-signal signal.SIGTERM)
        (.append did 1)))
    (with [_ (pytest.raises Late)]
      (with [_ shield]
        (signal.raise-signal signal.SIGALRM)
        (.append did 2)))
    (holds did [2])))
