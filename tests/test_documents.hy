"What the documents show is so: their examples give what stands behind them."

(import
  linecache
  re
  subprocess
  sys
  types [ModuleType]
  pytest
  dpfw [master]
  tests.doc-examples [check-example examples]
  tests.example-runs [promised-lines ROOT])

(setv
  WAIT 60  ; seconds
  HY ["collections.md" "data.md" "executor.md" "code.md" "output.md" "scaling.md" "watching.md"
      "how-to/a-slave-died.md" "how-to/from-lfarm.md" "how-to/share-big-data.md"]
  PYTHON ["python.md" "executor.md" "code.md" "how-to/from-multiprocessing.md" "how-to/in-a-notebook.md"]
  ; These only say what a program calls, and show no values.
  SILENT #{"watching.md"})

(defn blocks [document language]
  "The blocks of a language in a document."
  (re.findall f"^```{language}\n(.*?)^```$"
    (.read-text (/ ROOT "docs" document) :encoding "utf-8") (| re.M re.S)))

(defn [pytest.fixture] space [tmp-path monkeypatch]
  "A module in which to run blocks of Hy, as in a REPL, in a folder of its own."
  (.chdir monkeypatch tmp-path)
  (setv module (ModuleType "document"))
  (setv module.hy hy
        (get sys.modules "document") module)
  (yield module)
  (master.dpfw-close)
  (del (get sys.modules "document")))

(defn [(pytest.mark.parametrize "document" HY)] test-hy-blocks-give-what-they-show [space document]
  (setv checked 0)
  (for [[n block] (enumerate (blocks document "hy"))
        ; Any free port will do.
        [form source wanted] (examples (re.sub r"\b1000\d(?= :host)" "0" block))]
    ; What is defined at the prompt has a source.
    (setv form.filename f"<block-{n}>"
          (get linecache.cache form.filename) #((len block) None (.splitlines block True) form.filename))
    (setv problem (check-example form wanted space))
    (assert (is problem None) f"{source}\n  wanted: {wanted}\n  got:    {problem}")
    (+= checked (bool wanted)))
  (assert (!= (bool checked) (in document SILENT)) document))

(defn [(pytest.mark.parametrize "text" (lfor
        document PYTHON
        text (blocks document "python")
        text))]
      test-python-blocks-print-what-they-show [text tmp-path]
  ; As a program: a slave asks for its modules, too.
  (.write-text (/ tmp-path "program.py") text)
  (setv run (subprocess.run [sys.executable (str (/ tmp-path "program.py"))]
    :cwd tmp-path :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT))
  (assert (= #(run.returncode run.stderr) #(0 "")) f"{run}")
  (assert (= (.splitlines run.stdout) (promised-lines text)) run.stdout))
