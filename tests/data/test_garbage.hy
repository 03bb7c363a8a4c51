"Pauses of the garbage collector end, whatever comes in between."

(import
  gc
  os
  threading
  pytest
  dpfw.data.garbage
  dpfw.data.garbage [no-collection pause]
  dpfw.data.packed [pack unpack]
  tests.helpers [begin holds outcome WAIT])

(defn [(pytest.fixture :autouse True)] collecting []
  (gc.enable)
  (yield)
  (holds (gc.isenabled) True)
  (holds dpfw.data.garbage.paused-in (set)))

(defn test-a-pause-ends-with-the-last-thread []
  (setv inside (threading.Event)
        leave (threading.Event))
  (defn stay []
    (with [_ (no-collection)]
      (.set inside)
      (.wait leave WAIT)))
  (setv other (begin stay))
  (assert (.wait inside WAIT))
  (with [_ (no-collection)]
    (holds (gc.isenabled) False))
  (holds (gc.isenabled) False)
  (.set leave)
  (outcome other)
  (holds (gc.isenabled) True))

(defn test-an-error-ends-it []
  (with [(pytest.raises ZeroDivisionError)]
    (with [_ (no-collection)]
      (/ 1 0))))

(defn test-what-is-off-stays-off []
  (gc.disable)
  (with [_ (no-collection)])
  (holds (gc.isenabled) False)
  (gc.enable))

(defn test-what-an-interrupt-left-paused-is-resumed-by-the-next []
  (pause (threading.get-ident))
  (with [_ (no-collection)])
  (holds (gc.isenabled) True))

(defn test-a-forked-child-collects []
  (with [_ (no-collection)]
    (setv child (os.fork))
    (when (= child 0)
      (os._exit (if (gc.isenabled) 0 1))))
  (holds (os.waitstatus-to-exitcode (get (os.waitpid child 0) 1)) 0))

(defn test-large-data-are-read-in-a-pause [monkeypatch]
  (setv seen []
        data (.join b"" (pack (lfor  n (range 20000)  [n 0.5]))))
  (monkeypatch.setattr "dpfw.data.packed.same_count" (fn [xs n] (.append seen (gc.isenabled))))
  (unpack data)
  (holds (set seen) #{False})
  (.clear seen)
  (unpack (.join b"" (pack (list (range 100)))))
  (holds (set seen) #{True}))
