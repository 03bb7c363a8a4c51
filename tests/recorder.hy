"Records what a real master and a real slave process say to each other, for
docs/protocol.md. All that is random on the wire is fixed here, so that two
recordings are equal and a reader can check the proofs."

(import
  contextlib [contextmanager]
  functools [partial]
  itertools [count]
  os
  pathlib [Path]
  re
  select
  socket
  subprocess
  sys
  threading
  types [SimpleNamespace]
  unittest.mock [patch]
  dpfw.errors [Refused]
  dpfw.master [Master force read read-result write]
  dpfw.data.buffers [MARK]
  dpfw.net.frames [HEADER])
(require hyrule.control [unless])

(setv
  HERE (. (Path __file__) parent)
  COOKIE "an example of a cookie"
  DOCUMENT (/ HERE.parent "docs" "protocol.md")
  BLOCK (re.compile "(?<=<!-- begin transcript -->\n```\n).*?(?=```\n<!-- end transcript -->\n)" re.S)
  WAIT 30)  ; seconds, for anything at all


;; Two ends without chance

(setv ABOUT {"dpfw" "1.0.0"  "hy" "1.1.0"  "python" "3.11.7"  "host" "node-b"  "pid" 4711  "leave" True})

(defn [contextmanager] fixed-tokens [letter]
  "In this process, session ids and nonces are a0a0…, a1a1…, and so on; and what it
  says of itself is the same everywhere."
  (setv numbers (count))
  (with [_ (patch "dpfw.net.handshake.secrets" (SimpleNamespace
             :token-hex (fn [n] (* f"{letter}{(next numbers)}" n))))
         _ (patch "dpfw.net.node.own_about" (fn [] (dict ABOUT)))]
    (yield)))

(defn slave []
  "What the slave's process runs."
  (import dpfw.slave [main])
  (with [_ (fixed-tokens "b")]
    (main ["0" "--host" "127.0.0.1"])))

(defn [contextmanager] slave-process []
  "A slave; gives the address that it listens on."
  (with [process (subprocess.Popen
      [(getattr hy "sys_executable" sys.executable)
       "-c" "import hy, tests.recorder; tests.recorder.slave()"]
      :env {#** os.environ
            "DPFW_COOKIE" COOKIE
            ; Tracebacks without ^^^^, which each Python puts elsewhere.
            "PYTHONNODEBUGRANGES" "1"
            "PYTHONPATH" (str HERE.parent)}
      :stdout subprocess.PIPE
      :stderr subprocess.DEVNULL
      :text True)]
    (try
      (setv [host port] (.split (get (.split (.readline process.stdout)) -1) ":"))
      (yield #(host (int port)))
      (finally
        (.terminate process)))))


;; Between them

(defclass Recorder []
  "Passes on what two sockets send each other, and writes it down before that:
  so what answers something stands below it."

  (defn __init__ [self]
    (setv
      self.lines []
      self.unread {"M" b""  "S" b""}
      self.greetings {"M" 3  "S" 2}))  ; lines before the first frame

  (defn run [self master slave]
    "Until one of the two hangs up; which one does it first is chance."
    (setv ways {master #("M" slave)  slave #("S" master)})
    (while True
      (for [source (get (select.select [master slave] [] [] WAIT) 0)]
        (setv [name target] (get ways source)
              chunk (.recv source 65536))
        (unless chunk
          (return))
        (.record self name chunk)
        (.sendall target chunk))))

  (defn record [self name chunk]
    (+= (get self.unread name) chunk)
    (while (.take self name)))

  (defn take [self name]
    "Write down one line of the handshake or one frame, if there is a whole one."
    (setv bytes (get self.unread name)
          end (+ 1 (.find bytes b"\n"))
          header (.match HEADER bytes)
          payload b"")
    (cond
      (not end)
        (return False)
      (get self.greetings name)
        (-= (get self.greetings name) 1)
      True
        (do
          (setv size (int (.group header 3)))
          (when (< (len bytes) (+ end size))
            (return False))
          (setv payload (cut bytes end (+ end size)))))
    (.append self.lines f"{name} {(.decode (cut bytes (- end 1)))}")
    (.extend self.lines (gfor  line (shown payload)  f"    {line}"))
    (setv (get self.unread name) (cut bytes (+ end (len payload)) None))
    True))

(defn shown [payload]
  "The lines that show a payload; of packed data, the lines of text and then bytes in
  hexadecimal."
  (if (.startswith payload MARK)
    (do
      (setv [line _ rest] (.partition (cut payload 1 None) b"\n"))
      [f"FF {(.rstrip (.decode line))} … ↵"
       #* (if (.startswith rest MARK) (shown rest) (hexadecimal rest))])
    (.splitlines (.replace (.decode payload) "\n" "↵\n"))))

(defn hexadecimal [data]
  (lfor  at (range 0 (len data) 32)  (.hex (cut data at (+ at 32)) " ")))

(defn recorded [address use]
  "What stands on the wire while ``use`` is called with the address to dial."
  (setv recorder (Recorder))
  (defn pump [listener]
    (with [master (get (.accept listener) 0)
           slave (socket.create-connection address WAIT)]
      (.run recorder master slave)))
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (.settimeout listener WAIT)
    (setv thread (threading.Thread :target pump :args [listener]))
    (.start thread)
    (try
      (use #* (.getsockname listener))
      (finally
        (.join thread WAIT))))
  recorder.lines)


;; What they talk about

(defn tasks [host port]
  (with [_ (fixed-tokens "a")  master (Master)]
    (setv master.network.node.cookie (.encode COOKIE))
    (.connect master host port)
    (setv task master.make-task)
    (force (task "(fn [i o] (+ 2 3))" read-result))
    (force (task "(fn [i o] (print \"hello\") 5)" read-result :output None))
    (setv x 21)
    (force (task `(fn [i o] (* 2 ~x)) read-result))
    (force (task "(fn [i o] (write (* 2 (read i)) o) \"done\")" ask))
    (force (task "(fn [i o] (sum (map int i)))" give-all))
    (force (task "(fn [i o] (.write o \"no line\") (len (list i)))" (fn [i o] (.read i 7))))
    (.exception (task "(fn [i o]\n  (/ 1 0)\n)" read-result))
    (setv
      running (threading.Event)
      promise (task
        "(fn [i o]\n  (try\n    (write \"I run\" o)\n    (.flush o)\n    (setv n 0)\n    (while True (+= n 1))\n    (except [KeyboardInterrupt] \"stopped\")))"
        (partial wait-long running)))
    (.wait running WAIT)
    (.cancel promise)
    ; The slave's answer to the cancel comes before this task's.
    (force (task "(fn [i o])" read-result))
    (force (task (large-remote) read-result))))

(defn large-remote []
  (setv numbers (list (range 100)))
  `(fn [i o] (lfor  n ~numbers  (* 3 n))))

(defn without-packed-data [host port]
  (with [_ (fixed-tokens "d")  master (Master)]
    (setv master.network.node.cookie (.encode COOKIE)
          master.network.node.packed False)
    (.connect master host port)
    (force (.make-task master (large-remote) read-result))))

(defn ask [i o]
  (write 21 o)
  [(read i) (read i)])

(defn give-all [i o]
  (print 1 2 3 :sep "\n" :file o)
  (.close o)
  (read i))

(defn wait-long [running i o]
  (read i)
  (.set running)
  (read i))

(defn wrong-cookie [host port]
  (with [_ (fixed-tokens "c")  master (Master)]
    (setv master.network.node.cookie b"another cookie than that")
    (try
      (.connect master host port)
      (except [Refused]))))


(defn transcript []
  "The whole transcript, as it stands in docs/protocol.md."
  (with [address (slave-process)]
    (setv lines [#* (recorded address tasks)
                 ""
                 #* (recorded address without-packed-data)
                 ""
                 #* (recorded address wrong-cookie)]))
  (.join "" (gfor  line lines  (+ line "\n"))))

(defn documented []
  "What docs/protocol.md shows of it."
  (.group (.search BLOCK (.read-text DOCUMENT :encoding "utf-8"))))

(defn document []
  "Put a new recording into docs/protocol.md."
  (setv text (.read-text DOCUMENT :encoding "utf-8")
        new (transcript))
  (.write-text DOCUMENT (.sub BLOCK (fn [_] new) text) :encoding "utf-8"))
