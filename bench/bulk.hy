"A large array between two processes, and the memory that it takes."

(import
  contextlib [contextmanager]
  socket
  dpfw.task.ports [read-object read-result write-object]
  dpfw.dispatch.promise [force]
  bench.figure [figure quantity]
  bench.measure [interleaved rate]
  bench.processes [helper launched resident-memory])
(eval-when-compile (require hyrule.control [unless]))

(setv
  SIZE 256,000,000  ; bytes

  PREPARE '(fn [i o]
    (import numpy os)
    (os.getpid))
  ; The object is gone when the next one comes.
  RECEIVE '(fn [i o]
    (. (read-object i) nbytes))
  PEAK '(fn [i o]
    (import resource sys)
    (* (. (resource.getrusage resource.RUSAGE-SELF) ru-maxrss)
       (if (= sys.platform "darwin") 1 1024)))
  KEEP '(fn [i o]
    (import numpy)
    (hash-table-set! (dpfw-slave-ht) "array" (numpy.ones (// (read i) 8)))
    None)
  SEND '(fn [i o]
    (write-object (hash-table-ref (dpfw-slave-ht) "array") o)))


(defn bulk [rounds]
  (with [master (launched 1)
         send (bare-socket bytearray)
         send-again (bare-socket)]

    (defn run [remote [local read-result]]
      (force (.make-task master remote local)))

    ; The peak of a process that was started by a large one begins high.
    (setv before (resident-memory (run PREPARE)))
    (import numpy)
    (setv array (numpy.ones (// SIZE 8)))

    (defn to-slave []
      (run RECEIVE (fn [i o]
        (write-object array o)
        (read-result i o))))
    (defn to-master []
      (run SEND (fn [i o]
        (. (read-object i) nbytes))))

    (to-slave)
    (setv growth (- (run PEAK) before))
    (run KEEP (fn [i o]
      (.write o f"{SIZE}\n")
      (read-result i o)))
    (figure f"a NumPy array of {(// SIZE 1,000,000)} MB as an object" "B/s"
      (interleaved {
        "dpfw, master to slave" (rate to-slave SIZE SIZE)
        "bare socket, into a new bytearray" (rate (fn [] (send array)) SIZE SIZE)
        "bare socket, into the same again" (rate (fn [] (send-again array)) SIZE SIZE)
        "dpfw, slave to master" (rate to-master SIZE SIZE)}
        rounds)
      {"bare socket, into the same again" 0.7}
      [(quantity "growth of the slave's peak memory, in arrays" (/ growth SIZE) "×" 1.1)]
      :bound "at least"
      :note (+ "One bare socket's receiver makes a bytearray for each turn; the other's has one for "
        "all, which nobody could keep. Nothing is encrypted, as never within a machine."))))


(defn [contextmanager] bare-socket [[make None]]
  "Gives a function that sends memory and waits until all has been received: into
  what the importable function ``make`` makes of a size each time, or always into
  the same."
  (with [pipe (helper receive-all make)
         sock (socket.create-connection #("127.0.0.1" (.recv pipe)))]
    (yield (fn [memory]
      (.sendall sock memory)
      (int.from-bytes (.recv sock 8) "big")))))

(defn receive-all [pipe make]
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (.send pipe (get (.getsockname listener) 1))
    (setv [sock _] (.accept listener))
    (with [_ sock]
      (setv memory (bytearray SIZE))
      (while (.recv sock 1 socket.MSG-PEEK)  ; something comes
        (when make
          (setv memory None  ; never two of them
                memory (make SIZE)))
        (receive sock memory)
        (.sendall sock (.to-bytes SIZE 8 "big"))))))

(defn receive [sock memory]
  (setv view (memoryview memory)
        at 0)
  (while (< at SIZE)
    (setv n (.recv-into sock (cut view at None)))
    (unless n
      (raise (EOFError "the benchmark has ended in the middle of a turn")))
    (+= at n)))
