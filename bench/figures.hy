"The figures, each with a function that takes it and its number of rounds."

(import
  bench [arrays bulk data endless idle mapping remotes sharing start tasks])

(setv
  QUICK 3  ; rounds, with --quick
  FIGURES {
    "round-trip" #(tasks.round-trip 15)
    "queued" #(tasks.queued 7)
    "together" #(tasks.together 9)
    "map" #(mapping.ints 15)
    "map-many" #(mapping.many-ints 7)
    "map-floats" #(mapping.floats 7)
    "map-strings" #(mapping.strings 9)
    "map-records" #(mapping.records 9)
    "map-tuples" #(mapping.tuples 9)
    "map-reduce" #(mapping.map-reduce 7)
    "endless" #(endless.endless 3)
    "millisecond" #(sharing.millisecond 7)
    "uneven" #(sharing.uneven 9)
    "unseen" #(remotes.unseen 15)
    "interpolated" #(remotes.interpolated 7)
    "data-ints" #(data.ints 9)
    "data-floats" #(data.floats 9)
    "data-dicts" #(data.dicts 9)
    "bulk" #(bulk.bulk 11)
    "array" #(arrays.array 11)
    "small-arrays" #(arrays.small-arrays 9)
    "start" #(start.start 21)
    "idle" #(idle.idle 15)})
