"Takes screens of a real terminal, in tmux, for docs/watching.md. What differs from one
run to the next, such as ports, is the same in all of them here."

(import
  contextlib [contextmanager]
  os
  pathlib [Path]
  re
  shlex
  shutil
  subprocess
  sys
  threading
  unittest.mock [patch]
  dpfw.net.status
  dpfw.net.addresses [parse-address]
  tests.helpers [until])

(setv
  ROOT (. (Path __file__) parent parent)
  DOCUMENT (/ ROOT "docs" "watching.md")
  BLOCK "(?<=<!-- begin screen {} -->\n```\n).*?(?=```\n<!-- end screen {} -->\n)"
  TMUX (shutil.which "tmux")
  SIZE [110 40]        ; columns and lines
  WHERE "node-b:10000" ; how the screens call where the other end listens
  PYTHON (getattr hy "sys_executable" sys.executable)
  ABOUT {"dpfw" "1.0.0"  "hy" "1.3.1"  "python" "3.11.7"  "host" "node-b"  "pid" 4711})


;; Processes to be watched. Each prints where it listens.

(defn stable [status]
  "A status with what time and chance bring into it made the same."
  (.update status {"up" 3723.0  "memory" 41_300_000  "listens" [WHERE]})
  (for [[n session] (enumerate (get status "sessions"))]
    (.update session {
      "peer" f"node-c:4011{n}"
      "about" {#** ABOUT  "host" "node-c"  "pid" (+ 812 n)
               #** (if (= n 2) {"python" "3.12.1"  "name" "gpu-1"  "labels" ["gpu"]} {})}
      "age" 60.0
      "busy" (when (get session "busy") (* 42.0 n))
      "memory" (+ 31_000_000 (* n 1_700_000))}))
  status)

(defn [contextmanager] made-stable []
  (setv serve dpfw.net.status.serve-watcher)
  (with [_ (patch "dpfw.net.node.own_about" (fn [] (dict ABOUT)))
         _ (patch "dpfw.net.node.serve_watcher" (fn [connection look]
             (serve connection (fn [] (stable (look))))))]
    (yield)))

(defn slave []
  (import dpfw.slave [main])
  (main ["0" "--host" "127.0.0.1"]))

(defn stable-slave []
  (with [_ (made-stable)]
    (slave)))

(defn busy-master []
  "A master of three slaves, of which two are busy."
  (import
    dpfw.launch [dpfw-launch]
    dpfw.master [Master read-result])
  (with [_ (made-stable)  master (Master)]
    (dpfw-launch 3 master)
    (setv [host port] (.listen master :host "127.0.0.1")
          [idle #* busy] (.slaves master)  ; in the order in which they are shown
          task master.make-task)
    (for [_ (range 118)]
      (task '(fn [i o] 1) read-result idle))
    (for [_ (range 2)]
      (task '(fn [i o] (/ 1 0)) read-result idle))
    (.exception (task '(fn [i o] (/ 1 0)) read-result idle))
    (for [[slave name] (zip busy ["fit" None])]
      ; Its local procedure returns when the remote runs.
      (task '(fn [i o] (print :file o) (.flush o) (read i)) (fn [i o] (.readline i) (.wait (threading.Event))) slave :name name))
    (for [_ (range 4)]
      (task '(fn [i o] 1) read-result (get busy 0)))
    (until (fn [] (all (gfor  slave busy  (and slave.busy (= slave.session.task.state "running"))))))
    (print f"listens on {host}:{port}" :flush True)
    (input)))

(defn [contextmanager] listening [name]
  "Such a process; gives its address, as text."
  (with [process (subprocess.Popen
      [PYTHON "-c" f"import hy, tests.screens; tests.screens.{(hy.mangle name)}()"]
      :env {#** os.environ
            ; Tracebacks without ^^^^, which each Python puts elsewhere.
            "PYTHONNODEBUGRANGES" "1"
            "PYTHONPATH" (str ROOT)}
      :stdin subprocess.PIPE
      :stdout subprocess.PIPE
      :stderr subprocess.DEVNULL
      :text True)]
    (try
      (yield (get (.split (.readline process.stdout)) -1))
      (finally
        (.close process.stdin)
        (.terminate process)))))


;; A terminal

(defclass Terminal []
  "A tmux of its own, in which a command runs."

  (defn __init__ [self command]
    (setv self.name f"dpfw-{(os.getpid)}-{(id self)}")
    (.tmux self "-f" os.devnull "new-session" "-d" "-x" (str (get SIZE 0)) "-y" (str (get SIZE 1)) command)
    None)

  (defn tmux [self #* arguments]
    (. (subprocess.run [TMUX "-u" "-L" self.name #* arguments]
         :env {#** os.environ
               "LC_ALL" "C.UTF-8"
               "PATH" (.join os.pathsep [(os.path.dirname PYTHON) (os.environ.get "PATH" os.defpath)])}
         :stdin subprocess.DEVNULL  :capture-output True  :text True  :check True)
       stdout))

  (defn screen [self]
    (+ (.rstrip (.tmux self "capture-pane" "-p")) "\n"))

  (defn await-end [self text]
    "Wait until the screen ends so."
    (until (fn [] (.endswith (.rstrip (.screen self)) text))))

  (defn say [self line then]
    "Type a line, and wait until the screen ends in what is to come."
    (.tmux self "send-keys" "-l" line)
    (.await-end self line)
    (.tmux self "send-keys" "Enter")
    (.await-end self f"\n{then}"))

  (defn interrupt [self then]
    (.tmux self "send-keys" "C-c")
    (.await-end self then))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.tmux self "kill-server")))

(defn dpfw-command [#* arguments]
  (shlex.join [PYTHON "-m" "dpfw" #* arguments]))


;; The screens

(defn status-screen []
  (with [address (listening "busy-master")
         terminal (Terminal (dpfw-command "status" address "--watch" "3600"))]
    (until (fn [] (in "gpu-1" (.screen terminal))))
    (+ f"$ dpfw status {WHERE} --watch\n" (.screen terminal))))

(defn repl-screen []
  (with [address (listening "stable-slave")
         terminal (Terminal (dpfw-command "repl" address))]
    (.await-end terminal "=>")
    (.say terminal "(defn area [r]" "...")
    (.say terminal "  (* 3 r r))" "=>")
    (.say terminal "(lfor  r (range 4)  (area r))" "=>")
    (.say terminal "(print \"printed on\" (len [\"the\" \"slave\"]))" "=>")
    (.say terminal "(area \"2\")" "=>")
    (.say terminal "(do (print \"on and on\") (while True))" "on and on")
    (.interrupt terminal "=>")
    (+ f"$ dpfw repl {WHERE}\n" (.replace (.screen terminal) address WHERE))))

(defn debug-screen []
  ; With versions of its own, the master would name the difference.
  (with [address (listening "slave")
         terminal (Terminal (shlex.join [PYTHON "-m" "hy"]))]
    (.await-end terminal "=>")
    (setv [host port] (parse-address address)
          connect f"(setv slave (dpfw-master-client \"{host}\" {port}))")
    (for [[line then] [
        ["(import dpfw.master *)" "=>"]
        [connect "=>"]
        ["(force (dpfw-make-task '(fn [i o]" "..."]
        ["    (setv squares (lfor  n (range 4)  (* n n)))" "..."]
        ["    (breakpoint)" "..."]
        ["    (sum squares)) debug))" "(Pdb)"]
        ["w" "(Pdb)"]
        ["squares" "(Pdb)"]
        ["(.append squares (* 4 4))" "(Pdb)"]
        ["c" "=>"]]]
      (.say terminal line then))
    (setv [banner screen] (.split (.screen terminal) "\n" 1))
    (+ "$ hy\n" (.replace screen connect "(setv slave (dpfw-master-client \"node-b\" 10000))"))))

(defn eval-screen []
  (with [address (listening "slave")
         terminal (Terminal "sh")]
    (until (fn [] (.strip (.screen terminal))))
    (.say terminal "PS1='$ '" "$")  ; whoever runs it
    (for [line [
        f"dpfw eval {address} '(fn [i o] (len (dpfw-slave-ht)))'"
        f"seq 3 | dpfw eval {address} '(fn [i o] (for [line i] (print (* 2 (int line)) :file o)))'"
        f"dpfw eval {address} '(fn [i o] (/ 1 0))'"
        "echo $?"]]
      (.say terminal line "$"))
    (setv [_ screen] (.split (.screen terminal) "\n" 1))
    (.removesuffix (.replace screen address WHERE) "$\n")))

(setv SCREENS {"status" status-screen  "eval" eval-screen  "repl" repl-screen  "debug" debug-screen})

(defn block [name]
  (re.compile (.format BLOCK name name) re.S))

(defn documented [name]
  "What docs/watching.md shows."
  (.group (.search (block name) (.read-text DOCUMENT :encoding "utf-8"))))

(defn document []
  "Put new screens into docs/watching.md."
  (setv text (.read-text DOCUMENT :encoding "utf-8"))
  (for [[name take] (.items SCREENS)]
    (setv new (take)
          text (.sub (block name) (fn [_] new) text)))
  (.write-text DOCUMENT text :encoding "utf-8"))
