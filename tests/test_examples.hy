"Every example does what its comments say, and leaves nothing running."

(import
  pathlib [Path]
  platform
  re
  shutil
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

; Of the first floor of the library: all of it takes half a minute.

(defn [(pytest.fixture :scope "module")] some-files [tmp-path-factory]
  (setv folder (.mktemp tmp-path-factory "library"))
  (for [path (.glob (Path (sysconfig.get-path "stdlib")) "*.py")]
    (shutil.copy path folder))
  (.mkdir (/ folder "site-packages"))
  (.write-text (/ folder "site-packages" "other.py") "not = counted")
  folder)

(defn [(pytest.fixture :scope "module")] census [some-files]
  (run-example CENSUS (str some-files)))

(defn figure [label census]
  "The number behind a label in the output of the census."
  (setv found (re.search fr"^  {label} +([0-9,.]+)" census.stdout re.M))
  (assert found f"there is no {label} in\n{census.stdout}")
  (float (.replace (.group found 1) "," "")))

(defn test-census-ends-well [census]
  (end-well census))

(defn test-census-has-every-file-and-line [census some-files]
  (setv files (list (.glob some-files "*.py"))
        lines (sum (gfor  path files  (.count (.read-bytes path) b"\n"))))
  (assert (= #((figure "files" census) (figure "lines" census)) #((len files) lines))
    f"{(len files)} files and {lines} lines are there; the census says\n{census.stdout}"))

(defn test-census-finds-what-a-library-has [census]
  (setv [functions classes files unparsed] (lfor
    label ["functions" "classes" "files" "that do not parse"]
    (figure label census)))
  (assert (< classes functions) f"{classes} classes, {functions} functions")
  (assert (< files functions) f"{files} files, {functions} functions")
  (assert (< unparsed (/ files 20)) f"{unparsed} of {files} files do not parse"))

(defn test-census-names-the-ten-most-imported-modules [census]
  (setv [_ table] (.split census.stdout "most imported      by files\n")
        rows (re.findall r"^  (\w+) +([0-9,]+)$" table re.M)
        numbers (lfor  [_ n] rows  (int (.replace n "," ""))))
  (assert (= (len rows) 10) f"{rows}")
  (assert (= numbers (sorted numbers :reverse True)) f"{numbers}")
  (assert (in "sys" (dict rows)) f"{rows}"))

(defn test-census-tells-both-times-and-their-ratio [census]
  (setv stdout census.stdout
        ratio (float (.group (re.search r"([0-9.]+) times as fast, on [0-9]+ cores?\n\Z" stdout) 1))
        [alone together] (lfor  label ["one slave" "two slaves"]  (figure label census)))
  (assert (< 0 together) stdout)
  ; All three are rounded to hundredths.
  (assert (< (abs (- ratio (/ alone together))) (* 0.01 (+ 1 (* (+ 1 ratio) (/ together))))) stdout)
  (assert (in (platform.python-version) stdout) stdout))
