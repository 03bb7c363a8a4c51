"What calls over collections can be asked for: a limit of time, errors in the place of
results, results one by one in order."

(import
  itertools [chain count islice]
  math
  os
  re
  pytest
  dpfw.dispatch [flow]
  dpfw.dispatch.flow [AHEAD-IN-ORDER]
  dpfw.errors [RemoteError SlaveLost TaskTimeout UnwritableError WireError]
  tests.dispatch.test-mapping [AT-GATES CALLS SLAVES counted exactly failing gate master opened shared]
  tests.helpers [begin holds message outcome until]
  tests.processes [error-of idle-slaves launched])

(setv
  INVERSE '(fn [x] (/ 6 x))
  LAZY {
    "imap" (fn [master #* arguments  #** options] (.imap master #* arguments #** options))
    "map-unordered" (fn [master #* arguments  #** options] (.map-unordered master #* arguments #** options))})

(defn told [errors]
  "Errors and results as what can be compared."
  (lfor  x errors
    (if (isinstance x Exception)
      #(x.type-name (str x))
      x)))


;; * A limit of time

(defn [(pytest.mark.parametrize "call" CALLS)] test-a-call-ends-when-its-time-is-over [master gate call]
  (setv path (gate "never")
        error (error-of (get CALLS call) master AT-GATES [path path path] :chunk-size 1 :timeout 0.2))
  (assert (is (type error) TaskTimeout) (repr error))
  ; The first pass of a reduction calls nothing, and is over by then, or not. Of no item
  ; that it has not come to is it known how many there are.
  (setv done (if (= call "reduce") r"\d" "0"))
  (assert (re.search rf"longer than 0\.2 seconds; {done} (of \d )?items were done" (str error)) error)
  ; Nothing but an interrupt lets the slaves go.
  (until (fn [] (= (len (idle-slaves master)) SLAVES))))

(defn test-the-time-is-that-of-all-passes-of-a-reduction [master gate]
  (setv path (gate "never")
        f `(fn [a b]
             (when (> (len a) 2)
               (with [held (open ~path)]
                 (.read held)))
             (+ a b))
        error (error-of (fn [] (.reduce master f "abcdefgh" :chunk-size 2 :timeout 0.5))))
  (assert (is (type error) TaskTimeout) (repr error)))

(defn [(pytest.mark.parametrize "call" LAZY)] test-what-is-there-in-time-is-given-first [master gate call]
  (setv path (gate "never")
        results ((get LAZY call) master AT-GATES [1 2 path] :chunk-size 1 :timeout 3))
  (holds (sorted (islice results 2)) [1 2])
  (with [raised (pytest.raises TaskTimeout)]
    (next results))
  (message raised "2 of 3 items"))

(defn test-nothing-is-begun-when-the-time-is-over [master]
  (setv taken [])
  (with [raised (pytest.raises TaskTimeout)]
    (.map master 'abs (counted (range 5) taken) :timeout 0))
  (message raised "0 items were done")
  (holds taken []))

(defn test-a-long-limit-is-one [master]
  (for [timeout [1e9 math.inf]]
    (holds (.map master 'abs [-1 2] :timeout timeout) [1 2])))

(defn [(pytest.mark.parametrize #("options" "base" "says") [
    #({"timeout" "5"} TypeError "number of seconds")
    #({"timeout" True} TypeError "number of seconds")
    #({"timeout" -1} ValueError "0 or more")
    #({"timeout" math.nan} ValueError "0 or more")
    #({"timeout" (** 10 400)} ValueError "0 or more")
    #({"priority" (** 10 400)} ValueError "give a number")
    #({"errors" "retrun"} ValueError "errors is 'retrun'; give \"raise\"")
    #({"errors" None} ValueError "give \"raise\"")
    #({"retries" -1} ValueError "0 or more")
    #({"chunk_size" 0} ValueError "at least 1")])]
  test-what-makes-no-sense-is-told-of-by-the-call-itself [master options base says]
  (for [call [master.map master.imap master.map-unordered master.for-each master.reduce
              (fn [f xs #** options] (.map-reduce master f 'abs xs #** options))]]
    (with [raised (pytest.raises base)]
      (call 'abs [1] #** options))
    (message raised says)))


;; * Errors in the place of results

(defn [(pytest.mark.parametrize "chunk_size" [None 1 2 100])]
  test-an-error-is-in-the-place-of-its-result [master chunk-size]
  (setv got (.map master INVERSE [3 0 2 "x" 0 -1] :errors "return" :chunk-size chunk-size))
  (holds (lfor  x got  (if (isinstance x RemoteError) x.index x)) [2.0 1 3.0 3 4 -6.0])
  (assert (isinstance (get got 1) ZeroDivisionError) (repr got))
  (assert (isinstance (get got 3) TypeError) (repr got))
  (holds (str (get got 4)) "item 4: division by zero")
  (assert (.endswith (. (get got 1) traceback) "ZeroDivisionError: division by zero\nfor the item 0\n")
    (. (get got 1) traceback)))

(defn test-errors-of-several-collections-of-many-items-and-none [master]
  (exactly (told (.map master '(fn [a b] (// a b)) [4 1 9 7] [2 0 3] :errors "return"))
    [2 #("ZeroDivisionError" "item 1: integer division or modulo by zero") 3])
  (exactly (.map master 'abs [] :errors "return") [])
  (setv xs (list (range 1000))
        got (.map master '(fn [x] (if (% x 7) x (/ x 0))) xs :errors "return" :chunk-size 300))
  (holds (lfor  x got  (if (isinstance x ZeroDivisionError) [x.index] x))
         (lfor  x xs  (if (% x 7) x [x]))))

(defn [(pytest.mark.parametrize "call" LAZY)] test-errors-are-yielded-like-results [master call]
  (setv got (list ((get LAZY call) master INVERSE [0 1 2 0] :errors "return" :chunk-size 1)))
  (holds (sorted (gfor  x got  :if (isinstance x float)  x)) [3.0 6.0])
  (holds (sorted (gfor  x got  :if (isinstance x RemoteError)  x.index)) [0 3]))

(defn test-what-cannot-travel-is-the-error-of-its-item [master]
  (for [size [1 2 100]]
    ; The second is no data, the result of the fourth is none.
    (exactly
      (lfor  x (.map master '(fn [x] (if (= x 3) [x print] x)) [0 print 2 3 4] :errors "return" :chunk-size size)
        (if (isinstance x Exception) [(isinstance x TypeError) (cut (str x) 20)] x))
      [0 [True "item 1: cannot write"] 2 [True "item 3: cannot write"] 4]))
  ; And nothing but these.
  (setv got (.map master 'abs [print print print] :errors "return"))
  (holds (list (map type got)) [UnwritableError UnwritableError UnwritableError])
  ; An item that failed behind one that was not sent has its own number.
  (setv got (.map master INVERSE [print 0] :errors "return"))
  (holds (. (get got 1) index) 1))

(defn test-an-item-that-is-too-long-is-an-error-of-its-own [master monkeypatch]
  (monkeypatch.setattr master.node "frame_limit" 2000)
  (setv got (.map master 'len ["a" (* "x" 3000) "bc"] :errors "return" :chunk-size 1))
  (holds [(get got 0) (get got 2)] [1 2])
  (assert (is (type (get got 1)) OverflowError) (repr got))
  (assert (in "item 1: " (str (get got 1))) got))

(defn test-a-stop-iteration-is-no-end-of-the-items [master]
  (exactly (told (.map master '(fn [x] (if (= x 1) (next (iter [])) x)) [0 1 2] :errors "return"))
    [0 #("RuntimeError" "item 1: the procedure raised StopIteration") 2]))

(defn [(pytest.mark.parametrize #("f" "base" "index") [
    #('no-such-name NameError None)
    #('(fn [x] (raise (SystemExit 3))) RemoteError 0)
    #('(fn [x] (raise (KeyboardInterrupt))) RemoteError 0)])]
  test-what-is-no-error-of-an-item-is-raised [master f base index]
  (setv error (error-of (fn [] (.map master f [1 2] :errors "return"))))
  (assert (isinstance error base) (repr error))
  (holds error.index index))

(defn test-an-error-of-the-items-themselves-is-raised [master]
  (setv error (error-of (fn []
    (.map master 'abs (failing [1 2] (KeyError "of the items")) :errors "return"))))
  (assert (is (type error) KeyError) (repr error)))

(defn test-the-items-of-a-lost-slave-are-lost-and-others-go-on []
  (with [[master slaves] (launched 2)]
    (setv got (.map master
      '(fn [x] (when (= x 5) (import os) (os._exit 3)) x) (range 12) :chunk-size 2 :errors "return"))
    (holds (lfor  x got  (if (isinstance x SlaveLost) "lost" x)) [0 1 2 3 "lost" "lost" 6 7 8 9 10 11])
    (assert (in "items 4 to 5: the slave " (str (get got 4))) (get got 4))))

(defn test-where-no-result-has-a-place-no-error-has [master]
  (setv taken []
        items (map taken.append [1]))
  (for [call [(fn [] (.reduce master 'abs items :errors "return"))
              (fn [] (.map-reduce master 'abs 'abs items :errors "return"))
              (fn [] (.for-each master 'abs items :errors "return"))]]
    (with [raised (pytest.raises ValueError)]
      (call))
    (message raised "in the place of a result, and "))
  (holds taken []))

(defn [(pytest.mark.parametrize "answer" [
    "[[1 2 3] [0] []]"
    "[[1 2 3] [3] [b\"\"]]"
    "[[1 2 3] [0] [\"text\"]]"
    "[[1 2 3] [True] [b\"\"]]"
    "[[1 2 3] [0] [b\"nonsense\"]]"
    "[[1 2 3] [0] [b\"{}\"]]"
    "[1 2 3]"
    "[[1 2] [] []]"
    "[[1 2 3] [] [] []]"])]
  test-a-master-does-not-believe-what-makes-no-sense [master answer]
  ; In the module that this slave's remotes use, until the call is over.
  (.broadcast master `(fn [i o]
    (import dpfw.task.chunks)
    (setv dpfw.task.chunks.kept dpfw.task.chunks.try-chunk
          dpfw.task.chunks.try-chunk (fn [f columns o] (.write o ~(+ answer "\n")) 0.1))
    True))
  (try
    (setv error (error-of (fn [] (.map master 'abs [1 2 3] :errors "return" :chunk-size 3))))
    (assert (isinstance error WireError) (repr error))
    (finally
      (.broadcast master '(fn [i o]
        (import dpfw.task.chunks)
        (setv dpfw.task.chunks.try-chunk dpfw.task.chunks.kept)
        True)))))


;; * One by one, in order

(defn test-results-come-in-the-order-of-their-items [master gate]
  (setv path (gate "first")
        results (.imap master AT-GATES [path #* (range 1 6)] :chunk-size 1)
        coming (begin next results))
  ; The others are done, and wait for the first.
  (setv held (opened path))
  (until (fn [] (= (len (idle-slaves master)) 1)))
  (assert (not (.done coming)))
  (os.close held)
  (holds (outcome coming) path)
  (holds (list results) (list (range 1 6)))
  (exactly (list (.imap master '(fn [a b] (+ a b)) "abc" (iter "xy"))) ["ax" "by"]))

(defn test-no-more-than-some-chunks-wait-for-the-first [master gate]
  (setv path (gate "first")
        taken []
        results (.imap master AT-GATES (counted (chain [path] (count)) taken) :chunk-size 1)
        coming (begin next results)
        held (opened path))
  (until (fn [] (= (len taken) (* AHEAD-IN-ORDER SLAVES))))
  (until (fn [] (= (len (idle-slaves master)) 1)))
  (holds (len taken) (* AHEAD-IN-ORDER SLAVES))
  (os.close held)
  (holds (outcome coming) path)
  (.close results))

(defn test-items-are-read-as-far-as-the-consumer-keeps-up [master]
  (setv taken []
        results (.imap master 'abs (counted (count) taken) :chunk-size 2))
  (holds taken [])
  (for [[done x] (enumerate (islice results 100))]
    (holds x done)
    (assert (<= (len taken) (+ done (* 2 AHEAD-IN-ORDER SLAVES))) [done (len taken)]))
  (.close results)
  (with [_ (pytest.raises StopIteration)]
    (next results)))

(defn test-what-stands-before-the-first-error-comes-before-it [master]
  (setv results (.imap master INVERSE [1 2 3 0 1 0 1 1 1 1] :chunk-size 1))
  (holds (list (islice results 3)) [6.0 3.0 2.0])
  (with [raised (pytest.raises ZeroDivisionError)]
    (next results))
  (message raised "item 3"))

(defn [(pytest.mark.parametrize "call" LAZY)] test-closing-a-lazy-call-ends-what-runs-for-it [master gate call]
  (setv path (gate "never")
        results ((get LAZY call) master AT-GATES [1 path path path] :chunk-size 1))
  (holds (next results) 1)
  (.close results)
  (until (fn [] (= (len (idle-slaves master)) SLAVES))))

(defn [(pytest.mark.parametrize "call" LAZY)]
  test-items-at-hand-are-sent-before-a-result-is-handed-out [master gate monkeypatch call]
  (setv path (gate "never")
        begin-one flow.Flow.begin
        results ((get LAZY call) master AT-GATES [1 path path] :chunk-size 1))
  (monkeypatch.setattr flow.Flow "begin" (fn [self]
    (begin-one self)
    ; However quick the slave is.
    (until (fn [] (or self.done (> self.taken 1) (not self.open))))))
  (holds (next results) 1)
  (holds (len (.tasks master)) 2)
  (.close results))

(defn test-later-passes-of-a-reduction-are-tried-again-too [tmp-path]
  (setv marker (str (/ tmp-path "died")))
  (with [[master _] (launched 2)]
    (holds
      (.reduce master
        `(fn [a b]
          (import os)
          (when (and (> (len a) 2) (not (os.path.exists ~marker)))
            (os.close (os.open ~marker os.O-CREAT))
            (os._exit 3))
          (+ a b))
        "abcdefgh" :chunk-size 2 :retries 1)
      "abcdefgh")))
