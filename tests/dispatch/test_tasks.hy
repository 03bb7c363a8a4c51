"Tasks, over two slave servers: promises, the waiting line, order, conversations."

(import
  concurrent.futures [as-completed CancelledError]
  pickle [PickleBuffer]
  re
  threading
  pytest
  dpfw.master [Master]
  dpfw.errors [MasterClosed RemoteError SlaveLost TaskTimeout UnwritableError]
  dpfw.task.ports [read write read-object write-object read-result]
  dpfw.dispatch.network [owned?]
  dpfw.dispatch.promise [force Promise]
  tests.helpers [begin outcome until]
  tests.processes [error-of launched run-task slave-server WAIT])
(eval-when-compile (require hyrule.control [unless]))

(defn [(pytest.fixture :scope "module")] servers []
  (with [a (slave-server)  b (slave-server)]
    (yield [a b])))

(defn [pytest.fixture] master [servers]
  (with [master (Master)]
    (for [[_ host port] servers]
      (.connect master host port))
    (yield master)))

(defn [pytest.fixture] slave [master]
  (get (.slaves master) 0))

(defn ask [master #* arguments #** options]
  (run-task master #* arguments #** options))


;; The examples of the original

(defn test-a-basic-task-gives-its-result [master]
  (setv t (.make-task master `(fn [i o] (+ 2 3)) read-result))
  (assert (isinstance t Promise))
  (assert (= (force t) 5))
  (assert (= (force t) 5) "forcing again must give the same again"))

(defn test-parallel-gives-results-in-order [master]
  (setv got (.parallel master `[[(fn [i o] (+ 2 1)) ~read-result]
                                [(fn [i o] (+ 5 5)) ~read-result]]))
  (assert (= got [3 10]) got))

(defn test-a-generator-in-the-table-counts [master slave]
  (setv make '(fn [i o]
    (hash-table-update!/default (dpfw-slave-ht) 'uniqID values
      (let [n 0] (fn [] (nonlocal n) (+= n 1) n)))
    True)
        call '(fn [i o] ((hash-table-ref (dpfw-slave-ht) 'uniqID))))
  (assert (is (ask master make :slave slave) True))
  (setv got (lfor  _ (range 3)  (ask master call :slave slave)))
  (assert (= got [1 2 3]) got))


;; The waiting line

(defn test-many-tasks-wait-in-line [master]
  (setv promises (lfor  n (range 300)  (.make-task master `(fn [i o] (* 2 ~n)) read-result))
        got (lfor  p promises  (.result p WAIT)))
  (assert (= got (lfor  n (range 300)  (* 2 n))) got))

(defn test-the-line-is-first-come-first-served [servers]
  ; With one slave, for two that take from one line may overtake each other.
  (setv begun [])
  (defn local [n]
    (fn [i o]
      (.append begun n)
      (read i)))
  (with [master (Master)]
    (.connect master #* (cut (get servers 0) 1 None))
    (setv [busy let-go] (hold-all master)
          promises (lfor  n (range 20)  (.make-task master '(fn [i o] 1) (local n))))
    (let-go)
    (for [p [#* busy #* promises]]
      (.result p WAIT)))
  (assert (= begun (list (range 20))) begun))

(defn test-tasks-for-one-slave-run-in-their-order [master slave]
  (ask master '(fn [i o] (setv (get (dpfw-slave-ht) "order") []) True) :slave slave)
  (for [p (lfor
            n (range 50)
            (.make-task master `(fn [i o] (.append (get (dpfw-slave-ht) "order") ~n) None)
              read-result slave))]
    (.result p WAIT))
  (setv got (ask master '(fn [i o] (get (dpfw-slave-ht) "order")) :slave slave))
  (assert (= got (list (range 50))) got))

(defn test-a-slave-is-busy-until-both-procedures-have-ended [master]
  (setv [busy let-go] (hold-all master))
  (assert (is (.get-slave master False) None) "every slave should be busy")
  (let-go)
  (for [p busy]
    (.result p WAIT))
  (assert (is-not (.get-slave master) None)))

(defn test-get-slave-reserves-nothing [master]
  (setv a (.get-slave master)
        b (.get-slave master))
  (assert (is a b) [a b])
  (assert (= (ask master '(fn [i o] 1) :slave a) 1)))

(defn test-get-slave-waits-for-one-to-fall-free [master]
  (setv [busy let-go] (hold-all master)
        got []
        waiter (threading.Thread :target (fn [] (.append got (.get-slave master)))))
  (.start waiter)
  (assert (= got []))
  (let-go)
  (.join waiter WAIT)
  (assert (= (len got) 1) got)
  (for [p busy]
    (.result p WAIT)))

(defn test-get-slave-looks-with-the-dispatchers-lock-whether-anybody-can-come [monkeypatch]
  (setv looked (threading.Event)
        unlocked [])
  (with [master (Master)]
    (setv network master.network
          alone network.dispatcher.alone)
    (defn looking []
      (unless (owned? network.lock)
        (.append unlocked "the lock is free"))
      (.set looked)
      (alone))
    (.setattr monkeypatch network.dispatcher "alone" looking)
    (setv waiter (begin error-of master.get-slave))
    (assert (.wait looked WAIT)))
  (assert (isinstance (outcome waiter) MasterClosed))
  (assert (not unlocked) unlocked))

(defn test-an-address-can-be-given-up-once []
  "Else a master whose slaves cannot come would not be told so."
  (with [master (Master)]
    (setv dispatcher master.network.dispatcher
          [one other] (lfor  _ "ab"  (.listen master :host "127.0.0.1")))
    (.unlisten master one)
    (.unlisten master one)
    (assert (not (.alone dispatcher)) "it still listens")
    (.unlisten master other)
    (.unlisten master other)
    (assert (.alone dispatcher) dispatcher.doors)))

(defn test-also-one-that-is-served []
  (with [master (Master)]
    (setv serving (begin master.serve 0 1 "127.0.0.1"))
    (until (fn [] master.network.dispatcher.doors))
    (.unlisten master #* master.node.listeners))
  (outcome serving)
  (assert (= master.network.dispatcher.doors 0) master.network.dispatcher.doors)
  (assert (isinstance (error-of master.serve 0) MasterClosed))
  (assert (= master.network.dispatcher.doors 0) master.network.dispatcher.doors))

(defn hold-all [master]
  "Keep every slave busy; gives the promises, and what lets them go."
  (setv gate (threading.Event)
        held (threading.Barrier (+ 1 (len (.slaves master)))))
  (defn local [i o]
    (.wait held WAIT)
    (.wait gate WAIT)
    (read i))
  (setv promises (lfor
    slave (.slaves master)
    (.make-task master '(fn [i o] 0) local slave)))
  (.wait held WAIT)
  #(promises gate.set))


;; Local procedures and ports

(defn test-a-conversation-goes-back-and-forth [master]
  (defn local [i o]
    (setv heard [])
    (for [n (range 500)]
      (write n o)
      (.append heard (read i)))
    (.close o)
    [heard (read i)])
  (setv [heard result] (ask master
    '(fn [i o]
      (setv total 0)
      (for [line i]
        (+= total (int line))
        (write total o))
      "done")
    local))
  (assert (= result "done"))
  (assert (= (get heard -1) (sum (range 500))) (get heard -1)))

(defn test-ports-are-text-files [master]
  (defn local [i o]
    (print "one" "two" :file o)
    (.write o "öß€😀\nlast line")
    (.close o)
    [(.readline i) (.read i 3) (list i)])
  (setv got (ask master
    '(fn [i o]
      (setv first (.readline i))
      (print "heard" first :file o :end "")
      (for [line i] (.write o (.upper line)))
      "the result")
    local))
  (assert (= got ["heard one two\n" "ÖSS" ["€😀\n" "LAST LINE\n" "\"the result\"\n"]]) got))

(defn test-text-and-bytes-mix-on-one-port [master]
  (defn local [i o]
    [(.readline i) (.read i.buffer 5) (read i) (read-object i) (read i)])
  (setv got (ask master
    '(fn [i o]
      (print "a line" :file o)
      (.write o.buffer (bytes (range 5)))
      (write [1 2] o)
      (write-object #{"an" "object"} o)
      None)
    local))
  (assert (= got ["a line\n" (bytes (range 5)) [1 2] #{"an" "object"} None]) got))

(defn test-hy-read-reads-one-form-at-a-time-from-a-live-port [master]
  (defn local [i o]
    (setv first (hy.read i))
    (print (hy.repr first) :file o)
    [first (hy.read i)])
  (setv got (ask master
    '(fn [i o]
      (print "(first form) " :file o)
      (print (.strip (.readline i)) :file o)
      1)
    local))
  (assert (= got ['(first form) ''(first form)]) (hy.repr got)))

(defn test-large-objects-pass-both-ways [master]
  (setv big (bytearray (* 3 1024 1024)))
  (setv (get big 1234567) 7)
  (defn local [i o]
    (write-object big o)
    (read-object i))
  (setv got (ask master '(fn [i o] (write-object (read-object i) o)) local))
  (assert (= got big) "the object came back changed"))

(defn [(pytest.mark.parametrize "size" [1000 (* 5 1024 1024)])]
      test-buffers-beside-an-object-arrive-writable [master size]
  (setv big (bytearray size))
  (setv (get big -1) 7)
  (defn local [i o]
    (write-object {"buffer" (PickleBuffer big)} o)
    (read-object i))
  (setv got (get (ask master
    '(fn [i o]
      (import pickle)
      (setv buffer (get (read-object i) "buffer")
            (get buffer 0) 9)
      (write-object {"buffer" (pickle.PickleBuffer buffer)} o))
    local) "buffer"))
  (setv (get big 0) 9)
  (assert (= (bytes got) (bytes big)) "the buffer came back changed")
  (setv (get got 0) 10))

(defn test-output-that-is-never-read-does-not-reach-the-next-task [master slave]
  (ask master '(fn [i o] (for [n (range 20000)] (print n "noise" :file o)) 1)
    (fn [i o] None) :slave slave)
  (assert (= (ask master '(fn [i o] 2) :slave slave) 2)))

(defn test-input-that-is-never-read-does-not-reach-the-next-task [master slave]
  (setv got (ask master '(fn [i o] 1)
    (fn [i o]
      (for [n (range 20000)] (print n "noise" :file o))
      (read i))
    :slave slave))
  (assert (= got 1) got)
  (assert (= (ask master '(fn [i o] (.read i)) (fn [i o] (.close o) (read i)) :slave slave) "")))

(defn test-the-port-of-a-task-that-is-over-is-closed [master slave]
  (setv kept [])
  (ask master '(fn [i o] (setv (get (dpfw-slave-ht) "port") o) 1)
    (fn [i o] (.extend kept [i o]) (read i)) :slave slave)
  (for [port kept]
    (assert port.closed))
  (setv error (error-of ask master
    '(fn [i o] (print "late" :file (get (dpfw-slave-ht) "port"))) :slave slave))
  (assert (isinstance error ValueError) error)
  (assert (in "closed" (str error)) error))

(defn test-a-local-procedure-that-returns-early-waits-for-the-remote [master slave]
  (setv got (ask master
    '(fn [i o] (.read i) (setv (get (dpfw-slave-ht) "ran") True) 1)
    (fn [i o] "early")
    :slave slave))
  (assert (= got "early") got)
  (assert (is (ask master '(fn [i o] (get (dpfw-slave-ht) "ran")) :slave slave) True)))

(defn test-an-error-that-the-local-procedure-never-saw-is-raised-by-force [master]
  (setv error (error-of ask master '(fn [i o] (/ 1 0)) (fn [i o] "did not look")))
  (assert (isinstance error ZeroDivisionError) error))

(defn test-an-error-that-the-local-procedure-took-care-of-is-its-own-affair [master]
  (defn local [i o]
    (try
      (read i)
      (except [ZeroDivisionError]
        "all is well")))
  (assert (= (ask master '(fn [i o] (/ 1 0)) local) "all is well")))

(defn test-the-local-procedures-error-is-raised-and-the-slave-set-free [master slave]
  (for [remote ['(fn [i o] 1) '(fn [i o] (while True (print "on and on" :file o)))]]
    (setv error (error-of ask master remote (fn [i o] (raise (KeyError "mine"))) :slave slave))
    (assert (and (isinstance error KeyError) (not (isinstance error RemoteError))) error)
    (assert (= (ask master '(fn [i o] 2) :slave slave) 2))))

(defn test-forcing-inside-a-local-procedure [master]
  (defn local [i o]
    (+ (read i) (force (.make-task master '(fn [i o] 10) read-result))))
  (assert (= (ask master '(fn [i o] 1) local) 11)))

(defn test-many-threads-force-one-promise [master]
  (setv promise (.make-task master '(fn [i o] "same") read-result)
        got []
        threads (lfor  _ (range 20)  (threading.Thread :target (fn [] (.append got (force promise))))))
  (for [thread threads] (.start thread))
  (for [thread threads] (.join thread WAIT))
  (assert (= got (* ["same"] 20)) got))


;; Errors

(defn test-a-remote-error-is-both-remote-and-built-in-and-shows-its-source [master]
  (setv error (error-of ask master '(fn [i o] (/ 1 0))))
  (assert (isinstance error RemoteError) error)
  (assert (isinstance error ZeroDivisionError) error)
  (assert (= (str error) "division by zero") error)
  (assert (in "(/ 1 0)" error.traceback) error.traceback)
  (assert (re.search "<remote [0-9]+>" error.traceback) error.traceback))

(defn test-text-in-the-place-of-a-datum-comes-with-advice [master]
  (setv error (error-of ask master '(fn [i o] (print "hi" :file o))))
  (assert (isinstance error SyntaxError) error)
  (assert (in "by (write x o)" (str error)) error))

(defn test-what-is-no-pair-and-what-is-no-slave-are-named [master]
  (for [[call said] [
      [(fn [] (.parallel master [5])) "5 is no pair; give [remote local]"]
      [(fn [] (.kill master 5)) "5 is no slave; (dpfw-slaves) has"]]]
    (setv error (error-of call))
    (assert (and (isinstance error TypeError) (in said (str error))) error)))

(defn test-parallel-runs-all-and-raises-the-first-failure-in-order [master]
  (setv ran []
        second-failed (threading.Event))
  (defn note [i o]
    (try (read i) (finally (.append ran 1))))
  (defn fail-last [i o]
    (.wait second-failed WAIT)
    (note i o))
  (defn fail-first [i o]
    (try (note i o) (finally (.set second-failed))))
  (setv error (error-of master.parallel
    [['(fn [i o] (raise (KeyError "first"))) fail-last]
     ['(fn [i o] (raise (ValueError "second"))) fail-first]
     ['(fn [i o] 3) note]]))
  (assert (isinstance error KeyError) error)
  (assert (= (len ran) 3) ran))

(defn test-a-local-that-is-no-procedure-is-refused [master]
  (setv error (error-of (fn [] (.parallel master `[[(fn [i o] 1) read-result]]))))
  (assert (isinstance error TypeError) error)
  (assert (in "~read-result" (str error)) error))

(defn test-a-remote-without-text-is-refused-before-it-is-sent [master]
  (setv error (error-of master.make-task `(fn [i o] (~print 1)) read-result))
  (assert (isinstance error UnwritableError) error))


;; Cancelling

(defn test-a-timeout-ends-the-promise-and-frees-the-slave [master slave]
  (for [remote ['(fn [i o] (while True))
                '(fn [i o] (.read i))]]
    (setv error (error-of ask master remote :slave slave :timeout 0.3))
    (assert (isinstance error TaskTimeout) error)
    (assert (isinstance error TimeoutError) error)
    (assert (= (ask master '(fn [i o] 1) :slave slave) 1))))

(defn test-a-timeout-reaches-a-remote-that-sleeps-on-the-main-thread []
  (with [[master [slave]] (launched 1)]
    (setv error (error-of ask master '(fn [i o] (import time) (time.sleep 1000)) :timeout 0.3))
    (assert (isinstance error TaskTimeout) error)
    (assert (= (ask master '(fn [i o] 1)) 1))))

(defn test-a-cancelled-task-stops [master slave]
  (setv started (threading.Event))
  (defn local [i o]
    (.readline i)
    (.set started)
    (read i))
  (setv promise (.make-task master
    '(fn [i o] (print "started" :file o) (.flush o) (while True)) local slave))
  (.wait started WAIT)
  (assert (.running promise))
  (assert (re.fullmatch r"<Promise at 0x[0-9a-f]+ state=running on <slave \S+ at 127\.0\.0\.1:\d+, busy>>" (repr promise))
    (repr promise))
  (assert (.cancel promise))
  (assert (.cancelled promise))
  (assert (= (list (as-completed [promise] WAIT)) [promise]))
  (with [_ (pytest.raises CancelledError)]
    (force promise))
  (assert (= (ask master '(fn [i o] 1) :slave slave) 1)))

(defn test-a-task-cancelled-in-line-never-runs [master]
  (setv [busy let-go] (hold-all master)
        ran []
        promise (.make-task master '(fn [i o] 1) (fn [i o] (.append ran 1))))
  (assert (.cancel promise))
  (let-go)
  (for [p busy]
    (.result p WAIT))
  (assert (= (ask master '(fn [i o] 1)) 1))
  (assert (= ran []) ran))

(defn test-a-promise-can-be-awaited [master]
  (import asyncio)
  (defn :async main []
    (+ (await (.make-task master '(fn [i o] 20) read-result)) 1))
  (assert (= (asyncio.run (main)) 21)))

(defn test-a-remote-that-swallows-interrupts-is-killed [servers]
  (setv stubborn '(fn [i o]
    (print "started" :file o)
    (.flush o)
    (while True
      (try
        (while True)
        (except [BaseException])))))
  (defn kill-it [master slave]
    (setv promise (.make-task master stubborn
      (fn [i o]
        (.readline i)
        (.kill master slave)
        (read i))
      slave))
    (assert (isinstance (.exception promise WAIT) SlaveLost) (.exception promise)))
  (with [[master [slave]] (launched 1)]
    (kill-it master slave)
    (assert (= (.wait slave.process WAIT) -9)))
  (with [[process host port] (slave-server)
         master (Master)]
    (kill-it master (.connect master host port))
    (assert (= (.wait process WAIT) -9))))

(defn test-a-task-goes-to-the-slave-that-was-busy-last [master]
  (for [slave (.slaves master)]
    (setv [named other] (lfor
      options [{"slave" slave} {}]
      (ask master '(fn [i o] (import os) (os.getpid)) #** options)))
    (assert (= named other))))
