"Bytes that nobody should send, by the hundred: what was really said, mutated.
Whoever hears it lives on, stays small, evaluates nothing before a proof, and
serves the next honest one.

Case n of a test is made by (random.Random (+ SEED n)) alone; failures name both."

(import
  concurrent [futures]
  contextlib [contextmanager suppress]
  itertools [groupby]
  os
  pathlib [Path]
  random
  re
  resource
  secrets
  socket
  subprocess
  pytest
  dpfw.net.cookie [cookie]
  dpfw.master [Master]
  dpfw.errors [DatumSyntaxError RemoteError SlaveLost]
  dpfw.net.handshake [dial-handshake hello proof without-proof HELLO]
  dpfw.net.node [MOST-STRANGERS]
  dpfw.data.packed [pack]
  dpfw.task.ports [read read-result write]
  dpfw.task.remote [values-payload]
  dpfw.net.wire [Connection]
  tests.helpers [all-from holds until WAIT]
  tests.recorder [documented]
  tests.processes [run-task slave-server])
(require hyrule.control [unless])

(setv
  SEED 20060401
  CASES 300                        ; of mutations, for each of the three
  GROWTH (* 64 1024 1024)          ; bytes that memory may grow by
  FRAME-LIMIT (* 8 1024 1024)      ; so that one frame can hardly reach that
  CROWD 1000                       ; silent connections
  ; Descriptors of the slave server: enough for the strangers that a node keeps
  ; and some that are leaving, not for a crowd.
  DESCRIPTORS 800)


;; * What was really said

(defn frames-of [name]
  "The frames of one side in the recorded transcript, as bytes. Without the
  remote that runs until it is cancelled."
  (setv frames [])
  (for [line (.splitlines (get (.split (documented) "\n\n") 0))]
    (cond
      (.startswith line "    ")
        (when ours
          (+= (get frames -1) (.encode (.replace (cut line 4 None) "↵" "\n"))))
      True
        (do
          (setv ours (re.fullmatch (+ name r" \([a-z]+ [0-9]+ [0-9]+\)") line))
          (when ours
            (.append frames (+ (.encode (cut line 2 None)) b"\n"))))))
  (lfor  frame frames  :if (not-in b"while True" frame)  (as-said frame)))

(defn as-said [shown]
  "The frame itself, of one with packed data, which the transcript shows for people."
  (cond
    (not-in (.encode "…") shown) shown
    (.startswith shown b"(values ") (frame "values" (.join b"" (values-payload [(pack (list (range 100)))])) 9)
    True (frame "end" (.join b"" (pack (list (range 0 300 3)))) 9)))

(defn frame [kind payload [number 1]]
  (+ (.encode f"({kind} {number} {(len payload)})\n") payload))

(defn numbered [frame number]
  "The same frame about another task."
  (re.sub rb"(?<=[a-z] )[0-9]+" (.encode (str number)) frame :count 1))

(setv
  MASTER-FRAMES (frames-of "M")
  MASTER-TASKS (lfor  [_ frames] (groupby MASTER-FRAMES (fn [frame] (get (.split frame) 1)))  (list frames))
  SLAVE-FRAMES (lfor  frame (frames-of "S")  (numbered frame 1)))


;; * Mutations

(setv
  RUNS (re.compile rb"[0-9]+")
  LENGTHS (re.compile rb"(?<=[0-9] )[0-9]+(?=\)\n)")
  TASKS (re.compile rb"(?<=[a-z] )[0-9]+(?= [0-9]+\)\n)")
  NUMBERS [0 1 2 3 47 65536 (* 1024 1024) (+ 1 (* 1024 1024)) FRAME-LIMIT (+ 1 FRAME-LIMIT)
           (** 2 30) (** 2 31) (** 2 32) (- (** 2 63) 1) (** 2 63) (- (** 10 19) 1) (** 10 19)
           (** 10 40) -1]
  SCRAPS [b"\n" b"\r\n" b"\0" b"(" b")" b"\"" b"\\" b"\x16\x03\x01" b"\xff\xfe" b"\xe2\x82" b" "
          b"(cancel 1 0)\n" b"(eof 1 0)\n" b"(end 1 0)\n" b"(error 1 2)\n{}" b"(output 1 1)\nx"
          b"(data 1 00)\n" b"(task 1 0)\n" b"(task 2 0)\n" b"(cancel 2 0)\n" b"GET / HTTP/1.1\r\n\r\n" (* b"(" 300) (* b"9" 600)])

(defn mutated [rng text others]
  "One to three mutations. What is spliced in comes from one of ``others``."
  (for [_ (range (rng.randint 1 3))]
    (setv
      at (rng.randint 0 (len text))
      end (+ at (rng.randint 1 16))
      start (cut text at)
      other (rng.choice others)
      way (rng.choice ["insert" "delete" "duplicate" "truncate" "splice" "number" "flip"])
      text (cond
        (= way "insert") (+ start (rng.choice SCRAPS) (cut text at None))
        (= way "delete") (+ start (cut text end None))
        (= way "duplicate") (+ (cut text end) (cut text at None))
        (= way "truncate") start
        (= way "splice") (+ start (cut other (rng.randint 0 (len other)) None))
        (= way "number") (renumbered rng text)
        True (flipped rng text at))))
  text)

(defn flipped [rng text at]
  (setv flipped (bytearray text))
  (when (< at (len text))
    (^= (get flipped at) (rng.choice [1 2 4 8 16 32 64 128 255])))
  (bytes flipped))

(defn renumbered [rng text]
  "With another number in place of one, of a frame's length or task if there is any."
  (setv found (or (list ((. (rng.choice [LENGTHS TASKS]) finditer) text)) (list (RUNS.finditer text))))
  (unless found
    (return text))
  (setv run (rng.choice found))
  (+ (cut text (.start run)) (.encode (str (rng.choice NUMBERS))) (cut text (.end run) None)))

(defn cases [n]
  (for [case (range n)]
    (yield #(case f"seed {SEED}, case {case}" (random.Random (+ SEED case))))))


;; * Who listens

(defn memory [pid]
  "The most memory that a process has had, in bytes; where the system does not
  tell, what it has."
  (setv status (Path f"/proc/{pid}/status"))
  (* 1024 (int (if (.exists status)
    (get (re.search r"VmHWM:\s*([0-9]+)" (.read-text status)) 1)
    (subprocess.check-output ["ps" "-o" "rss=" "-p" (str pid)])))))

(defn [contextmanager] bounded [pid]
  (setv before (memory pid))
  (yield)
  (setv growth (- (memory pid) before))
  (assert (< growth GROWTH) f"process {pid} grew by {growth} bytes, from {before}"))

(defn [contextmanager] descriptors [soft]
  "With this limit on descriptors, which child processes inherit."
  (setv [before hard] (resource.getrlimit resource.RLIMIT-NOFILE))
  (unless (or (= hard resource.RLIM-INFINITY) (>= hard soft))
    (pytest.skip f"needs {soft} descriptors, and the hard limit is {hard}"))
  (resource.setrlimit resource.RLIMIT-NOFILE #(soft hard))
  (try
    (yield)
    (finally
      (resource.setrlimit resource.RLIMIT-NOFILE #(before hard)))))

(defn [(pytest.fixture :scope "module")] server []
  "A live slave server, the same for all; its process and address. It must have
  no error to log."
  (with [_ (descriptors DESCRIPTORS)]
    (setv context (slave-server "--log-level" "error" "--backlog" "1000"
                                :DPFW_FRAME_LIMIT (str FRAME-LIMIT))
          [process #* address] (.__enter__ context)))
  (try
    (yield #(process (tuple address)))
    (.kill process)
    (setv [_ errors] (.communicate process :timeout WAIT))
    (assert (not errors) f"the slave logged:\n{errors}")
    (finally
      (.__exit__ context None None None))))

(defn [contextmanager] knocking [address]
  "A bare socket that dials there."
  (with [sock (socket.create-connection address WAIT)]
    (yield sock)))

(defn in-table? [address name]
  "An honest master comes, and asks whether the slave's table has this."
  (with [master (Master)]
    (.connect master #* address)
    (run-task master `(fn [i o] (in ~name (dpfw-slave-ht))))))

(defn check-serves [server]
  (setv [process address] server)
  (holds (in-table? address "nobody's") False)
  (holds (.poll process) None))


;; * Talking

(defn say [sock bytes]
  (with [_ (suppress ConnectionError)]  ; it has heard enough already
    (.sendall sock bytes)))

(defn leave [sock where]
  "Hang up, and wait until the other end has, too."
  (with [_ (suppress OSError)]
    (.shutdown sock socket.SHUT-WR))
  (try
    (all-from sock)
    (except [TimeoutError]
      (pytest.fail f"{where}: it does not hang up"))))

(defn answer [sock seconds]
  "The next bytes that come within this time, if any."
  (.settimeout sock seconds)
  (try
    (.recv sock 4096)
    (except [OSError] b"")
    (finally
      (.settimeout sock WAIT))))


;; * To a slave

(defn marking [name]
  "A task that leaves its mark in the slave's table."
  (frame "task" (.encode f"(fn [i o] (hash-table-set! (dpfw-slave-ht) \"{name}\" True))")))

(defn greeted [sock mine said]
  "Say this in place of the hello ``mine``; return the line with the proof that
  would be right if it had been that."
  (say sock said)
  (setv line (if (in b"\n" said)
               (get (.partition (answer sock 1) b"\n") 0)
               b"")
        theirs (HELLO.fullmatch line)
        ; The binding is empty: this is not TLS.
        channel (Connection sock)
        offered (if (and theirs (.group theirs 6))
                  (proof channel (cookie) "dialler" mine (without-proof theirs))
                  (secrets.token-hex 32)))
  (.encode f"(proof \"{offered}\")\n"))

(defn test-a-slave-evaluates-nothing-before-a-proof [server]
  (setv [process address] server
        task (marking "unproved")
        mine (hello "master" (secrets.token-hex 16))
        line (.encode f"{mine}\n")
        others [line (.replace line b"master" b"slave") task #* MASTER-FRAMES])
  (with [_ (bounded process.pid)]
    (for [[n where rng] (cases CASES)]
      ; Mutate the hello, or the proof, or both.
      (setv which (rng.randrange 3)
            said (if (= which 1) line (mutated rng line others)))
      (with [sock (knocking address)]
        (setv right (greeted sock mine said)
              proved (if (= which 0) right (mutated rng right others)))
        ; A proof that is whole still, and garbage behind it, is a proof.
        (unless (.startswith (+ said proved) (+ line right))
          (say sock (+ proved task (.join b"" MASTER-FRAMES))))
        (leave sock where))
      (when (= 0 (% n 50))
        (check-serves server))))
  (check-serves server)
  (assert (not (in-table? address "unproved"))
    f"seed {SEED}: a remote was evaluated whose sender had proved nothing")
  ; The same task leaves its mark when the proof is right.
  (with [sock (knocking address)]
    (setv right (greeted sock mine line))
    (say sock (+ right task))
    (answer sock WAIT)
    (leave sock "the honest case"))
  (assert (in-table? address "unproved")))

(defn test-a-slave-survives-what-a-proved-master-sends [server]
  (setv [process address] server)
  (with [_ (bounded process.pid)]
    (for [[n where rng] (cases CASES)]
      (setv tasks (rng.choices MASTER-TASKS :k (rng.randint 1 3))
            frames (lfor  [n task] (enumerate tasks 1)  frame task  (numbered frame n))
            said (mutated rng (.join b"" frames) [#* MASTER-FRAMES #* SLAVE-FRAMES]))
      (with [sock (knocking address)]
        (dial-handshake (Connection sock) "master" (secrets.token-hex 16) (cookie))
        (.settimeout sock WAIT)
        (say sock said)
        ; Else it would be interrupted before it came far.
        (answer sock (rng.choice [0.001 0.02]))
        (leave sock where))
      (when (= 0 (% n 50))
        (check-serves server))))
  (check-serves server))


;; * To a master

(defn [pytest.fixture] master [server]
  "A master in this process, with a slave that is all right."
  (with [master (Master)]
    (setv master.node.frame-limit FRAME-LIMIT)
    (.listen master :host "127.0.0.1" :backlog 1000)
    (setv good (.connect master #* (get server 1)))
    (yield #(master good))))

(defn address-of [master]
  (get (list master.node.listeners) 0))

(defn connected [master]
  "The slaves that are here, by the ids of their processes."
  master.network.dispatcher.registry.connected)

(defn [contextmanager] false-slave [master]
  "The bare socket of one that has proved itself, and how the master sees it."
  (setv session (secrets.token-hex 16))
  (with [sock (knocking (address-of master))]
    (dial-handshake (Connection sock) "slave" session (cookie))
    (.settimeout sock WAIT)
    (until (fn [] (in session (connected master))))
    (yield #(sock (get (connected master) session))))
  (until (fn [] (not-in session (connected master)))))

(setv ENDINGS #(SlaveLost DatumSyntaxError RemoteError
  ; From the local procedure's own reading.
  UnicodeDecodeError EOFError))

(setv LOCALS [
  read-result
  (fn [i o] (list i))
  (fn [i o] (write 21 o) [(read i) (read i)])
  (fn [i o] "looks at nothing")])

(defn test-a-master-survives-what-a-proved-slave-answers [master tmp-path]
  (setv [master good] master
        mark (/ tmp-path "evaluated")
        evil (.encode f"(do (import os) (os.mkdir {(hy.repr (str mark))}))")
        frames [#* SLAVE-FRAMES
                b"(end 1 1073741824)\n5"
                (frame "end" evil)
                (frame "end" (+ b"'" evil))
                (frame "data" (+ evil b"\n"))
                (frame "error" evil)
                (frame "error" (+ b"{\"type\" " evil b"}"))]
        endings {})
  (with [_ (bounded (os.getpid))]
    (for [[n where rng] (cases CASES)]
      (setv bytes (.join b"" (rng.choices frames :k (rng.randint 1 3))))
      (unless (= 0 (rng.randrange 8))
        (setv bytes (mutated rng bytes [#* frames #* MASTER-FRAMES])))
      (with [[sock slave] (false-slave master)]
        (setv early (rng.choice [True False]))
        (when early
          (say sock bytes))
        (setv promise (.make-task master "(fn [i o] 1)" (rng.choice LOCALS) slave))
        (unless early
          (say sock bytes))
        (with [_ (suppress OSError)]
          (.shutdown sock socket.SHUT-WR))
        (try
          (setv error (.exception promise WAIT))
          (except [futures.TimeoutError]
            (pytest.fail f"{where}: the promise does not end after {bytes !r}")))
        (assert (isinstance error #((type None) #* ENDINGS)) f"{where}: {error !r} of {bytes !r}")
        (setv name (. (type error) __name__))
        (setv (get endings name) (+ 1 (.get endings name 0)))
        (assert (not (.exists mark)) f"{where}: the master evaluated {bytes !r}"))
      (when (= 0 (% n 20))
        (holds (run-task master '(fn [i o] (+ 1 2)) :slave good) 3))))
  ; Each of them came up, or the cases are worth less than they seem.
  (for [name ["NoneType" "SlaveLost" "DatumSyntaxError" "RemoteZeroDivisionError"]]
    (assert (in name endings) f"seed {SEED}: no {name} in {endings}"))
  (holds (run-task master '(fn [i o] (+ 1 2)) :slave good) 3)
  (holds (.slaves master) [good]))


;; * Silence

(defn [contextmanager] crowd [address]
  "A thousand connections that say nothing."
  (with [_ (descriptors (+ CROWD MOST-STRANGERS 200))]
    (setv socks [])
    (try
      (for [_ (range CROWD)]
        (.append socks (socket.create-connection address WAIT)))
      (yield socks)
      (finally
        (for [sock socks]
          (.close sock))))))

(defn open-still [socks]
  "How many the other end has not closed."
  (setv n 0)
  (for [sock socks]
    (.setblocking sock False)
    (try
      (.recv sock 1 socket.MSG-PEEK)
      (except [BlockingIOError]
        (+= n 1))
      (except [ConnectionError])))
  n)

(defn check-few-stay [socks]
  "The longest silent had to go; the others are still heard out, so nobody has
  waited until their time was over."
  (until (fn [] (<= (open-still socks) MOST-STRANGERS)))
  (assert (open-still (cut socks -100 None))))

(defn test-a-slave-serves-masters-among-a-thousand-silent-ones [server]
  (setv [_ address] server)
  (with [socks (crowd address)]
    (check-serves server)
    (check-few-stay socks))
  (check-serves server))

(defn test-a-master-takes-slaves-among-a-thousand-silent-ones [master]
  (setv [master good] master)
  (with [socks (crowd (address-of master))]
    (with [[sock slave] (false-slave master)]
      (setv promise (.make-task master "(fn [i o] 5)" read-result slave))
      (say sock (frame "end" b"5"))
      (holds (.result promise WAIT) 5))
    (holds (run-task master '(fn [i o] (+ 1 2)) :slave good) 3)
    (check-few-stay socks)
    (assert (<= (len master.node.strangers) MOST-STRANGERS)))
  (until (fn [] (not master.node.strangers))))
