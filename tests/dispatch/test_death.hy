"Death: of slaves and of masters, at every moment, and their coming back."

(import
  contextlib [ExitStack]
  itertools
  os
  random
  select
  signal
  subprocess
  sys
  threading
  time
  pytest
  dpfw.master [Master]
  dpfw.errors [SlaveLost TaskTimeout]
  dpfw.net.addresses [format-address]
  dpfw.task.ports [read read-result write]
  tests.helpers [until]
  tests.processes [await-slaves error-of go-on launched pausing run-task slave-process slave-server stop
    WAIT])
(require hyrule.control [unless])

(setv
  QUIET ["--log-level" "error"]
  NOTICED 5  ; seconds. It is one at most, but other things may run on this machine.
  PID '(fn [i o] (import os) (os.getpid)))

;; A slave dies

(defn [pytest.fixture] two []
  "A master with two launched slaves, of which the first is to die, and to stay dead."
  (with [_ (pausing 3600)
         both (launched 2)]
    (setv [master [victim other]] both)
    (yield #(master victim other))
    (assert (.wait victim.process WAIT))
    (await-slaves master 1)
    (assert (is victim.lost True))
    (assert (isinstance (error-of run-task master '(fn [i o] 1) :slave victim) SlaveLost))
    (assert (= (run-task master '(fn [i o] 2)) 2))
    (assert (= (.slaves master) [other]))))

(setv DEATHS {
  "kill -9" (fn [slave] (os.kill slave.process.pid signal.SIGKILL))
  "os._exit" (fn [slave])})  ; the remote does it

(defn how [death]
  "What the remote evaluates to wait for its end, or to end itself."
  (if (= death "kill -9")
    '(do (import signal) (while True (signal.pause)))
    '(do (import os) (os._exit 3))))

(defn [(pytest.mark.parametrize "wait" [True False])]
  test-death-before-a-task [two wait]
  (setv [master victim other] two)
  (os.kill victim.process.pid signal.SIGKILL)
  (when wait
    (.wait victim.process WAIT))
  (setv error (error-of run-task master '(fn [i o] 1) :slave victim))
  (assert (isinstance error SlaveLost) (repr error))
  ; What is not for that slave goes to the other.
  (assert (= (lfor  n (range 10)  (run-task master `(fn [i o] ~n) :retries 1)) (list (range 10)))))

(defn [(pytest.mark.parametrize "death" DEATHS)]
  test-death-during-a-task [two death]
  (setv [master victim other] two)
  (setv start None)
  (defn local [i o]
    (nonlocal start)
    (read i)
    (setv start (time.monotonic))
    ((get DEATHS death) victim)
    ; One that ends itself waits for this; the other may be gone.
    (print "go" :file o :flush True)
    (read i))
  (setv error (error-of run-task master
    `(fn [i o] (write "started" o) (.flush o) (.readline i) ~(how death)) local :slave victim)
        took (- (time.monotonic) start))
  (assert (isinstance error SlaveLost) (repr error))
  (assert (< took NOTICED) took))

(defn test-death-during-a-task-whose-local-procedure-does-not-look [two]
  (setv [master victim other] two
        error (error-of run-task master '(fn [i o] (import os) (os._exit 3))
                (fn [i o] "looks at nothing") :slave victim))
  (assert (isinstance error SlaveLost) (repr error)))

(defn test-death-after-a-task [two]
  (setv [master victim other] two)
  (assert (= (run-task master PID :slave victim) victim.process.pid))
  (os.kill victim.process.pid signal.SIGKILL)
  (await-slaves master 1))

(defn [(pytest.mark.parametrize "death" DEATHS)]
  test-death-soon-after-a-task [two death]
  (setv [master victim other] two)
  (setv promise (.make-task master
    `(fn [i o]
      (import threading time)
      (defn die [] ~(how death))
      (.start (threading.Thread :target die :daemon True))
      True)
    read-result victim))
  ; Either the answer is faster or the end.
  (assert (isinstance (.exception promise WAIT) #((type None) SlaveLost)) promise)
  ((get DEATHS death) victim)
  (await-slaves master 1))

(defn test-death-in-the-middle-of-a-large-result [two]
  (setv [master victim other] two)
  (defn local [i o]
    (read i)
    ; What comes now is the result. It does not fit into the buffers between the
    ; two, so the slave waits until it is read.
    (setv poll (select.poll))
    (.register poll victim.session.connection select.POLLIN)
    (assert (.poll poll (* 1000 WAIT)))
    (os.kill victim.process.pid signal.SIGKILL)
    (read i))
  (setv error (error-of run-task master
    '(fn [i o] (write "started" o) (.flush o) (* "x" 50,000,000)) local :slave victim))
  (assert (isinstance error SlaveLost) (repr error))
  (assert (in "was ended by SIGKILL" (str error)) (str error)))

(defn test-death-in-the-middle-of-a-large-object [two]
  (setv [master victim other] two)
  (defn local [i o]
    (read i)
    (.readline i)
    (.read i.buffer 1000)
    (os.kill victim.process.pid signal.SIGKILL)
    (while (.read i.buffer 1,000,000)))
  (setv error (error-of run-task master
    '(fn [i o]
      (write "started" o)
      (write-object (bytearray 50,000,000) o)
      True)
    local :slave victim))
  (assert (isinstance error SlaveLost) (repr error)))

(defn test-death-while-it-is-sent-a-large-object [two]
  (setv [master victim other] two)
  (defn local [i o]
    (read i)
    (.write o.buffer (bytes 1,000,000))
    (os.kill victim.process.pid signal.SIGKILL)
    (for [_ (range 100)]
      (.write o.buffer (bytes 1,000,000)))
    "all sent")
  (setv error (error-of run-task master
    '(fn [i o] (write "started" o) (.flush o) (import signal) (while True (signal.pause)))
    local :slave victim))
  (assert (isinstance error SlaveLost) (repr error)))

(defn test-tasks-in-line-wait-for-the-slave-to-come-back []
  (with [master (Master)]
    (with [[process host port] (slave-server #* QUIET)]
      (setv slave (.connect master host port)
            started (threading.Event)
            running (.make-task master
              '(fn [i o] (write "started" o) (.flush o) (.read i))
              (fn [i o] (read i) (.set started) (read i)))
            in-line (lfor  n (range 20)  (.make-task master `(fn [i o] ~n) read-result))
            for-it (.make-task master '(fn [i o] 1) read-result slave))
      (assert (.wait started WAIT))
      (.kill process)
      (for [promise [running for-it]]
        (assert (isinstance (.exception promise WAIT) SlaveLost) promise))
      (assert (not (any (gfor  p in-line  (.done p))))))
    (with [again (slave-process (str port) "--host" host #* QUIET)]
      (setv got (lfor  p in-line  (.result p WAIT)))
      (assert (= got (list (range 20))) got)
      (setv [new] (.slaves master))
      (assert (and slave.lost (is-not new slave)) [slave new])
      (assert (isinstance (error-of run-task master '(fn [i o] 1) :slave slave) SlaveLost)))))


;; A slave is stopped, and goes on

(defn [pytest.fixture] stopped []
  "A master with a slave whose process is stopped."
  (with [[process host port] (slave-server #* QUIET)
         master (Master)]
    (setv slave (.connect master host port))
    (run-task master '(fn [i o] (setv (get (dpfw-slave-ht) "kept") "yes") True))
    (stop process)
    (yield #(master slave process))))

(defn goes-on [master slave process]
  "Continue it; the same slave, with the same table, serves the next task."
  (go-on process)
  (setv got (run-task master '(fn [i o] (get (dpfw-slave-ht) "kept")) :slave slave))
  (assert (= got "yes") got))

(defn test-a-timeout-ends-the-task-of-a-slave-that-is-stopped [stopped]
  (setv [master slave process] stopped
        start (time.monotonic)
        error (error-of run-task master '(fn [i o] (while True)) :timeout 0.2)
        took (- (time.monotonic) start))
  (assert (isinstance error TaskTimeout) (repr error))
  (assert (<= 0.2 took NOTICED) took)
  (goes-on #* stopped))

(defn test-a-cancel-ends-the-task-of-a-slave-that-is-stopped [stopped]
  (setv [master slave process] stopped
        promise (.make-task master '(fn [i o] (while True)) read-result)
        next (.make-task master '(fn [i o] "next") read-result))
  (assert (.cancel promise))
  (assert (.cancelled promise))
  (assert (not (.done next)))
  (goes-on #* stopped)
  (assert (= (.result next WAIT) "next")))

(defn test-a-task-waits-for-a-slave-that-is-stopped [stopped]
  (setv [master slave process] stopped
        promise (.make-task master '(fn [i o] "served") read-result))
  (goes-on #* stopped)
  (assert (= (.result promise WAIT) "served")))

(defn test-a-kill-ends-the-task-of-a-slave-that-is-stopped [stopped]
  (setv [master slave process] stopped
        promise (.make-task master '(fn [i o] (while True)) read-result)
        start (time.monotonic))
  (.kill master slave)
  (assert (isinstance (.exception promise WAIT) SlaveLost) promise)
  (assert (< (- (time.monotonic) start) (+ 2 NOTICED)))
  ; And when it goes on, it finds the order.
  (os.kill process.pid signal.SIGCONT)
  (assert (= (.wait process WAIT) -9)))


;; A master dies

(setv MASTER "
(import select sys threading  dpfw.master [Master]  dpfw.net.addresses [polled]  dpfw.task.ports [read])
(setv [how host port remote megabytes] (cut sys.argv 1 None)
      master (Master))
(if (= how \"dial\")
  (.connect master host (int port))
  (.listen master :host host :port (int port)))
(defn fill [o]
  (.start (threading.Thread :daemon True
    :target (fn [] (.write o.buffer (bytes (* (int megabytes) 1024 1024))))))
  ; For longer than a slave takes to look ahead.
  (while (polled o.raw.connection select.POLLOUT :wait 1000)))
(.result (.make-task master remote
  (fn [i o]
    (setv said (read i))
    (when (!= megabytes \"0\")
      (fill o))
    (print said :flush True)
    (read i))))
")

(defn dies-in-mid-task [tmp-path how host port remote [megabytes 0]]
  "Have a master process start this remote, and kill it, when it has sent so much that
  there is no room for more."
  (.write-text (/ tmp-path "master_to_die.hy") MASTER)
  (with [process (subprocess.Popen
      ; Not by the file's name: Python 3.12.0 to 3.12.5 cannot run Hy 1.3 so.
      [sys.executable "-m" "hy" "-m" "master_to_die" how host (str port) remote (str megabytes)]
      :cwd tmp-path
      :stdin subprocess.DEVNULL :stdout subprocess.PIPE :text True)]
    (assert (= (.readline process.stdout) "started\n"))
    (.kill process)))

(defn ends-with [#* wait]
  "The text of a remote that waits so, and notes in the table when that ended."
  (cut (hy.repr `(do
    (import threading time)
    (setv (get (dpfw-slave-ht) "ended") (threading.Event))
    (fn [i o]
      (try
        (try
          ; CPython 3.11 passes over the handlers of a `try` that begins with a loop.
          (setv (get (dpfw-slave-ht) "kept") 5)
          (write "started" o)
          (.flush o)
          ~@wait
          (except [e BaseException]
            (setv (get (dpfw-slave-ht) "how") (. (type e) __name__))
            (raise)))
        ; The interrupt may strike where the error of the connection is handled.
        (except [e KeyboardInterrupt]
          (setv (get (dpfw-slave-ht) "how") (. (type e) __name__))
          (raise))
        (finally
          (.set (get (dpfw-slave-ht) "ended")))))))
    1 None))

(defn see-the-end [master]
  "On another master: the remote has ended soon, and the table is there."
  (setv start (time.monotonic)
        got (run-task master
          '(fn [i o]
            (setv ht (dpfw-slave-ht))
            (.wait (get ht "ended") 30)
            [(.is-set (get ht "ended")) (.get ht "how") (get ht "kept")])))
  (assert (< (- (time.monotonic) start) NOTICED))
  (setv [ended how kept] got)
  (assert (and ended (= kept 5)) got)
  how)

(defn [(pytest.mark.parametrize "wait" [
    '(while True (abs 1))
    '(time.sleep 1000)
    '(.read i)
    '(while True (print "on and on" :file o))])]
  test-a-master-dies-in-mid-task-and-its-slave-serves-the-next [wait tmp-path]
  (with [[_ host port] (slave-server #* QUIET)]
    (dies-in-mid-task tmp-path "dial" host port (ends-with wait))
    (with [master (Master)]
      (.connect master host port)
      (setv how (see-the-end master))
      (assert (in how
        ["Interrupted" "ConnectionEnded" "BrokenPipeError" "ConnectionResetError"]) how))))

(defn test-a-master-dies-that-has-sent-more-than-its-slave-reads [tmp-path]
  ; Behind that, the end of the connection would wait for minutes.
  (with [[_ host port] (slave-server #* QUIET)]
    (dies-in-mid-task tmp-path "dial" host port (ends-with '(time.sleep 1000)) :megabytes 64)
    (with [master (Master)]
      (.connect master host port)
      (assert (= (see-the-end master) "Interrupted")))))

(defn test-one-of-two-masters-dies-and-the-slave-serves-the-other [tmp-path]
  (with [[_ host port] (slave-server #* QUIET)
         master (Master)]
    (.connect master host port)
    (dies-in-mid-task tmp-path "dial" host port (ends-with '(while True (abs 1))))
    (assert (= (see-the-end master) "Interrupted"))))

(defn test-a-master-server-dies-in-mid-task-and-its-slave-dials-the-next [tmp-path]
  (with [master (Master)]
    (setv [host port] (.listen master :host "127.0.0.1")))
  (with [_ (slave-process "--connect" (format-address #(host port)) #* QUIET)]
    (dies-in-mid-task tmp-path "listen" host port (ends-with '(while True (abs 1))))
    (with [master (Master)]
      (.listen master :host host :port port)
      (await-slaves master 1)
      (assert (= (see-the-end master) "Interrupted")))))


;; Retries

(defn test-ten-thousand-tasks-survive-a-slave-s-death-every-thousand-tasks []
  (setv dice (random.Random 2006)
        slaves 4
        deaths 0
        ended (itertools.count 1)
        due (threading.Semaphore 0)   ; deaths
        done (threading.Event))
  (with [stack (ExitStack)
         master (Master)]
    (setv processes []
          ports [])
    (for [_ (range slaves)]
      (setv [process host port] (.enter-context stack (slave-server #* QUIET)))
      (.connect master host port)
      (.append processes process)
      (.append ports port))
    (defn kill-and-restart []
      (nonlocal deaths)
      (while (do (.acquire due) (not (.is-set done)))
        (setv n (.randrange dice slaves))
        (.kill (get processes n))
        (.wait (get processes n))
        (+= deaths 1)
        (setv (get processes n) (.enter-context stack
          (slave-process (str (get ports n)) "--host" host #* QUIET)))))
    (setv killer (threading.Thread :target kill-and-restart))
    (.start killer)
    (try
      (setv counts (* [0] 10,000)
            promises [])
      (defn count [n]
        (fn [promise]
          (+= (get counts n) 1)
          (unless (% (next ended) 1000)
            (.release due))))
      (for [n (range 10,000)]
        (setv promise (.make-task master `(fn [i o] (* ~n ~n)) read-result :retries 5))
        (.add-done-callback promise (count n))
        (.append promises promise))
      (setv wrong (lfor
        [n promise] (enumerate promises)
        :if (!= (.result promise WAIT) (* n n))
        n))
      ; Callbacks have threads of their own.
      (until (fn [] (>= (sum counts) 10,000)))
      (finally
        (.set done)
        (.release due)
        (.join killer)))
    (assert (= wrong []) wrong)
    (assert (= (set counts) #{1}) (set counts))
    (assert (>= deaths 2) deaths)))
