"Where the time of one task goes: ``hy -m bench.steps`` takes the time at each
step of many round trips, prints the medians, and puts them into
docs/performance.md.

The clocks of both processes are one, that of the system. Looking takes some 0.3 µs
a step."

(import
  os
  secrets
  statistics [median]
  time [perf-counter]
  dpfw.net.threads [Crew]
  dpfw.master [Master]
  dpfw.serve.evaluator [Evaluator]
  dpfw.task.ports [read-result]
  dpfw.dispatch.promise [Promise]
  dpfw.serve.session [Service]
  dpfw.dispatch.task [Task]
  dpfw.net.wire [Connection]
  bench.echo [echo]
  bench.outputs [DOCUMENT put-block]
  bench.processes [launched])

(setv
  ROUNDS 10
  TRIPS 300     ; in each, and as many echoes
  REMOTE '(fn [i o] (+ 2 3))

  ; What each step leads to: the mark at its end.
  STEPS [
    ["the caller" "writes the remote, checks its size" "written"]
    ["" "makes the task, picks the slave" "sending"]
    ["" "sends" "sent"]
    ["the slave" "wakes, reads the frame" "came"]
    ["" "makes the ports, finds the procedure" "found"]
    ["" "calls it, writes the result" "answered"]
    ["" "sends" "replied"]
    ["a thread of the crew" "wakes, reads the frame" "heard"]
    ["" "reads the datum, closes the ports" "played"]
    ["" "looks for the next task, marks the slave idle" "idle"]
    ["" "tells the result" "told"]
    ["the caller" "wakes" "end"]]
  BESIDE [
    ["a thread of the crew" "wakes up" "sent" "woken"]
    ["the same" "makes the ports, begins to wait" "woken" "waiting"]])


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
  (marked Master "frames" :after "written")
  (marked Connection "send-whole" :before "sending" :after "sent")
  (marked Task "play" :before "woken" :after "played")
  (marked Connection "receive-header" :before "waiting" :after "heard")
  (marked Master "begin-next" :after "idle")
  (marked Promise "fulfil" :after "told"))

(defn watch-slave []
  (marked Evaluator "procedure" :after "found")
  (marked Service "outcome" :after "answered")
  (setv run-task Service.run-task)
  (defn logged [self payload]
    (setv (get marks "came") (perf-counter))
    (run-task self payload)
    (.append log {#** marks  "replied" (perf-counter)}))
  (setv Service.run-task logged))

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
  (for [[who what before after] BESIDE]
    (.append lines f"| beside it, {who} | {what} | {(spent before after) :.0f} |"))
  (.append lines f"| for comparison | a TCP echo | {(* 1e6 echo) :.0f} |")
  (.join "" (gfor  line lines  (+ line "\n"))))

(defn main []
  (setv (get os.environ "DPFW_COOKIE") (secrets.token-hex 32)
        text (table #* (measured)))
  (print text)
  (put-block "steps" text DOCUMENT))

(when (= __name__ "__main__")
  (import bench.steps)  ; which the slave imports too
  (bench.steps.main))
