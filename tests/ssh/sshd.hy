"The real sshd, on loopback, with keys, a port and a configuration of the tests' own."

(import
  contextlib [suppress]
  fcntl
  os
  pathlib [Path]
  shutil
  socket
  subprocess
  pytest
  tests.processes [WAIT])

(setv
  SSHD (shutil.which "sshd" :path (+ (os.environ.get "PATH" "") ":/usr/sbin:/usr/local/sbin"))
  SEPARATE (Path "/run/sshd")  ; where an sshd of root's wants to be able to go
  needed (pytest.mark.skipif (not (and SSHD (shutil.which "ssh") (shutil.which "ssh-keygen")))
    :reason "ssh and sshd are not installed; on Debian and its kin: apt-get install openssh-server"))

(defn key [path #* options]
  (subprocess.run ["ssh-keygen" "-q" "-t" "ed25519" "-N" "" "-f" (str path) #* options] :check True)
  path)

(defn free-port []
  (with [s (socket.create-server #("127.0.0.1" 0))]
    (get (.getsockname s) 1)))

(defn configuration [path #* lines]
  (.write-text path (+ (.join "\n" lines) "\n"))
  path)

(defn [(pytest.fixture :scope "module")] separation []
  "What the system's own start of sshd makes. It stays where other tests, which run on this
  machine as well, use it yet."
  (if (os.geteuid)
    (yield)
    (do
      (setv ours (not (.exists SEPARATE)))
      (.mkdir SEPARATE :exist-ok True)
      (setv used (os.open SEPARATE os.O-RDONLY))
      (try
        (fcntl.flock used fcntl.LOCK-SH)
        (yield)
        (when ours
          (with [_ (suppress BlockingIOError)]
            (fcntl.flock used (| fcntl.LOCK-EX fcntl.LOCK-NB))
            (.rmdir SEPARATE)))
        (finally
          (os.close used))))))

(defn [(pytest.fixture :scope "module")] sshd [separation tmp-path-factory]
  "A running sshd; gives its folder and its port."
  (setv folder (.mktemp tmp-path-factory "sshd")
        port (free-port))
  (for [name ["host-key" "id" "other-id"]]
    (key (/ folder name)))
  (shutil.copy (/ folder "id.pub") (/ folder "authorized"))
  (configuration (/ folder "sshd.conf")
    f"Port {port}"
    "ListenAddress 127.0.0.1"
    f"HostKey {folder}/host-key"
    f"AuthorizedKeysFile {folder}/authorized"
    "PidFile none" "StrictModes no" "UsePAM no" "PermitRootLogin yes"
    "PasswordAuthentication no" "KbdInteractiveAuthentication no")
  (setv host-key (.join " " (cut (.split (.read-text (/ folder "host-key.pub"))) 2)))
  (.write-text (/ folder "known") f"[127.0.0.1]:{port} {host-key}\n")
  (setv process (subprocess.Popen [SSHD "-D" "-e" "-f" (str (/ folder "sshd.conf"))]
    :stdin subprocess.DEVNULL :stderr subprocess.PIPE :text True))
  (try
    (setv said "")
    (while (not-in "Server listening" said)
      (setv line (.readline process.stderr))
      (assert line f"sshd has ended: {said}")
      (+= said line))
    (yield #(folder port))
    (finally
      (.terminate process)
      (.communicate process :timeout WAIT))))

(defn ssh-of [sshd #* more  [identity "id"] [known None]]
  "The ssh command of a user of this sshd: ``near`` is there, and ``far`` behind it."
  (setv [folder port] sshd)
  ["ssh" "-F" (str (configuration (/ folder "ssh.conf")
    #* more
    "Host near far"
    "  HostName 127.0.0.1"
    f"  Port {port}"
    "Host far"
    "  ProxyJump near"
    "Host *"
    f"  IdentityFile {folder}/{identity}"
    "  IdentitiesOnly yes"
    "  IdentityAgent none"
    f"  UserKnownHostsFile {(or known f"{folder}/known")}"
    "  StrictHostKeyChecking yes"))])
