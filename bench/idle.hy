"Many idle slaves: what they cost a master."

(import
  gc
  os
  resource
  threading
  time
  dpfw.net.threads [PARKED]
  dpfw.task.ports [read-result]
  dpfw.dispatch.promise [force]
  dpfw.serve.process [evaluator]
  dpfw.serve.server [Server]
  bench.figure [figure quantity]
  bench.measure [interleaved trips]
  bench.processes [helper launched resident-memory])

(setv
  REMOTE '(fn [i o] (+ 2 3))
  TRIPS 200  ; in a turn
  IDLE 500   ; slaves
  SETTLE (+ PARKED 1))  ; seconds; by then, the threads that admitted slaves have ended


(defn idle [rounds]
  (with [crowd (helper be-idle)
         alone (launched 1)
         crowded (launched 1)]

    (defn turn [master]
      (setv [slave] (.slaves master))
      (trips (fn [] (force (.make-task master REMOTE read-result slave))) 5 TRIPS))

    (setv turns {
      f"beside {IDLE} idle slaves" (turn crowded)
      "alone" (turn alone)})
    (for [warm-up (.values turns)]
      (warm-up))
    (setv [memory threads] (used))
    (admit-idle crowded crowd)
    (setv [more-memory more-threads] (used))
    (figure f"a small task on a slave whose master has {IDLE} idle ones as well" "s"
      (interleaved turns rounds)
      {"alone" 1.2}
      [(quantity "memory of the master per idle slave"
         (/ (- more-memory memory) IDLE 1000) "kB" 100)
       (quantity f"threads of the master for {IDLE} idle slaves"
         (- more-threads threads) "threads" 0)]
      :note "The idle slaves are sessions of one process.")))

(defn used []
  "Memory and threads of this process, when it has been quiet for a while."
  (time.sleep SETTLE)
  (gc.collect)
  #((resident-memory (os.getpid)) (threading.active-count)))

(defn admit-idle [master crowd]
  (.send crowd (.listen master :host "127.0.0.1"))
  (.wait-for master.network (fn [] (or (> (.slave-count master.network) IDLE) None))))

(defn be-idle [pipe]
  "In a process of their own: dial as many slaves, which wait for tasks."
  (setv [_ most] (resource.getrlimit resource.RLIMIT-NOFILE)
        address (.recv pipe))
  (resource.setrlimit resource.RLIMIT-NOFILE #(most most))
  (for [_ (range IDLE)]
    (setv slave (Server evaluator))
    (.start (threading.Thread :target slave.serve :args [(.dial slave #* address)] :daemon True)))
  (.recv pipe))
