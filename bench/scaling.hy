"Many slaves on one master: ``hy -m bench.scaling``, or ``make scaling``.

Real connections, of light slaves (``bench/light.py``), many to a process; and real slave
processes. Writes the tables and the picture of docs/scaling.md."

(import
  argparse
  contextlib [contextmanager ExitStack]
  gc
  json
  logging
  os
  resource
  secrets
  statistics [median]
  subprocess
  sys
  threading
  time
  dpfw.dispatch.pace [PASSES]
  dpfw.dispatch.promise [force]
  dpfw.dispatch.tree [Branch]
  dpfw.launch [dpfw-launch]
  dpfw.master [Master]
  dpfw.net.addresses [format-address]
  dpfw.net.threads [PARKED]
  dpfw.task.ports [read-result]
  bench.light [Process]
  bench.outputs [DOCS put-block]
  bench.processes [PYTHON resident-memory run-fresh]
  bench.report [amount machine]
  bench.__main__ [circumstances])
(eval-when-compile (require hyrule.control [unless]))

(setv
  COUNTS [1 10 100 1000]
  REAL 50          ; slave processes
  PROCESSES 4      ; that light slaves are in, so that half of them can die at once
  REMOTE '(fn [i o] (+ 2 3))
  SLOW '(fn [i o] (hy.I.time.sleep 0.5) 5)
  TRIPS 200        ; in a turn, one after the other
  QUEUED 2000      ; in a turn, in line
  ROUNDS 15
  HEADS 31         ; slave processes that a thousand light slaves are divided among
  ITEMS 10         ; in a chunk
  AWAY 2           ; seconds that a master is gone
  PATIENCE 60      ; seconds, in which all must have come
  SETTLE (+ PARKED 1))  ; seconds; by then, the threads that admitted slaves have ended


;; Crowds of light slaves

(defn [contextmanager] crowds [address n tls [processes 1]]
  "Processes with n light slaves in all, which are ready to dial; gives their pipes."
  (setv share (// n processes))
  (with [stack (ExitStack)]
    (setv pipes (lfor  i (range processes)
      (.enter-context stack (Process [(crowd address (if i share (- n (* share (- processes 1)))) tls i)]))))
    (for [pipe pipes]
      (.recv pipe))
    (yield pipes)))

(defn crowd [address n tls [i 0]]
  {"host" (get address 0)  "port" (get address 1)  "cookie" (get os.environ "DPFW_COOKIE")
   "n" n  "tls" tls  "name" f"light-{i}"})

(defn set-off [pipes]
  (for [pipe pipes]
    (.send pipe "go")))

(defn await-slaves [master n]
  "Seconds until it has so many slaves, no more and no fewer."
  (setv start (time.monotonic)
        there (.wait-for master.network (fn [] (when (= (.slave-count master.network) n) True)) PATIENCE))
  (unless there
    (raise (TimeoutError f"{(.slave-count master.network)} of {n} slaves are there after {PATIENCE} seconds")))
  (- (time.monotonic) start))

(defn told [pipes]
  "What the crowds tell of how they came, as one."
  (setv all (lfor  pipe pipes  (.recv pipe)))
  (dfor  key ["dials" "hang-ups" "refusals" "most dials in 0.1 s"]
    key (sum (gfor  one all  (get one key)) (if (= key "refusals") [] 0))))


;; What is measured. Each function runs in a process of its own.

(defn of-light [n tls]
  "The figures of n light slaves on one master."
  (logging.disable logging.WARNING)
  (with [master (Master)
         two (Master)]
    (setv address (.listen master :host "127.0.0.1")
          figures {"slaves" n  "tls" tls})
    (with [pipes (crowds address n tls (min PROCESSES (max 1 (// n 2))))
           few (crowds (.listen two :host "127.0.0.1") (min 2 n) tls)]
      (set-off few)
      (await-slaves two (min 2 n))
      (force (.make-task two REMOTE read-result))
      (setv before (used))
      (set-off pipes)
      (setv (get figures "join") (await-slaves master n)
            came (told pipes))
      (assert (not (get came "refusals")) (get came "refusals"))
      (setv (get figures "dials") (get came "dials"))
      (setv after (used))
      (for [[key a b] (zip ["memory" "files" "threads"] before after)]
        (setv (get figures key) (/ (- b a) n)))
      (.update figures (costs two master))
      (setv (get figures "broadcast") (least (fn [] (.broadcast master REMOTE))))
      (when (> n 1)
        (.update figures (come-back master address pipes n)))))
  (when (> n 1)
    (setv (get figures "half dead") (half-dead n tls)))
  figures)

(defn used []
  "Memory, files and threads of this process, when it has been quiet for a while."
  (time.sleep SETTLE)
  (gc.collect)
  #((resident-memory (os.getpid)) (len (os.listdir "/dev/fd")) (threading.active-count)))

(defn costs [few many]
  "The cost of a task with many slaves beside that with few: seconds, and the ratios."
  (setv taken (dfor  key ["trip" "queued"]  who ["few" "many"]  #(key who) []))
  (for [n (range (+ 2 ROUNDS))
        [who master] (if (% n 2) [["few" few] ["many" many]] [["many" many] ["few" few]])
        [key take] [["trip" trips] ["queued" queued]]]
    (setv seconds (take master))
    (when (>= n 2)
      (.append (get taken #(key who)) seconds)))
  (dfor
    key ["trip" "queued"]
    [name value] [
      ; The best: what else the machine does can only add to it.
      [key (min (get taken #(key "many")))]
      [f"{key} ratio" (/ (min (get taken #(key "many"))) (min (get taken #(key "few"))))]]
    name value))

(defn trips [master]
  (setv start (time.perf-counter))
  (for [_ (range TRIPS)]
    (force (.make-task master REMOTE read-result)))
  (/ (- (time.perf-counter) start) TRIPS))

(defn queued [master]
  (setv start (time.perf-counter)
        promises (lfor  _ (range QUEUED)  (.make-task master REMOTE read-result)))
  (for [promise promises]
    (force promise))
  (/ (- (time.perf-counter) start) QUEUED))

(defn least [procedure [n 5]]
  (min (gfor
    _ (range n)
    :setv start (time.perf-counter)
    :do (procedure)
    (- (time.perf-counter) start))))

(defn come-back [master address pipes n]
  "The master goes, and another is there after a while: how long until all are with it,
  who dial again by themselves, and how they spread."
  (.close master)
  (time.sleep AWAY)
  (with [again (Master)]
    (.listen again (get address 1) :host (get address 0))
    (setv back (await-slaves again n)
          came (told pipes))
    {"back" back  "most dials" (get came "most dials in 0.1 s")}))

(defn half-dead [n tls]
  "A task of half a second for each slave, and half of these killed in one instant: seconds
  until that is noticed, and until all tasks are done."
  (with [master (Master)
         pipes (crowds (.listen master :host "127.0.0.1") n tls 2)]
    (set-off pipes)
    (await-slaves master n)
    (setv promises (lfor  _ (range n)  (.make-task master SLOW read-result :retries 3)))
    (.send (get pipes 0) "die")
    (setv noticed (await-slaves master (- n (// n 2)))
          start (time.monotonic))
    (for [promise promises]
      (assert (= (force promise) 5)))
    {"noticed" noticed  "done" (+ noticed (- (time.monotonic) start))}))


(defn flat-or-tree [n heads rounds]
  "The root's own work for a task: n light slaves that are its own, and as many below heads,
  which are slave processes. A task is a chunk of ITEMS items, which is given back."
  (logging.disable logging.WARNING)
  (with [flat (Master)
         root (Master)
         stack (ExitStack)]
    (set-off (.enter-context stack (crowds (.listen flat :host "127.0.0.1") n False PROCESSES)))
    (await-slaves flat n)
    (dpfw-launch heads root)
    (plant root stack n)
    (setv xs (list (range (* n ITEMS PASSES)))
          tasks (* n PASSES)
          taken {"flat" []  "tree" []})
    (for [i (range (+ 1 rounds))
          [name master] [["flat" flat] ["tree" root]]]
      (setv start (time.monotonic)
            work (time.process-time))
      (assert (= (.map master '(fn [x] x) xs :chunk-size ITEMS) xs))
      (when i
        (.append (get taken name) [(/ (- (time.process-time) work) tasks)
                                   (/ (- (time.monotonic) start) tasks)])))
    {"slaves" n  "heads" heads
     #** (dfor
       name taken
       #(key i) [#("work" 0) #("time" 1)]
       f"{name} {key}" (median (gfor  x (get taken name)  (get x i))))}))

(defn plant [root stack n]
  "Make branches of its slaves, whose leaves are light: they dial the heads."
  (setv tree root.network.tree
        branches (lfor  slave (.slaves root)  (Branch slave []))
        share (// n (len branches))
        listening (.on-all tree (gfor  b branches  #(b.head `(open-branch ~b.cookie "127.0.0.1"))))
        crowd-of (fn [b listens]
          {#** (crowd listens share False)  "cookie" b.cookie}))
  (setv crowds-there (list (map crowd-of branches listening)))
  (for [i (range PROCESSES)]
    (setv pipe (.enter-context stack (Process (cut crowds-there i None PROCESSES))))
    (.recv pipe)
    (.send pipe "go"))
  (.on-all tree (gfor  b branches  #(b.head `(complete-branch ~share 1000))))
  (for [b branches]
    ; They stand for the leaves, which are no slaves of the root here.
    (setv b.leaves (* [None] share)))
  (setv tree.branches branches))


(defn of-real [n tls]
  "The same of slave processes."
  (logging.disable logging.WARNING)
  (with [master (Master)
         two (Master)
         stack (ExitStack)]
    (setv address (.listen master :host "127.0.0.1")
          before (used))
    (defn start-slave [address]
      (setv process (subprocess.Popen
        [PYTHON "-m" "dpfw.slave" "--connect" (format-address address) "--log-level" "error"]
        :stdin subprocess.DEVNULL  :stdout subprocess.DEVNULL  :stderr subprocess.DEVNULL))
      (.callback stack process.wait)
      (.callback stack process.kill)
      process)
    (setv processes (lfor  _ (range n)  (start-slave address))
          figures {"slaves" n  "tls" tls  "join" (await-slaves master n)}
          other (.listen two :host "127.0.0.1"))
    (for [_ (range 2)]
      (start-slave other))
    (await-slaves two 2)
    (for [[key a b] (zip ["memory" "files" "threads"] before (used))]
      (setv (get figures key) (/ (- b a) n)))
    (.update figures (costs two master))
    (setv (get figures "broadcast") (least (fn [] (.broadcast master REMOTE)))
          promises (lfor  _ (range n)  (.make-task master SLOW read-result :retries 3)))
    (for [process (cut processes (// n 2))]
      (.kill process))
    (setv noticed (await-slaves master (- n (// n 2)))
          start (time.monotonic))
    (for [promise promises]
      (assert (= (force promise) 5)))
    (setv (get figures "half dead") {"noticed" noticed  "done" (+ noticed (- (time.monotonic) start))})
    (.close master)
    (time.sleep AWAY)
    (with [again (Master)]
      (.listen again (get address 1) :host (get address 0))
      (setv (get figures "back") (await-slaves again (- n (// n 2)))))
    figures))


;; The command line

(setv HEADINGS [
  ["slaves" "slaves" (fn [x] f"{x :,}")]
  ["join" "all joined" (fn [x] (amount x "s"))]
  ["memory" "memory a slave" (fn [x] f"{(/ x 1000) :.0f} kB")]
  ["files" "files a slave" (fn [x] f"{x :.1f}")]
  ["trip" "a task" (fn [x] (amount x "s"))]
  ["trip ratio" "to that with 2" (fn [x] f"{x :.2f}")]
  ["queued" "of many, each" (fn [x] (amount x "s"))]
  ["queued ratio" "to that with 2" (fn [x] f"{x :.2f}")]
  ["broadcast" "a broadcast" (fn [x] (amount x "s"))]
  ["noticed" "half dead: noticed" (fn [x] (amount x "s"))]
  ["done" "all done" (fn [x] (amount x "s"))]
  ["back" "all back" (fn [x] (amount x "s"))]])

(defn main [[arguments None]]
  (setv options (parsed arguments)
        ; Of its own, so the user's is neither needed nor made.
        (get os.environ "DPFW_COOKIE") (secrets.token-hex 32)
        result {#** (circumstances)  "files" (get (resource.getrlimit resource.RLIMIT-NOFILE) 0)
                "light" []  "real" []})
  (print (machine result))
  (for [tls [False True]  n options.counts]
    (note result "light" (run-fresh of-light n tls)))
  (note result "real" (run-fresh of-real options.real False))
  (setv (get result "tree") (run-fresh flat-or-tree (- (max options.counts) (% (max options.counts) options.heads))
          options.heads ROUNDS))
  (print (tree-table (get result "tree")))
  (when options.write
    (write-docs result)))

(defn note [result key figures]
  (setv figures {#** figures  #** (.pop figures "half dead" {})})
  (.append (get result key) figures)
  (print (table [figures]) :flush True))

(defn write-docs [result]
  (setv document (/ DOCS "scaling.md"))
  (.write-text (/ DOCS "scaling.json") :encoding "utf-8" (+ (json.dumps result :indent 1) "\n"))
  (put-block "scaling" (+ (machine result) ".\n\n" (.join "\n" (gfor
      [title rows] [
        ["Light slaves, without TLS" (lfor  row (get result "light")  :if (not (get row "tls"))  row)]
        ["Light slaves, with TLS" (lfor  row (get result "light")  :if (get row "tls")  row)]
        ["Slave processes, without TLS" (get result "real")]]
      f"**{title}**\n\n{(table rows)}")))
    document)
  (put-block "tree" (tree-table (get result "tree")) document)
  ; Imported here, for nothing of it should be in the processes that measure.
  (import bench.scaling-picture [draw])
  (draw result (/ DOCS "scaling.svg")))

(defn table [rows]
  (.join "\n" [
    (line (lfor  [_ heading _] HEADINGS  heading))
    (+ "|" (* "--:|" (len HEADINGS)))
    #* (gfor  row rows  (line (lfor  [key _ shown] HEADINGS  (if (in key row) (shown (get row key)) ""))))
    ""]))

(defn tree-table [tree]
  (setv ratio (/ (get tree "flat work") (get tree "tree work")))
  (.join "\n" [
    (line [f"{(get tree "slaves")} slaves" "the root's work for a task" "a task, of many"])
    "|---|--:|--:|"
    #* (gfor
      [name called] [["flat" "flat"] ["tree" f"a tree with {(get tree "heads")} heads"]]
      (line [called (amount (get tree f"{name} work") "s") (amount (get tree f"{name} time") "s")]))
    ""
    f"The root of the tree works {ratio :.0f} times less."
    ""]))

(defn line [cells]
  f"| {(.join " | " cells)} |")

(defn parsed [arguments]
  (setv parser (argparse.ArgumentParser
    :prog "hy -m bench.scaling"
    :description "Measures a master with many slaves, and a tree beside it."
    :epilog "In full, it writes docs/scaling.json, docs/scaling.svg and the tables of docs/scaling.md."))
  (.add-argument parser "--quick" :action "store_true" :help "with few slaves, and write nothing")
  (setv options (.parse-args parser arguments)
        options.write (not options.quick)
        options.counts (if options.quick [1 10] COUNTS)
        options.real (if options.quick 4 REAL)
        options.heads (if options.quick 2 HEADS))
  options)

(when (= __name__ "__main__")
  (sys.exit (main)))
