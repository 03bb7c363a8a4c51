"The line gives the most urgent task that a slave may have, and of equals the first."

(import
  hypothesis [given strategies :as st]
  dpfw.dispatch.line [Line]
  dpfw.dispatch.task [Task]
  tests.helpers [holds])

(setv
  LABELS [None "a" "b"]
  a-task (st.tuples (st.sampled-from LABELS) (st.sampled-from [0 0 0 1 -1 2.5]))
  deeds (st.lists (st.one-of
    (st.tuples (st.just "add") a-task)
    (st.tuples (st.just "first") a-task)
    (st.tuples (st.just "take") (st.sampled-from [[] ["a"] ["b"] ["b" "a"] ["c"]]))
    (st.tuples (st.just "discard") (st.integers 0 20)))))

(defn next-of [waiting labels]
  "As `Line.take` should choose, of a list in which those that are first stand first."
  (setv open (lfor  task waiting  :if (in task.on [None #* labels])  task))
  (max open :key (fn [task] task.priority) :default None))

(defn [(given deeds)] test-it-is-as-a-list-that-is-searched [deeds]
  (setv line (Line)
        waiting []
        made [])
  (for [[deed what] deeds]
    (cond
      (in deed ["add" "first"]) (do
        (setv task (Task None :on (get what 0) :priority (get what 1)))
        (.append made task)
        (if (= deed "add")
          (do (.add line task) (.append waiting task))
          (do (.put-first line task) (.insert waiting 0 task))))
      (= deed "take") (do
        (setv task (next-of waiting what))
        (assert (is (.take line what) task) #(deeds what))
        (when task
          (.remove waiting task)))
      (< what (len made)) (do
        (setv task (get made what))
        (.discard line task)
        (when (in task waiting)
          (.remove waiting task))))
    (holds (list line) (sorted waiting :key (fn [task] (- task.priority))))
    (holds (len line) (len waiting))
    (holds (bool line) (bool waiting))
    (holds (sfor  task made  :if (in task line)  task) (set waiting)))
  (.clear line)
  (holds [(list line) (bool line) line.ranked] [[] False {}]))
