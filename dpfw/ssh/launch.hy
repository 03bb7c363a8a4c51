"Launching over ssh: slaves on other machines, each at the other end of an ssh of its own.

::

    the caller             threads of the pool, one for each slave     the reactor
    up ── starts ────────> start ssh, wait until a slave is ready,
    waits for all  <────── give it a cookie, shake hands, join         hears how ssh ends
                                                                       and what it says

A slave goes down with its connection, and so with this process, however that ends."

(import
  logging
  sys
  threading
  time
  dpfw.dispatch.states [PREPARED]
  dpfw.errors [HandshakeError LaunchError WireError]
  dpfw.net.handshake [dial-handshake]
  dpfw.net.preamble [await-ready new-cookie say-cookie]
  dpfw.ssh.advice [advice wants-to-ask?]
  dpfw.ssh.command [ssh-words typed]
  dpfw.ssh.process [END-TIMEOUT Ssh terminal?])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  START-TIMEOUT 60           ; seconds until a slave must be ready, and then prepared
  AT-ONCE 5                  ; of one host: of more than ten that log in, sshd drops some
  questions (threading.Lock)); asked at the terminal one at a time


(defclass SshLaunch []
  "Slaves that were launched together: ``per-host`` on each of these destinations."

  (defn __init__ [self master destinations per-host python ssh]
    (setv
      self.master master
      self.node master.node
      self.network master.network
      self.python python
      self.ssh ssh
      self.lock (threading.Lock)
      self.running (set)    ; the ssh processes,
      self.over False       ; and will no more be started?
      self.complete False   ; is nobody about to start one?
      self.slaves (lfor
        destination destinations
        :setv door (threading.Semaphore AT-ONCE)
        _ (range per-host)
        (SshSlave self destination door))))

  (defn up [self]
    "Launch them; returns the `Slave`s."
    (.at-close self.node self.down)
    (try
      (for [slave self.slaves]
        (unless (.run self.node.threads slave.come-up)
          (.check-open self.master)))
      (.await-slaves self)
      (except [BaseException]
        (.down self :at-once True)
        (raise))
      (finally
        (setv self.complete True)
        (.leave-if-over self))))

  (defn await-slaves [self]
    ; Each has its own time to come up, and may wait for another, or for a password.
    (setv all-there False)
    (while (is (setx slaves (.wait-for self.network self.slaves-if-all START-TIMEOUT)) None)
      (when all-there
        (setv late (next (gfor  slave self.slaves  :if (not (.prepared slave))  slave)))
        (raise (LaunchError (+ f"the slave on {late.destination} has not run what was given to "
          f"dpfw-on-connect in {START-TIMEOUT} seconds"))))
      (setv all-there (all (gfor  slave self.slaves  slave.slave))))
    slaves)

  (defn slaves-if-all [self]
    "With the dispatcher's lock: the slaves; None if some are missing."
    (.check-open self.master)
    (for [slave self.slaves]
      (.check slave))
    (when (all (gfor  slave self.slaves  (.prepared slave)))
      (lfor  slave self.slaves  slave.slave)))

  (defn start [self slave words ask]
    "Start an ssh process for this slave."
    (with [_ self.lock]
      (when self.over
        (raise (LaunchError "the launch was broken off")))
      (setv ssh (Ssh words self.node (str slave.destination) ask slave.show
                  (fn [ssh] (.note-end self slave ssh))))
      (.add self.running ssh)
      ssh))

  (defn join [self ssh id]
    "Join the slave at its other end; returns the `Slave`."
    (with [_ self.lock]
      ; Of a connection that is aborted by now, nobody would hear the end.
      (when (or self.over self.master.closed)
        (raise (LaunchError "the launch was broken off")))
      (.joined self.network ssh.connection id)))

  (defn note-end [self slave ssh]
    (with [_ self.lock]
      (.discard self.running ssh))
    (.leave-if-over self)
    (.tell-watchers self.network)
    (unless (or (not slave.slave) (= ssh.process.returncode 0) self.over)
      (.say self.node log.warning "%s: %s" slave.destination (.fate ssh))))

  (defn leave-if-over [self]
    "Once all have ended, there is nothing left to take down."
    (when (and self.complete (not self.running))
      (.not-at-close self.node self.down)))

  (defn down [self [at-once False]]
    "Wait for all ssh processes to end, as they do with their connections, or end them
    at once; kill those that do not. Idempotent."
    (with [_ self.lock]
      (setv self.over True
            running (list self.running)))
    (when at-once
      (for [ssh running]
        (.abort ssh)))
    (setv deadline (+ (time.monotonic) END-TIMEOUT))
    (for [ssh running]
      (.end-by ssh deadline))))


(defclass SshSlave []
  "One of them. ``door`` is the semaphore of its host."

  (defn __init__ [self launch destination door]
    (setv
      self.launch launch
      self.destination destination
      self.door door
      self.slave None     ; the `Slave` that it became,
      self.failure None)) ; or why it did not

  (defn come-up [self]
    (try
      (setv self.slave (.attempt self))
      (except [e LaunchError]
        (setv self.failure e))
      (except [e Exception]
        (setv self.failure (LaunchError f"no slave on {self.destination}: {e}")
              self.failure.__cause__ e)))
    (.tell-watchers self.launch.network))

  (defn attempt [self]
    "Log in without a question; if that does not do and there is somebody to ask, with."
    (try
      (with [_ self.door]
        (.connect self :ask False))
      (except [e WantsToAsk]
        (unless (terminal?)
          (raise))
        (with [_ questions]
          (.connect self :ask True)))))

  (defn connect [self ask]
    "Start ssh, and a slave at its other end; returns the `Slave`."
    (setv
      launch self.launch
      words (ssh-words launch.ssh self.destination launch.python ask))
    (try
      (setv ssh (.start launch self words ask))
      (except [e OSError]
        (raise (LaunchError (+ f"cannot start {(get words 0)}: {e.strerror}; install OpenSSH's client, "
          "on Debian and its kin by: sudo apt-get install openssh-client")) :from e)))
    (try
      (.join launch ssh (.greet self ssh.connection))
      (except [e [OSError LaunchError]]
        (raise (.failed self ssh e) :from e))))

  (defn greet [self connection]
    "Returns the id of the slave, when both have proved themselves."
    (setv cookie (new-cookie))
    (await-ready connection (+ (time.monotonic) START-TIMEOUT))
    (say-cookie connection cookie)
    (.shake-hands self.launch.node dial-handshake connection cookie))

  (defn failed [self ssh error]
    "The `LaunchError` that says why; of an ssh that has not ended, an end is made."
    (setv ended ssh.over)
    (.retire self.launch.node ssh.connection)
    (unless ended
      (.abort ssh)
      (.end-by ssh (+ (time.monotonic) END-TIMEOUT)))
    (setv
      [ssh-words python] [self.launch.ssh self.launch.python]
      [status said] [ssh.process.returncode (.said ssh.words)]
      [line where] [(typed ssh-words self.destination) f"no slave on {self.destination}: "])
    (cond
      ended
        ((if (wants-to-ask? status said) WantsToAsk LaunchError)
          f"{where}{(.fate ssh)}; {(advice status said ssh-words self.destination python)}")
      (isinstance error TimeoutError)
        (LaunchError (+ f"{where}it was not ready within {START-TIMEOUT} seconds"
          (if said f", and ssh said: {said}" "") f"; see what this does: {line} true"))
      True
        (LaunchError f"{where}{error}")))

  (defn show [self line]
    "What the slave says is for the user; what ssh says before, for who looks for it."
    (if self.slave
      (do
        ; In one piece: others do so at the same time.
        (.write sys.stderr f"{self.destination}: {line}\n")
        (.flush sys.stderr))
      (log.info "%s: %s" self.destination line)))

  (defn check [self]
    (when self.failure
      (raise self.failure))
    (when (and self.slave self.slave.lost)
      (raise (LaunchError (+ f"the slave on {self.destination} was lost before all were ready; "
        (or self.slave.session.connection.why "the log says why"))))))

  (defn prepared [self]
    (and self.slave (in self.slave.state PREPARED))))


(defclass WantsToAsk [LaunchError]
  "ssh would have asked for a password, or whether a host's key is right.")
