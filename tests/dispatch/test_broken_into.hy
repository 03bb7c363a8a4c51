"Code of a user's breaks in where dpfw works or waits: a signal's handler, a finaliser that
the garbage collector calls, and all that in a child that was forked."

(import
  subprocess
  sys
  threading
  pytest
  tests.helpers [holds until]
  tests.processes [WAIT launched run-task])

(setv HEAD "
import os, signal, sys, threading
import dpfw
from dpfw.errors import MasterClosed

def strike(when, number):
    # As soon as a slave runs the task.
    def wait():
        when.readline()
        os.kill(os.getpid(), number)
    threading.Thread(target=wait, daemon=True).start()

ear, mouth = os.pipe()
BUSY = f'(fn [i o] (with [f (open \"/proc/{os.getpid()}/fd/{mouth}\" \"w\")] (.write f \"!\\\\n\")) (import time) (time.sleep {{}}) 5)'
")

(defn program [text #* arguments]
  "Run a program; its status, what it says, and what it complains of."
  (setv done (subprocess.run [sys.executable "-W" "ignore:This process:DeprecationWarning" "-c" (+ HEAD text)]
    :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT))
  [done.returncode done.stdout done.stderr])

(defn test-a-handler-closes-the-master-while-the-main-thread-waits []
  (holds (program "
def end(*_):
    dpfw.close()
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
dpfw.launch(1)
promise = dpfw.make_task(BUSY.format(60), dpfw.read_result)
strike(open(ear), signal.SIGTERM)
promise.result()
") [3 "" ""]))

(defn test-and-one-that-does-not-end-the-wait []
  (holds (program "
signal.signal(signal.SIGTERM, lambda *_: dpfw.close())
dpfw.launch(1)
promise = dpfw.make_task(BUSY.format(60), dpfw.read_result)
strike(open(ear), signal.SIGTERM)
try:
    promise.result()
except MasterClosed:
    print('closed')
") [0 "closed\n" ""]))

(defn test-a-handler-has-tasks-done-while-the-main-thread-waits []
  (holds (program "
signal.signal(signal.SIGUSR1, lambda *_: print(dpfw.map('(fn [x] (* x x))', [1, 2])))
dpfw.launch(2)
promise = dpfw.make_task(BUSY.format(1), dpfw.read_result)
strike(open(ear), signal.SIGUSR1)
print(promise.result())
dpfw.close()
") [0 "[1, 4]\n5\n" ""]))

(defn test-a-forked-child-does-not-wait-for-what-is-its-parents []
  (holds (program "
dpfw.launch(1)
promise = dpfw.make_task('(fn [i o] (import time) (time.sleep 1) 5)', dpfw.read_result)
child = os.fork()
if child == 0:
    try:
        promise.result()
    except MasterClosed as e:
        os._exit(7 if 'forked' in str(e) else 8)
    os._exit(9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), promise.result())
dpfw.close()
") [0 "7 5\n" ""]))

(defn [(pytest.mark.parametrize "whose" ["dispatcher" "leader" "reactor" "threads"])]
      test-a-finaliser-cancels-wherever-it-breaks-in [whose]
  (with [[master _] (launched 1)]
    (setv network master.network
          lock (get {"dispatcher" network.lock  "leader" network.leader.lock
                     "reactor" network.node.reactor.lock  "threads" network.node.threads.lock} whose)
          results (.imap master '(fn [x] (import time) (time.sleep (if x 0.5 0)) x) (range 10,000) :chunk-size 1))
    (holds (next results) 0)
    (assert (.tasks master))
    (defn collect []
      (with [_ lock]
        (.close results)))
    ; In a thread of its own, since it may never return.
    (setv thread (threading.Thread :target collect :daemon True))
    (.start thread)
    (.join thread WAIT)
    (assert (not (.is-alive thread)))
    (until (fn [] (not (.tasks master))))
    (holds (run-task master '(fn [i o] 5)) 5)))
