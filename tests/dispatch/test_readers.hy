"What `read-result` reads, in whatever pieces it comes."

(import
  tracemalloc
  dpfw.dispatch [readers]
  dpfw.dispatch.readers [ResultReader]
  tests.helpers [holds steps])

(defn read-in-pieces [#* pieces]
  (setv reader (ResultReader)
        sated (lfor  piece pieces  (.feed reader piece)))
  #((.value reader b"\"the result\"") (bool (any sated))))

(defn test-the-first-line-that-is-not-blank-is-read-however-it-comes []
  (for [[data wanted] [
      [b"[1\r 2]\n3\n" #([1 2] True)]
      [b"\n \r\n\x0b\n\r\r[1 2]\r\n3" #([1 2] True)]
      [b"\n \n[1 2]" #([1 2] False)]
      [b"\"a\xc3\xa4\"\n" #("a\xe4" True)]
      [b"\n\r \n \r" #("the result" False)]]]
    (holds (read-in-pieces data) wanted)
    (holds (read-in-pieces #* (gfor  n (range (len data))  (cut data n (+ n 1)))) wanted)
    (for [n (range (len data))]
      (holds (read-in-pieces (cut data n) (cut data n None)) wanted))))

(defn test-carriage-returns-are-no-lines []
  "A progress bar is a line of very many, and whoever receives for all slaves reads it."
  (setv n (steps readers read-in-pieces (+ (* b"\r" 100,000) b"5\n")))
  (assert (< n 100) n))

(defn test-what-has-come-is-not-copied-for-each-piece-that-comes []
  (setv reader (ResultReader)
        piece (* b"x" 8192)
        size (* 512 (len piece)))
  (tracemalloc.start)
  (try
    (for [_ (range 512)]
      (.feed reader piece))
    (setv [_ most] (tracemalloc.get-traced-memory))
    (finally
      (tracemalloc.stop)))
  ; A copy would be beside it.
  (assert (< most (* 1.5 size)) (/ most size)))
