"Launching over ssh: slaves on other machines, each at the other end of an ssh of its own."

(import
  logging
  sys
  threading
  time
  dpfw.errors [LaunchError]
  dpfw.net.addresses [files-advice]
  dpfw.net.handshake [dial-handshake]
  dpfw.net.preamble [await-ready new-cookie say-cookie]
  dpfw.processes.launch [START-TIMEOUT Launch]
  dpfw.processes.place [Place]
  dpfw.see [see]
  dpfw.ssh.advice [advice wants-to-ask?]
  dpfw.ssh.command [ssh-words typed]
  dpfw.ssh.process [Ssh terminal?]
  dpfw.task.failure [escaped])

(setv
  log (logging.getLogger __name__)
  AT-ONCE 5                  ; of one host: of more than ten that log in, sshd drops some
  PAGE (see "launching.md#when-a-slave-does-not-come-up")
  questions (threading.Lock)); asked at the terminal one at a time


(defn ssh-launch [master destinations per-host python ssh]
  "A `Launch` of ``per-host`` slaves on each of these destinations."
  (Launch master (fn [launch]
    (lfor
      destination destinations
      :setv door (threading.Semaphore AT-ONCE)
      _ (range per-host)
      (SshPlace launch destination door python ssh)))))


(defclass SshPlace [Place]
  "The place of a slave on another machine. ``door`` is the semaphore of its host."

  (defn __init__ [self launch destination door python ssh]
    (.__init__ (super) launch)
    (setv
      self.destination destination
      self.door door
      self.python python
      self.ssh ssh))

  (defn called [self]
    f"the slave on {self.destination}")

  (defn failure-by [self error]
    (setv failure (LaunchError f"no slave on {self.destination}: {error}{(files-advice error)}")
          failure.__cause__ error)
    failure)

  (defn attempt [self]
    "Log in without a question; if that does not do and there is somebody to ask, with.
    Later on, nobody expects to be asked."
    (try
      (with [_ self.door]
        (.connect self :ask False))
      (except [WantsToAsk]
        (when (or self.again (not (terminal?)))
          (raise))
        (with [_ questions]
          (.connect self :ask True)))))

  (defn connect [self ask]
    "Start ssh, and a slave at its other end."
    (setv words (ssh-words self.ssh self.destination self.python ask))
    (try
      (setv ssh (.start self.launch self
        (fn [ended] (Ssh words self.node (str self.destination) ask self.show ended))))
      (except [e OSError]
        (raise (LaunchError (+ f"cannot start {(get words 0)}: {e.strerror}; install OpenSSH's client, "
          "on Debian and its kin by: sudo apt-get install openssh-client")) :from e)))
    (.fill self ssh self.greet))

  (defn greet [self connection]
    "Returns the id of the slave, when both have proved themselves."
    (setv cookie (new-cookie))
    (await-ready connection (+ (time.monotonic) START-TIMEOUT))
    (say-cookie connection cookie)
    (.shake-hands self.node dial-handshake connection cookie))

  (defn why-not [self ssh ended error]
    (setv
      [status said] [ssh.process.returncode (.said ssh.words)]
      [line where] [(typed self.ssh self.destination) f"no slave on {self.destination}: "])
    (cond
      ended
        ((if (wants-to-ask? status said) WantsToAsk LaunchError)
          f"{where}{(.fate ssh)}{PAGE}; {(advice status said self.ssh self.destination self.python)}")
      (isinstance error TimeoutError)
        (LaunchError (+ f"{where}it was not ready within {START-TIMEOUT} seconds"
          (if said f", and ssh said: {said}" "") PAGE f"; see what this does: {line} true"))
      True
        (LaunchError f"{where}{error}")))

  (defn show [self line]
    "What the slave says is for the user; what ssh says before, for who looks for it."
    (setv line (escaped line))
    (if self.slave
      (do
        ; In one piece: others do so at the same time.
        (.write sys.stderr f"{self.destination}: {line}\n")
        (.flush sys.stderr))
      (log.info "%s: %s" self.destination line))))


(defclass WantsToAsk [LaunchError]
  "ssh would have asked for a password, or whether a host's key is right.")
