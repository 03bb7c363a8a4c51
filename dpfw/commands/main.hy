"The command ``dpfw``, also ``python -m dpfw``: its arguments, and how it ends."

(import
  argparse
  dpfw
  logging
  sys
  dpfw.errors [DpfwError]
  dpfw.net.addresses [address-argument])
(eval-when-compile (require hyrule.control [unless]))

(setv
  BROKEN-PIPE 141    ; as of a program that SIGPIPE has ended,
  INTERRUPTED 130)   ; and SIGINT


(defn main [[arguments None]]
  "What ``dpfw`` does; returns the exit status."
  (setv options (.parse-args (parser) arguments))
  ; What a command has to say of the network, it says itself.
  (.setLevel (logging.getLogger "dpfw") logging.ERROR)
  (try
    (setv status (options.run options))
    (sys.stdout.flush)
    status
    (except [KeyboardInterrupt]
      INTERRUPTED)
    (except [BrokenPipeError]
      ; Whoever read it, the head of a pipe for one, has seen enough.
      BROKEN-PIPE)
    (except [e [DpfwError OSError ImportError]]
      (print f"dpfw {options.command}: {(without-number e)}" :file sys.stderr)
      1)))

(defn without-number [e]
  "What an error says. Python puts the system's number before that, which helps nobody."
  (cond
    (not (and (isinstance e OSError) e.strerror)) (str e)
    e.filename f"{e.filename}: {e.strerror}"
    True e.strerror))


(defn parser []
  (setv
    parser (argparse.ArgumentParser
      :prog "dpfw"
      :description "Watches dpfw's masters and slaves, and runs remotes on slaves."
      :epilog (+ "The other end listens there, and holds the same cookie: $DPFW_COOKIE, else the "
        "file $DPFW_COOKIE_FILE, else ~/.config/dpfw/cookie. Slaves are started with dpfw-slave."))
    commands (.add-subparsers parser :dest "command" :required True :metavar "COMMAND"))
  (.add-argument parser "--version" :action "version" :version (versions))
  (add-status commands)
  (add-eval commands)
  (add-repl commands)
  parser)

(defn versions []
  "What a report of a defect is to name."
  (import platform)
  (.join ", " [
    f"dpfw {dpfw.__version__}"  f"Hy {hy.__version__}"  f"{(platform.python-implementation)} {(platform.python-version)}"
    f"{(platform.system)} {(platform.machine)}"]))

(defn add-command [commands name run help description]
  (setv command (.add-parser commands name :help help :description description))
  (.set-defaults command :run run)
  (.add-argument command "address" :metavar "HOST:PORT" :type address-argument
    :help "where it listens; an IPv6 host stands in brackets")
  command)

(defn add-status [commands]
  (setv command (add-command commands "status" status
    "what a slave or a master does"
    "Tells what a slave or a master does, each of its sessions on a line."))
  (.add-argument command "--watch" :nargs "?" :type seconds :const 1.0 :metavar "SECONDS"
    :help "go on, with a new look after so many seconds (1), until you type Ctrl-C")
  (.add-argument command "--json" :action "store_true"
    :help "for programs: each look as a line of JSON"))

(defn add-eval [commands]
  (setv command (add-command commands "eval" evaluate
    "run a remote on a slave"
    (+ "Runs a remote on a slave. Standard input is what it reads, and what it writes is standard "
       "output; then comes its result, on a line of its own, unless that is None.")))
  (.add-argument command "remote" :metavar "REMOTE"
    :help "the remote, as '(fn [i o] …)'; @FILE for the text in a file, - for that on standard input"))

(defn add-repl [commands]
  (add-command commands "repl" repl
    "a Hy REPL on a slave"
    "A Hy REPL whose forms are evaluated on a slave. Ctrl-C interrupts what runs there."))

(defn seconds [text]
  (try
    (setv n (float text))
    (except [ValueError]
      (setv n 0)))
  (unless (< 0 n (** 10 9))
    (raise (argparse.ArgumentTypeError f"{text !r} is no number of seconds above 0")))
  n)


;; A command imports what it needs, and no more: `status` is there in half the time.

(defn status [options]
  (import dpfw.commands.status [tell-status])
  (tell-status options.address options.watch options.json))

(defn evaluate [options]
  (import dpfw.commands.evaluate [evaluate])
  (evaluate options.address options.remote))

(defn repl [options]
  (import dpfw.commands.repl [run-repl])
  (run-repl options.address))
