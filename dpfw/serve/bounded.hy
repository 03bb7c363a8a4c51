"Dicts that forget, so that what a process keeps for later has an end."

(defclass Bounded [dict]
  "Forgets its oldest entries when there are more than ``most``, or when they take
  more than ``room`` bytes together. ``forget`` is called with the key of each. ::

    (setv d (Bounded :most 2 :room 100))
    (for [key \"abc\"] (.keep d key 1 :size 10))
    (list d)  ; => [\"b\" \"c\"]"

  (defn __init__ [self most room [forget None]]
    (setv
      self.most most
      self.room room
      self.forget forget
      self.sizes {}
      self.taken 0))

  (defn keep [self key value size]
    "Set an entry that takes so many bytes. Answers False, and does not, when there
    is no room even for it alone."
    (when (in key self)
      (.drop self key))
    (when (> size self.room)
      (return False))
    (setv (get self key) value
          (get self.sizes key) size)
    (+= self.taken size)
    (while (or (> (len self) self.most) (> self.taken self.room))
      (.drop self (next (iter self))))
    True)

  (defn drop [self key]
    (del (get self key))
    (-= self.taken (.pop self.sizes key))
    (when self.forget
      (self.forget key)))

  (defn clear [self]
    (for [key (list self)]
      (.drop self key))))
