"Folding: equal lines of several slaves, within a short while, become one with a count.
No thread, no clock, no file."

(import
  bisect [bisect]
  collections [deque])
(eval-when-compile (require hyrule.control [unless]))


(defclass Entry []
  "What waits: ``what``, or what is counted as equal, of one slave or several."

  (defn __init__ [self number serial moment key what slave]
    (setv
      self.number number
      self.serial serial  ; of the first of them
      self.moment moment
      self.key key
      self.what what
      self.slaves [slave])))


(defclass Alike []
  "The entries of one key, in their order. A program may print one line very often."

  (defn __init__ [self]
    (setv
      self.entries []
      self.start 0))  ; those before it were taken

  (defn __bool__ [self]
    (< self.start (len self.entries)))

  (defn append [self entry]
    (.append self.entries entry))

  (defn after [self number]
    "The first with a higher number, or None."
    (setv n (bisect self.entries number self.start :key (fn [entry] entry.number)))
    (when (< n (len self.entries))
      (get self.entries n)))

  (defn drop-first [self]
    (setv (get self.entries self.start) None)
    (+= self.start 1)
    ; By halves, since each time the others move.
    (when (> (* 2 self.start) (len self.entries))
      (del (cut self.entries self.start))
      (setv self.start 0))))


(defclass Folding []
  "Each slave's lines stay in their order. ::

    (setv f (Folding))
    (.put f 1 0.0 \"key\" \"hello\" \"a\")
    (.put f 2 0.1 \"key\" \"hello\" \"b\")
    (.put f 3 0.1 \"key\" \"hello\" \"a\")
    (lfor  e (.take f :until 0.0)  #(e.what e.slaves))  ; => [#(\"hello\" [\"a\" \"b\"])]
    (lfor  e (.take f)  #(e.what e.slaves))             ; => [#(\"hello\" [\"a\"])]"

  (defn __init__ [self]
    (setv
      self.entries (deque)  ; in the order in which they came
      self.alike {}         ; key -> those among them, an `Alike`
      self.last {}          ; slave -> the number of the last one that it has a part in
      self.count 0))

  (defn put [self serial moment key what slave]
    "What has the same ``key`` is equal; with None, it is equal to nothing."
    (setv alike (when key (.get self.alike key))
          entry (when alike (.after alike (.get self.last slave -1))))
    (if entry
      (.append entry.slaves slave)
      (do
        (setv entry (Entry self.count serial moment key what slave))
        (+= self.count 1)
        (.append self.entries entry)
        (when key
          (unless alike
            (setv alike (Alike)
                  (get self.alike key) alike))
          (.append alike entry))))
    (setv (get self.last slave) entry.number))

  (defn take [self [until None] [serial 0]]
    "The entries that began no later than the moment ``until``, or whose serial is no
    higher; with neither, all."
    (setv taken [])
    (while (and self.entries (or (is until None)
             (<= (. (get self.entries 0) moment) until)
             (<= (. (get self.entries 0) serial) serial)))
      (setv entry (.popleft self.entries))
      (.append taken entry)
      (when entry.key
        (setv alike (get self.alike entry.key))
        (.drop-first alike)
        (unless alike
          (del (get self.alike entry.key)))))
    (unless self.entries
      (.clear self.last))
    taken)

  (defn first [self]
    "The first of those that wait, or None."
    (when self.entries
      (get self.entries 0))))
