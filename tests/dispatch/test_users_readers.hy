"Readers of types that users have registered: whatever they do, they stop nothing but the
promise whose value they read."

(import
  threading
  pytest
  dpfw.data.sexp [register-type]
  dpfw.errors [RemoteError TaskTimeout]
  dpfw.executor [Executor]
  dpfw.master [force read-result]
  dpfw.net [threads]
  tests.helpers [holds]
  tests.processes [WAIT launched])

(setv
  FOR-EVER '(fn [i o] (import time) (while True (time.sleep 0.01)))
  ; The ways of a remote to give a value of a user's type.
  WAYS {
    "result" '(fn [i o] (Odd 1))
    "written" '(fn [i o] (write (Odd 1) o) 2)
    "error" '(fn [i o] (raise (ValueError "no" (Odd 1))))
    "group" '(fn [i o] (raise (KeyError (Odd 1))))
    "packed" '(fn [i o] (* [(Odd 1) 2] 5000))})

(defclass Odd []
  "What does odd things when a master reads it."
  (setv doing None)
  (defn __init__ [self n]
    (setv self.n n)
    (when Odd.doing
      (Odd.doing))))

(register-type Odd "Odd" (fn [odd] [odd.n]))

(defn [(pytest.fixture :scope "module")] two []
  (with [patch (pytest.MonkeyPatch.context)
         [master _] (launched 2)]
    ; What one test had started is not there when it has ended.
    (.setattr patch threads "PARKED" 0.1)
    (.on-connect master '(fn [i o]
      (global Odd)
      (defclass Odd [] (defn __init__ [self n] (setv self.n n)))
      (register-type Odd "Odd" (fn [odd] [odd.n]))))
    (yield master)
    (setv Odd.doing None)))

(defn [pytest.fixture] doing []
  (yield (fn [procedure] (setv Odd.doing procedure)))
  (setv Odd.doing None))

(defn [(pytest.mark.parametrize "way" WAYS)] test-it-runs-where-nobody-else-waits [two doing way]
  (setv where [])
  (doing (fn [] (.append where (. (threading.current-thread) name))))
  ; In turn, who leads: the reactor, and this thread.
  (for [wait [(fn [p] (setv ended (threading.Event))
                (.add-done-callback p (fn [_] (.set ended)))
                (assert (.wait ended WAIT)))
              (fn [p] (.exception p WAIT))]]
    (wait (.make-task two (get WAYS way) read-result)))
  (assert (>= (len where) 2) where)
  (for [name where]
    (assert (not-in name ["dpfw-master-reactor" "MainThread"]) where)))

(defn [(pytest.mark.parametrize "way" WAYS)] test-one-that-waits-stops-nothing [two doing way]
  (setv enough (threading.Event)
        begun (threading.Event))
  (doing (fn [] (.set begun) (.wait enough WAIT)))
  (try
    (setv promise (.make-task two (get WAYS way) read-result))
    (assert (.wait begun WAIT))
    (holds (.result (.make-task two '(fn [i o] 5) read-result) WAIT) 5)
    (assert (isinstance (.exception (.make-task two FOR-EVER read-result :timeout 0.1) WAIT) TaskTimeout))
    (assert (not (.done promise)))
    (finally
      (.set enough)))
  (.exception promise WAIT)
  (assert (.done promise)))

(defn [(pytest.mark.parametrize "way" WAYS)] test-one-that-forces-another [two doing way]
  (setv got [])
  (doing (fn [] (.append got (.result (.make-task two '(fn [i o] 5) read-result) WAIT))))
  (.exception (.make-task two (get WAYS way) read-result) WAIT)
  (assert got)
  (holds (set got) #{5}))

(defn [(pytest.mark.parametrize "way" WAYS)] test-one-that-would-end-its-thread [two doing way]
  (defn leave [] (raise (SystemExit 3)))
  (doing leave)
  (setv error (.exception (.make-task two (get WAYS way) read-result) WAIT))
  (assert (isinstance error SystemExit) (repr error))
  (doing None)
  (holds (sorted (.map two '(fn [x] (+ x 1)) (range 4))) [1 2 3 4])
  (holds (len (.slaves two)) 2))

(defn test-the-value-is-there [two]
  (holds (. (force (.make-task two (get WAYS "result") read-result)) n) 1)
  (holds (. (force (.make-task two (get WAYS "written") read-result)) n) 1)
  (setv error (.exception (.make-task two (get WAYS "error") read-result) WAIT))
  (assert (isinstance error #(RemoteError ValueError)) (repr error))
  (holds (get error.args 0) "no")
  (holds (. (get error.args 1) n) 1))

(defn test-of-an-executor [two doing]
  (setv got [])
  (doing (fn [] (.append got (.result (.make-task two '(fn [i o] 5) read-result) WAIT))))
  (with [executor (Executor two)]
    (holds (. (.result (.submit executor "(fn [] (Odd 3))") WAIT) n) 3)
    (holds (lfor  odd (.map executor "(fn [x] (Odd x))" (range 3))  odd.n) [0 1 2])
    (assert (isinstance (.exception (.submit executor "(fn [] (raise (ValueError (Odd 1))))") WAIT) ValueError)))
  (assert (>= (len got) 4) got))


;; Arguments of errors that a master cannot read

(defn [(pytest.mark.parametrize "remote" [
        '(fn [i o] (raise (ValueError "no" (Unknown 1))))
        '(fn [i o] (get {} (Unknown 1)))])]
    test-an-error-whose-arguments-are-unknown-here-costs-no-slave [two remote]
  (setv make `(fn [i o]
    (global Unknown)
    (defclass Unknown []
      (defn __init__ [self n] (setv self.n n))
      (defn __str__ [self] f"<unknown {self.n}>")
      (setv __repr__ __str__))
    (register-type Unknown "Unknown" (fn [x] [x.n]))
    (~remote i o)))
  (setv before (sorted (gfor  s (.slaves two)  s.id))
        error (.exception (.make-task two make read-result) WAIT))
  (assert (isinstance error RemoteError) (repr error))
  (assert (in "unknown 1" (str error)) (repr error))
  (holds error.args #())
  (holds (sorted (gfor  s (.slaves two)  s.id)) before))
