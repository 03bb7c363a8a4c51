"The master in Racket, examples/racket, does what its page says, with real slaves."

(import
  shutil
  pytest
  dpfw.data.sexp [read-datum write-datum]
  tests.example-runs [EXAMPLES promised-lines]
  tests.helpers [holds]
  tests.lisps.strangers [
    ended-badly ended-well finds-out-a-middle-man finds-out-false-slaves needs run]
  tests.net.test-tls [slave-server-on]
  tests.processes [slave-server]
  tests.tls-strangers [machines])

(setv
  FOLDER (/ EXAMPLES "racket")
  ; Each value as a line, through Racket to a slave and back.
  ECHO #[[#lang racket/base
    (require "dpfw.rkt")
    (define s (dpfw-master-client (getenv "SLAVE_HOST") (string->number (getenv "SLAVE_PORT"))))
    (let loop ()
      (define x (read (current-input-port)))
      (unless (eof-object? x)
        (write (force (dpfw-make-task (hy (fn [i o] ,x)) read-result s)) (current-output-port))
        (loop)))]]
  TEXTS [
    "None" "True" "False" "0" "-7" (str (** 2 70)) (write-datum (** 3 2000)) (write-datum (- (** 3 2000)))
    "1.5" "-0.0" "1e+300" "1e-07" "NaN" "Inf" "-Inf" "2j" "1.5-2j" "NaN-Infj" "-0-0j"
    "\"\"" "\"a\\u001b\\u0000\\u007f\\u2028\\n\\t\\\"\\\\ é 😀\"" (write-datum (bytes (range 256)))
    "[]" "#()" "[1 [2 #(3)] \"a\"]" "#{1 2 3}" "#{}" "{}" "{\"a\" 1  2 [None]  #(1) b\"x\"}"
    ":a-b" "'a-symbol" "'+" "['higher -1]" "(Fraction 1 3)" "(date 2024 2 29)" "(frozenset #{1})" "(deque [1 2] 5)"
    "(Decimal \"1.50\")" "(bytearray b\"\\xff\")"])


(defn [(pytest.fixture :scope "module")] program [tmp-path-factory]
  "The folder of the master, compiled."
  (needs "racket" "raco")
  (setv folder (/ (.mktemp tmp-path-factory "racket") "racket"))
  (shutil.copytree FOLDER folder)
  (ended-well (run ["raco" "make" (/ folder "example.rkt")]))
  folder)

(defn [(pytest.fixture :scope "module")] slave []
  (with [[_ host port] (slave-server)]
    (yield #(host port))))

(defn example [folder host port [there []] #** environment]
  (run [#* there "racket" (/ folder "example.rkt") host port] #** environment))

(defn kept-its-promises [run]
  (ended-well run)
  (holds (.splitlines run.stdout) (promised-lines (.read-text (/ FOLDER "example.rkt") :encoding "utf-8"))))


(defn test-the-example-over-loopback [program slave]
  (kept-its-promises (example program #* slave)))

(defn test-the-example-over-tls-between-two-machines [program]
  (with [[a b] (machines)
         [_ port] (slave-server-on b b.address)]
    (defn dial [host port #** environment]
      (example program host port :there (.command a) #** environment))
    (kept-its-promises (dial b.address port))
    (ended-badly (dial b.address port :DPFW-COOKIE "another cookie than theirs") "the cookies differ")
    (finds-out-a-middle-man a b port dial)))

(defn test-another-cookie [program slave]
  (ended-badly (example program #* slave :DPFW-COOKIE "another cookie than theirs") "the cookies differ"))

(defn test-who-is-no-slave-is-found-out [program]
  (finds-out-false-slaves (fn [host port] (example program host port))))

(defn test-data-are-values-of-racket-and-come-back-as-they-were [program slave]
  (.write-text (/ program "echo.rkt") ECHO)
  (setv [host port] slave
        echo (ended-well (run ["racket" (/ program "echo.rkt")]
               :input (+ (.join "\n" TEXTS) "\n")  :SLAVE-HOST host  :SLAVE-PORT (str port))))
  (for [[text back] (zip TEXTS (.splitlines echo.stdout) :strict True)]
    (setv x (read-datum text)  y (read-datum back))
    (assert (is (type x) (type y)) f"{text} came back as {back}")
    ; NaN is not equal to itself, and 0.0 is to -0.0; sets and dicts may have another order.
    (assert (or (= (write-datum x) (write-datum y))
                (and (isinstance x #(set dict)) (= x y)))
      f"{text} came back as {back}")))

(defn test-it-is-short []
  (setv lines (sum (gfor
    name ["dpfw.rkt" "data.rkt"]
    (len (.splitlines (.read-text (/ FOLDER name) :encoding "utf-8"))))))
  (assert (<= lines 200) f"the master has {lines} lines"))
