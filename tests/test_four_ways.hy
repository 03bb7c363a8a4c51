"The four ways to connect, with real processes over TCP."

(import
  os
  socket
  threading
  pytest
  dpfw.master [Master]
  dpfw.errors [MasterClosed SlaveLost]
  dpfw.net.addresses [format-address]
  dpfw.task.ports [read-result]
  tests.helpers [begin outcome]
  tests.processes [await-slaves error-of launched pausing run-task slave-process slave-server WAIT])

(setv PID '(fn [i o] (import os) (os.getpid)))


(defn test-a-master-client-dials-a-slave-server []
  (with [[process host port] (slave-server)
         master (Master)]
    (setv slave (.connect master host port))
    (assert (= (.slaves master) [slave]))
    (assert (= (run-task master PID) process.pid))
    (assert (= (str port) (get (.split slave.address ":") -1)) slave.address)))

(defn test-a-master-client-waits-for-a-slave-server []
  (with [place (socket.socket)  master (Master)]
    ; Its own, while it does not listen; and a slave may listen there all the same.
    (.setsockopt place socket.SOL-SOCKET socket.SO-REUSEADDR 1)
    (.bind place #("127.0.0.1" 0))
    (setv [host port] (.getsockname place)
          error (error-of master.connect host port :wait 0.1))
    (assert (isinstance error ConnectionRefusedError) (repr error))
    (assert (in "tried for 0.1 seconds" (str error)) error)
    (setv coming (begin (fn [] (.connect master host port :wait WAIT))))
    (with [process (slave-process (str port) "--host" host)]
      (setv slave (outcome coming))
      (assert (= (run-task master PID) process.pid)))
    (for [[wait base] [["5" TypeError] [True TypeError] [-1 ValueError] [None TypeError]]]
      (with [_ (pytest.raises base)]
        (.connect master host port :wait wait)))))

(defn test-a-slave-client-dials-a-master-server []
  (with [master (Master)]
    (setv address (.listen master :host "127.0.0.1"))
    (with [process (slave-process "--connect" (format-address address))]
      (await-slaves master 1)
      (assert (= (run-task master PID) process.pid)))))

(defn test-many-slaves-serve-one-master []
  (with [master (Master)]
    (setv address (.listen master :host "127.0.0.1"))
    (with [a (slave-process "--connect" (format-address address))
           b (slave-process "--connect" (format-address address))
           [c host port] (slave-server)]
      (.connect master host port)
      (await-slaves master 3)
      (assert (= (set (.broadcast master PID)) #{a.pid b.pid c.pid})))))

(defn test-several-masters-share-one-slave-whose-tasks-run-side-by-side []
  (with [[process host port] (slave-server)
         a (Master)
         b (Master)]
    (.connect a host port)
    (.connect b host port)
    (setv
      ; Neither of the two can end without the other.
      meet '(fn [i o]
        (import threading)
        (hash-table-update!/default (dpfw-slave-ht) "barrier" values (threading.Barrier 2))
        (.wait (get (dpfw-slave-ht) "barrier") 30)
        True)
      promises (lfor  m [a b]  (.make-task m meet read-result)))
    (for [p promises]
      (assert (is (.result p WAIT) True)))))

(defn test-a-slow-top-level-of-one-master-does-not-hold-up-what-another-s-sent-before [tmp-path]
  (with [[process host port] (slave-server)
         a (Master)
         b (Master)]
    (.connect a host port)
    (.connect b host port)
    (run-task a '(do
      (import threading)
      (setv go-on (threading.Event))
      (fn [i o] True)))
    (setv let-go '(fn [i o] (.set go-on) True)
          inside (/ tmp-path "inside"))
    (run-task b let-go)
    (run-task a '(fn [i o] (.clear go-on) True))
    (setv slow (.make-task a
      `(do
        (.close (open ~(str inside) "w"))
        (setv heard (.wait go-on 20))
        (fn [i o] heard))
      read-result))
    (while (not (.exists inside))  ; no port says it: there is none yet
      (os.sched-yield))
    (assert (run-task b let-go))
    (assert (is (.result slow WAIT) True) "it waited in vain")))

(defn test-updates-of-the-shared-table-are-atomic []
  (with [[process host port] (slave-server)
         a (Master)
         b (Master)]
    (.connect a host port)
    (.connect b host port)
    (setv
      count '(fn [i o]
        (import sys)
        (sys.setswitchinterval 1e-6)
        (for [_ (range 5000)]
          (hash-table-update!/default (dpfw-slave-ht) "n" (fn [n] (+ n 1)) 0))
        True)
      promises (lfor  m [a b a b]  (.make-task m count read-result)))
    (for [p promises]
      (.result p WAIT))
    (setv got (run-task a '(fn [i o] (hash-table-ref (dpfw-slave-ht) "n"))))
    (assert (= got 20000) got)))

(defn test-a-remote-that-imports-the-slave-gets-the-one-table []
  (with [[process host port] (slave-server)
         master (Master)]
    (.connect master host port)
    (setv got (run-task master
      '(fn [i o]
        (import dpfw.slave)
        (is (dpfw.slave.dpfw-slave-ht) (dpfw-slave-ht)))))
    (assert (is got True))))

(defn test-a-process-is-slave-and-master-at-once []
  (with [[master [above]] (launched 1)]
    (setv got (run-task master
      '(do
        (import dpfw.master *  dpfw.launch [dpfw-launch]  os)
        (fn [i o]
          (dpfw-launch 2)
          (setv below (dpfw-broadcast '(fn [i o] (import os) [(os.getpid) (os.getppid)])))
          (dpfw-close)
          [(os.getpid) below]))))
    (setv [middle below] got)
    (assert (= (len below) 2) below)
    (for [[pid parent] below]
      (assert (= parent middle) got))))

(defn test-connecting-twice-to-one-process-is-one-connection []
  (with [[process host port] (slave-server)
         master (Master)]
    (setv a (.connect master host port)
          b (.connect master host port))
    (assert (is a b) [a b])
    (assert (= (run-task master PID) process.pid))))

(defn test-a-slave-that-dies-is-lost-with-its-task-and-the-others-go-on []
  (with [_ (pausing 3600)
         [master slaves] (launched 2)]
    (setv [a b] slaves
          lost (.make-task master '(fn [i o] (import os) (os._exit 9)) read-result a)
          after (.make-task master '(fn [i o] 1) read-result a)
          error (.exception lost WAIT))
    (assert (isinstance error SlaveLost) error)
    (assert (isinstance error ConnectionError) error)
    (assert (in a.address (str error)) error)
    (assert (isinstance (.exception after WAIT) SlaveLost))
    (assert (= (.slaves master) [b]))
    (assert a.lost)
    (assert (isinstance (error-of run-task master '(fn [i o] 1) :slave a) SlaveLost))
    (assert (= (run-task master '(fn [i o] 1)) 1))))

(defn test-an-idle-slave-that-dies-is-noticed []
  (with [[process host port] (slave-server)
         master (Master)]
    (.connect master host port)
    (.kill process)
    (await-slaves master 0)))

(defn test-a-lost-task-runs-again-with-retries []
  (with [[master slaves] (launched 2)]
    (setv remote `(fn [i o]
      (import os)
      (setv path ~(os.path.join (os.environ.get "TMPDIR") "retried"))
      (if (os.path.exists path)
        "second time"
        (do (.close (open path "w")) (os._exit 9)))))
    (assert (= (run-task master remote :retries 1) "second time"))
    (os.unlink (os.path.join (os.environ.get "TMPDIR") "retried"))))

(defn test-a-restarted-server-is-dialled-again-and-prepared []
  (with [master (Master)]
    (with [[first host port] (slave-server)]
      (setv old (.connect master host port))
      (setv got (.on-connect master
        '(fn [i o] (setv (get (dpfw-slave-ht) "ready") "yes") True)))
      (assert (= got [True])))
    (await-slaves master 0)
    (with [second (slave-process (str port) "--host" host)]
      (await-slaves master 1)
      (setv [new] (.slaves master))
      (assert (is-not new old))
      (assert old.lost)
      (assert (= (run-task master '(fn [i o] (get (dpfw-slave-ht) "ready"))) "yes"))
      (assert (= (run-task master PID) second.pid)))))

(defn test-a-slave-client-outlives-its-master-and-keeps-its-table []
  (setv first (Master)
        address (.listen first :host "127.0.0.1"))
  (with [process (slave-process "--connect" (format-address address))]
    (await-slaves first 1)
    (run-task first '(fn [i o] (setv (get (dpfw-slave-ht) "kept") 1) True))
    (.close first)
    (with [second (Master)]
      (.listen second :host "127.0.0.1" :port (get address 1))
      (await-slaves second 1)
      (assert (= (run-task second '(fn [i o] (get (dpfw-slave-ht) "kept"))) 1)))))

(defn test-a-slave-client-may-be-started-before-its-master []
  (with [probe (socket.create-server #("127.0.0.1" 0))]
    (setv address (.getsockname probe)))
  (with [process (slave-process "--connect" (format-address address))]
    (.readline process.stderr)  ; it says that it dials until it is answered
    (with [master (Master)]
      (.listen master :host "127.0.0.1" :port (get address 1))
      (await-slaves master 1)
      (assert (= (run-task master PID) process.pid)))))

(defn test-the-master-s-end-interrupts-the-remote-and-the-slave-serves-on []
  (with [[process host port] (slave-server)]
    (with [master (Master)]
      (.connect master host port)
      (setv started (threading.Event)
            promise (.make-task master
              '(fn [i o]
                (try
                  (print "started" :file o)
                  (.flush o)
                  (while True)
                  (finally
                    (setv (get (dpfw-slave-ht) "stopped") True))))
              (fn [i o] (.readline i) (.set started) (.readline i))))
      (.wait started WAIT))
    (assert (isinstance (.exception promise WAIT) MasterClosed) promise)
    (with [master (Master)]
      (.connect master host port)
      (setv got (run-task master
        '(fn [i o]
          (import time)
          (while (not-in "stopped" (dpfw-slave-ht)) (time.sleep 0.01))
          True)
        :timeout WAIT))
      (assert (is got True)))))

(defn test-closing-a-master-ends-the-tasks-in-line []
  (with [[master [slave]] (launched 1)]
    (setv promises (lfor
      _ (range 3)
      (.make-task master '(fn [i o] (.read i)) read-result)))
    (.close master)
    (.close master)
    (for [p promises]
      (assert (isinstance (.exception p WAIT) MasterClosed) (.exception p)))
    (assert (isinstance (error-of master.make-task '(fn [i o] 1) read-result) MasterClosed))))

(defn test-a-master-that-waits-blocks-until-it-is-closed []
  (setv master (Master)
        server (threading.Thread :target master.serve :args [0 100 "127.0.0.1"]))
  (.start server)
  ; It tells nobody when it has begun; closed before that, it raises `MasterClosed`.
  (while (not master.network.dispatcher.doors)
    (os.sched-yield))
  (.close master)
  (.join server WAIT)
  (assert (not (.is-alive server))))

(defn test-many-small-tasks-leave-nothing-behind []
  (with [[master slaves] (launched 2)]
    (setv promises (lfor  n (range 1000)  (.make-task master '(fn [i o] 1) read-result)))
    (assert (= (sum (gfor  p promises  (.result p WAIT))) 1000))))
