"Python functions are sent by the names under which slaves can import them."

(import
  collections
  datetime
  functools [partial]
  math
  operator
  os
  random
  sys
  types [ModuleType]
  pytest
  dpfw.errors [RemoteError UnwritableError]
  dpfw.task.names [named names-of]
  dpfw.task.ports [read write read-result]
  tests.helpers [holds message]
  tests.processes [error-of launched run-task]
  tests.task [functions])

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
