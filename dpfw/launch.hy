"Launching: slave processes of one's own, on this machine.

::

    (import dpfw.launch [dpfw-launch])
    (setv slaves (dpfw-launch 2))

A launched slave dials back to its master over loopback, serves that one
session, and ends with it. So it goes down with its master, however that ends."

(import
  inspect
  logging
  os
  subprocess
  sys
  time
  types [ModuleType]
  dpfw.errors [LaunchError]
  dpfw.master [default-master]
  dpfw.net.addresses [format-address]
  dpfw.net.child [Child])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  HOST "127.0.0.1"
  PREPARED #{"idle" "busy"}  ; the states of a slave that has run what it must run first
  START-TIMEOUT 60   ; seconds for all to start and connect
  END-TIMEOUT 5)     ; seconds for all to end after their session


(defn dpfw-launch [n [master None]]
  "Start ``n`` slave processes on this machine, wait until all are connected to
  the master (the default one if None is given), and return their slaves.

  They see the modules that this process sees, write to its standard output and
  error, and are taken down with the master. Raises `LaunchError` when one does
  not come up; then none stays. ::

    (len (dpfw-launch 2))  ; => 2"
  (unless (and (is (type n) int) (>= n 0))
    (raise ((if (is (type n) int) ValueError TypeError)
      f"cannot launch {n !r} slaves; give a number, such as 2")))
  (.up (Launch n (or master (default-master)))))


(defclass Launch []
  "Slave processes that were launched together."

  (defn __init__ [self n master]
    (setv
      self.n n
      self.master master
      self.processes {}     ; the address that each dials -> process
      self.children {}      ; and the same -> what hears of the process's end
      self.complete False)) ; have all been started that will be?

  (defn up [self]
    (.at-close self.master.node self.down)
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
          (.unlisten self.master address))
        (setv self.complete True)
        (.leave-if-over self))))

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
    (setv (get self.children address)
      (Child process self.master.node.reactor (fn [] (.note-end self process)))))

  (defn note-end [self process]
    (.leave-if-over self)
    (.tell-watchers self.master.network)
    (unless (or (= process.returncode 0) self.master.closed)
      (.say self.master.node log.warning
        "slave process %d ended with status %d" process.pid process.returncode)))

  (defn leave-if-over [self]
    "Once all have ended, there is nothing left to take down."
    (when (and self.complete
               (all (gfor  process (.values self.processes)  (is-not process.returncode None))))
      (.not-at-close self.master.node self.down)))

  (defn await-slaves [self]
    "Wait until each process has connected, and is prepared; returns their slaves."
    (setv slaves (.wait-for self.master.network self.slaves-if-all START-TIMEOUT))
    (when (is slaves None)
      (raise (LaunchError
        f"after {START-TIMEOUT} seconds, {self.n} slave processes have not all connected")))
    slaves)

  (defn slaves-if-all [self]
    "With the dispatcher's lock: the slaves; None if some are missing."
    (.check-open self.master)
    (for [process (.values self.processes)]
      (unless (is process.returncode None)
        (raise (LaunchError (+
          f"slave process {process.pid} ended with status {process.returncode} before all were "
          "ready; what it wrote to standard error, or the log, says why")))))
    (setv slaves (lfor
      slave (.values self.master.network.dispatcher.registry.connected)
      :if (and (in slave.through self.processes) (in slave.state PREPARED))
      slave))
    (for [slave slaves]
      (setv slave.process (get self.processes slave.through)))
    (when (= (len slaves) self.n)
      slaves))

  (defn down [self]
    "Wait for the processes to end, as they do with their session; kill those
    that do not. Idempotent."
    (setv deadline (+ (time.monotonic) END-TIMEOUT))
    (for [child (list (.values self.children))]
      (.end-by child deadline))))

(defn environment [master]
  "Of the processes: what they import, print and authenticate with."
  {#** os.environ
   "PYTHONPATH" (.join os.pathsep (filter None sys.path))
   "PYTHONUNBUFFERED" "1"
   "DPFW_COOKIE" (.decode (.secret master.node))})


;; ``dpfw.launch`` is this module's name, and a call that reads well in Python.

(defclass LaunchModule [ModuleType]
  (defn __call__ [self #* arguments  #** options]
    (dpfw-launch #* arguments #** options)))

(setv
  (. (get sys.modules __name__) __class__) LaunchModule
  __signature__ (inspect.signature dpfw-launch))

(export :objects [dpfw-launch])
