"Hosts that die, and those that only seem to; slaves that keep coming back."

(import
  threading
  pytest
  dpfw.net [addresses node redial]
  dpfw.master [Master]
  dpfw.errors [MasterClosed SlaveLost]
  dpfw.task.ports [read write-object]
  tests.helpers [holds]
  tests.processes [WAIT error-of run-task slave-server]
  tests.net.test-tls [slave-server-on]
  tests.tls-strangers [ip machines])

(defn [pytest.fixture] impatient [monkeypatch]
  "This process gives a host up after a second."
  (.setattr monkeypatch addresses "LONGEST_SILENCE" 1)
  (.setattr monkeypatch node "CHECK_EVERY" 0.1))

(defn test-a-slave-that-does-not-read-for-a-while-is-not-dead [impatient]
  (setv big (bytes (* 50 1024 1024)))
  (defn local [i o]
    (write-object big o)
    (read i))
  (with [[_ host port] (slave-server)
         master (Master)]
    (.connect master host port)
    (holds
      (run-task master '(fn [i o] (import time) (time.sleep 4) (len (read-object i))) local)
      (len big))))

(defn test-a-host-that-goes-dark-with-data-in-flight-is-found-dead [impatient]
  (with [[a b] (machines)
         [_ port] (slave-server-on b b.address)
         master (Master)]
    (setv slave (.here a master.connect b.address port)
          slave.dialled None)  ; from here, there is no way to it
    (defn local [i o]
      (.readline i)
      (ip "-n" b.name "link" "set" "eth0" "down")
      (print "is anybody there?" :file o)
      (read i))
    (setv error (error-of run-task master
      '(fn [i o] (print "ready" :file o) (.flush o) (.read i)) local))
    (assert (isinstance error SlaveLost) (repr error))
    (assert slave.lost)))

(defn test-a-slave-on-which-on-connect-fails-is-dialled-with-growing-pauses [monkeypatch]
  (setv started []
        waited (threading.Event))
  (defn pauses [#* most]
    (when (not most)  ; else it is `connect` itself that dials
      (.append started 1))
    (for [_ (range 5)]
      (yield 0.01))
    (.set waited)
    (while True
      (yield 60)))
  (.setattr monkeypatch redial "pauses" pauses)
  (with [[_ host port] (slave-server)
         master (Master)]
    (.on-connect master '(fn [i o] (/ 1 0)))
    (.connect master host port)
    (assert (.wait waited WAIT) "it was not dialled again five times")
    (holds started [1])))

(defn test-a-remote-that-swallows-interrupts-hears-more-when-its-master-is-gone []
  (with [[_ host port] (slave-server)]
    (with [master (Master)]
      (.connect master host port)
      (setv started (threading.Event)
            promise (.make-task master
              '(fn [i o]
                (setv heard 0)
                (while (< heard 3)
                  (try
                    (setv n 0)
                    (when (= heard 0)
                      (print "started" :file o)
                      (.flush o))
                    (while True (+= n 1))
                    (except [KeyboardInterrupt]
                      (+= heard 1))))
                (setv (get (dpfw-slave-ht) "heard") heard))
              (fn [i o] (.readline i) (.set started) (read i))))
      (assert (.wait started WAIT)))
    (assert (isinstance (.exception promise WAIT) MasterClosed) promise)
    (with [master (Master)]
      (.connect master host port)
      (holds
        (run-task master
          '(fn [i o]
            (import time)
            (while (not-in "heard" (dpfw-slave-ht)) (time.sleep 0.01))
            (get (dpfw-slave-ht) "heard"))
          :timeout WAIT)
        3))))
