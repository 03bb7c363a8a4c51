"What a remote takes for its terminal: standard streams of its own, for the thread in
which it runs, that lead to its master.

::

    remote   (print …) (input …) (breakpoint)
                │
    terminal    │ text, and questions for a line
                v
    master   shows them to a person, and answers"

(import
  contextlib [contextmanager]
  sys
  threading
  dpfw.task.ports [ASK])
(eval-when-compile (require hyrule.control [unless]))

(setv
  NAMES ["stdin" "stdout" "stderr"])


(defclass Here [threading.local]
  "Of a thread."
  (setv terminal None    ; where it may ask a person
        debugger None))  ; the `Pdb` that is at work there

(setv here (Here))


(defclass Terminal []
  "Two or three streams."

  (defn __init__ [self stdin stdout [stderr None]]
    (setv self.stdin stdin
          self.stdout stdout
          self.stderr stderr)))

(defn [contextmanager] at-terminal [terminal]
  "Let what runs in this thread ask there, by a debugger or else."
  (setv before here.terminal
        here.terminal terminal)
  (try
    (yield)
    (finally
      (setv here.terminal before)
      (when here.debugger
        ; Nothing of it is to stay for the next task.
        (sys.settrace None)
        (.clear-all-breaks here.debugger)
        (setv here.debugger None)))))


(defclass PortLines []
  "Lines that a person is to type, by the ports of a task."

  (defn __init__ [self i o]
    (setv self.i i
          self.o o))

  (defn readline [self #* _]
    (.write self.o ASK)
    (.flush self.o)
    (.readline self.i)))


;; Standard streams of a thread's own

(defclass PerThread []
  "In the place of a stream of `sys`: for the threads that have a terminal, that, and
  for all others the stream as it was."

  (defn __init__ [self name before]
    (setv self.name name
          self.before before
          self.users 0))

  (defn __getattr__ [self attribute]
    (setv terminal here.terminal)
    (getattr (or (and terminal (getattr terminal self.name)) self.before) attribute))

  (defn __iter__ [self]
    (iter (.__getattr__ self "readline") "")))

(setv exchanging (threading.Lock))

(defn [contextmanager] standard-streams [terminal]
  "Let what this thread prints and reads go there."
  (exchange 1)
  (try
    (with [_ (at-terminal terminal)]
      (yield))
    (finally
      (exchange -1))))

(defn exchange [n]
  "Count the users of our streams in `sys`; the first puts them there, and the last
  takes those away that are still there."
  (with [_ exchanging]
    (for [name NAMES]
      (setv stream (getattr sys name))
      (cond
        (isinstance stream PerThread) (do
          (+= stream.users n)
          (unless stream.users
            (setattr sys name stream.before)))
        (> n 0) (do
          (setv stream (PerThread name stream)
                stream.users 1)
          (setattr sys name stream))))))
