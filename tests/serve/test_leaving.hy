"A slave leaves: its master drains it, a SIGTERM comes, its time or its tasks are over.
Nothing is lost by that, and nothing runs twice."

(import
  collections [Counter]
  contextlib [contextmanager ExitStack]
  os
  socket
  threading
  pytest
  dpfw.errors [SlaveLost]
  dpfw.master [Master]
  dpfw.net.about [own-about]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.wire [Connection]
  dpfw.serve [session]
  dpfw.serve.leave [Leaving seconds-of]
  dpfw.task.ports [read-result]
  tests.helpers [all-from holds message until WAIT]
  tests.processes [await-slaves ended error-of held launched run-task slave-process slave-server]
  tests.serve.sessions [answer dialled ends hangs-up reacting serving task])

(setv QUIET ["--log-level" "error"])


(defn [contextmanager] dialling [#* arguments]
  "A master, a slave's process that dials it, and the slave."
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (slave-process "--connect" f"{host}:{port}" #* QUIET #* arguments)]
      (yield #(master process (.get-slave master))))))

(defn ends-well [process]
  (setv [status _ err] (ended process))
  (holds [status err] [0 ""]))

(defn await-leaving [slave]
  (until (fn [] (= slave.state "leaving"))))


;; Its master drains it

(defn test-a-drained-slave-finishes-what-it-has-and-what-was-made-for-it []
  (with [[master [slave other]] (launched 2)]
    (with [promise (held master slave)]
      (setv bound (lfor  n (range 3)  (.make-task master `(fn [i o] ~n) read-result slave)))
      (.drain master slave)
      (.drain master slave)
      (holds slave.state "leaving")
      (message (pytest.raises SlaveLost run-task master '(fn [i o]) :slave slave) "is drained")
      (holds (.broadcast master '(fn [i o] (+ 1 1))) [2])
      (holds (.on-connect master '(fn [i o] 3)) [3])
      (holds (len (sfor  _ (range 5)  (run-task master '(fn [i o] (import os) (os.getpid))))) 1)
      (assert (not (.done promise))))
    (holds (.result promise WAIT) slave.process.pid)
    (holds (lfor  p bound  (.result p WAIT)) [0 1 2])
    (holds (.wait slave.process WAIT) 0)
    (holds [slave.session.farewell (.slaves master)] [True [other]])
    (.drain master other :wait True)
    (holds other.state "lost")
    (.drain master other :wait True)
    (holds (.wait other.process WAIT) 0)))

(defn test-a-drained-slave-can-be-killed []
  (with [[master [slave]] (launched 1)]
    (setv promise (.make-task master '(fn [i o] (print "begun" :file o) (.flush o) (while True))
                    (fn [i o]
                      (.readline i)
                      (.drain master slave)
                      (.kill master slave)
                      (.readline i))))
    (assert (isinstance (.exception promise WAIT) SlaveLost))
    (.drain master slave)
    (holds slave.state "lost")))

(defn test-a-drained-server-stays-up-and-is-not-dialled-again []
  (with [[process host port] (slave-server #* QUIET)  master (Master)]
    (setv slave (.connect master host port))
    (.drain master slave :wait True)
    (holds (.slaves master) [])
    (holds (list master.network.redialling) [])
    (assert (is (.connect master host port) slave))
    (holds (run-task master '(fn [i o] 5) :slave slave) 5)
    (.terminate process)
    (ends-well process)))

(defn test-a-slave-that-dialled-ends-when-it-is-drained []
  (with [[master process slave] (dialling)]
    (.drain master slave)
    (ends-well process)
    (holds (.slaves master) [])))

(defn test-what-cannot-be-drained-is-named []
  (with [master (Master)]
    (for [what [None 0 "a slave"]]
      (message (pytest.raises ValueError master.drain what) (repr what) "is no slave"))))


;; SIGTERM

(defn test-sigterm-lets-what-runs-end [tmp-path]
  (with [[master process slave] (dialling)]
    (with [promise (held master slave)]
      (setv waiting (.make-task master '(fn [i o] "elsewhere") read-result))
      (.terminate process)
      (await-leaving slave)
      (assert (not (.done promise))))
    (holds (.result promise WAIT) process.pid)
    (setv [status _ err] (ended process))
    (holds status 0)
    (holds slave.session.farewell True)
    (assert (not (.done waiting)))
    (with [process (slave-process "--once" "--connect" (.join ":" (map str (next (iter master.node.listeners)))))]
      (holds (.result waiting WAIT) "elsewhere")
      (.terminate process)
      (ends-well process))))

(defn test-sigterm-at-a-server-with-two-masters-waits-for-both []
  (with [[process host port] (slave-server)  one (Master)  two (Master)]
    (setv slaves (lfor  m [one two]  (.connect m host port)))
    (with [first (held one (get slaves 0))]
      (with [second (held two (get slaves 1))]
        (.terminate process)
        (for [s slaves]
          (await-leaving s)))
      (holds (.result second WAIT) process.pid)
      (assert (is (.poll process) None))
      (assert (isinstance (error-of one.connect host port) OSError)))
    (holds (.result first WAIT) process.pid)
    (setv [status _ err] (ended process))
    (holds status 0)
    (assert (in "another one ends it now" err) err)))

(defn test-an-idle-slave-and-one-that-dials-in-vain-end-at-once []
  (with [[master process slave] (dialling)]
    (.terminate process)
    (ends-well process))
  (with [full (socket.create-server #("127.0.0.1" 0))]
    (setv port (get (.getsockname full) 1)))
  (with [process (slave-process "--connect" f"127.0.0.1:{port}")]
    (assert (in "dialling until it answers" (.readline process.stderr)))
    (.terminate process)
    (ends-well process)))

(defn test-a-sigterm-that-does-not-wake-the-main-thread [tmp-path]
  "Nor does one that comes just before that begins to wait: of 500 slaves whose master had
  just gone, 6 slept on for ever."
  (setv gate (/ tmp-path "gate"))
  (os.mkfifo gate)
  (with [[master process slave] (dialling)]
    (run-task master `(fn [i o]
      (import threading signal)
      (defn strike []
        (with [f (open ~(str gate))]
          (.read f))
        (signal.pthread-kill (threading.get-ident) signal.SIGTERM))
      (.start (threading.Thread :target strike :daemon True))
      None))
    (.close (open gate "w"))
    (ends-well process)
    (holds slave.session.farewell True)))

(defn test-a-signal-that-comes-when-the-slave-has-just-ended-is-no-error []
  (setv leaving (Leaving None None False None))
  (.send leaving.mouth b"\x0f")
  (.close leaving.ear)
  (.hear leaving)
  (.close leaving.mouth)
  (holds leaving.asked None))

(defn test-signals-of-a-forked-child-are-its-own []
  (with [[master process slave] (dialling)]
    (holds (run-task master '(fn [i o]
      (import os signal)
      (setv [ear mouth] (os.pipe)
            child (os.fork))
      (when (= child 0)
        (try
          ; Where Python writes of them is nowhere.
          (setv status (if (= (signal.set-wakeup-fd -1) -1) 7 9))
          (signal.signal signal.SIGTERM (fn [#* _] (os._exit status)))
          (os.write mouth b"!")
          (signal.pause)
          (finally (os._exit 8))))
      (os.read ear 1)
      (os.kill child signal.SIGTERM)
      (os.waitstatus-to-exitcode (get (os.waitpid child 0) 1)))) 7)
    (holds (run-task master '(fn [i o] 5)) 5)
    (holds [slave.state slave.session.drained] ["idle" False])))

(defn test-an-event-loop-that-listens-to-signals-leaves-that-to-the-slave []
  (with [[master process slave] (dialling)]
    (holds (run-task master '(fn [i o]
      (import asyncio signal)
      (defn :async main []
        (setv heard (asyncio.Event)
              loop (asyncio.get-running-loop))
        (.add-signal-handler loop signal.SIGUSR1 heard.set)
        (signal.raise-signal signal.SIGUSR1)
        (await (.wait heard))
        (.remove-signal-handler loop signal.SIGUSR1)
        "heard")
      (asyncio.run (main)))) "heard")
    (.terminate process)
    (ends-well process)))

(defn test-two-sigterms-at-once-are-one []
  "As from who stops a process, and then its group."
  (with [[master process slave] (dialling)]
    (with [promise (held master slave)]
      (.terminate process)
      (.terminate process)
      (await-leaving slave))
    (assert (.result promise WAIT))
    (ends-well process)))

(defn [(pytest.mark.parametrize "how" ["dials" "serves"])] test-a-second-sigterm-ends-it [how]
  (with [master (Master)  stack (ExitStack)]
    (if (= how "dials")
      (setv [master process slave] (.enter-context stack (dialling)))
      (setv [process host port] (.enter-context stack (slave-server #* QUIET))
            slave (.connect master host port)))
    (with [promise (held master slave)]
      (.terminate process)
      (await-leaving slave)
      (.terminate process)
      (assert (isinstance (.exception promise WAIT) SlaveLost))
      (ends-well process))))

(defn test-a-child-that-a-remote-forked-is-ended-by-its-own-sigterm []
  (with [[master process slave] (dialling)]
    (holds (run-task master '(fn [i o]
      (import os signal time)
      (setv [ear mouth] (os.pipe)
            child (os.fork))
      (when (= child 0)
        (try
          (os.write mouth b"!")
          (time.sleep 30)
          (finally (os._exit 7))))
      (os.read ear 1)
      (os.kill child signal.SIGTERM)
      (os.waitstatus-to-exitcode (get (os.waitpid child 0) 1)))) -15)
    ; Whatever it does: a pool's worker may hold a lock that others wait for.
    (holds (run-task master '(fn [i o]
      (import multiprocessing)
      (for [_ (range 15)]
        (with [pool (.Pool (multiprocessing.get-context "fork") 2)]
          (setv got (.map pool abs [-1 -2 -3]))))
      got)) [1 2 3])
    (holds [slave.state (run-task master '(fn [i o] 5))] ["idle" 5])))

(defn test-each-task-runs-once-while-slaves-leave [tmp-path]
  (setv ran (/ tmp-path "ran"))
  (.touch ran)
  (with [[master [drained _]] (launched 2)]
    (setv [host port] (.listen master :host "127.0.0.1"))
    (with [process (slave-process "--connect" f"{host}:{port}" #* QUIET)]
      (await-slaves master 3)
      (setv promises (lfor  n (range 200)
        (.make-task master `(fn [i o]
          (with [f (open ~(str ran) "a")]
            (.write f (+ (str ~n) "\n")))
          ~n) read-result)))
      (.result (get promises 30) WAIT)
      (.drain master drained)
      (.terminate process)
      (holds (lfor  p promises  (.result p WAIT)) (list (range 200)))
      (ends-well process)
      (holds (.wait drained.process WAIT) 0)
      (holds (len (.slaves master)) 1)))
  (holds (Counter (.split (.read-text ran))) (Counter (map str (range 200)))))


;; Its tasks, and its time

(defn test-after-so-many-tasks-it-leaves []
  (with [[master process slave] (dialling "--tasks" "3")]
    (setv promises (lfor  n (range 5)  (.make-task master `(fn [i o] ~n) read-result)))
    (ends-well process)
    (holds (lfor  p (cut promises 3)  (.result p WAIT)) [0 1 2])
    (holds (lfor  p (cut promises 3 None)  (.done p)) [False False])))

(defn test-after-its-lifetime-it-leaves []
  (with [[process host port] (slave-server "--lifetime" "2s" #* QUIET)]
    (ends-well process))
  (with [[master process slave] (dialling "--lifetime" "2s")]
    (ends-well process)))

(defn test-durations []
  (holds (list (map seconds-of ["90s" "30m" "2h" "1.5d"])) [90 1800 7200 129600])
  (for [text ["" "2" "h" "0s" "0.0h" "-1s" "2 h" "2w" "1e3s" "infs" "2h30m" "٣s"]]
    (message (pytest.raises ValueError seconds-of text) (repr text) "give a number")))

(defn [(pytest.mark.parametrize #("arguments" "says") [
    #(["--lifetime" "2"] "'2' is no duration; give a number and s, m, h or d")
    #(["--tasks" "0"] "'0' is no number of tasks; give one from 1 on")
    #(["--tasks" "-1"] "no number of tasks")
    #(["--tasks" "two"] "no number of tasks")])]
  test-what-makes-no-sense-is-named [arguments says]
  (with [process (slave-process "0" #* arguments)]
    (setv [status _ err] (ended process))
    (holds status 2)
    (assert (in says err) err)))


;; At the other end, what is not dpfw

(defn test-a-master-that-knows-no-farewell-is-hung-up-on-after-the-task []
  (with [[process host port] (slave-server #* QUIET)]
    (with [master (dialled #(host port))]
      (task master 1 "(fn [i o] (import os signal) (os.kill (os.getpid) signal.SIGTERM) (.readline i) 5)")
      (.send master "data" 1 b"\n")
      (.send master "eof" 1)
      (ends master 1 "5")
      (hangs-up master))
    (ends-well process)))

(defn test-a-master-that-does-not-hang-up-keeps-nobody [monkeypatch]
  (monkeypatch.setattr session "PATIENCE" 2)
  (with [reactor (reacting)  [master served] (serving reactor)]
    (setv served.connection.about (own-about))
    (.leave served)
    (holds (answer master) #("leave" 0 b""))
    ; It still takes what was on its way.
    (task master 2 "(fn [i o] 2)")
    (ends master 2 "2")
    (hangs-up master)))

(defn [contextmanager] false-slave []
  "A master, and the bare connection of what it takes for a slave."
  (with [master (Master)]
    (setv slave (Connection (socket.create-connection (.listen master :host "127.0.0.1") WAIT)))
    (try
      (dial-handshake slave "slave" (new-session) (cookie) True (own-about))
      (.settimeout slave.sock WAIT)
      (await-slaves master 1)
      (yield #(master slave (get (.slaves master) 0)))
      (finally
        (.close slave)))))

(defn test-its-patience-begins-when-its-last-task-has-ended [monkeypatch]
  (setv now 0  looks 0)
  (defn clock []
    (nonlocal looks)
    (+= looks 1)
    now)
  (defn look-thrice []
    (setv before looks)
    (until (fn [] (>= looks (+ before 3)))))
  (monkeypatch.setattr session "PATIENCE" 0.02)
  (monkeypatch.setattr session "monotonic" clock)
  (monkeypatch.setattr session "gate" (threading.Event) :raising False)  ; for a remote in this process
  (with [reactor (reacting)  [master served] (serving reactor)]
    (setv served.connection.about (own-about))
    (.leave served)
    (holds (answer master) #("leave" 0 b""))
    (look-thrice)
    (task master 2 "(fn [i o] (import dpfw.serve [session]) (.wait session.gate 30) 2)")
    (until (fn [] served.working))
    (setv now 100)
    (.set session.gate)
    (ends master 2 "2")
    (until (fn [] (not served.working)))
    (look-thrice)
    (task master 3 "(fn [i o] 3)")
    (ends master 3 "3")
    (until (fn [] (not served.working)))
    (setv now 200)
    (hangs-up master)))

(defn test-who-says-that-it-leaves-is-told-so-when-it-has-nothing-to-do []
  (with [[master slave seen] (false-slave)]
    (setv promise (.make-task master '(fn [i o]) read-result)
          other (.make-task master '(fn [i o]) read-result))
    (holds (cut (.receive-header slave) 2) #("task" 1))
    (.send slave "leave" 0)
    (.send slave "leave" 0)
    (.send slave "end" 1 b"5")
    (holds (.result promise WAIT) 5)
    (holds (.receive-header slave) #("leave" 0 0))
    (holds (all-from slave.sock) b"")
    (holds [(.done other) seen.session.farewell] [False True])))

(defn test-who-leaves-and-hangs-up-all-the-same-has-lost-what-it-ran []
  (for [local [read-result (fn [i o] (read-result i o))]]
    (with [[master slave seen] (false-slave)]
      (setv promise (.make-task master '(fn [i o]) local))
      (holds (cut (.receive-header slave) 2) #("task" 1))
      (.send slave "leave" 0)
      (.close slave)
      (assert (isinstance (.exception promise WAIT) SlaveLost))
      (holds [seen.lost seen.session.farewell] [True False]))))

(defn [(pytest.mark.parametrize "frame" [["leave" 0 b"x"] ["leave" 1 b""]])
       (pytest.mark.parametrize "local" [read-result (fn [i o] (read-result i o))])]
  test-a-farewell-of-another-form-ends-the-session [frame local]
  (with [[master slave seen] (false-slave)]
    (setv promise (.make-task master '(fn [i o]) local))
    (.receive-payload (do (.receive-header slave) slave))
    (.send slave #* frame)
    (setv error (.exception promise WAIT))
    (assert (in f"a frame (leave {(get frame 1)} {(len (get frame 2))}), which has no place there" (str error)) error)
    (holds (all-from slave.sock) b"")))

(defn test-a-slave-that-was-drained-and-dials-again-is-told-once-more []
  (with [master (Master)]
    (setv id (new-session)
          address (.listen master :host "127.0.0.1"))
    (for [n (range 2)]
      (setv slave (Connection (socket.create-connection address WAIT)))
      (try
        (dial-handshake slave "slave" id (cookie) True (own-about))
        (.settimeout slave.sock WAIT)
        (when (= n 0)
          (await-slaves master 1)
          (.drain master (get (.slaves master) 0)))
        (holds (.receive-header slave) #("leave" 0 0))
        (holds (all-from slave.sock) b"")
        (finally
          (.close slave))))
    (holds (.slaves master) [])))
