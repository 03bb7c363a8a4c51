"The figures, each with a function that takes it and its number of rounds."

(import
  bench [bulk data idle mapping remotes start tasks])

(setv
  QUICK 3  ; rounds, with --quick
  FIGURES {
    "round-trip" #(tasks.round-trip 15)
    "queued" #(tasks.queued 7)
    "together" #(tasks.together 9)
    "map" #(mapping.map-figure 15)
    "unseen" #(remotes.unseen 15)
    "interpolated" #(remotes.interpolated 7)
    "data-ints" #(data.ints 9)
    "data-floats" #(data.floats 9)
    "data-dicts" #(data.dicts 9)
    "bulk" #(bulk.bulk 11)
    "start" #(start.start 21)
    "idle" #(idle.idle 15)})
