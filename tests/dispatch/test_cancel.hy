"Timeout, cancel and kill: the promise ends at once, whatever the remote does, and
the slave serves the next task as soon as the remote has stopped."

(import
  concurrent [futures]
  concurrent.futures [CancelledError]
  contextlib [contextmanager]
  threading
  time
  pytest
  dpfw.dispatch [network]
  dpfw.master [Master]
  dpfw.errors [RemoteError SlaveLost TaskTimeout]
  dpfw.task.ports [read read-result write]
  tests.helpers [until]
  tests.processes [await-so error-of launched run-task slave-server WAIT])

(setv
  PROMPT 5  ; seconds that the end of a promise may take. It takes none, but
            ; other things may run on this machine.
  QUIET ["--log-level" "error"]
  ON-MAIN '(do (import threading)
    (fn [i o] (is (threading.current-thread) (threading.main-thread)))))

(defn [(pytest.fixture :scope "module")] server []
  (with [server (slave-server #* QUIET)]
    (yield server)))

(defn [contextmanager] connected [server]
  (with [master (Master)]
    (.connect master #* (cut server 1 None))
    (yield master)))

(defn [contextmanager] on-main-thread [server]
  "A master whose remotes run in the slave's main thread. It is free as soon as
  the slave has seen that the master before is gone."
  (setv deadline (+ (time.monotonic) WAIT)
        found False)
  (while (not found)
    (assert (< (time.monotonic) deadline))
    (with [master (connected server)]
      (when (run-task master ON-MAIN)
        (setv found True)
        (yield master)))))

(defn [contextmanager] in-another-thread [server]
  (with [first (on-main-thread server)
         master (connected server)]
    (assert (is (run-task master ON-MAIN) False))
    (yield master)))

(defn started-then [#* forms]
  `(fn [i o]
    (write "started" o)
    (.flush o)
    ~@forms))

(defn waits-for-the-result [i o]
  (read-result i o))

(defn writes-without-end [i o]
  (while True
    (.write o (* "more" 10000))))

(defn does-not-look [i o]
  (.wait i.let-go WAIT))

(setv REMOTES {
  "a loop"
    #((started-then '(while True (abs 1))) waits-for-the-result)
  "a read of what never comes"
    #((started-then '(.readline i)) waits-for-the-result)
  "output that nobody reads"
    #((started-then '(while True (print "on and on" :file o))) does-not-look)
  "output without end"
    #((started-then '(while True (print "on and on" :file o)))
      (fn [i o] (while True (.readline i))))
  "input that it reads on and on"
    #((started-then '(for [_ i])) writes-without-end)
  "input that it does not read"  ; far more than 4 MiB
    #((started-then '(while True (abs 1))) writes-without-end)
  "a finaliser, in which nothing can be raised"
    #((started-then
        '(defclass Dying [] (defn __del__ [self] (while True (abs 1))))
        '(Dying)
        '(.readline i))
      waits-for-the-result)
  "an interrupt that it swallows, to end"
    #((started-then
        '(try
          (setv n 0)
          (while True (+= n 1))
          (except [BaseException] "so what")))
      waits-for-the-result)
  "an interrupt that it swallows, to go on"
    #((started-then
        '(import time)
        '(try
          (setv n 0)
          (while True (+= n 1))
          (except [BaseException]))
        '(setv end (+ (time.monotonic) 0.5))
        '(while (< (time.monotonic) end)))
      waits-for-the-result)})

(setv ON-MAIN-ONLY {
  "a sleep"
    #((started-then '(import time) '(time.sleep 1000)) waits-for-the-result)
  "a wait for an event"
    #((started-then '(import threading) '(.wait (threading.Event))) waits-for-the-result)
  "a wait for a process"
    #((started-then '(import subprocess) '(subprocess.run ["sleep" "1000"])) waits-for-the-result)})

(defn time-is-over [master promise]
  "As its timer does, when the test knows how far the task is."
  (.expire master.network promise.task promise.task.session))

(defn stops [server thread remote local how]
  "Stop a task, and see how its promise ends; then run the next on that slave."
  (with [master (thread server)]
    (setv [slave] (.slaves master)
          started (threading.Event)
          let-go (threading.Event))
    (defn procedure [i o]
      (read i)
      (.set started)
      (setv i.let-go let-go)
      (local i o))
    (setv promise (.make-task master remote procedure slave :timeout WAIT))
    (assert (.wait started WAIT))
    (setv start (time.monotonic))
    (if (= how "cancel")
      (assert (.cancel promise))
      (time-is-over master promise))
    (setv error (try
      (.result promise WAIT)
      (except [e [Exception CancelledError]] e))
          took (- (time.monotonic) start))
    (assert (isinstance error (get {"timeout" TaskTimeout  "cancel" CancelledError} how))
      (repr error))
    (assert (< took PROMPT) took)
    (.set let-go)
    (serves-again master slave)))

(defn serves-again [master slave]
  "The slave serves the next task; if its connection had to be given up, after it
  was dialled again."
  (setv promise (.make-task master '(fn [i o] "next") read-result slave)
        error (.exception promise WAIT))
  (when (isinstance error SlaveLost)
    (await-so master (fn [] (not slave.lost)))
    (setv promise (.make-task master '(fn [i o] "next") read-result slave)))
  (assert (= (.result promise WAIT) "next")))

(defn [(pytest.mark.parametrize "remote" REMOTES)
       (pytest.mark.parametrize "thread" [on-main-thread in-another-thread])
       (pytest.mark.parametrize "how" ["timeout" "cancel"])]
  test-a-remote-is-stopped [server thread remote how]
  (stops server thread #* (get REMOTES remote) how))

(defn [(pytest.mark.parametrize "remote" ON-MAIN-ONLY)
       (pytest.mark.parametrize "how" ["timeout" "cancel"])]
  test-what-blocks-on-the-main-thread-is-stopped [server remote how]
  (stops server on-main-thread #* (get ON-MAIN-ONLY remote) how))

(defn [(pytest.mark.parametrize "how" ["timeout" "cancel"])]
  test-what-blocks-in-another-thread-stops-when-it-returns [server how]
  (stops server in-another-thread
    (started-then '(import time) '(time.sleep 0.7) '(while True (abs 1)))
    waits-for-the-result how))

(defn [(pytest.mark.parametrize "thread" [on-main-thread in-another-thread])]
  test-a-remote-hears-of-it-and-may-clean-up [server thread]
  (with [master (thread server)]
    (for [n (range 3)]  ; each time, that is
      (setv started (threading.Event))
      (defn local [i o]
        (read i)
        (.set started)
        (read i))
      (setv promise (.make-task master
        `(fn [i o]
          (try
            (write "started" o)
            (.flush o)
            (setv n 0)
            (while True (+= n 1))
            (except [e KeyboardInterrupt]
              (setv (get (dpfw-slave-ht) "heard") (. (type e) __name__)))
            (finally
              (setv (get (dpfw-slave-ht) "cleaned up") ~n))))
        local :timeout WAIT))
      (assert (.wait started WAIT))
      (time-is-over master promise)
      (setv error (.exception promise WAIT))
      (assert (isinstance error TaskTimeout) (repr error))
      (setv got (run-task master
        '(fn [i o] [(.pop (dpfw-slave-ht) "heard") (.pop (dpfw-slave-ht) "cleaned up")])))
      (assert (= got ["Interrupted" n]) got))))

(defn test-the-local-procedure-hears-of-it [server]
  (with [master (connected server)]
    (setv heard []
          started (threading.Event)
          ended (threading.Event))
    (defn local [i o]
      (try
        (read i)
        (.set started)
        (read i)
        (except [e BaseException]
          (.append heard e))
        (finally
          (.set ended))))
    (setv promise (.make-task master (started-then '(while True (abs 1))) local :timeout WAIT))
    (assert (.wait started WAIT))
    (time-is-over master promise)
    (setv error (.exception promise WAIT))
    (assert (isinstance error TaskTimeout) (repr error))
    (assert (.wait ended WAIT))
    (setv [e] heard)
    (assert (isinstance e RemoteError) (repr e))
    (assert (= e.type-name "dpfw.errors.Interrupted") e.type-name)))

(defn [(pytest.mark.parametrize "thread" [on-main-thread in-another-thread])]
  test-a-late-cancel-strikes-no-other-task [server thread]
  "Those that are stopped just as they end, one after the other."
  (with [master (thread server)]
    (for [n (range 300)]
      (setv doomed (.make-task master '(fn [i o] 1) read-result)
            next (.make-task master `(fn [i o] ~n) read-result))
      (.cancel doomed)
      (assert (= (.result next WAIT) n)))))

(defn test-a-timeout-counts-from-the-beginning-of-the-task [server]
  "Not from the moment when it was put in line."
  (with [master (connected server)]
    (setv let-go (threading.Event)
          first (.make-task master '(fn [i o] 1) (fn [i o] (.wait let-go WAIT) (read i)))
          second (.make-task master '(fn [i o] 2) read-result :timeout 0.5))
    (assert (isinstance (error-of second.result 0.7) futures.TimeoutError))
    (assert (not (.done second)) second)
    (setv second.task.timeout WAIT)
    (.set let-go)
    (assert (= (.result second WAIT) 2))
    (assert (= (.result first WAIT) 1))))


;; What does not stop

(defn [(pytest.mark.parametrize "megabytes" [6 64])]
  test-a-connection-that-is-full-is-given-up [server megabytes monkeypatch]
  ; The local procedure has written more than the slave looks ahead, and the remote
  ; reads none of it. So the cancel is not seen, or cannot even be sent. After some
  ; seconds the connection is closed, which the slave notices, and dialled again.
  (.setattr monkeypatch network "STOP_GRACE" 1)
  (with [master (connected server)]
    (setv [slave] (.slaves master)
          old slave.session.connection
          start (time.monotonic)
          error (error-of run-task master
            `(fn [i o]
              (try
                (setv n 0)
                (while True (+= n 1))
                (except [KeyboardInterrupt]
                  (hash-table-set! (dpfw-slave-ht) "stopped" ~megabytes))))
            (fn [i o] (.write o.buffer (bytes (* megabytes 1024 1024))) (read i))
            :slave slave :timeout 1.5))
    (assert (isinstance error TaskTimeout) (repr error))
    (assert (< (- (time.monotonic) start) (+ 1.5 PROMPT)))
    (serves-again master slave)
    (assert (is-not slave.session.connection old) "the test is wrong: the cancel got through")
    ; It has heard of the end, although its end of the connection is full.
    (until (fn []
      (= (run-task master '(fn [i o] (hash-table-ref/default (dpfw-slave-ht) "stopped" None))) megabytes)))
    ; TCP itself would take 30 seconds to lose its patience.
    (assert (< (- (time.monotonic) start) (+ 1.5 1 (* 2 PROMPT))))))

(setv GRIP "(do
  (import re)
  (fn [i o]
    (write \"started\" o)
    (.flush o)
    ; Takes years, and holds the interpreter all the while.
    (re.match \"(a+)+b\" (* \"a\" 60))))")

(defn holds-the-interpreter [master slave]
  "A promise that has timed out, of a remote in C code that never returns."
  (setv promise (.make-task master GRIP read-result slave :timeout 0.3)
        error (.exception promise WAIT))
  (assert (isinstance error TaskTimeout) (repr error)))

(defn test-kill-ends-a-launched-slave-in-c-code-that-never-returns []
  (with [[master [slave other]] (launched 2)]
    (holds-the-interpreter master slave)
    (setv behind (.make-task master '(fn [i o] 1) read-result slave))
    (.kill master slave)
    (assert (isinstance (.exception behind WAIT) SlaveLost) behind)
    (assert (= (.wait slave.process WAIT) -9))
    (assert (= (run-task master '(fn [i o] 1)) 1))
    (assert (= (.slaves master) [other]))))

(defn test-kill-lets-go-of-any-other-slave-in-c-code-that-never-returns []
  ; It cannot hear the order. But nobody waits for it any longer.
  (with [[process host port] (slave-server #* QUIET)
         master (Master)]
    (setv slave (.connect master host port)
          started (threading.Event)
          promise (.make-task master GRIP
            (fn [i o] (read i) (.set started) (read i)) slave)
          behind (.make-task master '(fn [i o] 1) read-result slave))
    (assert (.wait started WAIT))
    (setv start (time.monotonic))
    (.kill master slave)
    (for [p [promise behind]]
      (assert (isinstance (.exception p WAIT) SlaveLost) p))
    (assert (< (- (time.monotonic) start) (+ 2 PROMPT)))
    (assert (is (.poll process) None))))

(defn test-killing-a-slave-that-is-gone-does-nothing []
  (with [[master [slave]] (launched 1)]
    (.kill master slave)
    (assert (= (.wait slave.process WAIT) -9))
    (await-so master (fn [] slave.lost))
    (.kill master slave))
  (with [[process host port] (slave-server #* QUIET)
         master (Master)]
    (setv slave (.connect master host port))
    ; A REPL shows what is returned.
    (assert (is (.kill master slave) None))
    (assert (= (.wait process WAIT) -9))
    (await-so master (fn [] slave.lost))
    (assert (is (.kill master slave) None))))
