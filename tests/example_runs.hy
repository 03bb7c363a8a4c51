"The examples, run as their readers run them: as programs, from some other folder."

(import
  functools [cache]
  os
  pathlib [Path]
  re
  subprocess
  sys
  tempfile [TemporaryDirectory])

(setv
  ROOT (. (Path __file__) parent parent)
  EXAMPLES (/ ROOT "examples")
  WAIT 110)  ; seconds

(defn command [name]
  "How to run an example: as it says itself, where Hy can do that. Hy 1.3 runs
  no file by its name on Python 3.12.0 to 3.12.5, but does so as a module
  (hylang/hy#2598)."
  (cond
    (.endswith name ".py")
      [sys.executable (str (/ EXAMPLES name))]
    (<= #(3 12) sys.version-info #(3 12 6))
      [sys.executable "-m" "hy" "-m" (.removesuffix name ".hy")]
    True
      [sys.executable "-m" "hy" (str (/ EXAMPLES name))]))

(defn [cache] run-example [name #* arguments]
  "Run an example, once in a test session with the same arguments; its status, output and errors, when
  the program itself has ended. conftest.py sees to it that nothing else of it
  runs on."
  ; Not pipes: a slave that runs on would have them open too, and be waited for.
  (with [folder (TemporaryDirectory)
         out (open (Path folder "out") "w+")
         err (open (Path folder "err") "w+")]
    (try
      (setv run (subprocess.run [#* (command name) #* arguments]
        :cwd folder
        :env (| os.environ {"PYTHONPATH" (.join os.pathsep
          [(str ROOT) (str EXAMPLES) #* (filter None [(os.environ.get "PYTHONPATH")])])})
        :stdin subprocess.DEVNULL  :stdout out  :stderr err
        :timeout WAIT))
      (except [e subprocess.TimeoutExpired]
        ; A result like others, so that the next test does not try again.
        (setv run (subprocess.CompletedProcess e.cmd (str e)))))
    (for [file [out err]]
      (.seek file 0))
    (setv run.stdout (.read out)  run.stderr (.read err)))
  run)

(defn example-names []
  (sorted (gfor  path (.iterdir EXAMPLES)
                 :if (in path.suffix [".hy" ".py"])
                 path.name)))

(defn promised-lines [text]
  "What the comments of a program say that it prints: its lines after ``=>``."
  (re.findall r"(?:;|#) => (.*)" text))
