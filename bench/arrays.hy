"NumPy arrays as data, inserted into remotes by quasiquote."

(import
  dpfw.net.memory [new-memory]
  dpfw.task.ports [read-result]
  dpfw.dispatch.promise [force]
  bench.bulk [PEAK PREPARE SIZE bare-socket]
  bench.figure [figure quantity]
  bench.measure [interleaved rate]
  bench.peers [executor loky]
  bench.processes [launched resident-memory]
  bench.work [negated])

(setv
  TASKS 1,000  ; in a turn
  LENGTH 1,000)  ; numbers in each of their arrays, of eight bytes


(defn array [rounds]
  (with [master (launched 1)
         send (bare-socket new-memory)
         send-to-bytearray (bare-socket bytearray)
         send-again (bare-socket)
         parallel (loky)]

    (defn run [remote]
      (force (.make-task master remote read-result)))

    (setv before (resident-memory (run PREPARE)))
    (import numpy)
    (setv array (numpy.ones (// SIZE 8)))
    (defn to-slave []
      (run `(fn [i o] (len ~array))))
    (defn to-loky []
      ; A new object, since joblib writes none twice.
      (get (parallel len [#((cut array))]) 0))

    (to-slave)
    (setv growth (- (run PEAK) before))
    (figure f"a NumPy array of {(// SIZE 1,000,000)} MB in a quasiquoted remote" "B/s"
      (interleaved {
        "dpfw" (rate to-slave (len array) SIZE)
        "joblib" (rate to-loky (len array) SIZE)
        "bare socket, into new memory" (rate (fn [] (send array)) SIZE SIZE)
        "bare socket, into a new bytearray" (rate (fn [] (send-to-bytearray array)) SIZE SIZE)
        "bare socket, into the same again" (rate (fn [] (send-again array)) SIZE SIZE)}
        rounds)
      {"bare socket, into new memory" 0.8}
      [(quantity "growth of the slave's peak memory, in arrays" (/ growth SIZE) "×" 1.1)]
      :bound "at least"
      :note (+ "The remote's result is the array's length. New memory is of the kind that dpfw "
        "takes, straight from the system. joblib writes the array to a file in memory, and maps "
        "that on the other side; one that it has seen, it does not write again."))))


(defn small-arrays [rounds]
  (import numpy)
  (setv arrays (lfor  n (range TASKS)  (numpy.arange n (+ n LENGTH) :dtype float))
        want (- (numpy.array arrays)))
  (with [master (launched)
         futures (executor)
         parallel (loky)]

    (defn turn [run]
      (rate run want TASKS :same numpy.array-equal))
    (defn with-dpfw []
      (setv promises (lfor  x arrays  (.make-task master `(fn [i o] (- ~x)) read-result)))
      (lfor  promise promises  (force promise)))
    (defn with-executor []
      (setv promises (lfor  x arrays  (.submit futures negated x)))
      (lfor  promise promises  (.result promise)))
    (defn with-joblib []
      (parallel negated (gfor  x arrays  #(x))))

    (figure f"{TASKS :,} tasks with an array of {(* 8 LENGTH) :,} bytes each, there and back" "tasks/s"
      (interleaved {
        "dpfw" (turn with-dpfw)
        "ProcessPoolExecutor.submit" (turn with-executor)
        "joblib" (turn with-joblib)}
        rounds)
      {"ProcessPoolExecutor.submit" 1}
      :bound "at least"
      :note (+ "All tasks are made before the first result is asked for. joblib has batches, as "
        "many tasks to one as it finds best."))))
