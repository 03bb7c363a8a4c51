"Where the time of a map goes: what its master and its slaves do, and for how long.
`bench.steps` prints it and puts it into docs/performance.md."

(import
  statistics [median]
  time [perf-counter]
  dpfw.dispatch.chunk [Chunk]
  dpfw.serve.evaluator
  dpfw.task.chunks
  bench.processes [launched])

(setv
  ROUNDS 7
  SLAVES 2
  RECORDS 50,000
  PROCEDURE '(fn [record] {#** record  "d" 1})
  MASTER {
    "value_of" "packs the items"
    "take" "reads the results"}
  SLAVE {
    "unpack" "reads the items"
    "mapped" "calls the procedure"
    "write_all" "packs and sends the results"})


;; How long functions of a module, or a class, take, in all

(setv spent {})  ; name -> seconds

(defn timed [owner names]
  (for [name names]
    (setv (get spent name) 0
          function (getattr owner name))
    (setattr owner name (fn [#* arguments [function function] [name name]]
      (setv begun (perf-counter))
      (try
        (function #* arguments)
        (finally
          (+= (get spent name) (- (perf-counter) begun))))))))

(defn watch-slave []
  (timed dpfw.serve.evaluator ["unpack"])
  (timed dpfw.task.chunks ["mapped" "write_all"]))

(defn told []
  "What was spent since it was last asked for."
  (setv all (dict spent))
  (for [name spent]
    (setv (get spent name) 0))
  all)

(setv
  WATCH "(fn [i o] (import bench.map-steps [watch-slave]) (watch-slave))"
  TELL "(fn [i o] (import bench.map-steps [told]) (told))")


;; Maps

(defn records []
  (lfor  n (range RECORDS)  {"a" n  "b" f"x{n}"  "c" [1 2.5 None]}))

(defn measured []
  "Of each map the seconds of all, and by function those of the master and of all
  slaves."
  (setv maps []
        items (records))
  (with [master (launched SLAVES)]
    (.broadcast master WATCH)
    (timed Chunk MASTER)
    (.map master PROCEDURE items)
    (for [_ (range ROUNDS)]
      (told)
      (.broadcast master TELL)
      (setv begun (perf-counter))
      (.map master PROCEDURE items)
      (setv all (- (perf-counter) begun)
            here (told)
            there (.broadcast master TELL))
      (.append maps {
        "all" all
        #** here
        #** (dfor  name SLAVE  name (sum (gfor  slave there  (get slave name))))})))
  maps)

(defn table [maps]
  (defn ms [of]
    f"{(* 1000 (median (map of maps))) :.0f}")
  (defn row [who what of]
    f"| {who} | {what} | {(ms of)} |\n")
  (defn part [name]
    (fn [spent] (get spent name)))
  (defn rest [names processes]
    (fn [spent] (- (* processes (get spent "all")) (sum (gfor  name names  (get spent name))))))
  (+ "| who | does what | ms |\n|---|---|--:|\n"
     (.join "" (gfor  [name what] (.items MASTER)  (row "the master" what (part name))))
     (row "" "sends, waits, puts chunks together" (rest MASTER 1))
     (.join "" (gfor  [name what] (.items SLAVE)  (row "the slaves, together" what (part name))))
     (row "" "receive, wait" (rest SLAVE SLAVES))
     f"| **all** | | **{(ms (part "all"))}** |\n"))
