"Where the time of one task goes, and of a map: ``hy -m bench.steps`` takes the time at
each step of many round trips, prints the medians, and puts them into
docs/performance.md; what `bench.map-steps` finds of maps, too.

The clocks of both processes are one, that of the system. Looking takes some 0.3 µs
a step."

(import
  os
  secrets
  statistics [median]
  time [perf-counter]
  dpfw.dispatch.dispatcher [Dispatcher]
  dpfw.dispatch.network [Network]
  dpfw.dispatch.promise [Promise]
  dpfw.net.wire [Connection]
  dpfw.serve.evaluator [Evaluator]
  dpfw.serve.session [Session]
  dpfw.task.ports [read-result]
  bench [map-steps]
  bench.echo [echo]
  bench.outputs [DOCUMENT put-block]
  bench.processes [launched])

(setv
  ROUNDS 10
  TRIPS 300     ; in each, and as many echoes
  REMOTE '(fn [i o] (+ 2 3))

  ; What each step leads to: the mark at its end.
  STEPS [
    ["the caller" "writes the remote, makes the task" "made"]
    ["" "picks the slave" "sending"]
    ["from one to the other" "sends; the slave wakes, reads the frame" "came"]
    ["the slave" "finds the procedure" "found"]
    ["" "calls it, writes the result" "answered"]
    ["and back" "sends; the caller wakes, reads the frame" "heard"]
    ["the caller" "looks for the next task, marks the slave idle" "idle"]
    ["" "reads the datum, ends the promise" "told"]
    ["" "gives the lead back" "end"]])


;; Marks

(setv
  marks {}  ; of this trip
  log [])   ; of a slave's trips

(defn marked [cls method [before None] [after None]]
  "Have the method note when it begins and ends."
  (setv name (hy.mangle method)
        original (getattr cls name))
  (setattr cls name (fn [self #* arguments #** options]
    (when before
      (setv (get marks before) (perf-counter)))
    (setv result (original self #* arguments #** options))
    (when after
      (setv (get marks after) (perf-counter)))
    result)))

(defn watch-master []
  (marked Network "new-task" :after "made")
  (marked Connection "post" :before "sending")
  (marked Connection "arrived" :after "heard")
  (marked Dispatcher "answered" :after "idle")
  (marked Promise "end" :after "told"))

(defn watch-slave []
  (marked Evaluator "procedure" :after "found")
  (marked Session "outcome" :after "answered")
  (setv run-task Session.run-task)
  (defn logged [self number payload]
    (setv (get marks "came") (perf-counter))
    (run-task self number payload)
    (.append log (dict marks)))
  (setv Session.run-task logged))

(setv
  WATCH "(fn [i o] (import bench.steps [watch-slave]) (watch-slave))"
  TELL "(fn [i o] (import bench.steps [log]) log)")


;; Trips

(defn measured []
  "The moments of each trip, by mark, and the seconds of an echo."
  (setv trips []  echoes [])
  (with [master (launched 1)
         answer (echo)]
    (defn run [remote]
      (.result (.make-task master remote read-result)))
    (run WATCH)
    (watch-master)
    (for [_ (range ROUNDS)]
      (for [_ (range TRIPS)]
        (setv begun (perf-counter))
        (run REMOTE)
        (.append trips {#** marks  "begin" begun  "end" (perf-counter)}))
      (setv begun (perf-counter))
      (for [_ (range TRIPS)]
        (answer))
      (.append echoes (/ (- (perf-counter) begun) TRIPS)))
    (setv there (run TELL)))
  #((lfor  [trip there] (zip trips there)  {#** trip  #** there})
    (median echoes)))

(defn table [trips echo]
  (defn spent [before after]
    (* 1e6 (median (gfor  trip trips  (- (get trip after) (get trip before))))))
  (setv
    before "begin"
    lines ["| who | does what | µs |" "|---|---|--:|"])
  (for [[who what after] STEPS]
    (.append lines f"| {who} | {what} | {(spent before after) :.0f} |")
    (setv before after))
  (.append lines f"| **all** | | **{(spent "begin" "end") :.0f}** |")
  (.append lines f"| for comparison | a TCP echo | {(* 1e6 echo) :.0f} |")
  (.join "" (gfor  line lines  (+ line "\n"))))

(defn main []
  (setv (get os.environ "DPFW_COOKIE") (secrets.token-hex 32)
        trip (table #* (measured))
        a-map (map-steps.table (map-steps.measured)))
  (print trip)
  (print a-map)
  (put-block "steps" trip DOCUMENT)
  (put-block "map steps" a-map DOCUMENT))

(when (= __name__ "__main__")
  (import bench.steps)  ; which the slave imports too
  (bench.steps.main))
