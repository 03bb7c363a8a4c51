"The shortest round trip through Europe's capitals, by branch and bound. Slaves share
the best trip so far while they run.

Run it with: hy examples/gallery/travel.hy

A slave need not follow a beginning that is already too long; the shorter the best trip
that it knows of, the more it can leave out. With futures alone, a task knows what was
known when it was made. Here each remote writes, now and then, the best that it has
found, and reads what the best of all is:

    remote  (write [length trip] o)  ──▶  (read i)                local procedure,
            (read i)                 ◀──  (write length-of-best o)  a thread for each

The local procedures are threads of one program, so what they share is a variable."

(import
  argparse
  pathlib [Path]
  threading [Lock]
  time [perf-counter]
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

(setv CITIES [  ; name, latitude, longitude
  ["Bern" 46.95 7.45] ["Lisbon" 38.72 -9.14] ["Athens" 37.98 23.73] ["Oslo" 59.91 10.75]
  ["Warsaw" 52.23 21.01] ["Dublin" 53.35 -6.26] ["Rome" 41.90 12.50] ["Paris" 48.86 2.35]
  ["Helsinki" 60.17 24.94] ["Copenhagen" 55.68 12.57] ["Madrid" 40.42 -3.70] ["Berlin" 52.52 13.41]
  ["Bucharest" 44.43 26.10] ["London" 51.51 -0.13] ["Vienna" 48.21 16.37] ["Belgrade" 44.79 20.45]
  ["Riga" 56.95 24.11] ["Brussels" 50.85 4.35] ["Sofia" 42.70 23.32] ["Prague" 50.08 14.44]])

;; What slaves do

(dpfw-import math)

(dpfw-defn explore [trip distances best exchange]
  "Follow all that begins like ``trip`` and may be shorter than ``best``. At first and
  every thousand steps, ``exchange`` is given the best trip found, and gives the length
  to beat. Returns the steps it took."
  (setv ways (lfor  row distances  (cut (sorted row) 1 3))  ; each city's two shortest
        found [best []]
        steps 0)

  (defn follow [trip length left least]
    "``least`` is twice what is to come, at the least: who comes to a city also leaves it."
    (nonlocal best found steps)
    (when (= (% steps 1000) 0)
      (setv best (exchange found)))
    (+= steps 1)
    (setv row (get distances (get trip -1)))
    (if left
      (for [city (sorted left :key row.__getitem__)]
        (setv further (+ length (get row city))
              [shortest second] (get ways city))
        (when (< (+ (* 2 further) (- least second)) (* 2 best))
          (follow [#* trip city] further (- left #{city}) (- least shortest second))))
      (when (< (+ length (get row (get trip 0))) best)
        (setv best (+ length (get row (get trip 0)))
              found [best trip]))))

  (setv left (- (set (range (len distances))) (set trip)))
  (follow trip (sum (map (fn [a b] (get distances a b)) trip (cut trip 1 None)))
    left (+ (get ways 0 0) (sum (gfor  city left  (sum (get ways city))))))
  (exchange found)
  steps)

;; What the master does

(defn distance [a b]
  "In kilometres, along a great circle."
  (setv [_ x1 y1] a  [_ x2 y2] b
        [x1 y1 x2 y2] (map math.radians [x1 y1 x2 y2]))
  (round (* 6371 (math.acos (min 1 (+ (* (math.sin x1) (math.sin x2))
                                      (* (math.cos x1) (math.cos x2) (math.cos (- y1 y2)))))))))

(defn table [n]
  (lfor  a (cut CITIES n)  (lfor  b (cut CITIES n)  (distance a b))))

(defn greedy [distances]
  "A trip to begin with: always to the nearest city."
  (setv trip [0]  length 0  left (set (range 1 (len distances))))
  (while left
    (setv row (get distances (get trip -1))
          city (min left :key (fn [city] #((get row city) city))))
    (+= length (get row city))
    (.append trip city)
    (.remove left city))
  [(+ length (get distances (get trip -1) 0)) trip])

(defn beginnings [n]
  (lfor  a (range 1 n)  b (range 1 n)  :if (!= a b)  [0 a b]))

(defn shortest [distances [share True]]
  "The best trip's length and cities, the steps that all slaves took, and how the best
  came: pairs of seconds and length."
  (setv best (greedy distances)
        first (get best 0)
        start (perf-counter)
        history [[0 first]]
        lock (Lock))

  (defn keep [i o]
    "The local procedure, as the module's docstring shows it. A number is the result."
    (nonlocal best)
    (while True
      (setv news (read i))
      (when (isinstance news int)
        (return news))
      (with [_ lock]
        (when (< (get news 0) (get best 0))
          (setv best news)
          (.append history [(- (perf-counter) start) (get best 0)])))
      (write (get (if share best news) 0) o)))

  (setv steps (dpfw-parallel (lfor
    trip (beginnings (len distances))
    [`(fn [i o]
        (explore ~trip ~distances ~first (fn [found] (write found o) (read i))))
     keep])))
  [#* best (sum steps) history])

(defn main []
  (setv parser (argparse.ArgumentParser :description "The shortest round trip"))
  (.add-argument parser "--size" :type int :default 14 :help f"cities, of {(len CITIES)}")
  (.add-argument parser "--slaves" :type int :default 2)
  (.add-argument parser "--picture" :type Path :help "a file for it")
  (setv options (.parse-args parser)
        distances (table options.size))
  (when options.picture
    (import pictures))  ; or say now that it cannot
  (dpfw-launch options.slaves)
  (setv [length trip steps history] (shortest distances))
  (for [[seconds length] history]
    (print f"{seconds :6.2f} s  {length :>6,} km"))
  (print (.join " – " (gfor  k trip  (get CITIES k 0))))
  (print f"{length} km, found in {steps} steps" :end "")
  (setv [alone _ more _] (shortest distances :share False))
  (print f"; with nothing shared, {more} steps")
  (when options.picture
    (pictures.draw-trip (lfor  k trip  (get CITIES k)) length [steps more] options.picture))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
