"The floor of every round trip over TCP: a process that answers."

(import
  concurrent.futures [Future]
  contextlib [contextmanager]
  os
  queue [SimpleQueue]
  socket
  threading
  bench.processes [helper])

(setv
  ; As dpfw's frames are for a small task.
  REQUEST b"(task 1000 18)\n(fn [i o] (+ 2 3))"
  REPLY b"(end 1000 1)\n5")


(defn [contextmanager] connected [[processors None]]
  "A socket to a process that answers, on these processors."
  (with [pipe (helper serve processors)
         sock (socket.create-connection #("127.0.0.1" (.recv pipe)))]
    (.setsockopt sock socket.IPPROTO-TCP socket.TCP-NODELAY 1)
    (yield sock)))

(defn [contextmanager] echo []
  "Gives a function that makes a round trip and returns the reply."
  (with [sock (connected)]
    (yield (fn []
      (.sendall sock REQUEST)
      (.recv sock 65536)))))

(defn [contextmanager] echo-apart []
  "The same, with each end kept on a processor of its own, for the time of a turn;
  gives what makes a turn of such a function. Where the system leaves no choice,
  None."
  (setv processors (if (hasattr os "sched_getaffinity") (sorted (os.sched-getaffinity 0)) []))
  (if (< (len processors) 2)
    (yield None)
    (with [sock (connected (cut processors 1 2))]
      (defn ask []
        (.sendall sock REQUEST)
        (.recv sock 65536))
      (defn kept-apart [turn]
        (fn []
          ; Of this thread alone.
          (os.sched-setaffinity 0 (cut processors 1))
          (try
            (turn)
            (finally
              (os.sched-setaffinity 0 processors)))))
      (yield #(ask kept-apart)))))

(defn [contextmanager] threaded-echo []
  "The same, but a parked thread receives the reply and gives it to a Future: what
  a local procedure in a thread of its own costs before any of it is ours."
  (setv orders (SimpleQueue))
  (with [sock (connected)]
    (defn work []
      (while (setx future (.get orders))
        (.set-result future (.recv sock 65536))))
    (setv thread (threading.Thread :target work))
    (.start thread)
    (try
      (yield (fn []
        (setv future (Future))
        (.sendall sock REQUEST)
        (.put orders future)
        (.result future)))
      (finally
        (.put orders None)
        (.join thread)))))

(defn serve [pipe processors]
  (when processors
    (os.sched-setaffinity 0 processors))
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (.send pipe (get (.getsockname listener) 1))
    (setv [sock _] (.accept listener))
    (with [_ sock]
      (.setsockopt sock socket.IPPROTO-TCP socket.TCP-NODELAY 1)
      (while (.recv sock 65536)
        (.sendall sock REPLY)))))
