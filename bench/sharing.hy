"How well the slaves share work that takes much longer than to hand it out."

(import
  bench.figure [figure]
  bench.measure [interleaved rate]
  bench.peers [pool]
  bench.processes [WORKERS launched]
  bench.work [busy])

(setv
  ITEMS 2,000
  ; As `busy` does. By the clock, so what the master takes of a slave's processor
  ; meanwhile is not missed, and the ideal is the same with two processors as with
  ; three.
  BUSY '(fn [seconds]
    (import time [perf-counter])
    (setv end (+ (perf-counter) seconds))
    (while (< (perf-counter) end))
    seconds)
  NOTE (+ "The function looks at the clock until its time is over. The ideal is the sum of all "
    f"times, shared by {WORKERS}. Pool.map has its default chunks."))


(defn millisecond [rounds]
  (sharing-figure rounds (* [0.001] ITEMS)
    f"a function that takes 1 ms, over {ITEMS :,} items" 0.95 {"Pool.map" 1}))

(defn uneven [rounds]
  (sharing-figure rounds (lfor  n (range ITEMS)  (* 20e-6 (** 100 (/ n ITEMS))))
    f"a function over {ITEMS :,} items, for the first 20 µs, growing to 2 ms for the last"
    (/ 1 1.15) {}))

(defn sharing-figure [rounds xs title of-ideal targets]
  (setv ideal (/ (sum xs) WORKERS))
  (with [master (launched)
         workers (pool)]
    (figure title "items/s"
      (interleaved {
        "dpfw-map" (rate (fn [] (.map master BUSY xs)) xs (len xs))
        "the ideal" (fn [] (/ (len xs) ideal))
        "Pool.map" (rate (fn [] (.map workers busy xs)) xs (len xs))}
        rounds)
      {"the ideal" of-ideal  #** targets}
      :bound "at least"
      :note NOTE)))
