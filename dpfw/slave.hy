"Slaves: serving tasks to masters, from a program or from the command line.

::

    (import dpfw.slave *)
    (dpfw-slave-server 10000)                      ; masters dial this machine
    (dpfw-slave-client \"master.example.com\" 10000) ; or it dials a master

From the shell, ``hy -m dpfw.slave 10000`` and
``hy -m dpfw.slave --connect master.example.com:10000``."

(import
  argparse
  logging
  os
  queue [SimpleQueue]
  signal
  sys
  dpfw.errors [AddressError CookieError DpfwError Refused]
  dpfw.serve.evaluator [Evaluator]
  dpfw.net.addresses [format-address parse-address pauses]
  dpfw.net.node [Node]
  dpfw.task.ports [read write read-object write-object]
  dpfw.serve.session [Service]
  dpfw [srfi-69])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  GRACE 3)  ; seconds that a remote has to stop when its process is to end


;; The table

(setv table {})

(defn dpfw-slave-ht []
  "This process's hash table, a dict, which stays from task to task. The
  SRFI-69 procedures use it; ``hash-table-update!`` is atomic among the tasks of
  several masters. ::

    (import dpfw.srfi-69 *)  ; in a remote, these names are there
    (hash-table-set! (dpfw-slave-ht) \"answer\" 42)
    (hash-table-ref (dpfw-slave-ht) \"answer\")  ; => 42

  Source: dpfw for CHICKEN Scheme (2006)."
  table)

(defn values [#* xs]
  "What is given, as it is: one value, or a tuple of several. As in Scheme, the
  procedure to update a table with when what it has should stay."
  (if (= (len xs) 1)
    (get xs 0)
    xs))


;; Serving

(defclass SlaveNode [Node]
  "The slave's end of the network. All those of a process share one table and
  one module of remotes."

  (setv role "slave")

  (defn __init__ [self]
    (.__init__ (super))
    (setv
      self.useful True  ; was the last session with a master of any?
      self.pauses None  ; between dials
      self.free False   ; is the thread of `serve-in-turn` free for a master?
      self.next-connection (SimpleQueue)))

  (defn joined [self connection session]
    ; The first master gets the main thread: signals, and so interrupts, reach
    ; what blocks there, and some libraries work nowhere else. Those that come
    ; while it is busy are served here.
    (with [_ self.lock]
      (setv free self.free
            self.free False))
    (if free
      (.put self.next-connection connection)
      (.serve self connection)))

  (defn serve-in-turn [self]
    "Serve, in this thread, one master at a time, until the node is closed."
    (while True
      (with [_ self.lock]
        (setv self.free (not (.is-set self.closed))))
      (unless self.free
        (return))
      (setv connection (.get self.next-connection))
      (when connection
        (.serve self connection))))

  (defn close [self]
    (.close (super))
    (.put self.next-connection None))

  (defn serve [self connection [when-gone None]]
    "Serve a master until its connection ends; return the error that ended it.
    ``when-gone`` is called as soon as that shows, in the lookout's thread."
    (setv service (Service connection evaluator self.lookout when-gone))
    (try
      (.serve service)
      (finally
        (.retire self connection)
        (setv self.useful service.answered))))

  (defn dial-patiently [self host port]
    "Dial until a master answers. Errors that dialling again does not cure are
    raised; so is a host that does not resolve. The pauses go on growing from one
    session to the next where a session was of no use."
    (setv say log.warning)
    (if self.useful
      (setv self.pauses (pauses))
      (.wait self.closed (next self.pauses)))
    (for [pause self.pauses]
      (try
        (return (get (.dial self host port) 0))
        (except [[AddressError CookieError Refused]]
          (raise))
        (except [e OSError]
          (say "%s; dialling until it answers" e)))
      (setv say log.debug)
      (when (.wait self.closed pause)
        (.check-open self)))))

(defn dpfw-slave-server [port [backlog 100] [host None]]
  "Listen for masters and serve them: the first in this thread, those that come
  while it is busy in threads of their own. Blocks.

  ``port`` 0 is any free port, ``host`` None every address of this machine.
  Raises `AddressError` when it cannot listen there, `CookieError` when there
  is no cookie to trust.

  Source: dpfw for CHICKEN Scheme (2006)."
  (with [slave (SlaveNode)]
    (.listen slave port backlog host)
    (.serve-in-turn slave)))

(defn dpfw-slave-client [host port]
  "Dial a master server and serve it in this thread. Blocks; dials again, with
  growing pauses, when the master goes or is not there yet.

  Raises `AddressError` when the host does not resolve, `Refused` when the other
  end is no master or has another cookie, `CookieError`.

  Source: dpfw for CHICKEN Scheme (2006)."
  (with [slave (SlaveNode)]
    (while True
      (log.warning "%s" (.serve slave (.dial-patiently slave host port))))))


;; The module of remotes

(setv evaluator (Evaluator {
  #** (dfor  name srfi-69.__all__  name (getattr srfi-69 name))
  #** (dfor
    procedure [dpfw-slave-server dpfw-slave-client dpfw-slave-ht
               values read write read-object write-object]
    procedure.__name__ procedure)}))


;; The command line

(defn main [[arguments None]]
  "What ``hy -m dpfw.slave`` does; returns the exit status."
  (setv options (parsed arguments))
  (logging.basicConfig
    :level (.upper options.log-level)
    :format "%(asctime)s %(levelname)s %(name)s: %(message)s")
  (signal.signal signal.SIGTERM end-process)
  (try
    (with [slave (SlaveNode)]
      (cond
        (is options.connect None)
          (listen-and-serve slave options)
        options.once
          (serve-and-end slave #* options.connect)
        True
          (serve-for-ever slave #* options.connect)))
    0
    (except [e [DpfwError OSError]]
      (print f"dpfw-slave: {e}" :file sys.stderr)
      1)
    (finally
      (signal.signal signal.SIGTERM signal.SIG-IGN))))

(defn end-process [#* _]
  "The handler of SIGTERM. Closing has bounds of its own; a second signal must
  not break it off."
  (signal.signal signal.SIGTERM signal.SIG-IGN)
  (raise (SystemExit 0)))

(defn listen-and-serve [slave options]
  (setv address (.listen slave options.port options.backlog options.host))
  (print f"dpfw slave listens on {(format-address address)}" :flush True)
  (.serve-in-turn slave))

(defn serve-for-ever [slave host port]
  (while True
    (log.warning "%s" (.serve slave (.dial-patiently slave host port)))))

(defn serve-and-end [slave host port]
  "Serve one session. The process ends with it, also when a remote does not stop."
  (defn when-gone []
    (.call-after slave.lookout GRACE (fn [] (os._exit 1))))
  (setv [connection _] (.dial slave host port))
  (log.info "%s" (.serve slave connection when-gone)))

(defn parsed [arguments]
  (setv
    parser (parser-of-arguments)
    options (.parse-args parser arguments))
  (when (= (is options.port None) (is options.connect None))
    (.error parser "give a port to listen on, or --connect HOST:PORT"))
  (when (and options.once (is options.connect None))
    (.error parser "--once goes with --connect"))
  options)

(defn parser-of-arguments []
  (setv parser (argparse.ArgumentParser
    :prog "dpfw-slave"
    :description "A dpfw slave: evaluates the s-expressions that its masters send."
    :epilog (+ "Both ends hold the same cookie: $DPFW_COOKIE, else the file "
      "$DPFW_COOKIE_FILE, else ~/.config/dpfw/cookie, which is made on first use.")))
  (.add-argument parser "port" :nargs "?" :type int
    :help "listen for masters on this port; 0 is any free one")
  (.add-argument parser "--host"
    :help "listen on this address only (default: on every one)")
  (.add-argument parser "--backlog" :type int :default 100
    :help "connections that may wait to be accepted (default: %(default)s)")
  (.add-argument parser "--connect" :metavar "HOST:PORT" :type address
    :help "dial a master server instead; an IPv6 host stands in brackets")
  (.add-argument parser "--once" :action "store_true"
    :help "with --connect: dial once, and end when the master goes")
  (.add-argument parser "--log-level" :default "warning"
    :choices ["debug" "info" "warning" "error"]
    :help "what to log on standard error (default: %(default)s)")
  parser)

(defn address [text]
  (try
    (parse-address text)
    (except [e AddressError]
      (raise (argparse.ArgumentTypeError (str e))))))


(export :objects [dpfw-slave-server dpfw-slave-client dpfw-slave-ht])

(when (= __name__ "__main__")
  ; This run of the file is `__main__`; remotes import `dpfw.slave`, and there
  ; must be one table.
  (import dpfw.slave)
  (sys.exit (dpfw.slave.main)))
