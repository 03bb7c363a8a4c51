"Remotes that a slave has not seen before."

(import
  itertools
  sys
  types [ModuleType]
  dpfw.task.ports [read-result]
  dpfw.dispatch.promise [force]
  bench.figure [figure]
  bench.measure [interleaved rate trips]
  bench.processes [launched])

(setv
  TRIPS 50             ; in a turn
  INTERPOLATED 2,000   ; tasks in a turn
  MODULE-NAME "bench.evaluated")


(defn unseen [rounds]
  ; With a module that is not registered, hy.eval takes 400 µs more.
  (setv module (ModuleType MODULE-NAME)
        module.hy hy
        (get sys.modules MODULE-NAME) module
        seen (next (texts)))

  (with [master (launched)]
    (defn run [text]
      (force (.make-task master text read-result)))
    (defn evaluate [text]
      (hy.eval (hy.read text) :globals module.__dict__ :module module))
    (defn over-texts [f]
      ; From the same first text for each contender.
      (setv fresh (texts))
      (fn [] (f (next fresh)) None))

    (figure "a task whose text was never seen before" "s"
      (interleaved {
        "dpfw" (trips (over-texts run) None TRIPS)
        "hy.read and hy.eval here" (trips (over-texts evaluate) None TRIPS)
        "dpfw, text seen before" (trips (fn [] (run seen) None) None TRIPS)}
        rounds)
      {"hy.read and hy.eval here" 1.15}
      :note "The task's time includes the round trip, which is the last row's.")))

(defn texts []
  "Texts of remotes, no two alike."
  (for [n (itertools.count)]
    (yield f"(fn [i o]
  (setv total-{n} {n})
  (for [k-{n} (range 10)]
    (when (= (% k-{n} 3) 1)
      (+= total-{n} (* k-{n} {n}))))
  [total-{n} \"remote {n}\"])")))


(defn interpolated [rounds]
  (with [master (launched)]
    (.on-connect master '(do (defn f [x] (+ x 1)) (fn [i o] None)))

    (defn submitted [remotes]
      (setv promises (lfor  remote remotes  (.make-task master remote read-result)))
      (lfor  promise promises  (force promise)))

    (defn turn [remote-of]
      "Of remotes with numbers that were in none before."
      (setv starts (itertools.count 0 INTERPOLATED))
      (fn []
        (setv start (next starts)
              xs (range start (+ start INTERPOLATED))
              run (fn [] (submitted (gfor  x xs  (remote-of x)))))
        ((rate run (lfor  x xs  (+ x 1)) INTERPOLATED))))

    (figure f"{INTERPOLATED :,} remotes that differ in a number, made by quasiquote" "tasks/s"
      (interleaved {
        "dpfw, quasiquoted" (turn (fn [x] `(fn [i o] (f ~x))))
        "dpfw, each a text" (turn (fn [x] f"(fn [i o] (f {x}))"))}
        rounds)
      {"dpfw, each a text" 3}
      :bound "at least"
      :note "Each text is read and compiled; the data of a quasiquoted form travel beside it.")))
