"Launching: slave processes of one's own, on this machine, and on others over ssh.

::

    (import dpfw.launch [dpfw-launch dpfw-launch-ssh])
    (setv slaves (dpfw-launch 2))
    (setv more (dpfw-launch-ssh [\"node-a\" \"node-b\"]))

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
  dpfw.dispatch.states [PREPARED]
  dpfw.errors [LaunchError]
  dpfw.master [default-master]
  dpfw.net.addresses [format-address]
  dpfw.net.child [Child]
  dpfw.ssh.command [checked-command checked-path destinations]
  dpfw.ssh.installation [DEFAULT-PYTHON]
  dpfw.ssh.launch [SshLaunch])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  HOST "127.0.0.1"
  START-TIMEOUT 60   ; seconds for all to start and connect
  END-TIMEOUT 5)     ; seconds for all to end after their session


(defn dpfw-launch [n [master None]]
  "Start ``n`` slave processes on this machine, wait until all are connected to
  the master (the default one if None is given), and return their slaves.

  They see the modules that this process sees, and are taken down with the master. What
  they write when they run no remote goes to this process's standard output and error.
  Raises `LaunchError` when one does not come up; then none stays. ::

    (len (dpfw-launch 2))  ; => 2"
  (check-number n)
  (.up (Launch n (or master (default-master)))))

(defn dpfw-launch-ssh [hosts [master None] * [per-host 1] [python DEFAULT-PYTHON] [ssh #("ssh")]]
  "Start slaves on other machines, over ssh: ``per-host`` on each of ``hosts``. Wait until
  all are connected and prepared, and return their slaves. ::

    (dpfw-launch-ssh [\"node-a\" \"me@node-b:2222\"] :per-host 4 :python \"~/venv/bin/python\")

  A host is named as ssh knows it, and ``~/.ssh/config``, agents and jump hosts count.
  ``python`` is the interpreter there, which must have dpfw; ``ssh`` is the command with
  options of yours, a list such as ``[\"ssh\" \"-F\" \"cluster.conf\"]``. The sessions go
  through ssh itself, so no port need be open and no cookie be there.

  ssh may ask for a password at the terminal, if there is one, and waits for nobody else.
  What the slaves write when they run no remote goes to standard error here, after the
  name of the host. They end with the master, or when ssh does.

  Raises `LaunchError`, which says what to do, when one does not come up; then none stays.
  Raises `AddressError` for what is no host."
  (check-number per-host)
  (setv given [(destinations hosts) per-host (checked-path python) (checked-command ssh)])
  (.up (SshLaunch (or master (default-master)) #* given)))

(defn check-number [n]
  (unless (and (is (type n) int) (>= n 0))
    (raise ((if (is (type n) int) ValueError TypeError)
      f"cannot launch {n !r} slaves; give a number, such as 2"))))


(defclass Launch []
  "Slave processes that were launched together."

  (defn __init__ [self n master]
    (setv
      self.n n
      self.master master
      self.children {}      ; the address that each dials -> `Child`
      self.complete False)) ; have all been started that will be?

  (defn up [self]
    (.at-close self.master.node self.down)
    (try
      (for [_ (range self.n)]
        (.start self))
      (.await-slaves self)
      (except [BaseException]
        (for [child (.values self.children)]
          (.terminate child.process))
        (.down self)
        (raise))
      (finally
        (for [address self.children]
          (.unlisten self.master address))
        (setv self.complete True)
        (.leave-if-over self))))

  (defn start [self]
    ; An address for each, so that a slave can be told from the next.
    (setv address (.listen self.master :host HOST))
    (try
      (setv process (subprocess.Popen
              [(getattr hy "sys_executable" sys.executable)
               "-m" "dpfw.slave" "--once" "--connect" (format-address address)]
              :stdin subprocess.DEVNULL
              :env (environment self.master)
              ; A Ctrl-C at the master's terminal is the master's.
              :start-new-session True)
            (get self.children address)
              (Child process self.master.node.reactor (fn [] (.note-end self process))))
      (except [BaseException]
        (.unlisten self.master address)
        (raise))))

  (defn note-end [self process]
    (.leave-if-over self)
    (.tell-watchers self.master.network)
    (unless (or (= process.returncode 0) self.master.closed)
      (.say self.master.node log.warning
        "slave process %d ended with status %d" process.pid process.returncode)))

  (defn leave-if-over [self]
    "Once all have ended, there is nothing left to take down."
    (when (and self.complete
               (all (gfor  child (.values self.children)  (is-not child.process.returncode None))))
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
    (for [child (.values self.children)]
      (setv process child.process)
      (unless (is process.returncode None)
        (raise (LaunchError (+
          f"slave process {process.pid} ended with status {process.returncode} before all were "
          "ready; what it wrote to standard error, or the log, says why")))))
    (setv slaves (lfor
      slave (.values self.master.network.dispatcher.registry.connected)
      :if (and (in slave.through self.children) (in slave.state PREPARED))
      slave))
    (for [slave slaves]
      (setv slave.process (. (get self.children slave.through) process)))
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

(export :objects [dpfw-launch dpfw-launch-ssh])
