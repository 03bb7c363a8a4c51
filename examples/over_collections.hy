"Calls over collections, and the macros over them.

Run it with: hy examples/over_collections.hy"

(import
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [plet pfor])

(dpfw-launch 2)

;; In order, whatever slave is done first. How long a chunk is, dpfw finds out.
(setv lengths (dpfw-map 'len (map str (range 1000))))
(print (sum lengths))  ; => 2890

;; Procedures are sent as code, items as data; a name is one that the slaves know.
(dpfw-broadcast '(do
  (defn collatz [n]
    "The steps that it takes from n to 1."
    (setv steps 0)
    (while (> n 1)
      (setv n (if (% n 2) (+ (* 3 n) 1) (// n 2)))
      (+= steps 1))
    steps)
  (fn [i o])))
(print (dpfw-map-reduce 'collatz 'max (range 1 20,000)))  ; => 278

;; An associative procedure, which need not be commutative.
(print (dpfw-reduce '(fn [a b] (+ a b)) "dpfw" "> "))     ; => > dpfw

;; As the results come, from an input without an end.
(defn naturals []
  (setv n 0)
  (while True
    (yield n)
    (+= n 1)))
(setv results (dpfw-map-unordered 'collatz (naturals)))
(print (any (gfor  steps results  (= steps 111))))        ; => True
(.close results)

;; An error tells its item.
(try
  (dpfw-map '(fn [x] (/ 6 x)) [3 2 1 0 -1])
  (except [e ZeroDivisionError]
    (print e e.index)))                                   ; => item 3: division by zero 3

;; The macros send the variables that their forms use, by value.
(defn report [factor numbers]
  (print (pfor [n numbers] (* factor n)))                 ; => [10, 20, 30]
  (plet [steps (collatz (get numbers 2))
         total (sum numbers)]
    (print steps total)))                                 ; => 7 6
(report 10 [1 2 3])

(dpfw-close)
