"One program for any kind of slaves: another line launches them, and nothing else differs.

Run it with: hy examples/anywhere.hy"

(import dpfw.master *)
(require dpfw.master [dpfw-defn])

;; The line that launches. docs/clusters.md has those for ssh, Dask, MPI, Slurm, Kubernetes
;; and systemd.
(import dpfw.launch [dpfw-launch]) (dpfw-launch 2)

;; Defined here and on every slave, also those that join later.
(dpfw-defn hits [seed]
  "How many of 10,000 random points in a square are in the circle that fills it."
  (import random [Random])
  (setv coordinate (. (Random seed) random))
  (sum (gfor  _ (range 10,000)  (< (+ (** (coordinate) 2) (** (coordinate) 2)) 1))))

;; Slaves may be lost on the way, and others join: their items go elsewhere.
(setv found (dpfw-map 'hits (range 100) :retries 2))
(print (len found) "shares")                             ; => 100 shares
(print f"{(/ (* 4 (sum found)) (* 100 10,000)) :.2f}")   ; => 3.14

(dpfw-close)
