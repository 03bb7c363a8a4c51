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
  dpfw.dispatch.promise [force]
  dpfw.master [Master]
  dpfw.net.addresses [format-address]
  dpfw.net.threads [PARKED]
  dpfw.task.ports [read-result]
  bench.light [be-crowd]
  bench.outputs [DOCS put-block]
  bench.processes [PYTHON helper resident-memory run-fresh]
  bench.report [machine]
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
  ROUNDS 9
  AWAY 2           ; seconds that a master is gone
  PATIENCE 60      ; seconds, in which all must have come
  SETTLE (+ PARKED 1))  ; seconds; by then, the threads that admitted slaves have ended


;; Crowds of light slaves

(defn [contextmanager] crowds [address n tls [processes 1]]
  "Processes with n light slaves in all, which are ready to dial; gives their pipes."
  (setv share (// n processes))
  (with [stack (ExitStack)]
    (setv pipes (lfor  i (range processes)
      (.enter-context stack (helper be-crowd [(crowd address (if i share (- n (* share (- processes 1)))) tls i)]))))
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
      [key (median (get taken #(key "many")))]
      [f"{key} ratio" (median (gfor  [a b] (zip (get taken #(key "many")) (get taken #(key "few")))  (/ a b)))]]
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
