"The master in CHICKEN, examples/chicken, runs the examples of the original documentation."

(import
  shutil
  pytest
  tests.example-runs [EXAMPLES promised-lines]
  tests.helpers [holds]
  tests.lisps.strangers [ended-badly ended-well finds-out-false-slaves needs run]
  tests.processes [slave-server])
(require hyrule.control [unless])

(setv FOLDER (/ EXAMPLES "chicken"))

(defn [(pytest.fixture :scope "module")] program [tmp-path-factory]
  "The folder of the master, compiled."
  (needs "csc" "csi" "cc")
  (unless (= 0 (. (run ["cc" "-E" "-x" "c" "-"] :input "#include <openssl/hmac.h>\n") returncode))
    (pytest.skip "there is no openssl/hmac.h; on Debian: apt-get install libssl-dev"))
  (setv folder (/ (.mktemp tmp-path-factory "chicken") "chicken"))
  (shutil.copytree FOLDER folder)
  (ended-well (run ["make" "-C" folder]))
  folder)

(defn [(pytest.fixture :scope "module")] slave []
  (with [[_ host port] (slave-server)]
    (yield #(host port))))

(defn examples [folder host port #** environment]
  (run ["env" "-C" folder "csi" "-s" "examples.scm" host port] #** environment))

(defn test-the-examples-of-the-original [program slave]
  (setv it (ended-well (examples program #* slave)))
  (holds (.splitlines it.stdout) (promised-lines (.read-text (/ FOLDER "examples.scm") :encoding "utf-8"))))

(defn test-another-cookie [program slave]
  (ended-badly (examples program #* slave :DPFW-COOKIE "another cookie than theirs") "the cookies differ"))

(defn test-who-is-no-slave-is-found-out [program]
  (finds-out-false-slaves (fn [host port] (examples program host port))))
