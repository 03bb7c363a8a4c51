"The soak: a million tasks over two slaves, and the memory that they leave used.

Run it with ``make soak``. It looks at the resident memory of the master and of
both slaves after every 10,000 tasks, and fails if that of any is ever more than
5 % above the most that it was during the first 100,000."

(import
  gc
  os
  subprocess
  sys
  time
  dpfw.master [Master]
  dpfw.launch [dpfw-launch]
  dpfw.task.ports [read-result read write])

(setv
  ROUND 10,000    ; tasks between two looks
  WARM 10         ; rounds, the most of whose memory is the measure
  ROUNDS 100
  IN-FLIGHT 1000  ; tasks made before the first of them is forced
  MOST-GROWTH 1.05)

(defn memory [pid]
  "Resident memory of a process, in KiB."
  (int (subprocess.check-output ["ps" "-o" "rss=" "-p" (str pid)])))

(defn converse [i o]
  (write 20 o)
  (+ (read i) (read i)))

(defn run-round [master]
  "Tasks of four kinds: seen before, never seen before, failing, conversing."
  (for [start (range 0 ROUND IN-FLIGHT)]
    (setv promises (lfor
      n (range start (+ start IN-FLIGHT))
      (cond
        (= (% n 100) 0) (.make-task master `(fn [i o] ~n) read-result)
        (= (% n 100) 1) (.make-task master '(fn [i o] (/ 1 0)) read-result)
        (= (% n 100) 2) (.make-task master '(fn [i o] (write (* 2 (read i)) o) 2) converse)
        True (.make-task master '(fn [i o] [1 2.5 "three"]) read-result))))
    (for [[n promise] (enumerate promises start)]
      (check n promise))))

(defn check [n promise]
  (setv kind (% n 100))
  (if (= kind 1)
    (assert (isinstance (.exception promise) ZeroDivisionError) promise)
    (do
      (setv want (.get {0 n  2 42} kind [1 2.5 "three"]))
      (assert (= (.result promise) want) #(n promise)))))

(defn main []
  (with [master (Master)]
    (dpfw-launch 2 master)
    (setv
      pids [(os.getpid) #* (.broadcast master '(fn [i o] (import os) (os.getpid)))]
      looks []
      start (time.monotonic))
    (print "tasks        master, slaves (KiB)")
    (for [n (range 1 (+ ROUNDS 1))]
      (run-round master)
      (gc.collect)
      (.append looks (list (map memory pids)))
      (when (= (% n WARM) 0)
        (print f"{(* n ROUND) :<12,d} {(.join " " (map str (most (cut looks (- WARM) None))))}"
          :flush True)))
    (setv growth (max (gfor
      [before after] (zip (most (cut looks WARM)) (most looks))
      (/ after before))))
    (print f"{(* ROUND ROUNDS) :,d} tasks in {(- (time.monotonic) start) :.0f} s; at most {growth :.3f} times the memory of the first {(* ROUND WARM) :,d}")
    (if (<= growth MOST-GROWTH) 0 1)))

(defn most [looks]
  "The most memory of each process."
  (lfor  column (zip #* looks)  (max column)))

(when (= __name__ "__main__")
  (sys.exit (main)))
