"Where the system has no thread to give, for a moment or, as some Pythons at their end, for
ever: every promise ends, no slave stays busy, and places are filled."

(import
  contextlib [contextmanager]
  os
  signal
  socket
  unittest.mock [patch]
  pytest
  dpfw.launch [dpfw-launch]
  dpfw.master [Master]
  dpfw.dispatch [network output]
  dpfw.net [threads]
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.wire [Connection]
  dpfw.task.ports [read read-result]
  tests.helpers [WAIT holds no-threads until]
  tests.processes [await-slaves await-so connection-of idle-slaves launched pausing run-task slave-server])

(setv PID '(fn [i o] (import os) (os.getpid)))

(defn [contextmanager] crowded []
  "A master with a launched slave, whose pool has no parked threads."
  (with [patch (pytest.MonkeyPatch.context)  _ (pausing 0)]
    (.setattr patch threads "PARKED" 0)
    (with [[master _] (launched 1)]
      (until (fn [] (not master.node.threads.threads)))
      (yield master))))

(defn [(pytest.fixture :scope "module")] lasting []
  (with [master (crowded)]
    (yield master)))

(defn [pytest.fixture] master [lasting]
  (await-so lasting (fn [] (idle-slaves lasting)))
  (until (fn [] (not lasting.node.threads.threads)))
  lasting)

(defn [pytest.fixture] mortal []
  "One whose slave is going to die."
  (with [master (crowded)]
    (yield master)))

(defn test-a-local-procedure-is-not-called-and-its-task-ends [master caplog]
  (setv pid (run-task master PID)
        called [])
  (with [_ (no-threads)]
    (setv promise (.make-task master
            '(fn [i o] (print "much" (* "x" 100000) :file o) (.read i)) (fn [i o] (.append called 1)) :name "t")
          error (.exception promise WAIT))
    (assert (isinstance error RuntimeError) (repr error))
    (assert (in "local procedure of the task 't' was not called" (str error)) (str error))
    ; The slave is free again, the same.
    (holds (run-task master PID) pid))
  (holds (run-task master PID (fn [i o] (read i))) pid)
  (holds called [])
  (assert (not-in "fault" caplog.text) caplog.text))

(defn test-a-slave-that-is-lost-meanwhile-is-lost-once [mortal]
  "It is heard of before there is no thread."
  (setv pid (run-task mortal PID)
        play mortal.network.play)
  (defn late [session task]
    (os.kill pid signal.SIGKILL)
    (until (fn [] (= session.state "lost")))
    (play session task))
  (with [patch (pytest.MonkeyPatch.context)  _ (no-threads)]
    (.setitem patch mortal.network.doing "play" late)
    (setv error (.exception (.make-task mortal '(fn [i o] (.read i)) (fn [i o])) WAIT)))
  (assert (in "was lost: its process" (str error)) (repr error))
  (await-slaves mortal 1)
  (assert (!= (run-task mortal PID) pid)))

(defn test-a-callback-may-wait-for-another-task [master]
  (setv got [])
  (defn callback [promise]
    (.append got (.result promise))
    (.append got (.result (.make-task master '(fn [i o] 2) read-result) WAIT)))
  (with [_ (no-threads)]
    (setv promise (.make-task master '(fn [i o] 1) read-result))
    (.add-done-callback promise callback)
    (holds (.result promise WAIT) 1)
    (until (fn [] (= got [1 2])))))

(defn test-what-remotes-print-is-shown [master]
  (setv lines [])
  (with [_ (no-threads)  _ (patch.object output "SETTLE" WAIT)]
    (for [n (range 3)]
      (run-task master `(fn [i o] (print ~n)) :output (fn [slave stream line] (.append lines line)))))
  (holds lines ["0" "1" "2"]))

(defn test-a-slave-that-ends-is-replaced [mortal caplog]
  (setv pid (run-task mortal PID))
  (with [_ (no-threads)]
    (os.kill pid signal.SIGKILL)
    (until (fn [] (!= (lfor  slave (.slaves mortal)  slave.process.pid) [pid])))
    (await-slaves mortal 1)
    (assert (!= (run-task mortal PID) pid)))
  (until (fn [] (in "another is started in its place" caplog.text))))

(defn test-slaves-are-launched-one-after-the-other [master]
  (with [_ (no-threads)]
    (setv new (dpfw-launch 2 master))
    (holds (len (.slaves master)) 3))
  (for [slave new]
    (.drain master slave)))

(defn test-who-dials-is-hung-up-on-and-may-dial-again [master caplog]
  (setv address (.listen master 0 :host "127.0.0.1"))
  (try
    (with [_ (no-threads)  sock (socket.create-connection address WAIT)]
      (holds (.recv sock 1) b""))
    (until (fn [] (in "no thread is to be had to admit" caplog.text)))
    (setv connection (Connection (socket.create-connection address WAIT)))
    (dial-handshake connection "watcher" (new-session) (.encode (get os.environ "DPFW_COOKIE")))
    (.close connection)
    (finally
      (.unlisten master address))))

(defn test-a-slave-server-is-dialled-when-there-are-threads-again [monkeypatch]
  (monkeypatch.setattr network "THREAD_PAUSE" 0.01)
  (monkeypatch.setattr threads "PARKED" 0)
  (with [[_ #* address] (slave-server)
         master (Master)]
    (.connect master #* address)
    (with [_ (no-threads)]
      (.abort (connection-of (get (.slaves master) 0)))
      (until (fn [] master.network.redialling)))
    (await-slaves master 1)
    (holds (run-task master '(fn [i o] 1)) 1)))
