"The macros send along what their forms use: the variables that Python finds,
under the names that the user gave them."

(import
  math
  os
  pytest
  dpfw.dispatch.capture [with-variables]
  dpfw.errors [RemoteError UnwritableError]
  dpfw.launch [dpfw-launch]
  dpfw.master [dpfw-broadcast dpfw-close read-result]
  tests.helpers [holds message]
  tests.processes [error-of])
(require
  dpfw.master [plet pfor]
  hyrule.control [unless])

(defn [(pytest.fixture :scope "module" :autouse True)] slaves []
  (dpfw-launch 2)
  (yield)
  (dpfw-close))

(setv
  number 10
  words ["a" "b"]
  ready? True
  quoted '(+ 1 ~x)
  stream (open os.devnull)
  __dunder__ 5)

(.close stream)

(defn helper [x] x)

(defmacro plus-number [x]
  `(+ ~x number))

(defmacro sent [form]
  "The names of the variables that go with this form, and the texts of their
  values."
  `(variables (with-variables '~form (fn [] ~form)) '~form))

(defn variables [whole form]
  (if (= whole form)
    {}
    (do
      (setv [do_ [setv_ #* pairs] inner] whole)
      (holds [do_ setv_ inner] ['do 'setv form])
      (dfor
        [name datum] (zip (cut pairs None None 2) (cut pairs 1 None 2))
        (str name) datum.value))))


;; * What goes along

(defn test-nothing-that-is-not-used []
  (holds (sent (+ 1 2)) {})
  (holds (sent (do (setv number 5) number)) {})
  (holds (sent (fn [number words] [number words])) {})
  (holds (sent (lfor  number [1]  number)) {})
  (holds (sent (let [number 1] number)) {})
  (holds (sent "number") {})
  (holds (sent 'number) {})
  (holds (sent (. "x" number)) {}))

(defn test-data-of-the-module []
  (holds (sent (+ number 1)) {"number" "10"})
  (holds (sent [words number]) {"words" "[\"a\" \"b\"]"  "number" "10"})
  (holds (sent ready?) {(hy.mangle "ready?") "True"})
  (holds (sent quoted) {"quoted" "'(+ 1 ~x)"}))

(defn test-no-procedures-or-modules-of-the-module []
  (holds (sent (helper (math.sqrt number))) {"number" "10"})
  (holds (sent (abs stream)) {})
  (holds (sent [__name__ __dunder__ no-such]) {}))

(defn test-variables-at-any-depth []
  (holds (sent (fn [] (fn [] (fn [] number)))) {"number" "10"})
  (holds (sent (lfor  x [1]  (do (setv y x) [y number]))) {"number" "10"})
  (holds (sent (defclass A [] (setv y number) (defn m [self] words)))
         {"number" "10"  "words" "[\"a\" \"b\"]"})
  (holds (sent f"{number !r:>{(len words)}}") {"number" "10"  "words" "[\"a\" \"b\"]"})
  (holds (sent (fn [[x number]] x)) {"number" "10"})
  (holds (sent `(a ~number ~@words)) {"number" "10"  "words" "[\"a\" \"b\"]"}))

(defn test-what-macros-expand-to-counts []
  (holds (sent (plus-number 1)) {"number" "10"})
  (holds (sent (unless ready? 1)) {(hy.mangle "ready?") "True"}))

(defn test-variables-of-functions []
  (setv local 1)
  (defn within [argument #* rest #** more]
    (setv own 2)
    (holds (sent [local argument rest more own])
      {"local" "1"  "argument" "3"  "rest" "#(4)"  "more" "{\"k\" 5}"  "own" "2"})
    (holds (sent [local number]) {"local" "1"  "number" "10"}))
  (within 3 4 :k 5)
  (for [n [1 2]]
    (holds (sent n) {"n" (str n)}))
  (holds (lfor  n [1 2]  (get (sent n) "n")) ["1" "2"])
  (holds (lfor  n [1 2]  (get ((fn [] (sent n))) "n")) ["1" "2"]))

(defn test-a-variable-hides-one-of-the-module []
  (setv number 1)
  (holds (sent number) {"number" "1"})
  (holds ((fn [] (setv number 2) (sent number))) {"number" "2"}))

(defn test-variables-of-let []
  (let [a 1  number 2  my-name 3]
    (holds (sent [a number my-name]) {"a" "1"  "number" "2"  "my_name" "3"})
    (let [a 4]
      (holds (sent a) {"a" "4"})
      (holds (sent (+ a (let [a 5] a))) {"a" "4"}))
    (holds (sent a) {"a" "1"})
    (holds ((fn [] (sent a))) {"a" "1"})))

(defn test-let-at-the-top-of-a-module []
  (for [[form names] [
      ['(let [a 1] (sent a)) {"a" "1"}]
      ['(let [a 1] (let [a 2] (sent (+ a 1)))) {"a" "2"}]
      ['(let [ready? 1] (sent ready?)) {(hy.mangle "ready?") "1"}]
      ['(do (setv b 3) (let [a 1] (sent [a b]))) {"a" "1"  "b" "3"}]]]
    (holds (hy.eval form :globals (dict (globals)) :module (get hy.I.sys.modules __name__)) names))
  (with [raised (pytest.raises UnwritableError)]
    (hy.eval '(let [my-thing helper] (sent my-thing))
      :globals (dict (globals)) :module (get hy.I.sys.modules __name__)))
  (message raised "the variable my-thing cannot be sent along"))

(defn test-a-variable-without-a-value-does-not-go-along []
  (defn early []
    (sent later))
  (holds (early) {})
  (setv later 1)
  (holds (early) {"later" "1"}))

(defn test-values-are-those-of-the-moment []
  (setv items [1])
  (setv before (sent items))
  (.append items 2)
  (holds [before (sent items)] [{"items" "[1]"} {"items" "[1 2]"}]))


;; * What cannot

(defn [(pytest.mark.parametrize #("name" "call") [
    #("my-file!" (fn [x] (let [my-file! x] (sent my-file!))))
    #("a-b" (fn [a-b] (sent [1 a-b])))
    #("ready?" (fn [ready?] (sent (fn [] ready?))))
    #("self" (fn [self] (sent self.x)))])]
  test-what-cannot-be-written-is-named-as-the-user-wrote-it [name call]
  (with [raised (pytest.raises UnwritableError)]
    (call [1 [stream]]))
  (message raised f"the variable {name} cannot be sent along" "TextIOWrapper (at [1][0])" "inside the form"))

(defn test-a-local-procedure-cannot-be-sent []
  (defn double [x] (* 2 x))
  (with [raised (pytest.raises UnwritableError)]
    (pfor [x [1]] (double x)))
  (message raised "the variable double cannot" "function" "dpfw-broadcast")
  (with [raised (pytest.raises UnwritableError)]
    (plet [x 1  y (double x)] y))
  (message raised "the variable double cannot"))

(defn test-the-class-of-a-method-cannot-be-sent []
  (defclass A []
    (defn m [self]
      (pfor [x [1]] (super))))
  (with [raised (pytest.raises UnwritableError)]
    (.m (A)))
  (message raised "the variable __class__ cannot"))


;; * pfor

(defn test-pfor-gives-a-list-in-order []
  (holds (pfor [x (range 100)] (* x number)) (list (range 0 1000 10)))
  (holds (pfor [x []] x) [])
  (holds (pfor [x (iter "ab")] x x) ["a" "b"])
  (holds (pfor [x [1]]) [None]))

(defn test-pfor-takes-items-apart []
  (holds (pfor [[k v] (.items {"a" 1  "b" 2})] f"{k}{v}") ["a1" "b2"])
  (holds (pfor [[first #* others] [[1 2 3]]] [others first]) [[[2 3] 1]])
  (holds (pfor [#(a [b c]) [#(1 [2 3])]] [c b a]) [[3 2 1]])
  (let [k 5]
    (holds (pfor [[k v] [[1 2]]] (+ k v)) [3])))

(defn test-the-item-hides-a-variable []
  (setv x 5)
  (holds (pfor [x [1 2]] x) [1 2])
  (holds (pfor [number [1]] (plus-number* number)) [2])
  (let [y 7]
    (holds (pfor [y [1]] (+ y x)) [6])))

(defmacro plus-number* [x]
  `(+ 1 ~x))

(defn [(pytest.fixture :scope "module" :autouse True)] macros-on-slaves [slaves]
  (dpfw-broadcast '(do
    (defmacro plus-number* [x] `(+ 1 ~x))
    (defn helper [x] ["the slave's" x])
    (fn [i o] True))))

(defn test-procedures-are-the-slaves-own []
  (holds (pfor [x [1]] (helper x)) [["the slave's" 1]])
  (holds (plet [a (helper 2)] a) ["the slave's" 2]))

(defn test-a-body-may-change-its-copies []
  (setv n 5)
  (holds (pfor [x [1]] (nonlocal n) (+= n x) n) [6])
  (holds (pfor [x [1]] (setv number x) number) [1])
  (holds (pfor [x [1]] (.append words x) words) [["a" "b" 1]])
  (holds [n number words] [5 10 ["a" "b"]]))

(defn test-a-body-may-import-and-define []
  (holds (pfor [x [4]]
           (import math)
           (defn root [y] (math.sqrt y))
           (root x))
         [2.0])
  (holds (pfor [x [4]] (defclass A [] (setv y (+ x number))) A.y) [14]))

(defn test-quoted-models-are-values []
  (setv m '(f ~x "y" [1]))
  (holds (pfor [_ [1]] [m quoted]) [[m quoted]])
  (holds (pfor [x ['a '(b c)]] x) ['a '(b c)]))

(defn test-an-error-in-pfor-names-the-item []
  (setv error (error-of (fn [] (pfor [x [1 0]] (/ number x)))))
  (holds [(isinstance error ZeroDivisionError) error.index] [True 1]))

(defn test-what-a-slave-does-not-know-is-named []
  (for [call [(fn [] (pfor [x [1]] (plus-number x)))
              (fn [] (pfor [x [1]] (math.sqrt x)))
              (fn [] (plet [a (math.sqrt 4)] a))]]
    (setv error (error-of call))
    (assert (and (isinstance error NameError) (isinstance error RemoteError)) (repr error))
    (assert (or (in "plus_number" (str error)) (in "math" (str error))) (str error))))


;; * plet

(defn test-plet-binds-results []
  (holds (plet [a (* number number)  b (+ number number)] (- a b)) 80)
  (holds (plet [[a b] (divmod 7 2)  c None] [a b c]) [3 1 None])
  (holds (plet [ready? (not ready?)] ready?) False)
  (holds (plet [a 1] 2 3) 3)
  (holds (plet [a 1]) None))

(defn test-plet-needs-no-bindings []
  (holds (plet [] 5) 5)
  (holds (plet []) None))

(defn test-forms-of-plet-do-not-see-each-other []
  (setv a 5)
  (holds (plet [a 1  b (+ a 1)] [a b]) [1 6])
  (holds a 5)
  (holds (plet [a 1] (plet [b (+ a 1)] [a b])) [1 2]))

(defn test-forms-of-plet-run-side-by-side [tmp-path]
  (setv path (str (/ tmp-path "between")))
  (os.mkfifo path)
  ; Each end waits for the other.
  (holds (plet [r (with [f (open path "r")] (.read f))
                w (with [f (open path "w")] (.write f "text"))]
           [r w])
         ["text" 4]))

(defn test-the-first-error-of-plet-is-raised-when-all-have-ended []
  (setv error (error-of (fn [] (plet [a 1  b (/ number 0)  c (get words 5)] a))))
  (assert (isinstance error ZeroDivisionError) (repr error)))

(defn test-results-of-plet-are-data []
  (setv error (error-of (fn [] (plet [a (fn [] 1)] a))))
  (assert (and (isinstance error RemoteError) (isinstance error TypeError)) (repr error)))


;; * What is no call of them

(defn [(pytest.mark.parametrize #("form" "says") [
    #('(plet [a] a) "plet needs a list of names and forms")
    #('(plet [a 1 b] a) "plet needs a list of names and forms")
    #('(plet 5 a) "plet needs a list of names and forms")
    #('(plet (a 1) a) "plet needs a list of names and forms")
    #('(plet) "bindings")
    #('(pfor [x] x) "pfor needs a name and a collection")
    #('(pfor [x [1] y] x) "pfor needs a name and a collection")
    #('(pfor [] 1) "pfor needs a name and a collection")
    #('(pfor x [1]) "pfor needs a name and a collection")
    #('(pfor) "binding")])]
  test-a-macro-says-how-it-is-called [form says]
  (with [raised (pytest.raises hy.errors.HyMacroExpansionError)]
    (hy.eval form :module (get hy.I.sys.modules __name__)))
  (message raised says))
