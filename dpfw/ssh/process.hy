"An ssh process: a child of this one, and what is said to the slave goes through it."

(import
  functools [partial]
  os
  subprocess
  dpfw.processes.linked [Linked])

(setv
  ; A Ctrl-C at the terminal is the master's. Signals that are ignored stay so.
  IGNORING ["sh" "-c" "trap '' INT QUIT; exec \"$@\"" "sh"])


(defclass Ssh [Linked]
  "``words`` are those of the command; ``ask`` is whether ssh may use the terminal, to ask
  for a password. Raises `OSError` if there is no such program."

  (defn __init__ [self words node peer ask show ended]
    (.__init__ (super) (partial started words ask) node show ended)
    (setv self.connection.peer peer
          self.kills None))  ; it is not the slave

  (defn called [self]
    "ssh")

  (defn [property] own [self]
    None)

  (defn kill [self]
    ; The slave will hear of it, and ssh ends with that.
    (.give-up self.place)
    False))


(defn started [words ask sock]
  [(subprocess.Popen [#* (if ask IGNORING []) #* words]
     :stdin sock  :stdout sock  :stderr subprocess.PIPE  :bufsize 0
     :start-new-session (not ask)
     ; The session has a cookie of its own; this one is not for ssh to pass on.
     :env (dfor  [name value] (.items os.environ)  :if (!= name "DPFW_COOKIE")  name value))
   []])

(defn terminal? []
  "Is there a terminal at which somebody could answer what ssh asks?"
  (try
    (with [terminal (open "/dev/tty" "rb" :buffering 0)]
      (= (os.tcgetpgrp (.fileno terminal)) (os.getpgrp)))
    (except [OSError]
      False)))
