"The status of a slave's process, for its watchers and its metrics."

(import
  dpfw.net.status [node-status session-status since]
  dpfw.serve.table [dpfw-slave-ht])


(defn slave-status [server]
  "As `dpfw.net.status` has it."
  (with [_ server.node.lock]
    (setv sessions (sorted server.sessions :key (fn [s] s.connection.began))
          done server.done
          failed server.failed))
  (setv counted (list (map counts sessions)))
  {#** (node-status server.node)
   "keys" (len (dpfw-slave-ht))
   "line" None
   "done" (+ done (sum (gfor  c counted  (get c "done"))))
   "failed" (+ failed (sum (gfor  c counted  (get c "failed"))))
   "sessions" (lfor  [session c] (zip sessions counted)
     {#** (session-status session.connection)  #** c})})

(defn counts [session]
  "What its thread may change this very moment."
  (setv busy session.busy)
  {"state" (cond busy "busy"  session.leaving "leaving"  True "idle")
   "task" (when busy session.number)
   "busy" (when busy (since session.since))
   "done" session.done
   "failed" session.failed})
