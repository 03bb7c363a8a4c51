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

(defn [cache] run-example [name]
  "Run an example, once in a test session; its status, output and errors.

  Slaves inherit the standard output of the program that launches them, and
  this waits until the last process that has it is gone. What outlives its
  program so long ends the test."
  (setv interpreter (if (.endswith name ".py")
                      [sys.executable]
                      [sys.executable "-m" "hy"]))
  (with [folder (TemporaryDirectory)]
    (subprocess.run
      [#* interpreter (str (/ EXAMPLES name))]
      :cwd folder
      :env (| os.environ {"PYTHONPATH" (.join os.pathsep
        [(str ROOT) #* (filter None [(os.environ.get "PYTHONPATH")])])})
      :stdin subprocess.DEVNULL
      :stdout subprocess.PIPE
      :stderr subprocess.PIPE
      :text True
      :timeout WAIT)))

(defn example-names []
  (sorted (gfor  path (.iterdir EXAMPLES)
                 :if (in path.suffix [".hy" ".py"])
                 path.name)))

(defn promised-lines [text]
  "What the comments of a program say that it prints: its lines after ``=>``."
  (re.findall r"(?:;|#) => (.*)" text))
