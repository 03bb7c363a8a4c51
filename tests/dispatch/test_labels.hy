"Tasks ask for slaves with a label, to be before others, and for a name."

(import
  threading
  traceback
  pytest
  dpfw.errors [RemoteError SlaveLost TaskTimeout]
  dpfw.master [Master]
  dpfw.task.ports [read-result]
  tests.helpers [holds message until]
  tests.processes [error-of run-task slave-server WAIT])

(setv PID '(fn [i o] (import os) (os.getpid)))

(defn [(pytest.fixture :scope "module")] servers []
  (with [plain (slave-server)
         gpu (slave-server "--name" "one with a gpu" "--label" "gpu" "--label" "big" :CUDA-VISIBLE-DEVICES "0")]
    (yield [plain gpu])))

(defn [pytest.fixture] master [servers]
  (with [master (Master)]
    (for [[_ host port] servers]
      (.connect master host port))
    (yield master)))

(defn [pytest.fixture] slaves [master]
  (.slaves master))

(defn hold-slave [master slave]
  "Keep a slave busy; gives its promise, and what to call to let it go."
  (setv gate (threading.Event)
        began (threading.Event))
  (defn local [i o]
    (.set began)
    (.wait gate WAIT)
    (read-result i o))
  (setv promise (.make-task master '(fn [i o] "held") local slave))
  (assert (.wait began WAIT))
  #(promise gate.set))


;; Labels and names of slaves

(defn test-a-slave-has-the-name-and-labels-that-it-was-started-with [slaves servers]
  (setv [plain gpu] slaves)
  (holds [gpu.name gpu.labels] ["one with a gpu" ["gpu" "big"]])
  (holds plain.labels [])
  (assert (.endswith plain.name f"/{(. (get servers 0 0) pid)}") plain.name)
  (holds (repr gpu) f"<slave one with a gpu (gpu big) at {gpu.address}, idle>")
  (holds (repr plain) f"<slave {plain.name} at {plain.address}, idle>"))

(defn test-a-task-with-a-label-goes-to-a-slave-with-it [master servers]
  (setv pid (. (get servers 1 0) pid))
  (holds (lfor  _ (range 5)  label ["gpu" "big"]  (run-task master PID :on label)) (* [pid] 10)))

(defn test-it-waits-for-such-a-slave-and-others-go-on [master slaves servers]
  (setv [plain gpu] slaves
        [held let-go] (hold-slave master gpu)
        waiting (.make-task master PID read-result :on "gpu"))
  (holds (lfor  _ (range 3)  (run-task master PID)) (* [(. (get servers 0 0) pid)] 3))
  (assert (not (.done waiting)))
  (holds plain.state "idle")
  (let-go)
  (holds (.result waiting WAIT) (. (get servers 1 0) pid)))

(defn test-a-label-that-no-slave-has-is-told-once [master caplog]
  (setv waiting (lfor  _ (range 2)  (.make-task master PID read-result :on "gpo")))
  (defn warnings []
    (lfor  r caplog.records  :if (in "gpo" (.getMessage r))  (.getMessage r)))
  (until warnings)
  (.warn master.network "the last")
  (until (fn [] (in "the last" caplog.text)))
  (setv [text] (warnings))
  (for [part ["'gpo'" "(dpfw-launch 1 :labels [\"gpo\"])" "--label gpo"]]
    (assert (in part text) text))
  (assert (not (any (gfor  p waiting  (.done p)))))
  (holds (.cancel master) 2))

(defn test-a-slave-that-joins-with-the-label-takes-what-waits []
  (with [master (Master)]
    (setv waiting (.make-task master PID read-result :on "late"))
    (with [[process host port] (slave-server "--label" "late")]
      (.connect master host port)
      (holds (.result waiting WAIT) process.pid))))

(defn test-a-slave-and-a-label-exclude-each-other [master slaves]
  (with [raised (pytest.raises ValueError)]
    (.make-task master PID read-result (get slaves 0) :on "gpu"))
  (message raised "give one of the two"))


(defn test-calls-over-collections-take-a-label [master servers]
  (setv pid (. (get servers 1 0) pid)
        f '(fn [_] (import os) (os.getpid)))
  (holds (set (.map master f (range 20) :on "gpu" :chunk-size 1)) #{pid})
  (holds (set (.imap master f (range 20) :on "big" :priority 1 :chunk-size 1)) #{pid})
  (holds (.map-reduce master f 'max (range 20) :on "gpu" :chunk-size 2) pid))


;; Priorities

(defn test-the-most-urgent-is-next-and-equals-are-in-order []
  (with [[_ host port] (slave-server)
         master (Master)]
    (setv slave (.connect master host port)
          [held let-go] (hold-slave master slave)
          order []
          promises (lfor
            [name priority] [["a" 0] ["b" -1] ["c" 2] ["d" 0] ["e" 2] ["f" 0.5]]
            (.make-task master '(fn [i o])
              (fn [i o [name name]] (.append order name)) :priority priority :name name)))
    (holds (lfor  p (cut (.tasks master) 1 None)  p.task.name) (list "cefadb"))
    (let-go)
    (for [p promises]
      (.result p WAIT))
    (holds order (list "cefadb"))))


;; Names

(defn test-a-name-is-shown-and-can-be-cancelled [master slaves]
  (setv [held let-go] (hold-slave master (get slaves 1))
        named (lfor  _ (range 2)  (.make-task master PID read-result :on "gpu" :name "report"))
        other (.make-task master PID read-result :on "gpu" :name "reports"))
  (for [promise named]
    (assert (in "task 'report'" (repr promise)) (repr promise))
    (assert (in promise (.tasks master))))
  (holds (.cancel master "report") 2)
  (holds (.cancel master "report") 0)
  (holds (lfor  p [#* named other]  (.cancelled p)) [True True False])
  (let-go)
  (holds (.result other WAIT) (get (. slaves [1] session connection about) "pid")))

(defn test-errors-have-the-name [master]
  (setv late (error-of run-task master '(fn [i o] (while True)) :timeout 0 :name "for ever"))
  (assert (isinstance late TaskTimeout) late)
  (holds (str late) "the task 'for ever' took longer than 0 seconds")
  (setv failed (error-of run-task master '(fn [i o] (/ 1 0)) :name "by zero"))
  (assert (isinstance failed RemoteError) failed)
  (setv shown (.join "" (traceback.format-exception (type failed) failed None)))
  (assert (in ", in task 'by zero':" shown) shown))

(defn test-so-has-that-of-a-lost-slave []
  (with [[process host port] (slave-server "--name" "a brittle one")
         master (Master)]
    (setv slave (.connect master host port)
          lost (error-of run-task master '(fn [i o] (import os) (os._exit 1)) :slave slave :name "the end"))
    (assert (isinstance lost SlaveLost) lost)
    (assert (in "the slave a brittle one at 127.0.0.1" (str lost)) (str lost))
    (assert (in "What became of the task 'the end' is unknown" (str lost)) (str lost))))


(defn test-a-label-given-twice-is-one-label []
  (with [[_ host port] (slave-server "--label" "gpu" "--label" "big" "--label" "gpu")
         master (Master)]
    (holds (. (.connect master host port) labels) ["gpu" "big"])
    (holds [(.slave-count master.network "gpu") (.slave-count master.network)] [1 1])))


;; Wrong ones

(defn [(pytest.mark.parametrize #("options" "error" "says") [
    [{"on" ""} ValueError "such as \"gpu\""]
    [{"on" 'gpu} TypeError "such as \"gpu\""]
    [{"on" ["gpu"]} TypeError "such as \"gpu\""]
    [{"name" 7} TypeError "such as \"report\""]
    [{"name" "a\nb"} ValueError "printable"]
    [{"priority" "high"} TypeError "give a number"]
    [{"priority" None} TypeError "give a number"]
    [{"priority" True} TypeError "give a number"]
    [{"priority" (float "nan")} ValueError "give a number"]
    [{"priority" (** 10 400)} ValueError "give a number"]])]
    test-what-makes-no-sense-is-refused [master options error says]
  (with [raised (pytest.raises error)]
    (.make-task master PID read-result #** options))
  (holds raised.type error)
  (message raised says))
