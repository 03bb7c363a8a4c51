"A slave's process: whose output goes to which master, and what stays where it was."

(import
  contextlib [contextmanager]
  io
  os
  re
  socket
  subprocess
  sys
  threading
  unittest.mock [patch]
  dpfw.errors [SlaveLost]
  dpfw.master [Master]
  dpfw.net [threads]
  dpfw.serve.evaluator [Evaluator]
  dpfw.serve.server [Server]
  dpfw.task.ports [read-result]
  tests.helpers [begin holds line-from outcome until]
  tests.processes [await-slaves ended error-of run-task slave-process slave-server WAIT])

(setv CHILD '(do (import subprocess) (fn [i o] (print "print") (subprocess.run ["echo" "child"]) None))
      ERROR '(do (import subprocess) (fn [i o] (subprocess.run "echo error >&2" :shell True) None)))

(defclass Lines [list]
  (defn __call__ [self slave stream line]
    (.append self line)))

(defn [contextmanager] connected [server [output None]]
  "A master of a slave server, and the lines that its remotes print."
  (setv lines (Lines))
  (with [master (Master :output lines)]
    (.connect master #* (cut server 1 None))
    (yield #(master lines))))

(defn [contextmanager] in-main-thread [server]
  "The same, as soon as the slave has let go of the master before."
  (setv found False)
  (while (not found)
    (with [[master lines] (connected server)]
      (when (run-task master '(do (import threading)
              (fn [i o] (is (threading.current-thread) (threading.main-thread)))))
        (setv found True)
        (yield #(master lines))))))

(defn line [process]
  (.removesuffix (.readline process.stdout) "\n"))

(defn test-the-descriptors-belong-to-a-master-that-is-alone []
  (with [server (slave-server)]
    (setv [process #* _] server)
    (with [[one lines] (in-main-thread server)]
      (run-task one CHILD)
      (holds lines ["print" "child"])
      (with [[two others] (connected server)]
        ; The slave runs this one when it knows of both.
        (run-task two CHILD)
        (run-task one CHILD)
        (holds [lines others] [["print" "child" "print"] ["print"]])
        (holds [(line process) (line process)] ["child" "child"]))
      ; When the other is gone, they are the first one's again.
      (.clear lines)
      (while (not-in "child" lines)
        (run-task one CHILD)))
    ; And after it the next one's.
    (with [[one lines] (in-main-thread server)]
      (while (not-in "child" lines)
        (run-task one CHILD))
      (holds (cut lines -2 None) ["print" "child"]))))

(defn test-two-masters-see-each-their-own []
  (setv remote '(do
    (import logging threading)
    (fn [i o]
      (setv n (read i))
      (defn out []
        (for [k (range 300)]
          (print "master" n :end "")
          (print "," k)))
      (setv t (threading.Thread :target out))
      (.start t)
      (out)
      (.join t)
      (print "master" n :end ""))))
  (with [server (slave-server)
         [one lines] (in-main-thread server)
         [two others] (connected server)]
    (setv running (lfor
      [n master] (enumerate [one two])
      (begin run-task master remote (fn [i o [n n]] (print n :file o :flush True) (.read i)))))
    (for [r running]
      (outcome r))
    (for [[n printed] (enumerate [lines others])]
      (holds (sorted printed)
        (sorted [#* (gfor  _ "12"  k (range 300)  f"master {n}, {k}")  f"master {n}"])))))

(defn test-a-child-that-is-left-behind-outlives-the-session [tmp-path]
  (setv [first second end] (lfor  name ["first" "second" "end"]  (str (/ tmp-path name))))
  (for [path [first second end]]
    (os.mkfifo path))
  (defn tell [path]
    (with [f (open path "w")]
      (.write f "go on\n")))
  (with [server (slave-server)]
    (with [[master lines] (in-main-thread server)]
      (run-task master `(do (import subprocess) (fn [i o]
        (subprocess.Popen ["sh" "-c" "echo here; read x <$1; echo there; read x <$2; echo still; echo >$3" "sh" ~first ~second ~end])
        None)))
      (until (fn [] (in "here" lines))))
    (with [[_ lines] (in-main-thread server)]  ; so the first session is over
      (tell first)
      (holds (line (get server 0)) "there")
      (tell second)
      ; It has not died of a pipe that nobody reads.
      (with [f (open end)]
        (.read f))
      (holds (line (get server 0)) "still")
      (holds lines []))))

(defn test-a-master-that-does-not-ask-gets-none []
  (with [server (slave-server)
         master (Master :output None)]
    (.connect master #* (cut server 1 None))
    (run-task master '(do (import subprocess sys)
      (fn [i o] (print "print" :flush True) (subprocess.run ["echo" "child"]) (is sys.stdout sys.__stdout__))))
    (holds [(line (get server 0)) (line (get server 0))] ["print" "child"])))

(defn test-the-descriptors-can-be-left-alone []
  (with [server (slave-server :DPFW-OUTPUT "python")
         [master lines] (connected server)]
    (run-task master CHILD)
    (holds lines ["print"])
    (holds (line (get server 0)) "child"))
  (with [process (slave-process "0" :DPFW-OUTPUT "some")]
    (setv [status _ err] (ended process))
    (holds [status err]
      [1 "dpfw-slave: DPFW_OUTPUT is 'some'; give it all, or python for what Python code prints alone\n"])))

(defn test-a-slave-s-own-log-stays-there-and-remotes-records-go []
  (with [server (slave-server)
         [master lines] (connected server)]
    (setv [process host port] server)
    (with [stranger (socket.create-connection #(host port))]
      (.sendall stranger b"GET / HTTP/1.1\r\n\r\n")
      (assert (in b"refused" (line-from stranger))))
    (run-task master '(do (import logging sys)
      (fn [i o]
        (.warning (logging.getLogger "mine") "of a remote")
        (print "printed" :file sys.stderr))))
    (run-task master ERROR)
    (.terminate process)
    (setv [_ _ err] (ended process))
    (assert (in "WARNING dpfw.net.node: refused" err) err)
    (assert (not (re.search "of a remote|printed|error" err)) err)
    (holds lines ["printed" "error"])))

(defn test-a-crash-is-told-on-the-slave-s-own-standard-error []
  (with [server (slave-server :PYTHONFAULTHANDLER "1")
         [master lines] (connected server)]
    (setv error (error-of run-task master
      '(do (import os signal) (fn [i o] (print "last words") (os.kill (os.getpid) signal.SIGSEGV)))))
    (assert (isinstance error SlaveLost) (repr error))
    (assert (in ". It printed last: last words. What became" (str error)) (str error))
    (setv [_ _ err] (ended (get server 0)))
    (assert (in "Fatal Python error: Segmentation fault" err) err)
    (.settle master.network.output :patience WAIT)
    (holds lines ["last words"])))

(defn test-masters-and-slaves-in-one-process-do-not-go-round-in-circles []
  (setv screen (io.StringIO)
        before threading.Thread.start)
  (with [_ (patch.object sys "stdout" screen)  _ (patch.object threads "PARKED" 0)]
    (with [master (Master)]
      (setv address (.listen master :host "127.0.0.1")
            names {"master" master  "read_result" read-result})
      (defn serve []
        (with [server (Server (Evaluator names))]
          (.serve server (.dial server #* address))))
      (setv serving [(begin serve) (begin serve)])
      (await-slaves master 2)
      (setv [one other] (.slaves master))
      ; A remote leads, since we do not wait for a promise; receives what the other has
      ; printed; and so starts the thread that shows it.
      (for [thread (list master.node.threads.threads)]
        (.join thread))
      (setv done (threading.Event)
            promise (.make-task master :slave one :local read-result :remote '(fn [i o]
        (.result (.make-task master '(do (import logging) (fn [i o] (print "once") (.warning (logging.getLogger "once") "logged")))
          read-result (get (.slaves master) 1))))))
      (.add-done-callback promise (fn [p] (.set done)))
      (assert (.wait done WAIT))
      (holds (.result promise 0) None)
      (print "not a remote's")
      (setv shown (.getvalue screen)))
    (for [s serving]
      (outcome s))
    ; All is as it was.
    (holds [sys.stdout threading.Thread.start] [screen before]))
  (holds shown f"[{other.name}] once\nnot a remote's\n"))

(defn test-what-is-in-c-s-buffers-and-python-s-own-comes-in-order []
  (with [server (slave-server :PYTHONUNBUFFERED "")
         [master lines] (connected server)]
    (run-task master '(do
      (import ctypes sys)
      (setv c (ctypes.CDLL None))
      (fn [i o]
        (for [n (range 2)]
          (print "print")
          (.puts c b"C")
          (print "original" :file sys.__stdout__))
        (print "print again")
        (.printf c b"no end")
        None)))
    (holds lines [#* (* ["print" "C" "original"] 2) "print again" "no end"])))

(defn test-without-descriptors-to-spare-what-python-prints-still-comes []
  (with [server (slave-server)
         [master lines] (connected server)]
    (setv [process #* _] server)
    ; The second master comes when there are no descriptors for pipes, and goes when there are.
    (run-task master '(do (import resource os) (fn [i o]
      (setv [soft hard] (resource.getrlimit resource.RLIMIT-NOFILE))
      (hash-table-set! (dpfw-slave-ht) "limit" #(soft hard))
      (hash-table-set! (dpfw-slave-ht) "taken" []))))
    (with [[other _] (connected server)]
      (run-task master '(do (import resource) (fn [i o]
        (setv taken (.get (dpfw-slave-ht) "taken"))
        (resource.setrlimit resource.RLIMIT-NOFILE #(64 (get (.get (dpfw-slave-ht) "limit") 1)))
        (try
          (while True
            (.append taken (open "/dev/null")))
          (except [OSError]))
        (.close (.pop taken))))))
    (until (fn []
      (.clear lines)
      (run-task master '(do (import os) (fn [i o] (os.system "echo child") (print "print"))))
      (assert (= (cut lines -1 None) ["print"]) lines)
      (= lines ["print"])))
    (run-task master '(fn [i o] (resource.setrlimit resource.RLIMIT-NOFILE (.get (dpfw-slave-ht) "limit"))
      (for [f (.get (dpfw-slave-ht) "taken")] (.close f))))))
