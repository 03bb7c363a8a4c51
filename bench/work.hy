"What the peers' processes are given to do."

(defn add [a b]
  (+ a b))

(defn square-plus-one [x]
  (+ (* x x) 1))

(defn square-plus-one-each [xs]
  (list (map square-plus-one xs)))

(defn square-plus-one-array [xs]
  "The same as a NumPy array."
  (import numpy)
  (numpy.array (square-plus-one-each xs)))
