"What masters and slaves tell their watchers, and what these do about nonsense."

(import
  contextlib [contextmanager]
  os
  socket
  threading
  pytest
  dpfw.errors [WireError]
  dpfw.data.sexp [write-datum]
  dpfw.master [Master read-result]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [listen-handshake new-session]
  dpfw.net.status [read-status resident-memory]
  dpfw.net.watcher
  dpfw.net.watcher [Watcher]
  dpfw.net.wire [Connection]
  tests.helpers [begin holds message outcome until]
  tests.processes [launched run-task slave-server])

(setv
  WAITS '(fn [i o] (write "here" o) (.flush o) (read i))
  SPINS '(fn [i o] (write "here" o) (.flush o) (while True))
  FAILS '(fn [i o] (/ 1 0)))

(defn [contextmanager] running [master remote [slave None]]
  "A task that runs until the block is left."
  (setv here (threading.Event)  leave (threading.Event)
        promise (.make-task master remote (fn [i o] (.readline i) (.set here) (.wait leave)) slave
                  :name "waits"))
  (assert (.wait here 30))
  (try
    (yield promise)
    (finally
      (.cancel promise)
      (.set leave))))

(defn parts [told #* names]
  (lfor  name names  (get told name)))


(defn test-a-slave-tells-of-its-sessions-also-when-it-computes []
  (with [[process host port] (slave-server)  watcher (Watcher host port)  master (Master)]
    (holds (parts (.ask watcher) "role" "done" "failed" "keys" "line" "sessions") ["slave" 0 0 0 None []])
    (setv slave (.connect master host port))
    (run-task master '(fn [i o] (hash-table-set! (dpfw-slave-ht) "a" 1)))
    (.exception (.make-task master FAILS read-result))
    (with [_ (running master SPINS)]
      (setv told (.ask watcher)
            [session] (get told "sessions"))
      (holds (parts told "done" "failed" "keys" "listens") [1 1 1 [f"{host}:{port}"]])
      (holds (parts session "state" "task" "done" "failed") ["busy" 3 1 1])
      (holds (get told "about" "pid") process.pid)
      (holds (get session "about" "pid") (os.getpid))
      (assert (<= 0 (get session "busy") (get session "age")) session)
      (assert (> (get told "up") 0) told)
      (assert (> (get told "memory") 1_000_000) told))
    (until (fn [] (= (. slave state) "idle")))
    (holds (parts (get (.ask watcher) "sessions" 0) "state" "task" "busy" "failed") ["idle" None None 2])
    (.close master)
    ; Tasks of sessions that are over count.
    (until (fn [] (not (get (.ask watcher) "sessions"))))
    (holds (parts (.ask watcher) "done" "failed") [1 2])))

(defn test-a-master-tells-of-its-slaves []
  (with [[master _] (launched 2)]
    (setv address (.listen master :host "127.0.0.1")
          [one other] (.slaves master))  ; in the order in which they are told of
    (with [watcher (Watcher #* address)]
      (run-task master '(fn [i o] 1) :slave one)
      (.exception (.make-task master FAILS read-result one))
      (with [_ (running master WAITS one)  _ (running master WAITS other)]
        (for [_ (range 2)]
          (.make-task master '(fn [i o]) read-result))
        (for [_ (range 3)]
          (.make-task master '(fn [i o]) read-result other))
        (setv told (.ask watcher)
              sessions (get told "sessions"))
        (holds (parts told "role" "line" "done" "failed" "keys") ["master" 2 1 1 None])
        (holds (lfor  s sessions  (parts s "state" "task" "task-name" "line" "done" "failed" "peer"))
          [["busy" 3 "waits" 0 1 1 one.address] ["busy" 1 "waits" 3 0 0 other.address]])
        (for [[slave session] (zip [one other] sessions)]
          (holds (get session "about" "pid") slave.process.pid)
          (assert (<= 0 (get session "busy") (get session "age")) session)
          (assert (> (get session "memory") 1_000_000) session)))
      (.kill master other)
      (until (fn [] (= (len (get (.ask watcher) "sessions")) 1))))))

(defn test-a-watcher-sees-that-the-other-end-has-left []
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [watcher (Watcher host port)]
      (.ask watcher)
      (.close master)
      (with [raised (pytest.raises ConnectionError)]
        (.ask watcher))
      (message raised f"{host}:{port} went away" "same command"))))

(defn test-a-watcher-holds-up-no-slave-that-leaves []
  (with [[process host port] (slave-server "--tasks" "1")  watcher (Watcher host port)  master (Master)]
    (.ask watcher)
    (.connect master host port)
    (holds (run-task master '(fn [i o] 1)) 1)
    (holds (.wait process 30) 0)))

(defn test-memory-of-a-process-that-is-not-there []
  (holds (resident-memory (** 2 30)) None))


;; Nonsense

(defn a-status [#** changes]
  {"role" "slave"  "about" {}  "up" 1.5  "memory" None  "listens" ["127.0.0.1:1"]  "line" None
   "keys" 0  "done" 0  "failed" 0  "sessions" []  "later" [1 2]  #** changes})

(defn a-session [#** changes]
  {"peer" "127.0.0.1:2"  "about" {"host" "a"}  "state" "idle"  "task" None  "task-name" None  "busy" None  "age" 1
   "memory" None  "line" None  "done" 0  "failed" 0  #** changes})

(defn as-payload [status]
  (.encode (write-datum status)))

(defn test-what-makes-sense-is-taken-as-it-is []
  (setv status (a-status :sessions [(a-session) (a-session :busy 0.5 :task 3)]))
  (holds (read-status (as-payload status) "slave") status))

(defn [(pytest.mark.parametrize "payload" [
        b"" b"(quit)" b"[]" b"\xff" b"{}"
        #* (map as-payload [
          (a-status :role "master") (a-status :role 1) (a-status :up True) (a-status :up -1)
          (a-status :up (float "nan")) (a-status :up (** 10 16)) (a-status :done 1.5)
          (a-status :about {"host" "\x1b[2J"}) (a-status :about {"pid" (** 10 20)})
          (a-status :listens "a") (a-status :listens ["a\nb"]) (a-status :listens [1])
          (a-status :sessions [1]) (a-status :sessions [{}])
          #* (gfor  session [
            (a-session :peer "\x1b[2J") (a-session :state None) (a-session :busy "long")
            (a-session :busy (- (float "inf"))) (a-session :line (** 10 5000))
            (a-session :about [])]
            (a-status :sessions [session]))])])]
      test-what-makes-none-is-refused [payload]
  (with [_ (pytest.raises #(ValueError SyntaxError))]
    (read-status payload "slave")))

(defn [contextmanager] pretender [act]
  "A listener that shakes hands as a slave, and then acts; gives its host and port."
  (defn serve [listener]
    (setv connection (Connection (get (.accept listener) 0)))
    (try
      (listen-handshake connection "slave" (new-session) (cookie))
      (act connection)
      (finally
        (.close connection))))
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (setv served (begin serve listener))
    (try
      (yield (.getsockname listener))
      (finally
        (outcome served)))))

(defn [(pytest.mark.parametrize "answer" [#("end" 1 b"[]") #("end" 2 b"{}") #("error" 1 b"{}")])]
      test-a-watcher-says-that-what-came-is-no-status [answer]
  (with [address (pretender (fn [connection] (.receive-header connection) (.send connection #* answer)))
         watcher (Watcher #* address)
         raised (pytest.raises WireError)]
    (.ask watcher))
  (message raised f":{(get address 1)} sent no status"))

(defn test-a-watcher-does-not-wait-for-ever [monkeypatch]
  (monkeypatch.setattr dpfw.net.watcher "LONGEST_WAIT" 0.1)
  (setv over (threading.Event))
  (with [address (pretender (fn [_] (.wait over 30)))
         watcher (Watcher #* address)
         raised (pytest.raises TimeoutError)]
    (try
      (.ask watcher)
      (finally
        (.set over))))
  (message raised "has not answered for 0.1 seconds" "C code"))
