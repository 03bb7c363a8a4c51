"What every slave runs first: in order, each once, and of those with a key the last."

(import
  types [SimpleNamespace]
  pytest
  dpfw.dispatch.dispatcher [Dispatcher]
  dpfw.dispatch.readers [ResultReader]
  dpfw.dispatch.task [Task]
  tests.helpers [holds])


(defclass World []
  "A dispatcher, and a slave that runs what it is sent. Remotes are texts."

  (defn __init__ [self]
    (setv self.dispatcher (Dispatcher)
          self.ran []))

  (defn prepare [self remote [key None] [last False]]
    (setv [_ todo] (.initialise self.dispatcher remote
      (fn [slave] (Task remote :reader ResultReader :slave slave)) key last))
    (.heed self todo))

  (defn join [self]
    (setv [self.slave todo] (.joined self.dispatcher "id" (SimpleNamespace :about {})))
    (.heed self todo)
    (.heed self (.heard self.dispatcher self.slave.session)))

  (defn part [self]
    (.heed self (.hung-up self.dispatcher self.slave.session (OSError "it hung up"))))

  (defn heed [self todo]
    (for [[verb #* arguments] todo]
      (when (= verb "send")
        (.append self.ran (. (get arguments 1) payloads))
        (.sent self.dispatcher #* arguments))))

  (defn answer [self]
    "The slave ends what it runs."
    (setv session self.slave.session)
    (.heed self (.answered self.dispatcher session session.number #("result" None))))

  (defn finish [self]
    (while self.slave.session.task
      (.answer self))
    (holds self.slave.state "idle")
    (setv [ran self.ran] [self.ran []])
    ran))

(defn [pytest.fixture] world []
  (setv world (World))
  (for [[remote key] [["a" "A"] ["b" None] ["c" "C"]]]
    (.prepare world remote key))
  world)

(defn joins-and-runs [world]
  (.join world)
  (.finish world))


(defn test-they-run-in-order-and-once [world]
  (holds (joins-and-runs world) ["a" "b" "c"])
  (.part world)
  (holds (joins-and-runs world) []))

(defn test-one-with-the-same-key-has-the-place-of-the-other [world]
  (.prepare world "a2" "A")
  (holds (joins-and-runs world) ["a2" "b" "c"]))

(defn test-or-is-the-last [world]
  (.prepare world "a2" "A" :last True)
  (holds (joins-and-runs world) ["b" "c" "a2"]))

(defn test-a-hundred-leave-one [world]
  (for [n (range 100)]
    (.prepare world n "A"))
  (holds (joins-and-runs world) [99 "b" "c"]))

(defn test-who-has-run-one-runs-what-replaces-it [world]
  (joins-and-runs world)
  (.prepare world "a2" "A")
  (holds (.finish world) ["a2"])
  (.part world)
  (.prepare world "a3" "A")
  (.prepare world "c2" "C" :last True)
  (holds (joins-and-runs world) ["a3" "c2"])
  (.part world)
  (holds (joins-and-runs world) []))

(defn test-who-has-not-come-to-it-runs-the-new-one-alone [world]
  (.join world)
  (.prepare world "c2" "C")
  (.prepare world "c3" "C")
  (holds (.finish world) ["a" "b" "c3"]))

(defn test-who-is-about-to-run-it-runs-both [world]
  (.join world)
  (.prepare world "a2" "A")
  (holds (.finish world) ["a" "b" "c" "a2"]))

(defn test-what-is-to-be-the-last-is-so-for-who-prepares [world]
  (.prepare world "d" "D")
  (.join world)
  (.prepare world "c2" "C" :last True)
  (holds (.finish world) ["a" "b" "d" "c2"]))

(defn test-what-is-dropped-nobody-runs [world]
  (.drop-preparation world.dispatcher "no such key")
  (.join world)
  (.drop-preparation world.dispatcher "C")
  (holds (.finish world) ["a" "b"])
  (.drop-preparation world.dispatcher "A")
  (.part world)
  (holds (joins-and-runs world) [])
  (.prepare world "a2" "A")
  (holds (.finish world) ["a2"]))
