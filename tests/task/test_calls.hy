"What comes of an executor's calls, and what a slave cannot make its master believe."

(import
  pickle
  pytest
  dpfw.errors [RemoteError WireError]
  dpfw.task.calls [result-of]
  dpfw.task.failure [describe]
  tests [callables]
  tests.helpers [holds message])


(setv POINT (pickle.dumps (callables.Point 1)))

(defn written [x]
  (.encode (hy.I.dpfw/data/sexp.write-datum x)))

(defn test-only-who-asked-for-pickles-gets-what-they-denote []
  (holds (result-of (written POINT) "data" None) POINT)
  (holds (result-of (written POINT) "pickle" None) (callables.Point 1)))

(defn [(pytest.mark.parametrize "x" [[1] [1 2 3] #(1 2) "ab" None {1 2  3 4} (range 2)])]
      test-results-of-two-calls-are-a-list-of-two [x]
  (holds (result-of (written [1 2]) "data" 2) [1 2])
  (for [[answer results] [[(written x) "data"] [(written (pickle.dumps x)) "pickle"]]]
    (with [raised (pytest.raises WireError)]
      (result-of answer results 2))
    (message raised "2 calls")))

(defn [(pytest.mark.parametrize "x" [1 None "text" [b"" b"" ""] #(b"" b"") #(b"" "" "")])]
      test-what-is-no-pickle-is-not-taken-for-one [x]
  (with [raised (pytest.raises WireError)]
    (result-of (written x) "pickle" None))
  (message raised "no pickle"))

(defn test-what-cannot-be-unpickled-says-so []
  (with [raised (pytest.raises pickle.UnpicklingError)]
    (result-of (written b"nonsense") "pickle" None))
  (message raised "the result cannot be unpickled here"))

(defn test-an-error-that-cannot-be-unpickled-is-told []
  (setv description (describe (ValueError "on purpose") 10,000))
  (for [pickled [b"nonsense" (pickle.dumps 5)]]
    (with [raised (pytest.raises RemoteError :match "on purpose")]
      (result-of (written #(description pickled "there")) "pickle" None))
    (assert (isinstance raised.value ValueError))
    (assert (in "on the slave at there" (str raised.value.__cause__)))))
