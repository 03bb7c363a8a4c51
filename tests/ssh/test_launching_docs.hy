"The example in docs/launching.md, with an ssh and a Python of that name before all others."

(import
  os
  pathlib [Path]
  re
  sys
  types [ModuleType]
  dpfw.master [dpfw-close]
  tests.doc-examples [check-example examples]
  tests.ssh.fakes [LAST-WORD PYTHON THROUGH-PIPES program])

(setv TEXT (.read-text (/ (. (Path __file__) parent parent parent) "docs" "launching.md")))

(defn test-the-example-gives-what-it-shows [tmp-path monkeypatch]
  (program (/ tmp-path "ssh") (+ LAST-WORD f"HOME={tmp-path}" THROUGH-PIPES))
  (.mkdir (/ tmp-path "venv" "bin") :parents True)
  (program (/ tmp-path "venv" "bin" "python") f"exec {PYTHON} \"$@\"")
  (.setenv monkeypatch "PATH" f"{tmp-path}:{(get os.environ "PATH")}")
  (setv module (ModuleType "launching")
        module.hy hy
        (get sys.modules "launching") module
        checked 0)
  (try
    (for [block (re.findall r"^```hy\n(.*?)^```$" TEXT (| re.M re.S))
          [form source wanted] (examples block)]
      (setv problem (check-example form wanted module))
      (assert (is problem None) f"{source}\n  wanted: {wanted}\n  got:    {problem}")
      (+= checked (bool wanted)))
    (finally
      (dpfw-close)
      (del (get sys.modules "launching"))))
  (assert (= checked 3) checked))
