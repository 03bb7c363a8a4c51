"The slave at the command line."

(import
  os
  re
  signal
  socket
  subprocess
  sys
  pytest
  dpfw.master [Master]
  dpfw.task.ports [read]
  tests.processes [
    WAIT connection-of ended run-task slave-command slave-process slave-server]
  tests.terminals [at-a-terminal check-line])

(defn [(pytest.mark.parametrize "runner" [
    [sys.executable "-m" "dpfw.slave"]
    [sys.executable "-m" "hy" "-m" "dpfw.slave"]
    [sys.executable "-c" "import dpfw.slave, sys; sys.exit(dpfw.slave.main())"]])]
  test-it-runs-under-python-and-under-hy [runner]
  (setv process (subprocess.Popen [#* runner "0" "--host" "127.0.0.1"]
    :stdout subprocess.PIPE :stderr subprocess.PIPE :text True))
  (try
    (setv line (.readline process.stdout)
          found (re.fullmatch r"dpfw slave listens on 127\.0\.0\.1:([0-9]+)\n" line))
    (assert found line)
    (with [master (Master)]
      (.connect master "127.0.0.1" (int (.group found 1)))
      (assert (= (run-task master '(fn [i o] (import dpfw.slave) (is (dpfw.slave.dpfw-slave-ht) (dpfw-slave-ht)))) True)))
    (.terminate process)
    (setv [status out err] (ended process))
    (assert (= [status out err] [0 "" ""]) [status out err])
    (finally
      (.kill process)
      (.communicate process))))

(defn test-help-names-every-option []
  (with [process (slave-process "--help")]
    (setv [status out err] (ended process))
    (assert (= status 0) err)
    (for [option ["--host" "--connect" "--once" "--backlog" "--name" "--label" "--lifetime" "--tasks" "--log-level" "cookie"]]
      (assert (in option out) out))))

(defn [(pytest.mark.parametrize #("arguments" "says") [
    #([] "give a port")
    #(["1" "--connect" "localhost:1"] "listen on port 1, or dial with --connect, and not both")
    #(["1" "--once"] "--once goes with --connect")
    #(["--connect" "localhost"] "give HOST:PORT")
    #(["--connect" "::1:80"] "brackets")
    #(["what"] "invalid int")
    #(["0" "--name" ""] "no name")
    #(["0" "--name" "a\nb"] "no name")
    #(["0" "--label" (* "x" 101)] "1 to 100 printable characters")
    #(["0" #* (* ["--label" "x"] 21)] "cannot be the labels")])]
  test-wrong-usage-is-status-2 [arguments says]
  (with [process (slave-process #* arguments)]
    (setv [status out err] (ended process))
    (assert (= status 2) [status err])
    (assert (in says err) err)))

(defn fails-with [says #* arguments #** environment]
  (with [process (slave-process #* arguments #** environment)]
    (setv [status out err] (ended process))
    (assert (= status 1) [status err])
    (assert (in says err) err)
    (assert (= (.count err "\n") 1) err)))  ; a line, no traceback

(defn test-a-port-in-use-is-named-with-a-cure []
  (with [taken (socket.create-server #("127.0.0.1" 0))]
    (setv port (get (.getsockname taken) 1))
    (fails-with "give another port, or 0" (str port) "--host" "127.0.0.1")))

(defn test-a-host-that-does-not-resolve-is-named []
  (fails-with "'no.such.host.invalid' does not resolve" "--connect" "no.such.host.invalid:1")
  (fails-with "'no.such.host.invalid' does not resolve" "0" "--host" "no.such.host.invalid"))

(defn test-a-port-out-of-range-is-named []
  (fails-with "99999" "99999" "--host" "127.0.0.1"))

(defn test-a-cookie-that-cannot-be-used-is-named [tmp-path]
  (fails-with "has 5 characters and needs 16" "0" :DPFW-COOKIE "short")
  (setv path (/ tmp-path "cookie"))
  (.write-text path (* "x" 32))
  (.chmod path 0o644)
  (setv environment (dict os.environ :DPFW-COOKIE-FILE (str path)))
  (.pop environment "DPFW_COOKIE")
  (setv got (subprocess.run (slave-command "0") :env environment :capture-output True :text True
              :timeout WAIT))
  (assert (= got.returncode 1) got)
  (assert (in f"chmod 600 {path}" got.stderr) got))

(defn test-a-slave-with-another-cookie-ends-with-the-reason []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (fails-with "the cookies differ" "--connect" f"{host}:{port}"
      :DPFW-COOKIE (* "z" 32))))

(defn test-a-slave-that-dials-a-slave-ends-with-the-reason []
  (with [[_ host port] (slave-server)]
    (fails-with "both ends are slaves" "--connect" f"{host}:{port}")))

(defn test-two-sigterms-end-a-busy-slave-with-status-0 []
  (for [argument [None "--connect"]]
    (with [master (Master)]
      (setv [host port] (.listen master :host "127.0.0.1"))
      (with [process (if argument
                       (slave-process argument f"{host}:{port}")
                       (slave-process "0" "--host" "127.0.0.1"))]
        (if argument
          (.get-slave master)
          (.connect master host (int (get (.split (.readline process.stdout) ":") -1))))
        (check-two-sigterms master process '(fn [i o] (print "busy" :file o) (.flush o) (while True)))))))

(defn check-two-sigterms [master process remote]
  "The slave is busy with this remote, which says so, and ends at the second."
  (setv promise (.make-task master remote (fn [i o]
    (.readline i)
    (.send-signal process signal.SIGTERM)
    ; Two that are there at once would be one.
    (assert (in "another one ends it now" (.readline process.stderr)))
    (.send-signal process signal.SIGTERM)
    (.readline i))))
  (assert (isinstance (.exception promise WAIT) ConnectionError))
  (setv [status out err] (ended process))
  (assert (= status 0) [status err]))

(defn test-the-second-sigterm-comes-before-python-has-handled-the-first []
  (with [[process host port] (slave-server)
         master (Master)]
    (.connect master host port)
    (check-two-sigterms master process '(fn [i o]
      (import hashlib)
      (print "busy" :file o)
      (.flush o)
      ; No handler runs before it has returned, but other threads do.
      (hashlib.pbkdf2-hmac "sha256" b"" b"" 5,000,000)
      (while True)))))

(defn test-ctrl-c-ends-a-slave-with-one-line []
  (with [[process host port] (slave-server)]
    (.send-signal process signal.SIGINT)
    (assert (= (ended process) #(130 "" "dpfw-slave: interrupted\n"))))
  ; With a task that runs, and one that dials.
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (slave-process "--connect" f"{host}:{port}")]
      (.get-slave master)
      (.make-task master
        '(fn [i o] (write "I run" o) (.flush o) (while True))
        (fn [i o]
          (read i)
          (.send-signal process signal.SIGINT)))
      (setv [status out err] (ended process))
      (assert (= [status out] [130 ""]) err)
      (assert (= err "dpfw-slave: interrupted\n") err))))

(defn check-said [line what]
  (check-line line fr"dpfw slave: the master at 127\.0\.0\.1:\d+ {what}"))

(defn test-a-slave-says-at-a-terminal-when-a-master-comes-and-goes []
  (with [[process next-line] (at-a-terminal
          (slave-command "0" "--host" "127.0.0.1" "--log-level" "info"))
         master (Master)]
    (setv listens (next-line)
          slave (.connect master "127.0.0.1" (int (get (.split listens ":") -1))))
    (defn told []
      (setv line (next-line))
      (while (in " INFO " line)
        (setv line (next-line)))
      line)
    (check-said (told) "is here")
    (.abort (connection-of slave))
    ; Two threads say so.
    (setv [left back] (sorted [(told) (told)] :key (fn [line] (in "is back" line))))
    (check-said left "has left")
    (check-said back "is back")
    (.close master)
    (check-said (told) "has left")))

(defn test-and-so-does-one-that-dials []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [[process next-line] (at-a-terminal (slave-command "--connect" f"{host}:{port}"))]
      (check-said (next-line) "is here")
      (.abort (connection-of (.get-slave master)))
      (check-said (next-line) "has left; dialling it again")
      (check-said (next-line) "is back"))))

(defn test-one-that-was-launched-says-nothing []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [[process next-line] (at-a-terminal (slave-command "--once" "--connect" f"{host}:{port}"))]
      (.get-slave master)
      (.close master)
      (with [_ (pytest.raises StopIteration)]
        (next-line)))))

(defn test-where-no-terminal-is-it-says-nothing []
  (with [[process host port] (slave-server)]
    (with [master (Master)]
      (.connect master host port))
    (.terminate process)
    (setv [status out err] (ended process))
    (assert (= err "") err)))

(defn test-with-once-it-ends-with-its-master []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (slave-process "--once" "--connect" f"{host}:{port}")]
      (.get-slave master)
      (.close master)
      (assert (= (get (ended process) 0) 0)))))

(defn test-logs-go-to-standard-error []
  (with [[process host port] (slave-server "--log-level" "info")]
    (with [s (socket.create-connection #(host port))]
      (.sendall s b"GET / HTTP/1.1\r\n\r\n")
      (.recv s 1000))
    (setv line (.readline process.stderr))
    (assert (in "dpfw" line) line)
    (.terminate process)
    (setv [status out err] (ended process))
    (assert (= out "") out)))
