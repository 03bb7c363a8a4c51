"Interrupts: when they strike, and when they must not.

`Guard` stops a procedure that runs in one thread, from another. In the main
thread, a signal interrupts it, also while it waits in the operating system. In
any other thread, CPython raises the exception before the next bytecode: a call
that waits in C goes on until it returns.

`Whole` makes a step of ours one that no interrupt cuts in two, neither a Ctrl-C, nor
another signal whose handler raises, nor a guard's: it strikes between two steps, or
where the step lets it in."

(import
  contextlib [contextmanager nullcontext]
  itertools [compress]
  os
  signal
  sys
  threading
  threading [get-ident]
  dpfw.errors [Interrupted])
(eval-when-compile (require hyrule.control [unless]))

;; signal.signal turns its arguments into enums and back, which takes 4 µs, and
;; each round trip has four such calls; the function in C under it takes 0.3.
(try
  (import _signal [signal :as set-handler  getsignal :as get-handler])
  (except [ImportError]
    (import signal [signal :as set-handler  getsignal :as get-handler])))

(setv
  SIGNAL signal.SIGURG  ; ignored by default, and of no use to others
  SIGINT (int signal.SIGINT)
  ; What else has handlers that raise, and a `Whole` holds back:
  OTHERS (list (map int [
    signal.SIGTERM signal.SIGALRM signal.SIGHUP signal.SIGQUIT signal.SIGUSR1 signal.SIGUSR2
    signal.SIGVTALRM signal.SIGPROF signal.SIGXCPU]))
  [SIGTERM SIGALRM SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGVTALRM SIGPROF SIGXCPU] OTHERS
  quiet None            ; their handlers, when none was Python's
  guards {}             ; thread's number -> the `Guard` that runs a procedure there
  main-ident None)      ; the main thread's number; in a fork, it may be another

(defn note-main []
  (global main-ident)
  (setv ident (. (threading.main-thread) ident))
  (unless (in main-ident [None ident])
    ; Another thread has forked: that whose steps these are is not here to end them.
    (for [number [SIGINT #* OTHERS]]
      (while (isinstance (setx step (getattr (get-handler number) "__self__" None)) Whole)
        (set-handler number (get (.handlers step) number)))))
  (setv main-ident ident))

(note-main)
(os.register-at-fork :after-in-child note-main)

(defclass Guard []
  "Runs procedures in one thread; `interrupt`, from any thread, makes the one
  that runs raise `Interrupted`, once.

  Within ``(with [_ guard] …)`` it holds the interrupt back until the end: a
  frame is sent whole or not at all."

  (defn __init__ [self]
    (setv
      ; An RLock: a handler of a remote's, or a finaliser, may run with it, and print.
      self.lock (threading.RLock)
      self.thread (threading.get-ident)
      self.main (is (threading.current-thread) (threading.main-thread))
      self.running False
      self.token None      ; what tells this run from others
      self.asked False     ; someone called `interrupt`
      self.raised False    ; `Interrupted` was raised for it,
      self.lost False      ; where nobody can catch it
      self.shields 0))

  (defn on-duty [self]
    "A context in which interrupts reach this thread."
    (if self.main
      (handling SIGNAL self.on-signal)
      (nullcontext)))

  (defn run [self procedure #* arguments [token None]]
    "Call the procedure; return what it does. Not to be nested. ``token`` is for
    `interrupt` to tell this run from others."
    (heed-finalisers)
    (with [_ self.lock]
      (setv self.asked False  self.raised False  self.lost False  self.shields 0  self.token token
            self.running True))
    (setv (get guards self.thread) self)
    (try
      (procedure #* arguments)
      (finally
        (.stop self)
        (.pop guards self.thread None))))

  (defn stop [self]
    (with [_ self.lock]
      (setv self.running False)
      (when (and self.asked (not self.raised) (not self.main))
        (raise-in self.thread None))))

  (defn interrupt [self [again False] [token None]]
    "Make the procedure that runs raise `Interrupted`; once, unless ``again``, and
    only in the run with this ``token``, if one is given."
    (with [_ self.lock]
      (when (and self.running (in token [None self.token]) (or again (not self.asked)))
        (setv self.asked True
              self.raised False
              self.lost False)
        (unless self.shields
          (.send self)))))

  (defn remind [self]
    "Send it again, if it was not raised yet, or is lost. A signal that comes just before
    the main thread begins to wait does not wake it."
    (with [_ self.lock]
      (when (and self.running self.asked (or self.lost (and self.main (not self.raised))))
        (setv self.raised False
              self.lost False)
        (unless self.shields
          (.send self)))))

  (defn send [self]
    (heed-finalisers)  ; the remote may have set a hook of its own
    (if self.main
      (signal.pthread-kill self.thread SIGNAL)
      (raise-in self.thread (.exception self))))

  (defn exception [self]
    "A class whose making, in the interrupted thread, says that it was raised."
    (setv guard self)
    (defclass InterruptedHere [Interrupted]
      (defn __init__ [self #* args]
        (setv guard.raised True)
        (.__init__ (super InterruptedHere self) #* args)))
    (setv InterruptedHere.__name__ "Interrupted"
          InterruptedHere.__qualname__ "Interrupted"
          InterruptedHere.__module__ Interrupted.__module__)
    InterruptedHere)

  (defn on-signal [self #* _]
    "The handler of the signal: runs in the main thread, between two bytecodes."
    (when (and self.running self.asked (not self.raised) (not self.shields))
      (setv self.raised True)
      (raise (Interrupted))))

  (defn pending [self]
    "Count the interrupt that was held back as raised; is there one?"
    (when (and self.running self.asked (not self.raised))
      (unless self.main
        (raise-in self.thread None))
      (setv self.raised True)
      True))

  (defn __enter__ [self]
    (with [_ self.lock]
      (when (and (= self.shields 0) (.pending self))
        (raise (Interrupted)))
      (+= self.shields 1)))

  (defn __exit__ [self #* _]
    (with [_ self.lock]
      (-= self.shields 1)
      (when (and (= self.shields 0) (.pending self))
        (raise (Interrupted))))))

(defclass Whole []
  "A step that is done whole: within ``(with [step (Whole)] …)``, no interrupt
  strikes in this thread, and those that come strike at the end, in their order.
  ``(.let-in step procedure argument …)`` calls a procedure, one that waits, which
  interrupts may strike as ever.

  Costs 1.5 µs in the main thread, where signals can come, and less in others; 2 µs more
  where the user handles others than Ctrl-C."

  (setv
    guard None     ; of this thread, when it is shut
    handler None   ; of SIGINT, which has ours in its place, if it is the only one;
    held None      ; else signal -> its handler
    noted None     ; signal that came -> the frame that it came in
    spared #()     ; handlers whose signals strike at once
    open False     ; may they strike now?
    struck False)  ; has one, and perhaps set handlers?

  (defn __enter__ [self]
    (setv thread (get-ident))
    (try
      (when (= thread main-ident)
        ; One by one, since that takes a third of the time of a loop.
        (setv others #(
          (get-handler SIGTERM) (get-handler SIGALRM) (get-handler SIGHUP)
          (get-handler SIGQUIT) (get-handler SIGUSR1) (get-handler SIGUSR2)
          (get-handler SIGVTALRM) (get-handler SIGPROF) (get-handler SIGXCPU)))
        (if (and (= others quiet) (not self.spared))
          (do  ; as mostly
            (setv handler (get-handler SIGINT))
            (when (callable handler)
              (setv self.handler handler)
              (set-handler SIGINT self.on-signal)))
          (.hold self others)))
      (when (in thread guards)
        (setv guard (get guards thread))
        (.__enter__ guard)
        (setv self.guard guard))
      (except [BaseException]  ; one that was not held back yet
        (.__exit__ self)
        (raise)))
    self)

  (defn hold [self others]
    "Hold back all that are not ignored, do not end the process, and are Python's."
    (global quiet)
    (setv heeded (list (compress OTHERS (map callable others)))
          held (.handlers self)
          self.held held
          ours self.on-signal)
    (for [number [SIGINT #* heeded]]
      (setv handler (get-handler number))
      (when (and (callable handler) (!= handler ours) (not-in handler self.spared))
        (setv (get held number) handler)
        (set-handler number ours)))
    (unless heeded
      (setv quiet others)))

  (defn handlers [self]
    (or self.held (if self.handler {SIGINT self.handler} {})))

  (defn on-signal [self number frame]
    ; A child that another thread has just forked is not in this step.
    (if (or self.open (!= (get-ident) main-ident))
      (do
        (setv self.struck True)
        ((get (.handlers self) number) number frame))
      (do
        (unless self.noted
          (setv self.noted {}))
        (.setdefault self.noted number frame))))

  (defn let-in [self procedure #* arguments]
    (unless (or self.handler self.held self.guard)
      (return (procedure #* arguments)))
    (setv guard self.guard)
    (try
      (when guard
        (setv self.guard None)
        (.__exit__ guard))
      (setv self.open True)
      (when self.noted
        (.strike self))
      (procedure #* arguments)
      (finally
        (when self.struck
          (.hold self (tuple (map get-handler OTHERS))))
        (setv self.open False)
        (when guard
          (.__enter__ guard)
          (setv self.guard guard)))))

  (defn strike [self]
    "All that were noted have their turn, whatever those before them raise."
    (setv self.struck True
          number (next (iter self.noted))
          frame (.pop self.noted number))
    (try
      ((get (.handlers self) number) number frame)
      (finally
        (when self.noted
          (.strike self)))))

  (defn put-back [self]
    (for [[number handler] (.items (.handlers self))]
      ; A handler that was called may have set another.
      (when (or (not self.struck) (= (get-handler number) self.on-signal))
        (set-handler number handler))))

  (defn __exit__ [self #* _]
    (try
      (cond
        (or self.held self.struck) (.put-back self)
        self.handler (set-handler SIGINT self.handler))
      (except [BaseException]  ; one that has its own again
        (setv self.struck True)
        (.put-back self)
        (raise))
      (finally
        (setv self.open True)  ; where ours has stayed in a place after all
        (when (or self.noted self.guard)
          (try
            (when self.noted
              (.strike self))
            (finally
              (when self.guard
                (.__exit__ self.guard)))))))
    None))


(defn [contextmanager] handling [number handler]
  "Have a signal handled so; in the main thread only."
  (setv before (signal.signal number handler))
  (try
    (yield before)
    (finally
      ; None stands for a handler that was not set from Python.
      (signal.signal number (or before signal.SIG-DFL)))))

(defn heed-finalisers []
  "Have guards told of an interrupt that strikes in a finaliser, or wherever else Python
  can only show an error, and goes on."
  ; Somebody may put back one of ours that he found there.
  (unless (getattr sys.unraisablehook "heeds" False)
    (setv before sys.unraisablehook)
    (defn tell [what]
      (setv guard (.get guards (get-ident)))
      (if (and guard (issubclass what.exc-type Interrupted))
        (setv guard.lost True)
        (before what)))
    (setv tell.heeds True
          sys.unraisablehook tell)))

(defn raise-in [thread exception]
  "Raise this class of exceptions in a thread, by its number; None takes back
  one that was not raised yet."
  (import ctypes)  ; takes 15 ms, and most slaves never need it
  (ctypes.pythonapi.PyThreadState-SetAsyncExc
    (ctypes.c-ulong thread)
    (when exception (ctypes.py-object exception))))
