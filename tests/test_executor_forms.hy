"Executors call forms, quoted or as text, as the calls over collections do."

(import
  fractions [Fraction]
  pytest
  dpfw.errors [UnwritableError]
  tests.helpers [holds]
  tests.processes [launched WAIT])

(defn [(pytest.fixture :scope "module")] executor []
  (with [both (launched 2)]
    (yield (.executor (get both 0) :results "data"))))

(defn result [executor #* call]
  (.result (.submit executor #* call) WAIT))

(defn test-a-quoted-procedure-is-called [executor]
  (holds (result executor '(fn [a [b 2]] [a b]) 1) [1 2])
  (holds (result executor 'abs -3) 3)
  (holds (list (.map executor '(fn [a b] (+ a b)) [1 2] [10 20])) [11 22]))

(defn test-data-in-a-form-travel-beside-it [executor]
  (setv xs [(Fraction 1 3) "b"])
  (holds (result executor `(fn [n] (* ~xs n)) 2) (* xs 2))
  (holds (list (.map executor `(fn [i] (get ~xs i)) [1 0])) ["b" (Fraction 1 3)]))

(defn test-quoted-forms-are-arguments-and-results [executor]
  (holds (result executor '(fn [form] `(f ~form)) '(g x)) '(f (g x)))
  (holds (result executor 'hy.eval '(+ 1 2)) 3))

(defn test-a-form-sees-what-slaves-keep-and-nothing-of-ours [executor]
  (holds (result executor '(fn [] (hash-table? (dpfw-slave-ht)))) True)
  (holds (result executor '(fn [] (dir))) [])
  (holds (result executor '(do (defmacro answer [x] `(+ 41 ~x)) (fn [x] (answer x))) 1) 42)
  (holds (result executor '(fn [x] x) 1) 1))

(defn test-a-form-that-is-called-as-often-makes-its-procedure-anew [executor]
  (setv form '(let [seen []] (fn [] (.append seen 1) (len seen))))
  (holds (lfor  _ (range 4)  (result executor form)) [1 1 1 1]))

(defn [(pytest.mark.parametrize #("f" "error") [
        ["(fn [x] x) (fn [x] x)" SyntaxError] ["(fn [x]" SyntaxError] ["" SyntaxError]
        [`(fn [] ~(object)) UnwritableError]])]
      test-what-is-not-one-form-is-refused-at-once [executor f error]
  (with [_ (pytest.raises error)]
    (.submit executor f 1))
  (with [_ (pytest.raises error)]
    (.map executor f [1])))

(defn test-what-yields-nothing-to-call-says-so [executor]
  (with [_ (pytest.raises TypeError :match "not callable")]
    (result executor '[1 2])))
