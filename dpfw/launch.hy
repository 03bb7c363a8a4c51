"Launching: slave processes of one's own, on this machine.

::

    (import dpfw.launch [dpfw-launch])
    (setv slaves (dpfw-launch 2))

A launched slave dials back to its master over loopback, serves that one
session, and ends with it. So it goes down with its master, however that ends."

(import
  logging
  os
  subprocess
  sys
  time
  dpfw.errors [LaunchError]
  dpfw.master [default-master]
  dpfw.net.wire [format-address])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  HOST "127.0.0.1"
  START-TIMEOUT 60   ; seconds for all to start and connect
  END-TIMEOUT 5)     ; seconds for all to end after their session


(defn dpfw-launch [n [master None]]
  "Start ``n`` slave processes on this machine, wait until all are connected to
  the master (the default one if None is given), and return their slaves.

  They see the modules that this process sees, write to its standard output and
  error, and are taken down with the master. Raises `LaunchError` when one does
  not come up; then none stays. ::

    (len (dpfw-launch 2))  ; => 2"
  (.up (Launch n (or master (default-master)))))


(defclass Launch []
  "Slave processes that were launched together."

  (defn __init__ [self n master]
    (setv
      self.n n
      self.master master
      self.processes {}))  ; the address that each dials -> process

  (defn up [self]
    (.at-close self.master self.down)
    (try
      (for [_ (range self.n)]
        (.start self))
      (.await-slaves self)
      (except [BaseException]
        (for [process (.values self.processes)]
          (.terminate process))
        (.down self)
        (raise))
      (finally
        (for [address self.processes]
          (.unlisten self.master address)))))

  (defn start [self]
    ; An address for each, so that a slave can be told from the next.
    (setv
      address (.listen self.master :host HOST)
      process (subprocess.Popen
        [(getattr hy "sys_executable" sys.executable)
         "-m" "dpfw.slave" "--once" "--connect" (format-address address)]
        :stdin subprocess.DEVNULL
        :env (environment self.master)
        ; A Ctrl-C at the master's terminal is the master's.
        :start-new-session True)
      (get self.processes address) process)
    (.run self.master.crew self.reap process))

  (defn reap [self process]
    "In a thread of the crew: wait for the process to end."
    (setv status (.wait process))
    (with [_ self.master.change]
      (.notify-all self.master.change))
    (unless (or (= status 0) (.is-set self.master.closed))
      (log.warning "slave process %d ended with status %d" process.pid status)))

  (defn await-slaves [self]
    "Wait until each process has connected; returns their slaves."
    (with [_ self.master.change]
      (or (.wait-for self.master.change self.slaves-if-all START-TIMEOUT)
          (raise (LaunchError
            f"after {START-TIMEOUT} seconds, {self.n} slave processes have not all connected")))))

  (defn slaves-if-all [self]
    (for [process (.values self.processes)]
      (unless (is process.returncode None)
        (raise (LaunchError (+
          f"slave process {process.pid} ended with status {process.returncode} before it "
          "connected; what it wrote to standard error says why")))))
    (setv slaves (lfor
      slave (.slaves self.master)
      :if (in slave.through self.processes)
      slave))
    (for [slave slaves]
      (setv slave.process (get self.processes slave.through)))
    (when (= (len slaves) self.n)
      slaves))

  (defn down [self]
    "Wait for the processes to end, as they do with their session; kill those
    that do not. Idempotent."
    (setv deadline (+ (time.monotonic) END-TIMEOUT))
    (for [process (.values self.processes)]
      (try
        (.wait process (max 0 (- deadline (time.monotonic))))
        (except [subprocess.TimeoutExpired]
          (.kill process)
          (.wait process))))))

(defn environment [master]
  "Of the processes: what they import, print and authenticate with."
  {#** os.environ
   "PYTHONPATH" (.join os.pathsep (filter None sys.path))
   "PYTHONUNBUFFERED" "1"
   "DPFW_COOKIE" (.decode (.secret master))})
