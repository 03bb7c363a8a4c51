"Not one promise lost: each of these once was, or its caller waited for ever, or got
what was not its own. They use what users call, and no more."

(import
  asyncio
  concurrent.futures [CancelledError]
  os
  signal
  socket
  subprocess
  sys
  threading
  pytest
  dpfw.errors [MasterClosed RemoteError SlaveLost TaskTimeout]
  dpfw.launch [dpfw-launch]
  dpfw.master [Master force read read-result write]
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.interrupt [handling]
  dpfw.net.addresses [format-address]
  dpfw.net.wire [Connection]
  tests.helpers [begin holds outcome until]
  tests.processes [WAIT error-of false-slave launched run-task slave-process slave-server
    stopped])

(eval-when-compile (require hyrule.control [unless]))

(setv
  PID '(fn [i o] (import os) (os.getpid))
  FOR-EVER '(fn [i o] (import time) (while True (time.sleep 0.01)))
  QUIET ["--log-level" "error"])

(defn [(pytest.fixture :scope "module")] two []
  (with [[master _] (launched 2)]
    (yield master)))

(defn held [path]
  "A remote that opens a named pipe, and so runs until its other end is opened."
  `(fn [i o] (with [gate (open ~(str path))] (.read gate)) "let go"))

(defn [pytest.fixture] gate [tmp-path]
  (setv path (/ tmp-path "gate"))
  (os.mkfifo path)
  path)

(defn wait-for-opening [path]
  "The other end of a named pipe, when a remote has opened it to read."
  (open path "w"))


;; Leaving

(defn test-close-ends-a-task-that-might-run-again [gate]
  (with [[master [slave]] (launched 1)]
    (setv promise (.make-task master (held gate) read-result :retries 3)
          opened (wait-for-opening gate))
    (.close master)
    (.close opened)
    (assert (isinstance (.exception promise WAIT) MasterClosed) (.exception promise))))

(defn test-a-task-made-when-the-interpreter-ends-is-refused []
  (setv done (subprocess.run [sys.executable "-c" "
import atexit
def late():
    from dpfw.errors import MasterClosed
    try:
        m.dpfw_make_task('(fn [i o] 1)', m.read_result)
    except MasterClosed as e:
        print('refused:', e)
atexit.register(late)
import dpfw.master as m
m.dpfw_slaves()
"] :capture-output True :text True :timeout WAIT))
  (assert (.startswith done.stdout "refused: the interpreter is about to end") done))


;; Slaves that join

(defn test-nothing-runs-on-a-slave-that-could-not-be-prepared []
  "Nor is anything lost with it."
  (with [master (Master)]
    (setv address (format-address (.listen master :host "127.0.0.1")))
    (.on-connect master '(fn [i o]
      (import os)
      (when (in "UNFIT" os.environ) (raise (ValueError "on purpose")))
      (hash-table-set! (dpfw-slave-ht) "prepared" True)))
    (setv promises (lfor  n (range 5)  (.make-task master
      `(fn [i o] [(hash-table-ref (dpfw-slave-ht) "prepared") ~n]) read-result)))
    (with [unfit (slave-process "--once" "--connect" address #* QUIET :UNFIT "1")]
      (.wait unfit WAIT)
      (with [_ (slave-process "--connect" address #* QUIET)]
        (holds (lfor  p promises  (.result p WAIT)) (lfor  n (range 5)  [True n]))))))

(defn test-two-who-connect-to-one-process-at-once-share-a-slave []
  (with [[_ host port] (slave-server)]
    (for [_ (range 10)]
      (with [master (Master)]
        (setv start (threading.Barrier 2)
              both (lfor  _ (range 2)  (begin (fn []
                (.wait start WAIT)
                (.connect master host port))))
              [one other] (lfor  future both  (outcome future)))
        (assert (is one other))
        (holds (.slaves master) [one])
        (setv promises (lfor  n (range 50)  (.make-task master `(fn [i o] ~n) read-result)))
        (holds (lfor  p promises  (.result p WAIT)) (list (range 50)))))))

(defn test-hundreds-of-idle-slaves-that-die-together []
  (with [master (Master)]
    (setv address (.listen master :host "127.0.0.1")
          secret (.encode (get os.environ "DPFW_COOKIE"))
          connections [])
    (for [_ (range 300)]
      (setv connection (Connection (socket.create-connection address WAIT)))
      (dial-handshake connection "slave" (new-session) secret)
      (.append connections connection))
    (until (fn [] (= (len (.slaves master)) 300)))
    (until (fn [] (.get-slave master False)))
    (for [connection connections]
      (.close connection))
    ; Whoever it is given to turns out to be gone.
    (setv promise (.make-task master '(fn [i o] 1) read-result :retries 300))
    (with [_ (slave-process "--connect" (format-address address) #* QUIET)]
      (holds (.result promise WAIT) 1))))

(defn test-launching-none-and-less []
  (with [master (Master)]
    (holds (dpfw-launch 0 master) [])
    (for [[n error] [[-1 ValueError] ["2" TypeError] [1.5 TypeError] [True TypeError]]]
      (assert (is (type (error-of dpfw-launch n master)) error) n))))

(defn test-a-launched-slave-is-idle []
  (for [_ (range 3)]
    (with [[_ slaves] (launched 2)]
      (holds (lfor  slave slaves  slave.busy) [False False]))))

(defn test-launched-slaves-take-no-threads []
  (with [[master slaves] (launched 3)]
    (until (fn [] (= master.node.threads.parked (len master.node.threads.threads))))
    (.wait-for master.network (fn [] True))
    (setv at-work (lfor  thread (threading.enumerate)  :if (.startswith thread.name "dpfw")
      :if (not-in thread [master.node.threads.spare #* master.node.threads.threads])  thread.name))
    (holds at-work ["dpfw-master-reactor"])))


;; What is asked for

(defn [(pytest.mark.parametrize #("options" "error") [
    #({"retries" "1"} TypeError) #({"retries" -1} ValueError) #({"retries" 1.0} TypeError)
    #({"timeout" "5"} TypeError) #({"timeout" -1} ValueError) #({"timeout" (float "nan")} ValueError) #({"timeout" (** 10 400)} ValueError)])]
  test-what-makes-no-sense-is-refused-when-the-task-is-made [two options error]
  (assert (isinstance (error-of two.make-task '(fn [i o] 1) read-result #** options) error))
  (when (in "retries" options)
    (assert (isinstance (error-of two.map 'abs [1] #** options) error))))

(defn test-the-slave-of-another-master-is-refused [two]
  (with [other (Master)]
    (setv error (error-of other.make-task '(fn [i o] 1) read-result (get (.slaves two) 0)))
    (assert (isinstance error ValueError) (repr error))
    (assert (in "no slave of this master" (str error)))))

(defn test-a-master-does-nothing-to-the-slave-of-another [two]
  (setv slave (get (.slaves two) 0))
  (with [other (Master)]
    (for [call [other.kill other.drain other.cancel]]
      (setv error (error-of call slave))
      (assert (isinstance error ValueError) (repr error))
      (assert (in "no slave of this master" (str error))))
    (for [nobody [None 0 "x"]]
      (assert (isinstance (error-of other.kill nobody) #(TypeError ValueError)))
      (assert (isinstance (error-of other.drain nobody) ValueError))))
  (assert (in slave (.slaves two)))
  (holds (run-task two '(fn [i o] 5) :slave slave) 5))


;; The network is slow

(defn test-make-task-does-not-wait-for-a-slave-that-does-not-read []
  (with [[master [slave]] (launched 1)]
    (setv before (.make-task master '(fn [i o] 1) read-result)
          large `(fn [i o] (len ~(* "x" 20,000,000))))
    (holds (.result before WAIT) 1)
    (with [_ (stopped slave.process)]
      (setv late (.make-task master large read-result :timeout 1))
      (assert (isinstance (.exception late WAIT) TaskTimeout) late))
    ; And nothing is lost of it.
    (holds (run-task master '(fn [i o] 2)) 2)
    (holds (.slaves master) [slave])))

(defn test-a-slave-that-does-not-read-its-next-task-holds-back-no-answer []
  (with [[master slave] (false-slave)]
    (setv first (.make-task master '(fn [i o] 1) read-result)
          large (.make-task master `(fn [i o] (len ~(* "x" 20,000,000))) read-result))
    (holds (cut (.receive-header slave) 2) #("task" 1))
    (.receive-payload slave)
    (.send slave "end" 1 b"5")
    (holds (.result first WAIT) 5)
    (assert (not (.done large)))))

(defn test-a-large-remote-is-sent-by-others [two]
  (setv large `(fn [i o] (len ~(* "x" 20,000,000))))
  (holds (run-task two large) 20,000,000)
  (holds (run-task two large (fn [i o] (read i))) 20,000,000))


;; Callbacks

(defn test-callbacks-stop-nothing [gate]
  "Whatever they do."
  (with [[master _] (launched 2)]
    (check-callbacks master gate)))

(defn check-callbacks [two gate]
  (setv never (threading.Event)
        called (threading.Event)
        waiting (threading.Event))
  (defn wait-for-it [_]
    (.set waiting)
    (.wait never))
  (defn leave [_]
    (raise (SystemExit 3)))
  (defn make-another [_]
    (holds (force (.make-task two '(fn [i o] 5) read-result)) 5)
    (.set called))
  (try
    (for [callback [wait-for-it leave make-another]]
      (for [_ (range 5)]
        ; It ends only after this thread, which would run the callback of one that has.
        (setv promise (.make-task two (held gate) read-result))
        (.add-done-callback promise callback)
        (.close (wait-for-opening gate))
        (holds (.result promise WAIT) "let go")))
    (assert (.wait called WAIT))
    (assert (.wait waiting WAIT))
    ; Timers go on, too, and tasks with a thread of their own.
    (assert (isinstance (.exception (.make-task two FOR-EVER read-result :timeout 0.1) WAIT)
      TaskTimeout))
    (holds (run-task two '(fn [i o] 2) (fn [i o] (read i))) 2)
    (finally
      (.set never))))

(defn test-a-callback-runs-where-nobody-else-waits [two]
  (setv where []
        called (threading.Event)
        promise (.make-task two '(fn [i o] 1) read-result))
  (.add-done-callback promise (fn [p]
    (.append where (. (threading.current-thread) name))
    (.append where (.result p 0))
    (.set called)))
  (.result promise WAIT)
  (assert (.wait called WAIT))
  (assert (in (get where 0) ["dpfw-master" (. (threading.current-thread) name)]) where)
  (holds (get where 1) 1))


;; StopIteration

(setv STOP '(fn [i o] (raise (StopIteration 5))))

(defn test-a-remote-that-raises-stop-iteration-does-not-return-it [two]
  (defn :async awaited []
    (await (.make-task two STOP read-result)))
  (setv error (error-of asyncio.run (awaited)))
  (assert (isinstance error RemoteError) (repr error))
  (assert (not (isinstance error StopIteration)))
  (holds error.type-name "StopIteration"))

(defn test-a-remote-that-raises-stop-iteration-ends-no-loop [two]
  (setv promises (lfor  remote ['(fn [i o] 1) STOP '(fn [i o] 3)]  (.make-task two remote read-result))
        error (error-of list (map force promises)))
  (assert (isinstance error RemoteError) (repr error)))

(defn test-a-local-procedure-that-raises-stop-iteration [two]
  (defn local [i o]
    (raise (StopIteration 5)))
  (defn :async awaited []
    (await (.make-task two '(fn [i o] 1) local)))
  (assert (isinstance (error-of asyncio.run (awaited)) RuntimeError)))


;; Calls over collections

(defn test-items-that-raise-slave-lost [two]
  (defn items []
    (yield 1)
    (raise (SlaveLost "of somebody else's")))
  (setv error (error-of two.map 'abs (items)))
  (assert (isinstance error SlaveLost) (repr error))
  (assert (in "of somebody else's" (str error))))

(defn [(pytest.mark.parametrize "answer" ["[]" "[1 2 3]" "5"])]
  test-a-slave-that-gives-too-few-results-or-too-many-is-not-believed [answer]
  (with [[master _] (launched 1)]
    (run-task master `(fn [i o]
      (import dpfw.task.chunks)
      (setv dpfw.task.chunks.map-chunk (fn [f columns o] (.write o ~(+ answer "\n")) 0.1))
      True))
    (setv error (error-of master.map 'abs [-1]))
    (assert (isinstance error ConnectionError) (repr error))))

(defn test-an-unordered-map-keeps-no-result-it-has-given [two]
  (import gc)
  (setv results (.map-unordered two '(fn [x] [x]) (range 200) :chunk-size 100)
        given (next results)
        ; A list cannot be referred to weakly; whoever else holds it can be counted.
        others (- (len (gc.get-referrers given)) 1))
  (.close results)
  (assert (<= others 1) others))


;; Waiting

(defn test-a-task-that-waits-with-no-slave-is-told-of [caplog]
  (with [[master [slave]] (launched 1)]
    (setv runs (.make-task master FOR-EVER read-result)
          waits (.make-task master '(fn [i o] 1) read-result))
    (.kill master slave)
    (assert (isinstance (.exception runs WAIT) SlaveLost))
    (until (fn [] (in "a task waits, and this master has no slave" caplog.text)))
    (assert (not (.done waits)))))

(defn test-local-procedures-that-hold-all-slaves-and-wait-are-told-of [caplog]
  (with [[master _] (launched 2)]
    (setv both (threading.Barrier 2 :timeout WAIT))
    (defn local [i o]
      (.wait both)
      (.map master 'abs [1 2 3]))
    (setv promises (lfor  _ (range 2)  (.make-task master '(fn [i o] (read i)) local)))
    (until (fn [] (in "every slave is held by a local procedure" caplog.text)))
    (for [p promises]
      (.cancel p))))

(defn test-tasks-are-listed-and-cancelled [gate]
  (with [[master [one two]] (launched 2)]
    (setv runs (.make-task master (held gate) read-result one)
          opened (wait-for-opening gate)
          waits (.make-task master '(fn [i o] 1) read-result one)
          for-ever (.make-task master FOR-EVER read-result two))
    (holds (set (.tasks master)) #{runs waits for-ever})
    (holds (.cancel master for-ever) 1)
    (holds (.cancel master for-ever) 0)
    (holds (.cancel master one) 2)
    (.close opened)
    (for [p [runs waits for-ever]]
      (assert (.cancelled p)))
    (until (fn [] (not (or one.busy two.busy))))
    (.make-task master FOR-EVER read-result)
    (holds (.cancel master) 1)
    (holds (.tasks master) [])
    (assert (isinstance (error-of master.cancel 7) TypeError))))


;; A Ctrl-C

(defn interrupted-after [slaves call]
  "Call it, with one Ctrl-C when these slaves are busy, and it waits for them."
  (setv main (. (threading.main-thread) ident)
        struck (threading.Event))
  (defn strike []
    (until (fn []
      (and (all (gfor  slave slaves  slave.busy))
           (= (. (get (sys._current-frames) main) f-code co-name) "let_in"))))
    ; Until it is noticed: one that comes just before the thread sleeps does not wake it.
    (while (not (.is-set struck))
      (signal.pthread-kill main signal.SIGINT)
      (.wait struck 1)))
  (defn on-signal [#* _]
    (unless (.is-set struck)
      (.set struck)
      (raise (KeyboardInterrupt))))
  (with [_ (handling signal.SIGINT on-signal)]
    (setv striking (begin strike))
    (try
      (call)
      (pytest.fail "it was not interrupted")
      (except [KeyboardInterrupt]))
    (outcome striking)))

(defn [(pytest.mark.parametrize "call" [
    (fn [master] (.parallel master (* [[FOR-EVER read-result]] 4)))
    (fn [master] (.broadcast master FOR-EVER))
    (fn [master] (.map master '(fn [x] (import time) (while True (time.sleep 0.01))) [1 2 3]))])]
  test-a-ctrl-c-ends-what-the-call-has-made [two call]
  (setv slaves (.slaves two))
  (interrupted-after slaves (fn [] (call two)))
  (holds (.tasks two) [])
  (until (fn [] (not (any (gfor  slave slaves  slave.busy)))))
  (holds (run-task two '(fn [i o] 1)) 1))

(defn test-a-ctrl-c-at-force-ends-the-wait-only [two]
  (setv [slave _] (.slaves two)
        promise (.make-task two FOR-EVER read-result slave))
  (interrupted-after [slave] (fn [] (force promise)))
  (holds (.tasks two) [promise])
  (holds (.cancel two promise) 1)
  (with [_ (pytest.raises CancelledError)]
    (force promise)))
