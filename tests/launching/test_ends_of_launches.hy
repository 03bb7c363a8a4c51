"Launches that fail in odd moments leave nothing behind."

(import
  threading
  dpfw.engines.launch [EngineLaunch]
  dpfw.errors [LaunchError MasterClosed]
  dpfw.launch [dpfw-launch]
  dpfw.master [Master]
  dpfw.processes [linked]
  dpfw.processes.settings [Settings]
  tests.helpers [WAIT holds]
  tests.processes [error-of launched run-task])

(defn test-only-who-is-hung-up-on-is-killed-for-that [monkeypatch]
  "The reactor may tell of the file that had the number before."
  (monkeypatch.setattr linked "END_TIMEOUT" 0)
  (with [[master [slave]] (launched 1)]
    (.hung-up slave.linked)
    (setv looked (threading.Event))
    (.call-after master.node.reactor 0 looked.set)
    (assert (.wait looked WAIT))
    (holds (run-task master '(fn [i o] (import os) (os.getpid))) slave.process.pid)))

(defn test-the-master-leaves-just-as-a-slave-joins [monkeypatch caplog]
  (with [master (Master)]
    (setv network master.network
          joined network.joined)
    (monkeypatch.setattr network "joined" (fn [#* arguments #** options]
      (.act network network.dispatcher.close)
      (joined #* arguments #** options)))
    (setv error (error-of dpfw-launch 1 master))
    (assert (isinstance error #(LaunchError MasterClosed)) (repr error))
    (holds (list master.node.closers) []))
  (assert (not-in "AttributeError" caplog.text) caplog.text))

(defclass Unable []
  "An engine that raises what no engine should."
  (setv name "Unable"  extra "unable"  timeout WAIT)
  (defn check [self])
  (defn closed [self] False)
  (defn submit [self word errand]
    (raise (ValueError "no such thing"))))

(defn test-an-engine-that-raises-whatever-it-likes []
  "As it may when it is asked for another slave, long after the launch."
  (with [master (Master)]
    (setv launch (EngineLaunch master (Unable) (Settings 1) "127.0.0.1" 0)
          [place] launch.places)
    (.open place)
    (.come-up place)
    (holds [(type place.failure) (str place.failure) (type place.failure.__cause__)]
      [LaunchError "a slave on Unable did not come up: no such thing" ValueError])
    (holds launch.running (set))
    (.give-up place)
    (.down launch)
    None))
