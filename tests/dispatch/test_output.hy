"What remotes print and log reaches their master: in order, of each task alone, and where
the user wants it."

(import
  contextlib [contextmanager]
  io
  logging
  re
  sys
  threading
  time
  types [SimpleNamespace]
  unittest.mock [patch]
  pytest
  dpfw.dispatch [output]
  dpfw.errors [WireError]
  dpfw.master [Master]
  dpfw.net [threads]
  dpfw.task.output [text-payload]
  dpfw.task.ports [read read-result write]
  tests.helpers [holds message]
  tests.processes [await-so error-of idle-slaves launched run-task WAIT])

(defn [(pytest.fixture :scope "module")] two []
  ; No thread of its pool stays for longer than a test.
  (with [_ (patch.object threads "PARKED" 0)  both (launched 2)]
    (yield both)))

(defn [pytest.fixture] master [two]
  (setv [master _] two)
  (await-so master (fn [] (= (len (idle-slaves master)) 2)))
  (yield master)
  (setv master.output True))

(defn [(pytest.fixture :autouse True)] shown-in-time []
  "Results have all the time to wait for what is shown before them."
  (with [_ (patch.object output "SETTLE" WAIT)]
    (yield)))

(defn [pytest.fixture] patiently []
  "Equal lines have all the time to be folded."
  (with [_ (patch.object output "WINDOW" WAIT)]
    (yield)))

(defclass Lines [list]
  "A function to be given as `:output`, and the lines that it has got."

  (defn __call__ [self slave stream line]
    (.append self (if (= stream "stdout") line #(stream line)))))

(defn printed [master remote [local None] #** options]
  "The lines that a remote prints."
  (setv lines (Lines))
  (run-task master remote local :output lines #** options)
  lines)

(defclass Screen [io.StringIO]
  "Tells when something is on it."

  (defn __init__ [self]
    (.__init__ (super))
    (setv self.written (threading.Event)))

  (defn write [self text]
    (.write (super) text)
    (.set self.written)))

(defn [contextmanager] screens []
  (setv screens [(Screen) (Screen)])
  (with [_ (patch.object sys "stdout" (get screens 0))  _ (patch.object sys "stderr" (get screens 1))]
    (yield screens)))


;; * What is caught

(defn test-all-that-a-task-prints-comes-in-order-before-its-result [master]
  (for [_ (range 10)]
    (holds
      (printed master '(do
        (import ctypes os subprocess sys)
        (fn [i o]
          (print "print")
          (os.system "echo a shell")
          (print "print again")
          (subprocess.run ["echo" "a child"])
          (os.write 1 b"a descriptor\n")
          (.write sys.stdout "one line, ")
          (.write sys.stdout "in pieces\n")
          (.write sys.stdout.buffer b"bytes \xff\n")
          (.puts (ctypes.CDLL None) b"C")
          (print "original" :file sys.__stdout__)
          (print "no end" :end ""))))
      ["print" "a shell" "print again" "a child" "a descriptor" "one line, in pieces" "bytes \\xff" "C"
       "original" "no end"])))

(defn test-standard-error-too [master]
  (setv lines (printed master '(do
    (import faulthandler os subprocess sys threading)
    (fn [i o]
      (print "print" :file sys.stderr)
      (os.system "echo a shell >&2")
      (faulthandler.dump-traceback :all-threads False)
      (setv t (threading.Thread :target (fn [] (/ 1 0))))
      (.start t)
      (.join t)))))
  (holds (cut lines 2) [#("stderr" "print") #("stderr" "a shell")])
  (assert (in "most recent call first" (get lines 2 1)) lines)
  (holds (get lines -1) #("stderr" "ZeroDivisionError: division by zero"))
  (holds (sfor  [stream _] lines  stream) #{"stderr"}))

(defn test-threads-of-a-remote-and-theirs-are-its-own [master]
  (holds
    (sorted (printed master '(do
      (import concurrent.futures [ThreadPoolExecutor] threading)
      (fn [i o]
        (with [pool (ThreadPoolExecutor 2)]
          (list (.map pool (fn [n] (print "pool" n)) (range 3))))
        (defn start-another []
          (setv t (threading.Thread :target print :args ["deep"]))
          (.start t)
          (.join t))
        (setv t (threading.Thread :target start-another))
        (.start t)
        (.join t)))))
    ["deep" "pool 0" "pool 1" "pool 2"]))

(defn test-child-processes-of-multiprocessing-are-its-own [master]
  (holds
    (printed master '(do
      (import multiprocessing os)
      (fn [i o]
        (print "before" :end " ")
        (setv p (.Process (multiprocessing.get-context "fork") :target print :args ["child"]))
        (.start p)
        (.join p)
        (print "after"))))
    ; The child's line comes into the middle of one, as on a terminal.
    ["before child" "after"]))

(defn test-what-a-remote-left-behind-prints-is-not-the-next-task-s [master]
  (setv slave (get (idle-slaves master) 0)
        rest (Lines)
        master.output rest)
  (holds
    (printed master :slave slave '(do
      (import threading)
      (fn [i o]
        (setv go (threading.Event))
        (setv t (threading.Thread :target (fn [] (.wait go) (print "left behind"))))
        (hash-table-set! (dpfw-slave-ht) "left" #(go t))
        (.start t)
        (print "first" :end ""))))
    ["first"])
  (holds
    (printed master :slave slave '(fn [i o]
      (print "sec" :end "")
      (setv [go t] (.pop (dpfw-slave-ht) "left"))
      (.set go)
      (.join t)
      (print "ond")))
    ["second"])
  (holds rest ["left behind"]))

(defn test-a-slave-has-no-terminal-and-says-so [master]
  (holds
    (run-task master '(do (import sys) (fn [i o] [(.isatty sys.stdout) (.fileno sys.stdout) sys.stdout.encoding])))
    [False 1 "utf-8"])
  (assert (isinstance (error-of run-task master '(fn [i o] (input "Name? ")) :output (setx lines (Lines))) EOFError))
  (holds lines ["Name? "]))

(defn test-output-comes-before-an-error-as-well [master]
  (setv lines (Lines))
  (assert (isinstance (error-of run-task master '(fn [i o] (print "last words") (/ 1 0)) :output lines)
                      ZeroDivisionError))
  (holds lines ["last words"]))

(defn test-a-local-procedure-is-not-disturbed [master]
  (defn local [i o]
    (setv got [])
    (for [n (range 3)]
      (write n o)
      (.append got (read i)))
    [#* got (read i)])
  (setv lines (Lines))
  (holds
    (run-task master '(do (import time)
      (fn [i o]
        (for [_ (range 3)]
          (setv n (read i))
          (print "got" n)
          (write (* 2 n) o)
          (.flush o)
          (print "gave"))
        "end")) local :output lines)
    [0 2 4 "end"])
  (holds lines ["got 0" "gave" "got 1" "gave" "got 2" "gave"]))

(defn test-a-remote-that-prints-without-end-can-be-cancelled [master]
  (setv slave (get (idle-slaves master) 0))
  (for [remote ['(fn [i o] (write "it runs" o) (.flush o) (while True (print "on and on")))
                '(do (import subprocess) (fn [i o]
                  (setv child (subprocess.Popen ["yes" "on and on"]))
                  (try
                    (write "it runs" o)
                    (.flush o)
                    (.wait child)
                    (finally
                      (.kill child)
                      (.wait child)))))]]
    (setv printed-some (threading.Event)
          runs (threading.Event))
    (defn local [i o]
      (read i)
      (.set runs)
      (read i))
    (setv promise (.make-task master remote local slave :output (fn [slave stream line] (.set printed-some))))
    (assert (and (.wait runs WAIT) (.wait printed-some WAIT)))
    (assert (.cancel promise))
    ; The wire and the lines are whole.
    (holds (printed master '(fn [i o] (print "next")) :slave slave) ["next"])))


;; * Where it goes

(defn test-it-is-shown-with-the-slave-s-name [master]
  (setv slave (get (idle-slaves master) 0))
  (with [[out err] (screens)]
    (run-task master '(do (import sys) (fn [i o] (print "to\tout\x1b[1m\r\n\nline") (print "to err" :file sys.stderr)))
      :slave slave)
    ; The result is there, and so is this.
    (holds (.getvalue out) (.replace "[N] to\tout\\x1b[1m\n[N] \n[N] line\n" "N" slave.name))
    (holds (.getvalue err) f"[{slave.name}] to err\n"))
  (assert (re.fullmatch r"[^/]+/[0-9]+" slave.name) slave.name))

(defn test-equal-lines-of-several-slaves-are-one [master patiently tmp-path]
  (with [[out _] (screens)]
    ; One slave has had a remote more than the other.
    (run-task master '(fn [i o] "one more"))
    (.broadcast master `(do (import os tempfile time traceback) (fn [i o]
      ; When both run.
      (tempfile.mkstemp :dir ~(str tmp-path))
      (for [_ (range 3000)]
        (when (= (len (os.listdir ~(str tmp-path))) 2)
          (break))
        (time.sleep 0.01))
      (print "same")
      (print (get (.splitlines (get (traceback.format-stack) -1)) 0)))))
    (setv shown (.getvalue out))
    (assert (re.fullmatch r"\[2 slaves\] same\n\[2 slaves\]   File \"<remote \d+>\", line 1, in .*\n" shown) shown)))

(defclass Idle []
  "A slave that is at no work, of a network of such slaves."

  (defn __init__ [self name]
    (setv self.busy False  self.name name)))

(defn test-what-comes-while-lines-are-looked-at-is-looked-at-too []
  (setv begun []
        node (SimpleNamespace :threads (SimpleNamespace :run-late (fn [show] (.append begun show) True)))
        network (SimpleNamespace :node node
          :dispatcher (SimpleNamespace :idle [] :registry (SimpleNamespace :connected [])))
        it (output.Output network)
        note it.note-shown)
  (defn note-shown [slave #* rest]
    (note slave #* rest)
    (when (= slave.name "one")
      ; Its task has ended as well by then.
      (.put it (Idle "two") True ["stdout" "same\n"])))
  (setv it.note-shown note-shown)
  (with [[out _] (screens)]
    (.put it (Idle "one") True ["stdout" "same\n"])
    ((.pop begun))
    (holds (.getvalue out) "[2 slaves] same\n"))
  (holds [it.came it.done it.waiting it.thread] [2 2 {} None]))

(defn test-a-line-that-nobody-else-can-print-is-shown-at-once [master patiently tmp-path]
  (setv path (str (/ tmp-path "go")))
  (with [[out _] (screens)]
    (setv promise (.make-task master `(do (import os time) (fn [i o]
            (print "now")
            (for [_ (range 3000)]
              (when (os.path.exists ~path)
                (return "it is there"))
              (time.sleep 0.01)))) read-result))
    (assert (.wait out.written WAIT))
    (assert (in "] now\n" (.getvalue out)) (.getvalue out))
    (.close (open path "w"))
    (holds (.result promise WAIT) "it is there")))

(defn test-who-forces-a-promise-sees-its-output-first-though-others-are-at-work [master patiently]
  (setv [one other] (idle-slaves master)
        go (threading.Event))
  (with [[out _] (screens)]
    (setv busy (.make-task master '(fn [i o] (read i)) (fn [i o] (.wait go WAIT) (write 1 o) (read i)) other))
    (run-task master '(fn [i o] (print "seen")) :slave one)
    (assert (in "] seen\n" (.getvalue out)) (.getvalue out))
    (.set go)
    (holds (.result busy WAIT) 1)))

(defn test-a-map-s-output-is-shown-before-its-results [master]
  (setv lines (Lines))
  (defn slowly [#* printed]
    (time.sleep 0.02)
    (lines #* printed))
  (setv master.output slowly)
  (holds (.map master '(fn [x] (print "item" x) x) (range 4) :chunk-size 1) [0 1 2 3])
  (holds (sorted lines) ["item 0" "item 1" "item 2" "item 3"]))

(defn test-a-task-s-own-output-stands-before-the-master-s [master]
  (setv all (Lines)  file (io.StringIO)
        slave (get (idle-slaves master) 0)
        remote '(do (import sys) (fn [i o] (print "x\x1b") (print "y" :file sys.stderr) 5))
        master.output all)
  (for [[options rest] [[{"output" None} []] [{"output" file} []] [{} ["x\x1b" #("stderr" "y")]]]]
    (.clear all)
    (holds (run-task master remote :slave slave #** options) 5)
    (holds all rest))
  (holds (.getvalue file) (.replace "[N] x\\x1b\n[N] y\n" "N" slave.name))
  (holds master.output all))

(defn test-what-cannot-be-an-output-is-refused [master]
  (for [wrong ["log.txt" 5 [print]]]
    (for [attempt [(fn [] (.make-task master '(fn [i o]) read-result :output wrong))
                   (fn [] (setv master.output wrong))]]
      (setv error (error-of attempt))
      (assert (isinstance error TypeError) (repr error))
      (assert (in f"the output is {wrong !r}; give an open file" (str error)) (str error)))))

(defn test-a-function-that-fails-is-told-once-and-the-task-is-well [master caplog]
  (defn fails [slave stream line]
    (raise (KeyError "of the user's")))
  (for [_ (range 2)]
    (holds (run-task master '(fn [i o] (print 1) (print 2) 5) :output fails) 5))
  (setv [record] (lfor  r caplog.records  :if (= r.name "dpfw.dispatch.output")  r))
  (assert (in "of the user's" (str (get record.exc-info 1))) record))

(defn test-a-function-that-waits-stops-no-other-task-and-its-output-is-bounded [master]
  (setv go (threading.Event)  lines (Lines)
        [slave other] (idle-slaves master))
  (defn slow [#* printed]
    (.wait go WAIT)
    (lines #* printed))
  (with [_ (patch.object output "ROOM" 100,000)  _ (patch.object output "SETTLE" 0)]
    (setv n 50,000
          promise (.make-task master `(fn [i o] (for [k (range ~n)] (print k))) read-result slave :output slow))
    (holds (run-task master '(fn [i o] 5) :slave other) 5)
    (.result promise WAIT)
    ; All of it would take five times as much. A frame is taken, however long it is.
    (assert (<= (max (.values master.network.output.waiting)) 1,000,000))
    (.set go)
    (.settle master.network.output :patience WAIT))
  ; Where lines are missing, a line says how much that was.
  (setv expected 0  notices 0)
  (for [line lines]
    (if (is (type line) str)
      (do
        (holds line (str expected))
        (+= expected 1))
      (do
        (setv lost (int (.group (re.fullmatch "… ([0-9]+) characters left out here, .*" (get line 1)) 1)))
        (+= notices 1)
        (while (> lost 0)
          (-= lost (+ 1 (len (str expected))))
          (+= expected 1))
        (holds lost 0))))
  (holds expected n)
  (assert notices "nothing was left out"))

(defn test-what-is-not-shown-yet-is-when-the-master-leaves [patiently]
  (with [[out _] (screens)]
    (with [[master [one other]] (launched 2)]
      (.make-task master '(fn [i o] (read i)) (fn [i o] (read i)) other)
      (setv done (threading.Event)
            promise (.make-task master '(fn [i o] (print "at last")) read-result one))
      (.add-done-callback promise (fn [p] (.set done)))
      (assert (.wait done WAIT)))
    (assert (in "] at last\n" (.getvalue out)) (.getvalue out))))


;; * Log records

(defn mine [caplog]
  (lfor  r caplog.records  :if (= r.name "of.a.remote")  r))

(defn test-log-records-come-with-their-logger-and-level [master caplog]
  (setv slave (get (idle-slaves master) 0))
  (run-task master :slave slave '(do
    (import logging)
    (fn [i o]
      (setv log (logging.getLogger "of.a.remote"))
      (.info log "below the slave's level")
      (.warning log "%d warnings \x1b" 2)
      (try
        (/ 1 0)
        (except [Exception]
          (.exception log "failed"))))))
  (setv [warning failure] (mine caplog))
  (holds [warning.levelno (.getMessage warning) warning.slave] [30 "2 warnings \\x1b" slave.name])
  (holds [failure.levelname (.getMessage failure)] ["ERROR" "failed"])
  (assert (.startswith failure.exc-text "Traceback (most recent call last):\n") failure.exc-text)
  (assert (.endswith failure.exc-text "ZeroDivisionError: division by zero") failure.exc-text))

(defn test-levels-are-set-on-the-slave-and-here [master caplog]
  (setv remote '(do
    (import logging)
    (fn [i o]
      (setv log (logging.getLogger "of.a.remote"))
      (.setLevel log "DEBUG")
      (.debug log "debug")
      (.info log "info")
      (.setLevel log "NOTSET"))))
  (.set-level caplog "DEBUG")
  (with [_ (patch.object (logging.getLogger "of.a.remote") "level" logging.INFO)]
    (run-task master remote))
  (holds (lfor  r (mine caplog)  (.getMessage r)) ["info"]))

(defn test-slaves-cannot-make-loggers-without-end [master caplog]
  (with [_ (patch.object output "MOST_LOGGERS" 0)]
    (run-task master '(do (import logging) (fn [i o] (.warning (logging.getLogger "never.seen.here") "w")))))
  (assert (not-in "never.seen.here" logging.root.manager.loggerDict))
  (holds (lfor  r caplog.records  :if (= r.name "dpfw.remotes")  (.getMessage r)) ["w"]))


;; * What makes no sense

(defn [(pytest.mark.parametrize #("number" "payload") [
    #(1 b"[\"stdout\" \"x\\n\"]") #(3 b"[\"stdout\" \"x\\n\"]")
    #(2 b"") #(2 b"\xff") #(2 b"[]") #(2 b"\"x\"") #(2 b"[\"stdin\" \"x\"]") #(2 b"[\"stdout\" 5]")
    #(2 b"[\"stdout\" \"x\" 1]") #(2 b"#(\"stdout\" \"x\")")
    #(2 b"[\"log\" \"a\" 30 \"m\"]") #(2 b"[\"log\" \"a\" True \"m\" \"\"]") #(2 b"[\"log\" \"a\\nb\" 30 \"m\" \"\"]")
    #(2 b"[\"log\" \"a\" -1 \"m\" \"\"]") #(2 b"[\"log\" \"a\" 30 \"m\" None]")
    #(2 b"[\"log\" (range 1 1000000000 1) 30 \"m\" \"\"]")])]
  test-output-that-makes-no-sense-ends-the-session [number payload two]
  (setv [master _] two
        out master.network.output
        session (SessionOf 2))
  (with [e (pytest.raises WireError)]
    (.take out session number payload))
  (assert (.startswith (str e.value) "a peer sent output") (str e.value)))

(defclass SessionOf []
  (defn __init__ [self number]
    (setv self.task self  self.number number  self.promise None
          self.connection self  self.peer "a peer")))

(defn test-output-that-nobody-asked-for-ends-the-session []
  (with [master (Master :output None)]
    (with [e (pytest.raises WireError)]
      (.take master.network.output (SessionOf 2) 2 (text-payload "stdout" "x\n")))
    (message e "was not asked for it")))
