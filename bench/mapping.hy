"Small functions over long lists."

(import
  contextlib [ExitStack]
  functools [partial]
  itertools [chain]
  statistics [median]
  bench.dask-apart [dask]
  bench.figure [figure]
  bench.measure [interleaved rate]
  bench.peers [executor loky pool]
  bench.processes [launched]
  bench.work [add-one each each-array with-key with-next])

(setv
  CUTS [200 40 8 4 2]  ; chunks to cut a list into, to choose from
  TRIALS 3             ; turns with each
  PARTS 8              ; lists that joblib and Dask map over
  MANY 2,000,000)      ; integers


(defn ints [rounds]
  (map-figure rounds '(fn [x] (+ x 1)) add-one (list (range 200,000)) "integers"
    :with-dask True))

(defn many-ints [rounds]
  (map-figure rounds '(fn [x] (+ x 1)) add-one (list (range MANY)) "integers"))

(defn floats [rounds]
  (map-figure rounds '(fn [x] (+ x 1)) add-one (lfor  n (range 1,000,000)  (/ n 7)) "floats"
    :with-dask True))

(defn strings [rounds]
  (map-figure rounds 'str.upper str.upper (lfor  n (range 200,000)  f"item number {n}") "strings"))

(defn records [rounds]
  (map-figure rounds '(fn [x] {#** x "d" True}) with-key
    (lfor  n (range 50,000)  {"a" n  "b" f"x{n}"  "c" [1 2.5 None]})
    "dicts of three values"))

(defn tuples [rounds]
  (map-figure rounds '(fn [x] #((+ (get x 0) 1) #* (cut x 1 None))) with-next
    (lfor  n (range 20,000)  #(n f"k{n}" (/ n 2)))
    "tuples of three values"))


(defn map-figure [rounds form f xs what * [with-dask False]]
  "The quoted procedure and the function do the same. With Dask, they have to make
  numbers."
  (setv want (each f xs))
  (with [contenders (ExitStack)]
    (setv
      master (.enter-context contenders (launched))
      futures (.enter-context contenders (executor))
      workers (.enter-context contenders (pool))
      parallel (.enter-context contenders (loky)))

    (defn turn [run #* arguments]
      (rate (fn [] (list (run #* arguments))) want (len xs)))
    (defn with-executor [chunk]
      (.map futures f xs :chunksize chunk))
    (defn with-pool [chunk]
      (.map workers f xs chunk))
    (defn with-joblib []
      (chain.from-iterable (parallel each (gfor  part (parts xs)  #(f part)))))

    (setv
      executor-chunk (best-chunk xs (fn [chunk] (turn with-executor chunk)))
      pool-chunk (best-chunk xs (fn [chunk] (turn with-pool chunk))))
    (figure f"a small function over a list of {(len xs) :,} {what}" "items/s"
      (interleaved {
        "dpfw-map" (turn (fn [] (.map master form xs)))
        "ProcessPoolExecutor.map" (turn with-executor executor-chunk)
        "Pool.map" (turn with-pool None)
        "Pool.map, best chunks" (turn with-pool pool-chunk)
        "joblib" (turn with-joblib)
        #** (if with-dask
          {"Dask map" (.enter-context contenders (dask (partial dask-map f xs)))}
          {})}
        rounds)
      {"Pool.map, best chunks" 1}
      :bound "at least"
      :note (+ f"ProcessPoolExecutor.map has chunks of {executor-chunk :,} items and Pool.map of "
        f"{pool-chunk :,}, the best of {(.join ", " (gfor  n (chunks xs)  f"{n :,}"))} on the day; "
        f"without best chunks, Pool.map has its default. joblib maps over {PARTS} lists"
        (if with-dask
          ", and so does Dask, which sends back arrays."
          ". With Dask it would take too long.")))))

(defn dask-map [f xs client]
  (defn run []
    (setv futures (.map client (partial each-array f) (parts xs) :pure False))
    ; A list that Dask sends back takes thirty times as long.
    (list (chain.from-iterable (gfor  part (.gather client futures)  (.tolist part)))))
  (rate run (each f xs) (len xs)))

(defn parts [xs]
  (setv size (// (len xs) PARTS))
  (lfor  at (range 0 (len xs) size)  (cut xs at (+ at size))))


(defn map-reduce [rounds]
  (setv xs (list (range MANY))
        want (sum (each add-one xs)))
  (with [master (launched)
         workers (pool)]
    (defn turn [run #* arguments]
      (rate (fn [] (run #* arguments)) want MANY))
    (defn with-pool [chunk]
      (sum (.map workers add-one xs chunk)))
    (setv chunk (best-chunk xs (fn [chunk] (turn with-pool chunk))))
    (figure f"the sum of what a small function makes of {MANY :,} integers" "items/s"
      (interleaved {
        "dpfw-map-reduce"
          (turn (fn [] (.map-reduce master '(fn [x] (+ x 1)) '(. hy I operator add) xs)))
        "sum of Pool.map, best chunks" (turn with-pool chunk)}
        rounds)
      {"sum of Pool.map, best chunks" 1.5}
      :bound "at least"
      :note f"Both add up in C. Pool.map has chunks of {chunk :,} items.")))


(defn best-chunk [xs turn-with]
  "The chunk size with which a map is fastest."
  (for [chunk (chunks xs)]
    ((turn-with chunk)))
  (max (chunks xs) :key (fn [chunk]
    (setv turn (turn-with chunk))
    (median (gfor  _ (range TRIALS)  (turn))))))

(defn chunks [xs]
  (lfor  n CUTS  (// (len xs) n)))
