"The macros send along what their forms use: the variables that Python finds,
under the names that the user gave them; and code of the program, by its source."

(import
  functools
  math
  math [sqrt :as root]
  os
  os.path [join]
  pytest
  dpfw.data.sexp [read-datum]
  dpfw.dispatch.capture [with-variables]
  dpfw.errors [RemoteError UnwritableError]
  dpfw.launch [dpfw-launch]
  dpfw.master [dpfw-broadcast dpfw-close]
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
(setv alias (functools.partial helper 1)
      many [helper])
(defn through-stream [] (.read stream))
(defn unannounced [f] (fn [x] (f x)))
(defn [unannounced] wrapped [x] x)

(defmacro twice-plus [x] `(* 2 (plus-number ~x)))
(eval-and-compile
  (defn twice [form] `(* 2 ~form)))
(defmacro with-function [x]
  (twice x))

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
      (setv [do_ [setv_ #* pairs] #* macros inner] whole)
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

(defn test-no-built-in-or-unknown-names []
  (holds (sent (abs number)) {"number" "10"})
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
  (holds (sent (unless ready? 1)) {(hy.mangle "ready?") "True"})
  (holds (lfor  form (cut (with-variables '(unless ready? 1) (fn [] (unless ready? 1))) 2 -1)  (str (get form 0)))
         ["require"]))

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
    (hy.eval '(let [my-thing stream] (sent my-thing))
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
  (message raised f"the variable {name} cannot be sent along" "TextIOWrapper (at [1][0])" "where it is used"))

(defn test-what-of-the-module-cannot-go-is-named []
  (for [[form name] [['(pfor [x [1]] (.read stream)) "stream"]
                     ['(plet [x 1  y (through-stream)] y) "stream"]
                     ['(pfor [x [1]] (alias x)) "alias"]
                     ['(pfor [x [1]] (len many)) "many"]
                     ['(pfor [x [1]] (wrapped x)) "wrapped"]]]
    (with [raised (pytest.raises UnwritableError)]
      (hy.eval form :module (get hy.I.sys.modules __name__)))
    (message raised f"the variable {name} cannot be sent along")))

(defn test-functions-of-functions-that-call-each-other-cannot []
  (defn ping [n] (if n (pong (- n 1)) "end"))
  (defn pong [n] (ping n))
  (with [raised (pytest.raises UnwritableError)]
    (pfor [x [1]] (ping x)))
  (message raised "call each other" "top level"))

(defn test-a-macro-that-needs-functions-cannot []
  (with [raised (pytest.raises UnwritableError)]
    (pfor [x [1]] (with-function x)))
  (message raised "the macro with-function cannot be sent along" "it uses twice" "dpfw-load"))

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

(defn test-names-that-only-slaves-have-are-theirs []
  (dpfw-broadcast '(do (defn only-there [x] ["the slave's" x]) (fn [i o] True)))
  (holds (pfor [x [1]] (only-there x)) [["the slave's" 1]])
  (holds (plet [a (only-there 2)] a) ["the slave's" 2]))

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

;; * Functions, macros, modules

(defn test-functions-go-along-with-what-they-use []
  (holds (pfor [x [4 9]] (scaled-root x)) [20.0 30.0])
  (holds (plet [a (scaled-root 4)  b (factorial 5)] [a b]) [20.0 120])
  (holds (pfor [n [7]] (even-or-odd n)) ["odd"])
  (holds (pfor [x [1 2]] [(doubled x) (tripled x)]) [[2 3] [4 6]]))

(defn scaled-root [x] (* number (math.sqrt (helper x))))
(defn factorial [n] (if (< n 2) 1 (* n (factorial (- n 1)))))
(defn even-or-odd [n] (if (= n 0) "even" (odd-or-even (- n 1))))
(defn odd-or-even [n] (if (= n 0) "odd" (even-or-odd (- n 1))))
(setv doubled (fn [x] (* 2 x)))
(let [factor 3]
  (defn tripled [x] (* factor x)))

(defn test-a-function-sees-its-own-variables []
  "Whatever the form calls so."
  (setv number 1)
  (holds (pfor [x [4]] [number (scaled-root x)]) [[1 20.0]])
  (defn own [number] (pfor [x [4]] (+ number (scaled-root x))))
  (holds (own 2) [22.0]))

(defn test-functions-of-functions-go-along []
  (setv k 3)
  (defn times-k [x] (* k x))
  (defn countdown [n] (if n [n #* (countdown (- n 1))] []))
  (holds (pfor [x [1 2]] [(times-k x) (countdown x)]) [[3 [1]] [6 [2 1]]])
  (holds (plet [a (times-k (scaled-root 4))] a) 60.0))

(defn test-defaults-and-decorators-go-along []
  (holds (pfor [n [20]] (fibonacci n)) [6765])
  (holds (pfor [x [1]] (with-default x)) [[1 10 ["a" "b"]]])
  (holds (pfor [x [1]] (announced x)) [["result" 2]]))

(defn [functools.cache] fibonacci [n] (if (< n 2) n (+ (fibonacci (- n 1)) (fibonacci (- n 2)))))
(defn with-default [x [y number] * [z words]] [x y z])
(defn announce [f]
  (defn [(functools.wraps f)] inner [#* args] ["result" (f #* args)])
  inner)
(defn [announce] announced [x] (+ x 1))

(defn test-what-a-function-changes-others-see []
  (holds (pfor [x [1]] (note x) (note x) (get words -1)) [1])
  (holds words ["a" "b"])
  (holds (pfor [x [1]] (count-up) (count-up)) [12])
  (holds number 10))

(defn note [x] (.append words x))
(defn count-up [] (global number) (+= number 1) number)

(defn test-classes-go-along []
  (holds (pfor [x [4]] (.area (Square x))) [160]))

(defclass Square []
  (defn __init__ [self side] (setv self.side side))
  (defn area [self] (* number self.side self.side)))

(defn test-modules-and-what-they-define-are-imported []
  (holds (pfor [x [4]] [(math.sqrt x) (os.path.basename "a/b") (root x) (join "a" "b")])
         [[2.0 "b" 2.0 "a/b"]])
  (holds (pfor [x ["[1]"]] (read-datum x)) [[1]]))

(defn test-macros-go-along []
  (holds (pfor [x [1]] (plus-number x)) [11])
  (holds (pfor [x [1 None]] (unless x (plus-number 1))) [None 11])
  (holds (pfor [x [1]] (twice-plus x)) [22])
  (holds (plet [a (uses-macros 1)] a) 22)
  (defmacro local-macro [x] `(+ 100 ~x))
  (holds (pfor [x [1]] (local-macro x)) [101]))

(defn uses-macros [x] (unless False (twice-plus x)))

(defn test-tracebacks-show-the-lines-of-functions []
  (setv error (error-of (fn [] (pfor [x [1 0]] (inverse x)))))
  (assert (isinstance error ZeroDivisionError) (repr error))
  (setv line (+ 2 inverse.__code__.co-firstlineno))
  (assert (in f"File \"{(os.path.abspath __file__)}\", line {line}, in inverse\n    (/ number x))" error.traceback)
    error.traceback))

(defn inverse [x]
  "A line of its own."
  (/ number x))

(defn test-source-that-has-changed-is-not-sent [tmp-path monkeypatch]
  (setv path (/ tmp-path "changing_program.hy")
        text "(require dpfw.master [pfor])\n(defn f [x] (+ x 1))\n(defn g [] (pfor [x [1]] (f x)))\n")
  (.syspath-prepend monkeypatch tmp-path)
  (.write-text path text)
  (import changing-program)
  (.write-text path (.replace text "(+ x 1)" "(+ x 2)"))
  (hy.I.linecache.clearcache)
  (with [raised (pytest.raises UnwritableError)]
    (changing-program.g))
  (message raised "the variable f" "not what runs here")
  ; Where it stands does not matter.
  (.write-text path (+ "; a comment\n" text))
  (hy.I.linecache.clearcache)
  (holds (changing-program.g) [2]))


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
