"The Hy sources of this tree are clean, by a lint that finds what it says."

(import
  pathlib [Path]
  pytest
  dpfw.data.garbage [no-collection]
  tests.helpers [holds]
  tests.lint.lint [File findings unused])

(setv
  ROOT (. (Path __file__) parent parent parent)
  FOLDERS ["bench" "docs" "dpfw" "examples" "tests"]
  ELSEWHERE ["*.py" "*.md" "*.toml" "Makefile"
             #* (gfor  folder FOLDERS  end [".py" ".pyi" ".md"]  f"{folder}/**/*{end}")]
  ; Names that are defined on slaves alone, by macros or in a namespace, or that are missing on purpose.
  ON-PURPOSE {
    "examples/over_collections.hy" ["collatz"]
    "tests/dispatch/test_capture.hy" ["no-such" "only-there" "A" "k"]
    "tests/dispatch/test_code.hy" ["without-source" "by-macro" "LIMIT" "reading"]
    "tests/lint/reader.hy" ["reader-for"]
    ; Fixtures, which pytest looks up by their names.
    "tests/dispatch/test_map_options.hy" ["shared"]
    "tests/engines/test_same_program.hy" ["separation"]
    "tests/engines/test_slurm.hy" ["slurm"]
    "tests/ssh/test_sshd.hy" ["separation"]})

(defn sources []
  "The files that this project has, wherever it is unpacked."
  (lfor
    folder FOLDERS
    path (sorted (.rglob (/ ROOT folder) "*.hy"))
    (File (.as-posix (.relative-to path ROOT)) (.read-text path :encoding "utf-8"))))

(defn [pytest.fixture] uncollected []
  (with [_ (no-collection)]
    (yield)))

(defn test-tree-is-clean [uncollected]
  (setv
    files (sources)
    texts (lfor
      pattern ELSEWHERE
      path (.glob ROOT pattern)
      (.read-text path :encoding "utf-8"))
    found (lfor
      file files
      [line what] file.findings
      :if (not-in (get (.split what) 0) (.get ON-PURPOSE file.name []))
      f"{file.name}:{line}: {what}"))
  (assert (> (len files) 100) files)
  (setv found (+ found (unused files (.join "\n" texts))))
  (assert (not found) (+ "\n" (.join "\n" found))))

(defn [(pytest.mark.parametrize #("source" "said") [
    ["(import os)" ["1: os is imported and not used"]]
    ["(import os [path :as p])\n(defn f [] (import sys) p)" ["2: sys is imported and not used"]]
    ["(import os.path)\n'os" ["1: os is imported and not used"]]
    ["(import math *)" ["1: nothing of math is used"]]
    ["(import math *)\n(sqrt 2)\n`~(floor 2.5)" []]
    ["(import os)\n`(f ~(os.getpid))" []]
    ["(import os)\n(export :objects [os])" []]
    ["(import presence :as _)" []]
    ; Of macros that are not required, Hy makes calls.
    ["(defn f [x]\n  (unless x 1))" ["2: unless is not defined here"]]
    ["(require hyrule.control [unless])\n(defn f [x] (unless x 1))" []]
    ["(eval-when-compile (require hyrule.control [unless]))\n'(unless)" ["1: unless is required and not used"]]
    ["(require hyrule.control)" ["1: (require hyrule.control) names no macros"]]
    ["(defn f [x] (let [y x] (+ y z)))\ny" ["1: z is not defined" "2: y is not defined"]]
    ["(lfor  x xs  x)\n(setv xs [x])" ["2: x is not defined"]]
    ["(defn f []\n  (setv n 1 m 2)\n  m)" ["2: n is set and not used"]]
    ["(defn f [xs]\n  (setv [a b] xs)\n  (for [n xs] a))" []]
    ["(defn f []\n  (setv n 0)\n  (defn g [] (nonlocal n) (+= n 1) n)\n  g)" []]
    ["(defclass A []\n  (setv n 1)\n  (defn f [self] n))" ["3: n is not defined"]]
    ["(defn f [])\n(defn f [])" ["2: f is defined above"]]
    ["(defclass A []\n  (defn [property] n [self] 1)\n  (defn [n.setter] n [self x] x))" []]
    ["(defn test-so? [])" ["1: pytest sees no test in test-so?"]]
    ["(try 1 (except []))" ["1: catches everything"]]
    ["(try 1 (except [e ValueError] e) (except [[KeyError OSError]]))" []]
    [";no blank\n;;; three" ["1: a comment is" "2: a comment is"]]
    ["(f)  ;; behind\n(defn f [])" ["1: `;;` is for headings"]]
    ["(print 1) \n(print\t2)" ["1: ends in blanks" "2: has a tab"]]
    [f"(print {(* "1 " 70)}1)" ["1: has 151 characters"]]
    [f"(print \"{(* "a" 200)}\")" []]
    ["(print \"; none\" #[[; none\t]])" ["1: has a tab"]]
    ["(f" ["1: Premature end"]]])]
    test-each-defect-is-found [source said]
  ; Below a docstring, on its line.
  (setv found (findings "a.hy" f"\"What it is for.\" {source}\n"))
  (holds (len found) (len said))
  (for [[line want] (zip found said)]
    (assert (.startswith line f"a.hy:{want}") line)))

(defn test-a-file-says-what-it-is-for []
  (holds (findings "a.hy" "1\n") ["a.hy:1: says nowhere what the file is for; begin with a docstring"])
  (holds (findings "a.hy" "\"It is for this.\"") ["a.hy:1: the last line has no end"]))

(defn test-what-no-file-uses-is-found []
  (setv files [
    (File "a.hy" "\"A.\"\n(defn by-hy [])\n(defn by-python [])\n(defn by-text [])\n(defn by-none [])\n")
    (File "b.hy" "\"B.\"\n(import a)\n(a.by-hy \"a.by_text\")\n")])
  (holds (unused files "a.by_python()") ["a.hy:5: by-none is used nowhere"]))
