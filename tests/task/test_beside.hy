"Data beside a remote: whatever the form and whatever the data, the remote means
what it means with the data written into its text, and its text is compiled once
where that can be.

The first half asks the `Evaluator` itself, the second half real slaves."

(import
  collections [deque]
  concurrent.futures [ThreadPoolExecutor]
  contextlib [contextmanager nullcontext]
  datetime [date]
  fractions [Fraction]
  itertools [islice]
  re
  types [GeneratorType]
  hypothesis [example given strategies :as st]
  pytest
  dpfw.master [Master]
  dpfw.errors [RemoteError TaskTimeout UnwritableError]
  dpfw.serve.evaluator [Evaluator]
  dpfw.data.forms [write-remote]
  dpfw.serve.holes [find-holes]
  dpfw.task.ports [read read-result]
  dpfw.task.remote [Datum as-remote holds-code? values-of values-payload]
  dpfw.data.packed [pack unpack]
  dpfw.data.sexp [read-datum register-type]
  tests.data.values [examples]
  tests.helpers [holds]
  tests.processes [WAIT error-of launched run-task slave-server])
(eval-when-compile (require hyrule.control [unless]))


;; * Two ways to evaluate a remote

(setv SETUP [
  ; Tells which model, or whichever else, it is given.
  '(do (defmacro kind [x] (. (type x) __name__)) (fn [i o] None))
  '(do (defmacro backwards [#* forms] `(do ~@(reversed forms))) (fn [i o] None))
  '(do (require hyrule.control [unless]) (fn [i o] None))
  '(do (require hyrule.control) (fn [i o] None))])

(defn evaluator [#* setup]
  "An evaluator in which these remotes have been evaluated."
  (setv e (Evaluator {"nullcontext" nullcontext  "log" []}))
  (for [form setup]
    (.procedure e (write-remote form)))
  e)

(defn as-received [remote]
  "The values of a remote, as its slave has them."
  (if remote.values
    (values-of (.join b"" (values-payload remote.values)))
    []))

(defn lifted [e form]
  "The procedure of a remote whose data are beside it."
  (setv remote (as-remote form))
  (.procedure e remote.text (as-received remote)))

(defn literal [e form]
  "The procedure of a remote whose data are in its text."
  (.procedure e (write-remote form)))

(defn meaning [way e form]
  "What a remote comes to, in words; addresses, and within what a function was made, aside."
  (try
    (setv result ((way e form) None None))
    (when (isinstance result GeneratorType)
      (setv result ["yields" #* (islice result 9)]))
    (.sub re r" at 0x[0-9a-f]+|(\w+\.<locals>\.)+" "" f"{(. (type result) __name__)} {result !r}")
    (except [e Exception]
      f"raises {(. (type e) __name__)}")))

(defn [(pytest.fixture :scope "module")] both []
  "An evaluator for each way."
  [(evaluator #* SETUP) (evaluator #* SETUP)])

(defn check-meaning [both form]
  "The same lifted and literal, at the first evaluation and at the next one."
  (setv [one two] both
        wanted (meaning literal two form))
  (for [time ["first" "second"]]
    (setv got (meaning lifted one form))
    (assert (= got wanted)
      f"{(write-remote form)} means {wanted}, with its data beside it {got}, the {time} time")))

(defn opaque [both form]
  (setv [e _] both
        remote (as-remote form))
  (get (find-holes (.read-form e remote.text) e.module._hy_macros) 0))

(defn with-data [form names]
  "The form, with data in the places of these symbols."
  (cond
    (isinstance form hy.models.Symbol) (.get names (str form) form)
    (isinstance form hy.models.Sequence) ((type form) (gfor  part form  (with-data part names)))
    True form))


;; * Each place of a form

(setv FEW [None -0.0 "text" "(value$0)" [1 [2]] #(1 "a") {"a" [1]} #{1}])

(setv DATA [
  True None 0 -5 1.5 -0.0 (float "nan") (float "-inf") (complex 1 -0.0) (** 10 1000)
  "" "text" "doc\n\u2028" "(value$0)" "~x {y} value$1" "\ud800" b"\x00\"" "1 + 1"
  [] [1 [2]] [:a 1 None] #() #(1 "a") {} {"a" [1]} #{} #{1} [#({1 2} #{#()})]])

(setv CALLS '[
  X
  [X #(X) {1 X}]  #{X}  {X 1}
  (repr X)  (dict :key X)  (str :object X)  (list #* X)  (dict #** X)  [#* X 1]  {#** X}
  (X)  (X 1)  (.upper X)  (.join "," X)  (.append [] X)  (:key X)  (:key {} X)
  (do X)  (do (setv a X) [a X])  (let [a X  b X] [b a])  (setx a X)
  (if X 1 2)  (if 1 X X)  (cond X 1  True X)  (when X X)  (and 1 X X)  (or X X 5)  (not X)  (bnot X)
  (+ X X)  (+ X)  (- X)  (/ X)  (* X 2)  (% X 5)  (= X X)  (< X X)  (!= X X)  (in X [X])  (not-in 1 X)
  (get X 0)  (get [5 6] X)  (get {X 1} X)  (cut X 1)  (cut [1 2 3] X)
  (do (setv a [1]) (+= a X) a)  (do (setv a 1) (+= a X X) a)
  (lfor a [X X] :if (isinstance a object) :setv b X [a b])  (lfor a X a)  (list (gfor a [1 2] X))
  (sfor a [1 2] X)  (dfor a [1 2] a X)  (dfor a [1 2] #** {a X})
  (for [a [X]] (return [a X]))  (while X (return X))
  (with [a (nullcontext X)] [a X])  (with [(nullcontext X)] X)  (with [X] 1)
  (try X (except [e ValueError]))  (try (len X) (except [e TypeError] X) (else X) (finally X))
  (raise X)  (raise (ValueError X) :from X)  (return X)  (yield X)  (yield :from [X X])
  ((fn [] X))  ((fn [a] X) X)  (do (defn f [a] [a X]) (f X))  (do (defn f [] X) f.__doc__)
  (do (defn f [] (when 1 X) 2) f.__doc__)])

(setv OPAQUES '[
  ; Code that is looked at
  'X  `(a X)  `(a ~X)  `(a ~@X)  `(a `(b ~X ~~X))  (hy.eval '(+ X X))
  (kind X)  (backwards (+ 1 X) (kind X) 5)  (unless None X)  (hyrule.control.list-n 2 X)
  (hy.R.hyrule.collections.assoc {} 1 X)  (do (require hyrule.control [unless :as q]) (q None X))
  (do (defmacro m [x] (. (type x) __name__)) (m X))  (do (do (defmacro m [x] 1)) X)
  (do (eval-and-compile (setv a 1)) X)
  (match X  X "the same"  _ "another")  (match 5  _ :if X 1)
  (py X)  (pys X)  (import X)  (require X)  (do-mac X)  (eval-when-compile X)  (pragma :hy X)
  ; Names and targets
  (setv X 1)  (let [X 1] 2)  (for [X [1]] 2)  (with [X (nullcontext [])] 2)  (lfor X [[]] 1)
  (setv (get {} X) 1)  (+= (get {1 1} X) 1)  (del X)  (del (get {1 1} X))  (global X)  (nonlocal X)
  (setv :chain [X b] [])  (annotate a X)  (setv #^ X a 1)
  (fn X 1)  (defn X [] 1)  (defn [X] f [] 1)  (defn f [#^ X a] a.__annotations__)  (defclass X [])
  (do (defclass C [object] X) C.__doc__)  (do (defclass C [] (setv a X)) C.a)
  (do (import asyncio) (asyncio.run ((fn :async [] (with [:async X (nullcontext [])] 7)))))
  (do (defn f [[a X]] (return a)) [(f) (is (f) (f))])
  ; Where Python compiles a literal to something else
  (is X None)  (is-not X X)  (. X __class__)  (chainc 0 in X)  (assert X X)  (global a X)
  (do (defn f [] X 1) f.__doc__)  (do (defn f [] (do X) 1) f.__doc__)
  (do (defn f [] (let [] X) 1) f.__doc__)  (do (defn f [] (let [] (do (do X) 1)) 1) f.__doc__)
  (do (defn f [] (try X) 1) f.__doc__)  (do (defn f [] (try (do X) (finally)) 1) f.__doc__)
  (do (defn f [] (try (else X)) 1) f.__doc__)
  (do (defn f [] (* X) 1) f.__doc__)  (do (defn f [] (and (or X)) 1) f.__doc__)
  ; Variables that are looked at
  (do (setv a X) (sorted (locals)))  (do (setv a X) (sorted (vars)))  (do (setv a X) (dir))
  (do (setv a X) (eval "sorted(locals())"))  (do (setv a X) (sorted (py "locals()")))
  (do (setv a X) (exec "a = sorted(locals())") a)  ((fn [] (setv f (fn [] X)) (f) (sorted (locals))))
  ; What Hy compiles before what stands to its left
  (do (defn f [x] "function") (get (f X) (do (defmacro f [x] (. (type x) __name__)) (slice None))))
  (do (defn f [x] 2) (** (f X) (do (defmacro f [x] (len (str x))) 2)))
  (do (defn f [x] 2) (setv a 1) (-= a (f X) (** (f X) (do (defmacro f [x] (len (str x))) 2))) a)
  (do (defn f [x] 2) (.format :a (f X) (do (defmacro f [x] (. (type x) __name__)) "{a}")))
  (do (defn f [x] 2) (for [_ [1]] (return (f X)) (else (defmacro f [x] (. (type x) __name__)))))])

(defn [(pytest.mark.filterwarnings "ignore::SyntaxWarning")
       (pytest.mark.parametrize #("body" "called") [
    #* (gfor  body CALLS  #(body True))
    #* (gfor  body OPAQUES  #(body False))]
    :ids (fn [x] (when (isinstance x hy.models.Object) (write-remote x))))]
  test-data-beside-a-remote-mean-what-they-mean-in-it [both body called]
  (for [x FEW]
    (check-meaning both (with-data `(fn [i o] ~body) {"X" x})))
  (setv form (with-data `(fn [i o] ~body) {"X" 5})
        every (set (range (len (. (as-remote form) values)))))
  (assert every)
  (assert (= (opaque both form) (if called #{} every)) (opaque both form)))

(defn test-all-kinds-of-data-mean-what-they-mean-in-the-text [both]
  (for [x DATA]
    (check-meaning both `(fn [i o] [~x ~[x] '~x (kind ~x) (unless None ~x)]))))

(defn [(pytest.mark.parametrize #("form" "numbers") [
    #(`(fn [i o [a ~1]] ~2 [a ~3]) #{0 1})
    #(`(fn [i o] (print ~1) ~2 (do ~3 (print ~4)) ~5) #{1 2})
    #(`(fn [i o] [~1 '~2 ~3]) #{1})
    #(`(fn [i o] (setv ~1 ~2)) #{0})
    #(`(fn [i o] ~1 (kind ~2) [~3]) #{0 1 2})
    #(`(fn [i o] [~1] (kind ~2)) #{1})
    #(`(fn [i o] ((fn [] (locals) ~1)) [~2]) #{0})
    #(`(fn [i o] ((fn [] ~1)) (locals) [~2]) #{0 1})
    #(`(fn [i o] (setv [a ~1] ~2  (get {} ~3) ~4)) #{0 2})
    #(`(fn [i o] (match ~1  ~2 3)) #{0 1})
    #(`(fn #^ int [i o] ~1) #{0})])]
  test-a-form-may-have-both-kinds-of-places [both form numbers]
  (assert (= (opaque both form) numbers) (opaque both form))
  (check-meaning both form))

(defn test-data-in-f-strings-stay-in-the-text [both]
  (setv n 5  w "]f]")
  (for [form [`(fn [i o] f"{~n}{~w}") `(fn [i o] f"{~n :{~n}}") `(fn [i o] f"{~n !r:>{~n}} {~w !a}")
              `(fn [i o] #[f[{~n :{~n}}]f]) `(fn [i o] f"{[~n {~w ~n}]}")]]
    (assert (not (. (as-remote form) values)) (write-remote form))
    (check-meaning both form))
  (with [(pytest.raises UnwritableError)]
    (as-remote `(fn [i o] f"{~(Fraction 1 3)}"))))

(defn test-data-may-stand-among-code [both]
  "What was spliced, raw containers of code, and code that holds data again."
  (setv x [1 "a"])
  (for [form [`(fn [i o] ~@[1 2]) `(fn [i o] [~@x ~@x]) `(fn [i o] (dict ~@[:a 1 :b [2]]))
              `(fn [i o] ~['i 5 "t"]) `(fn [i o] ~{"k" 'o  "l" [1 ['(+ 1 2)]]}) `(fn [i o] ~#('i #{1} #{'o}))
              `(fn [i o] [~x ~x]) `(fn [i o] (is ~x ~x)) `(fn [i o] (kind ~['i 5]))
              `(fn [i o] ~'(+ 1 2))]]
    (check-meaning both form)))

(defn [(pytest.mark.filterwarnings "ignore::RuntimeWarning")  ; it shadows a core macro
       (pytest.mark.parametrize #("name" "body") [
    #("if" '(when X 5)) #("if" '(cond X 5 True X)) #("do" '(let [a 1] X)) #("do" '(when X X))
    #("+" '(do (setv a 9) (-= a X X) a)) #("*" '(do (setv a 9) (//= a X X) a)) #("setv" '(setv a X))
    #("str" '(str X)) #("value$0" 'X) #("value$0" '[X X])])]
  test-a-macro-of-a-core-name-sees-the-datum [name body]
  (setv macro (hy.read f"(do (defmacro {name} [#* forms] (len (str forms))) (fn [i o] None))")
        form (with-data `(fn [i o] ~body) {"X" 5}))
  (assert (= (meaning lifted (evaluator macro) form) (meaning literal (evaluator macro) form))))

(defn [(pytest.mark.filterwarnings "ignore::RuntimeWarning")]
  test-a-macro-fn-sees-the-datum []
  (setv macro '(do
    (defmacro fn [#* forms] `(do (defn f [i o] ~(len (str forms))) f))
    (defn f [i o])
    f))
  (setv form `(fn [i o] ~"text"))
  (assert (= (meaning lifted (evaluator macro) form) (meaning literal (evaluator macro) form))))

(defn test-who-has-such-names-keeps-them [both]
  (setv x 5)
  (for [form [`(fn [i o] (setv value$0 7) [~x value$0])
              `(fn [i o] (defn value$0 [] 8) [~x (value$0)]) `(fn [i o] :value$1 ~x)]]
    (assert (not (. (as-remote form) values)) (write-remote form))
    (check-meaning both form)))


;; * Any form

; Named, since hypothesis cannot read the source of a `fn`.

(defn containers [inner]
  (st.one-of
    (st.lists inner :max-size 3)
    (.map (st.lists inner :max-size 3) tuple)
    (st.dictionaries (st.integers -3 3) inner :max-size 2)
    (st.sets (st.integers -3 3) :max-size 1)))

(defn filled-shape [shape p q]
  (with-data shape {"P" p  "Q" q}))

(defn shapes-of [inner]
  (st.builds filled-shape (st.sampled-from SHAPES) inner inner))

(setv
  SHAPES (list '[
    [P Q]  #(P)  {1 P}  (do P Q)  (repr P)  (dict :a P)  (if P Q P)  (cond P Q True P)  (when P Q)
    (and P)  (and P Q)  (or P)  (* P)  (| P)  (= P Q)  (in P [Q P])  (get P Q)  (cut P 1)
    (let [a P] Q)  (do (setv a P) Q [a])  (do (setv [a #* b] P  b Q) [a b])  (do (setv a [1]) (+= a P) a)
    (lfor a [P] Q)  (lfor a [1 2] :setv b P :if Q [a b])  (dfor a [1] P Q)  (for [a [P]] Q (else P))
    (for [a [P]] (return Q))  (with [a (nullcontext P)] Q P)  (try P (except [e Exception] Q) (finally P))
    (try P Q)  (fn [] P Q)  ((fn [] P Q))  ((fn [[a P]] Q a))  (. (do (defn f [] P Q) f) __doc__)
    (do (defn f [] P Q) (f))  (yield P)  (return P)  (.upper P)  (P Q)  (:a P)
    (kind P)  (backwards P Q)  (unless P Q)  (hyrule.control.unless P Q)  'P  `(a ~P Q)  `(P `(~Q ~~P))
    (do (defmacro m [x] (. (type x) __name__)) [(m P) Q])  (match P  Q 1  _ P)  (is P Q)  (. P real)
    (sorted (locals))  (defclass C [] P Q)  (assert P Q)  (setv P Q)  (setv :chain [P b] Q)  (del P)])
  data (st.recursive
    (st.one-of (st.none) (st.booleans) (st.integers -9 9) (st.floats) (st.complex-numbers)
      (st.text :max-size 4) (st.binary :max-size 3) (st.sampled-from ["(value$0)" "a" "value$1" (** 2 2000)]))
    containers
    :max-leaves 5))

(setv bodies (st.recursive
  (st.one-of data data (st.sampled-from ['a 'b 'i]))
  shapes-of
  :max-leaves 8))

(defn [(pytest.mark.filterwarnings "ignore::SyntaxWarning") (given bodies bodies) (examples 50)
       (example None `(fn [] a ~None))]
  test-any-form-means-what-it-means-as-text [both one two]
  (check-meaning both `(fn [i o] ~one ~two)))


;; * Compiled once

(setv COUNT '(do (defmacro count-me [] (.append log 1) 5) (fn [i o] None)))

(defn compiled [e]
  "How often a remote with `count-me` was compiled."
  (len e.module.log))

(defn test-remotes-that-differ-in-data-are-compiled-once []
  (setv e (evaluator COUNT))
  (for [x DATA]
    ((lifted e `(fn [i o] [~x ~[x] (count-me)]) ) None None))
  (assert (= (compiled e) 1) (compiled e))
  (assert (= (len e.makers) 1) e.makers))

(defn test-where-code-sees-the-data-each-datum-is-compiled-once []
  (setv e (evaluator COUNT))
  (for [_ (range 3)  x [1 2]]
    (setv got ((lifted e `(fn [i o] [~(+ x 5) '~x (count-me)])) None None))
    (assert (= got [(+ x 5) (hy.as-model x) 5]) got))
  (assert (= (compiled e) 2) (compiled e))
  ; Only what is opaque is in the text: another datum in the other place is no other text.
  ((lifted e `(fn [i o] [~"another" '~1 (count-me)])) None None)
  (assert (= (compiled e) 2) (compiled e)))

(defn [(pytest.mark.parametrize "body" ['[X] ''X '(kind X)])]
  test-what-is-compiled-is-bounded [monkeypatch body]
  (.setattr monkeypatch "dpfw.serve.evaluator.CACHED" 8)
  (setv e (evaluator #* SETUP))
  (for [x (range 30)]
    (setv form (with-data `(fn [i o] ~@(* [1] x) ~body) {"X" x}))
    (lifted e form)
    (assert (<= (len e.makers) 8) (len e.makers)))
  (assert (= (len e.makers) 8) (len e.makers)))

(defn test-a-changed-macro-makes-an-end-of-what-was-compiled []
  (setv e (evaluator '(do (defmacro m [] 1) (fn [i o] None)))
        form (fn [x] `(fn [i o] [~x (m) '~x])))
  (assert (= ((lifted e (form 5)) None None) [5 1 '5]))
  (literal e '(do (defmacro m [] 2) (fn [i o] None)))
  (assert (= ((lifted e (form 5)) None None) [5 2 '5]))
  (assert (= ((lifted e (form 6)) None None) [6 2 '6])))

(defn test-a-function-that-becomes-a-macro-sees-the-datum []
  "And the other way round."
  (setv e (evaluator '(do (defn later [x] ["function" x]) (fn [i o] None)))
        form (fn [x] `(fn [i o] (later ~x))))
  (assert (= ((lifted e (form 5)) None None) ["function" 5]))
  (assert (= ((lifted e (form 6)) None None) ["function" 6]))
  (literal e '(do (defmacro later [x] (. (type x) __name__)) (fn [i o] None)))
  (assert (= ((lifted e (form 7)) None None) "Integer"))
  (assert (= ((lifted e (form "a")) None None) "String"))
  (literal e '(do (eval-when-compile (del (get _hy-macros "later"))) (fn [i o] None)))
  (assert (= ((lifted e (form 8)) None None) ["function" 8])))

(defn test-a-form-that-is-no-fn-is-evaluated-each-time []
  (setv e (evaluator))
  (for [x [1 2]]
    (assert (= ((lifted e `(do (.append log ~x) (setv here '~x) (fn [i o] [~x here]))) None None) [x (hy.as-model x)])))
  (assert (= e.module.log [1 2]) e.module.log)
  (assert (not e.makers) e.makers))

(defn [(pytest.mark.parametrize "body" ["(value$0)" "'(value$0)"])
       (pytest.mark.parametrize "first" [0 1])]
  test-a-text-with-data-is-another-than-the-same-without [body first]
  (setv e (evaluator '(do (defn value$0 [] "mine") (fn [i o] None)))
        text f"(fn [i o] [{body}])"
        two [#((fn [] (lifted e text)) ["mine"] ['(value$0)])
             #((fn [] (.procedure e text ["5"])) [5] ['5])])
  (for [[procedure plain quoted] [(get two first) (get two (- 1 first))]]
    (assert (= ((procedure) None None) (if (.startswith body "'") quoted plain)))))

(defn test-a-remote-that-makes-a-macro-of-its-function-sees-the-datum-then []
  (setv e (evaluator '(do (defn f [x] "function") (fn [i o] None)))
        form (fn [x] `(fn [i o]
          (setv a (f ~x))
          (eval-when-compile ((hy.macros.macro "f") (fn [x] "macro")))
          a)))
  (assert (= (lfor  x [1 2]  ((lifted e (form x)) None None)) ["function" "macro"])))

(defn test-a-macro-that-looks-at-variables-sees-no-hole []
  (setv e (evaluator '(do (defmacro variables [] '(sorted (locals))) (fn [i o] None))))
  (assert (= ((lifted e `(fn [i o] (setv a ~5) (variables))) None None) ["a" "i" "o"])))


;; * Fresh

(setv MUTABLE [[] [1] {"a" 1} #{1} [[1]] #([1]) {1 {2 [3]}} (deque [1]) (bytearray b"x") #((deque))])

(defn [(pytest.mark.parametrize "x" MUTABLE)]
  test-each-evaluation-makes-a-new-object [x]
  (setv e (evaluator)
        form `(fn [i o] (setv make (fn [] ~x)) [(make) (make) #* (lfor _ [1 2] ~x)])
        made [#* ((lifted e form) None None) #* ((lifted e form) None None)])
  (assert (= made (* [x] 8)) made)
  (setv parts (mutable-parts made))
  (assert (= (len (set parts)) (len parts)) made))

(defn mutable-parts [x]
  "The identities of all that can be changed in this."
  (setv inner (if (isinstance x dict) (list (.values x)) x))
  [#* (if (isinstance x #(list dict set deque bytearray)) [(id x)] [])
   #* (if (isinstance inner #(list tuple deque)) (gfor  part inner  n (mutable-parts part)  n) [])])

(defn test-changes-to-a-datum-do-not-last []
  (setv e (evaluator)
        form `(fn [i o] (setv a ~[[1]]  d ~{"k" [1]}) (.append a 2) (.append (get a 0) 3) (.append (get d "k") 4) [a d]))
  (for [_ (range 3)]
    (assert (= ((lifted e form) None None) [[[1 3] 2] {"k" [1 4]}]))))

(defn test-what-the-master-changes-later-is-not-sent []
  (setv x [1]
        remote (as-remote `(fn [i o] ~x)))
  (.append x 2)
  (assert (= ((.procedure (evaluator) remote.text (as-received remote)) None None) [1])))


(defn [(pytest.mark.parametrize "body" [
    'X '[X 'X] '(len C) ''C '(do 'D) 'f"{X}" 'f"{(len C)}"])]
  test-a-form-that-is-taken-again-has-its-data-as-they-are-now [both body]
  (setv x [1]
        c ['i]
        form `(fn [i o] ~(with-data body {"X" x  "C" c  "D" {"k" c}})))
  (check-meaning both form)
  (.append x 2)
  (.append c 'o)
  (check-meaning both form))


;; * Data that Hy has no literal for

(setv FOREIGN [
  (Fraction 1 3) (date 2024 2 29) (deque [1 2] 5) (frozenset [1]) (bytearray b"x") (range 3) [1 {"a" (Fraction 2 3)}]])

(defn [(pytest.mark.parametrize "x" FOREIGN)]
  test-data-without-a-literal-go-where-only-their-value-counts [x]
  (setv e (evaluator #* SETUP)
        [got again] ((lifted e `(fn [i o] (setv a ~x) [a (get [~x] 0)])) None None))
  (assert (= got again x) got)
  (assert (is (type got) (type x)) got)
  (for [form [`(fn [i o] '~x) `(fn [i o] (kind ~x)) `(fn [i o] (is ~x None))]]
    (with [(pytest.raises UnwritableError :match "no notation for it")]
      (lifted e form))))

(defn [(pytest.mark.parametrize "x" ['a '(+ 1 2) '[a "b" 5] ['a #('(b c))] {"k" 'v} '"text" '5])]
  test-models-that-are-data-are-not-evaluated [x]
  (setv e (evaluator #* SETUP))
  (assert (= ((lifted e `(fn [i o] ~(Datum x))) None None) x))
  ; In the text they are quoted, where they are no other data.
  (assert (= ((lifted e `(fn [i o] (unless None ~(Datum x)))) None None) x)))

(defn [(pytest.mark.parametrize #("x" "says") [
    #((fn []) "function") #((object) "object") #([1 {"k" #(2 print)}] "[1][\"k\"][1]")
    #((hy.I.types.SimpleNamespace) "SimpleNamespace")])]
  test-what-has-no-text-is-named-with-its-place [x says]
  (for [form [`(fn [i o] (f ~x)) `(fn [i o] (f '~x)) `(fn [i o] (f [i ~['i x]]))]]
    (with [e (pytest.raises UnwritableError)]
      (as-remote form))
    (assert (in says (str e.value)) e.value)
    (assert (in "(at [2][1]" (str e.value)) e.value)))

(defn test-data-that-contain-themselves-are-named []
  (setv a [1]
        d {"a" [a]})
  (.append a d)
  (for [x [a d [1 [a]] #(d)]]
    (with [(pytest.raises UnwritableError :match "that contains itself")]
      (as-remote `(fn [i o] (f ~x))))))

(defn test-data-may-be-deep-and-long []
  (setv deep [])
  (for [_ (range 150)]
    (setv deep [deep]))
  (setv long (list (range 20000))
        e (evaluator))
  (assert (= ((lifted e `(fn [i o] ~deep)) None None) deep))
  (assert (= ((lifted e `(fn [i o] ~long)) None None) long))
  (for [_ (range 100)]
    (setv deep [deep]))
  (with [(pytest.raises UnwritableError :match "levels deep")]
    (as-remote `(fn [i o] ~deep))))


;; * On slaves

(setv LIMIT 2000000)

(defn [(pytest.fixture :scope "module")] server []
  (with [server (slave-server)]
    (yield server)))

(defn [contextmanager] connected [server]
  (with [master (Master)]
    (.connect master #* (cut server 1 None))
    (yield master)))

(defn [pytest.fixture] master [server]
  (with [master (connected server)]
    (yield master)
    (assert (= (run-task master '(fn [i o] "fine")) "fine"))))

(defn test-data-arrive [master]
  (for [x [#* DATA #* FOREIGN]]
    (setv got (run-task master `(fn [i o] [~x ~x])))
    (assert (= (repr got) (repr [x x])) got))
  (setv got (run-task master `(fn [i o] ~(Datum '(+ 1 2)))))
  (assert (= got '(+ 1 2)) got))

(defn test-code-sees-the-data [master]
  (run-task master '(do (defmacro kind [x] (. (type x) __name__)) (fn [i o] None)))
  (for [[x name] [[5 "Integer"] ["a" "String"] [[1] "List"] [None "Symbol"]]]
    (assert (= (run-task master `(fn [i o] [(kind ~x) '~x])) [name (hy.as-model x)]))))

(defn test-a-slave-compiles-once-what-differs-in-data [master]
  (run-task master '(do
    (setv expansions [])
    (defmacro count-me [] (.append expansions 1) 5)
    (fn [i o] None)))
  (for [n (range 20)]
    (assert (= (run-task master `(fn [i o] [~n ~(str n) (count-me)])) [n (str n) 5])))
  (assert (= (run-task master '(fn [i o] (len expansions))) 1)))

(defn test-a-datum-that-code-cannot-see-is-named [master]
  (setv error (error-of run-task master `(fn [i o] '~(Fraction 1 3))))
  (assert (isinstance error RemoteError) (repr error))
  (assert (isinstance error TypeError) (repr error))
  (assert (= error.type-name "dpfw.errors.UnwritableError") error.type-name)
  (assert (in "(Fraction 1 3)" (str error)) (str error)))

(defclass Unlike [])

(register-type Unlike "tests.Unlike" (fn [x] (/ 1 0)))

(defn test-what-cannot-be-sent-is-an-error-of-the-caller [master monkeypatch]
  (setv error (error-of master.make-task `(fn [i o] (f ~[1 print])) read-result))
  (assert (is (type error) UnwritableError) (repr error))
  (assert (is error.__cause__ None) (repr error.__cause__))
  (setv error (error-of master.make-task `(fn [i o] (f ~(Unlike))) read-result))
  (assert (is (type error) UnwritableError) (repr error))
  (assert (isinstance error.__cause__ ZeroDivisionError) (repr error.__cause__))
  (.setattr monkeypatch master.node "frame_limit" LIMIT)
  (setv error (error-of master.make-task `(fn [i o] (len ~(* "x" LIMIT))) read-result))
  (assert (is (type error) OverflowError) (repr error))
  (assert (in "values" (str error)) (str error))
  (assert (in "DPFW_FRAME_LIMIT" (str error)) (str error))
  ; Just below it, and several together beyond it.
  (setv below (- LIMIT 1000))  ; which leaves room for the lengths, and the plan
  (assert (= (run-task master `(fn [i o] (len ~(* "x" below)))) below))
  (setv half (* "x" (// LIMIT 2)))
  (assert (isinstance (error-of master.make-task `(fn [i o] (len [~half ~half])) read-result) OverflowError))
  ; The slave is idle: nothing of all that was sent.
  (assert (.get-slave master False)))

(defn [(pytest.mark.parametrize "failing" [
    `(fn [i o] (break 1 ~[1 2])) `(no-such-name ~[1 2]) `(fn [i] ~[1 2]) `(fn [i o] '~(Fraction 1 2))
    `(fn [i o] (raise (ValueError ~[1 2]))) `(fn [i o] {~[1 2] 1}) [1 2]])]
  test-data-of-a-task-that-fails-do-not-reach-the-next [master failing]
  (assert (isinstance (error-of run-task master failing) RemoteError))
  (assert (= (run-task master '(fn [i o] 1)) 1))
  ; This hole is nobody's, so it is a call of what is not there.
  (setv error (error-of run-task master "(fn [i o] [\"nobody's\" (value$0)])"))
  (assert (isinstance error NameError) (repr error))
  (assert (= (run-task master `(fn [i o] ~3)) 3)))

(defn held [master]
  "Keep the one slave busy; gives the promise and what lets it go."
  (setv begun (hy.I.threading.Event)
        gate (hy.I.threading.Event))
  (defn local [i o]
    (.set begun)
    (.wait gate WAIT)
    (read i))
  (setv promise (.make-task master '(fn [i o] 0) local))
  (assert (.wait begun WAIT))
  #(promise gate.set))

(defn test-a-task-that-is-given-up-takes-its-data-along [master]
  (setv [busy let-go] (held master)
        make (fn [body x #** options]
          (.make-task master `(fn [i o] ~body [~x '~x]) read-result #** options))
        waiting (make 1 "cancelled in line")
        late (make '(while True) "too late" :timeout 0.01)
        wanted (make 1 "wanted")
        without (.make-task master '(fn [i o] "none") read-result))
  (assert (.cancel waiting))
  (let-go)
  (assert (isinstance (error-of late.result WAIT) TaskTimeout))
  (assert (= (.result wanted WAIT) ["wanted" '"wanted"]))
  (assert (= (.result without WAIT) "none"))
  (assert (= (.result busy WAIT) 0)))

(defn test-one-text-with-other-data-side-by-side [server]
  (defn work [k]
    (with [master (connected server)]
      (setv promises (lfor
        n (range 40)
        :setv x [k n (* "x" n)]
        #(x (.make-task master `(fn [i o] [~x ~{"k" x} (repr '~n)]) read-result))))
      (for [[x promise] promises]
        (assert (= (.result promise WAIT) [x {"k" x} f"hy.models.Integer({(get x 1)})"]))))
    k)
  (with [pool (ThreadPoolExecutor 4)]
    (assert (= (list (.map pool work (range 4))) [0 1 2 3]))))

(defn test-one-master-of-several-threads [master]
  (defn work [k]
    (lfor  n (range 25)  (run-task master `(fn [i o] [~k ~n]))))
  (with [pool (ThreadPoolExecutor 4)]
    (assert (= (list (.map pool work (range 4)))
               (lfor  k (range 4)  (lfor  n (range 25)  [k n]))))))

(defn test-each-call-takes-data-along [server]
  (setv table {"a" [1 2]  "third" (Fraction 1 3)})
  (with [master (Master)]
    (.on-connect master `(fn [i o]
      (.append (.setdefault (dpfw-slave-ht) "tables" []) #(~table '~(get table "a")))))
    ; A slave that connects later gets the data as they were.
    (.append (get table "a") "changed")
    (.connect master #* (cut server 1 None))
    (setv got (run-task master '(fn [i o] (get (dpfw-slave-ht) "tables"))))
    (assert (= got [#({"a" [1 2]  "third" (Fraction 1 3)} '[1 2])]) got)
    (assert (= (.broadcast master `(fn [i o] [(get ~table "third") '~(get table "a")]))
               [[(Fraction 1 3) '[1 2 "changed"]]]))
    (assert (= (.parallel master (lfor  n (range 9)  [`(fn [i o] (* ~n ~n)) read-result]))
               (lfor  n (range 9)  (* n n))))))

(defn test-a-task-that-runs-again-has-its-data-again [tmp-path]
  (setv been (str (/ tmp-path "been")))
  (with [[master slaves] (launched 2)]
    (setv got (run-task master
      `(fn [i o]
        (import os)
        (try
          (os.mkdir ~been)
          (except [FileExistsError])
          (else (os._exit 1)))
        [~(Fraction 1 3) '~[1 "a"]])
      :retries 1))
    (assert (= got [(Fraction 1 3) '[1 "a"]]) got)))


;; * Speed

(defn test-data-with-many-ways-through-it-is-looked-at-once []
  (setv node {"kids" []})
  (for [_ (range 2)]
    (.append (get node "kids") {"parent" node}))
  (setv deep [])
  (for [_ (range 60)]
    (setv deep [deep deep]))
  (with [raised (pytest.raises UnwritableError)]
    (as-remote `(fn [i o] (len ~node))))
  (assert (in "contains itself" (str raised.value)))
  (assert (not (holds-code? deep))))

(defn test-a-list-that-is-spliced-in-is-text []
  (setv numbers (list (range 1000)))
  (assert (= (. (as-remote `(fn [i o] [~@numbers])) values) #()))
  ; If Hy has literals for it.
  (setv fractions (lfor  n numbers  (Fraction n 7)))
  (assert (= (len (. (as-remote `(fn [i o] [~@fractions])) values)) 1000)))

(defn test-flat-data-is-read-once [monkeypatch]
  (setv e (evaluator)
        reads [])
  (for [[name read] [["read_datum" read-datum] ["unpack" unpack]]]
    (.setattr monkeypatch f"dpfw.serve.evaluator.{name}" (fn [data [read read]]
      (.append reads data)
      (read data))))
  ; Small ones as text, others packed.
  (for [[n size] (enumerate [10 1000] 1)]
    (setv procedure (lifted e `(fn [i o] (sum (gfor  n (range 3000)  (in n ~(set (range size))))))))
    (assert (= (procedure None None) size))
    (assert (= (len reads) n))))

(defn test-packed-data-is-new-at-each-evaluation []
  (setv rows (lfor  n (range 100)  [n (str n)])
        procedure (lifted (evaluator) `(fn [i o]
          (setv all [])
          (for [_ (range 3)]
            (for [some [~rows ~(list (range 1000))]]
              (.append all (get some 0))
              (.clear some)))
          all)))
  (assert (= (procedure None None) (* [[0 "0"] 0] 3))))


(defn test-a-string-may-say-what-holes-are-called [both]
  (check-meaning both `(fn [i o] ["value$" "(value$0)" "a\\value$1" ~5]))
  (assert (as-remote `(fn [i o] ["value$" ~(Fraction 1 3)]))))

(defn [(pytest.mark.parametrize #("form" "in_place") [
    #(`(fn [i o] ~(Datum None)) True)
    #(`(fn [i o] (setv x 1) (when x (do ~(Datum None)))) True)
    #(`(fn [i o] (for [_ [1]] (setv x ~(Datum None))) x) False)
    #(`(fn [i o] ((fn [] ~(Datum None)))) False)
    #(`(fn [i o] (get (lfor  _ [1]  ~(Datum None)) 0)) False)
    #("(fn [i o] (get [(value$0) (value$0)] 0))" False)])]
  test-an-array-stays-where-it-came-if-nobody-else-will-read-it [form in-place]
  (setv np (pytest.importorskip "numpy" :reason "NumPy is not installed")
        data (bytearray (.join b"" (pack (np.zeros 100))))
        before (bytes data)
        text (if (isinstance form str) form (. (as-remote form) text))
        e (evaluator))
  ; Also when it was compiled before.
  (for [_ (range 2)]
    (setv x ((.procedure e text [(memoryview data)]) None None))
    (.fill x 1)
    (holds (!= (bytes data) before) in-place)
    (setv (cut data) before)))
