"What stands in deploy/ is what Kubernetes, systemd and containers take, and slaves do what
it relies on."

(import
  json
  os
  pathlib [Path]
  re
  shutil
  subprocess
  sys
  types [ModuleType]
  pytest
  dpfw
  dpfw.errors [CookieError]
  dpfw.master [Master default-master dpfw-close dpfw-slaves]
  dpfw.net.cookie [checked]
  dpfw.serve.command-line [parsed]
  tests.doc-examples [check-example examples]
  tests.engines.programs [LAUNCHES PYTHON TEXT promised]
  tests.example-runs [ROOT]
  tests.helpers [WAIT holds message until]
  tests.processes [ended held run-task slave-command slave-process slave-server]
  tests.ssh.fakes [LAST-WORD THROUGH-PIPES program]
  tests.ssh.sshd [free-port])

(setv
  DEPLOY (/ ROOT "deploy")
  MANIFESTS ["kubernetes.yaml" "kubernetes-master.yaml"]
  UNITS ["dpfw-slave.socket" "dpfw-slave.service" "dpfw-slave@.service"])

(defn text [name]
  (.read-text (/ DEPLOY name) :encoding "utf-8"))

(defn without [program package]
  (pytest.mark.skipif (not (shutil.which program))
    :reason f"{program} is not installed; on Debian and its kin: apt-get install {package}"))

(defn found [pattern name]
  "What the pattern's group is, in a file where it is found once."
  (setv [one] (re.findall pattern (text name) re.M))
  one)


;; Kubernetes

(defn resources []
  "Those of all manifests, by kind and name."
  (setv yaml (pytest.importorskip "yaml" :reason "PyYAML is not installed; pip install kubernetes-validate brings it"))
  (dfor
    name MANIFESTS
    resource (yaml.safe-load-all (text name))
    #((get resource "kind") (get resource "metadata" "name")) resource))

(defn [(pytest.mark.parametrize "version" ["1.25" "latest"])] test-the-manifests-are-of-the-official-schemas [version]
  (setv kubernetes (pytest.importorskip "kubernetes_validate" :reason "it is not installed; pip install kubernetes-validate"))
  (for [resource (.values (resources))]
    (kubernetes.validate resource (if (= version "latest") (kubernetes.latest-version) version) :strict True)))

(defn test-the-resources-fit-together []
  (setv all (resources)
        deployment (get all #("Deployment" "dpfw-slave") "spec")
        labels (get deployment "template" "metadata" "labels")
        pod (get deployment "template" "spec")
        [slave] (get pod "containers")
        job (get all #("Job" "dpfw-master") "spec" "template")
        service (get all #("Service" "dpfw-master") "spec")
        secret (get all #("Secret" "dpfw-cookie") "stringData"))
  (for [selector [(get deployment "selector" "matchLabels")
                  (get all #("PodDisruptionBudget" "dpfw-slave") "spec" "selector" "matchLabels")]]
    (holds selector labels))
  (holds (get service "selector") (get job "metadata" "labels"))
  (for [container [slave (get job "spec" "containers" 0)]]
    (setv [reference] (gfor  v (get container "env")  :if (= (get v "name") "DPFW_COOKIE")  (get v "valueFrom" "secretKeyRef")))
    (holds [(get reference "name") (get reference "key")] ["dpfw-cookie" (get (list secret) 0)]))
  ; As it stands, nobody gets in with it.
  (message (pytest.raises CookieError checked (get secret "cookie") "the manifest") "needs 16")
  (setv options (parsed (get slave "args")))
  (holds options.connect #("dpfw-master" (get service "ports" 0 "port"))))

(defn in-a-process-namespace []
  "Can this user start one?"
  (and (shutil.which "unshare") (shutil.which "nsenter")
       (= 0 (. (subprocess.run ["unshare" "--pid" "--fork" "--mount-proc" "true"] :capture-output True) returncode))))

(defn child-of [pid]
  (setv children (Path f"/proc/{pid}/task/{pid}/children"))
  (until (fn [] (.read-text children)))
  (int (.read-text children)))

(defn [(pytest.mark.skipif (not (in-a-process-namespace)) :reason "unshare and nsenter, of util-linux, are missing, or this is not root")]
      test-the-prestop-lets-a-task-end []
  "In a namespace of its own a slave is process 1, as in a container."
  (setv command (json.loads (found r"^ +command: (\[\"/bin/sh\".*\])$" "kubernetes.yaml")))
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1")
          pod (subprocess.Popen ["unshare" "--pid" "--fork" "--mount-proc" "--kill-child"
                                 #* (slave-command "--connect" f"{host}:{port}")]
                :stdin subprocess.DEVNULL :stderr subprocess.PIPE :text True))
    (try
      (setv slave (.get-slave master))
      (holds (run-task master '(fn [i o] (import os) (os.getpid))) 1)
      (with [promise (held master slave)]
        (setv hook (subprocess.Popen ["nsenter" "--target" (str (child-of pod.pid)) "--pid" #* command]))
        (until (fn [] (= slave.state "leaving")))
        (assert (is (.poll hook) None) "it has ended before the slave"))
      (holds (.result promise WAIT) 1)
      (setv [status _ err] (ended pod))
      (holds status 0)
      (.wait hook WAIT)
      (assert (in "SIGTERM: this slave ends when what runs has ended" err) err)
      (finally
        (.kill pod)
        (.communicate pod)))))


;; systemd

(defn [(without "systemd-analyze" "systemd")] test-systemd-takes-the-units [tmp-path]
  (for [unit UNITS]
    ; It looks whether the program is there.
    (.write-text (/ tmp-path unit) (.replace (text unit) "/opt/dpfw/bin/dpfw-slave" sys.executable)))
  (setv run (subprocess.run ["systemd-analyze" "verify" "--man=no" #* (gfor  unit UNITS  (str (/ tmp-path unit)))]
              :capture-output True :text True :timeout WAIT))
  (holds [run.returncode run.stdout run.stderr] [0 "" ""]))

(defn test-the-units-start-what-there-is []
  (holds (found r"^ExecStart=(.*)$" "dpfw-slave.service") "/opt/dpfw/bin/dpfw-slave")
  (setv [program #* arguments] (.split (found r"^ExecStart=(.*)$" "dpfw-slave@.service")))
  (holds program "/opt/dpfw/bin/dpfw-slave")
  (holds (. (parsed (lfor  word arguments  (.replace word "${DPFW_MASTER}" "node-a:10000"))) connect) #("node-a" 10000)))

(defn [(without "systemd-socket-activate" "systemd")] test-systemd-starts-a-slave-for-the-first-master []
  (setv port (free-port)
        process (subprocess.Popen
          ["systemd-socket-activate" "-l" f"127.0.0.1:{port}" #* (gfor  name os.environ  f"--setenv={name}") #* (slave-command)]
          :stdin subprocess.DEVNULL :stdout subprocess.PIPE :stderr subprocess.PIPE :text True))
  (try
    (assert (in "Listening on" (.readline process.stderr)))
    (with [master (Master)]
      (.connect master "127.0.0.1" port)
      (holds (run-task master '(fn [i o] (import os) (os.getpid))) process.pid))
    (.terminate process)
    (holds (get (ended process) 0) 0)
    (finally
      (.kill process)
      (.communicate process))))


;; The image

(defn test-the-containerfile-has-all-that-the-package-needs [tmp-path]
  (for [line (re.findall r"^COPY (.*)$" (text "Containerfile") re.M)]
    (setv [#* sources target] (.split line))
    (for [source sources]
      (if (.is-dir (/ ROOT source))
        (shutil.copytree (/ ROOT source) (/ tmp-path target) :ignore (shutil.ignore-patterns "__pycache__"))
        (shutil.copy (/ ROOT source) (/ tmp-path target)))))
  ; To build it takes a while, and tests/test_packaging.py does.
  (setv run (subprocess.run [PYTHON "-m" "hatchling" "metadata"]
              :cwd tmp-path :capture-output True :text True :timeout WAIT))
  (holds [run.returncode run.stderr] [0 ""])
  (holds (get (json.loads run.stdout) "version") dpfw.__version__)
  (for [path (re.findall r"^path = \"(.*)\"$" (.read-text (/ tmp-path "pyproject.toml")) re.M)]
    (assert (.exists (/ tmp-path path)) path)))

(defn test-the-containerfile-is-what-the-manifest-relies-on []
  (holds (found r"^ENTRYPOINT (.*)$" "Containerfile") "[\"dpfw-slave\"]")
  (assert (in "\ndpfw-slave = \"dpfw.slave:main\"\n" (.read-text (/ ROOT "pyproject.toml"))))
  (holds (. (parsed (json.loads (found r"^CMD (.*)$" "Containerfile"))) port) (int (found r"^EXPOSE (.*)$" "Containerfile")))
  (holds (found r"^ +runAsUser: (.*)$" "kubernetes.yaml") (found r"^USER (.*)$" "Containerfile")))


;; docs/clusters.md

(setv DOCUMENT (.read-text (/ ROOT "docs" "clusters.md") :encoding "utf-8"))

(defn test-the-program-in-the-document-is-the-example []
  (setv [shown] (re.findall r"^## The same program on each\n\n```hy\n(.*?)^```$" DOCUMENT (| re.M re.S))
        [outcome] (re.findall r"each time:\n\n```\n(.*?)```" DOCUMENT re.S))
  (holds (lfor  form (hy.read-many shown)  form)
    (lfor  form (hy.read-many (.replace TEXT LAUNCHES ""))  :if (not (isinstance form hy.models.String))  form))
  (holds (.splitlines outcome) (promised)))

(defn test-its-lines-are-forms-and-its-commands-have-such-options []
  (for [line [#* (re.findall r"^\| [^|`]+ \| `(\(.*?\))` \|" DOCUMENT re.M)
              #* (re.findall r"^```hy\n(.*?)^```$" DOCUMENT (| re.M re.S))]]
    (assert (list (hy.read-many line)) line))
  (setv commands (re.findall r"dpfw-slave (--connect [^'`\n]*)" DOCUMENT))
  (assert (> (len commands) 3) commands)
  (for [arguments commands]
    (parsed (.split (.strip arguments)))))

(defn block [part]
  "The Hy below a heading of the document; there is one."
  (setv [below] (re.findall f"^## {part}\n(.*?)(?=^## )" DOCUMENT (| re.M re.S))
        [text] (re.findall r"^```hy\n(.*?)^```$" below (| re.M re.S)))
  text)

(defn [pytest.fixture] evaluated []
  "A procedure that evaluates a text as at a prompt, form by form."
  (setv module (ModuleType "clusters")
        module.hy hy
        (get sys.modules "clusters") module)
  (yield (fn [text]
    (for [[form source wanted] (examples text)]
      (setv problem (check-example form wanted module))
      (assert (is problem None) f"{source}: {problem}"))))
  (dpfw-close)
  (del (get sys.modules "clusters")))

(defn changed [text was is-now]
  (assert (in was text) text)
  (.replace text was is-now))

(defn answers []
  (run-task (default-master) '(fn [i o] (+ 2 3))))

(defn [(pytest.mark.parametrize "part" ["MPI" "Slurm" "Kubernetes"])]
      test-slaves-dial-what-the-document-has-listen [evaluated monkeypatch part]
  (setv port (free-port)
        text (block part))
  (.setenv monkeypatch "DPFW_PORT" (str port))
  (evaluated (if (= part "Slurm") text (changed text "10000" (str port))))
  (with [_ (slave-process "--connect" f"127.0.0.1:{port}")]
    (holds (answers) 5)))

(defn test-the-document-dials-what-systemd-has-listen [evaluated]
  (with [[_ host port] (slave-server)]
    (evaluated (changed (changed (block "systemd") "10000" (str port)) "[\"node-a\" \"node-b\"]" f"[\"{host}\"]"))
    (holds (answers) 5)))

(defn test-the-document-launches-over-ssh [evaluated tmp-path monkeypatch]
  (program (/ tmp-path "ssh") (+ LAST-WORD f"HOME={tmp-path}" THROUGH-PIPES))
  (.mkdir (/ tmp-path "venv" "bin") :parents True)
  (program (/ tmp-path "venv" "bin" "python") f"exec {PYTHON} \"$@\"")
  (.setenv monkeypatch "PATH" f"{tmp-path}:{(get os.environ "PATH")}")
  (evaluated (changed (block "ssh") ":per-host 4" ":per-host 1"))
  (holds (len (dpfw-slaves)) 2)
  (holds (answers) 5))
