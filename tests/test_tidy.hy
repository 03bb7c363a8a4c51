"What people see of an error, wherever they sit: their own lines, the remote's last, and
no frames of dpfw's but at most one."

(import
  asyncio
  re
  subprocess
  sys
  traceback
  pytest
  dpfw.dispatch [mapping]
  dpfw.errors [Fault]
  dpfw.executor [Executor]
  dpfw.launch [dpfw-launch]
  dpfw.master [
    Master dpfw-broadcast dpfw-close dpfw-kill dpfw-make-task dpfw-map dpfw-map-unordered dpfw-parallel
    force read-result]
  dpfw.tidy [frames-of ours-in?]
  tests.helpers [holds]
  tests.processes [WAIT error-of slave-server])
(require dpfw.master [pfor plet])

(setv DIVIDE '(fn [i o] (/ 1 0)))

(defn [(pytest.fixture :scope "module")] slaves []
  (dpfw-launch 1)
  (yield)
  (dpfw-close))

(defn our-frames [error]
  (sum (map ours-in? (frames-of error.__traceback__))))

(defn divide []
  (dpfw-make-task DIVIDE read-result))

(defn :async awaited []
  (await (divide)))

(defn [(pytest.mark.parametrize "call" [
    (fn [] (force (divide)))
    (fn [] (.result (divide)))
    (fn [] (asyncio.run (awaited)))
    (fn [] (force (dpfw-make-task DIVIDE (fn [i o] (.readline i)))))
    (fn [] (force (dpfw-make-task '(fn [i o]) (fn [i o] (/ 1 0)))))
    (fn [] (dpfw-parallel [[DIVIDE read-result]]))
    (fn [] (dpfw-broadcast DIVIDE))
    (fn [] (dpfw-map '(fn [x] (/ 1 x)) [0]))
    (fn [] (list (dpfw-map-unordered '(fn [x] (/ 1 x)) [0])))
    (fn [] (pfor [x [0]] (/ 1 x)))
    (fn [] (plet [x (/ 1 0)] x))
    (fn [] (dpfw-make-task (fn [i o]) read-result))
    (fn [] (dpfw-map '(fn [x] x) [(object)]))
    (fn [] (dpfw-map '(fn [x] x) 5))
    (fn [] (dpfw-map 'abs))
    (fn [] (dpfw-parallel ['(fn [i o] 1)]))
    (fn [] (dpfw-kill None))
    (fn [] (with [e (Executor)] (.result (.submit e "(fn [x] (/ 1 x))" 0))))
    (fn [] (with [e (Executor)] (list (.map e "(fn [x] (/ 1 x))" [0]))))
    (fn [] (dpfw-launch -1))
    (fn [] (with [m (Master)] (.connect m "127.0.0.1" 100000)))])]
    test-one-frame-of-ours-is-left-at-most [slaves call]
  (setv error (error-of call))
  (assert (<= (our-frames error) 1) (traceback.format-exception error))
  (setv last (get (frames-of error.__traceback__) 0))
  (holds last.tb-frame.f-code.co-filename (. error-of __code__ co-filename)))

(defn test-the-frames-of-a-local-procedure-stay [slaves]
  (defn at-home [i o]
    (.readline i))
  (setv error (error-of force (dpfw-make-task DIVIDE at-home)))
  (assert (in "at_home" (lfor
    link (frames-of error.__traceback__)
    link.tb-frame.f-code.co-name)) (traceback.format-exception error)))

(defn test-forcing-again-adds-no-frames [slaves]
  (setv promise (divide)
        lengths (lfor  _ (range 3)  (len (frames-of (. (error-of force promise) __traceback__)))))
  (holds (len (set lengths)) 1))

(defn test-a-fault-of-ours-shows-where [slaves monkeypatch]
  (for [accident [(fn [#* _ #** options] (raise (Fault "odd"))) None]]
    (.setattr monkeypatch mapping "all_chunks" accident)
    (setv error (error-of dpfw-map 'abs [1]))
    (assert (> (our-frames error) 1) (traceback.format-exception error))))


(defn [(pytest.mark.parametrize #("call" "lines") [
    #((fn [] (plet [x (/ 1 0)] x)) ["(/ 1 0)"])
    #((fn [] (pfor [x [0]] (/ 1 x))) ["(fn [x] (/ 1 x))"])
    #((fn [] (dpfw-map 'nobody-knows-it [1])) ["nobody-knows-it"])
    #((fn [] (with [e (Executor)] (.result (.submit e "(fn [x] (/ 1 x))" 0)))) ["(fn [x] (/ 1 x))"])
    #((fn [] (with [e (Executor)] (list (.map e '(fn [x] (/ 1 x)) [0])))) ["(fn [x] (/ 1 x))"])])]
    test-no-line-is-shown-but-the-users [slaves call lines]
  (setv text (. (error-of call) traceback))
  (holds (re.findall r"^  File .*\n    (.*)$" text re.M) lines))


;; In front of a person. What is shown of the remote ends it all.

(defn [(pytest.fixture :scope "module")] server []
  (with [[_ host port] (slave-server)]
    (yield #(host port))))

(defn shown [command text]
  "What a program shows on standard error when it is given a text to read."
  (setv run (subprocess.run [sys.executable #* command] :input text :capture-output True
              :text True :timeout WAIT))
  run.stderr)

(defn check-last [text]
  (setv [before last] (.rsplit text "Traceback (most recent call last):\n" 1))
  (assert (re.fullmatch (+ r"  File \"<remote \d+>\", line 2, in <lambda>\n    \(fn \[x\] \(/ 1 x\)\)\n"
      r"(            \^+\n)?ZeroDivisionError: division by zero\nfor the item 0\n") last) text)
  (assert (in "RemoteZeroDivisionError: item 1: division by zero\n" text) text)
  (holds (.count text "(fn [x] (/ 1 x))\n") 1)
  (assert (not-in "tidy.hy" text) text)
  (assert (not-in "mapping.hy" text) text))

(defn program [server]
  (setv [host port] server)
  f"(import dpfw.master *)\n(dpfw-master-client {(hy.repr host)} {port})
(setv xs [1 0])\n(dpfw-map '(fn [x] (/ 1 x)) xs)\n")

(defn test-at-the-prompt-of-hy [server]
  (setv text (shown ["-m" "hy" "-i"] (program server))
        ; The first prompt of all is the banner's.
        text (cut text (.index text "Traceback") None))
  (check-last (.removesuffix text "\nnow exiting REPL...\n")))

(defn test-in-a-script-of-hy [server tmp-path]
  (setv file (/ tmp-path "script.hy"))
  (.write-text file (program server))
  (when (not (<= #(3 12) sys.version-info #(3 12 5)))  ; where Hy runs no file
    (check-last (shown ["-m" "hy" (str file)] ""))))

(defn [(pytest.mark.skipif (< sys.version-info #(3 11)) :reason "there, it comes first")]
    test-at-the-prompt-of-python [server]
  (setv [host port] server
        text (shown ["-i" "-q" "-c" "import sys; sys.ps1 = sys.ps2 = ''"] f"
from dpfw.master import *
_ = dpfw_master_client({host !r}, {port})
dpfw_map(\"(fn [x] (/ 1 x))\", [1, 0])
"))
  (check-last (+ (.rstrip text "\n") "\n")))

(defn test-in-a-log [slaves]
  (try
    (dpfw-map '(fn [x] (/ 1 x)) [1 0])
    (except [ZeroDivisionError]
      (setv text (traceback.format-exc))))
  (assert (in "test_tidy.hy" text) text)
  (holds (.count text "(fn [x] (/ 1 x))\n") 1)
  (holds (.count text "for the item 0\n") 1))

(defn test-in-ipython [server tmp-path]
  (setv [host port] server
        run (subprocess.run
          [sys.executable "-m" "IPython" f"--ipython-dir={tmp-path}" "--colors=nocolor" "-c" f"
from dpfw.master import *
slave = dpfw_master_client({host !r}, {port})
dpfw_map(\"(fn [x] (/ 1 x))\", [1, 0])
"] :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT)
        text run.stdout)
  (assert (not-in "tidy.hy" text) text)
  (if (hasattr Exception "add_note")
    (check-last (+ (.rstrip text) "\n"))
    (assert (in "for the item 0" text) text)))
