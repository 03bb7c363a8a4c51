"Launching over the real ssh and the real sshd, on loopback, with keys, ports and
configurations of the tests' own."

(import
  getpass
  io [StringIO]
  os
  pathlib [Path]
  signal
  sys
  pytest
  dpfw.ssh.launch :as ssh-launch
  dpfw.errors [LaunchError SlaveLost]
  dpfw.launch [dpfw-launch-ssh]
  dpfw.master [Master]
  tests.helpers [holds until]
  tests.processes [WAIT await-so error-of run-task]
  tests.ssh.fakes [PYTHON]
  tests.ssh.sshd [needed separation ssh-of sshd])

(setv
  ME (getpass.getuser)
  pytestmark needed)

(defn [(pytest.fixture :autouse True)] nobody-to-ask [monkeypatch]
  (.setattr monkeypatch ssh-launch (hy.mangle "terminal?") (fn [] False)))

(defn test-slaves-come-up-do-their-work-and-go [sshd monkeypatch]
  (setv [folder port] sshd)
  ; Whatever stands there, a session of ours is one.
  (setv ssh (ssh-of sshd
    "RequestTTY force" "RemoteCommand echo no slave" "LocalForward 127.0.0.1:1 127.0.0.1:1"
    "ExitOnForwardFailure yes"))
  (with [master (Master)]
    (setv slaves (dpfw-launch-ssh ["near" f"{ME}@127.0.0.1:{port}"] master
                   :per-host 2 :python PYTHON :ssh ssh))
    (holds (lfor  s slaves  s.address) ["near" "near" #* (* [f"{ME}@127.0.0.1:{port}"] 2)])
    (holds (.map master '(fn [x] (* x x)) (range 1000)) (lfor  x (range 1000)  (* x x)))
    (setv data (* b"x" 5,000,000))
    (holds (run-task master `(fn [i o] ~data)) data)
    (setv told (StringIO))
    (.setattr monkeypatch sys "stdout" told)
    (run-task master '(fn [i o] (print "from a remote")) :slave (get slaves 0))
    (holds (.getvalue told) f"[{(. (get slaves 0) name)}] from a remote\n")
    ; The cookie of this network is not there.
    (holds (run-task master '(fn [i o] (import os) (.get os.environ "DPFW_COOKIE"))) None)
    (setv pids (.broadcast master '(fn [i o] (import os) (os.getpid)))))
  (for [pid pids]
    (until (fn [] (not (os.path.exists f"/proc/{pid}"))))))

(defn test-through-a-jump-host-and-an-ssh-that-dies [sshd]
  (with [master (Master)]
    (setv [slave] (dpfw-launch-ssh ["far"] master :python PYTHON :ssh (ssh-of sshd))
          [slave-pid carrier] (run-task master '(fn [i o] (import os) [(os.getpid) (os.getppid)]))
          promise (.make-task master '(fn [i o] (while True)) (fn [i o] (.read i))))
    ; Its sshd's death is a dead connection to ssh.
    (os.kill (parent carrier) signal.SIGKILL)
    (setv error (.exception promise WAIT))
    (assert (isinstance error SlaveLost) (repr error))
    (assert (in "at far was lost: ssh ended with status 255" (str error)) (str error))
    (await-so master (fn [] slave.lost))
    (until (fn [] (not (os.path.exists f"/proc/{slave-pid}"))))))

(defn parent [pid]
  "The sshd of a process: of its ancestors, the first that is one."
  (while True
    (setv status (.read-text (Path f"/proc/{pid}/stat"))
          pid (int (get (.split (get (.rpartition status ")") 2)) 1)))
    (when (.startswith (.read-text (Path f"/proc/{pid}/comm")) "sshd")
      (return pid))))

(defn test-a-slave-that-dies-is-lost-at-once-though-its-child-lives [sshd]
  (with [master (Master)]
    (dpfw-launch-ssh ["near"] master :python PYTHON :ssh (ssh-of sshd))
    (setv child (run-task master '(fn [i o] (import subprocess) (setv p (subprocess.Popen ["sleep" "60"])) p.pid)))
    (try
      (setv error (.exception (.make-task master
        '(fn [i o] (import os) (os.kill (os.getpid) 9)) (fn [i o] (.read i))) WAIT))
      (finally
        (os.kill child signal.SIGKILL)))
    (assert (isinstance error SlaveLost) (repr error))
    (assert (in "was ended by SIGKILL" (str error)) (str error))))

(defn [(pytest.mark.parametrize #("host" "python" "options" "parts") [
    #("near" PYTHON {"identity" "other-id"} ["Permission denied (publickey)" "ssh-copy-id" "ssh -F"])
    #("near" PYTHON {"known" "/dev/null"} ["Host key verification failed" "accept its key"])
    #("no.such.host.invalid" PYTHON {} ["Could not resolve" "a host that resolves"])
    #("127.0.0.1:1" PYTHON {} ["Connection refused" "lets you in"])
    #("near" "no-such-python" {} ["no no-such-python there" "apt-get install python3-venv"])
    #("near" "~/no/such python" {} ["no ~/no/such python there"])])]
  test-what-goes-wrong-is-said-with-a-cure [host python options parts sshd]
  (with [master (Master)]
    (setv error (error-of dpfw-launch-ssh [host] master :python python :ssh (ssh-of sshd #** options)))
    (assert (isinstance error LaunchError) (repr error))
    (for [part parts]
      (assert (in part (str error)) f"{part !r} is not in {error}"))
    (holds (.slaves master) [])))
