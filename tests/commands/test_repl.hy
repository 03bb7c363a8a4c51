"The remote REPL, over a pipe, as editors have it; docs/watching.md has it at a terminal
(``test_screens``)."

(import
  contextlib [contextmanager]
  re
  signal
  subprocess
  sys
  pytest
  tests.helpers [holds]
  tests.processes [WAIT slave-server])

(setv
  ; What a person may type, line by line.
  SESSION #[[
(+ 1 2)
(print "printed")
(defn f [x]
  "Two lines.

  And one more."

  (* x 2))
(f 3)
[*1 *2]
(f)
*e
(defmacro twice [x] `(do ~x ~x))
(twice (print 1))
(defreader up (hy.models.String "UP"))
#up
(defn g []
  (f))
(g)
(input "name? ")
Dan
(import sys)
(print "to stderr" :file sys.stderr)
(.readline sys.stdin)
a line
)
no-such-name
(require no-such-module)
(break)
None
"a
b" 7
{"a" 1.5  :b '(quoted [1 2])}
(sys.exit 3)
]]
  ERROR (re.compile r"^[A-Za-z.]+(?:Error|Exception): .*$" re.M))

(defn [(pytest.fixture :scope "module")] address []
  "Where a slave listens."
  (with [[_ host port] (slave-server)]
    (yield f"{host}:{port}")))

(defn output-of [#* command]
  (setv done (subprocess.run [sys.executable "-m" #* command]
               :input SESSION :capture-output True :text True :timeout WAIT))
  #(done.returncode done.stdout done.stderr))

(defn test-it-is-what-hy-itself-would-be [address]
  (setv [status out err] (output-of "dpfw" "repl" address)
        [hy-status hy-out hy-err] (output-of "hy" "-i"))
  (holds [status (.splitlines out)] [hy-status (.splitlines hy-out)])
  (holds (ERROR.findall err) (ERROR.findall hy-err))
  (assert (in "\nto stderr\n" err) err)
  ; With lines of the user's, and no frame of ours or Hy's.
  (assert (re.search r"File \"<repl \d+>-\d+\", line 2, in g\n    \(f\)\)\n" err) err)
  (assert (not (re.search "site-packages|dpfw/|importlib|codeop" err)) err))

(defn [contextmanager] repl [address]
  (with [process (subprocess.Popen [sys.executable "-m" "dpfw" "repl" address]
           :stdin subprocess.PIPE  :stdout subprocess.PIPE  :stderr subprocess.PIPE  :text True)]
    (try
      (said-until process "=> ")
      (yield process)
      (finally
        (.kill process)))))

(defn said-until [process end]
  "What is written to standard output, until it ends so."
  (setv said "")
  (while (not (.endswith said end))
    (setv character (.read process.stdout 1))
    (assert character #(said (.read process.stderr)))
    (+= said character))
  (.removesuffix said end))

(defn type-in [process line [end "=> "]]
  (print line :file process.stdin :flush True)
  (said-until process end))

(defn test-two-repls-share-definitions-and-not-what-they-print [address]
  (with [one (repl address)  two (repl address)]
    (type-in one "(setv n 1)")
    (type-in one "(import threading)")
    (type-in one "(setv met (threading.Barrier 2))")
    (setv talk "(for [x (range 200)] (.wait met 20) (print {}))")
    (print (.format talk "n") :file one.stdin :flush True)
    (type-in two (.format talk "(+ n 1)"))
    (holds (type-in two "(+ n 2)") "3\n")
    (holds (.split (said-until one "=> ")) (* ["1"] 200))))

(defn test-ctrl-c-interrupts-and-the-repl-goes-on [address]
  (with [it (repl address)]
    (type-in it "(try (print \"begun\") (while True) (finally (print \"cleaned up\")))" "begun\n")
    (.send-signal it signal.SIGINT)
    (holds (said-until it "=> ") "cleaned up\n")
    (type-in it "(input \"name? \")" "name? ")
    (.send-signal it signal.SIGINT)
    (said-until it "=> ")
    (type-in it "(breakpoint)" "(Pdb) ")
    (.send-signal it signal.SIGINT)
    (said-until it "=> ")
    (holds (type-in it "(+ 1 2)") "3\n")))

(defn test-pdb-asks-here [address]
  (with [it (repl address)]
    (type-in it "(defn f [x]" "... ")
    (type-in it "  (breakpoint)" "... ")
    (type-in it "  (+ x 1))")
    (setv shown (type-in it "(f 5)" "(Pdb) "))
    ; From Python 3.13 on, it stops at the breakpoint itself.
    (assert (re.search r"^-> \((breakpoint|\+ x 1\))\)$" shown re.M) shown)
    (holds (type-in it "(* x 10)" "(Pdb) ") "50\n")
    (holds (type-in it "c") "6\n")))

(defn test-the-slave-dies []
  (with [[_ host port] (slave-server)  it (repl f"{host}:{port}")]
    (print "(do (import os) (os.kill (os.getpid) 9))" :file it.stdin :flush True)
    (setv [out err] (.communicate it :timeout WAIT))
    (holds #(it.returncode out) #(1 ""))
    (setv line (get (.splitlines err) -1))
    (assert (in f"dpfw repl: the slave at {host}:{port} went away; when it is back" line) err)
    (assert (not-in "Traceback" err) err)))
