"What the documents show is so: their examples give what stands behind them."

(import
  linecache
  os
  re
  subprocess
  sys
  types [ModuleType SimpleNamespace]
  pytest
  dpfw [master]
  dpfw.engines.dask [Dask]
  dpfw.engines.job [Job]
  dpfw.engines.launch [EnginePlace]
  dpfw.launch [dpfw-launch]
  dpfw.net.about [differences]
  dpfw.net.addresses [unreachable]
  dpfw.processes.ending [ending]
  dpfw.processes.settings [Settings]
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


;; * What is shown, and is no program

(defn screens [document part]
  "The blocks of no language below a heading."
  (setv text (.read-text (/ ROOT "docs" document) :encoding "utf-8")
        [below] (re.findall f"^#+ {part}\n(.*?)(?=^#|\\Z)" text (| re.M re.S)))
  (re.findall r"^```\n(.*?)^```$" below (| re.M re.S)))

(defn in-one-line [text]
  (.join " " (.split text)))

(defn [(pytest.mark.skipif (< sys.version-info #(3 11)) :reason "this Python has no notes")]
      test-a-session-with-an-error-is-as-it-is-shown [tmp-path]
  (setv [shown] (screens "failures.md" "What is shown of it")
        [typed _ error] (.partition shown "\n")
        run (subprocess.run [(getattr hy "sys_executable" sys.executable) "-m" "hy" "-i"]
          :input (.join "\n" ["(import dpfw.master * dpfw.launch [dpfw-launch])" "(setv slaves (dpfw-launch 1))"
                              (.removeprefix typed "=> ") ""])
          :env {#** os.environ  "PYTHONPATH" (str ROOT)}
          :cwd tmp-path  :capture-output True  :text True  :timeout WAIT))
  (defn lasting [text]
    "Without what another process, or another Python, has otherwise."
    (re.sub r"(?<=localhost/)\d+|(?<=<stdin>)-\d+" "" (re.sub r"^ *[\^~]+\n" "" text :flags re.M)))
  (assert (in (lasting error) (lasting run.stderr)) run.stderr))

(defn test-an-error-between-versions-is-as-it-is-shown []
  (setv [shown] (screens "life.md" "Versions")
        [slave] (dpfw-launch 1))
  (try
    (setv slave.session.connection.differences (differences {"hy" "1.3.1"} {"hy" "1.3.0"} "master"))
    (with [e (pytest.raises NameError)]
      (master.force (master.dpfw-make-task '(when-let [x 1] x) master.read-result slave)))
    (finally
      (master.dpfw-close)))
  (setv told f"{(. (type e.value) __name__)}: {e.value}")
  (assert (re.fullmatch (.replace (re.escape (in-one-line shown)) "…" ".*") told) told))

(defn test-what-an-engine-says-is-as-it-is-shown []
  (setv shown (lfor  text (.split (get (screens "dask.md" "When a slave does not come up") 0) "\n\n")  (in-one-line text))
        workers (dfor  i (range 2)  i 1)
        engine (Dask
          (SimpleNamespace :sync (fn [#* asked #** how] workers)
            :scheduler (SimpleNamespace :address "tcp://10.0.0.1:8786" :ncores None))
          None 60)
        place (EnginePlace
          (SimpleNamespace :network None  :node None  :door (SimpleNamespace :address "10.0.0.9:36729"))
          engine (Settings 1) 0))
  (defn says [error [answer None]]
    (setv job (Job.__new__ Job)
          job.engine engine  job.answer answer  job.error error)
    (str (.why-not place job None error)))
  (setv nothing-there (. (unreachable (ConnectionRefusedError) "10.0.0.9" 36729 "slave") strerror))
  (assert (= shown [
    (says (TimeoutError))
    (says None {"pid" 711  "how" f"its process 711 on tcp://10.0.0.2:40123 {(ending 1)}"  "said" [f"dpfw-slave: {nothing-there}"]})
    (says (ModuleNotFoundError "No module named 'dpfw'"))])))
