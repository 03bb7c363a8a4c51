"Setting up the network, both ways round: first a slave listens and the master
dials it, then the master listens and a slave dials.

Run it with: hy examples/network.hy

Here both ends are processes of this machine. Between two machines, each with
the same cookie, the same is

    node A    hy -m dpfw.slave 10000
    node B    (dpfw-master-client \"node-a.example.com\" 10000)

and the other way round

    node B    (dpfw-master-server 10000)
    node A    hy -m dpfw.slave --connect node-b.example.com:10000"

(import
  contextlib [contextmanager]
  subprocess [PIPE Popen]
  dpfw.master *)

(defn [contextmanager] slave-process [#* arguments]
  "A slave at the command line, until the end of the block."
  (with [process (Popen [hy.sys-executable "-m" "dpfw.slave" #* arguments]
                        :stdout PIPE :text True)]
    (try
      (yield process)
      (finally
        (.terminate process)))))

;; The slave listens, on a free port that it names; the master dials it.
(with [process (slave-process "0")]
  (setv [_ _ port] (.rpartition (.readline process.stdout) ":"))
  (dpfw-master-client "localhost" (int port))
  (setv t (dpfw-make-task '(fn [i o] "I listened") read-result))
  (print (force t))  ; => I listened
  (dpfw-close))

;; The master listens, and a slave dials it. (dpfw-master-server port) does the
;; same, and blocks.
(with [master (Master)]
  (setv [host port] (.listen master :host "localhost"))
  (with [process (slave-process "--once" "--connect" f"{host}:{port}")]
    (setv t (.make-task master '(fn [i o] "I dialled") read-result))
    (print (force t))  ; => I dialled
    (.close master)
    (.wait process)))
