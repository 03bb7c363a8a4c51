"How a process ended, in words for people.

That the system killed it for want of memory is nowhere written: the process is sent
SIGKILL, as by anybody. But the system counts such kills, for each control group, and
for the whole machine."

(import
  os
  re
  signal
  dpfw.net.child [signal-name])

(setv
  GROUPS "/sys/fs/cgroup"
  OWN-GROUP "/proc/self/cgroup"
  MACHINE "/proc/vmstat"
  COUNT (re.compile r"^oom_kill (\d+)$" re.M))


(defn ending [status [kills None]]
  "How it ended, by its status as `subprocess` has it; ``kills`` is a `MemoryKills`
  that was made when it began. ::

    (ending 3)   ; => \"ended with status 3\"
    (ending -11) ; => \"was ended by SIGSEGV\""
  (cond
    (>= status 0)
      f"ended with status {status}"
    (= status (- signal.SIGKILL))
      (+ "was ended by SIGKILL" (if kills (.told kills) ""))
    True
      f"was ended by {(signal-name (- status))}"))


(defclass MemoryKills []
  "How many processes the system has killed for want of memory since this was made: in
  the control group of this process, in which those that it starts are as well, or else
  on the machine."

  (defn __init__ [self]
    (setv [self.file self.before] (next
      (gfor
        file [#* (group-files) MACHINE]
        :setv n (kills-in file)
        :if (is-not n None)
        #(file n))
      #(None 0))))

  (defn told [self]
    (setv more (when self.file (- (or (kills-in self.file) 0) self.before)))
    (cond
      (is more None) ", and the system does not tell whether for want of memory"
      (<= more 0) ""
      (= self.file MACHINE) (+ ", probably for want of memory: the system has killed a process for that"
        f" since this one began ({MACHINE})")
      True f", for want of memory: the system has counted that ({self.file})")))

(defn group-files []
  "Where this process's control group has its events, of memory, in version 2."
  (for [line (.splitlines (text-of OWN-GROUP))]
    (when (.startswith line "0::")
      (setv group (.lstrip (cut line 3 None) "/"))
      (yield (os.path.join GROUPS group "memory.events")))))

(defn kills-in [file]
  (setv found (COUNT.search (text-of file)))
  (when found
    (int (.group found 1))))

(defn text-of [file]
  (try
    (with [f (open file)]
      (.read f))
    (except [OSError]
      "")))
