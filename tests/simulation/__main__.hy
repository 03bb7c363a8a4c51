"Run it with ``make simulate``: every order of events in small networks, then a million
schedules of large ones by chance. Or, for instance::

    hy -m tests.simulation --schedules 5000      only so many schedules, by chance
    hy -m tests.simulation --seed 12345          one of them, step by step
    hy -m tests.simulation --network reminders   only this small network
    hy -m tests.simulation --defect '6: a cancel overtakes its task' --schedules 500

What fails is told step by step, after a search for fewer steps, and how to run just
that again."

(import
  argparse
  gc
  json
  multiprocessing
  os
  random [Random]
  sys
  time
  tests.simulation.defects [DEFECTS]
  tests.simulation.explore [Failure exhaust replay walk]
  tests.simulation.networks [SMALL large]
  tests.simulation.story [how-to-replay shrunk story]
  tests.simulation.world [PLAN World])
(eval-when-compile (require hyrule.control [unless]))

(setv
  SCHEDULES 1,000,000
  CHUNK 2000            ; schedules that a process runs before it says so
  SAY-EVERY 100,000     ; schedules
  GARBAGE 200,000)      ; objects before it is looked for; a world is full of cycles


(defn main []
  (setv options (parsed)
        world (if options.defect (get DEFECTS options.defect) World))
  (cond
    options.plan
      (tell (replay (| PLAN options.plan) options.choices world :brief options.brief))
    (is-not options.seed None)
      (tell-schedule options.seed world)
    options.network
      (explore [options.network] world)
    options.schedules
      (run-by-chance options.first options.schedules world)
    True
      (or (explore SMALL world)
          (run-by-chance options.first SCHEDULES world))))

(defn parsed []
  (setv parser (argparse.ArgumentParser
    :prog "hy -m tests.simulation"
    :description "Runs the dispatcher in simulated networks, in every order of events and by chance."))
  (.add-argument parser "--schedules" :type int :metavar "N"
    :help f"run N schedules by chance (and not every order, and {SCHEDULES :,d})")
  (.add-argument parser "--first" :type int :metavar "SEED"
    :default (if (os.environ.get "CI") 0 (int (time.time)))
    :help "the seed of the first of them; else by the clock, and 0 in CI")
  (.add-argument parser "--seed" :type int :help "run this schedule, and tell what happens")
  (.add-argument parser "--network" :choices (list SMALL) :metavar "NAME"
    :help "every order of events in this small network")
  (.add-argument parser "--plan" :type json.loads :metavar "JSON" :help "the plan of a network, and")
  (.add-argument parser "--choices" :type numbers :default [] :metavar "N,N" :help "what to choose there")
  (.add-argument parser "--brief" :action "store_true" :help "as in small networks")
  (.add-argument parser "--defect" :choices (list DEFECTS) :metavar "TEXT" :help "with this defect")
  (.parse-args parser))

(defn numbers [text]
  (lfor  number (.split text ",")  (int number)))


;; On every processor. A process returns the plan, the choices and the manner of what
;; fails; the error itself would not travel.

(defn workers []
  (.Pool (multiprocessing.get-context "fork") (os.cpu-count) frugal))

(defn frugal []
  (gc.freeze)
  (gc.set-threshold GARBAGE 20 20))

(defn explore [names world]
  "Every order of events in these small networks; answers 1 if something fails."
  (print f"Every order of events in {(len names)} small networks" :flush True)
  (setv start (time.monotonic)  states 0  orders 0)
  (with [pool (workers)]
    (for [[name n ways seconds failure]
          (.imap-unordered pool explored (lfor  name names  #(name world.defect)))]
      (when failure
        (print name)
        (return (tell (replay #* (cut failure 2) world :brief True))))
      (+= states n)
      (+= orders ways)
      (print f"{n :9,d} states {ways :26,d} orders {seconds :6.1f} s  {name}" :flush True)))
  (print f"{states :9,d} states {orders :26,d} orders {(- (time.monotonic) start) :6.1f} s" :flush True)
  0)

(defn explored [job]
  (setv [name defect] job
        start (time.monotonic))
  (try
    (setv [n ways] (exhaust (get SMALL name) (.get DEFECTS defect World)))
    #(name n ways (- (time.monotonic) start) None)
    (except [e Failure]
      #(name 0 0 0 #(e.plan e.choices)))))

(defn run-by-chance [first schedules world]
  "Schedules of large networks; answers 1 if something fails."
  (print f"{schedules :,d} schedules by chance, from seed {first} on" :flush True)
  (setv start (time.monotonic)
        done 0  steps 0
        jobs (lfor
          seed (range first (+ first schedules) CHUNK)
          #(seed (min CHUNK (- (+ first schedules) seed)) world.defect)))
  (with [pool (workers)]
    (for [[n more failed] (.imap-unordered pool walked jobs)]
      (when (is-not failed None)
        (return (tell-schedule failed world)))
      (+= done n)
      (+= steps more)
      (when (or (= done schedules) (< (% done SAY-EVERY) n))
        (print f"{done :9,d} schedules {steps :26,d} steps  {(- (time.monotonic) start) :6.1f} s" :flush True))))
  0)

(defn walked [job]
  (setv [first n defect] job
        world (.get DEFECTS defect World)
        steps 0)
  (for [seed (range first (+ first n))]
    (try
      (+= steps (len (run seed world)))
      (except [Failure]
        (return #(n steps seed)))))
  #(n steps None))

(defn run [seed world]
  (setv random (Random seed))
  (walk random (large random) world))


;; What is told

(defn tell-schedule [seed world]
  (print f"Schedule {seed}:")
  (try
    (setv choices (run seed world)
          random (Random seed))
    (print (story (large random) choices world))
    0
    (except [e Failure]
      (tell e))))

(defn tell [failure]
  (unless failure
    (print "All holds.")
    (return 0))
  (setv n (len failure.choices)
        failure (shrunk failure))
  (print (story failure.plan failure.choices failure.World failure.brief))
  (print f"       {failure}")
  (print f"It had {n} steps at first. Run these again with\n    {(how-to-replay failure)}")
  1)


(when (= __name__ "__main__")
  (sys.exit (main)))
