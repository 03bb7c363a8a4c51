"What a slave may answer of a chunk."

(import
  math
  pytest
  dpfw.data.codec [encode]
  dpfw.dispatch.chunk [Chunk]
  dpfw.errors [WireError]
  tests.helpers [holds message])

(defn take [results seconds]
  (setv chunk (Chunk 0 None False))
  (.value-of chunk [[1 2]])
  (.take chunk (gfor  x [results seconds]  (.join b"" (encode x))) None 2))

(defn test-the-seconds-that-it-took []
  (for [seconds [0 0.0 0.05 3 1e9]]
    (holds (take [5 6] seconds) seconds)))

(defn [(pytest.mark.parametrize "seconds" [math.nan math.inf (- math.inf) -1 -1e-9 1e10 (** 10 400) True None "1"])]
  test-what-can-be-no-seconds-is-refused [seconds]
  (with [raised (pytest.raises WireError)]
    (take [5 6] seconds))
  (message raised "can be no seconds"))

(defn test-what-is-no-list-of-so-many-results-is-refused []
  (for [results [None #(5 6) [5]]]
    (with [_ (pytest.raises WireError)]
      (take results 0.1))))
