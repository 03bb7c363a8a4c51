"What a remote may be, and what its caller learns when it is something else."

(import
  re
  pytest
  dpfw.master [Master]
  dpfw.errors [RemoteError SlaveLost]
  dpfw.task.ports [read]
  tests.processes [error-of run-task slave-server])

(defn [(pytest.fixture :scope "module")] server []
  (with [server (slave-server  :DPFW-FRAME-LIMIT "2000000")]
    (yield server)))

(defn [pytest.fixture] master [server]
  (with [master (Master)]
    (.connect master #* (cut server 1 None))
    (yield master)
    ; Whatever the remote was, the slave is there and serves on.
    (assert (= (run-task master '(fn [i o] "fine")) "fine"))))


;; Bad remotes

(defn [(pytest.mark.parametrize #("text" "base" "says") [
    #("(fn [i o] (+ 1 2)" SyntaxError "Premature end of input")
    #("(fn [i o] 1))" SyntaxError "where it wasn't expected")
    #("" SyntaxError "the remote is empty")
    #(" ; a comment\n" SyntaxError "the remote is empty")
    #("(fn [i o] 1) (fn [i o] 2)" SyntaxError "more than one form")
    #("(fn [i o] (break 1 2))" SyntaxError "")
    #("(fn [i o] (no-such-name))" NameError "no_such_name")
    #("(fn [i o] {1})" Exception "")
    #("#nosuchreader 1" SyntaxError "nosuchreader")
    #("5" TypeError "the remote yields 5, not a procedure")
    #("\"(fn [i o] 1)\"" TypeError "not a procedure")
    #("None" TypeError "the remote yields None")
    #("(fn [i] 1)" TypeError "cannot be called with two ports")
    #("(fn [] 1)" TypeError "cannot be called with two ports")
    #("(fn [i o x] 1)" TypeError "cannot be called with two ports")
    #("no-such-name" NameError "no_such_name")
    #("(import no-such-module)" ImportError "no_such_module")
    #("(do (/ 1 0) (fn [i o] 1))" ZeroDivisionError "division by zero")])]
  test-a-bad-remote-is-named [master text base says]
  (setv error (error-of run-task master text))
  (assert (isinstance error RemoteError) (repr error))
  (assert (isinstance error base) (repr error))
  (assert (in says (str error)) (repr error)))

(defn test-a-syntax-error-has-its-position [master]
  (setv error (error-of run-task master "(fn [i o]\n  (+ 1 2\n"))
  (assert (isinstance error SyntaxError) (repr error))
  (assert (re.fullmatch "<remote [0-9]+>" error.filename) error.filename)
  (assert (= error.lineno 2) error.lineno))

(defn test-two-forms-have-the-position-of-the-second [master]
  (setv error (error-of run-task master "(fn [i o] 1)\n  (fn [i o] 2)"))
  (assert (= [error.lineno error.offset] [2 3]) [error.lineno error.offset]))

(defn test-a-remote-that-is-not-utf-8-is-named [master]
  (setv task-error (error-of run-task master "(fn [i o] \"\udc80\")"))
  (assert (isinstance task-error UnicodeEncodeError) (repr task-error)))


;; Good ones

(defn [(pytest.mark.parametrize #("text" "result") [
    #("(fn [i o] [1 #(2 3) {\"a\" #{4}}])" [1 #(2 3) {"a" #{4}}])
    #("(fn [i o] 'sym)" 'sym)
    #("(fn [#* ports] (len ports))" 2)
    #("(fn [i o [x 5]] x)" 5)
    #("; first a comment\n(fn [i o] 1)\n; and then another" 1)
    #("(do (import math) (fn [i o] (math.floor 2.5)))" 2)
    #("(do (defn local [i o] 7) local)" 7)
    #("(fn [i o] :keyword)" :keyword)
    #("(fn [i o] (.upper :foo {\"foo\" 1}))" None)])]
  test-a-good-remote-gives-its-result [master text result]
  (when (is result None)
    (return))
  (setv got (run-task master text))
  (assert (and (= got result) (is (type got) (type result))) (repr got)))

(defn test-definitions-imports-and-macros-stay [master]
  (run-task master '(do (import math) (fn [i o] True)))
  (run-task master '(do (defn twice [x] (* 2 x)) (fn [i o] True)))
  (run-task master '(do (defmacro thrice [x] `(* 3 ~x)) (fn [i o] True)))
  (setv got (run-task master '(fn [i o] [(math.ceil 1.5) (twice 4) (thrice 5)])))
  (assert (= got [2 8 15]) got))

(defn test-a-new-macro-reaches-remotes-seen-before [master]
  (setv use '(fn [i o] (m)))
  (run-task master '(do (defmacro m [] 1) (fn [i o] True)))
  (assert (= (run-task master use) 1))
  (assert (= (run-task master use) 1))
  (run-task master '(do (defmacro m [] 2) (fn [i o] True)))
  (assert (= (run-task master use) 2)))

(defn test-one-remote-twice-makes-two-closures [master]
  (setv keep '(fn [i o]
    (let [n 0]
      (.append (.setdefault (dpfw-slave-ht) "counters" [])
        (fn [] (nonlocal n) (+= n 1) n)))
    True))
  (run-task master keep)
  (run-task master keep)
  (setv got (run-task master '(fn [i o]
    (setv [a b] (get (dpfw-slave-ht) "counters"))
    [(a) (a) (b)])))
  (assert (= got [1 2 1]) got))

(defn test-default-arguments-are-made-anew-each-time [master]
  (setv remote '(fn [i o [seen []]] (.append seen 1) (len seen)))
  (assert (= (lfor  _ (range 3)  (run-task master remote)) [1 1 1])))

(defn test-remotes-and-results-are-models-too [master]
  (setv got (run-task master '(fn [i o] (quote (a "b" [c :d 1.5] f"{x !r:>{w}}")))))
  (assert (= got '(a "b" [c :d 1.5] f"{x !r:>{w}}")) (hy.repr got)))


;; Bad results

(defn [(pytest.mark.parametrize #("remote" "says") [
    #('(fn [i o] (fn [x] x)) "function")
    #('(fn [i o] [1 {"a" (open "/dev/null")}]) "TextIOWrapper")
    #('(fn [i o] (do (defclass Mine [int]) (Mine 5))) "Mine")
    #('(fn [i o] (setv x []) (.append x x) x) "itself")])]
  test-a-result-without-text-is-named [master remote says]
  (setv error (error-of run-task master remote))
  (assert (isinstance error RemoteError) (repr error))
  (assert (isinstance error TypeError) (repr error))
  (assert (in says (str error)) (str error)))

(defn test-a-result-over-the-limit-is-named-and-its-cure [master]
  (setv error (error-of run-task master '(fn [i o] (* "x" 2000001))))
  (assert (isinstance error OverflowError) (repr error))
  (assert (in "DPFW_FRAME_LIMIT" (str error)) (str error)))

(defn test-a-remote-over-the-limit-costs-only-its-connection [server]
  (with [master (Master)]
    (.connect master #* (cut server 1 None))
    (setv error (error-of run-task master f"(fn [i o] (len \"{(* "x" 2000001)}\"))"))
    (assert (isinstance error SlaveLost) (repr error))))


;; Tricks

(defn [(pytest.mark.parametrize #("remote" "base" "type_name") [
    #('(fn [i o] (import sys) (sys.exit 3)) Exception "SystemExit")
    #('(fn [i o] (raise (KeyboardInterrupt))) Exception "KeyboardInterrupt")
    #('(fn [i o] (raise (GeneratorExit))) Exception "GeneratorExit")
    #('(do (defn deep [n] (+ 1 (deep n))) (fn [i o] (deep 1))) RecursionError "RecursionError")
    #('(fn [i o] (bytearray (** 10 15))) MemoryError "MemoryError")
    #('(fn [i o] (raise (OSError 2 "no such thing"))) FileNotFoundError "FileNotFoundError")
    #('(fn [i o] (.decode b"\xff")) UnicodeDecodeError "UnicodeDecodeError")
    #('(fn [i o] (get {} "k")) KeyError "KeyError")
    #('(fn [i o] (next (iter []))) RuntimeError "StopIteration")
    #('(do (defclass Odd [ValueError] (defn __init__ [self a b]) (defn __str__ [self] (/ 1 0)))
           (fn [i o] (raise (Odd 1 2)))) ValueError "dpfw.remotes.Odd")])]
  test-any-exception-comes-back [master remote base type-name]
  (setv error (error-of run-task master remote))
  (assert (isinstance error RemoteError) (repr error))
  (assert (isinstance error base) (repr error))
  (assert (= error.type-name type-name) error.type-name)
  (assert (not (isinstance error #(SystemExit KeyboardInterrupt GeneratorExit)))))

(defn test-an-error-keeps-its-arguments [master]
  (setv error (error-of run-task master '(fn [i o] (raise (OSError 2 "no such thing" "a-file")))))
  (assert (= [error.errno error.strerror error.filename] [2 "no such thing" "a-file"])
    [error.errno error.strerror error.filename]))

(defn test-chains-and-groups-show-in-the-traceback [master]
  (import sys)
  (setv error (error-of run-task master
    '(fn [i o]
      (try (/ 1 0)
        (except [e Exception] (raise (KeyError "second") :from e))))))
  (assert (in "ZeroDivisionError" error.traceback) error.traceback)
  (when (>= sys.version-info #(3 11))
    (setv group (error-of run-task master
      '(fn [i o] (raise (ExceptionGroup "both" [(ValueError 1) (KeyError 2)])))))
    (assert (isinstance group hy.I.builtins.ExceptionGroup) (repr group))
    (setv [a b] group.exceptions)
    (assert (and (isinstance a ValueError) (isinstance b KeyError)) group.exceptions)
    (assert (and (isinstance a RemoteError) (isinstance group RemoteError)))))

(defn test-a-remote-may-close-its-ports [master]
  (assert (= (run-task master '(fn [i o] (.close i) (.close o) 5)) 5))
  (assert (= (run-task master '(fn [i o] (.close o.buffer) (.close i.buffer) 5)) 5))
  (setv error (error-of run-task master '(fn [i o] (.close o) (print 1 :file o))))
  (assert (isinstance error ValueError) (repr error)))

(defn test-what-was-written-before-an-error-arrives [master]
  (defn local [i o]
    [(.readline i) (error-of read i)])
  (setv [line error] (run-task master '(fn [i o] (print "so far" :file o) (/ 1 0)) local))
  (assert (= line "so far\n") line)
  (assert (isinstance error ZeroDivisionError) (repr error)))

(defn test-the-result-is-on-a-line-of-its-own [master]
  (defn local [i o]
    (.read i))
  (assert (= (run-task master '(fn [i o] (print "no line feed" :file o :end "") 5) local)
             "no line feed\n5\n"))
  (assert (= (run-task master '(fn [i o] (print "line feed" :file o) 5) local)
             "line feed\n5\n")))
