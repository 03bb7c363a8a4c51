"The tricks of remotes and of local procedures: whatever they do, the promise ends
and says what happened, and the slave serves the next task.

More of them are in test_remotes.hy and test_tasks.hy."

(import
  os
  re
  signal
  sys
  threading
  pytest
  dpfw.master [Master]
  dpfw.errors [RemoteError TaskTimeout]
  dpfw.task.ports [read read-object read-result write]
  dpfw.dispatch.promise [force]
  tests.processes [WAIT await-so error-of launched run-task slave-server])

(defn [(pytest.fixture :scope "module")] server []
  (with [server (slave-server "--log-level" "error")]
    (yield server)))

(defn [pytest.fixture] master [server]
  (with [master (Master)]
    (.connect master #* (cut server 1 None))
    (yield master)
    ; Whatever happened, it is the same process, and it serves on.
    (setv pid (run-task master '(fn [i o] (import os) (os.getpid))))
    (assert (= pid (. (get server 0) pid)) pid)))

(defn fails [master remote #* says]
  "Run a remote that fails; gives the error, whose message has these parts."
  (setv error (error-of run-task master remote))
  (assert (isinstance error RemoteError) (repr error))
  (for [part says]
    (assert (in part (str error)) f"{part !r} is not in {(cut (str error) 300) !r}"))
  error)


;; Remotes: too much of something

(defn test-a-huge-allocation []
  ; In a process of its own, which may have less memory than this machine.
  (with [[master _] (launched 1)]
    (run-task master '(fn [i o]
      (import resource)
      (resource.setrlimit resource.RLIMIT-AS #((* 4 1024 1024 1024) -1))))
    (for [remote ['(fn [i o] (bytearray (** 2 40)))
                  '(fn [i o] (list (range (** 10 12))))
                  '(fn [i o] (* "x" (** 10 11)))]]
      (setv error (error-of run-task master remote))
      (assert (isinstance error MemoryError) (repr error))
      (assert (isinstance error RemoteError) (repr error)))
    (assert (= (run-task master '(fn [i o] "fine")) "fine"))))

(defn [(pytest.mark.parametrize "remote" [
    '(fn [i o]
      (setv x [])
      (for [_ (range 100000)] (setv x [x]))
      (repr x))
    '(do (defclass Deep [] (defn __getattr__ [self name] (getattr self (+ name "x"))))
         (fn [i o] (. (Deep) y)))
    '(fn [i o] (import pickle)
      (setv x [])
      (for [_ (range 100000)] (setv x [x]))
      (pickle.dumps x))])]
  test-deep-recursion-in-c [master remote]
  (setv error (fails master remote))
  (assert (isinstance error RecursionError) (repr error)))

(defn test-a-result-ten-thousand-levels-deep-is-named [master]
  (setv error (fails master '(fn [i o]
    (setv x 1)
    (for [_ (range 10000)] (setv x [x]))
    x)))
  (assert (isinstance error #(RecursionError TypeError ValueError)) (repr error))
  (assert (in "deep" (str error)) (str error)))

(defn test-lone-surrogates-come-back-as-they-are [master]
  (setv got (run-task master '(fn [i o] (.join "" (map chr (range 0xd800 0xe000))))))
  (assert (= got (.join "" (map chr (range 0xd800 0xe000))))))

(defn test-lone-surrogates-cannot-be-printed-to-a-port [master]
  (setv error (fails master '(fn [i o] (print (chr 0xdc80) :file o) 1) "surrogates"))
  (assert (isinstance error UnicodeEncodeError) (repr error)))

(defn test-a-result-of-100-megabytes [master]
  (setv got (run-task master '(fn [i o] (* "0123456789" 10000000))))
  (assert (= (len got) 100000000))
  (assert (= got (* "0123456789" 10000000)) "it came back changed"))

(defn test-an-object-of-100-megabytes [master]
  (setv got (run-task master
    '(fn [i o] (write-object (bytearray (* 100 1000 1000)) o))
    (fn [i o] (len (read-object i)))))
  (assert (= got 100000000) got))

(defn test-printing-without-end-to-a-local-that-reads-one-line [master]
  ; The local procedure has returned, the remote goes on: so does the task, until
  ; someone stops it.
  (setv remote '(fn [i o] (while True (print "on and on" :file o))))
  (setv error (error-of run-task master remote (fn [i o] (.readline i)) :timeout 0.3))
  (assert (isinstance error TaskTimeout) (repr error))
  (setv line-read (threading.Event)
        promise (.make-task master remote
          (fn [i o] (setv line (.readline i)) (.set line-read) line)))
  (assert (.wait line-read WAIT))
  (assert (not (.done promise)))
  (assert (.cancel promise)))

(defn test-printing-without-end-to-standard-output []
  ; It is the slave's own; whoever started it reads it or not.
  (with [[master [slave]] (launched 1)]
    ; Lines are written one by one. Who gives up CPython's lock once in a thousand lines, and
    ; only for a moment, keeps other threads waiting for seconds: also that which hears of a cancel.
    (run-task master '(fn [i o] (import sys) (setv sys.stdout (open "/dev/null" "w" :buffering 1)) True))
    (setv error (error-of run-task master
      '(fn [i o] (while True (print "on and on"))) :timeout 0.3))
    (assert (isinstance error TaskTimeout) (repr error))
    (assert (= (run-task master '(fn [i o] 1) :slave slave) 1))))


;; Remotes: ports

(defn test-a-remote-may-close-the-buffer-after-writing [master]
  (setv got (run-task master
    '(fn [i o] (print "a line" :file o) (.close o.buffer) 5)
    (fn [i o] [(.readline i) (read i)])))
  (assert (= got ["a line\n" 5]) got))

(defn test-a-remote-may-detach-its-port [master]
  (setv error (error-of run-task master '(fn [i o] (.detach o) 5)))
  (assert (isinstance error #((type None) RemoteError)) (repr error)))

(defn test-a-thread-left-behind-cannot-write-into-the-next-task [master]
  (setv got (run-task master '(do
    (import threading)
    (setv go (threading.Event)
          got []
          gone (threading.Event))
    (defn late [o]
      (.wait go 30)
      (try
        (print "late" :file o)
        (.flush o)
        (except [e BaseException]
          (.append got (repr e))))
      (.set gone))
    (fn [i o]
      (.start (threading.Thread :target late :args [o]))
      "first"))))
  (assert (= got "first") got)
  (setv got (run-task master
    '(fn [i o] (.set go) (.wait gone 30) (print "mine" :file o) got)
    (fn [i o] [(.readline i) (read i)])))
  (setv [line [error]] got)
  (assert (= line "mine\n") line)
  (assert (re.match "ValueError.*closed" error) error))

(defn test-a-thread-left-behind-cannot-read-the-next-task-s-input [master]
  (run-task master '(do
    (import threading)
    (setv kept []
          answers [])
    (fn [i o] (.append kept i) True)))
  (setv got (run-task master
    '(fn [i o]
      (setv thread (threading.Thread :target
        (fn []
          (try
            (.append answers (.readline (get kept 0)))
            (except [e BaseException]
              (.append answers (repr e)))))))
      (.start thread)
      (.join thread 30)
      [(.readline i) (get answers 0)])
    (fn [i o] (print "mine" :file o) (read i))))
  (setv [line error] got)
  (assert (= line "mine\n") line)
  (assert (re.match "ValueError.*closed" error) error))


;; Remotes: exceptions

(defn test-an-exception-whose-str-raises [master]
  (setv error (fails master
    '(do (defclass Mute [ValueError] (defn __str__ [self] (raise (OSError "no"))))
         (fn [i o] (raise (Mute "x"))))
    "__str__ raised OSError"))
  (assert (isinstance error ValueError) (repr error)))

(defn test-an-exception-whose-str-and-repr-are-no-text-or-never-mind [master]
  (setv error (fails master
    '(do (defclass Odd [LookupError]
           (defn __str__ [self] 5)
           (defn __repr__ [self] (raise (KeyboardInterrupt))))
         (fn [i o] (raise (Odd "x"))))
    "__str__ raised TypeError"))
  (assert (isinstance error LookupError) (repr error)))

(defn test-a-chain-of-causes-that-is-a-circle [master]
  (setv error (fails master
    '(fn [i o]
      (setv a (ValueError "a")  b (KeyError "b")
            a.__cause__ b  b.__cause__ a)
      (raise a))
    "a"))
  (assert (isinstance error ValueError) (repr error))
  (assert (in "KeyError" error.traceback) error.traceback))

(defn test-a-chain-of-ten-thousand-causes [master]
  (setv error (fails master
    '(fn [i o]
      (setv e (ValueError "first"))
      (for [n (range 10000)]
        (setv next (ValueError (str n))
              next.__cause__ e
              e next))
      (raise e))
    "9999"))
  (assert (isinstance error ValueError) (repr error)))

(defn test-a-message-of-a-megabyte-is-shortened [master]
  (setv error (fails master '(fn [i o] (raise (ValueError (* "long " 200000)))) "left out"))
  (assert (isinstance error ValueError) (type error))
  (assert (< (len (str error)) 100000) (len (str error))))

(defn test-arguments-that-cannot-be-sent-are-left-out [master]
  (setv error (fails master
    '(fn [i o] (import threading) (raise (ValueError "why" (threading.Lock)))) "why"))
  (assert (isinstance error ValueError) (repr error))
  (assert (= error.args #()) error.args))

(defn test-an-exception-that-cannot-be-rebuilt [master]
  (setv error (fails master
    '(do (defclass Picky [UnicodeDecodeError]
           (defn __init__ [self a * b] (setv self.b b)))
         (fn [i o] (raise (Picky "utf-8" :b 1))))))
  (assert (isinstance error UnicodeDecodeError) (repr error))
  (assert (= error.type-name "dpfw.remotes.Picky") error.type-name))

(defn [(pytest.mark.skipif (< sys.version-info #(3 11)) :reason "has no exception groups")]
  test-groups-of-what-is-no-exception [master]
  (setv error (fails master
    '(fn [i o] (raise (BaseExceptionGroup "all" [(SystemExit 1) (ValueError "v")])))
    "all"))
  (assert (not (isinstance error #(SystemExit KeyboardInterrupt))) (repr error)))

(defn [(pytest.mark.skipif (< sys.version-info #(3 11)) :reason "has no exception groups")]
  test-groups-very-deep-and-very-wide [master]
  (fails master
    '(fn [i o]
      (setv e (ValueError "innermost"))
      (for [n (range 2000)] (setv e (ExceptionGroup (str n) [e])))
      (raise e)))
  (fails master
    '(fn [i o] (raise (ExceptionGroup "wide" (lfor  n (range 20000)  (ValueError (str n))))))
    "wide")
  None)

(defn test-a-metaclass-and-a-class-with-odd-names [master]
  (fails master
    '(fn [i o]
      (setv Odd (type "Odd" #(Exception) {"__module__" 5}))
      (raise (Odd "named"))))
  (fails master
    '(do
      (defclass Meta [type]
        (defn __getattribute__ [self name] (raise (OSError "it has no attributes"))))
      (setv Odd (Meta "Odd" #(Exception) {}))
      (fn [i o] (raise (Odd "named"))))
    "cannot be described")
  None)


;; Remotes: forking

(defn [(pytest.mark.parametrize #("child" "status") [
    #('(os._exit 0) 0)
    #('(do "returns") 0)
    #('(do (import atexit) (atexit.register os._exit 7) "and runs nothing of its parent's") 0)
    #('(/ 1 0) 1)
    #('(sys.exit 3) 3)
    #('(do (print "from the child" :file o) (.flush o)) 1)])]
  test-a-forked-child-does-not-answer-for-its-parent [child status server]
  (with [master (Master)]
    (.connect master #* (cut server 1 None))
    (setv remote `(fn [i o]
      (import os sys)
      (setv sys.stderr (open "/dev/null" "w")
            pid (os.fork))
      (if (= pid 0)
        ~child
        (do
          (setv sys.stderr sys.__stderr__
                [_ status] (os.waitpid pid 0))
          ["parent" (os.waitstatus-to-exitcode status)]))))
    (for [n (range 3)]
      (setv got (run-task master remote))
      (assert (= got ["parent" status]) got)
      (assert (= (run-task master `(fn [i o] ~n)) n)))))

(defn test-a-forked-child-does-not-hide-its-parent-s-death []
  ; It holds none of the slave's sockets.
  (with [[master [slave]] (launched 1)]
    (setv child (run-task master
      '(fn [i o]
        (import os signal)
        (setv pid (os.fork))
        (when (= pid 0)
          (while True (signal.pause)))
        pid)))
    (try
      (.kill slave.process)
      (await-so master (fn [] slave.lost))
      (finally
        (os.kill child signal.SIGKILL)))))

(defn test-a-forked-child-of-the-master-lets-its-slaves-alone [master]
  "Also where there are masters that were closed."
  (setv others (lfor  _ (range 3)  (Master)))
  (for [other others]
    (.close other))
  ; And while another thread holds whatever there is to hold.
  (with [_ master.network.leader.leading  _ master.network.lock]
    (setv pid (os.fork)))
  (when (= pid 0)
    (try
      (.close master)  ; what atexit does
      (finally
        (os._exit (if (.is-set master.node.closed) 0 1)))))
  (setv [_ status] (os.waitpid pid 0))
  (assert (= status 0) status)
  (assert (= (run-task master '(fn [i o] 1)) 1))
  (assert (= (len (.slaves master)) 1)))

(defn test-a-remote-may-use-multiprocessing [master]
  (setv got (run-task master
    '(fn [i o]
      (import multiprocessing)
      (with [pool (.Pool (multiprocessing.get-context "fork") 2)]
        (.map pool abs [-1 -2 -3])))))
  (assert (= got [1 2 3]) got))


;; Local procedures

(defn local-error [master remote local]
  "The local procedure's own error is what the promise ends with."
  (setv error (error-of run-task master remote local))
  (assert (isinstance error KeyError) (repr error))
  (assert (not (isinstance error RemoteError)) (repr error)))

(setv ECHO '(fn [i o] (write "first" o) (.flush o) (for [line i] (.write o line)) "done"))

(defn [(pytest.mark.parametrize "local" [
    (fn [i o] (raise (KeyError "before a read")))
    (fn [i o] (read i) (raise (KeyError "between two reads")) (read i))
    (fn [i o] (read i) (.close o) (read i) (raise (KeyError "after the last read")))
    (fn [i o] (.read i 3) (raise (KeyError "in the middle of a line")))
    (fn [i o] (write "x" o) (raise (KeyError "before it is sent")))
    (fn [i o] (.close i) (.close o) (raise (KeyError "with closed ports")))
    (fn [i o] (.close o.buffer) (raise (KeyError "with a closed buffer")))])]
  test-a-local-procedure-that-raises [master local]
  (local-error master ECHO local))

(defn [(pytest.mark.parametrize "error" [SystemExit KeyboardInterrupt GeneratorExit])]
  test-a-local-procedure-that-raises-what-is-no-exception [master error]
  (setv promise (.make-task master '(fn [i o] 1) (fn [i o] (raise (error "mine")))))
  (assert (isinstance (.exception promise WAIT) error) promise))

(defn test-a-local-procedure-that-never-reads [master]
  (setv got (run-task master
    '(fn [i o] (for [n (range 300000)] (print n :file o)) 1)
    (fn [i o] "never mind")))
  (assert (= got "never mind") got))

(defn test-a-local-procedure-that-writes-what-is-never-read [master]
  (setv got (run-task master
    '(fn [i o] "never mind")
    (fn [i o] (.write o (* "x" (* 20 1024 1024))) (read i))))
  (assert (= got "never mind") got))

(defn test-a-local-procedure-that-writes-without-end [master]
  ; It goes on when the remote has ended, until the task is stopped.
  (defn local [i o]
    (while True
      (write "more" o)))
  (for [remote ['(fn [i o] 1) '(fn [i o] (for [line i]) 1)]]
    (setv error (error-of run-task master remote local :timeout 0.2))
    (assert (isinstance error TaskTimeout) (repr error))
    (assert (= (run-task master '(fn [i o] 1)) 1))))

(defn test-a-local-procedure-may-close-its-ports [master]
  (assert (= (run-task master '(fn [i o] (.read i) 1) (fn [i o] (.close i) (.close o) 2)) 2))
  (assert (= (run-task master '(fn [i o] (.read i) 1)
    (fn [i o] (.close o.buffer) (read i))) 1))
  (assert (= (run-task master '(fn [i o] (.read i) 1) (fn [i o] (.close o) (.close o) (read i))) 1)))

(defn test-a-local-procedure-that-keeps-its-ports [master]
  (setv kept [])
  (run-task master '(fn [i o] 1) (fn [i o] (.extend kept [i o]) (read i)))
  (for [use [(fn [] (.readline (get kept 0)))
             (fn [] (.write (get kept 1) "x"))
             (fn [] (.flush (get kept 1)))]]
    (setv error (error-of use))
    (assert (isinstance error ValueError) (repr error))))

(defn test-a-thread-of-the-local-procedure-may-read-and-write [master]
  (defn local [i o]
    (setv got [])
    (defn run [] (.append got (read i)) (write "x" o) (.close o) (.append got (read i)))
    (setv thread (threading.Thread :target run))
    (.start thread)
    (.join thread WAIT)
    got)
  (setv got (run-task master '(fn [i o] (write "first" o) (+ (read i) "y")) local))
  (assert (= got ["first" "xy"]) got))

(defn test-forcing-within-local-procedures-many-levels-deep [master]
  ; The slave takes the next task when this one's local procedure has returned,
  ; so a local procedure needs another slave to force a task on.
  (with [[_ #* address] (slave-server)]
    (.connect master #* address)
    (defn local [i o]
      (+ (read i) (force (.make-task master '(fn [i o] 10) read-result))))
    (for [_ (range 20)]
      (assert (= (run-task master '(fn [i o] 1) local) 11)))))

(defn test-many-threads-force-a-promise-that-fails [master]
  (setv go (threading.Event)
        promise (.make-task master '(fn [i o] (read i) (/ 1 0))
          (fn [i o] (.wait go WAIT) (write 1 o) (read i)))
        got []
        threads (lfor  _ (range 20)  (threading.Thread :target
          (fn [] (.append got (error-of force promise))))))
  (for [thread threads] (.start thread))
  (.set go)
  (for [thread threads] (.join thread WAIT))
  (assert (= (len got) 20) got)
  (assert (all (gfor  e got  (isinstance e ZeroDivisionError))) got))

(defn test-a-local-procedure-that-closes-its-master []
  (with [[_ #* address] (slave-server)
         master (Master)]
    (.connect master #* address)
    (setv promise (.make-task master '(fn [i o] (.read i)) (fn [i o] (.close master) (read i))))
    (assert (isinstance (.exception promise WAIT) Exception) promise)))
