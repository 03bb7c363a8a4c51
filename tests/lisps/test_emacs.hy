"The master in Emacs Lisp, examples/emacs/dpfw.el, passes its own tests in batch mode, with
a real slave."

(import
  pathlib [Path]
  re
  tests.example-runs [EXAMPLES]
  tests.helpers [holds]
  tests.lisps.strangers [ended-well finds-out-a-middle-man finds-out-false-slaves needs run]
  tests.net.test-tls [slave-server-on]
  tests.processes [slave-server]
  tests.tls-strangers [machines])

(setv
  FILE (/ EXAMPLES "emacs" "dpfw.el")
  TESTS (/ (. (Path __file__) parent) "dpfw-tests.el"))

(defn emacs [#* arguments [there []] #** environment]
  (run [#* there "emacs" "-Q" "--batch" "-l" FILE #* arguments] #** environment))

(defn passes-its-tests [host port [there []]]
  (setv it (ended-well (emacs "-l" TESTS "-f" "ert-run-tests-batch-and-exit" :there there
             :DPFW-TEST-HOST host :DPFW-TEST-PORT (str port)))
        passed (re.findall r"passed +\d+/\d+ +(\S+)" it.stderr))
  (holds (sorted passed) (sorted (re.findall r"\(ert-deftest (\S+)" (.read-text TESTS :encoding "utf-8")))))

(defn dial [host port [there []]]
  (emacs "--eval" f"(dpfw-connect \"{host}\" {port})" :there there))

(defn test-its-tests-over-loopback []
  (needs "emacs")
  (with [[_ host port] (slave-server)]
    (passes-its-tests host port)))

(defn test-its-tests-over-tls-between-two-machines []
  (needs "emacs")
  (with [[a b] (machines)
         [_ port] (slave-server-on b b.address)]
    (passes-its-tests b.address port :there (.command a))
    (finds-out-a-middle-man a b port (fn [host port] (dial host port :there (.command a))))))

(defn test-who-is-no-slave-is-found-out []
  (needs "emacs")
  (finds-out-false-slaves dial))

(defn test-it-compiles-without-a-warning [tmp-path]
  (needs "emacs")
  (setv copy (/ tmp-path "dpfw.el"))
  (.write-text copy (.read-text FILE :encoding "utf-8") :encoding "utf-8")
  (setv it (run ["emacs" "-Q" "--batch" "-f" "batch-byte-compile" copy]))
  (holds #(it.returncode it.stderr) #(0 "")))
