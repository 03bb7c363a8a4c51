"The status of a master, for its watchers and its metrics."

(import
  dpfw.net.status [node-status resident-memory session-status since])


(defn master-status [network]
  "As `dpfw.net.status` has it."
  (setv dispatcher network.dispatcher)
  ; What is asked of the system is asked without the lock.
  (with [_ network.lock]
    (setv line (len dispatcher.line)
          done (- dispatcher.answers dispatcher.failures)
          failed dispatcher.failures
          seen (lfor  slave (.values dispatcher.registry.connected)
                 #(slave slave.session (counts slave.session) (len slave.line)))))
  {#** (node-status network.node)
   "line" line
   "keys" None
   "done" done
   "failed" failed
   "sessions" (lfor  [slave session counts line] seen
     {#** (session-status session.connection)
      #** counts
      "line" line
      "memory" (memory-of slave network.node.about)})})

(defn counts [session]
  "With the dispatcher's lock. Of the tasks that it was given, all but the one at hand
  have ended."
  (setv task session.task
        ended (- session.number (if task 1 0)))
  {"state" session.state
   "task" (when task session.number)
   "task-name" (when task task.name)
   "busy" (when task (since session.since))
   "done" (- ended session.failures)
   "failed" session.failures})

(defn memory-of [slave mine]
  "Of a slave's process, if it is one of this machine."
  (setv about slave.session.connection.about)
  (when (and (in "pid" about) (= (.get about "host") (get mine "host")))
    (resident-memory (get about "pid"))))
