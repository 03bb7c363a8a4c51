"What stays on a slave: a generator of numbers in its hash table.

Run it with: hy examples/generator.hy"

(import
  dpfw.launch [dpfw-launch]
  dpfw.master *)

(dpfw-launch 2)

;; The tables of two slaves are two tables, so each task names the slave.
(setv slave (dpfw-get-slave))
(force (dpfw-make-task
  `(fn [i o]
     (hash-table-update!/default (dpfw-slave-ht) 'uniqID values
       (let [n 0] (fn [] (nonlocal n) (+= n 1) n)))
     True)
  read-result slave))

(defn next-number []
  (force (dpfw-make-task `(fn [i o] ((hash-table-ref (dpfw-slave-ht) 'uniqID))) read-result slave)))

(print (next-number))  ; => 1
(print (next-number))  ; => 2

(dpfw-close)
