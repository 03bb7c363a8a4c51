"A collection that does not fit into memory, or has no end."

(import
  functools [partial]
  bench.figure [figure]
  bench.measure [check interleaved]
  bench.processes [launched peak-memory run-fresh])

(setv
  FEW 1,000,000    ; items
  MANY 10,000,000)


(defn endless [rounds]
  (figure "peak memory of a master that maps over a generator and keeps nothing" "B"
    (interleaved
      (dfor  n [MANY FEW]  f"{n :,} items" (partial run-fresh peak-after n))
      rounds :warm-up 0)
    {f"{FEW :,} items" 1.2}
    :note "By dpfw-map-unordered. Each turn is a process of its own."))

(defn peak-after [n]
  (with [master (launched)]
    (check
      (sum (.map-unordered master '(fn [x] (+ x 1)) (gfor  x (range n)  x)))
      (// (* n (+ n 1)) 2)))
  (peak-memory))
