"Code on slaves: what a master defines is there on every slave, present and future, as
it was defined last, or as it was before a definition that failed."

(import
  asyncio
  logging
  os
  traceback
  pytest
  dpfw.errors [RemoteError UnwritableError]
  dpfw.launch [dpfw-launch]
  dpfw.master [
    Master dpfw-broadcast dpfw-close dpfw-define dpfw-load dpfw-make-task
    dpfw-map dpfw-slaves force read-result]
  tests.helpers [holds message until]
  tests.processes [
    WAIT await-slaves await-so error-of launched run-task slave-server])
(require
  dpfw.master [dpfw-defn dpfw-import dpfw-require pfor])

(defn [(pytest.fixture :scope "module" :autouse True)] slaves []
  (dpfw-launch 2)
  (yield)
  (dpfw-close))

(defn there [form]
  "What a form gives on each slave."
  (dpfw-broadcast `(fn [i o] ~form)))


;; * dpfw-defn

(defn test-a-function-is-defined-here-and-on-every-slave []
  (dpfw-defn doubled [x] "Twice as much." (* 2 x))
  (holds [(doubled 4) doubled.__doc__] [8 "Twice as much."])
  (holds (there '[(doubled 4) doubled.__doc__]) (* [[8 "Twice as much."]] 2))
  (holds (dpfw-map 'doubled [1 2 3]) [2 4 6]))

(defn test-it-takes-what-defn-does []
  (dpfw-defn many [a [b 2] #* rest [c 3] #** others] [a b rest c others])
  (holds (there '(many 1 5 6 :c 7 :d 8)) (* [[1 5 #(6) 7 {"d" 8}]] 2))
  (dpfw-defn only-by-name [* k] k)
  (holds (there '(only-by-name :k 1)) [1 1])
  (dpfw-defn :async later [x] (import asyncio) (await (asyncio.sleep 0)) x)
  (holds (there '(do (import asyncio) (asyncio.run (later 5)))) [5 5])
  (holds (asyncio.run (later 6)) 6)
  (dpfw-defn countdown [n] (if n [n #* (countdown (- n 1))] []))
  (holds (there '(countdown 3)) (* [[3 2 1]] 2))
  (dpfw-defn #^ int annotated [#^ int x] x)
  (holds (there '(annotated 1)) [1 1]))

(defn test-names-of-the-module-are-looked-up-when-it-is-called []
  (dpfw-defn is-even [n] (if n (is-odd (- n 1)) True))
  (dpfw-defn is-odd [n] (if n (is-even (- n 1)) False))
  (holds (there '(is-even 5)) [False False])
  (dpfw-defn is-odd [n] "odd")
  (holds (there '(is-even 5)) ["odd" "odd"]))

(defn test-variables-of-functions-around-it-go-along []
  (setv k 3)
  (defn plus-k [x] (+ x k))
  (dpfw-defn closing [x [y k]] (nonlocal k) (+= k 1) [(plus-k x) y k])
  (setv k 100)
  (holds (there '(closing 1)) (* [[4 3 4]] 2))
  (let [secret 5]
    (dpfw-defn telling [] secret))
  (holds (there '(telling)) [5 5])
  (setv stream (open os.devnull))
  (try
    (with [raised (pytest.raises UnwritableError)]
      (dpfw-defn reading [] (.read stream)))
    (message raised "the variable stream cannot be sent along" "TextIOWrapper")
    (finally (.close stream))))

(defmacro squared [x] `(* ~x ~x))

(defn test-macros-go-along []
  (dpfw-defn uses-macros [x] (squared x))
  (holds (there '(uses-macros 3)) [9 9]))

(defn test-tracebacks-show-its-lines []
  (dpfw-defn inverse [x]
    "A line of its own."
    (/ 1 x))
  (setv error (error-of dpfw-map 'inverse [1 0])
        line (+ 2 inverse.__code__.co-firstlineno)
        there f"  File \"{(os.path.abspath __file__)}\", line {line}, in inverse\n    (/ 1 x))\n")
  (assert (isinstance error ZeroDivisionError) (repr error))
  (assert (in there error.traceback) error.traceback)
  ; As they show here.
  (assert (in there (.join "" (traceback.format-exception (error-of inverse 0))))))

(defmacro defined-by-macro [name]
  `(dpfw-defn ~name [x] (/ 1 x)))

(defn test-what-a-macro-defines-shows-a-line-too []
  (defined-by-macro by-macro)
  (setv error (error-of dpfw-map 'by-macro [0]))
  (assert (in "File \"<by_macro>\", line 1, in by_macro\n    (defn by-macro [x] (/ 1 x))\n" error.traceback)
    error.traceback))

(defn [(pytest.mark.parametrize #("form" "says") [
    #('(dpfw-defn) "dpfw-defn needs a name and parameters")
    #('(dpfw-defn []) "dpfw-defn needs a name and parameters")
    #('(dpfw-defn f 5) "parse error")])]
  test-it-says-how-it-is-called [form says]
  (with [raised (pytest.raises hy.errors.HyLanguageError)]
    (hy.eval form :module (get hy.I.sys.modules __name__)))
  (message raised says))


;; * Slaves that come and go

(defn test-a-new-slave-has-what-was-defined-last []
  (with [master (Master)]
    ; There is none yet.
    (for [n (range 20)]
      (.define master f"(defn version [] {n})"))
    (.define master '(import math))
    (setv [slave] (dpfw-launch 1 master))
    (holds slave.session.number 2)
    (holds (.map master '(fn [x] [(version) (math.sqrt x)]) [4]) [[19 2.0]])
    (.define master "(defn version [] \"new\")")
    (.kill master slave)
    (await-slaves master 0)
    (dpfw-launch 1 master)
    (holds (.map master '(fn [x] [(version) (math.sqrt x)]) [9]) [["new" 3.0]])))

(defn test-a-process-that-is-back-has-what-it-missed []
  (with [[_ host port] (slave-server)  master (Master)]
    (setv slave (.connect master host port))
    (.define master "(defn a [] (hash-table-update!/default (dpfw-slave-ht) 'a (fn [n] (+ n 1)) 0))")
    (.define master "(do (a) (defn b [] 1))")
    (setv old slave.session.connection)
    (.abort old)
    ; It may be back soon.
    (await-so master (fn [] (or slave.lost (is-not slave.session.connection old))))
    (.define master "(defn b [] 2)")
    (await-so master (fn [] (not slave.lost)))
    (holds (.map master '(fn [x] [(b) (hash-table-ref (dpfw-slave-ht) 'a)]) [0]) [[2 1]])))

(defn test-a-busy-slave-comes-to-it-before-its-next-task [tmp-path caplog]
  (setv gate (str (/ tmp-path "gate")))
  (os.mkfifo gate)
  (with [[master [slave]] (launched 1)]
    (.make-task master `(fn [i o] (with [f (open ~gate)] (.read f))) read-result)
    (setv next (.make-task master '(fn [i o] (fresh)) read-result))
    (.define master "(defn fresh [] \"fresh\")")
    (with [_ (.at-level caplog logging.WARNING)]
      (.define master "(import no-such-module)")
      (with [f (open gate "w")])
      (holds (.result next WAIT) "fresh")
      (until (fn [] (in "could not be defined on a slave that had been busy" caplog.text))))))


;; * Definitions that fail, or take others

(defn test-a-definition-that-fails-is-taken-back []
  (with [[master [slave]] (launched 1)]
    (.define master "(defn steady [] 1)")
    (for [wrong ["(defn [no-such-decorator] steady [] 2)" "(defn steady [[x (/ 1 0)]] 2)" "(import no-such-module)"]]
      (assert (isinstance (error-of master.define wrong) RemoteError)))
    (holds (run-task master '(fn [i o] (steady))) 1)
    (.kill master slave)
    (await-slaves master 0)
    (dpfw-launch 1 master)
    (holds (run-task master '(fn [i o] (steady))) 1)))

(defn test-what-needs-a-definition-is-evaluated-behind-it-and-again []
  (with [[master _] (launched 1)]
    (.define master "(defn f [x] x)")
    (.define master "(defn marked [g] (fn [x] [\"one\" (g x)]))")
    (.define master "(defn [marked] f [x] x)")
    (holds (.map master 'f [1]) [["one" 1]])
    (.define master "(defn mark [] \"two\")")
    (.define master "(defn marked [g [m (mark)]] (fn [x] [m (g x)]))")
    (holds (.map master 'f [1]) [["two" 1]])
    (.kill master (get (.slaves master) 0))
    (await-slaves master 0)
    (dpfw-launch 1 master)
    (holds (.map master 'f [1]) [["two" 1]])))

(defn test-forms-with-data-classes-and-macros-can-be-defined []
  (setv rate (hy.I.fractions.Fraction 1 3))
  (dpfw-define `(setv rate ~rate))
  (dpfw-define '(defclass Half [] (defn of [self x] (/ x 2))))
  (dpfw-define '(defmacro tenfold [x] `(* 10 ~x)))
  (holds (dpfw-map '(fn [x] [(* rate x) (.of (Half) x) (tenfold x)]) [6]) [[(hy.I.fractions.Fraction 2) 3.0 60]])
  (dpfw-define `(setv rate ~5))
  (dpfw-define '(defmacro tenfold [x] `(* 11 ~x)))
  (holds (dpfw-map '(fn [x] [(* rate x) (.of (Half) x) (tenfold x)]) [6]) [[30 3.0 66]]))

(defn plain [x] (+ x 1))

(defn [(pytest.fixture)] limit []
  (global LIMIT)
  (setv LIMIT 3)
  (yield)
  (del LIMIT))

(defn limited [x] (min x LIMIT))

(defn made-without-source [definer]
  "A function that slaves cannot import either."
  (hy.eval `(~definer without-source [x] ["of no file" x])
    :globals (globals) :module (get hy.I.sys.modules __name__))
  (setv without-source.__module__ "__main__"))

(defn test-pfor-sends-what-it-can-and-leaves-the-rest-to-what-is-defined [limit]
  (dpfw-define limited)
  (holds (pfor [x [1 5]] (limited x)) [1 3])
  (assert (isinstance (error-of dpfw-map limited [1]) NameError))
  (made-without-source 'defn)
  (with [_ (pytest.raises UnwritableError)]
    (pfor [x [1]] (without-source x)))
  (made-without-source 'dpfw-defn)
  (holds (pfor [x [1]] (without-source x)) [["of no file" 1]]))

(defn test-a-function-can-be-defined-itself []
  (holds (dpfw-define plain) plain)
  (holds (dpfw-map 'plain [1]) [2])
  (dpfw-define '(defmacro plain [x] 1)) ; a macro is not a function
  (dpfw-define "(defn unplain [] plain)")
  (holds (there '((unplain) 1)) [2 2])
  (assert (isinstance (error-of dpfw-define '(defn plain)) SyntaxError))
  (for [[thing says] [[5 "5 cannot be defined"] [(fn [x] x) "no name"] ["5" "defines nothing"] ['x "defines nothing"]
                      [len "cannot be defined"]]]
    (assert (in says (str (error-of dpfw-define thing))) (error-of dpfw-define thing))))


;; * Modules and macros

(defn test-modules-are-imported-here-and-there []
  (dpfw-import math [sqrt]  statistics :as stats)
  (holds (sqrt (stats.mean [3 5])) 2.0)
  (holds (there '(sqrt (stats.mean [3 5]))) [2.0 2.0]))

(defn test-macros-are-required-here-and-there []
  "Also in a remote that was compiled before."
  (setv remote '(fn [i o] (unless 0 5)))
  (assert (isinstance (error-of dpfw-broadcast remote) NameError))
  (dpfw-require hyrule.control [unless])
  (holds (unless 0 5) 5)
  (holds (dpfw-broadcast remote) [5 5]))


;; * dpfw-load

(defn [pytest.fixture] write [tmp-path]
  (fn [name text]
    (setv path (/ tmp-path name))
    (.mkdir path.parent :exist-ok True)
    (.write-text path text)
    path))

(defn test-a-file-is-a-module-there [write]
  (holds (dpfw-load (write "sent_hy.hy" "#!/usr/bin/env hy\n(defmacro m [x] `(+ 1 ~x))\n(defn f [x]\n  (/ (m x) 0))\n")) "sent_hy")
  (holds (dpfw-load (str (write "sent_py.py" "import sent_hy\n\ndef g(x):\n    return sent_hy.f(x)\n"))) "sent_py")
  (holds (dpfw-map '(fn [x] (require sent-hy [m]) (m x)) [1]) [2])
  (setv error (error-of dpfw-map 'sent-py.g [1]))
  (assert (isinstance error ZeroDivisionError) (repr error))
  (for [part [f"{(os.path.dirname (str (write "x" "")))}/sent_py.py\", line 4, in g\n    return sent_hy.f(x)\n"
              "/sent_hy.hy\", line 4, in f\n    (/ (m x) 0))\n"]]
    (assert (in part error.traceback) error.traceback)))

(defn test-a-file-that-has-changed-is-sent-again [write]
  (defn numbers []
    (lfor  slave (dpfw-slaves)  slave.session.number))
  (setv text "(defmacro changing [] 1)\n(setv n 1)\n(defn f [] n)\n"
        path (write "changing_file.hy" text)
        user (write "user_of_it.py" "from changing_file import n\n"))
  (dpfw-load path)
  (dpfw-load user)
  (dpfw-define '(import changing-file [f] user-of-it changing-file))
  (dpfw-broadcast '(do (import changing-file :as by-hand) (fn [i o])))
  (setv remote '(fn [i o]
    (require changing-file [changing])
    [(changing) (f) user-of-it.n changing-file.n by-hand.n]))
  (holds (dpfw-broadcast remote) (* [[1 1 1 1 1]] 2))
  (setv before (numbers))
  (dpfw-load path)
  (holds (numbers) before)
  (write "changing_file.hy" (.replace text "1" "2"))
  (dpfw-load path)
  (holds (dpfw-broadcast remote) (* [[2 2 2 2 2]] 2))
  ; What cannot be imported changes nothing.
  (for [wrong ["(setv n 3" "(setv n 3)\n(/ 1 0)" "(import no-such-module)"]]
    (write "changing_file.hy" wrong)
    (assert (isinstance (error-of dpfw-load path) RemoteError)))
  (holds (dpfw-broadcast remote) (* [[2 2 2 2 2]] 2))
  ; The slave sees to that itself, and has the very module that it had.
  (holds (there '(do
      (setv before by-hand)
      (try
        ((. hy I dpfw/serve/modules receive) "changing_file" "(/ 1 0)" "/changing_file.hy" False)
        (except [ZeroDivisionError]))
      (import changing-file)
      (is changing-file before)))
    [True True]))

(defn test-a-slave-that-has-no-such-file-has-the-module [write]
  "Also its packages, and what is relative to them."
  (setv inner (write "parcel/inner.py" "from . import other\n\ndef h(x):\n    return other.k(x)\n"))
  (write "parcel/__init__.hy" "(setv name __name__)")
  (with [[_ host port] (slave-server)  master (Master)]
    (.connect master host port)
    (setv error (error-of (. master load) inner))
    (assert (isinstance error ImportError) (repr error))
    (assert (in "(dpfw-load \"parcel/other.hy\")" (str error)) (str error))
    (holds (.load master (write "parcel/other.hy" "(defn k [x] [x __package__])")) "parcel.other")
    (holds (.load master inner) "parcel.inner")
    (holds (.map master '(fn [x] (import parcel parcel.inner [h]) [parcel.name (h x)]) [1])
           [["parcel" [1 "parcel"]]])))

(defn [(pytest.mark.parametrize #("name" "text" "error" "says") [
    #("random.hy" "" ValueError "in the place of one that they stand on")
    #("class.py" "" ValueError "nobody can import class")
    #("1st.hy" "" ValueError "nobody can import 1st")
    #("notes.txt" "" ValueError "must end in .hy or .py")
    #("alone.hy" "(import .other [x])" ImportError "__init__.py or __init__.hy")
    #("alone.py" "from ..other import x" ImportError "__init__.py or __init__.hy")
    #("broken.py" "def f(" SyntaxError "never closed")])]
  test-a-file-that-can-be-no-module-is-refused [write name text error says]
  (with [raised (pytest.raises error)]
    (dpfw-load (write name text)))
  (message raised says))

(defn test-a-file-that-is-not-there-is-named [tmp-path]
  (with [raised (pytest.raises FileNotFoundError)]
    (dpfw-load (/ tmp-path "missing.hy")))
  (message raised (str (/ tmp-path "missing.hy")))
  (with [raised (pytest.raises IsADirectoryError)]
    (dpfw-load tmp-path))
  (message raised "is a folder")
  (with [_ (pytest.raises TypeError)]
    (dpfw-load 5)))


;; * What a slave has not

(defn [(pytest.mark.parametrize #("remote" "parts") [
    #('(fn [i o] (no-such-name 1))
      ["name 'no_such_name' is not defined on the slave" "~no-such-name" "dpfw-defn" "dpfw-import" "dpfw-require" "dpfw-define"])
    #("(fn [i o] (import no_such.module))" ["No module named 'no_such' on the slave" "(dpfw-load \"no_such.hy\")"])
    #('(fn [i o] (require no-such [m])) ["No module named 'no_such' on the slave" "dpfw-load"])])]
  test-the-message-says-how-it-gets-there [remote parts]
  (setv error (error-of (fn [] (force (dpfw-make-task remote read-result)))))
  (for [part parts]
    (assert (in part (str error)) (str error))))

(defn test-only-a-remote-s-own-names-are-advised-about []
  (for [remote ['(fn [i o] (raise (NameError "mine")))
                '(fn [i o] (print local) (setv local 1))
                '(fn [i o] (import statistics) (eval "nameless" (vars statistics)))
                '(fn [i o] (import os [nothing]))]]
    (setv error (error-of (fn [] (force (dpfw-make-task remote read-result)))))
    (assert (isinstance error #(NameError ImportError)) (repr error))
    (assert (not-in "slave" (str error)) (str error))))

(defn test-a-function-that-is-known-here-alone-can-be-defined []
  (defn alone [x] x)
  (for [call [(fn [] (dpfw-map alone [1])) (fn [] (dpfw-make-task alone read-result))]]
    (with [raised (pytest.raises TypeError)]
      (call))
    (message raised "which slaves cannot import" "quote it" "(dpfw-defn alone …)" "@dpfw.define"))
  (with [raised (pytest.raises TypeError)]
    (dpfw-map (fn [x] x) [1]))
  (assert (not-in "dpfw-defn" (str raised.value)) raised.value)
  ; And then be given as it is.
  (dpfw-defn not-alone [x [y 0]] [x y])
  (holds (dpfw-map not-alone [1] [2]) [[1 2]])
  (holds (dpfw-map not-alone [1] :errors "return") [[1 0]])
  (dpfw-defn listens [i o] "heard")
  (holds (force (dpfw-make-task listens read-result)) "heard")
  (dpfw-define '(defn not-alone [x] "another"))
  (assert (in "slaves cannot import" (str (error-of dpfw-map not-alone [1])))))
