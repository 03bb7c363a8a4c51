"Slaves that ssh starts; here it is a program that runs the command on this machine.
``test_sshd.hy`` has the real one."

(import
  io [StringIO]
  logging
  os
  pathlib [Path]
  pty
  re
  select
  signal
  subprocess
  sys
  threading
  types [SimpleNamespace]
  pytest
  dpfw.ssh.launch :as ssh-launch
  dpfw.ssh.launch [SshPlace WantsToAsk]
  dpfw.errors [LaunchError MasterClosed SlaveLost]
  dpfw.master [Master]
  tests.helpers [begin holds outcome until]
  tests.processes [WAIT await-so error-of run-task]
  tests.ssh.fakes [PYTHON THROUGH-PIPES THROUGH-SOCKET launch launched-by program])

(setv
  PID '(fn [i o] (import os) (os.getpid))
  WITH-TESTS {#** os.environ  "PYTHONPATH" (str (. (Path __file__) parent parent parent))})

(defn [(pytest.fixture :autouse True)] nobody-to-ask [monkeypatch]
  "Who runs the tests is not to be asked for passwords."
  (.setattr monkeypatch ssh-launch (hy.mangle "terminal?") (fn [] False)))

(defn gone? [pid]
  (try
    (os.kill pid 0)
    False
    (except [ProcessLookupError]
      True)))

(defn fails [folder text #** options]
  "What launching by this fake says. Nothing stays of it."
  (with [master (Master)]
    (setv error (error-of launch master folder text #** options))
    (assert (isinstance error LaunchError) (repr error))
    ; Each is let go of by the thread that hears of its end.
    (until (fn [] (= (.slaves master) [])))
    (assert (not master.node.closers) master.node.closers)
    (until (fn [] (not master.node.connections))))
  (str error))


;; When they are up

(defn [(pytest.fixture :scope "module" :params [THROUGH-PIPES THROUGH-SOCKET] :ids ["pipes" "socket"])] up [request tmp-path-factory]
  "A master with two slaves."
  (setv folder (.mktemp tmp-path-factory "up"))
  (with [got (launched-by folder f"
      (env; for word; do echo \"arg $word\"; done) >{folder}/seen.$$
      {request.param}" :hosts ["one" "me@two:22"])]
    (yield #(folder #* got))))

(defn test-there-is-one-for-each-host-in-their-order [up]
  (setv [_ master slaves] up)
  (holds (lfor  s slaves  s.address) ["one" "me@two:22"])
  (holds (set slaves) (set (.slaves master)))
  (holds (len (set (.broadcast master PID))) 2)
  (holds (.map master '(fn [x] (* x x)) (range 100)) (lfor  x (range 100)  (* x x))))

(defn test-no-cookie-is-among-the-arguments-or-in-the-environment [up]
  (setv [folder master _] up
        seen (lfor  file (.glob folder "seen.*")  (.read-text file)))
  (holds (len seen) 2)
  (for [text seen]
    (assert (in "arg -oBatchMode=yes" text) text)
    (assert (not-in (get os.environ "DPFW_COOKIE") text))
    (assert (not-in "DPFW_COOKIE=" text) text)
    ; Nor that of the session.
    (assert (not (re.search r"\b[0-9a-f]{64}\b" text)) text))
  (holds (run-task master '(fn [i o] (import os) (.get os.environ "DPFW_COOKIE"))) None))

(defn test-a-remote-cannot-touch-the-wire [up monkeypatch]
  (setv [_ master [slave _]] up
        told (StringIO))
  (.setattr monkeypatch sys "stdout" told)
  (holds
    (run-task master
      '(fn [i o]
        (import os subprocess sys)
        (os.write 1 b"(end 1 1)\n5")
        (print "printed")
        (subprocess.run ["sh" "-c" "cat; echo from a child"])
        [(.read sys.stdin) (os.read 0 1)])
      :slave slave)
    ["" b""])
  (holds (.splitlines (.getvalue told))
    (lfor  line ["(end 1 1)" "5printed" "from a child"]  f"[{slave.name}] {line}")))

(defn test-all-that-a-remote-prints-comes-in-order [up monkeypatch]
  (setv [_ master [slave _]] up
        told (StringIO)
        n 5000
        wanted (.join "" (gfor  k (range n)  f"[{slave.name}] line {k}\n")))
  (.setattr monkeypatch sys "stdout" told)
  (run-task master `(fn [i o] (for [k (range ~n)] (print "line" k))) :slave slave)
  (.settle master.network.output :patience WAIT)
  (assert (= (.getvalue told) wanted)))

(defn test-large-data-pass-both-ways-at-once [up]
  (setv [_ master [slave _]] up
        n 3,000,000)
  (defn local [i o]
    (setv writer (begin (fn [] (.write o (* "x" n)) (.close o))))
    (setv got (len (.read i)))
    (outcome writer)
    got)
  (setv got (run-task master
    '(fn [i o]
      (setv n 0)
      (while (setx piece (.read i 65536))
        (+= n (len piece))
        (.write o piece))
      n)
    local :slave slave))
  ; The result comes last, as text.
  (holds got (+ n (len (str n)) 2)))

(defn test-a-cancel-gets-through [up]
  (setv [_ master [slave _]] up
        started (threading.Event))
  (defn local [i o]
    (.readline i)
    (.set started)
    (.read i))
  (setv promise (.make-task master '(fn [i o] (print :file o) (.flush o) (while True)) local slave))
  (assert (.wait started WAIT))
  (assert (.cancel promise))
  (holds (run-task master '(fn [i o] 5) :slave slave) 5))

;; What may come before

(defn test-what-a-profile-prints-is-skipped [tmp-path caplog]
  (.set-level caplog logging.INFO "dpfw")
  (with [[master _] (launched-by tmp-path f"
      echo 'Welcome!'; head -c 50000 /dev/zero; echo a warning >&2; printf 'no line feed'
      {THROUGH-PIPES}" :per-host 3)]
    (holds (sum (.broadcast master '(fn [i o] 1))) 3)
    (until (fn [] (= (.count caplog.text "there: a warning") 3)))))


;; When it does not come up

(setv DENIED "echo 'me@there: Permission denied (publickey).' >&2; exit 255")

(defn [(pytest.mark.parametrize #("text" "parts") [
    #(DENIED ["no slave on there: ssh ended with status 255 and said: me@there: Permission denied (publickey). (see docs/launching.md#when-a-slave-does-not-come-up);" "ssh-copy-id"])
    #("sh -c 'no-such-python -m x'" ["status 127" "not found" "no {python} there" "apt-get install"])
    #("echo 'bye\x1b[2J' >&2; exit 3" ["status 3 and said: bye\\x1b[2J (see"])
    #("exit 0" ["status 0 (see docs/launching.md#when-a-slave-does-not-come-up); see what this says"])
    #("kill -SEGV $$" ["ended by SIGSEGV"])
    #("printf '\\n(dpfw stdio)\\n'; read line; echo '(refused \"no room\")'; exec sleep 60" ["refused: no room"])
    #("printf '\\n(dpfw stdio)\\nwhat?\\n'; exec sleep 60" ["something else"])
    #("yes" ["more than 10000 lines"])])]
  test-it-says-why-and-what-to-do [text parts tmp-path]
  (setv said (fails tmp-path text))
  (for [part parts]
    (setv part (.format part :python sys.executable))
    (assert (in part said) f"{part !r} is not in {said !r}")))

(defn test-without-a-terminal-nobody-is-asked [tmp-path]
  (fails tmp-path f"echo \"$*\" >>{tmp-path}/started; {DENIED}")
  (setv [once] (.splitlines (.read-text (/ tmp-path "started"))))
  (assert (in "BatchMode=yes" once) once))

(defn test-a-python-without-dpfw-is-named-with-the-command-that-installs-it [tmp-path]
  (setv bare (program (/ tmp-path "python") f"exec {sys.executable} -I -S \"$@\"")
        said (fails tmp-path "cd /; exec sh -c \"$word\"" :python bare))
  (assert (in f"no dpfw there for {bare}; install this one there: " said) said)
  (assert (in f"{bare} -m pip install --upgrade" said) said))

(defn test-an-older-dpfw-is-told-from-none [tmp-path]
  ; It knows no such option.
  (setv said (fails tmp-path "exec sh -c \"$word-of-later\""))
  (assert (in "too old for this; install this one there: " said) said))

(defn test-no-ssh-here [tmp-path]
  (setv path (/ tmp-path "fake-ssh"))
  (.mkdir path)  ; is no program
  (with [master (Master)]
    (setv error (error-of ssh-launch-here master [(str path)]))
    (assert (isinstance error LaunchError) (repr error))
    (assert (in "openssh-client" (str error)) error)))

(defn ssh-launch-here [master ssh]
  (import dpfw.launch [dpfw-launch-ssh])
  (dpfw-launch-ssh ["there"] master :ssh ssh))

(defn test-a-host-that-does-not-answer-is-given-up [tmp-path monkeypatch]
  (.setattr monkeypatch ssh-launch "START_TIMEOUT" 3)
  (setv said (fails tmp-path "echo knocking >&2; exec sleep 60"))
  (for [part ["not ready within 3 seconds" "ssh said: knocking" "true"]]
    (assert (in part said) said)))

(defn test-when-one-of-many-fails-none-stays [tmp-path]
  (setv said (fails tmp-path f"
      case \"$*\" in *bad*) {DENIED};; esac
      echo $$ >>{tmp-path}/pids
      {THROUGH-SOCKET}" :hosts ["good" "bad" "better"] :per-host 2))
  (assert (in "no slave on bad: " said) said)
  (for [pid (if (.exists (/ tmp-path "pids")) (.split (.read-text (/ tmp-path "pids"))) [])]
    (until (fn [] (gone? (int pid))))))

(defn test-they-are-prepared [tmp-path]
  (with [master (Master)]
    (.on-connect master '(fn [i o] (import time) (time.sleep 0.2)))
    (setv [slave] (launch master tmp-path THROUGH-PIPES))
    (holds slave.prepared #{0})))

(defn test-a-preparation-that-fails-is-no-slave [tmp-path]
  (with [master (Master)]
    (.on-connect master '(fn [i o] (/ 1 0)))
    (setv error (error-of launch master tmp-path THROUGH-PIPES))
    (assert (isinstance error LaunchError) (repr error))
    (assert (in "the slave on there was lost before all were ready" (str error)) error)))

(defn test-a-master-that-closes-ends-the-launch [tmp-path]
  (os.mkfifo (/ tmp-path "gate"))
  (with [master (Master)]
    (setv launching (begin error-of launch master tmp-path f"echo >{tmp-path}/gate; exec sleep 60"))
    (.read-text (/ tmp-path "gate"))
    (.close master)
    (setv error (outcome launching))
    (assert (isinstance error MasterClosed) (repr error))))

(defn test-none-is-as-good-as-any-number [tmp-path]
  (with [master (Master)]
    (holds (launch master tmp-path "exit 1" :hosts []) [])
    (holds (launch master tmp-path "exit 1" :per-host 0) [])
    (assert (not master.node.closers))))


;; When it goes down

(defn replaced? [master slave]
  "With the dispatcher's lock: is there another in its place?"
  (setv slaves (list (.values master.network.dispatcher.registry.connected)))
  (and (= (len slaves) 1) (is-not (get slaves 0) slave)))

(defn test-a-task-hears-how-ssh-ended-and-what-it-said-last [tmp-path caplog]
  (with [[master [slave]] (launched-by tmp-path f"echo $$ >{tmp-path}/pid; echo good night >&2; {THROUGH-SOCKET}")]
    (setv started (threading.Event)
          promise (.make-task master '(fn [i o] (print :file o) (.flush o) (.read i))
            (fn [i o] (.readline i) (.set started) (.read i))))
    (assert (.wait started WAIT))
    (os.kill (int (.read-text (/ tmp-path "pid"))) signal.SIGKILL)
    (setv error (.exception promise WAIT))
    (assert (isinstance error SlaveLost) (repr error))
    (assert (in "ssh was ended by SIGKILL and said: good night" (str error)) (str error))
    (await-so master (fn [] (and slave.lost (replaced? master slave))))
    (until (fn [] (in "the slave on there is lost: ssh was ended by SIGKILL" caplog.text)))))

(defn test-where-the-system-tells-of-no-end-somebody-looks [tmp-path monkeypatch]
  (.delattr monkeypatch os "pidfd_open" :raising False)
  (with [[master [slave]] (launched-by tmp-path f"echo $$ >{tmp-path}/pid; {THROUGH-SOCKET}")]
    (os.kill (int (.read-text (/ tmp-path "pid"))) signal.SIGKILL)
    (await-so master (fn [] (and slave.lost (replaced? master slave))))))

(defn test-a-slave-that-dies-is-lost-with-its-last-words-though-its-child-lives [tmp-path]
  (with [[master _] (launched-by tmp-path THROUGH-PIPES)]
    (setv child (run-task master
      '(fn [i o]
        (import os subprocess)
        (setv child (subprocess.Popen ["sleep" "60"]))
        child.pid)))
    (try
      (setv error (.exception (.make-task master
        '(fn [i o] (.readline i) (import os) (print "help!") (os.kill (os.getpid) 9))
        ; Its output is received while this runs.
        (fn [i o] (print "go" :file o :flush True) (.read i))) WAIT))
      (finally
        (os.kill child signal.SIGKILL)))
    (assert (isinstance error SlaveLost) (repr error))
    (assert (re.search r"ssh ended with status 137 and said: dpfw-slave: process \d+ was ended by SIGKILL\. It printed last: help!\. What" (str error))
      (str error))))

(defn test-dpfw-kill-reaches-the-slave-itself [tmp-path]
  (with [[master [slave]] (launched-by tmp-path THROUGH-PIPES)]
    (setv pid (run-task master PID))
    (.kill master slave)
    (until (fn [] (gone? pid)))
    (await-so master (fn [] slave.lost))))

(defn test-a-busy-slave-goes-with-a-master-that-closes [tmp-path]
  (with [[master [slave]] (launched-by tmp-path THROUGH-PIPES)]
    (setv pid (run-task master PID))
    (.make-task master '(fn [i o] (while True)) (fn [i o] (.read i))))
  (until (fn [] (gone? pid))))

(defn test-a-slave-that-is-stuck-in-c-goes-too [tmp-path]
  (setv python (program (/ tmp-path "python") f"exec {PYTHON} -c '
import dpfw.serve.stdio, dpfw.slave, sys
dpfw.serve.stdio.PATIENCE = 0.5
sys.exit(dpfw.slave.main([\"--stdio\"]))'"))
  (with [[master _] (launched-by tmp-path THROUGH-PIPES :python python)]
    (setv pid (run-task master PID)
          started (threading.Event))
    (.make-task master
      ; This one keeps the interpreter to itself.
      '(fn [i o] (import ctypes) (print :file o) (.flush o) (.sleep (ctypes.PyDLL None) 60))
      (fn [i o] (.readline i) (.set started) (.read i)))
    (assert (.wait started WAIT)))
  (until (fn [] (gone? pid))))

(defn test-it-goes-with-a-master-that-is-killed [tmp-path]
  (.write-text (/ tmp-path "m.hy") f"
(import os dpfw.master * tests.ssh.fakes [launch THROUGH-PIPES] pathlib [Path])
(setv master (Master))
(launch master (Path {(hy.repr (str tmp-path))}) THROUGH-PIPES)
(print (force (.make-task master '{(cut (hy.repr PID) 1 None)} read-result)) :flush True)
(os.kill (os.getpid) 9)")
  (setv got (subprocess.run [sys.executable "-m" "hy" "-m" "m"] :cwd tmp-path
    :env WITH-TESTS
    :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT))
  (assert (= got.returncode -9) got)
  (until (fn [] (gone? (int got.stdout)))))


;; At a terminal

(defn test-who-asks-does-so-alone [monkeypatch]
  (.setattr monkeypatch ssh-launch (hy.mangle "terminal?") (fn [] True))
  (setv slave (SshPlace (SimpleNamespace :network None :node None) None (threading.Semaphore) None None)
        asks [])
  (defn connect [* ask]
    (when (not ask)
      (raise (WantsToAsk)))
    (.append asks (.locked ssh-launch.questions)))
  (setv slave.connect connect)
  (.attempt slave)
  (holds asks [True]))

(defn test-ssh-may-ask-and-ctrl-c-is-not-its-own [tmp-path]
  (.write-text (/ tmp-path "fake-body") f"
    case \"$*\" in *BatchMode=yes*) {DENIED};; esac
    printf 'Password? ' >/dev/tty; read answer </dev/tty; [ \"$answer\" = sesame ] || exit 255
    {THROUGH-SOCKET}")
  (.write-text (/ tmp-path "m.hy") f"
    (import signal dpfw.master * tests.ssh.fakes [launch] pathlib [Path])
    (setv folder (Path {(hy.repr (str tmp-path))}))
    (with [master (Master)]
      (launch master folder (.read-text (/ folder \"fake-body\")) :per-host 2)
      (try
        (print \"waits\" :flush True)
        (signal.pause)
        (except [KeyboardInterrupt]))
      (print (sum (.broadcast master '(fn [i o] 1))) \"slaves\"))")
  (setv [pid terminal] (pty.fork))
  (when (not pid)
    (os.chdir tmp-path)
    (os.execve sys.executable [sys.executable "-m" "hy" "-m" "m"] WITH-TESTS))
  (try
    (setv said "")
    (for [[word answer] [["Password? " b"sesame\n"] ["Password? " b"sesame\n"] ["waits" b"\x03"] ["slaves" b""]]]
      (setv said (read-until terminal word))
      (os.write terminal answer))
    (assert (in "2 slaves" said) said)
    (finally
      (os.close terminal)
      (os.waitpid pid 0))))

(defn read-until [terminal word]
  (setv said "")
  (while (not-in word said)
    (assert (get (select.select [terminal] [] [] WAIT) 0) said)
    (+= said (str (os.read terminal 1000) "utf-8")))
  said)
