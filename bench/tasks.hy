"Small tasks: one after the other, many in line, and from many threads."

(import
  asyncio
  concurrent.futures [ThreadPoolExecutor]
  contextlib [ExitStack]
  dpfw.task.ports [read read-result]
  dpfw.dispatch.promise [force]
  bench.dask-apart [dask]
  bench.echo [REPLY echo echo-apart threaded-echo]
  bench.figure [figure]
  bench.measure [check interleaved rate trips]
  bench.peers [executor gateway pool rpyc-connection]
  bench.processes [launched]
  bench.work [add])

(setv
  REMOTE '(fn [i o] (+ 2 3))
  TRIPS 200       ; in a turn
  QUEUED 10,000   ; tasks in a turn
  QUEUED-DASK 1,000
  THREADS 8
  TOGETHER 2,000)  ; tasks in a turn, of all threads together


(defn round-trip [rounds]
  (with [peers (ExitStack)]
    (setv
      ask (.enter-context peers (echo))
      ask-in-thread (.enter-context peers (threaded-echo))
      [ask-apart kept-apart] (or (.enter-context peers (echo-apart)) [ask (fn [turn] turn)])
      master (.enter-context peers (launched))
      futures (.enter-context peers (executor))
      workers (.enter-context peers (pool))
      execnet (.enter-context peers (gateway))
      channel (.remote-exec execnet "for a, b in channel: channel.send(a + b)")
      rpyc (.enter-context peers (rpyc-connection))
      dask-turn (.enter-context peers (dask dask-round-trip)))

    (defn over-channel []
      (.send channel #(2 3))
      (.receive channel))

    (figure "one small task after the other; its text was seen before" "s"
      (interleaved {
        "dpfw" (trips (fn [] (force (.make-task master REMOTE read-result))) 5 TRIPS)
        "dpfw, a local procedure of one's own"
          (trips (fn [] (force (.make-task master REMOTE (fn [i o] (read i))))) 5 TRIPS)
        "TCP echo" (trips ask REPLY TRIPS)
        "TCP echo, its ends kept apart" (kept-apart (trips ask-apart REPLY TRIPS))
        "TCP echo, by way of a thread" (trips ask-in-thread REPLY TRIPS)
        "ProcessPoolExecutor.submit" (trips (fn [] (.result (.submit futures add 2 3))) 5 TRIPS)
        "Pool.apply" (trips (fn [] (.apply workers add #(2 3))) 5 TRIPS)
        "execnet channel" (trips over-channel 5 TRIPS)
        "execnet remote_exec"
          (trips (fn [] (.receive (.remote-exec execnet "channel.send(2 + 3)"))) 5 TRIPS)
        "RPyC eval" (trips (fn [] (.eval rpyc "2 + 3")) 5 TRIPS)
        "Dask submit" dask-turn}
        rounds)
      {"TCP echo, its ends kept apart" 1  "execnet channel" 0.7  "RPyC eval" 0.85}
      :note (+ "The echo is two bare sockets that evaluate nothing, with payloads as long as "
        "dpfw's. Left to itself, the system puts both ends on one processor at times, and at "
        "times not; kept apart, they are on two. By way of a thread, a parked one receives the "
        "reply and gives it to a Future. Of the others, only execnet remote_exec and RPyC eval "
        "evaluate code they are sent. Dask's client sends no more often than every 10 ms."))))

(defn dask-round-trip [client]
  (trips (fn [] (.result (.submit client add 2 3 :pure False))) 5 TRIPS))


(defn queued [rounds]
  (with [master (launched)
         futures (executor)
         workers (pool)
         dask-turn (dask dask-queued)]

    (defn with-dpfw []
      (all-of force (lfor  _ (range QUEUED)  (.make-task master REMOTE read-result))))
    (defn with-executor []
      (all-of result (lfor  _ (range QUEUED)  (.submit futures add 2 3))))
    (defn with-pool []
      (all-of (fn [r] (.get r)) (lfor  _ (range QUEUED)  (.apply-async workers add #(2 3)))))

    (figure f"{QUEUED :,} small tasks, all made before the first result is asked for" "tasks/s"
      (interleaved {
        "dpfw" (rate with-dpfw (* [5] QUEUED) QUEUED)
        "ProcessPoolExecutor.submit" (rate with-executor (* [5] QUEUED) QUEUED)
        "Pool.apply_async" (rate with-pool (* [5] QUEUED) QUEUED)
        "Dask submit" dask-turn}
        rounds)
      {"ProcessPoolExecutor.submit" 2.2  "Pool.apply_async" 0.8}
      :bound "at least"
      :note f"Dask has {QUEUED-DASK :,} tasks in a turn, as it would take too long with all.")))

(defn dask-queued [client]
  (defn run []
    (.gather client (lfor  _ (range QUEUED-DASK)  (.submit client add 2 3 :pure False))))
  (rate run (* [5] QUEUED-DASK) QUEUED-DASK))

(defn all-of [f xs]
  (lfor  x xs  (f x)))

(defn result [future]
  (.result future))


(defn together [rounds]
  (with [master (launched)
         threads (ThreadPoolExecutor THREADS)]

    (defn one-after-the-other [n]
      (for [_ (range n)]
        (check (force (.make-task master REMOTE read-result)) 5)))
    (defn from-threads []
      (for [done (lfor  _ (range THREADS)  (.submit threads one-after-the-other (// TOGETHER THREADS)))]
        (.result done)))
    (defn :async gathered []
      (check (await (asyncio.gather
          #* (lfor  _ (range TOGETHER)  (.make-task master REMOTE read-result))))
        (* [5] TOGETHER)))

    (figure f"{TOGETHER :,} small tasks, made and awaited in three ways" "tasks/s"
      (interleaved {
        "from 8 threads, each one after the other" (rate from-threads None TOGETHER)
        "from asyncio, gathered" (rate (fn [] (asyncio.run (gathered))) None TOGETHER)
        "from one thread, one after the other"
          (rate (fn [] (one-after-the-other TOGETHER)) None TOGETHER)}
        rounds)
      {"from one thread, one after the other" 1}
      :bound "at least"
      :note "All three with two slaves. The ratio is that of the threads.")))
