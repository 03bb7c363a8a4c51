"A small function over a long list."

(import
  itertools [chain]
  statistics [median]
  bench.dask-apart [dask]
  bench.figure [figure]
  bench.measure [interleaved rate]
  bench.peers [executor pool]
  bench.processes [launched]
  bench.work [square-plus-one square-plus-one-array square-plus-one-each])

(setv
  ITEMS 200,000
  CHUNKS [1000 5000 25,000 50,000 100,000]  ; items in one, to choose from
  TRIALS 3        ; turns with each
  PARTITIONS 8)   ; lists that Dask maps over


(defn map-figure [rounds]
  (setv xs (items)
        want (square-plus-one-each xs))
  (with [master (launched)
         futures (executor)
         workers (pool)
         dask-turn (dask dask-map)]

    (defn turn [run #* arguments]
      (rate (fn [] (list (run #* arguments))) want ITEMS))
    (defn with-dpfw []
      (.map master '(fn [x] (+ (* x x) 1)) xs))
    (defn with-executor [chunk]
      (.map futures square-plus-one xs :chunksize chunk))
    (defn with-pool [chunk]
      (.map workers square-plus-one xs chunk))
    (setv
      executor-chunk (best-chunk (fn [chunk] (turn with-executor chunk)))
      pool-chunk (best-chunk (fn [chunk] (turn with-pool chunk))))
    (figure f"a small function over a list of {ITEMS :,} integers" "items/s"
      (interleaved {
        "dpfw-map" (turn with-dpfw)
        "ProcessPoolExecutor.map" (turn with-executor executor-chunk)
        "Pool.map" (turn with-pool None)
        "Pool.map, best chunks" (turn with-pool pool-chunk)
        "Dask map" dask-turn}
        rounds)
      {"ProcessPoolExecutor.map" 1}
      :bound "at least"
      :note (+ f"ProcessPoolExecutor.map has chunks of {executor-chunk :,} items and Pool.map of "
        f"{pool-chunk :,}, the best of {(.join ", " (gfor  n CHUNKS  f"{n :,}"))} on the day; "
        f"without best chunks, Pool.map has its default. Dask maps over {PARTITIONS} lists and sends back arrays."))))

(defn items []
  (list (range ITEMS)))

(defn dask-map [client]
  (setv xs (items)
        size (// ITEMS PARTITIONS))
  (defn run []
    (setv parts (lfor  at (range 0 ITEMS size)  (cut xs at (+ at size)))
          futures (.map client square-plus-one-array parts :pure False))
    ; A list that Dask sends back takes thirty times as long.
    (list (chain.from-iterable (gfor  part (.gather client futures)  (.tolist part)))))
  (rate run (square-plus-one-each xs) ITEMS))

(defn best-chunk [turn-with]
  "The chunk size with which a map is fastest."
  (for [chunk CHUNKS]
    ((turn-with chunk)))
  (max CHUNKS :key (fn [chunk]
    (setv turn (turn-with chunk))
    (median (gfor  _ (range TRIALS)  (turn))))))
