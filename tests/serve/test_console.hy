"The standard input of a remote REPL."

(import
  io
  dpfw.serve.console [Questions]
  tests.helpers [holds])

(defclass Output [io.StringIO]
  "Where one is asked for lines; says how often."
  (defn asked [self]
    (.count (.getvalue self) "ask")))

(defn typed [text]
  (setv o (Output))
  #(o (Questions (io.StringIO text) o [])))

(defn test-no-more-is-asked-for-than-is-read []
  (setv [o stdin] (typed "abc\ndef\n"))
  (holds (.read stdin 1) "a")
  (holds (.asked o) 1)
  (holds [(.read stdin 0) (.readline stdin 0) (.readline stdin 2) (.readline stdin) (.asked o)] ["" "" "bc" "\n" 1])
  (holds [(.read stdin 2) (.readline stdin 99) (.asked o)] ["de" "f\n" 2])
  (holds [(.readline stdin) (.read stdin 3)] ["" ""]))

(defn test-reading-nothing-asks-for-nothing []
  (setv [o stdin] (typed "abc\n"))
  (holds [(.read stdin 0) (.readline stdin 0) (.asked o)] ["" "" 0]))

(defn test-reading-goes-over-ends-of-lines []
  (setv [o stdin] (typed "abc\ndef\nghi"))
  (holds (.read stdin 5) "abc\nd")
  (holds (.asked o) 2)
  (holds (.readline stdin None) "ef\n")
  (holds (.read stdin) "ghi")
  (setv [o stdin] (typed "abc\ndef\n"))
  (holds [(.readline stdin 1) (.read stdin None)] ["a" "bc\ndef\n"]))
