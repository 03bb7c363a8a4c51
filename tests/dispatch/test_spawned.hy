"Programs that multiprocessing spawns, and that use dpfw themselves."

(import
  subprocess
  sys
  pytest
  tests.helpers [holds]
  tests.processes [WAIT])

(setv
  IMPORTS "
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
from dpfw.launch import dpfw_launch
from dpfw.master import *
"
  GUARDED (+ IMPORTS "
def told(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__

def work(n):
    alone = [
        told(lambda: dpfw_map('abs', [-1])),
        told(dpfw_get_slave),
        told(lambda: force(dpfw_make_task('(fn [i o] 1)', read_result))),
    ]
    dpfw_launch(1)
    return alone, dpfw_map('(fn [x] x)', range(n))

if __name__ == '__main__':
    dpfw_launch(1)
    dpfw_map('abs', [-1])
    context = multiprocessing.get_context(sys.argv[1])
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        print(executor.submit(work, 3).result())
")
  BARE (+ IMPORTS "
dpfw_launch(1)
process = multiprocessing.get_context('spawn').Process(target=print)
process.start()
process.join()
print(process.exitcode)
"))

(defn run [tmp-path text #* arguments]
  (setv file (/ tmp-path "program.py"))
  (.write-text file text)
  (subprocess.run [sys.executable (str file) #* arguments]
    :stdin subprocess.DEVNULL :capture-output True :text True :timeout WAIT))

(defn [(pytest.mark.parametrize "method" ["spawn" "fork"])]
    test-a-child-without-slaves-is-told-so-and-one-with-slaves-works [tmp-path method]
  (setv done (run tmp-path GUARDED method))
  (holds done.stdout "(['NoSlaves', 'NoSlaves', 'NoSlaves'], [0, 1, 2])\n")
  (holds done.returncode 0))

(defn test-a-main-module-that-launches-when-it-is-imported-is-told-so [tmp-path]
  (setv done (run tmp-path BARE))
  (holds done.stdout "1\n")
  (assert (in "LaunchError: multiprocessing imports the main module" done.stderr) done.stderr)
  (assert (in "if __name__ == \"__main__\":" done.stderr) done.stderr))
