"How many items a chunk has, by what those before it took.

A chunk should take long enough that the way to the slave and back is nothing
beside it, and be short enough that the slaves end together. The first are so small
a part of all items that it does not matter what they cost, which nobody knows."

(import
  math [ceil])
(eval-when-compile (require hyrule.control [unless]))

(setv
  TARGET 0.05     ; seconds that a chunk should take on a slave
  LEAST 0.002     ; seconds that are long beside a round trip
  GROWTH 16       ; a chunk has at most so many times the items of one that was done
  FIRST 500       ; the first chunk is such a part of a slave's share of the items,
  MOST-FIRST 2000 ; but no longer
  MOST 65,536     ; items: what is worth less than a microsecond each, fills memory
  CLEARLY 4       ; so many times as many items as before tell better what one costs
  PASSES 4        ; chunks of its slaves that a branch of a tree is given at once
  SHARES 2        ; so many more chunks of this size could each slave still have
  SHORTEST 1e-8)  ; seconds for an item, where the clock shows none


(defclass Pace []
  "The sizes of chunks: ``fixed`` items, or by measurement. ``total`` is the
  number of all items, or None where nobody knows it. ``weight`` is how many slaves work
  on one chunk, as those of a branch do."

  (defn __init__ [self [fixed None] [total None] [weight 1]]
    (when (and (is-not fixed None) (not (and (is (type fixed) int) (> fixed 0))))
      (raise (ValueError f"the chunk size is {fixed !r}; give a number of items, at least 1")))
    (setv
      self.fixed fixed
      self.total total
      self.weight weight
      self.passes (if (> weight 1) PASSES 1)
      self.cost None     ; seconds for an item, lately
      self.largest 0))   ; items in a chunk that was done

  (defn size [self taken slaves]
    "Of the next chunk, when so many items are taken already."
    (cond
      (and self.fixed (= self.weight 1)) self.fixed
      self.fixed (.whole self taken slaves)
      (is self.cost None) (.first self slaves)
      True (min (.wanted self taken slaves) (* GROWTH self.largest))))

  (defn whole [self taken slaves]
    "So many chunks of the fixed size that each slave of a branch has some; towards the end,
    one."
    (setv chunks (* self.weight self.passes))
    (unless (is self.total None)
      (setv share (ceil (/ (- self.total taken) self.fixed slaves))
            chunks (min chunks (max self.weight share))))
    (* self.fixed chunks))

  (defn first [self slaves]
    (max 1 (min (* MOST-FIRST self.weight) (// (or self.total 0) (* FIRST slaves)))))

  (defn wanted [self taken slaves]
    (setv n (/ (* TARGET self.passes) self.cost))
    (unless (is self.total None)
      ; Towards the end, ever smaller ones keep the slaves level.
      (setv share (/ (- self.total taken) (* SHARES slaves))
            n (min n (max share (/ LEAST self.cost)))))
    (max 1 (min (* MOST self.weight) (ceil n))))

  (defn note [self items seconds]
    "A chunk of so many items took so long."
    (setv cost (max (/ seconds items) SHORTEST)
          self.cost (if (>= items (* CLEARLY self.largest)) cost (/ (+ self.cost cost) 2))
          self.largest (max self.largest items))))
