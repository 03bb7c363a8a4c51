"A chunk of a call over a collection, as its master sees it: what is sent of its items,
what its slave made of them, and which items an error is about."

(import
  re
  dpfw.data.codec [decode]
  dpfw.dispatch.play [described]
  dpfw.errors [RemoteError SlaveLost UnwritableError WireError]
  dpfw.task.chunks [first-unwritable unwritable]
  dpfw.task.remote [as-value])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PLACE (re.compile rb"([0-9]{1,18})\n")
  MOST-SECONDS 1e9)  ; that a chunk may have taken


(defclass Chunk []
  "Items that are a task. ``numbers`` is how errors call them, if not by their place
  among all items; ``returned`` says whether an item's error is in the place of its
  result."

  (defn __init__ [self start numbers returned]
    (setv
      self.start start
      self.numbers numbers
      self.returned returned
      self.size None
      self.refused {}     ; place -> the error of an item that cannot be sent
      self.task None      ; while it has not ended: they refer to each other
      self.results None
      self.error None))

  (defn sent [self]
    "The places of the items that are sent."
    (if self.refused
      (lfor  n (range self.size)  :if (not-in n self.refused)  n)
      (range self.size)))

  (defn number [self place]
    (setv n (+ self.start place))
    (if self.numbers
      (get self.numbers n)
      n))

  ;; What is sent

  (defn value-of [self columns]
    "Columns of items as a value beside the remote."
    (setv self.size (len (get columns 0))
          self.refused {})
    (try
      (as-value (list columns))
      (except [e UnwritableError]
        (setv items (if (= (len columns) 1) (get columns 0) (zip #* columns)))
        (unless self.returned
          (raise (.about-item self #* (first-unwritable items e 2))))
        (setv self.refused (dfor
          [place error] (unwritable items 2)
          place (.about-item self place error)))
        (unless self.refused  ; it was unwritable only a moment ago
          (raise))
        (as-value (lfor  column columns
          (lfor  [place x] (enumerate column)  :if (not-in place self.refused)  x))))))

  (defn about-item [self place error]
    (setv about ((type error) f"item {(.number self place)}: {error}"))
    (setv about.__cause__ error.__cause__)
    about)

  ;; What came of it

  (defn give-error [self error]
    "No slave has answered; this is what came of each item."
    (setv self.results (* [error] self.size)))

  (defn take [self answer task wanted]
    "Take what its slave has answered to the task; ``wanted`` is how many results it
    must have. Returns the seconds that it took."
    (setv [told seconds] (map decode answer))
    (unless (is (type told) list)
      (raise (WireError "a slave answered a chunk with what is no list of results")))
    (unless (and (in (type seconds) [int float]) (<= 0 seconds MOST-SECONDS))
      (raise (WireError "a slave answered a chunk with what can be no seconds that it took")))
    (setv results (if self.returned (.with-errors self told task) told))
    (when (!= (len results) wanted)
      (raise (WireError
        f"a slave answered {self.size} items with {(len results)} results, not {wanted}")))
    (setv self.results results)
    seconds)

  (defn with-errors [self told task]
    "The results, with the errors of those items that failed, or were not sent."
    (unless (well-told? told)
      (raise (WireError "a slave answered a chunk with errors of no items of it")))
    (setv [results places errors] told
          sent (.sent self))
    (for [[place payload] (zip places errors)]
      (setv error (described payload task.session.connection task))
      (when (< place (len sent))
        (setv error.index (.number self (get sent place))))
      (setv (get results place) (if (isinstance error SlaveLost) (.about-items self error) error)))
    (for [place (sorted self.refused)]
      (.insert results place (get self.refused place)))
    results)

  (defn about-items [self error]
    "The error, which says which items it concerns."
    (setv about (cond
      (and (isinstance error SlaveLost) self.size) (.about-lost self error)
      ; Of its text.
      (and (is (type error) OverflowError) self.size) (OverflowError
        f"item {(.number self 0)}: {error}")))
    (if about
      (do
        (setv about.__cause__ error)
        about)
      error))

  (defn about-lost [self error]
    "Of a slave that was lost; what a head tells of one of its own has the places of its items."
    (setv [first last] (or (getattr error "places" None) [0 (- self.size 1)])
          about (SlaveLost f"items {(.number self first)} to {(.number self last)}: {error}")
          about.places [(.number self first) (.number self last)])
    about))


(defn well-told? [told]
  "Are these results, the places of errors among them, and the errors?"
  (and (= (list (map type told)) [list list list])
       (= (len (get told 1)) (len (get told 2)))
       (all (gfor  place (get told 1)  (and (is (type place) int) (< -1 place (len (get told 0))))))
       (all (gfor  error (get told 2)  (is (type error) bytes)))))


(defclass ChunkReader []
  "What a slave writes of a chunk: as it came, for whoever takes the results. Each
  task of a chunk has one."

  (setv sated False)

  (defn __init__ [self chunk]
    (setv self.chunk chunk
          self.pieces []))

  (defn feed [self data]
    (.append self.pieces data)
    False)

  (defn value [self payload]
    #((.join (bytearray) self.pieces) payload))

  (defn failed [self error]
    "If it was an item that failed, the remote wrote its place, and nothing else."
    (setv place (PLACE.fullmatch (.join b"" self.pieces))
          sent (.sent self.chunk))
    (when (and place (isinstance error RemoteError)
               (< (int (get place 1)) (len sent)))
      (setv error.index (.number self.chunk (get sent (int (get place 1))))))
    error)

  (defn apart [self]
    False))
