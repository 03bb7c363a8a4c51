"Real processes for the tests: slaves at the command line, and masters with
launched slaves."

(import
  contextlib [contextmanager]
  os
  signal
  socket
  subprocess
  sys
  pytest
  dpfw.master [Master]
  dpfw.launch [dpfw-launch]
  dpfw.net.addresses [parse-address]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.wire [Connection]
  dpfw.processes [place]
  dpfw.task.ports [read-result])

(setv WAIT 30)  ; seconds, for anything at all

(defn slave-command [#* arguments]
  [sys.executable "-m" "dpfw.slave" #* arguments])

(defn [contextmanager] slave-process [#* arguments  #** environment]
  "A slave at the command line; its standard output and error are pipes."
  (setv process (subprocess.Popen (slave-command #* arguments)
    :stdin subprocess.DEVNULL  :stdout subprocess.PIPE  :stderr subprocess.PIPE
    :env {#** os.environ  #** environment}
    :text True))
  (try
    (yield process)
    (finally
      (.kill process)
      (.communicate process))))

(defn [contextmanager] slave-server [#* arguments  #** environment]
  "A slave server process; gives the process and the host and port to dial."
  (with [process (slave-process "0" "--host" "127.0.0.1" #* arguments  #** environment)]
    (setv line (.readline process.stdout))
    (yield #(process #* (parse-address (get (.split line) -1))))))

(defn [contextmanager] launched [n]
  "A master with n launched slaves; gives the master and the slaves."
  (with [master (Master)]
    (yield #(master (dpfw-launch n master)))))

(defn [contextmanager] false-slave [[packed True] [about None]]
  "A master, and the bare connection of what it takes for a slave."
  (with [master (Master)]
    (setv slave (Connection (socket.create-connection (.listen master :host "127.0.0.1") WAIT)))
    (try
      (dial-handshake slave "slave" (new-session) (cookie) packed about)
      (.settimeout slave.sock WAIT)
      (await-slaves master 1)
      (yield #(master slave))
      (finally
        (.close slave)))))

(defn stop [process]
  "Stop a child, as Ctrl-Z does, and wait until it is."
  (os.kill process.pid signal.SIGSTOP)
  (os.waitpid process.pid os.WUNTRACED))

(defn go-on [process]
  (os.kill process.pid signal.SIGCONT))

(defn [contextmanager] stopped [process]
  (stop process)
  (try
    (yield)
    (finally
      (go-on process))))

(defn [contextmanager] pausing [seconds]
  "Launched slaves that have died are replaced after so many seconds."
  (with [patch (pytest.MonkeyPatch.context)]
    (.setattr patch place "pauses" (fn [] (iter (* [seconds] 100))))
    (yield)))

(defn ended [process]
  "Wait for a process to end; its status, output and error."
  (setv [out err] (.communicate process :timeout WAIT))
  #(process.returncode out err))

(defn run-task [master remote [local None] #** options]
  "Make a task, wait for it, return its result."
  (.result (.make-task master remote (or local read-result) #** options) WAIT))

(defn [contextmanager] held [master slave]
  "A slave is busy; gives the promise, and lets it go on at the end."
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (.settimeout listener WAIT)
    (setv promise (.make-task master
            `(fn [i o]
               (import os socket)
               (with [s (socket.create-connection #("127.0.0.1" ~(get (.getsockname listener) 1)))]
                 (.recv s 1))
               (os.getpid))
            read-result slave)
          [begun _] (.accept listener))
    (with [_ begun]
      (yield promise)))
  (.exception promise WAIT))

(defn error-of [procedure #* arguments #** options]
  "The exception that calling this raises; None if it raises none."
  (try
    (procedure #* arguments #** options)
    None
    (except [e Exception]
      e)))

(defn await-so [master condition]
  "Wait until a condition on who is here, or idle, holds."
  (assert (.wait-for master.network (fn [] (or (condition) None)) WAIT) (.slaves master)))

(defn await-slaves [master n]
  "Wait until a master has so many slaves."
  (await-so master (fn [] (= (len master.network.dispatcher.registry.connected) n))))

(defn idle-slaves [master]
  (lfor  session (list master.network.dispatcher.idle)  session.slave))

(defn connection-of [slave]
  slave.session.connection)
