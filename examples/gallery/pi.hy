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
    ; Each after as many batches more; results are taken meanwhile.
    (when (and (< (+ 1 (len launches)) slaves)
               (>= (* slaves n) (* batches (+ 1 (len launches)))))
      (.append launches (Thread :target dpfw-launch :args [1]))
      (.start (get launches -1))))
  (.close results)
  (for [launch launches]
    (.join launch)))

(defn draw [steps picture]
  (import matplotlib.pyplot :as plt)
  (setv [seconds slaves points pis errors] (zip #* steps)
        [figure [above below]] (plt.subplots 2 1 :figsize [8 6] :sharex True :layout "constrained")
        joins (lfor  [k n] (enumerate slaves)  :if (and k (!= n (get slaves (- k 1))))  k))
  (for [[factor alpha] [[2 0.2] [1 0.35]]]
    (.fill-between above seconds
      (lfor  [p e] (zip pis errors)  (- p (* factor e)))
      (lfor  [p e] (zip pis errors)  (+ p (* factor e)))
      :color "tab:blue" :alpha alpha :linewidth 0 :label f"± {factor} σ"))
  (.plot above seconds pis :color "tab:blue" :label "estimate")
  (.axhline above math.pi :color "black" :linewidth 1 :linestyle ":" :label "π")
  (.set above :ylim [(- math.pi 0.004) (+ math.pi 0.004)] :ylabel "π"
    :title f"π = {(get pis -1) :.5f} ± {(get errors -1) :.5f}, by {(get points -1) :,} points")
  (.legend above :loc "lower right" :ncols 2)
  (.semilogy below seconds errors :color "tab:orange" :label "σ")
  (for [k joins]
    (.plot below (cut seconds k None)
      (lfor  s (cut seconds k None)  (* (get errors k) (math.sqrt (/ (get seconds k) s))))
      :color "tab:orange" :linestyle ":" :label (if (= k (get joins 0)) "σ, had none joined" None))
    (for [axes [above below]]
      (.axvline axes (get seconds k) :color "grey" :linewidth 1 :linestyle "--")))
  (for [k [0 #* joins]]
    (setv n (get slaves k))
    (.annotate below f"{n} slave{(if (= n 1) "" "s")} →" [(get seconds k) 0.93]
      :xycoords #("data" "axes fraction") :xytext [5 0] :textcoords "offset points"))
  (.set below :xlabel "seconds" :ylabel "σ" :xlim [0 (get seconds -1)]
    :ylim [(* 0.8 (get errors -1)) (* 12 (get errors -1))])
  (.legend below :loc "lower left")
  (.savefig figure picture :dpi 100))

(defn main []
  (setv parser (argparse.ArgumentParser :description "π by Monte Carlo"))
  (.add-argument parser "--size" :type int :default 600 :help "batches of 100,000 points")
  (.add-argument parser "--slaves" :type int :default 3 :help "in the end")
  (.add-argument parser "--picture" :type Path :help "a file for it")
  (setv options (.parse-args parser))
  (dpfw-launch 1)
  (setv steps [])
  (for [step (growing options.size options.slaves)]
    (.append steps step)
    (setv [seconds slaves points p error] step)
    (when (or (= (len steps) 1) (!= slaves (get steps -2 1)) (= (% (len steps) 100) 0))
      (print f"{seconds :6.2f} s  {slaves} slave{(if (= slaves 1) " " "s")}  {points :>12,} points  {p :.6f} ± {error :.6f}" :flush True)))
  (print f"{p :.9f} ± {error :.9f} by {points} points and {slaves} slaves")
  (when options.picture
    (draw steps options.picture))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
