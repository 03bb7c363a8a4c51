"Data to text and back."

(import
  json
  random
  dpfw.data.sexp [read-datum write-datum]
  bench.figure [figure]
  bench.measure [interleaved trips])

(setv
  NUMBERS 1,000,000
  DICTS 100,000)


(defn ints [rounds]
  (setv source (random.Random 1))
  (both-ways f"a list of {NUMBERS :,} integers"
    (lfor  _ (range NUMBERS)  (.randrange source 1,000,000,000))
    2 rounds))

(defn floats [rounds]
  (setv source (random.Random 1))
  (both-ways f"a list of {NUMBERS :,} floats"
    (lfor  _ (range NUMBERS)  (.random source))
    2 rounds))

(defn dicts [rounds]
  (both-ways f"a list of {DICTS :,} dicts of three strings each"
    (lfor  n (range DICTS)  {"id" (str n)  "name" f"name of {n}"  "kind" "small"})
    8 rounds))

(defn both-ways [title x target rounds]
  (figure f"{title}, written as text and read again" "s"
    (interleaved {
      "write-datum, read-datum" (trips (fn [] (read-datum (write-datum x))) x 1)
      "json.dumps, json.loads" (trips (fn [] (json.loads (json.dumps x))) x 1)}
      rounds)
    {"json.dumps, json.loads" target}))
