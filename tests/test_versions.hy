"Who meets another version of dpfw, Hy or Python is told so."

(import
  logging
  pytest
  dpfw.errors [RemoteError]
  dpfw.master [Master]
  dpfw.net.about [differences]
  dpfw.task.ports [read-result]
  tests.helpers [holds]
  tests.processes [error-of run-task slave-server])

(defn [pytest.fixture] old-slave [monkeypatch caplog]
  "A master that takes itself for newer than its slave."
  (.set-level caplog logging.WARNING)
  (with [[process host port] (slave-server "--log-level" "warning")]
    (monkeypatch.setattr hy "__version__" "99.0")
    (with [master (Master)]
      (.connect master host port)
      (yield #(master process host port)))))

(defn said [caplog]
  (lfor
    when ["setup" "call"]
    r (.get-records caplog when)
    :if (= r.name "dpfw.net.node")
    (.getMessage r)))

(defn test-differences []
  (setv mine {"dpfw" "1.0"  "hy" "1.3.1"  "python" "3.11.7"})
  (holds (differences mine {"dpfw" "1.0"  "hy" "1.3.1"  "python" "3.11.2"} "master") "")
  (holds (differences mine {} "master") "")
  (holds (differences mine {"dpfw" "0.9"  "hy" "1.3.1"  "python" "3.9.1"} "slave")
    "the master has dpfw 0.9, and this slave 1.0; the master has Python 3.9.1, and this slave 3.11.7"))

(defn test-both-sides-name-it-once [old-slave caplog]
  (setv [master process host port] old-slave)
  (setv [line] (said caplog))
  (assert (in f"{host}:{port}: the slave has Hy " line) line)
  (assert (.endswith line ", and this master 99.0") line)
  (setv line (.readline process.stderr))
  (assert (in ": the master has Hy 99.0, and this slave " line) line)
  ; The same process once more.
  (setv [slave] (.slaves master))
  (.drain master slave :wait True)
  (.connect master host port)
  (holds (run-task master '(fn [i o] 5)) 5)
  (holds (len (said caplog)) 1)
  (.terminate process)
  (holds (.read process.stderr) ""))

(defn test-errors-of-a-text-say-it-and-others-do-not [old-slave]
  (setv [master #* _] old-slave
        there (. (get (.slaves master) 0) session connection about ["hy"])
        note f" (the slave has Hy {there}, and this master 99.0)")
  (for [[text says] [["(fn [i o]" True] ["(no-such-name)" True] ["5" True]
                     ["(fn [i o] (/ 1 0))" False] ["(fn [i o] no-such-name)" False]]]
    (for [local [read-result (fn [i o] (read-result i o))]]
      (setv error (error-of run-task master text local))
      (assert (isinstance error RemoteError) (repr error))
      (holds #(text (.endswith (str error) note)) #(text says)))))
