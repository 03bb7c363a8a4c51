"The line: tasks that wait, and which of them is next.

The most urgent is, and of equals the one that was made first. Most tasks are for any
slave and none is more urgent than another: these have a queue of their own, ``plain``,
which the dispatcher also uses itself, as long as there are no others."

(import
  bisect [bisect-left insort]
  collections [OrderedDict])
(eval-when-compile (require hyrule.control [unless]))


(defclass Line []
  "Tasks that wait for any slave, or for any with a label; or those for one slave.
  A task's ``on`` is the label, or None, and ``priority`` a number. ::

    (setv line (Line))
    (for [[name on priority] [[\"a\" None 0] [\"b\" \"gpu\" 0] [\"c\" None 1]]]
      (.add line (hy.I.dpfw/dispatch/task.Task None :name name :on on :priority priority)))
    (lfor  _ (range 3)  (getattr (.take line) \"name\" None))  ; => [\"c\" \"a\" None]
    (. (.take line [\"gpu\" \"big\"]) name)  ; => \"b\""

  (defn __init__ [self]
    (setv
      ; Tasks for any slave, of priority 0 -> their numbers, in order. Those that came
      ; when there were no others may have the same.
      self.plain (OrderedDict)
      self.ranked {}   ; label or None -> `Rank` of all others
      self.first 0     ; of the numbers, and
      self.last 0))    ; the last

  (defn add [self task]
    (when (or self.ranked task.special)
      (+= self.last 1))
    (if task.special
      (.rank self task self.last)
      (setv (get self.plain task) self.last)))

  (defn put-first [self task]
    "Before all that are as urgent."
    (-= self.first 1)
    (if task.special
      (.rank self task self.first)
      (do
        (setv (get self.plain task) self.first)
        (.move-to-end self.plain task :last False))))

  (defn rank [self task number]
    (unless (in task.on self.ranked)
      (setv (get self.ranked task.on) (Rank)))
    (.put (get self.ranked task.on) task number))

  (defn discard [self task]
    "Take a task out, if it is there."
    (if task.special
      (do
        (setv rank (.get self.ranked task.on))
        (when rank
          (.discard rank task)
          (unless rank.queues
            (del (get self.ranked task.on)))))
      (.pop self.plain task None)))

  (defn take [self [labels #()]]
    "Take out the task that is next for a slave with these labels; None if there is none."
    (setv [_ _ task] (min (.heads self labels) :default #(0 0 None)))
    (when task
      (.discard self task))
    task)

  (defn heads [self labels]
    "Of each queue that is open to such a slave, the first task, and how urgent it is:
    the less, the more so."
    (for [task self.plain]
      (yield #(0 (get self.plain task) task))
      (break))
    (when self.ranked
      (for [label [None #* labels]]
        (setv rank (.get self.ranked label))
        (when rank
          (yield (.head rank))))))

  (defn clear [self]
    (.clear self.plain)
    (.clear self.ranked))

  (defn __bool__ [self]
    (bool (or self.plain self.ranked)))

  (defn __len__ [self]
    (+ (len self.plain) (sum (map len (.values self.ranked)))))

  (defn __contains__ [self task]
    (or (in task self.plain) (any (gfor  rank (.values self.ranked)  (in task rank)))))

  (defn __iter__ [self]
    "In the order in which they would be given to a slave with all labels."
    (if self.ranked
      (gfor
        [_ _ task] (sorted
          [#* (gfor  [task n] (.items self.plain)  #(0 n task))
           #* (gfor  rank (.values self.ranked)  entry rank  entry)]
          :key (fn [entry] (cut entry 2)))
        task)
      (iter self.plain))))


(defclass Rank []
  "Tasks of several priorities."

  (defn __init__ [self]
    (setv
      self.queues {}       ; priority -> tasks -> their numbers; none is empty
      self.priorities [])) ; in order, the most urgent last

  (defn put [self task number]
    (setv queue (.get self.queues task.priority))
    (when (is queue None)
      (setv queue (OrderedDict)
            (get self.queues task.priority) queue)
      (insort self.priorities task.priority))
    (setv (get queue task) number)
    (when (< number 0)
      (.move-to-end queue task :last False)))

  (defn discard [self task]
    (setv queue (.get self.queues task.priority {}))
    (.pop queue task None)
    (unless queue
      (when (in task.priority self.queues)
        (del (get self.queues task.priority)
             (get self.priorities (bisect-left self.priorities task.priority))))))

  (defn head [self]
    (setv priority (get self.priorities -1)
          queue (get self.queues priority)
          task (next (iter queue)))
    #((- priority) (get queue task) task))

  (defn __len__ [self]
    (sum (map len (.values self.queues))))

  (defn __contains__ [self task]
    (in task (.get self.queues task.priority [])))

  (defn __iter__ [self]
    (gfor  [priority queue] (.items self.queues)  [task n] (.items queue)  #((- priority) n task))))
