"When a slave's process leaves by itself: at a SIGTERM, and at the end of its lifetime.

It drains: what runs ends, its masters give it nothing more and hang up, and it ends,
with status 0. Another SIGTERM, after it has said so, ends it at once. Before that, they
are one: who stops a process may send it two, one to itself and one to its group.

A rank of a parallel job does the same at a SIGUSR2, which an mpirun passes on to all
ranks. At a SIGTERM it kills them within a second, or as soon as one has ended.

Python runs a handler in the main thread, when that comes to a next bytecode. A signal
that comes just before it begins to wait does not wake it, nor does one that the system
gives to another thread. So the reactor hears of signals as well, by a descriptor to
which Python writes their numbers at once, in whatever thread they come
(`signal.set-wakeup-fd`). It counts them as well: of two that come before Python runs
the handler, that hears of one. The handler counts where a remote's event loop has had
them go to a descriptor of its own."

(import
  logging
  os
  random [uniform]
  re
  select
  signal
  socket
  threading)
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  DURATION (re.compile r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])")
  UNITS {"s" 1  "m" 60  "h" 3600  "d" 86,400}
  HANDLED 128    ; what the handler adds to a signal's number
  TOGETHER 0.2   ; seconds in which signals are one
  INSIST 0.5     ; seconds until the main thread is told again to end
  SHORTEST 0.9)  ; of a lifetime: those that were started together leave one by one


(defn seconds-of [text]
  "The seconds in a duration. Raises `ValueError`. ::

    (seconds-of \"1.5h\")  ; => 5400.0"
  (setv found (DURATION.fullmatch text)
        seconds (if found (* (float (.group found 1)) (get UNITS (.group found 2))) 0))
  (unless seconds
    (raise (ValueError f"{text !r} is no duration; give a number and s, m, h or d, such as 90s or 2h")))
  seconds)

(defn end-process [#* _]
  "A handler of SIGTERM. Closing has bounds of its own; another signal must not
  break it off."
  (signal.signal signal.SIGTERM signal.SIG-IGN)
  (raise (SystemExit 0)))


(setv forking (threading.local))  ; what a thread that is about to fork held back before

(defn hold-back []
  "A SIGTERM that comes to a child before it has forgotten our handler would be lost."
  (setv forking.held (when Leaving.heeded
    (signal.pthread-sigmask signal.SIG-BLOCK Leaving.heeded))))

(defn let-through []
  (unless (is forking.held None)
    (signal.pthread-sigmask signal.SIG-SETMASK forking.held)))

(defn forget []
  "A child that a remote forked is no slave: whoever made it may end it, as
  multiprocessing does, and no handler of ours is to hold that up."
  (unless (is forking.held None)
    (for [number Leaving.heeded]
      (signal.signal number signal.SIG-DFL))
    ; Its signals are not the slave's.
    (signal.set-wakeup-fd -1)
    (let-through)))

(os.register-at-fork :before hold-back :after-in-parent let-through :after-in-child forget)


(defclass Leaving []
  "Within it, SIGTERM has a `Server` drain, and so has the end of ``lifetime``, in
  seconds, if that is not None, and SIGUSR2, if it is a ``rank``. In the main thread;
  ``dials`` says whether that dials masters, and may wait for one to answer."

  (setv heeded [])  ; signals, in this process

  (defn __init__ [self server lifetime dials rank]
    (setv
      self.signals (if rank [signal.SIGTERM signal.SIGUSR2] [signal.SIGTERM])
      self.server server
      self.lifetime lifetime
      self.dials dials
      self.handled 0    ; signals, by the handler,
      self.heard 0      ; and by the reactor
      self.asked None   ; the first,
      self.at-once None ; how many were one with it, when that is known,
      self.over False   ; and was there another?
      [self.ear self.mouth] (socket.socketpair))
    (.setblocking self.mouth False))

  (defn __enter__ [self]
    (setv reactor self.server.node.reactor)
    (.watch reactor self.ear select.POLLIN self.hear)
    (setv self.other-mouth (signal.set-wakeup-fd (.fileno self.mouth) :warn-on-full-buffer False))
    (for [number self.signals]
      (signal.signal number self.heed))
    (setv Leaving.heeded self.signals)
    (when self.lifetime
      (.call-after reactor (* self.lifetime (uniform SHORTEST 1)) self.server.drain)))

  (defn __exit__ [self #* _]
    (setv Leaving.heeded [])
    (for [number self.signals]
      (signal.signal number signal.SIG-IGN))
    (signal.set-wakeup-fd self.other-mouth)
    (.unwatch self.server.node.reactor self.ear)
    (.close self.ear)
    (.close self.mouth))

  (defn heed [self number _]
    "The handler of the signals. It may have broken in anywhere, so it takes no lock."
    (if (or self.over (and self.dials (not self.server.node.connections)))
      (end-process)
      (.send self.mouth (bytes [(+ HANDLED number)]))))

  (defn hear [self]
    "Signals have come. Interrupts of remotes are some, too."
    (try
      (setv came (.recv self.ear 4096))
      (except [OSError]
        ; The slave has ended in this very moment, and closed it.
        (unless (= (.fileno self.ear) -1)
          (raise))
        (return)))
    (for [byte came]
      (setv [handled number] (divmod byte HANDLED))
      (when (in number self.signals)
        (if handled
          (+= self.handled 1)
          (+= self.heard 1))
        (unless self.asked
          (setv self.asked number)
          (.call-after self.server.node.reactor TOGETHER self.leave))))
    (when (and (is-not self.at-once None) (> (.count self) self.at-once) (not self.over))
      (setv self.over True)
      (.insist self)))

  (defn count [self]
    "How many signals have come: each is heard, and handled at some time, or only handled."
    (max self.heard self.handled))

  (defn insist [self]
    "Have the main thread end the process: the handler does so from now on. Where it has not run
    at all, it is about to, as soon as C code returns, or a remote has one of its own."
    (when self.handled
      (signal.pthread-kill (. (threading.main-thread) ident) (get self.signals 0)))
    (.call-after self.server.node.reactor INSIST self.insist))

  (defn leave [self]
    (setv server self.server
          asked (. (signal.Signals self.asked) name)
          self.at-once (.count self))
    (when (any (gfor  session (list server.sessions)  session.busy))
      (.say server.node log.warning "%s: this slave ends when what runs has ended; another one ends it now" asked))
    (.drain server)))
