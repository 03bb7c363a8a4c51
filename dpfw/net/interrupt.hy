"Stopping a procedure that runs in one thread, from another.

In the main thread, a signal interrupts it, also while it waits in the operating
system. In any other thread, CPython raises the exception before the next
bytecode: a call that waits in C goes on until it returns."

(import
  contextlib [contextmanager nullcontext]
  signal
  threading
  dpfw.errors [Interrupted])
(eval-when-compile (require hyrule.control [unless]))

(setv SIGNAL signal.SIGURG)  ; ignored by default, and of no use to others

(defclass Guard []
  "Runs procedures in one thread; `interrupt`, from any thread, makes the one
  that runs raise `Interrupted`, once.

  Within ``(with [_ guard] …)`` it holds the interrupt back until the end: a
  frame is sent whole or not at all."

  (defn __init__ [self]
    (setv
      self.lock (threading.Lock)
      self.thread (threading.get-ident)
      self.main (is (threading.current-thread) (threading.main-thread))
      self.running False
      self.asked False     ; someone called `interrupt`
      self.raised False    ; `Interrupted` was raised for it
      self.shields 0))

  (defn on-duty [self]
    "A context in which interrupts reach this thread."
    (if self.main
      (handling SIGNAL self.on-signal)
      (nullcontext)))

  (defn run [self procedure #* arguments]
    "Call the procedure; return what it does. Not to be nested."
    (with [_ self.lock]
      (setv self.asked False  self.raised False  self.shields 0  self.running True))
    (try
      (procedure #* arguments)
      (finally
        (.stop self))))

  (defn stop [self]
    (with [_ self.lock]
      (setv self.running False)
      (when (and self.asked (not self.raised) (not self.main))
        (raise-in self.thread None))))

  (defn interrupt [self [again False]]
    "Make the procedure that runs raise `Interrupted`; once, unless ``again``."
    (with [_ self.lock]
      (when (and self.running (or again (not self.asked)))
        (setv self.asked True
              self.raised False)
        (unless self.shields
          (.send self)))))

  (defn send [self]
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

(defn [contextmanager] handling [number handler]
  "Have a signal handled so; in the main thread only."
  (setv before (signal.signal number handler))
  (try
    (yield before)
    (finally
      ; None stands for a handler that was not set from Python.
      (signal.signal number (or before signal.SIG-DFL)))))

(defn raise-in [thread exception]
  "Raise this class of exceptions in a thread, by its number; None takes back
  one that was not raised yet."
  (import ctypes)  ; takes 15 ms, and most slaves never need it
  (ctypes.pythonapi.PyThreadState-SetAsyncExc
    (ctypes.c-ulong thread)
    (when exception (ctypes.py-object exception))))
