"Every example does what its comments say, and leaves nothing running."

(import
  os
  pathlib [Path]
  platform
  re
  sysconfig
  pytest
  tests.example-runs [EXAMPLES example-names promised-lines run-example])

(setv
  CENSUS "stdlib_census.hy"
  OTHERS (lfor  name (example-names)  :if (!= name CENSUS)  name))

(defn end-well [run]
  (assert (= #(run.returncode run.stderr) #(0 ""))
    f"status {run.returncode}\n{run.stdout}\n{run.stderr}"))

(defn [(pytest.mark.parametrize "name" OTHERS)] test-example-prints-what-its-comments-say [name]
  (setv run (run-example name)
        promised (promised-lines (.read-text (/ EXAMPLES name))))
  (end-well run)
  (assert promised f"{name} says nowhere what it prints")
  (assert (= (.splitlines run.stdout) promised)
    f"{name} promises\n{promised}\nand prints\n{(.splitlines run.stdout)}"))

(defn [(pytest.mark.parametrize "name" (example-names))] test-example-says-how-to-run-it [name]
  (setv program (if (.endswith name ".py") "python" "hy")
        line f"Run it with: {program} examples/{name}")
  (assert (re.search f"^{line}\"?$" (.read-text (/ EXAMPLES name)) re.M)
    f"{name} does not say: {line}"))

;; The census

(defn census-figure [label]
  "The number behind a label in the output of the census."
  (setv found (re.search fr"^  {label} +([0-9,.]+)" (. (run-example CENSUS) stdout) re.M))
  (assert found f"there is no {label} in\n{(. (run-example CENSUS) stdout)}")
  (float (.replace (.group found 1) "," "")))

(defn library-files []
  (setv root (Path (sysconfig.get-path "stdlib")))
  (lfor  [folder folders names] (os.walk root)
         ; In place, so that the walk does not go there.
         :do (setv (cut folders) (lfor  f folders  :if (!= f "site-packages")  f))
         name names
         :if (.endswith name ".py")
         (Path folder name)))

(defn test-census-ends-well []
  (end-well (run-example CENSUS)))

(defn test-census-has-every-file-and-line []
  (setv files (library-files)
        lines (sum (gfor  path files  (.count (.read-bytes path) b"\n"))))
  (assert (= #((census-figure "files") (census-figure "lines")) #((len files) lines))
    f"{(len files)} files and {lines} lines are there; the census says\n{(. (run-example CENSUS) stdout)}"))

(defn test-census-finds-what-a-library-has []
  (setv [functions classes files unparsed] (map census-figure
    ["functions" "classes" "files" "that do not parse"]))
  (assert (< classes functions) f"{classes} classes, {functions} functions")
  (assert (< files functions) f"{files} files, {functions} functions")
  (assert (< unparsed (/ files 20)) f"{unparsed} of {files} files do not parse"))

(defn test-census-names-the-ten-most-imported-modules []
  (setv [_ table] (.split (. (run-example CENSUS) stdout) "most imported      by files\n")
        rows (re.findall r"^  (\w+) +([0-9,]+)$" table re.M)
        numbers (lfor  [_ n] rows  (int (.replace n "," ""))))
  (assert (= (len rows) 10) f"{rows}")
  (assert (= numbers (sorted numbers :reverse True)) f"{numbers}")
  (assert (in "sys" (dict rows)) f"{rows}"))

(defn test-census-tells-both-times-and-their-ratio []
  (setv stdout (. (run-example CENSUS) stdout)
        ratio (float (.group (re.search r"([0-9.]+) times as fast, on [0-9]+ cores?\n\Z" stdout) 1))
        [alone together] (map census-figure ["one slave" "two slaves"]))
  (assert (< 0 together) stdout)
  (assert (< (abs (- ratio (/ alone together))) 0.02) stdout)
  (assert (in (platform.python-version) stdout) stdout))
