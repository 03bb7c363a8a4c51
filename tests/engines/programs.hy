"The program examples/anywhere.hy, with another line that launches."

(import
  contextlib [contextmanager]
  os
  subprocess
  sys
  tests.example-runs [EXAMPLES ROOT promised-lines])

(setv
  TEXT (.read-text (/ EXAMPLES "anywhere.hy"))
  LAUNCHES "(import dpfw.launch [dpfw-launch]) (dpfw-launch 2)\n"
  ; Slaves dial it; it says the port.
  LISTENS "(print (get (dpfw-listen 0 :host \"127.0.0.1\") 1) :flush True)"
  PYTHON (getattr hy "sys_executable" sys.executable))

(defn promised []
  "The lines that it prints."
  (promised-lines TEXT))

(defn rewritten [folder line]
  "Its path, with this line in the place of the one that launches, and no other changed."
  (assert (= (.count TEXT LAUNCHES) 1))
  (setv path (/ folder "anywhere.hy"))
  (.write-text path (.replace TEXT LAUNCHES f"{line}\n"))
  path)

(defn hy-arguments [path]
  "Of hy, to run this file in its folder; by its name on Python 3.12.0 to 3.12.5 (hylang/hy#2598)."
  (if (<= #(3 12) sys.version-info #(3 12 6))
    ["-m" path.stem]
    [(str path)]))

(defn [contextmanager] program [folder line #** environment]
  "Its process, with standard output and error as pipes."
  (setv process (subprocess.Popen [PYTHON "-m" "hy" #* (hy-arguments (rewritten folder line))]
    :cwd folder
    :env {#** os.environ "PYTHONPATH" (.join os.pathsep [(str ROOT) (str folder)]) #** environment}
    :stdin subprocess.DEVNULL :stdout subprocess.PIPE :stderr subprocess.PIPE :text True))
  (try
    (yield process)
    (finally
      (.kill process)
      (.communicate process))))
