"Equal lines of several slaves become one, and each slave's lines stay in their order."

(import
  random
  dpfw.dispatch [folding :as module]
  dpfw.dispatch.folding [Entry Folding]
  tests.helpers [holds steps])

(defn folded [#* lines]
  "What becomes of lines, each a slave and a text, that come at once."
  (setv folding (Folding))
  (for [[n [slave text]] (enumerate lines)]
    (.put folding n 0 text text slave))
  (lfor  e (.take folding)  #(e.what (.join "" e.slaves))))

(defn test-equal-lines-of-several-slaves-are-one []
  (holds (folded "ax" "bx" "cx" "cy" "ay") [#("x" "abc") #("y" "ca")])
  ; b has printed them in the other order.
  (holds (folded "ax" "ay" "by" "bx") [#("x" "a") #("y" "ab") #("x" "b")]))

(defn test-equal-lines-of-one-slave-are-as-many-as-they-were []
  (holds (folded "ax" "ax" "bx") [#("x" "ab") #("x" "a")]))

(defn test-other-keys-and-what-has-none-are-apart []
  (setv folding (Folding))
  (for [[n key] (enumerate ["one" "other" None None "one"])]
    (.put folding n 0 key "x" n))
  (holds (lfor  e (.take folding)  e.slaves) [[0 4] [1] [2] [3]]))

(defn test-each-slave-s-lines-stay-in-their-order []
  (setv chance (random.Random 5))
  (for [_ (range 200)]
    (setv folding (Folding)
          printed {"a" []  "b" []  "c" []}
          shown {"a" []  "b" []  "c" []})
    (defn show [entries]
      (for [e entries  slave e.slaves]
        (.append (get shown slave) e.what)))
    (for [n (range 60)]
      (setv [slave text] [(.choice chance "abc") (.choice chance "xyz")])
      (.append (get printed slave) text)
      (.put folding n n text text slave)
      (when (< (.random chance) 0.2)
        (show (.take folding (- n 10)))))
    (show (.take folding))
    (holds shown printed)
    (holds #(folding.alike folding.last) #({} {}))))

(defn test-those-that-are-due-are-taken []
  (setv folding (Folding))
  (for [[n text] (enumerate "xyz")]
    (.put folding (+ n 1) (* 10 n) text text "a"))
  (.put folding 4 30 "z" "z" "b")
  (defn texts [#* arguments]
    (lfor  e (.take folding #* arguments)  e.what))
  (holds (texts -1) [])
  (holds (texts 0) ["x"])
  (holds (texts 0 2) ["y"])
  (holds (. (.first folding) slaves) ["a" "b"])
  (holds (texts) ["z"])
  (holds (.first folding) None))

(defn test-a-line-that-is-printed-very-often-costs-as-much-as-any-other []
  (defn fold [key slave]
    (setv folding (Folding))
    (for [n (range 2000)]
      (.put folding n n (key n) "working" (slave n))
      (when (= (% n 500) 499)
        (.take folding (- n 400))))
    (.take folding))
  (setv different (steps module fold str (fn [n] "a")))
  ; One slave's; those of two in turn; and those of one, after all of another.
  (for [slave [(fn [n] "a") (fn [n] (get "ab" (% n 2))) (fn [n] (if (< n 1000) "a" "b"))]]
    (setv equal (steps module fold (fn [n] "key") slave))
    (assert (< equal (* 5 different)) #(equal different))))

(defn test-the-first-that-a-slave-has-no-part-in-is-found []
  (setv chance (random.Random 5)
        alike (module.Alike)
        left [])
  (for [n (range 2000)]
    (if (and left (< (.random chance) 0.48))
      (do
        (.pop left 0)
        (.drop-first alike))
      (do
        (.append left (Entry (* 2 n) 0 0 "key" "x" "a"))
        (.append alike (get left -1))))
    (holds (bool alike) (bool left))
    (setv after (.randrange chance (- (* 2 n) 30) (+ (* 2 n) 3)))
    (assert (is (.after alike after) (next (gfor  e left  :if (> e.number after)  e) None)))
    (assert (<= (len alike.entries) (+ 1 (* 2 (len left)))))))
