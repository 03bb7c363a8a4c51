"Small tasks: one after the other, and many in line."

(import
  contextlib [ExitStack]
  dpfw.task.ports [read-result]
  dpfw.dispatch.promise [force]
  bench.dask-apart [dask]
  bench.echo [REPLY echo threaded-echo]
  bench.figure [figure]
  bench.measure [interleaved rate trips]
  bench.peers [executor gateway pool rpyc-connection]
  bench.processes [launched]
  bench.work [add])

(setv
  REMOTE '(fn [i o] (+ 2 3))
  TRIPS 200       ; in a turn
  QUEUED 10,000   ; tasks in a turn
  QUEUED-DASK 1,000)


(defn round-trip [rounds]
  (with [peers (ExitStack)]
    (setv
      ask (.enter-context peers (echo))
      ask-in-thread (.enter-context peers (threaded-echo))
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
        "TCP echo" (trips ask REPLY TRIPS)
        "TCP echo, by way of a thread" (trips ask-in-thread REPLY TRIPS)
        "ProcessPoolExecutor.submit" (trips (fn [] (.result (.submit futures add 2 3))) 5 TRIPS)
        "Pool.apply" (trips (fn [] (.apply workers add #(2 3))) 5 TRIPS)
        "execnet channel" (trips over-channel 5 TRIPS)
        "execnet remote_exec"
          (trips (fn [] (.receive (.remote-exec execnet "channel.send(2 + 3)"))) 5 TRIPS)
        "RPyC eval" (trips (fn [] (.eval rpyc "2 + 3")) 5 TRIPS)
        "Dask submit" dask-turn}
        rounds)
      {"TCP echo" 1.3  "execnet remote_exec" 1  "RPyC eval" 1}
      :note (+ "The echo is two bare sockets that evaluate nothing, with payloads as long as "
        "dpfw's; by way of a thread, a parked one receives the reply and gives it to a Future. Of the others, only execnet remote_exec and RPyC eval evaluate code they are "
        "sent. Dask's client sends no more often than every 10 ms."))))

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
      {"ProcessPoolExecutor.submit" 1.2}
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
