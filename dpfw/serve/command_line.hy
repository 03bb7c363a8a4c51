"The slave at the command line: ``hy -m dpfw.slave``, and ``dpfw-slave``."

(import
  argparse
  contextlib [nullcontext]
  faulthandler
  logging
  os
  signal
  sys
  dpfw.errors [AddressError DpfwError]
  dpfw.net.about [LONGEST own-about text?]
  dpfw.net.addresses [address-argument format-address]
  dpfw.net.metrics [serve-metrics]
  dpfw.serve.leash [on-leash]
  dpfw.serve.leave [Leaving end-process seconds-of]
  dpfw.serve.process [evaluator]
  dpfw.serve.inherited [dial-over inherited]
  dpfw.serve.rank [WAIT rank-name]
  dpfw.serve.memory-limit [checked-limit limit-memory]
  dpfw.serve.server [Server]
  dpfw.serve.standard [OwnHandler]
  dpfw.serve.stdio [accept-over socket-to-master]
  dpfw.serve.systemd [Notifier listening-sockets])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  GRACE 3)  ; seconds that a remote has to stop when its process is to end


(defn main [[arguments None]]
  "What ``hy -m dpfw.slave`` does; returns the exit status."
  (setv options (parsed arguments)
        systemd (Notifier))
  (logging.basicConfig
    :level (.upper options.log-level)
    :handlers [(OwnHandler)]
    :format "%(asctime)s %(levelname)s %(name)s: %(message)s")
  ; Of a crash in C, only the thread in which it happened is of interest.
  (faulthandler.enable :file 2 :all-threads False)
  (signal.signal signal.SIGTERM end-process)
  (try
    (setv sock (when options.stdio (socket-to-master)))
    (with [server (Server evaluator options.tasks #** (about options))
           _ (Leaving server options.lifetime
             :dials (and (is options.port None) (not options.listeners))
             :rank options.rank)
           _ (if (is options.leash None) (nullcontext) (on-leash options.leash server.node.reactor))]
      (unless (is options.metrics None)
        (show-metrics server options.metrics))
      (when (or options.once options.stdio (is-not options.inherited None))
        ; It was launched: the terminal is its master's.
        (setv server.notices.wanted False))
      (cond
        sock
          (serve-to-end server (accept-over server.node sock))
        (is-not options.inherited None)
          (serve-to-end server (dial-over server.node options.inherited))
        (is options.connect None)
          (listen-and-serve server options systemd)
        True
          (dial-and-serve server options systemd)))
    0
    (except [e [DpfwError OSError ImportError]]
      (say options (or (getattr e "strerror" None) e))
      1)
    (except [KeyboardInterrupt]
      (say options "interrupted")
      (+ 128 signal.SIGINT))
    (finally
      (signal.signal signal.SIGTERM signal.SIG-IGN))))

(defn say [options what]
  ; In one write: many ranks share one standard error.
  (print f"dpfw-slave{(if options.rank f" {options.rank}" "")}: {what}\n" :end "" :file sys.stderr))

(defn ready [server systemd doing]
  ; Not what was launched: it has its starter's environment, and is not what systemd has started.
  (.ready systemd doing)
  (setv server.told systemd.stopping))

(defn listen-and-serve [server options systemd]
  (setv addresses (if options.listeners
    (lfor  sock options.listeners  (.listen-with server.node sock :lent True))
    [(.listen server.node options.port options.backlog options.host)]))
  (setv listens f"listens on {(.join ", " (map format-address addresses))}")
  (ready server systemd listens)
  (print f"dpfw slave {listens}" :flush True)
  (.serve-in-turn server))

(defn dial-and-serve [server options systemd]
  (ready server systemd f"dials {(format-address options.connect)}")
  (if options.once
    (dial-and-serve-once server options)
    (.serve-dialled server #* options.connect options.wait)))

(defn dial-and-serve-once [server options]
  (setv connection (.dial (.redialler server #* options.connect (or options.wait 0))))
  (unless connection  ; it was ended
    (return))
  (defn tell [more]
    (when options.rank
      (say options f"its master at {connection.peer} has gone{more}")))
  (setv session (serve-to-end server connection
          (fn [] (tell ", and what runs does not stop"))))
  (unless (or session.dismissed server.draining)
    (tell "")))

(defn show-metrics [server port]
  (setv address (serve-metrics server.node port))
  (print f"dpfw slave has metrics on http://{(format-address address)}/metrics" :flush True))

(defn serve-to-end [server connection [last-words (fn [])]]
  "Serve one session. The process ends with it, also when a remote does not stop."
  (defn end []
    (try
      (last-words)
      (finally
        (os._exit 1))))
  (defn when-gone []
    (.call-after server.node.reactor GRACE end))
  (setv session (.serve server connection when-gone))
  (log.info "%s" session.error)
  session)


(defn about [options]
  "What its user has it say of itself."
  (dfor
    [key x] [["name" (or options.name options.rank)] ["labels" options.label] ["place" options.place]]
    :if x
    key x))

(defn parsed [arguments]
  (setv
    parser (parser-of-arguments)
    options (.parse-args parser arguments)
    options.listeners (given-sockets parser))
  (cond
    options.stdio
      (check-stdio parser options)
    (is-not options.inherited None)
      None
    True
      (check-way parser options))
  (when (and (or options.once options.wait) (is options.connect None))
    (.error parser (+ (if options.once "--once" "--wait") " goes with --connect")))
  (note-rank options)
  (try
    (own-about #** (about options))
    (when options.memory
      (limit-memory options.memory))
    (except [e ValueError]
      (.error parser (str e))))
  options)

(defn given-sockets [parser]
  (try
    (listening-sockets)
    (except [e AddressError]
      (.error parser (str e)))))

(defn note-rank [options]
  "A rank of a parallel job has a name by that, and ends with its master: who runs the
  job waits for it, and pays for it."
  (setv options.rank (unless (or options.stdio options.inherited options.place) (rank-name)))
  (when (and options.rank options.connect (not options.wait))
    (setv options.once True
          options.wait WAIT)))

(defn check-stdio [parser options]
  (unless (is options.port options.connect None)
    (.error parser "--stdio goes without a port and without --connect"))
  (when (os.isatty 0)
    (.error parser (+ "--stdio is what (dpfw-launch-ssh [\"host\"]) starts at the other end of an ssh; "
      "here, give a port to listen on, or --connect HOST:PORT"))))

(defn check-way [parser options]
  (when options.listeners
    (unless (is options.port options.host options.connect None)
      (.error parser "systemd has given it sockets to listen on; leave out the port, --host and --connect"))
    (return))
  (when (is options.port options.connect None)
    (.error parser "give a port to listen on, or --connect HOST:PORT"))
  (unless (or (is options.port None) (is options.connect None))
    (.error parser (+ f"it can listen on port {options.port}, or dial with --connect, and not both; "
      "leave one out, or start two slaves"))))

(defn parser-of-arguments []
  (setv parser (argparse.ArgumentParser
    :prog "dpfw-slave"
    :description (+ "A dpfw slave: evaluates the s-expressions that its masters send. At a SIGTERM it "
      "finishes the task that runs, and ends; at a second one, it ends at once.")
    :epilog (+ "Both ends hold the same cookie: $DPFW_COOKIE, else the file "
      "$DPFW_COOKIE_FILE, else ~/.config/dpfw/cookie, which is made on first use.")))
  (.add-argument parser "port" :nargs "?" :type int
    :help "listen for masters on this port; 0 is any free one")
  (.add-argument parser "--host"
    :help "listen on this address only (default: on every one)")
  (.add-argument parser "--backlog" :type int :default 1000
    :help "connections that may wait to be accepted (default: %(default)s)")
  (.add-argument parser "--connect" :metavar "HOST:PORT" :type address-argument
    :help "dial a master server instead; an IPv6 host stands in brackets")
  (.add-argument parser "--once" :action "store_true"
    :help "with --connect: dial once, and end when the master goes")
  (.add-argument parser "--wait" :metavar "TIME" :type duration
    :help (+ "with --connect: end, with status 1, when no master has answered for so long (default: dial for ever). "
      f"Under mpirun and srun, --once --wait {WAIT}s is what it does by itself"))
  (.add-argument parser "--stdio" :action "store_true"
    :help "serve the master at the other end of standard input and output, as dpfw-launch-ssh has it")
  (.add-argument parser "--inherited" :metavar "FD,…" :type inheritance
    :help "serve the master at the other end of these descriptors, as dpfw-launch has it")
  (.add-argument parser "--leash" :metavar "FD" :type pipe
    :help "with --connect --once: end at once when the other end of this pipe is closed, as engines have it")
  (.add-argument parser "--place" :type text
    :help "with --connect --once: what the master expects it by, as engines have it")
  (.add-argument parser "--name" :type text
    :help "what its masters are to call it (default: its host and process id)")
  (.add-argument parser "--label" :action "append" :type text
    :help "a label, such as gpu, for tasks that are for slaves with it; may be given several times")
  (.add-argument parser "--lifetime" :metavar "TIME" :type duration
    :help "leave after about so long, such as 90s, 30m, 2h or 1d: finish the task that runs, take no more, and end")
  (.add-argument parser "--tasks" :metavar "N" :type task-count
    :help "leave after so many tasks, those given to dpfw-on-connect included")
  (.add-argument parser "--memory" :type memory
    :help "how much memory this process may have, such as 500M or 2G; remotes that want more get a MemoryError")
  (.add-argument parser "--metrics" :metavar "PORT" :type int
    :help "serve metrics for Prometheus on this port of loopback")
  (.add-argument parser "--log-level" :default "warning"
    :choices ["debug" "info" "warning" "error"]
    :help "what to log on standard error (default: %(default)s)")
  parser)

(defn memory [text]
  (try
    (checked-limit text)
    (except [e ValueError]
      (raise (argparse.ArgumentTypeError (str e))))))

(defn inheritance [text]
  (try
    (inherited text)
    (except [[ValueError OSError]]
      (raise (argparse.ArgumentTypeError f"{text !r} are no descriptors that were left open here; this is what (dpfw-launch 2) starts")))))

(defn pipe [text]
  (try
    (setv descriptor (int text))
    (os.fstat descriptor)
    descriptor
    (except [[ValueError OSError]]
      (raise (argparse.ArgumentTypeError f"{text !r} is no descriptor of a pipe; this is what the task of an engine starts")))))

(defn text [x]
  (if (and x (text? x))
    x
    (raise (argparse.ArgumentTypeError f"{x !r} is no name; give 1 to {LONGEST} printable characters"))))

(defn duration [text]
  (try
    (seconds-of text)
    (except [e ValueError]
      (raise (argparse.ArgumentTypeError (str e))))))

(defn task-count [text]
  (if (and (.isascii text) (.isdigit text) (< 0 (len text) 10) (int text))
    (int text)
    (raise (argparse.ArgumentTypeError f"{text !r} is no number of tasks; give one from 1 on"))))
