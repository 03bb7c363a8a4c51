"The fault table: every fault of the network, at every point of a task, in either
direction, in all four ways of connecting. The promise ends as it should, the
others go on meanwhile, and afterwards the network is whole again.

The proxy that does the harm is in fault_proxy.hy."

(import
  collections [namedtuple]
  concurrent.futures [CancelledError]
  contextlib [contextmanager]
  socket
  time
  pytest
  dpfw.master [Master]
  dpfw.errors [SlaveLost TaskTimeout]
  dpfw.net.addresses [format-address]
  dpfw.task.ports [read write]
  tests.fault-proxy [DIRECTIONS FaultProxy POINTS]
  tests.processes [await-so connection-of idle-slaves run-task slave-process slave-server WAIT])
(require hyrule.control [unless])

(setv
  BOUND 5       ; seconds from the fault to the end of the promise. It is some
                ; milliseconds, but other things may run on this machine.
  QUIET ["--log-level" "error"]  ; nobody reads what they would say
  WORD "a word that goes there and back again")


;; The processes, for all tests

(defn [(pytest.fixture :scope "module")] server []
  (with [server (slave-server #* QUIET)]
    (yield server)))

(defn [(pytest.fixture :scope "module")] other-server []
  (with [server (slave-server #* QUIET)]
    (yield server)))

(defn [(pytest.fixture :scope "module")] client-door []
  "A socket that a slave client process dials. Between two tests nobody accepts,
  and it waits there."
  (with [door (socket.create-server #("127.0.0.1" 0))
         _ (slave-process "--connect" (format-address (.getsockname door)) #* QUIET)]
    (yield door)))


;; The four ways to connect. Each gives the proxy, the master and slave between
;; which it stands, and a procedure that shows that the others go on.

(setv Network (namedtuple "Network" ["proxy" "master" "slave" "others_serve"]))

(defn [contextmanager] master-dials-slave [request]
  (setv [_ #* address] (.getfixturevalue request "server"))
  (with [proxy (FaultProxy address)
         master (Master)]
    (yield (Network proxy master (.connect master #* proxy.address) (fn [])))))

(defn [contextmanager] slave-dials-master [request]
  (setv door (.getfixturevalue request "client_door"))
  (with [master (Master)]
    (setv address (.listen master :host "127.0.0.1"))
    (with [proxy (FaultProxy address :dialler "slave" :listener door)]
      (yield (Network proxy master (.get-slave master) (fn []))))))

(defn [contextmanager] one-of-several-slaves [request]
  (setv [_ #* other-address] (.getfixturevalue request "other_server"))
  (with [network (master-dials-slave request)]
    (setv master network.master
          other (.connect master #* other-address))
    (yield (._replace network :others-serve
      (fn []
        (assert (= (run-task master '(fn [i o] "other") :slave other) "other"))
        (unless (in network.slave (idle-slaves master))
          (assert (= (run-task master '(fn [i o] "any")) "any"))))))))

(defn [contextmanager] one-of-several-masters [request]
  (setv [_ #* address] (.getfixturevalue request "server"))
  (with [other (Master)]
    (.connect other #* address)
    (with [network (master-dials-slave request)]
      (yield (._replace network :others-serve
        (fn []
          (assert (= (run-task other '(fn [i o] "other")) "other"))))))))

;; Preparing a slave

(defn prepare [master key]
  "Count in the slave's table how often it was prepared."
  (.on-connect master `(fn [i o]
    (hash-table-update!/default (dpfw-slave-ht) ~key (fn [n] (+ n 1)) 0)
    True)))

(defn prepared [master key #** options]
  (run-task master `(fn [i o] (.get (dpfw-slave-ht) ~key)) #** options))

(setv WAYS [master-dials-slave slave-dials-master one-of-several-slaves one-of-several-masters])

(defn [pytest.fixture] network [request]
  (with [network (request.param request)]
    (prepare network.master network.master.node.session)
    (yield network)))


;; The task that is struck

(setv REMOTE '(fn [i o]
  (write "started" o)
  (write (read i) o)
  "the result"))

(defn local [i o]
  (setv started (read i))
  (write WORD o)
  [started (read i) (read i)])

(setv RIGHT ["started" WORD "the result"])

(defn ends [network [timeout None] [end (fn [promise])]]
  "Make the task, wait for it, and give what it ended with."
  (setv promise (.make-task network.master REMOTE local network.slave :timeout timeout))
  (end promise)
  (try
    (.result promise WAIT)
    (except [e [Exception CancelledError]]
      (assert (.done promise) "it hangs")
      e)))

(defn strike [network fault point direction #** options]
  "Have a task struck; gives what that task ended with."
  (.arm network.proxy fault point direction)
  (when (= [point direction] ["reply" "to slave"])
    ; Nothing goes there after the reply: it is the next task that is struck.
    (setv got (ends network))
    (assert (= got RIGHT) got))
  (setv got (ends network #** options))
  (assert (.wait network.proxy.struck WAIT) "no fault was done; the test is wrong")
  got)

(defn whole-again [network [old None]]
  "Wait until the slave is back, on another connection than the old one, and see
  that it is the same process, with the same table."
  (setv [_ master slave _] network)
  (await-so master (fn [] (not (or slave.lost (is slave.session.connection old)))))
  (network.others-serve)
  (setv got (ends network))
  (assert (= got RIGHT) got)
  (setv times (prepared master master.node.session :slave slave))
  (assert (= times 1) f"prepared {times} times"))


;; The table

(defn table [#* faults]
  "The rows with these faults."
  (fn [test]
    (setv every pytest.mark.parametrize)
    ((every "network" WAYS :indirect True :ids (lfor  way WAYS  way.__name__))
      ((every "fault" faults)
        ((every "point" POINTS)
          ((every "direction" DIRECTIONS) test))))))

(defn [(table "cut in the header" "cut in the payload" "reset" "corrupt the header")]
  test-a-broken-connection-loses-the-task-and-is-dialled-again [network fault point direction]
  (setv old network.slave.session.connection
        start (time.monotonic)
        got (strike network fault point direction)
        took (- (time.monotonic) start))
  (assert (isinstance got SlaveLost) (repr got))
  (assert (< took BOUND) took)
  (network.others-serve)
  (whole-again network old))

(defn [(table "delay")]
  test-a-delay-is-only-a-delay [network fault point direction]
  (setv old network.slave.session.connection
        got (strike network fault point direction))
  (assert (= got RIGHT) (repr got))
  (assert (is network.slave.session.connection old) "the connection should have stayed")
  (whole-again network))

(defn [(table "corrupt the payload")]
  test-what-was-changed-on-the-way-never-hangs [network fault point direction]
  ; TCP and TLS see to it that this does not happen. If it does, anything may
  ; come of it except a wait without end.
  (setv got (strike network fault point direction))
  (assert (!= got RIGHT) "nothing was changed; the test is wrong")
  (whole-again network))

(defn [(table "swallow")]
  test-a-timeout-ends-a-task-from-which-nothing-is-heard [network fault point direction]
  ; An answer is to be on its way by then.
  (setv timeout (if (= [point direction] ["reply" "to master"]) 2 0.1)
        old network.slave.session.connection
        start (time.monotonic)
        got (strike network fault point direction :timeout timeout)
        took (- (time.monotonic) start))
  (assert (isinstance got TaskTimeout) (repr got))
  (assert (<= timeout took BOUND) took)
  (network.others-serve)
  (.drop network.proxy)
  (whole-again network old))

(defn [(table "swallow")]
  test-a-cancel-ends-a-task-from-which-nothing-is-heard [network fault point direction]
  (setv old network.slave.session.connection)
  (defn cancel [promise]
    (assert (.wait network.proxy.struck WAIT))
    (network.others-serve)
    (assert (.cancel promise)))
  (setv got (strike network fault point direction :end cancel))
  (assert (isinstance got CancelledError) (repr got))
  (.drop network.proxy)
  (whole-again network old))


;; On-connect and the network

(defn await-slave [master was]
  "Wait until there is a slave, on another connection than that one."
  (await-so master (fn [] (any (gfor  s (.values master.network.dispatcher.registry.connected)  (is-not s.session.connection was))))))

(defn test-a-process-that-nobody-remembers-is-prepared-once-too [server]
  (with [proxy (FaultProxy (cut server 1 None))
         master (Master)]
    (setv was (connection-of (.connect master #* proxy.address)))
    (prepare master master.node.session)
    (for [_ (range 3)]
      (.drop proxy)
      (await-slave master was)
      (setv was (connection-of (get (.slaves master) 0)))
      (assert (= (prepared master master.node.session) 1) (prepared master master.node.session)))))

(defn [(pytest.mark.parametrize "direction" DIRECTIONS)]
  test-what-prepares-a-slave-is-run-again-if-it-was-cut-off [server direction]
  "Before anything else reaches it."
  (with [proxy (FaultProxy (cut server 1 None))
         master (Master)]
    ; No slave yet: it will be run when one joins.
    (assert (= (prepare master master.node.session) []))
    (.arm proxy "cut in the header" "request" direction)
    (.connect master #* proxy.address)
    (assert (.wait proxy.struck WAIT))
    (setv got (run-task master `(fn [i o] (.get (dpfw-slave-ht) ~master.node.session))
      :retries 5))
    ; What it had done before it was cut off stays done.
    (assert (in got [1 2]) got)
    (when (= direction "to slave")
      (assert (= got 1) got))))
