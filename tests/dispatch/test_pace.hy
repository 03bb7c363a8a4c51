"The sizes of chunks: whatever they are told, they make sense, and slaves that
are given such chunks end together."

(import
  heapq [heappop heappush]
  random
  sys
  pytest
  hypothesis [given strategies :as st]
  dpfw.dispatch.pace [GROWTH LEAST MOST-FIRST Pace SHARES SHORTEST TARGET]
  tests.helpers [holds message])
(require hyrule.control [unless])

(defn told [pace cost [items 1000]]
  "A pace that knows what an item costs, and may grow as it likes."
  (.note pace items (* cost items))
  pace)


;; * Sizes

(defn test-the-first-chunk-is-a-small-part []
  (for [total [None 0 1 999 1999]]
    (holds (.size (Pace None total) 0 2) 1))
  (holds (.size (Pace None 2000) 0 2) 2)
  (holds (.size (Pace None 1,000,000) 0 4) 500)
  (holds (.size (Pace None sys.maxsize) 0 4) MOST-FIRST))

(defn test-many-more-items-tell-better []
  (setv pace (told (Pace) 1e-3 10))
  (.note pace 39 (* 39 1e-5))
  (holds pace.cost (/ (+ 1e-3 1e-5) 2))
  (.note pace 200 (* 200 1e-6))
  (holds pace.cost (/ (* 200 1e-6) 200)))

(defn test-a-chunk-takes-the-time-that-it-should []
  (for [cost [1e-6 1e-5 1e-4 1e-3 0.01]]
    (setv n (.size (told (Pace) cost 10,000) 0 2))
    (assert (<= TARGET (* n cost) (+ TARGET cost)) #(cost n))))

(defn test-items-that-take-longer-go-one-by-one []
  (holds (.size (told (Pace) TARGET) 0 2) 1)
  (holds (.size (told (Pace) 100) 0 2) 1))

(defn test-chunks-grow-step-by-step []
  (setv pace (Pace)  sizes [])
  (for [_ (range 5)]
    (.append sizes (.size pace 0 2))
    (.note pace (get sizes -1) 0))
  (holds sizes [1 GROWTH (** GROWTH 2) (** GROWTH 3) (** GROWTH 4)]))

(defn test-the-clock-may-stand-still []
  (setv pace (Pace))
  (for [_ (range 20)]
    (.note pace (.size pace 0 2) 0))
  (assert (<= (.size pace 0 2) (* 1.01 (/ TARGET SHORTEST))) (.size pace 0 2)))

(defn test-a-given-size-is-kept []
  (setv pace (Pace 7 10))
  (holds (.size pace 0 2) 7)
  (.note pace 7 100)
  (holds [(.size pace 7 2) (.size pace 10 2)] [7 7]))

(defn test-chunks-become-shorter-towards-the-end []
  (setv cost 1e-4
        pace (told (Pace None 10,000) cost 10,000)
        sizes (lfor  taken (range 0 10,000 100)  (.size pace taken 4)))
  (holds sizes (sorted sizes :reverse True))
  (assert (< (get sizes -2) (// (get sizes 0) 4)) sizes)
  ; But no shorter than is worth a round trip.
  (assert (>= (* cost (get sizes -1)) LEAST) sizes)
  ; Each slave still has several to come, as long as they are longer than that.
  (for [[taken n] (zip (range 0 10,000 100) sizes)]
    (assert (or (<= (* cost n) (+ LEAST cost)) (<= (* n SHARES 4) (+ (- 10,000 taken) (* SHARES 4))))
      [taken n])))

(defn test-a-change-of-cost-is-followed []
  (setv pace (told (Pace) 1e-6 10,000))
  (for [_ (range 20)]
    (.note pace (.size pace 0 2) (* 0.01 (.size pace 0 2))))
  (assert (<= 4 (.size pace 0 2) 6) (.size pace 0 2))
  (for [_ (range 30)]
    (.note pace (.size pace 0 2) (* 1e-6 (.size pace 0 2))))
  (assert (> (.size pace 0 2) 40,000) (.size pace 0 2)))

(defn [(pytest.mark.parametrize "size" [0 -1 1.5 2.0 "x" True False [] (float "inf")])]
  test-no-other-size-will-do [size]
  (with [raised (pytest.raises ValueError)]
    (Pace size))
  (message raised (repr size) "at least 1"))

(defn [(given (st.lists (st.tuples (st.floats 0 1e6) (st.integers 1 64) (st.integers 0 3)))
              (| (st.none) (st.integers 0 10,000,000)))]
  test-whatever-it-is-told-sizes-make-sense [notes total]
  (setv pace (Pace None total)  taken 0  largest 0)
  (for [[seconds slaves others] notes]
    (setv n (.size pace taken slaves))
    (assert (and (is (type n) int) (>= n 1)) n)
    (assert (<= n (if largest (* GROWTH largest) (.first pace slaves))) [n largest])
    ; What is taken may be more than the total: a list may grow.
    (+= taken n)
    (.note pace n seconds)
    (setv largest (max largest n))))


;; * What comes of them

(defn simulated [costs slaves known [ahead 2] [trip 0.0005]]
  "How the slaves fare with such items: when each of them ends, and the number
  of chunks. Each has a chunk, and others wait in line, as in `dpfw.dispatch.mapping`."
  (setv
    pace (Pace None (when known (len costs)))
    taken 0
    chunks 0
    line []               ; chunks that wait
    idle (list (range slaves))
    ends (* [0] slaves)
    events []             ; when what slave is done with what
    now 0)
  (while True
    (while (and (< taken (len costs)) (< (+ (len line) (len events)) (* ahead slaves)))
      (setv n (.size pace taken slaves)
            chunk (cut costs taken (+ taken n)))
      (.append line chunk)
      (+= taken (len chunk))
      (+= chunks 1)
      (while (and idle line)
        (setv slave (.pop idle 0)  chunk (.pop line 0))
        (heappush events #((+ now trip (sum chunk)) slave chunk))))
    (unless events
      (return #(ends chunks)))
    (setv [now slave chunk] (heappop events)
          (get ends slave) now)
    (.note pace (len chunk) (sum chunk))
    (if line
      (do
        (setv chunk (.pop line 0))
        (heappush events #((+ now trip (sum chunk)) slave chunk)))
      (.append idle slave))))

(defn costs-of [kind]
  "Items that take a second or so, all in all."
  (setv dice (random.Random 5))
  (match kind
    "equal" (* [1e-4] 10,000)
    "tiny" (* [1e-6] 1,000,000)
    "long" (* [0.02] 60)
    "growing" (lfor  n (range 10,000)  (* 2e-8 n))
    "shrinking" (lfor  n (range 10,000 0 -1)  (* 2e-8 n))
    "random" (lfor  _ (range 10,000)  (* 1e-4 (.expovariate dice 1)))
    "some long" (lfor  _ (range 10,000)  (if (< (.random dice) 0.001) 0.02 5e-5))
    "two kinds" (+ (* [5e-5] 10,000) (* [1e-3] 500))))

(setv KINDS ["equal" "tiny" "long" "growing" "shrinking" "random" "some long" "two kinds"])

(defn [(pytest.mark.parametrize "kind" KINDS)
       (pytest.mark.parametrize "slaves" [1 2 4 8])]
  test-slaves-end-together [kind slaves]
  (setv costs (costs-of kind)
        [ends chunks] (simulated costs slaves True)
        ideal (/ (sum costs) slaves))
  (assert (< (max ends) (+ (* 1.15 ideal) TARGET)) [(max ends) ideal])
  (assert (< (- (max ends) (min ends)) (* 1.2 TARGET)) ends))

(defn [(pytest.mark.parametrize "kind" KINDS)]
  test-the-way-costs-little [kind]
  (for [known [True False]]
    (setv costs (costs-of kind)
          [ends chunks] (simulated costs 2 known))
    (assert (< (* chunks 0.0005) (* 0.1 (sum costs))) [known chunks])
    (assert (> (* chunks 2 TARGET) (* 0.5 (sum costs))) [known chunks])))
