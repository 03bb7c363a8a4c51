"What a dispatcher remembers, and when it warns; the time is the caller's."

(import
  types [SimpleNamespace]
  dpfw.dispatch [registry]
  dpfw.dispatch.dispatcher [ALONE Dispatcher]
  dpfw.dispatch.registry [Registry]
  dpfw.dispatch.task [Task]
  dpfw.task.ports [read-result]
  tests.helpers [holds])

(defn made [dispatcher]
  (.made dispatcher (Task [#("task" [b"(fn [i o])"])] read-result)))

(defn warnings [todo]
  (lfor  [what #* more] todo  :if (= what "warn")  (get more 0)))

(defn reminders [todo]
  (lfor  [what #* more] todo  :if (= what "remind")  (get more 0)))

(defn with-a-busy-slave []
  (setv dispatcher (Dispatcher)
        [slave _] (.joined dispatcher "id" (SimpleNamespace :about {})))
  (.heard dispatcher slave.session)
  (made dispatcher)
  (holds slave.state "busy")
  dispatcher)

(defn test-who-is-alone-is-told-so-again []
  (setv dispatcher (Dispatcher)
        todo (made dispatcher))
  (holds [(warnings todo) (reminders todo)] [[ALONE] [60]])
  (holds (made dispatcher) [])
  (setv todo (.reminded dispatcher))
  (holds [(warnings todo) (reminders todo)] [[ALONE] [120]])
  (setv todo (.reminded dispatcher))
  (holds [(warnings todo) (reminders todo)] [[ALONE] [240]]))

(defn test-that-no-slave-falls-free-is-told-with-how-many-wait []
  (setv dispatcher (with-a-busy-slave))
  (for [n (range 3)]
    (made dispatcher))
  (for [patience [60 120]]
    (setv todo (.reminded dispatcher)
          [warning] (warnings todo))
    (assert (.startswith warning f"no slave has fallen free for {patience} seconds, and 3 tasks wait;") warning)
    (holds (reminders todo) [(* 2 patience)])))

(defn test-where-slaves-answer-nobody-is-told []
  (setv dispatcher (with-a-busy-slave))
  (made dispatcher)
  (+= dispatcher.answers 1)
  (holds (warnings (.reminded dispatcher)) [])
  ; Since then, none has.
  (holds (len (warnings (.reminded dispatcher))) 1))

(defn test-nothing-is-kept-of-slaves-that-went-long-ago [monkeypatch]
  (monkeypatch.setattr registry "REMEMBERED" 5)
  (setv registered (Registry))
  (for [n (range 20)]
    (setv slave (.slave registered (str n) None))
    (.enter registered slave)
    (.leave registered slave))
  (del slave)
  (holds (lfor  slave registered.gone  slave.id) ["15" "16" "17" "18" "19"])
  (holds (set registered.known) #{"15" "16" "17" "18" "19"}))
