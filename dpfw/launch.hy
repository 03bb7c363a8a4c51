"Launching: slave processes of one's own, on this machine.

::

    (import dpfw.launch [dpfw-launch])
    (dpfw-launch 2)  ; => [<slave …> <slave …>]

A launched slave dials back to its master over loopback, serves that one
session, and ends with it. So it goes down with its master, however that ends."

(import
  logging
  os
  subprocess
  sys
  threading
  time
  dpfw.errors [LaunchError]
  dpfw.master [default-master]
  dpfw.wire [format-address])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  HOST "127.0.0.1"
  START-TIMEOUT 60   ; seconds for all to start and connect
  END-TIMEOUT 5)     ; seconds for all to end when they are asked to


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
      self.processes []))

  (defn up [self]
    (setv address (.listen self.master :host HOST))
    (.at-close self.master self.down)
    (try
      (for [_ (range self.n)]
        (.start self address))
      (.await-slaves self address)
      (except [BaseException]
        (.down self)
        (raise))
      (finally
        (.unlisten self.master address))))

  (defn start [self address]
    (setv process (subprocess.Popen
      [(getattr hy "sys_executable" sys.executable)
       "-m" "dpfw.slave" "--once" "--connect" (format-address address)]
      :stdin subprocess.DEVNULL
      :env {#** os.environ
            ; What can be imported here can be imported there. 
            "PYTHONPATH" (.join os.pathsep (filter None sys.path))
            ; What remotes print shows at once.
            "PYTHONUNBUFFERED" "1"
            "DPFW_COOKIE" (.decode (.secret self.master))}
      ; A Ctrl-C at the master's terminal is the master's.
      :start-new-session True))
    (.append self.processes process)
    (.run self.master.crew self.reap process))

  (defn reap [self process]
    "In a thread of the crew: wait for the process to end."
    (setv status (.wait process))
    (with [_ self.master.change]
      (.notify-all self.master.change))
    (unless (or (= status 0) (.is-set self.master.closed))
      (log.warning "slave process %d ended with status %d" process.pid status)))

  (defn await-slaves [self address]
    "Wait until as many slaves dialled this address as there are processes."
    (defn done? []
      (setv there (lfor
        slave (.slaves self.master)
        :if (= slave.through address)
        slave))
      (for [process self.processes]
        (unless (is process.returncode None)
          (raise (LaunchError
            f"slave process {process.pid} ended with status {process.returncode} before it connected; its standard error says why"))))
      (when (= (len there) self.n)
        there))
    (with [_ self.master.change]
      (or (.wait-for self.master.change done? START-TIMEOUT)
          (raise (LaunchError
            f"after {START-TIMEOUT} seconds, {self.n} slave processes have not all connected")))))

  (defn down [self]
    "End the processes, and wait for that. Idempotent."
    (for [process self.processes]
      (.terminate process))
    (setv deadline (+ (time.monotonic) END-TIMEOUT))
    (for [process self.processes]
      (try
        (.wait process (max 0 (- deadline (time.monotonic))))
        (except [subprocess.TimeoutExpired]
          (.kill process)
          (.wait process))))))
