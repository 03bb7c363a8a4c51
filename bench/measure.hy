"Measuring: turns, taken in rounds.

A *turn* is a function of no arguments that lets one contender do its work once
and returns what that took, in the unit of the figure. In each round every
contender has its turn, so what the machine does meanwhile befalls all alike."

(import
  gc
  operator [eq]
  time [perf-counter])


(defn trips [call want n]
  "A turn of n calls, one after the other; seconds for each."
  (fn []
    (setv start (perf-counter))
    (for [_ (range n)]
      (setv got (call)))
    (setv seconds (- (perf-counter) start))
    (check got want)
    (/ seconds n)))

(defn rate [run want n [same eq]]
  "A turn of one call that does n things; things in a second. ``same`` says whether
  what it returns is what it should be."
  (fn []
    (setv start (perf-counter)
          got (run)
          seconds (- (perf-counter) start))
    (check got want same)
    (/ n seconds)))

(defn check [got want [same eq]]
  (when (not (same got want))
    (raise (ValueError "a contender's result is wrong"))))


(defn interleaved [turns rounds [warm-up 2]]
  "Take turns, a dict of name to turn: first each ``warm-up`` times, then in
  rounds, each beginning with another contender. Returns a dict of name to what
  its turns returned. ::

    (interleaved {\"a\" (fn [] 1)  \"b\" (fn [] 2)} 3)  ; => {\"a\" [1 1 1]  \"b\" [2 2 2]}"
  (setv names (list turns)
        results (dfor  name names  name []))
  (for [name names
        _ (range warm-up)]
    ((get turns name)))
  (for [n (range rounds)
        name (rotated names n)]
    ; Nobody pays for what another left behind.
    (gc.collect)
    (.append (get results name) ((get turns name))))
  results)

(defn rotated [xs n]
  (setv n (% n (len xs)))
  [#* (cut xs n None) #* (cut xs n)])
