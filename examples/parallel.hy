"Tasks side by side, on as many slaves as there are.

Run it with: hy examples/parallel.hy"

(import
  dpfw.launch [dpfw-launch]
  dpfw.master *)

(dpfw-launch 2)

(print (dpfw-parallel `[[(fn [i o] (+ 2 1)) ~read-result]
                        [(fn [i o] (+ 5 5)) ~read-result]]))  ; => [3, 10]

;; More tasks than slaves: those that find none idle wait in line.
(setv squares (lfor  n (range 10)
  [`(fn [i o] (* ~n ~n)) read-result]))
(print (dpfw-parallel squares))  ; => [0, 1, 4, 9, 16, 25, 36, 49, 64, 81]

;; What every slave does, rather than one of them.
(setv processes (dpfw-broadcast '(do (import os) (fn [i o] (os.getpid)))))
(print (len (set processes)))    ; => 2

(dpfw-close)
