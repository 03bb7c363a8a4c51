"A master that listens and waits says where, and who joins, to who sits at a terminal."

(import
  signal
  sys
  tests.processes [WAIT slave-process]
  tests.terminals [at-a-terminal check-line])

(setv PROGRAM "from dpfw.master import *; dpfw_master_server(0, host='127.0.0.1')")

(defn test-it-says-where-it-listens-and-who-joins []
  (with [[master next-line] (at-a-terminal [sys.executable "-c" PROGRAM])]
    (setv listens (next-line))
    (check-line listens (+ r"dpfw master listens on 127\.0\.0\.1:(\d+); "
      r"start slaves with: hy -m dpfw\.slave --connect HOST:\1"))
    (setv address f"127.0.0.1:{(get (.split listens ":") -1)}")
    (with [one (slave-process "--connect" address)]
      (check-line (next-line) r"the slave at 127\.0\.0\.1:\d+ has joined; 1 is here")
      (with [two (slave-process "--connect" address)]
        (check-line (next-line) r"the slave at 127\.0\.0\.1:\d+ has joined; 2 are here"))
      (check-line (next-line) r"<slave .*> is gone")
      (.send-signal master signal.SIGINT)
      (assert (= (.wait master WAIT) (- signal.SIGINT))))))
