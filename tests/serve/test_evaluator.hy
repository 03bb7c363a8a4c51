"What an evaluator keeps of remotes has an end, in number and in bytes. What remotes
mean is in tests/task/test_beside.hy and test_remotes.hy."

(import
  linecache
  traceback
  hy.errors
  pytest
  dpfw.errors [Interrupted NotProcedureError]
  dpfw.net.interrupt [Guard]
  dpfw.serve.bounded
  dpfw.serve.bounded [Bounded]
  dpfw.serve.evaluator [Evaluator Seen]
  tests.doc-examples [check-docstrings]
  tests.helpers [holds])

(setv ROOM 200,000)

(defn [pytest.fixture] small [monkeypatch]
  "An evaluator with little room."
  (.setattr monkeypatch "dpfw.serve.evaluator.ROOM" ROOM)
  (Evaluator {"log" []}))

(defn with-comment [n size]
  "A remote that fails, with so long a text."
  f"(fn [i o] ; {(* "x" size)}\n (/ {n} 0))")

(defn run [e text]
  "Call what a remote yields; gives the traceback."
  (try
    ((.procedure e text) None None)
    (except [ZeroDivisionError]
      (traceback.format-exc))))

(defn shown []
  "The remotes whose text tracebacks can show."
  (sfor  name linecache.cache  :if (.startswith name "<remote ")  name))

(defn characters [names]
  (sum (gfor  name names  line (linecache.getlines name)  (len line))))

(defn test-texts-are-bounded-by-bytes [small]
  (for [n (range 100)]
    (assert (in f"(/ {n} 0)" (run small (with-comment n 10,000))))
    (assert (<= (sum (gfor  [text _] small.makers  (len text))) ROOM) n)
    (assert (<= (characters small.sources) ROOM) n))
  ; Not much less than there is room for, and the youngest.
  (assert (<= 10 (len small.sources) 20) (len small.sources))
  (assert (<= 10 (len small.makers) 20) (len small.makers))
  (assert (in #((with-comment 99 10,000) 0) small.makers))
  (assert (<= (set small.sources) (shown)))
  (setv numbers (sfor  name small.sources  (int (cut name 8 -1))))
  (holds numbers (set (range (- 101 (len numbers)) 101))))

(defn test-a-text-that-has-no-room-is-compiled-each-time-and-not-kept [small]
  (run small (with-comment 1 1000))
  (setv before (shown))
  (for [_ (range 2)]
    (setv said (run small (with-comment 2 ROOM)))
    (assert (in "ZeroDivisionError" said))
    (assert (not-in "(/ 2 0)" said)))
  (holds (lfor  [text _] small.makers  (len text)) [(len (with-comment 1 1000))])
  (holds (shown) before))

(defn test-what-was-compiled-counts-and-not-its-text-alone [small]
  ; It has three to ten times the bytes of its text, in one Python or another.
  (setv text f"(fn [i o] (defclass C []) {(.join " " (gfor  n (range 600)  f"(C {n})"))})")
  (for [n (range 20)]
    (.procedure small f"{text};{n}"))
  (assert (< (* 2 (len small.makers) (len text)) small.makers.taken (+ ROOM 1))
    [(len small.makers) (len text) small.makers.taken]))

(defn test-many-short-lines-count-for-what-they-take [small]
  "Each line is an object."
  (setv text f"(fn [i o] {(* "1\n" 2000)})")
  (.procedure small text)
  (assert (> small.sources.taken (* 10 (len text))) small.sources.taken))

(defn test-an-interrupt-leaves-nothing-half-kept [small monkeypatch]
  (setv guard (Guard))
  (defn interrupting [function]
    (.interrupt guard)
    1)
  (.setattr monkeypatch "dpfw.serve.evaluator.size_of_code" interrupting)
  (with [_ (.on-duty guard)  _ (pytest.raises Interrupted)]
    (.run guard small.procedure "(fn [i o])"))
  (holds [(len small.makers) (len small.makers.sizes)] [1 1]))

(defn test-what-an-interrupt-has-left-in-hy-harms-no-other-remote [small monkeypatch]
  (defclass Left [Seen]
    "It has the address of whatever is made."
    (defn __contains__ [self _]
      (in None (iter self))))
  (setv left (Left [None]))
  (.setattr monkeypatch hy.models "_seen" left)
  (.setattr monkeypatch "dpfw.serve.evaluator.seen" left)
  (holds ((.procedure small "(fn [i o] 5)") None None) 5))

(defn test-a-remote-is-compiled-while-another-thread-makes-models [small monkeypatch]
  (defclass Between []
    "A remote is compiled while a model is made of it.")
  (monkeypatch.setitem hy.models._wrappers Between (fn [_]
    (holds ((.procedure small "(fn [i o] 5)") None None) 5)
    (hy.models.Integer 1)))
  (holds (hy.as-model [1 [2 (Between)] {3 (Between)}]) '[1 [2 1] {3 1}])
  (holds hy.models._seen #{})
  ; What holds itself is found all the same.
  (setv x [1 (Between)])
  (.append x x)
  (with [raised (pytest.raises hy.errors.HyWrapperError)]
    (hy.as-model x))
  (assert (in "Self-referential" (str raised.value))))

;; Each task has a procedure of its own. One of two plain parameters is a copy.

(setv
  PLAIN [
    "(fn [i o] [i o])"
    "(fn [i o] \"doc\" (setv x i) [x o])"
    "(fn [a-b &] [a-b &])"]
  ; What a copy would not be.
  OTHER [
    "(fn [i o [seen []]] (.append seen 1) (if (= seen [1]) [i o] seen))"
    "(fn [i #* more] [i #* more])"
    "(fn [i / o] [i o])"
    "(fn [#^ int i o] [i o])"])

(defn [(pytest.mark.parametrize "text" [#* PLAIN #* OTHER])] test-each-task-has-a-procedure-of-its-own [text]
  (setv e (Evaluator {})
        procedures (lfor  _ (range 3)  (.procedure e text)))
  (holds (list e.makers) [#(text 0)])
  (holds (len (set (map id procedures))) 3)
  (holds (lfor  p procedures  (p 1 2)) (* 3 [[1 2]]))
  (setv (. (get procedures 0) mark) True)
  (for [p [(get procedures 1) (.procedure e text)]]
    (assert (not (hasattr p "mark")) text))
  ; What Hy names on the way is in nobody's way.
  (holds (lfor  name (dir e.module)  :if (in "anon" name)  name) []))

(defn [(pytest.mark.parametrize "text" PLAIN)] test-a-copy-is-what-evaluation-gives [text]
  (setv p (.procedure (Evaluator {}) text)
        space {"hy" hy  "__name__" p.__module__}
        q (hy.eval (hy.read text) :globals space))
  (defn told [f]
    [f.__name__ f.__qualname__ f.__doc__ f.__defaults__ f.__kwdefaults__ f.__annotations__ f.__closure__ f.__module__
     f.__dict__])
  (holds (told p) (told q)))

(defn [(pytest.mark.parametrize #("text" "error") [
    #("(fn [i *] i)" SyntaxError)
    #("(fn [* o] o)" NotProcedureError)
    #("(fn [i i] i)" SyntaxError)
    #("(fn [i o] (nonlocal x) x)" SyntaxError)
    #("(fn [i] i)" NotProcedureError)
    #("(fn [i o p] i)" NotProcedureError)
    #("(fn [i o * p] i)" NotProcedureError)
    #("(fn)" SyntaxError)
    #("(fn i)" SyntaxError)])]
  test-what-is-no-procedure-of-two-ports-is-refused [text error]
  (with [(pytest.raises error)]
    (.procedure (Evaluator {}) text)))

(defn test-what-takes-two-ports-may-say-that-it-is-another []
  (holds ((.procedure (Evaluator {})
            "(do (import functools) (defn [(functools.wraps (fn [i] i))] f [i o] [i o]) f)") 1 2)
         [1 2]))

(defn test-another-macro-makes-room [small]
  (for [n (range 10)]
    (.procedure small (with-comment n 10,000)))
  (assert (> small.makers.taken 100,000))
  (.procedure small "(do (defmacro m [] 1) (fn [i o]))")
  (.procedure small "(fn [i o])")
  (holds (list small.makers) [#("(fn [i o])" 0)])
  (assert (< small.makers.taken 2000) small.makers.taken))

(defn test-what-is-bounded-forgets-the-oldest []
  (setv gone []
        d (Bounded :most 3 :room 100 :forget gone.append))
  (for [[key size] [["a" 10] ["b" 10] ["c" 10] ["d" 10]]]
    (assert (.keep d key (.upper key) size)))
  (holds d {"b" "B"  "c" "C"  "d" "D"})
  (assert (.keep d "e" 5 85))
  (holds #((list d) d.taken gone) #(["d" "e"] 95 ["a" "b" "c"]))
  ; Set anew, it counts once, and is the youngest.
  (.keep d "d" 6 12)
  (holds #((list d) d.taken) #(["e" "d"] 97))
  (assert (not (.keep d "f" 7 101)))
  (holds #((list d) d.taken) #(["e" "d"] 97))
  (.clear d)
  (holds #((list d) d.taken d.sizes) #([] 0 {})))

(defn test-the-example-in-its-docstring-holds []
  (assert (check-docstrings dpfw.serve.bounded)))
