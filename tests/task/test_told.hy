"The traceback of a remote, as its master is told it: the user's lines alone, and the
marks below what failed."

(import
  re
  sys
  pytest
  tests.helpers [holds]
  tests.processes [error-of launched run-task])

(setv
  LONG (* "long " 50)
  marks (pytest.mark.skipif (< sys.version-info #(3 11))
    :reason "marks came with Python 3.11"))

(defn [(pytest.fixture :scope "module")] master []
  (with [[master _] (launched 1)]
    (yield master)))

(defn told [master remote]
  (. (error-of run-task master remote) traceback))

(defn files [text]
  "Those of the frames, the innermost last."
  (re.findall r"^  File \"(.*)\", line" text re.M))

(defn marked [text]
  "What the last marks stand below."
  (setv lines (.splitlines text)
        [[n marks] #* _] (gfor
          [n line] (reversed (list (enumerate lines)))
          :if (re.fullmatch r"[ \t]*\^+" line)
          [n line]))
  (.join "" (gfor
    [c mark] (zip (wide-as-two (get lines (- n 1))) marks)
    :if (= mark "^")
    c)))

(defn wide-as-two [line]
  "On a terminal, a wide character takes the room of two."
  (.replace line "😀" "😀 "))

(defn [marks (pytest.mark.parametrize #("remote" "failed") [
    #('(fn [i o] (/ 1 0)) "(/ 1 0)")
    #('(fn [i o] (print nobody-knows-it)) "nobody-knows-it")
    #('(fn [i o] (setv x "éé😀") (/ 1 0)) "(/ 1 0)")
    #("(fn [i o]\t(/ 1 0))" "(/ 1 0)")
    #("(fn [i o] (+ \"😀\" 0))" "(+ \"😀 \" 0)")
    #(`(fn [i o] (len "é" ~LONG) (/ 1 0) ~LONG) "(len \"é\" (value$0))")
    #(`(fn [i o] (print ~(hy.models.String LONG)) (/ 1 0) ~(hy.models.String LONG)) "(/ 1 0)")
    #("(fn [i o]\n  (print \"é\"\n    (/ 1 \"é\" 0) 5))" "(/ 1 \"é\" 0)")
    #("(fn [i o]\n  (print (/ 1 \n   0) 5))" "(/ 1")])]
    test-the-marks-are-below-what-failed [master remote failed]
  (setv text (told master remote))
  (holds (marked text) failed)
  (for [line (.splitlines text)]
    (assert (< (len line) 200) line)))

(defn [marks] test-the-columns-of-python-files-are-pythons [master tmp-path]
  (setv file (/ tmp-path "module_with_marks.py"))
  (.write-text file "def f(x):\n    y = 'éé', 1 / x\n" :encoding "utf-8")
  (setv text (told master
    `(fn [i o] (import sys) (.insert sys.path 0 ~(str tmp-path))
       (import module-with-marks [f]) (f 0))))
  (holds (get (files text) -1) (str file))
  (holds (marked text) "1 / x"))

(defn test-frames-of-dpfw-and-hy-are-left-out [master]
  (for [remote ['(fn [i o] (hash-table-ref (dpfw-slave-ht) "no such key"))
                '(fn [i o] (hy.eval '(/ 1 0)))
                '(fn [i o] (hy.read "(a"))]]
    (setv text (told master remote))
    (for [file (files text)]
      (assert (or (.startswith file "<remote ") (= file "<string>")) text))))

(defn test-what-goes-wrong-within-dpfw-shows-where [master]
  (setv [remote ports] (files (told master '(fn [i o] (read 5)))))
  (assert (.startswith remote "<remote ") remote)
  (assert (.endswith ports "ports.hy") ports))

(defn test-an-error-that-says-all-itself-has-no-traceback [master]
  (for [remote ['5 '(fn [i o] object) "(fn [i o" '(fn [x] x)]]
    (holds (told master remote) "")))

(defn test-a-recursion-is-told-in-short [master]
  (setv text (told master '(fn [i o] (defn f [x] (+ 1 (f x))) (f 1))))
  (assert (in "more times]" text) text)
  (assert (< (len (.splitlines text)) 20) text))

(defn test-notes-are-told [master]
  (setv text (told master '(fn [i o]
    (try (/ 1 0)
      (except [e Exception]
        (setv e.__notes__ ["look here" "and there"])
        (raise))))))
  (assert (.endswith text "ZeroDivisionError: division by zero\nlook here\nand there\n") text))
