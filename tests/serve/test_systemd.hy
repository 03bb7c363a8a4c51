"A slave under systemd, whose part the tests play: a socket to notify, and listening
sockets that were opened before the slave was."

(import
  contextlib [contextmanager]
  fcntl
  os
  re
  socket
  subprocess
  sys
  pytest
  dpfw.errors [SlaveLost]
  dpfw.master [Master]
  tests.helpers [holds WAIT]
  tests.processes [ended error-of run-task slave-command slave-process])

(setv
  FREE 50  ; a descriptor, and those above it
  ; What systemd does between fork and exec: descriptors from 3 on, and whose they are.
  START "
import os, sys
for n, fd in enumerate(map(int, os.environ.pop('FDS').split())):
    os.dup2(fd, 3 + n)
    os.close(fd)
os.environ.setdefault('LISTEN_PID', str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])")

(defn [contextmanager] started [arguments [sockets #()] #** environment]
  "A slave's process with these sockets, in order."
  (setv fds (lfor  sock sockets  (fcntl.fcntl (.fileno sock) fcntl.F-DUPFD FREE)))
  (try
    (setv process (subprocess.Popen [sys.executable "-I" "-S" "-c" START #* (slave-command #* arguments)]
      :stdin subprocess.DEVNULL  :stdout subprocess.PIPE  :stderr subprocess.PIPE  :text True
      :pass-fds fds
      :env {#** os.environ  "FDS" (.join " " (map str fds))  "LISTEN_FDS" (str (len sockets))  #** environment}))
    (finally
      (for [fd fds]
        (os.close fd))))
  (try
    (yield process)
    (finally
      (.kill process)
      (.communicate process))))

(defn [contextmanager] notified [address]
  "A socket to notify, and what to call for the next notice."
  (with [sock (socket.socket socket.AF-UNIX socket.SOCK-DGRAM)]
    (.bind sock address)
    (.settimeout sock WAIT)
    (yield (fn [] (.split (.decode (.recv sock 4096)) "\n")))))

(defn listener [[kind socket.SOCK-STREAM]]
  (setv sock (socket.socket socket.AF-INET kind))
  (.bind sock #("127.0.0.1" 0))
  sock)

(defn [pytest.fixture] port []
  "A listening socket."
  (with [sock (listener)]
    (.listen sock 100)
    (yield sock)))

(defn on [sock]
  (.join ":" (map str (.getsockname sock))))

(setv
  SEEN '(fn [i o]
    (import os)
    [(sorted (gfor  name os.environ  :if (or (.startswith name "LISTEN_") (= name "NOTIFY_SOCKET"))  name))
     (lfor  fd [3 4]  (try (os.get-inheritable fd) (except [OSError] None)))]))


;; Told

(defn [(pytest.mark.parametrize "abstract" [False True])]
  test-it-says-that-it-is-ready-and-that-it-stops [abstract tmp-path]
  (setv name (/ tmp-path "notify"))
  (with [notice (notified (if abstract f"\0{name}" (str name)))
         process (slave-process "0" "--host" "127.0.0.1" :NOTIFY-SOCKET (if abstract f"@{name}" (str name)))
         master (Master)]
    (setv [ready status] (notice)
          found (re.fullmatch r"STATUS=listens on (127\.0\.0\.1):(\d+)" status))
    (holds ready "READY=1")
    (assert found status)
    (.connect master (.group found 1) (int (.group found 2)))
    (holds (get (run-task master SEEN) 0) [])
    (setv promise (.make-task master '(fn [i o] (.readline i) 5)
            (fn [i o]
              (.terminate process)
              (setv stops (notice))  ; it runs meanwhile
              (print :file o)
              (.flush o)
              [stops (int (.readline i))])))
    (holds (.result promise WAIT) [["STOPPING=1" "STATUS=finishes what runs"] 5])
    (holds (get (ended process) 0) 0)))

(defn test-one-that-dials-is-ready-before-its-master-is [tmp-path]
  (with [notice (notified (str (/ tmp-path "notify")))  free (listener)
         process (slave-process "--connect" (on free) :NOTIFY-SOCKET (str (/ tmp-path "notify")))]
    (holds (notice) ["READY=1" f"STATUS=dials {(on free)}"])
    (.terminate process)
    (holds (get (ended process) 0) 0)))

(defn test-nobody-to-notify-is-a-warning [tmp-path]
  (with [process (slave-process "0" "--host" "127.0.0.1" :NOTIFY-SOCKET (str (/ tmp-path "none")))]
    (assert (in "listens on" (.readline process.stdout)))
    (.terminate process)
    (setv [status _ err] (ended process))
    (holds status 0)
    (assert (in f"cannot be told READY=1 at NOTIFY_SOCKET={tmp-path}/none" err) err)))


;; Given sockets

(defn test-it-listens-on-sockets-that-are-open [port]
  (with [other (listener)]
    (.listen other 100)
    (with [process (started [] [port other])  one (Master)  two (Master)]
      (holds (.readline process.stdout) f"dpfw slave listens on {(on port)}, {(on other)}\n")
      (.connect one #* (.getsockname port))
      (.connect two #* (.getsockname other))
      ; What remotes start is not what systemd has started.
      (holds (run-task one SEEN) [[] [False False]])
      (holds (run-task two '(fn [i o] 5)) 5))))

(defn test-the-sockets-outlive-it [port]
  (with [master (Master)]
    (with [process (started ["--log-level" "error"] [port])]
      (setv slave (.connect master #* (.getsockname port)))
      (.terminate process)
      (holds (get (ended process) 0) 0)
      (assert (isinstance (error-of run-task master '(fn [i o]) :slave slave) SlaveLost)))
    ; It has been dialled again, and is answered by the next process.
    (setv promise (.make-task master '(fn [i o] (import os) (os.getpid)) (fn [i o] (int (.readline i)))))
    (with [process (started [] [port])]
      (holds (.result promise WAIT) process.pid))))

(defn test-sockets-of-another-process-are-not-its-own [port]
  (with [process (started [] [port] :LISTEN-PID "1")]
    (setv [status _ err] (ended process))
    (holds status 2)
    (assert (in "give a port to listen on" err) err)))

(defn [(pytest.mark.parametrize "what" ["a datagram socket" "one that does not listen" "none at all"])]
  test-what-is-no-listening-socket-is-named [what tmp-path]
  (with [sock (listener (if (in "datagram" what) socket.SOCK-DGRAM socket.SOCK-STREAM))
         process (started [] (if (in "none" what) [] [sock]) :LISTEN-FDS "1")]
    (setv [status _ err] (ended process))
    (holds status 2)
    (assert (in "descriptor 3, which LISTEN_FDS counts, is no socket that listens on a port" err) err)
    (assert (in "ListenStream=10000" err) err)))

(defn [(pytest.mark.parametrize "arguments" [["0"] ["--host" "127.0.0.1"] ["--connect" "127.0.0.1:1"]])]
  test-what-is-said-beside-them-is-refused [arguments port]
  (with [process (started arguments [port])]
    (setv [status _ err] (ended process))
    (holds status 2)
    (assert (in "leave out the port, --host and --connect" err) err)))
