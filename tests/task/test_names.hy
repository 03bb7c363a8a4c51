"Python functions are sent by the names under which slaves can import them."

(import
  collections
  datetime
  functools [partial]
  hy.pyops
  math
  operator
  os
  random
  sys
  types [ModuleType]
  pytest
  dpfw.errors [RemoteError UnwritableError]
  dpfw.task.names [named names-of]
  dpfw.task.operators [BINARY operator-named]
  dpfw.task.ports [read write read-result]
  tests.helpers [holds message]
  tests.processes [error-of launched run-task]
  tests.task [functions])
(eval-when-compile (require hyrule.control [unless]))

(defn [(pytest.fixture :scope "module")] master []
  (with [[master _] (launched 1)]
    (yield master)))

(setv
  FOUND {
    math.sqrt #("math" "sqrt")
    len #("builtins" "len")
    int #("builtins" "int")
    operator.add #("_operator" "add")
    os.path.join #("posixpath" "join")
    dict.fromkeys #("builtins" "dict.fromkeys")
    str.upper #("builtins" "str.upper")
    int.__add__ #("builtins" "int.__add__")
    datetime.date.fromordinal #("datetime" "date.fromordinal")
    collections.OrderedDict #("collections" "OrderedDict")
    random.choice #("random" "choice")
    functions.double #("tests.task.functions" "double")
    functions.decorated #("tests.task.functions" "decorated")
    functions.cached #("tests.task.functions" "cached")
    functions.Point.norm #("tests.task.functions" "Point.norm")
    functions.Point.twice #("tests.task.functions" "Point.twice")
    functions.Inherited.norm #("tests.task.functions" "Inherited.norm")
    functions.Point #("tests.task.functions" "Point")
    holds #("tests.helpers" "holds")}
  BY-HAND (ModuleType "by_hand"))

(defn test-names-lead-to-the-very-function []
  (for [[f names] (.items FOUND)]
    (holds (names-of f) names)
    (holds (named names) f)))

(defn [pytest.fixture] by-hand [monkeypatch]
  (monkeypatch.setitem sys.modules "by_hand" BY-HAND)
  (setv BY-HAND.f (fn [x] x)
        BY-HAND.f.__module__ "by_hand"
        BY-HAND.f.__qualname__ "f")
  BY-HAND.f)

(defn test-what-others-cannot-import-has-no-names [by-hand]
  (defn within [])
  (defclass Odd []
    (defn __call__ [self])
    (defn __eq__ [self other] True))
  (setv odd (Odd)
        odd.__module__ "math"
        odd.__qualname__ "sqrt")
  (for [f [(fn [x] x) within by-hand functions.hidden [] (. [] append) (partial len) odd None]]
    (holds (names-of f) None)))


;; * On slaves

(defn [(pytest.mark.parametrize #("f" "items" "wanted") [
    #(math.sqrt [1 4] [1.0 2.0])
    #(len ["a" ""] [1 0])
    #(str.upper ["a"] ["A"])
    #(functions.double [1 "a"] [2 "aa"])
    #(functions.decorated [1] [["decorated" 2]])
    #(functions.cached [1] [-1])
    #(functions.Inherited.norm [-1] [["Inherited" 1]])
    #((partial functions.double) [4] [8])
    #((partial pow 2 :mod 5) [3 4] [3 1])
    #((partial (partial pow 2) :mod 5) [3] [3])])]
  test-a-function-is-mapped [master f items wanted]
  (holds (.map master f items) wanted))

(defn test-a-function-is-what-any-call-takes [master]
  (holds (.reduce master operator.add ["a" "b" "c"]) "abc")
  (holds (.map-reduce master len operator.add ["a" "bc"]) 3)
  (holds (.map master max [1 5] [4 2]) [4 5])
  (holds (list (.imap master abs (iter [-1]))) [1]))


(defn test-a-function-is-a-remote [master]
  (defn talk [i o]
    (write "ping" o)
    [(read i) (read i)])
  (holds (run-task master functions.echo talk) [["ping"] "done"])
  (holds (.broadcast master (partial functions.number 5)) [5]))

(defn test-an-error-says-what-to-do [master]
  (for [f [(fn [x] x) functions.hidden]
        [call instead] [[(fn [f] (.map master f [1])) "'(fn [x] …)"]
                        [(fn [f] (.make-task master f read-result)) "'(fn [i o] …)"]]]
    (with [raised (pytest.raises TypeError)]
      (call f))
    (message raised "slaves cannot import" instead "into a module that they can import")))

(defn test-what-is-bound-is-data [master]
  (with [raised (pytest.raises UnwritableError)]
    (.map master (partial max print) [1]))
  (message raised "builtin_function_or_method"))

(defn test-a-module-that-the-slave-does-not-have-is-named [master tmp-path monkeypatch]
  (.write-text (/ tmp-path "only_here.py") "def f(x): return x\n")
  (monkeypatch.syspath-prepend tmp-path)
  (import only-here)
  (try
    (setv error (error-of (fn [] (.map master only-here.f [1]))))
    (assert (and (isinstance error RemoteError) (isinstance error ImportError)) (repr error))
    (for [part ["only_here.f" "on this slave" "$PYTHONPATH"]]
      (assert (in part (str error)) error))
    (finally
      (del (get sys.modules "only_here")))))


;; * Quoted names

(defn [(pytest.mark.parametrize #("f" "columns" "wanted") [
    #('math.sqrt [[1 4]] [1.0 2.0])
    #("math.sqrt" [[4]] [2.0])
    #('os.path.basename [["a/b"]] ["b"])
    #('datetime.date.fromordinal [[1]] [datetime.date.min])
    #('tests.task.functions.double [[1]] [2])
    #('str.upper [["a"]] ["A"])
    #('+ [[1 2] [10 20]] [11 22])
    #("+" [[1] [2] [3]] [6])
    #('- [[1 2]] [-1 -2])
    #('- [[1] [2]] [-1])
    #('not [[1 0]] [False True])
    #('in [[1] [[1]]] [True])
    #('is-not [[None] [1]] [True])
    #('get [["ab"] [1]] ["b"])
    #('/ [[2]] [0.5])])]
  test-a-quoted-name-is-that-of-what-can-be-imported-or-of-an-operator [master f columns wanted]
  (holds (.map master f #* columns) wanted))

(defn test-every-operator-that-is-fast-does-what-hy-s-does []
  (for [[name f] (.items BINARY)  [a b] [[5 3] [3 5] [True True]]]
    (unless (= name "@")
      (holds [name #* (map repr [((operator-named name 2) a b)])]
             [name #* (map repr [((getattr hy.pyops (hy.mangle name)) a b)])]))))

(defn test-operators-reduce [master]
  (holds (.reduce master '+ (range 100)) 4950)
  (holds (.reduce master '* [1 2 3 4] 1) 24)
  (holds (.map-reduce master '- '+ [1 2]) -3))

(defn test-a-slave-s-own-name-comes-first [master]
  (.define master '(import statistics :as math))
  (holds (.map master 'math.mean [[1 3]]) [2])
  (.define master '(import math)))

(defn [(pytest.mark.parametrize #("f" "cls" "says") [
    #('no-such.f ImportError "No module named 'no_such' on the slave")
    #('math.no-such AttributeError "no attribute 'no_such'")
    #('os.path.no-such.f AttributeError "no attribute 'no_such'")])]
  test-a-name-that-leads-nowhere-is-an-error [master f cls says]
  (setv error (error-of (fn [] (.map master f [1]))))
  (assert (and (isinstance error RemoteError) (isinstance error cls)) (repr error))
  (assert (in says (str error)) (str error)))
