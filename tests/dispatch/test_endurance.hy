"Many tasks, many times over, leave nothing behind."

(import
  gc
  os
  threading
  pytest
  dpfw.master [Master]
  dpfw.task.ports [read-result]
  tests.processes [WAIT launched slave-server])

(defn descriptors []
  (len (os.listdir "/dev/fd")))

(defn run-thousand [master]
  (setv promises (lfor
    n (range 1000)
    (.make-task master `(fn [i o] (+ 1 2)) read-result)))
  (assert (= (sum (gfor  p promises  (.result p WAIT))) 3000)))

(defn test-a-thousand-tasks-many-times-leave-no-thread-or-descriptor []
  (with [[_ #* a] (slave-server)
         [_ #* b] (slave-server)]
    (setv threads (threading.active-count)
          files (descriptors))
    (for [_ (range 25)]
      (with [master (Master)]
        (.connect master #* a)
        (.connect master #* b)
        (run-thousand master))
      (assert (= (threading.active-count) threads) (threading.enumerate))
      (gc.collect)
      (assert (= (descriptors) files) (descriptors)))))

(defn test-who-waits-works-and-no-other-thread []
  "Tasks whose local procedure is `read-result` need none beside the reactor's."
  (with [[_ #* a] (slave-server)
         [_ #* b] (slave-server)
         master (Master)]
    (.connect master #* a)
    (.connect master #* b)
    (setv before (set (threading.enumerate))
          met (set))
    (for [_ (range 20)]
      (setv promises [])
      (for [_ (range 100)]
        (.append promises (.make-task master '(fn [i o] 3) read-result))
        (.update met (threading.enumerate)))
      (for [promise promises]
        (assert (= (.result promise WAIT) 3))
        (.update met (threading.enumerate))))
    (setv new (sfor  thread (- met before)  thread.name))
    (assert (<= new #{"dpfw-master-reactor"}) new)))

(defn test-launching-again-and-again-leaves-no-process []
  (for [_ (range 5)]
    (with [[master _] (launched 2)]
      (setv pids (.broadcast master '(fn [i o] (import os) (os.getpid))))
      (run-thousand master))
    (for [pid pids]
      (with [_ (pytest.raises ProcessLookupError)]
        (os.kill pid 0)))))
