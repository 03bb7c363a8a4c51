"Calls over collections: what they give, whatever the items are, how they fail,
and how much of the items they have in hand."

(import
  functools [reduce]
  itertools [count islice]
  operator
  os
  signal
  re
  sys
  threading
  pytest
  hypothesis [given strategies :as st]
  dpfw.dispatch [flow]
  dpfw.net [threads]
  dpfw.master [Master]
  dpfw.errors [MasterClosed RemoteError SlaveLost UnwritableError]
  dpfw.launch [dpfw-launch]
  dpfw.dispatch.flow [AHEAD]
  dpfw.dispatch.pace [MOST-FIRST]
  tests.helpers [begin holds message outcome until]
  tests.processes [error-of idle-slaves launched pausing run-task WAIT])

(setv
  SLAVES 2
  THREADS 8  ; more than the master's tasks ever take at once
  ; Waits at a gate, which is what a str names, and gives the item.
  AT-GATES '(fn [x]
    (when (isinstance x str)
      (with [gate (open x)]
        (.read gate)))
    x)
  PID '(fn [x] (import os) (os.getpid)))

(defn [(pytest.fixture :scope "module")] shared []
  (with [patch (pytest.MonkeyPatch.context)
         both (launched SLAVES)]
    (setv [master _] both)
    ; No test is to end with a thread more than it began with.
    (patch.setattr threads "PARKED" 1000)
    (setv all-there (threading.Barrier THREADS))
    (for [_ (range THREADS)]
      (.run master.node.threads all-there.wait WAIT))
    (yield master)))

(defn [pytest.fixture] master [shared]
  (yield shared)
  ; However the call ended, its slaves are there, and idle.
  (until (fn [] (= (len shared.network.dispatcher.idle) SLAVES)))
  (assert (not shared.network.dispatcher.line) shared.network.dispatcher.line))

(defn [pytest.fixture] gate [tmp-path]
  "Makes gates: named pipes, at which who reads waits for who writes."
  (defn make [name]
    (setv path (str (/ tmp-path name)))
    (os.mkfifo path)
    path)
  make)

(defn opened [path]
  "Wait until a slave waits at the gate; returns what holds it there until it is
  closed."
  (setv found [])
  (until (fn []
    (try
      (.append found (os.open path (| os.O-WRONLY os.O-NONBLOCK)))
      True
      (except [OSError]))))
  (get found 0))

(defn release [path]
  (os.close (opened path)))

(defn exactly [got wanted]
  "Equal, and of the same types all the way down, NaN and -0.0 included."
  (holds (repr got) (repr wanted)))

(defn failing [items error]
  "These items, and then an error."
  (yield :from items)
  (raise error))


;; * Items and results

(defn [(pytest.mark.parametrize "items" [
    []
    #()
    (range 0)
    ""
    {}
    #{}
    [None]
    [1 True 1.0 False 0 0.0 -0.0 None]
    [(float "nan") (float "inf") (float "-inf") 5e-324]
    [(** 2 63) (- (** 2 63)) (** 2 64) (- (** 2 200))]
    (lfor  n (range 130)  (** 2 n))
    (lfor  n (range 300)  (- n 150))
    (lfor  n (range 300)  (/ n 7))
    (* [-0.0 (float "nan")] 100)
    (* [1 True] 100)
    (* [True] 200)
    (* [None] 200)
    (tuple (range 200))
    (range 500)
    (range 10 -10 -3)
    (range (** 10 30) (+ (** 10 30) 9) 2)
    "text"
    b"bytes"
    (bytearray b"bytes")
    {"a" 1  "b" 2}
    #{1 2 3}
    (frozenset [1 2 3])
    ["s" b"b" 1+2j :keyword #(1 [2 #(3)]) {"k" [None]} #{1} (frozenset [1]) (range 3)]
    ['symbol '(a [b ~c] "d") 'f"{x}" ':k '5 '"s"]
    [[]]
    [[1 2] [3 4]]
    [#(1 2)]])]
  test-items-and-results-come-back-as-they-were [master items]
  (setv wanted (list items))
  (for [chunk-size [None 1 3 1000]]
    (exactly (.map master '(fn [x] x) items :chunk-size chunk-size) wanted))
  (exactly (.map master '(fn [x] x) (iter items)) wanted)
  (exactly (sorted (.map-unordered master '(fn [x] x) items) :key repr) (sorted wanted :key repr)))

(defn [(given (st.lists (| (st.integers) (st.floats) (st.booleans) (st.none) (st.text)))
              (st.integers 1 50))]
  test-any-mixture-comes-back-as-it-was [shared items chunk-size]
  (exactly (.map shared '(fn [x] x) (* items 20) :chunk-size chunk-size) (* items 20)))

(defn test-several-collections-go-as-far-as-the-shortest [master]
  (for [[columns wanted] [
      [[[1 2 3] [10 20]] [#(1 10) #(2 20)]]
      [[(range 3) "ab" (count)] [#(0 "a" 0) #(1 "b" 1)]]
      [[(count) []] []]
      [[(range (** 10 30)) [7 8]] [#(0 7) #(1 8)]]
      [[(range 200) (list (range 150))] (lfor  n (range 150)  #(n n))]]]
    (exactly (.map master '(fn [#* xs] xs) #* columns) wanted)))

(defn test-an-array-is-a-collection-of-its-items [master]
  (setv np (pytest.importorskip "numpy" :reason "NumPy is not installed"))
  (for [[f items] [['(fn [x] (* 2 x)) (/ (np.arange 1000) 4)]
                   ['(fn [row] (float (.sum row))) (.reshape (np.arange 600) [200 3])]
                   ['(fn [x] x) (np.array ["2024-02-29" "2025-01-01"] :dtype "M8[D]")]]]
    (setv got (.map master f items)
          wanted (map (hy.eval f) items))
    (holds (list (map repr got)) (list (map repr wanted))))
  (exactly (.map master '(fn [a b] (int (+ a b))) (np.arange 5) [1 2 3]) [1 3 5])
  (exactly (.map master 'int (np.zeros 0)) [])
  (with [e (pytest.raises UnwritableError)]
    (.map master '(fn [x] x) (np.array [print] :dtype object)))
  (message e "item 0"))

(defn test-several-collections-are-read-as-zip-reads-them [master]
  ; What stands behind the end of the shortest is not asked for.
  (exactly (.map master '(fn [a b] a) [1 2] (failing [1 2] (ValueError "too far"))) [1 2])
  (for [size [None 1 2 3 100]]
    (exactly (.map master '(fn [a b] a) (failing [1 2 3] (ValueError "too far")) [1 2] :chunk-size size) [1 2])))

(defn test-a-long-range-is-not-counted [master]
  (setv results (.map-unordered master 'abs (range (** 10 30))))
  (assert (in (next results) (range (* AHEAD SLAVES MOST-FIRST))))
  (.close results))

(defn test-a-list-may-grow-and-shrink-meanwhile [master]
  (setv items (list (range 100)))
  (for [n (.map-unordered master '(fn [x] x) items :chunk-size 2)]
    (when (= n 0)
      (.append items 100)
      (del (cut items 50 60))))
  (setv items [1 2 3])
  (defn grow [x]
    (.append items 4)
    x)
  (exactly (.map master 'abs (map grow (range 3)) :chunk-size 1) [0 1 2]))

(defn [(pytest.mark.parametrize "f" [
    'abs
    "abs"
    "(fn [x] (abs x)) ; a comment"
    '(do (import math) math.fabs)
    '(fn [x] (import math) (math.fabs x))
    '(do (defn f [x] (abs x)) f)
    '(do (defmacro m [x] `(abs ~x)) (fn [x] (m x)))
    '(do (require hyrule.control [unless]) (fn [x] (unless False (abs x))))
    '(fn [x] (require hyrule.control [unless]) (unless False (abs x)))
    '(fn [x] (defn g [i o columns] (abs (+ i o columns))) (g x 0 0))
    '(fn [i] (setv o 1 columns 2 f 3) (abs i))
    '(fn [x] (py "abs(x)"))
    '(fn [x] (get [(locals) (dir) (abs x)] 2))
    '(. operator abs)
    '(get {"f" abs} "f")
    '((fn [f] f) abs)])]
  test-the-procedure-may-be-written-in-many-ways [master f]
  (.broadcast master '(do (import operator) (fn [i o] True)))
  (for [items [[-1 2] (list (range -200 0)) (range -200 0)]]
    (holds (.map master f items :chunk-size 150) (list (map abs items)))))

(defn [(pytest.mark.parametrize #("f" "items") [
    #('dir [[] 1])
    #('eval ["1 + 1" "2"])
    #('(do eval) ["1 + 1" "2"])])]
  test-the-procedure-may-be-one-that-looks-around-itself [master f items]
  (for [size [2 300]]
    (setv some (* items size))
    (holds (.map master f some :chunk-size size)
      (list (map (get {'dir dir  'eval eval  '(do eval) eval} f) some)))
    ; Also beside arrays.
    (holds (len (.map master 'dir (list (range size)) :chunk-size size)) size)))

(defn test-data-may-be-put-into-the-procedure [master]
  (for [k [5 "x" [1 2] {"a" #{1}} None]]
    (exactly (.map master `(fn [x] [x ~k]) [1 2] :chunk-size 1) [[1 k] [2 k]]))
  ; And it is what it is, each time.
  (exactly (.map master `(fn [x] (setv seen ~[]) (.append seen x) seen) [1 2]) [[1] [2]]))

(defn test-the-procedure-is-made-once-for-a-chunk [master]
  (setv f '(do (setv seen []) (fn [x] (.append seen x) (len seen))))
  (exactly (.map master f (range 6) :chunk-size 3) [1 2 3 1 2 3])
  ; And it leaves nothing behind.
  (setv error (error-of run-task master '(fn [i o] seen)))
  (assert (isinstance error NameError) (repr error)))

(defn test-all-slaves-work-at-once [master gate]
  ; Each end of a gate waits for the other.
  (setv path (gate "between"))
  (exactly (.map master
    '(fn [path mode] (with [f (open path mode)]) mode) [path path] ["r" "w"] :chunk-size 1)
    ["r" "w"]))

(defn test-the-order-is-kept-when-chunks-end-out-of-order [master gate]
  (setv path (gate "first"))
  (defn items []
    (yield path)
    (for [n (range 1 10)]
      ; The fifth chunk is asked for when one is done, which is not the first.
      (when (= n 4)
        (release path))
      (yield n)))
  (holds (.map master AT-GATES (items) :chunk-size 1) [path #* (range 1 10)]))

(defn test-unordered-results-come-as-they-are-there [master gate]
  (setv path (gate "first")
        results (.map-unordered master AT-GATES [path #* (range 1 20)] :chunk-size 1)
        early (list (islice results 19)))
  (holds early (list (range 1 20)))
  (release path)
  (holds (list results) [path]))

(defn test-for-each-is-for-the-effects [master]
  (holds (.for-each master '(fn [x] (hash-table-set! (dpfw-slave-ht) #("each" x) True))
           (range 20) :chunk-size 1)
         None)
  (setv there (.broadcast master
    '(fn [i o] (lfor  k (dpfw-slave-ht)  :if (isinstance k tuple)  (get k 1)))))
  (holds (sorted (sum there [])) (list (range 20)))
  (holds (.for-each master 'abs []) None))

(defn test-two-threads-may-call-at-once [master]
  (setv
    one (begin (fn [] (.map master '(fn [x] (* 2 x)) (range 3000) :chunk-size 7)))
    two (begin (fn [] (.map master '(fn [x] (* 3 x)) (range 3000) :chunk-size 11))))
  (holds (outcome one) (list (range 0 6000 2)))
  (holds (outcome two) (list (range 0 9000 3))))

(defn test-a-slave-may-call-too [master]
  (holds (.map master
    '(fn [x]
      (import dpfw.master [dpfw-map dpfw-close] dpfw.launch [dpfw-launch])
      (dpfw-launch 1)
      (try
        (dpfw-map '(fn [x] (* x x)) (range x))
        (finally
          (dpfw-close))))
    [3])
    [[0 1 4]]))


;; * Reduction

(setv CONCATENATE '(fn [a b] (+ a b)))

(defn [(pytest.mark.parametrize "chunk_size" [None 1 2 3 7 1000])]
  test-a-reduction-keeps-the-order [master chunk-size]
  (setv
    texts (lfor  n (range 50)  f"{n} ")
    matrices (lfor  n (range 30)  [[n 1] [1 (- 2 n)]])
    product '(fn [a b]
      (lfor  row a  (lfor  column (zip #* b)  (sum (map (fn [x y] (* x y)) row column)))))
    here (hy.eval product))
  (for [items [texts (iter texts) (tuple texts)]]
    (holds (.reduce master CONCATENATE items :chunk-size chunk-size) (.join "" texts)))
  (holds (.reduce master CONCATENATE (lfor  n (range 50)  [n]) :chunk-size chunk-size)
         (list (range 50)))
  (holds (.reduce master product matrices :chunk-size chunk-size) (reduce here matrices))
  (holds (.reduce master product matrices [[0 1] [1 1]] :chunk-size chunk-size)
         (reduce here matrices [[0 1] [1 1]]))
  (holds (.map-reduce master 'str CONCATENATE (range 50) :chunk-size chunk-size)
         (.join "" (map str (range 50)))))

(defn [(pytest.mark.parametrize #("items" "initial") [
    #([] 5)
    #([] None)
    #([1] 5)
    #([1 2 3] 5)
    #([] [])])]
  test-a-reduction-begins-with-the-initial-value [master items initial]
  (exactly (.reduce master CONCATENATE items initial) (reduce operator.add items initial)))

(defn test-none-is-an-initial-value [master]
  (exactly (.reduce master '(fn [a b] [a b]) [1] None) [None 1])
  (exactly (.map-reduce master '(fn [x] None) '(fn [a b] [a b]) [1 2]) [None None]))

(defn test-one-item-is-its-own-reduction [master]
  (exactly (.reduce master '(fn [a b] (/ 1 0)) [7]) 7)
  (exactly (.map-reduce master 'str '(fn [a b] (/ 1 0)) [7]) "7"))

(defn test-nothing-to-reduce-is-an-error [master]
  (for [call [(fn [] (.reduce master 'max []))
              (fn [] (.map-reduce master 'abs 'max (iter [])))]]
    (setv error (error-of call))
    (assert (isinstance error TypeError) (repr error))
    (assert (in "nothing to reduce" (str error)) error)))

(defn [(pytest.mark.parametrize #("items" "index") [
    #([1 2 "x" 4] 2)         ; in a chunk: 1 + 2, "x" + 4
    #([1 2 "x" "y" 5 6] 2)   ; of two chunks
    #([1 2 3 4 "x" "y"] 4)
    #([1 "x"] 1)])]
  test-an-error-of-a-reduction-has-the-index-of-the-right-operand [master items index]
  ; ("x" + 4 comes in its turn, which is after 1 + 2; it fails itself.)
  (setv error (error-of (fn [] (.reduce master CONCATENATE items :chunk-size 2))))
  (assert (isinstance error TypeError) (repr error))
  (holds error.index (if (= items [1 2 "x" 4]) 3 index)))

(defn test-an-error-with-the-initial-value-has-the-index-of-the-first-item [master]
  (setv error (error-of (fn [] (.reduce master CONCATENATE ["a" "b"] 5))))
  (holds [(isinstance error TypeError) error.index] [True 0]))

(defn test-an-initial-value-that-cannot-be-written-is-told-of-at-once [master]
  (setv taken [])
  (with [raised (pytest.raises UnwritableError)]
    (.reduce master CONCATENATE (map taken.append (range 3)) (fn [])))
  (message raised "the initial value" "function")
  (holds taken []))


;; * Failures

(setv CALLS {
  "map" (fn [master f items #** options] (.map master f items #** options))
  "map-unordered" (fn [master f items #** options] (list (.map-unordered master f items #** options)))
  "imap" (fn [master f items #** options] (list (.imap master f items #** options)))
  "for-each" (fn [master f items #** options] (.for-each master f items #** options))
  "reduce" (fn [master f items #** options]
    (.reduce master `(fn [a b] (~f b)) [None #* items] #** options))
  "map-reduce" (fn [master f items #** options]
    (.map-reduce master f '(fn [a b] None) items #** options))})

(defn [(pytest.mark.parametrize "call" CALLS)
       (pytest.mark.parametrize #("raising" "base" "says") [
    #('(/ 1 0) ZeroDivisionError "division by zero")
    #('(next (iter [])) RuntimeError "the procedure raised StopIteration")
    #('(raise (SystemExit 3)) RemoteError "3")
    #('(raise (KeyboardInterrupt "k")) RemoteError "k")
    #('(raise (GeneratorExit "g")) RemoteError "g")
    #('(raise (OSError 2 "odd" "file")) FileNotFoundError "odd")
    #('(raise (ValueError (fn []) "odd")) ValueError "odd")
    #('(raise (UnicodeDecodeError "utf8" b"a" 0 1 "odd")) UnicodeDecodeError "odd")
    #('(no-such-name) NameError "no_such_name")])]
  test-an-error-names-the-item [master call raising base says]
  (for [[chunk-size index] [[1 7] [5 5] [100 0] [100 9]]]
    (setv error (error-of (get CALLS call) master
      `(fn [x] (if (= x ~index) ~raising x)) (range 10) :chunk-size chunk-size))
    (assert (isinstance error #(RemoteError base)) (repr error))
    (assert (isinstance error base) (repr error))
    ; The reductions have one more item, in front.
    (setv shown (+ index (int (= call "reduce"))))
    (holds error.index shown)
    (assert (and (.startswith (str error) f"item {shown}: ") (in says (str error))) (str error))))

(defn [(pytest.mark.parametrize "call" ["map" "map-unordered" "imap"])
       (pytest.mark.parametrize "chunk_size" [1 4 100])]
  test-a-result-that-cannot-be-written-names-its-item [master call chunk-size]
  (setv error (error-of (get CALLS call) master
    '(fn [x] (if (= x 6) [x (fn [])] x)) (range 7) :chunk-size chunk-size))
  (assert (isinstance error TypeError) (repr error))
  (holds error.index 6)
  (assert (in "function (at [1])" (str error)) (str error)))

(defn test-what-a-reduction-makes-of-a-chunk-has-to-be-written [master]
  (defn sum-of [size]
    (.map-reduce master '(fn [x] (fn [] x)) '(fn [a b] (fn [] (+ (a) (b)))) (range 4)
      :chunk-size size))
  (setv error (error-of sum-of 2))
  (assert (isinstance error TypeError) (repr error))
  (holds error.index 1)
  ; But nothing within a chunk.
  (holds (.map-reduce master '(fn [x] (fn [] x)) '(fn [a b] (if (= (b) 3) "end" b)) (range 4)
           :chunk-size 4)
         "end"))

(defn [(pytest.mark.parametrize "chunk_size" [None 1 3 100])]
  test-an-item-that-cannot-be-written-is-named [master chunk-size]
  (setv items [0 1 2 3 4 [5 (fn [])] 6])
  (with [raised (pytest.raises UnwritableError)]
    (.map master '(fn [x] x) items :chunk-size chunk-size))
  (message raised "item 5: cannot write a value of type function (at [1])")
  (with [raised (pytest.raises UnwritableError)]
    (.map master '(fn [x y] x) (range 7) (iter items) :chunk-size chunk-size))
  (message raised "item 5: cannot write a value of type function (at [1][1])"))

(defn [(pytest.mark.parametrize #("error" "items") [
    #(UnwritableError [0 0 (fn [])])
    #(ValueError (fn [] (failing [0 0] (ValueError "of the items"))))])]
  test-an-item-that-failed-before-has-its-turn-before-bad-items [master error items]
  (defn given-items []
    (if (callable items) (items) items))
  (for [chunk-size [1 2]]
    (setv got (error-of (fn []
      (.map master '(fn [x] (/ 1 x)) (given-items) :chunk-size chunk-size))))
    (holds [(isinstance got ZeroDivisionError) (getattr got "index" None)] [True 0])
    ; But if none did:
    (setv got (error-of (fn []
      (.map master '(fn [x] x) (given-items) :chunk-size chunk-size))))
    (assert (is (type got) error) (repr got))))

(defn test-what-stands-before-bad-items-is-done [master]
  (setv results (.map-unordered master 'abs (failing [1 2 3] (ValueError "of the items")) :chunk-size 10))
  (holds (sorted (islice results 3)) [1 2 3])
  (with [raised (pytest.raises ValueError)]
    (next results))
  (message raised "of the items"))

(defn test-the-first-error-in-order-is-raised-when-a-later-one-comes-first [master gate]
  (setv
    paths (lfor  n (range 9)  (gate f"{n}"))
    taken []
    future (begin (fn []
      (.map master
        '(fn [x]
          (with [gate (open x)]
            (.read gate))
          (raise (ValueError x)))
        (gfor  path paths  (do (.append taken path) path)) :chunk-size 1))))
  (until (fn [] (= (len taken) (* AHEAD SLAVES))))
  (release (get paths 1))
  ; The slave has the next one now, which is ended when this one's end is known.
  (until (fn [] (= (len (idle-slaves master)) 1)))
  (release (get paths 0))
  (setv error (error-of outcome future))
  (holds [error.index error.args] [0 #((get paths 0))])
  (holds taken (cut paths (* AHEAD SLAVES))))

(defn test-an-error-has-the-traceback-of-the-procedure [master]
  (setv error (error-of (fn [] (.map master '(fn [x] (setv y x) (/ 1 y)) [0]))))
  (setv [_ place line #* marks last item] (.splitlines error.traceback))
  (assert (re.fullmatch r"  File \"<remote \d+>\", line 2, in <lambda>" place) error.traceback)
  (holds [line last item]
    ["    (fn [x] (setv y x) (/ 1 y))" "ZeroDivisionError: division by zero" "for the item 0"])
  (when (>= sys.version-info #(3 11))
    (holds marks ["                       ^^^^^^^"])))

(defn test-an-error-of-several-collections-tells-all-its-items [master]
  (setv error (error-of (fn [] (.map master '(fn [x y] (/ x y)) [1 "a"] [1 [2]]))))
  (assert (.endswith error.traceback "\nfor the items \"a\" and [2]\n") error.traceback))

(defn test-an-error-between-the-parts-of-a-map-reduce-tells-what-is-no-data [master]
  (setv error (error-of (fn [] (.map-reduce master '(fn [x] object) '(fn [a b] (/ 1 0)) [1 2] :chunk-size 2))))
  (assert (isinstance error ZeroDivisionError) (repr error))
  (assert (in "for the item <class 'object'>" error.traceback) error.traceback))

(defn test-a-procedure-that-takes-other-arguments-is-not-called-by-a-name-of-ours [master]
  (setv error (error-of (fn [] (.map master '(fn [x y] x) [5]))))
  (holds (str error) "item 0: <lambda>() missing 1 required positional argument: 'y'")
  (holds error.traceback "for the item 5\n"))

(defn test-what-is-no-collection-is-named [master]
  (setv error (error-of (fn [] (.map master 'abs 5))))
  (assert (isinstance error TypeError) (repr error))
  (holds (str error) "5 is no collection of items; give a list, a range, a generator, …"))

(defn [(pytest.mark.parametrize #("f" "base" "says") [
    #(5 TypeError "quote it")
    #((fn [x] x) TypeError "quote it")
    #([1] TypeError "quote it")
    #(None TypeError "quote it")
    #("(fn [x]" SyntaxError "Premature end of input")
    #("" SyntaxError "0 forms")
    #("abs abs" SyntaxError "2 forms")])]
  test-what-is-no-procedure-is-told-of-before-anything-is-read [master f base says]
  (setv taken [])
  (for [call [master.map master.map-unordered master.for-each master.reduce
              (fn [f xs] (.map-reduce master f 'abs xs))
              (fn [f xs] (.map-reduce master 'abs f xs))]]
    (with [raised (pytest.raises base)]
      (call f (map taken.append [1])))
    (message raised says))
  (holds taken []))

(defn [(pytest.mark.parametrize #("f" "base" "says") [
    #('5 TypeError "item 0: 'int' object is not callable")
    #('(fn [] 1) TypeError "item 0: ")
    #('(fn [x y] 1) TypeError "missing 1 required")
    #('no-such-name NameError "name 'no_such_name' is not defined")
    #('(import no-such-module) ImportError "no_such_module")
    #('(break) SyntaxError "")])]
  test-what-no-slave-can-call-is-named [master f base says]
  (setv error (error-of (fn [] (.map master f [1 2]))))
  (assert (and (isinstance error RemoteError) (isinstance error base)) (repr error))
  (assert (in says (str error)) (str error)))

(defn [(pytest.mark.parametrize "size" [0 -1 1.5 2.0 "x" True [] #(1)])]
  test-a-chunk-size-is-a-number-of-items [master size]
  (for [call (.values CALLS)]
    (with [raised (pytest.raises ValueError)]
      (call master 'abs [1] :chunk-size size))
    (message raised (repr size) "at least 1")))

(defn test-what-cannot-be-iterated-over-is-an-error [master]
  (for [items [5 None abs]]
    (with [_ (pytest.raises TypeError)]
      (.map master 'abs items))
    (with [_ (pytest.raises TypeError)]
      (.map master 'abs [1] items))))


;; * What is in hand

(defn counted [items taken]
  (for [x items]
    (.append taken x)
    (yield x)))

(defn [(pytest.mark.parametrize "chunk_size" [1 2 10])]
  test-what-is-read-ahead-is-bounded [master chunk-size]
  (setv taken []
        results (.map-unordered master 'abs (counted (count) taken) :chunk-size chunk-size)
        most (* AHEAD SLAVES chunk-size))
  (for [[done _] (enumerate (islice results 200))]
    (assert (<= (len taken) (+ done most)) f"{(len taken)} taken, {done} done"))
  (.close results))

(defn test-nothing-is-read-while-slaves-are-blocked [master gate]
  (setv
    paths (lfor  n (range 20)  (gate f"{n}"))
    taken []
    future (begin (fn [] (.map master AT-GATES (counted paths taken) :chunk-size 1)))
    seen [])
  (for [path paths]
    (setv held (opened path))
    (.append seen (len taken))
    (os.close held))
  (holds (outcome future) paths)
  (setv wrong (lfor  [done n] (enumerate seen)  :if (> n (+ done 1 (* AHEAD SLAVES)))  [done n]))
  (assert (not wrong) wrong))

(defn test-nothing-is-read-before-the-first-result-is-asked-for [master]
  (setv taken [])
  (.map-unordered master 'abs (counted [1] taken))
  (holds taken []))

(defn test-an-endless-call-may-be-closed [master]
  (setv results (.map-unordered master 'abs (count)))
  (holds (len (sfor  _ (range 1000)  (next results))) 1000)
  (.close results)
  (with [_ (pytest.raises StopIteration)]
    (next results)))

(defn test-closing-ends-what-still-runs [master gate]
  ; A first result that is there at once comes before the next chunk is begun.
  (setv first (gate "first")
        path (gate "never")
        results (.map-unordered master AT-GATES [first path path path] :chunk-size 1)
        coming (begin next results)
        held (opened path))
  (release first)
  (holds (outcome coming) first)
  (.close results)
  ; The gate is still held, so nothing but an interrupt makes its slaves idle.
  (until (fn [] (= (len (idle-slaves master)) SLAVES)))
  (os.close held))

(defn test-leaving-a-loop-ends-what-still-runs [master gate]
  (setv path (gate "never"))
  (with [_ (pytest.raises ZeroDivisionError)]
    (for [n (.map-unordered master AT-GATES [1 path] :chunk-size 1)]
      (/ 1 0)))
  (until (fn [] (= (len (idle-slaves master)) SLAVES))))

(defn test-items-that-come-slowly-are-not-collected [master monkeypatch]
  ; All of them are slower than a chunk may take.
  (monkeypatch.setattr flow "TARGET" -1)
  (setv taken []  most 0
        results (.map-unordered master 'abs (counted (range 100) taken)))
  (for [[done _] (enumerate results 1)]
    (setv most (max most (- (len taken) done))))
  (assert (< most (* AHEAD SLAVES)) most))

(defn test-results-do-not-wait-for-items-that-come-slowly [master]
  (setv got []  early [])
  (defn items []
    (for [n (range 10)]
      (.append early (- n (len got)))
      (yield n)
      ; Until those before it are done.
      (until (fn [] (= (len (idle-slaves master)) SLAVES)))))
  (for [x (.map-unordered master 'abs (items) :chunk-size 1)]
    (.append got x))
  (holds (sorted got) (list (range 10)))
  (assert (<= (max early) 2) early))

(defn test-heavy-items-travel-in-short-chunks [master monkeypatch]
  (monkeypatch.setattr flow "HEAVY" 10,000)
  (setv weights (lfor  n (range 300)  (if (< n 200) 1 3000))
        results (.map-unordered master
          '(fn [x] [(len x) (get x 0)]) (gfor  [n w] (enumerate weights)  (* (chr (+ 40 n)) w)))
        sizes []
        send flow.Flow.send)
  (monkeypatch.setattr flow.Flow "send" (fn [self chunk columns]
    (send self chunk columns)
    (.append sizes #(chunk.start chunk.size))))
  (setv got (sorted results :key (fn [pair] (get pair 1))))
  (holds got (lfor  [n w] (enumerate weights)  [w (chr (+ 40 n))]))
  (setv heavy (lfor  [start size] sizes  :if (> start 200)  size))
  (assert (<= 1 (max heavy) 3) sizes)
  ; None is left out, none sent twice.
  (holds (lfor  [start size] (cut sizes 1 None)  start)
         (lfor  [start size] (cut sizes -1)  (+ start size))))

(defn test-a-chunk-size-that-is-given-is-kept [master monkeypatch]
  (monkeypatch.setattr flow "HEAVY" 10)
  (setv f '(do (setv seen []) (fn [x] (.append seen x) (len seen))))
  (exactly (.map master f (iter (range 8)) :chunk-size 4) [1 2 3 4 1 2 3 4]))

(defn test-an-item-over-the-limit-is-named [master monkeypatch]
  (monkeypatch.setattr master.node "frame_limit" 2000)
  (with [raised (pytest.raises OverflowError)]
    (.map master 'len ["a" "b" "c" (* "x" 3000) "d"] :chunk-size 1))
  (message raised "item 3: " "DPFW_FRAME_LIMIT"))


;; * Slaves that come and go

(defn test-a-slave-that-is-lost-ends-the-call []
  (with [_ (pausing 3600)
         [master slaves] (launched 2)]
    (setv error (error-of (fn []
      (.map master '(fn [x] (when (= x 5) (import os) (os._exit 3)) x) (range 40) :chunk-size 2))))
    (assert (isinstance error SlaveLost) (repr error))
    (assert (in "items 4 to 5: the slave " (str error)) (str error))
    (until (fn [] (= (len (idle-slaves master)) 1)))
    (holds (.map master 'abs [-1 2]) [1 2])))

(defn test-a-chunk-whose-slave-is-lost-may-run-again [tmp-path]
  (setv marker (str (/ tmp-path "died")))
  (with [_ (pausing 3600)
         [master slaves] (launched 2)]
    (holds
      (.map master
        `(fn [x]
          (import os)
          (when (and (= x 5) (not (os.path.exists ~marker)))
            (os.close (os.open ~marker os.O-CREAT))
            (os._exit 3))
          (* x x))
        (range 40) :chunk-size 2 :retries 1)
      (lfor  x (range 40)  (* x x)))
    (assert (os.path.exists marker))
    (holds (len (.slaves master)) 1)))

(defn test-a-killed-slave-takes-its-chunk-along [gate]
  (setv path (gate "held"))
  (with [[master [victim other]] (launched 2)]
    (setv items [path #* (range 1 10)]
          future (begin (fn [] (.map master
            '(fn [x]
              (when (isinstance x str)
                (with [gate (open x)]
                  (.read gate)))
              (import os)
              (os.getpid))
            items :chunk-size 1 :retries 3)))
          held (opened path))
    ; The other does all the others.
    (until (fn [] (= (len (idle-slaves master)) 1)))
    (setv [running] (lfor  s (.slaves master)  :if (not-in s (idle-slaves master))  s))
    (os.kill running.process.pid signal.SIGKILL)
    (.wait running.process WAIT)
    ; The other may wait at the gate already, and this lets it through.
    (os.close held)
    (until (fn []
      (try
        (os.close (os.open path (| os.O-WRONLY os.O-NONBLOCK)))
        (except [OSError]))  ; nobody waits
      (.done future)))
    (setv pids (outcome future))
    (assert (not-in running.process.pid pids) pids)))

(defn test-slaves-that-join-meanwhile-take-part [gate]
  (setv path (gate "between"))
  (with [[master _] (launched 1)]
    (defn items []
      (yield :from ["first" "second" "third" "fourth"])
      (dpfw-launch 1 master)
      ; Two that wait for each other.
      (yield :from "rw"))
    (holds
      (.map master
        `(fn [x]
          (when (in x "rw")
            (with [f (open ~path x)]))
          x)
        (items) :chunk-size 1)
      ["first" "second" "third" "fourth" "r" "w"])))

(defn test-a-call-waits-for-the-first-slave [caplog]
  (with [master (Master)]
    (setv future (begin (fn [] (.map master '(fn [x] (* x x)) (range 100)))))
    (until (fn [] master.network.dispatcher.line))
    (dpfw-launch 1 master)
    (holds (outcome future) (lfor  n (range 100)  (* n n)))))

(defn test-a-call-ends-with-its-master [gate]
  (setv path (gate "never"))
  (with [[master _] (launched 1)]
    (setv future (begin (fn [] (.map master AT-GATES [path path path] :chunk-size 1)))
          held (opened path))
    (.close master)
    (setv error (error-of outcome future))
    (os.close held)
    (assert (isinstance error MasterClosed) (repr error))
    (setv error (error-of (fn [] (.map master 'abs [1]))))
    (assert (isinstance error MasterClosed) (repr error))))

(defn test-a-call-ends-when-its-items-close-the-master []
  (with [[master _] (launched 1)]
    (defn items []
      (yield :from (range 10))
      (.close master)
      (yield :from (range 10)))
    (setv error (error-of (fn [] (.map master 'abs (items) :chunk-size 1))))
    (assert (isinstance error MasterClosed) (repr error))))

(defn [(pytest.mark.parametrize "call" CALLS)]
  test-control-c-ends-the-call-and-what-runs-for-it [master gate call]
  (setv path (gate "never"))
  (setv main (. (threading.main-thread) ident)
        ended (threading.Event))
  (defn interrupt []
    (setv held (opened path))
    ; Until all is sent, and the call waits for results.
    (until (fn []
      (and (not (idle-slaves master))
           ; The innermost frame: this is where an interrupt may strike.
           (= (. (get (sys._current-frames) main) f-code co-name) "let_in"))))
    (while (not (.is-set ended))
      (signal.pthread-kill main signal.SIGINT)
      ; One that comes just before the main thread sleeps does not wake it.
      (.wait ended (/ WAIT 10)))
    held)
  (setv future (begin interrupt))
  (try
    ((get CALLS call) master AT-GATES [path path path path] :chunk-size 1)
    (pytest.fail "nobody interrupted")
    (except [KeyboardInterrupt])
    (finally
      (.set ended)))
  (setv held (outcome future))
  (until (fn [] (= (len (idle-slaves master)) SLAVES)))
  (os.close held))


;; * The bar

(defn [pytest.fixture] bar [monkeypatch capsys]
  "What the bar has shown last; forgets what it has shown before."
  (import tqdm [tqdm])
  (monkeypatch.setattr tqdm "monitor_interval" 0)  ; it has a thread of its own
  (fn []
    (get (.split (. (capsys.readouterr) err) "\r") -1)))

(defn test-the-bar-counts-items [master bar]
  (.map master 'abs (range 300) :progress True)
  (setv shown (bar))
  (assert (and (in "300/300" shown) (in "100%" shown)) shown)
  (.map master '(fn [a b] a) (range 300) [1 2 3] :progress True)
  (setv shown (bar))
  (assert (in "3/3" shown) shown)
  (for [call (.values CALLS)]
    (call master 'abs #{1 2 3 4} :progress True)
    (setv shown (bar))
    (assert (or (in "4/4" shown) (in "5/5" shown)) shown)))

(defn test-the-bar-does-without-a-total [master bar]
  (.map master 'abs (iter (range 300)) :progress True)
  (setv shown (bar))
  (assert (and (in "300" shown) (not-in "%" shown)) shown))

(defn test-the-bar-counts-what-is-done [master bar]
  (error-of (fn [] (.map master '(fn [x] (/ 1 x)) [2 1 0] :chunk-size 1 :progress True)))
  (setv shown (bar))
  (assert (in "2/3" shown) shown))

(defn test-no-bar-unless-it-is-asked-for [master capsys]
  (.map master 'abs (range 300))
  (holds (. (capsys.readouterr) err) ""))

(defn test-what-to-type-for-a-bar [master monkeypatch]
  (monkeypatch.setitem sys.modules "tqdm.auto" None)
  (with [raised (pytest.raises ImportError)]
    (.map master 'abs [1] :progress True))
  (message raised "pip install 'dpfw[progress]'"))
