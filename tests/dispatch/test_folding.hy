"Equal lines of several slaves become one, and each slave's lines stay in their order."

(import
  random
  dpfw.dispatch.folding [Folding]
  tests.helpers [holds])

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
