"A tree: the slaves of this master are masters of slaves of their own. Work goes
down, split at each level, and results come up.

    master ─┬─ sub-master ─┬─ slave
            │              └─ slave
            └─ sub-master ─┬─ slave
                           └─ slave

Run it with: hy examples/tree.hy"

(import
  itertools [chain]
  os
  dpfw.launch [dpfw-launch]
  dpfw.master *)

;; Each of our slaves launches two of its own, when it joins. These definitions
;; stay there for the tasks to come.
(dpfw-on-connect
  '(do
     (import
       dpfw.launch [dpfw-launch]
       dpfw.master *)
     (defn count-primes [start stop]
       "Have the slaves of this process count, each a half, and add up."
       (setv middle (// (+ start stop) 2))
       (sum (dpfw-parallel (lfor
         [a b] [[start middle] [middle stop]]
         [`(fn [i o]
             (sum (gfor
               n (range ~a ~b)
               (and (> n 1) (all (gfor  d (range 2 (+ 1 (int (** n 0.5))))  (% n d)))))))
          read-result]))))
     (fn [i o] (len (dpfw-launch 2)))))

(dpfw-launch 2)

(print (sum (dpfw-parallel
  (lfor
    [start stop] [[0 50000] [50000 100000]]
    [`(fn [i o] (count-primes ~start ~stop)) read-result]))))  ; => 9592

;; All the processes of the tree.
(setv below (dpfw-broadcast
  '(do
     (import os)
     (fn [i o]
       [(os.getpid) #* (dpfw-broadcast '(do (import os) (fn [i o] (os.getpid))))]))))
(print (len #{(os.getpid) #* (chain #* below)}) "processes")  ; => 7 processes

(dpfw-close)
