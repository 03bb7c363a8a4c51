"π by Monte Carlo, with an error bar that shrinks faster as slaves join in the middle.

Run it with: hy examples/gallery/pi.hy

It begins with one slave; the others come while it runs, as they may from anywhere at
any time. Nothing is told of them: what waits goes to whoever is there. Batch n has the
seed n, and `dpfw-imap` gives the batches in their order, so the number is the same,
digit for digit, whoever has computed what."

(import
  argparse
  itertools [count]
  math
  pathlib [Path]
  threading [Thread]
  time [perf-counter]
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

(setv BATCH 100,000)  ; points

;; What slaves do

(dpfw-import random [Random])

(dpfw-defn hits [seed n]
  "How many of n points in a square fall into the circle."
  (setv draw (. (Random seed) random)
        inside 0)
  (for [_ (range n)]
    (setv x (draw)  y (draw))
    (when (< (+ (* x x) (* y y)) 1)
      (+= inside 1)))
  inside)

;; What the master does

(defn estimate [inside n]
  "π, and one standard error of it."
  (setv p (/ inside n))
  #((* 4 p) (* 4 (math.sqrt (/ (* p (- 1 p)) n)))))

(defn pi-of [batches]
  "π by that many batches, and its error."
  (estimate (sum (dpfw-map hits (range batches) (* [BATCH] batches)))
            (* BATCH batches)))

(defn growing [batches slaves]
  "After each batch: [seconds slaves points π error]. It goes on until the last slave
  has joined."
  (setv start (perf-counter)
        results (dpfw-imap hits (count) (iter (fn [] BATCH) None) :chunk-size 1)
        launches []
        inside 0)
  (for [[n more] (enumerate results 1)]
    (+= inside more)
    (setv here (len (dpfw-slaves)))
    (yield [(- (perf-counter) start) here (* n BATCH) #* (estimate inside (* n BATCH))])
    (when (and (>= n batches) (= here slaves))
      (break))
    ; In a thread, since results are taken meanwhile.
    (when (and (< (+ 1 (len launches)) slaves)
               (>= n (* batches (** (/ (+ 1 (len launches)) slaves) 2))))
      (.append launches (Thread :target dpfw-launch :args [1]))
      (.start (get launches -1))))
  (.close results)
  (for [launch launches]
    (.join launch)))

(defn main []
  (setv parser (argparse.ArgumentParser :description "π by Monte Carlo"))
  (.add-argument parser "--size" :type int :default 600 :help "batches of 100,000 points")
  (.add-argument parser "--slaves" :type int :default 3 :help "in the end")
  (.add-argument parser "--picture" :type Path :help "a file for it")
  (setv options (.parse-args parser))
  (when options.picture
    (import pictures))  ; or say now that it cannot
  (dpfw-launch 1)
  (setv steps [])
  (for [step (growing options.size options.slaves)]
    (.append steps step)
    (setv [seconds slaves points p error] step)
    (when (or (= (len steps) 1) (!= slaves (get steps -2 1)) (= (% (len steps) 100) 0))
      (print f"{seconds :6.2f} s  {slaves} slave{(if (= slaves 1) " " "s")}  {points :>12,} points  {p :.6f} ± {error :.6f}" :flush True)))
  (print f"{p :.9f} ± {error :.9f} by {points} points and {slaves} slaves")
  (when options.picture
    (pictures.draw-pi steps options.picture))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
