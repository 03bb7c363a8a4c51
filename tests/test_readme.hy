"What README.md says is so: its programs give what they show, and what it names
is there."

(import
  inspect
  pathlib [Path]
  re
  subprocess
  sys
  sysconfig
  types [ModuleType]
  pytest
  tests.doc-examples [check-example examples]
  tests.example-runs [ROOT example-names promised-lines run-example]
  tests.processes [slave-server]
  dpfw [master slave])

(setv
  README (.read-text (/ ROOT "README.md") :encoding "utf-8")
  CENSUS (re.compile "<!-- begin census -->\n```\n(.*?)```\n<!-- end census -->" re.S)
  WAIT 60)  ; seconds

(defn fenced [language]
  "The blocks of a language."
  (re.findall f"^```{language}\n(.*?)^```$" README (| re.M re.S)))


;; Programs

(defn [pytest.fixture] space []
  "A module in which to run the blocks of Hy, as in a REPL."
  (setv module (ModuleType "readme"))
  (setv module.hy hy
        (get sys.modules "readme") module)
  (yield module)
  (master.dpfw-close)
  (del (get sys.modules "readme")))

(defn test-hy-blocks-give-what-they-show [space]
  (setv checked 0)
  (with [[_ host port] (slave-server)]
    (for [block (fenced "hy")]
      ; The only words in them that are not meant as they stand.
      (setv text (.replace block "\"node-a.example.com\" 10000" f"{(hy.repr host)} {port}"))
      (for [[form source wanted] (examples text)]
        (setv problem (check-example form wanted space))
        (assert (is problem None) f"{source}\n  wanted: {wanted}\n  got:    {problem}")
        (+= checked (bool wanted)))))
  (assert (> checked 8) f"only {checked} values were checked"))

(defn [(pytest.mark.parametrize "text" (fenced "python"))] test-python-blocks-print-what-they-show [text]
  (setv run (subprocess.run [sys.executable "-c" text]
    :cwd ROOT :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT))
  (assert (= #(run.returncode run.stderr) #(0 "")) f"{run}")
  (assert (= (.splitlines run.stdout) (promised-lines text)) run.stdout))

;; The census

(defn shape [report]
  "What any two reports of the census have in common, whatever they count, of
  whatever Python, on whatever machine: every line, without numbers and without
  the names of modules."
  (setv [counts modules] (.split report "  most imported")
        modules (re.sub r"^  \w+ +([0-9,]+)$" r"  module \1" modules :flags re.M)
        report (+ counts "  most imported" modules))
  (re.sub r"^.* \w+ # in" "Something of Python # in" (re.sub r" *[0-9][0-9.,]*\w*" " #" report)))

(defn test-census-is-what-the-example-prints []
  (setv [shown] (.findall CENSUS README)
        run (run-example "stdlib_census.hy" (str (/ (Path (sysconfig.get-path "stdlib")) "asyncio"))))
  (assert (= (shape shown) (shape run.stdout)) f"README:\n{shown}\nnow:\n{run.stdout}"))

;; Names

(defn test-targets-of-make-exist []
  (setv targets (set (re.findall r"\bmake (\w+)" (+ #* (fenced "sh"))))
        makefile (.read-text (/ ROOT "Makefile")))
  (assert (= targets #{"demo" "test"}) f"{targets}")
  (for [target targets]
    (assert (re.search f"^{target}:" makefile re.M) f"make {target}")))

(defn test-links-lead-somewhere []
  (setv links (re.findall r"\]\(((?!http)[^)]+)\)" README))
  (assert links)
  (for [link links]
    (assert (.exists (/ ROOT link)) link)))

(defn test-every-example-is-named []
  (for [name (example-names)]
    (assert (in f"| [{name}](examples/{name}) |" README) name)))

(defn test-commands-have-the-options-that-are-named []
  (setv help (. (subprocess.run [sys.executable "-m" "dpfw.slave" "--help"]
    :cwd ROOT :capture-output True :text True :timeout WAIT) stdout))
  (for [option ["--connect" "--host"]]
    (assert (in option README) option)
    (assert (in option help) help)))

(defn signature [procedure]
  "How README writes a call: (name argument [argument default])."
  (setv words [(hy.unmangle procedure.__name__)]  keywords False)
  (for [p (.values (. (inspect.signature procedure) parameters))]
    (when (and (= p.kind p.KEYWORD-ONLY) (not keywords))
      (.append words "*")
      (setv keywords True))
    (.append words (if (is p.default p.empty)
      (hy.unmangle p.name)
      f"[{(hy.unmangle p.name)} {(hy.repr p.default)}]")))
  f"({(.join " " words)})")

(defn [(pytest.mark.parametrize "name" (sorted (| (set master.__all__) (set slave.__all__))))]
      test-every-public-name-is-in-readme [name]
  (setv name (hy.unmangle name))
  (assert (in name README) name))

(defn test-table-of-procedures-has-the-signatures-that-are []
  (setv calls (re.findall r"^\| `\(.*?\)` \| `(\(.*?\))` \|" README re.M)
        calls (lfor  c calls  :if (not (.startswith c "(import"))  c)
        there (dfor
          module [master slave]
          name module.__all__
          (hy.unmangle name) (getattr module name)))
  (assert (= (len calls) 10) f"{calls}")
  (for [call calls]
    (setv name (get (re.split "[ )]" (cut call 1 None)) 0))
    (assert (= call (signature (get there name))) (signature (get there name)))))
