"The task that an engine runs on a worker: it starts a slave, and ends when that has.

::

    worker's process                        slave's process
    the task ────────── pipe ────────────>  ends at once when the worker does
             <───── standard error ───────  passed on, and the last lines kept

The slave is a process of its own, so that what a remote does to it does nothing to the
worker."

(import
  collections [deque]
  math [inf]
  os
  select
  subprocess
  sys
  time [monotonic]
  dpfw.processes.ending [MemoryKills ending]
  dpfw.processes.last-words [AT-ONCE CHUNK KEPT TOLD telling whole-lines])
(eval-when-compile (require hyrule.control [unless]))

(setv
  LOOK-EVERY 0.2   ; seconds between two looks whether the task is still wanted
  PATIENCE 5)      ; seconds that the slave of one that is not has to end


(defn errand [module #* order]
  "A procedure for a worker, which has the `run-slave` of that module of ours follow an order.
  It is pickled by value, with the order in it: so a worker without dpfw can tell what is missing, and
  engines, which show and log what a task is given, show nothing of that."
  (fn []
    (import importlib [import-module])
    (.run-slave (import-module module) #* order)))


(defn keep [options env cookie where wanted]
  "Run a slave with these options and environment until it has ended. ``where`` is what people call the worker. ``wanted`` is
  called now and then: when it gives \"leave\", the slave is to finish what it runs, when
  \"no\", it has `PATIENCE` to do so. Returns its process id, how it ended, in words, and the
  lines that it said last."
  (setv kills (MemoryKills)
        [far near] (os.pipe))
  (try
    (with [process (try (started options env cookie far) (finally (os.close far)))]
      (try
        (setv said (attend process wanted))
        (except [BaseException]  ; it is interrupted, as some engines do
          (.kill process)
          (raise))))
    (finally
      (os.close near)))
  {"pid" process.pid
   "how" f"its process {process.pid} on {where} {(ending process.returncode kills)}"
   "said" (telling said)})

(defn started [options env cookie leash]
  (subprocess.Popen
    [(getattr hy "sys_executable" sys.executable) "-m" "dpfw.slave"
     "--once" "--leash" (str leash) #* options]
    :stdin subprocess.DEVNULL  :stderr subprocess.PIPE  :bufsize 0
    :pass-fds [leash]
    :env {#** os.environ  #** env
          ; What the worker has been sent is to be found.
          "PYTHONPATH" (.join os.pathsep (filter None [(.get env "PYTHONPATH") #* sys.path]))
          "PYTHONUNBUFFERED" "1"
          "DPFW_COOKIE" cookie}
    ; A Ctrl-C at the worker's terminal is the worker's.
    :start-new-session True))

(defn attend [process wanted]
  "Pass on what it says, until it has ended; returns the last lines."
  (setv ear (Ear process.stderr)
        asked False
        deadline inf)
  (while (is (.poll process) None)
    (.listen ear LOOK-EVERY)
    (setv wish (wanted))
    (unless (or asked (= wish "yes"))
      (setv asked True)
      (.terminate process))
    (when (= wish "no")
      (setv deadline (min deadline (+ (monotonic) PATIENCE))))
    (when (> (monotonic) deadline)
      (.kill process)))
  ; Children of its own may have the pipe open, and say more; that is not waited for.
  (.listen ear 0)
  (.finish ear))


(defclass Ear []
  "Hears what comes out of a pipe, line by line."

  (defn __init__ [self pipe]
    (setv
      self.pipe pipe
      self.poll (select.poll)
      self.rest b""
      self.said (deque :maxlen KEPT))
    (os.set-blocking (.fileno pipe) False)
    (.register self.poll pipe select.POLLIN))

  (defn listen [self seconds]
    "Wait for so long, or until something is said, and take it."
    (when (.poll self.poll (* 1000 seconds))
      ; Not all: who says more and more is not to keep the task from its end.
      (for [_ (range AT-ONCE)]
        (unless (setx piece (.take self))
          (break))
        (setv [lines self.rest] (whole-lines (+ self.rest piece)))
        (.note self lines))))

  (defn take [self]
    (try
      (setv piece (os.read (.fileno self.pipe) CHUNK))
      (except [BlockingIOError]
        (return None)))
    (unless piece
      (.unregister self.poll self.pipe))
    piece)

  (defn finish [self]
    (when self.rest
      (.note self [self.rest]))
    (list self.said))

  (defn note [self lines]
    (for [line lines]
      (setv text (.decode line "utf-8" "replace"))
      (print text :file sys.stderr :flush True)
      (when (.strip text)
        (.append self.said (cut text TOLD))))))
