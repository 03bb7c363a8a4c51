"Programs of these tests, each in a process of its own: what the engines' clients leave in theirs is
not ours to clear away."

(import
  importlib.util [find-spec]
  json
  os
  pathlib [Path]
  subprocess
  sys
  tempfile [TemporaryDirectory]
  pytest)

(setv HERE (. (Path __file__) parent))

(defn run [text #* arguments]
  "Run a program in Python, given as its text."
  ; Dask leaves a folder there.
  (with [folder (TemporaryDirectory)]
    (setv file (/ (Path folder) "program.py"))
    (.write-text file text)
    (subprocess.run [sys.executable (str file) #* arguments]
      :stdin subprocess.DEVNULL  :capture-output True  :text True  :timeout 900
      :env {#** os.environ  "TMPDIR" folder  "PYTHONPATH" (str HERE)})))

(defn told [file scenario]
  "What a program printed last, as data."
  (setv done (run (.read-text (/ HERE file)) scenario))
  (assert (= done.returncode 0) done.stderr)
  (json.loads (get (.splitlines done.stdout) -1)))

(defn needs [module]
  (pytest.mark.skipif (is (find-spec module) None)
    :reason f"{module} is not installed; pip install 'dpfw[{(if (= module "distributed") "dask" module)}]'"))

(setv heavy (pytest.mark.skipif (not-in "DPFW_TEST_ENGINES" os.environ)
  :reason "takes minutes, and more is to be installed; make test-engines runs it"))

(defn says [error kind #* parts]
  (assert (= (get error 0) kind) f"{error}")
  (for [part parts]
    (assert (in part (get error 1)) f"{part !r} is not in {(get error 1) !r}")))
