"Slaves that are processes of this machine: how one is started.

It serves the session on the socket that it is given, and ends with it."

(import
  contextlib [ExitStack]
  itertools [chain]
  os
  subprocess
  sys
  time
  dpfw.errors [LaunchError]
  dpfw.net.handshake [listen-handshake]
  dpfw.processes.launch [START-TIMEOUT Launch]
  dpfw.processes.linked [Linked]
  dpfw.processes.place [Place])


(defn local-launch [master settings]
  "A `Launch` of as many slaves as these `Settings` are for."
  (Launch master (fn [launch]
    (lfor  i (range settings.n)  (LocalPlace launch settings i)))))


(defclass LocalPlace [Place]
  "The place of a slave on this machine, the i-th with these settings."

  (defn __init__ [self launch settings i]
    (.__init__ (super) launch)
    (setv
      self.settings settings
      self.i i))

  (defn called [self]
    (setv name (if self.slave self.slave.name (.name-of self.settings self.i)))
    (if name f"the slave {name}" "a launched slave"))

  (defn attempt [self]
    (setv process (.start self.launch self
      (fn [ended] (Linked self.start self.node show ended)))
          process.connection.peer f"localhost/{process.process.pid}")
    (.fill self process self.greet))

  (defn start [self sock]
    ; Pipes for what remotes print, which it reads itself. The ends stay open here, and
    ; so what a dying process has printed there is not lost with it.
    (with [ours (ExitStack)  theirs (ExitStack)]
      (setv
        ends (lfor
          _ ["stdout" "stderr"]
          :setv [end inlet] (os.pipe)
          #((.enter-context ours (open end "rb" :buffering 0))
            (.enter-context theirs (open inlet "wb" :buffering 0))))
        descriptors (lfor  file [sock #* (chain #* ends)]  (.fileno file))
        process (subprocess.Popen
          [(getattr hy "sys_executable" sys.executable) "-m" "dpfw.slave"
           "--inherited" (.join "," (map str descriptors)) #* (.options self.settings self.i)]
          :stdin subprocess.DEVNULL  :stderr subprocess.PIPE  :bufsize 0
          :pass-fds descriptors
          :env (.environment self.settings self.node)
          ; A Ctrl-C at the master's terminal is the master's.
          :start-new-session True))
      (.pop-all ours)
      [process (lfor  [end _] ends  end)]))

  (defn greet [self connection]
    ; It may take its time to start, and then none for the handshake.
    (.peek connection (+ (time.monotonic) START-TIMEOUT))
    (.shake-hands self.node listen-handshake connection (.secret self.node)))

  (defn why-not [self process ended error]
    (LaunchError (cond
      ended f"{(.called self)} did not come up: {(.fate process)}"
      (isinstance error TimeoutError) f"{(.called self)} was not ready within {START-TIMEOUT} seconds"
      True f"{(.called self)} did not come up: {error}"))))


(defn show [line]
  "What it writes to standard error comes out on that of this process."
  (.write sys.stderr (+ line "\n"))
  (.flush sys.stderr))
