"Launched slaves that die: what their tasks are told, and who comes in their place."

(import
  contextlib [contextmanager suppress]
  logging
  os
  re
  signal
  socket
  threading
  pytest
  dpfw.errors [MasterClosed SlaveLost]
  dpfw.launch [dpfw-launch]
  dpfw.master [Master]
  dpfw.processes [place]
  dpfw.processes [ending :as endings]
  dpfw.processes.ending [MemoryKills ending]
  dpfw.processes.linked [close-read]
  dpfw.task.ports [read-result]
  tests.helpers [holds until]
  tests.processes [await-so error-of launched pausing run-task WAIT])
(eval-when-compile (require hyrule.control [unless]))

(setv PID '(fn [i o] (import os) (os.getpid)))

(defn [(pytest.fixture :scope "module")] master []
  "A master with slaves enough for a test each to die of."
  (with [_ (pausing 3600)
         [master _] (launched 9)]
    (yield master)))

(defn slaves-of [master]
  "With the dispatcher's lock."
  (list (.values master.network.dispatcher.registry.connected)))

(defn dies [master remote [local read-result] #** options]
  "The message that a task is told which ends its slave."
  (setv error (.exception (.make-task master remote local #** options) WAIT))
  (assert (isinstance error SlaveLost) (repr error))
  (str error))

(defn says [text #* parts]
  (for [part parts]
    (assert (in part text) f"{part !r} is not in {text !r}")))


;; What is told

(defn test-a-status [master]
  (setv slave (get (.slaves master) 0))
  (holds (dies master '(fn [i o] (import os) (os._exit 3)) :slave slave :name "x") (+
    f"the slave {slave.name} at localhost/{slave.process.pid} was lost: its process {slave.process.pid} ended with status 3. "
    "What became of the task 'x' is unknown; if it may run twice, give it :retries (see docs/how-to/a-slave-died.md). "
    "It ran (fn [i o] (import os) (os._exit 3))")))

(defn test-a-signal-and-what-the-remote-printed-last [master]
  (says
    (dies master '(fn [i o] (import os signal sys) (.write sys.stderr "bye \x1b[2J\n") (os.kill (os.getpid) signal.SIGUSR1)))
    "was ended by SIGUSR1. It printed last: bye \\x1b[2J. What became"))

(defn test-the-last-word-of-c-code [master]
  ; It holds the interpreter, so nobody reads what it writes before the process has ended.
  (says
    (dies master '(fn [i o] (import ctypes) (.errx (ctypes.PyDLL None) 3 b"out of luck")))
    "ended with status 3 and said: " ": out of luck. What became"))

(defn [pytest.fixture] silent-master []
  "One that has asked for no output, so what remotes print is what their process says."
  (with [master (Master)]
    (setv master.output None)
    (dpfw-launch 2 master)
    (yield master)))

(defn test-a-signal-and-a-last-word [silent-master capfd]
  (says
    (dies silent-master '(fn [i o] (import os signal sys) (.write sys.stderr "bye \x1b[2J\n") (os.kill (os.getpid) signal.SIGUSR1)))
    "was ended by SIGUSR1 and said: bye \\x1b[2J. What became")
  ; It is passed on as it was.
  (setv err "")
  (until (fn []
    (nonlocal err)
    (+= err (. (.readouterr capfd) err))
    (in "bye \x1b[2J\n" err))))

(defn test-many-last-words-are-lines [silent-master]
  (setv text (dies silent-master '(fn [i o] (import os) (for [n (range 100)] (os.write 2 (.encode f"line {n}\n"))) (os._exit 1))))
  (says text "status 1. What became" (+ ". It said last:" #* (gfor  n (range 92 100)  f"\n  line {n}"))))

(defn test-a-crash-says-where [master]
  (setv text (dies master '(fn [i o] (import ctypes) (ctypes.string-at 0))))
  (says text "was ended by SIGSEGV" "It ran (fn [i o] (import ctypes) (ctypes.string-at 0)). It said last:"
    "\n  Fatal Python error: Segmentation fault\n" "in string_at\n")
  (assert (re.search r"File \"<remote \d+>\", line 1 in \S+$" text) text))

(defn test-a-local-procedure-hears-it-too [master]
  (setv heard [])
  (defn local [i o]
    ; One that is lost before is not told to it: it is not called.
    (print "go" :file o :flush True)
    (try
      (.read i)
      (except [e SlaveLost]
        (.append heard (str e))
        "heard")))
  (setv remote '(fn [i o] (.readline i) (print "so" :file o :flush True) (import os) (os._exit 4)))
  (holds (.result (.make-task master remote local) WAIT) "heard")
  (says (get heard 0) "ended with status 4"))

(defn test-a-chunk-says-its-items-and-nothing-of-its-text [master]
  (setv error (error-of master.map '(fn [x] (import os) (os._exit x)) [5 6 7] :chunk-size 3))
  (assert (isinstance error SlaveLost) (repr error))
  (says (str error) "items 0 to 2: the slave " "ended with status 5")
  (assert (not-in "It ran" (str error)) (str error)))

(defn test-an-idle-slave-that-dies-costs-no-task [master]
  ; The one that is given the next task.
  (setv pid (run-task master PID)
        slave (next (gfor  s (.slaves master)  :if (= s.process.pid pid)  s)))
  ; Nobody puts an end to its connection.
  (with [_ slave.linked.lock]
    (os.kill pid signal.SIGKILL)
    (with [_ (suppress ChildProcessError)]  ; somebody has taken note of its end
      (os.waitid os.P-PID pid (| os.WEXITED os.WNOWAIT)))
    (assert (!= (run-task master PID) pid))))

(defn test-a-child-that-outlives-its-slave-hides-nothing [master]
  (setv pids [])
  (defn local [i o]
    (.append pids (.readline i))
    (.write o "go\n")
    (.flush o)
    (.read i))
  (says
    (dies master '(fn [i o]
        (import os time)
        (setv child (os.fork))
        (when (= child 0)
          (time.sleep 60)
          (os._exit 0))
        (print child :file o)
        (.flush o)
        (.readline i)
        (os._exit 9)) local)
    "ended with status 9")
  (os.kill (int (get pids 0)) signal.SIGKILL))


(defn test-the-end-of-a-pair-is-no-error-though-something-was-not-read []
  (setv [ours theirs] (socket.socketpair))
  (with [_ ours]
    (.sendall ours b"never read")
    (.sendall theirs b"said")
    (close-read theirs)
    (holds [(.recv ours 100) (.recv ours 100)] [b"said" b""])))


;; Who comes in its place

(defn test-another-comes-which-is-prepared-and-does-what-may-be-retried [caplog]
  (with [_ (pausing 0.001)
         [master [doomed]] (launched 1)]
    (.on-connect master '(fn [i o] (hash-table-set! (dpfw-slave-ht) "ready" True)))
    (run-task master '(fn [i o] (hash-table-set! (dpfw-slave-ht) "doomed" True)))
    (setv got (run-task master
      '(fn [i o]
        (import os)
        (when (hash-table-ref/default (dpfw-slave-ht) "doomed" False)
          (os._exit 1))
        [(os.getpid) (hash-table-ref (dpfw-slave-ht) "ready")])
      :retries 1))
    (setv [slave] (.slaves master))
    (holds [doomed.lost got] [True [slave.process.pid True]])
    (until (fn [] (in (+ f"the slave {doomed.name} is lost: its process {doomed.process.pid} ended with status 1; "
                         "another is started in its place") caplog.text)))
    ; Nor was anybody alone meanwhile.
    (assert (not-in "this master has no slave" caplog.text))))

(defn test-none-comes-for-one-that-was-killed []
  (with [[master [slave other]] (launched 2)]
    (setv promise (.make-task master '(fn [i o] (while True)) read-result slave))
    (until (fn [] (= slave.state "busy")))
    (.kill master slave)
    (says (str (.exception promise WAIT)) "was killed, as its master was told to do")
    (.kill master other)
    ; Nobody is to come any more, before it is heard that who was here has hung up.
    (until (fn [] (not master.node.closers)))
    (until (fn [] (= (.slaves master) [])))))

(defn test-five-that-die-of-one-task-are-enough []
  (with [_ (pausing 0.001)
         [master _] (launched 2)]
    (setv error (error-of run-task master '(fn [i o] (import os) (os._exit 1)) :retries 100 :name "deadly"))
    (assert (isinstance error SlaveLost) (repr error))
    (says (str error) "5 slaves in a row have died while they ran it, so it is not tried again" "task 'deadly'" "status 1")
    ; The program goes on.
    (holds (.map master '(fn [x] (* x x)) (range 4)) [0 1 4 9])
    (await-so master (fn [] (= (len (slaves-of master)) 2)))))

(defn test-fewer-than-five-are-as-many-as-retries []
  (with [_ (pausing 0.001)
         [master _] (launched 1)]
    (setv text (str (error-of run-task master '(fn [i o] (import os) (os._exit 1)) :retries 1)))
    (says text "if it may run twice, give it :retries")))

(defn test-a-master-that-closes-while-one-is-awaited-leaves-nothing []
  (with [_ (pausing 3600)
         [master [slave]] (launched 1)]
    (os.kill slave.process.pid signal.SIGKILL)
    (until (fn [] slave.lost))
    (setv promise (.make-task master PID read-result)))
  (assert (isinstance (.exception promise WAIT) MasterClosed))
  (assert (not master.node.connections)))

(defn test-none-comes-when-the-master-has-hung-up [monkeypatch]
  (with [[master [slave]] (launched 1)]
    (setv said [])
    (monkeypatch.setattr master.node "say" (fn [#* what] (.append said what)))
    ; As `close` does first, before it hangs up; the launch hears of it last.
    (.set master.node.closed)
    (.refill slave.linked.place "it is lost" True)
    (holds said [])))

(defn test-who-does-not-come-up-again-is-told-once-and-tried-with-growing-pauses [monkeypatch caplog]
  (setv pauses []
        tried (threading.Event))
  (defn noted []
    (for [n (range 100)]
      (.append pauses n)
      (when (> n 3)
        (.set tried))
      (yield 0.001)))
  (.setattr monkeypatch place "pauses" noted)
  (with [[master [slave]] (launched 1)]
    (.setattr monkeypatch hy "sys_executable" "/bin/false" :raising False)
    (os.kill slave.process.pid signal.SIGKILL)
    (assert (.wait tried WAIT)))
  ; One series of pauses: none of them was of use.
  (holds (cut pauses 5) [0 1 2 3 4])
  (setv warnings (lfor  r caplog.records  :if (and (= r.levelno logging.WARNING) (in "did not come up" (.getMessage r)))  (.getMessage r)))
  (holds (len warnings) 1)
  (says (get warnings 0) "ended with status 1; another is started in its place"))


;; For want of memory

(defn [contextmanager] counted [tmp-path monkeypatch group machine]
  "Kills for want of memory as the system counts them, of a group and of the machine, at
  first; gives what sets them. None is a count that the system does not have."
  (.setattr monkeypatch endings "GROUPS" (str tmp-path))
  (.setattr monkeypatch endings "OWN_GROUP" (str (/ tmp-path "own")))
  (.setattr monkeypatch endings "MACHINE" (str (/ tmp-path "vmstat")))
  (.write-text (/ tmp-path "own") "3:cpu:/x\n0::/jobs/one\n")
  (.mkdir (/ tmp-path "jobs" "one") :parents True)
  (defn set-to [group machine]
    (for [[file n] [[(/ tmp-path "jobs" "one" "memory.events") group] [(/ tmp-path "vmstat") machine]]]
      (unless (is n None)
        (.write-text file f"oom 7\noom_kill {n}\noom_group_kill 0\n"))))
  (set-to group machine)
  (yield set-to))

(defn [(pytest.mark.parametrize #("before" "after" "told") [
    [[0 5] [1 6] ", for want of memory: the system has counted that"]
    [[3 5] [3 6] "was ended by SIGKILL"]
    [[None 5] [None 6] ", probably for want of memory: the system has killed a process for that since"]
    [[None 5] [None 5] "was ended by SIGKILL"]
    [[None None] [None None] ", and the system does not tell whether for want of memory"]])]
    test-the-system-tells-of-kills-for-want-of-memory [before after told tmp-path monkeypatch]
  (with [set-to (counted tmp-path monkeypatch #* before)]
    (setv kills (MemoryKills))
    (set-to #* after)
    (setv text (ending (- signal.SIGKILL) kills))
    (assert (if (.startswith told ",") (in told text) (= text told)) text)
    ; Of other ends it is not the reason.
    (holds (ending 1 kills) "ended with status 1")
    (holds (ending (- signal.SIGSEGV) kills) "was ended by SIGSEGV")
    (holds (ending -99 kills) "was ended by signal 99")))
