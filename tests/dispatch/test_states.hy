"The tables of states are whole: every state can be reached, and the ends are ends."

(import
  pytest
  dpfw.dispatch.states [advance Fault OPEN SESSION TASK]
  dpfw.dispatch.session [Session]
  dpfw.dispatch.task [Task]
  tests.helpers [holds message])
(require hyrule.control [unless])

(setv TABLES {"session" SESSION  "task" TASK})

(defn new-session []
  (Session None None))

(defn new-task []
  (Task None))

(setv
  NEW {"session" new-session  "task" new-task}
  LAST {"session" #{"lost"}  "task" #{"ended"}}
  each-table (pytest.mark.parametrize "name" TABLES))

(defn reached [table state]
  "All states that can follow this one, and it."
  (setv states #{state}
        todo [state])
  (while todo
    (for [following (.values (get table (.pop todo)))]
      (unless (in following states)
        (.add states following)
        (.append todo following))))
  states)

(defn [each-table] test-every-state-that-follows-is-in-the-table [name]
  (setv table (get TABLES name)
        following (sfor  events (.values table)  state (.values events)  state))
  (holds (- following (set table)) (set)))

(defn [each-table] test-every-state-is-reached-from-the-first [name]
  (setv table (get TABLES name)
        first (. ((get NEW name)) state))
  (holds (reached table first) (set table)))

(defn [each-table] test-every-state-leads-to-the-last-which-leads-nowhere [name]
  (setv table (get TABLES name))
  (holds (sfor  [state events] (.items table)  :if (not events)  state) (get LAST name))
  (for [state table]
    (assert (<= (get LAST name) (reached table state)) state)))

(defn [each-table] test-what-has-no-place-in-the-table-is-a-fault [name]
  (setv table (get TABLES name)
        events (sfor  row (.values table)  event row  event))
  (for [state table]
    (for [event #{#* (- events (set (get table state)))  "no such event"}]
      (setv thing ((get NEW name))
            thing.state state)
      (with [raised (pytest.raises Fault)]
        (advance thing table event))
      (message raised state event)
      (holds thing.state state))))

(defn [each-table] test-what-has-a-place-changes-the-state [name]
  (for [[state events] (.items (get TABLES name))
        [event following] (.items events)]
    (setv thing ((get NEW name))
          thing.state state)
    (advance thing (get TABLES name) event)
    (holds thing.state following)))

(defn test-a-task-is-open-until-its-promise-ends []
  "An open task is in a state that the stop of its promise changes; nothing opens it again."
  (holds OPEN (sfor  [state events] (.items TASK)  :if (in "stopped" events)  state))
  (for [state (- (set TASK) OPEN)]
    (holds (& OPEN (reached TASK state)) (set))))

(defn test-a-lost-session-can-be-lost-in-every-state-but-once []
  (for [[state events] (.items SESSION)]
    (holds (in "hung-up" events) (!= state "lost"))))
