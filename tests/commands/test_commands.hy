"The command dpfw: what it shows, and how it ends."

(import
  contextlib [nullcontext]
  decimal [Decimal]
  io
  json
  logging
  math
  os
  signal
  socket
  subprocess
  sys
  types [SimpleNamespace]
  pytest
  dpfw
  dpfw.commands.main [main]
  dpfw.commands.status
  dpfw.commands.status [tell-status]
  dpfw.commands.table [as-text with-rates]
  dpfw.data.sexp [write-datum]
  dpfw.master [Master]
  dpfw.net.addresses [parse-address]
  dpfw.net.watcher [Watcher]
  tests.helpers [holds until]
  tests.processes [WAIT slave-server])
(eval-when-compile (require hyrule.control [unless]))

(setv COMMANDS [["status"] ["eval" "(fn [i o] 1)"] ["repl"]])

(defn [(pytest.fixture :scope "module")] slave []
  "Where a slave listens, as text."
  (with [[_ host port] (slave-server)]
    (yield f"{host}:{port}")))

(defn [pytest.fixture] run [capfd]
  "Run the command in this process; gives its status, output and error."
  (setv log (logging.getLogger "dpfw")
        level log.level)
  (yield (fn [#* arguments]
    (setv status (main arguments))
    #(status #* (.readouterr capfd))))
  (.setLevel log level))

(defn in-a-process [#* arguments  #** options]
  (subprocess.Popen [sys.executable "-m" "dpfw" #* arguments]
    #** {"stdin" subprocess.DEVNULL  "stdout" subprocess.PIPE  "stderr" subprocess.PIPE  "text" True
         #** options}))

(defn to-slave [command address]
  [(get command 0) address #* (cut command 1 None)])

(defn fails [got #* parts]
  "Check that a command failed with one line, which has these parts."
  (setv [status out err] got)
  (holds #(status out (.count err "\n")) #(1 "" 1))
  (for [part parts]
    (assert (in part err) err)))


;; How all of them end

(defn [(pytest.mark.parametrize "command" COMMANDS)] test-where-nobody-listens [run command]
  (with [s (socket.socket)]
    (.bind s #("127.0.0.1" 0))  ; and does not listen
    (setv [host port] (.getsockname s))
    (fails (run #* (to-slave command f"{host}:{port}"))
      f"dpfw {(get command 0)}: nothing listens on {host}:{port}")))

(defn [(pytest.mark.parametrize "command" COMMANDS)] test-another-cookie [run slave monkeypatch command]
  (monkeypatch.setenv "DPFW_COOKIE" (* "z" 32))
  (fails (run #* (to-slave command slave)) slave "the cookies differ; give both ends the same"))

(defn [(pytest.mark.parametrize #("arguments" "says") [
        #(["status"] "HOST:PORT")
        #(["status" "localhost"] "give HOST:PORT")
        #(["status" "localhost:1" "--watch" "0"] "'0' is no number of seconds above 0")
        #(["status" "localhost:1" "--watch" "nan"] "'nan' is no number of seconds above 0")
        #(["eval" "localhost:1"] "REMOTE")
        #(["look" "localhost:1"] "choose from")
        #([] "COMMAND")])]
      test-wrong-usage-is-status-2 [run capfd arguments says]
  (with [raised (pytest.raises SystemExit)]
    (run #* arguments))
  (holds raised.value.code 2)
  (assert (in says (. (.readouterr capfd) err))))

(defn test-a-host-that-does-not-resolve [run]
  (fails (run "status" "no.such.host.invalid:1") "'no.such.host.invalid' does not resolve"))


;; dpfw status

(defn test-status-in-json [run slave]
  (setv [status out err] (run "status" slave "--json")
        told (json.loads out))
  (holds #(status err (get told "role") (get told "listens")) #(0 "" "slave" [slave])))

(defn test-status-of-a-master-and-its-end-while-it-is-watched [run]
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1")
          [read-end write-end] (os.pipe))
    (with [watch (in-a-process "status" f"{host}:{port}" "--watch" "0.01" :stdout write-end)
           lines (open read-end :encoding "utf-8")]
      (os.close write-end)
      (for [_ (range 2)]
        (assert (.startswith (.readline lines) "master "))
        (assert (in f"listens on {host}:{port}; 0 tasks wait in line" (.readline lines)))
        (holds (.readline lines) "\n")
        (assert (.startswith (.readline lines) "slave"))
        (holds (.readline lines) "\n"))
      (.close master)
      (.read lines)
      (setv [_ err] (.communicate watch :timeout WAIT))
      (fails #(watch.returncode "" err) f"dpfw status: {host}:{port} went away"))))

(defn test-ctrl-c-ends-a-watch [slave]
  (with [watch (in-a-process "status" slave "--watch" "3600" "--json")]
    (.readline watch.stdout)
    (.send-signal watch signal.SIGINT)
    (setv [out err] (.communicate watch :timeout WAIT))
    (holds #(watch.returncode out err) #(0 "" ""))))

(defclass Screen [io.StringIO]
  "A terminal."
  (defn isatty [self]
    True))

(defn [(pytest.mark.parametrize "rich" [True False])] test-at-a-terminal-with-rich-and-without [slave monkeypatch rich]
  (monkeypatch.setattr sys "stdout" (Screen))
  (unless rich
    (monkeypatch.setitem sys.modules "rich" None))
  (holds (tell-status (parse-address slave) None False) 0)
  (setv shown (.getvalue sys.stdout))
  (for [part [f"listens on {slave}; 0 keys in its table" "master" "per s"]]
    (assert (in part shown) shown)))

(setv SESSION {
  "peer" "node-b:40000"  "about" {"host" "node-b"  "pid" 7  "hy" "1.3.1"  "python" "3.11.9"}  "state" "idle"
  "task" None  "task-name" None  "busy" None  "age" 10  "line" 0  "memory" None  "done" 4  "failed" 1})

(defn status-of [#* sessions  [up 100]]
  {"role" "master"  "about" {"host" "a"  "pid" 1  "hy" "1.3.1"  "python" "3.11.7"}  "up" up  "memory" 12_345_678
   "listens" []  "line" 1  "keys" None  "done" 1234  "failed" 5  "sessions" (lfor  s sessions  {#** SESSION #** s})})

(defn test-the-table []
  (setv status (with-rates (status-of {} {"peer" "[::1]:2"  "about" {"python" "3.12.0"  "labels" ["gpu" "big"]}  "task" 7  "busy" 61  "state" "busy"
                                          "memory" 1_000_000  "done" 12345  "line" 2})
                 None))
  (holds (.splitlines (as-text status)) [
    "master a/1, up 1:40, 12.3 MB; Hy 1.3.1, Python 3.11.7"
    "listens nowhere; 1 task waits in line; 1,234 tasks done, 5 failed"
    ""
    "slave               process          state  task  busy    done  failed    per s  line  memory  versions"
    "node-b:40000        node-b/7         idle   -        -       4       1      0.5     0       -  the same"
    "[::1]:2 (gpu, big)  of unknown host  busy   7     1:01  12,345       1  1,234.6     2  1.0 MB  Python 3.12.0"]))

(defn test-the-rate-is-that-since-the-last-look []
  (setv before (with-rates (status-of {}) None)
        after (with-rates (status-of {"done" 7  "failed" 2} {"peer" "node-c:1"} :up 102) before))
  (holds (lfor  s (get after "sessions")  (get s "per-second")) [2 0.5]))


(defn test-what-json-has-not-is-text [monkeypatch capsys]
  "A slave may say more of itself than this version knows."
  (setv more {"gpus" #{1}  "sizes" [#(1 2) b"x"]  "nested" {"a" math.inf  1 None}  "at" (Decimal "1.50")})
  (monkeypatch.setattr dpfw.commands.status "Watcher" (fn [#* address]
    (nullcontext (SimpleNamespace :ask (fn [] (status-of {"about" {"host" "b"  #** more}}))))))
  (holds (tell-status ["b" 1] None True) 0)
  (setv [session] (get (json.loads (. (.readouterr capsys) out) :parse-constant (fn [x] (pytest.fail x))) "sessions"))
  (holds (get session "about")
    {"host" "b"  "gpus" "#{1}"  "sizes" ["#(1 2)" "b\"x\""]  "nested" {"a" "Inf"  "1" None}  "at" (write-datum (Decimal "1.50"))})
  (holds (get session "age") 10))


;; dpfw eval

(defn evaluate [slave remote [input b""]]
  (setv done (subprocess.run [sys.executable "-m" "dpfw" "eval" slave remote]
               :input input :capture-output True :timeout WAIT))
  #(done.returncode done.stdout (.decode done.stderr)))

(defn test-data-pass-as-they-are [slave]
  (setv data (+ (bytes (range 256)) b"no line end"))
  (holds (evaluate slave "(fn [i o] (.write o.buffer (.read i.buffer)) None)" data) #(0 data "")))

(defn test-the-result-has-a-line-of-its-own [run slave tmp-path]
  (holds (run "eval" slave "(fn [i o] (.write o \"x\") {\"a\" [1 2]})") #(0 "x\n{\"a\" [1 2]}\n" ""))
  (.write-text (/ tmp-path "remote.hy") "(fn [i o]\n  \"ä\")")
  (holds (run "eval" slave f"@{tmp-path}/remote.hy") #(0 "\"ä\"\n" "")))

(defn test-a-remote-on-standard-input [slave]
  (holds (evaluate slave "-" b"(fn [i o] (list i))") #(0 b"[]\n" "")))

(defn test-input-that-never-ends-holds-up-nothing [slave]
  (with [zeros (open "/dev/zero" "rb")  it (in-a-process "eval" slave "(fn [i o] 1)" :stdin zeros)]
    (holds (.communicate it :timeout WAIT) #("1\n" ""))
    (holds it.returncode 0)))

(defn [(pytest.mark.parametrize #("remote" "says") [
        #("@no-such-file" "no-such-file: No such file")
        #((os.fsdecode b"\xff") "no text in UTF-8")])]
      test-a-remote-that-cannot-be-read [run slave remote says]
  (fails (run "eval" slave remote) says))

(defn test-the-remote-fails [run slave]
  (setv [status out err] (run "eval" slave "(fn [i o]\n  (/ 1 0))"))
  (holds #(status out) #(1 ""))
  (assert (in "line 2" err) err)
  (assert (.endswith err "ZeroDivisionError: division by zero\n") err)
  (assert (not-in "/dpfw/" err) err))

(defn test-the-slave-dies-in-the-middle [run]
  (with [[_ host port] (slave-server)]
    (fails (run "eval" f"{host}:{port}" "(fn [i o] (import os) (os.kill (os.getpid) 9))")
      f"the slave at {host}:{port} went away" "unknown")))

(setv FOREVER "(fn [i o] (while True (print \"x\" :file o) (.flush o)))")

(defn is-free [slave]
  "Wait until a slave has no session."
  (with [watcher (Watcher #* (parse-address slave))]
    (until (fn [] (not (get (.ask watcher) "sessions"))))))

(defn test-a-reader-that-leaves-stops-the-remote-and-so-does-ctrl-c [slave]
  (for [[act status] [[(fn [it] (.close it.stdout)) 141]
                      [(fn [it] (.send-signal it signal.SIGINT)) 130]]]
    (with [it (in-a-process "eval" slave FOREVER)]
      (holds (.readline it.stdout) "x\n")
      (act it)
      (holds (.wait it WAIT) status)
      (holds (.read it.stderr) ""))
    (is-free slave)))

(defn test-version-names-what-a-report-needs []
  (setv said (. (subprocess.run [sys.executable "-m" "dpfw" "--version"] :capture-output True :text True :timeout 60) stdout))
  (assert (.startswith said f"dpfw {dpfw.__version__}, Hy {hy.__version__}, ") said)
  (assert (in (get (.split sys.version) 0) said) said)
  (assert (= (.count said "\n") 1) said))
