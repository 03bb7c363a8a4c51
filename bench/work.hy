"What the peers' processes are given to do."

(import
  time [perf-counter])


(defn add [a b]
  (+ a b))

(defn add-one [x]
  (+ x 1))

(defn with-key [x]
  {#** x "d" True})

(defn with-next [x]
  #((+ (get x 0) 1) #* (cut x 1 None)))

(defn negated [x]
  (- x))

(defn busy [seconds]
  (setv end (+ (perf-counter) seconds))
  (while (< (perf-counter) end))
  seconds)

(defn each [f xs]
  (list (map f xs)))

(defn each-array [f xs]
  "The same as a NumPy array."
  (import numpy)
  (numpy.array (each f xs)))
