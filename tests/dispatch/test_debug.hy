"Debugging a remote: pdb at its slave, the terminal here."

(import
  fractions [Fraction]
  io
  re
  sys
  pytest
  dpfw.dispatch.debug [debug in-lines]
  dpfw.master [Master]
  tests.helpers [holds message until]
  tests.processes [run-task slave-server])

(defn [(pytest.fixture :scope "module")] slave []
  (with [[_ host port] (slave-server)]
    (yield #(host port))))

(defn [pytest.fixture] master [slave]
  (with [master (Master)]
    (.connect master #* slave)
    (yield master)))

(defn debugging [monkeypatch capsys master remote #* lines]
  "The result of a remote that is debugged with these lines, and what was shown."
  (monkeypatch.setattr sys "stdin" (io.StringIO (.join "" (gfor  line lines  (+ line "\n")))))
  (setv result (run-task master remote debug))
  #(result (. (.readouterr capsys) out)))

(defn test-lines-and-variables-are-seen-and-changed [monkeypatch capsys master]
  (setv third (Fraction 1 3)  ; which has no literal
        [result shown] (debugging monkeypatch capsys master
          `(fn [i o]
             (setv x ~third)
             (breakpoint)
             (setv y (* x 3))
             [x y])
          #* (* ["n"] (if (>= sys.version-info #(3 13)) 2 1))  ; from 3.13 on it stops at the breakpoint itself
          "p x" "(+ x 1)" "(.no-such x)" "w" "(setv x 2)" "!y = 7" "c"))
  (holds result [2 7])
  (assert (in "\n-> [x y])\n" shown) shown)
  (for [part ["Fraction(1, 3)\n" "(Fraction 4 3)\n" "*** AttributeError: 'Fraction' object has no attribute 'no_such'"]]
    (assert (in part shown) shown))
  ; No frame but the remote's own.
  (setv frames (re.findall r"^(?:\(Pdb\) )?[> ] (.*?)\(\d+\)" shown re.M))
  (assert (and frames (all (gfor  frame frames  (.startswith frame "<remote ")))) shown))

(defn test-the-end-of-the-lines-quits [monkeypatch capsys master]
  (with [raised (pytest.raises Exception)]
    (debugging monkeypatch capsys master '(fn [i o] (breakpoint) 1)))
  (holds raised.value.type-name "bdb.BdbQuit")
  (message raised "told to quit"))

(defn test-nothing-of-it-stays-for-the-next-task [monkeypatch capsys master]
  (run-task master '(do (defn stay [] (setv n 1) n) (fn [i o])))
  (debugging monkeypatch capsys master '(fn [i o] (breakpoint) (stay)) "b stay" "c" "c")
  (holds (run-task master '(fn [i o] (import sys) [(stay) (sys.gettrace)])) [1 None]))

(defn test-what-else-the-remote-writes-is-shown [monkeypatch capsys master]
  (holds (debugging monkeypatch capsys master '(fn [i o] (.write o "no line") {"a" 1}))
    #({"a" 1} "no line")))

(defn test-without-debug-it-is-an-error-that-names-it [master]
  (with [raised (pytest.raises RuntimeError)]
    (run-task master '(fn [i o] (breakpoint) 1)))
  (message raised "(dpfw-make-task remote debug)"))

(defn test-the-environment-may-pass-over-it [master]
  (holds (run-task master '(fn [i o]
      (import os)
      (setv (get os.environ "PYTHONBREAKPOINT") "0")
      (breakpoint)
      (.pop os.environ "PYTHONBREAKPOINT")))
    "0"))

(defn test-a-cancel-ends-the-debugger [monkeypatch master]
  (setv asked [])
  (defclass Lines [io.StringIO]
    (defn readline [self #* _]
      (.append asked True)
      (until (fn [] (.done promise)))
      "c\n"))
  (monkeypatch.setattr sys "stdin" (Lines))
  (setv promise (.make-task master '(fn [i o] (breakpoint) 1) debug))
  (until (fn [] asked))
  (.cancel promise)
  (holds (run-task master '(fn [i o] 2)) 2))


(defn [(pytest.mark.parametrize #("text" "lines") [
        #("(fn [i o] (f) (g (h) 1) 2)" ["(fn [i o]" "  (f)" "  (g (h) 1)" "  2)"])
        #("(fn [i o] (when (f) (g)) (if a (b) (c)))"
          ["(fn [i o]" "  (when (f)" "    (g))" "  (if a" "    (b)" "    (c)))"])
        #("(fn [i o] (f \"a (b) \\\" (c)\") #[[ (a) ]])" ["(fn [i o]" "  (f \"a (b) \\\" (c)\")" "  #[[ (a) ]])"])
        #("(fn [i o]\n (f) (g))" ["(fn [i o]" " (f) (g))"])])]
      test-bodies-get-lines-of-their-own [text lines]
  (holds (.splitlines (in-lines text)) lines))

(defn test-what-would-come-out-as-something-else-stays-on-its-line []
  (for [text ["(fn [i o] #[[ (do a (b)) ]])" "(fn [i o] f\"{(do 1 (f \"do 1 (a)\"))}\")" "(fn [i o] (f) \"" "(do (a) (b)"]]
    (try
      (setv same (= (hy.read (in-lines text)) (hy.read text)))
      (except [SyntaxError]
        (setv same (= (in-lines text) text))))
    (assert same text)))
