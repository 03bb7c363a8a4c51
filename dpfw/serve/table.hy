"The hash table of a slave's process: what remotes leave there stays."

(setv table {})

(defn dpfw-slave-ht []
  "This process's hash table, a dict, which stays from task to task. The
  SRFI-69 procedures use it; ``hash-table-update!`` is atomic among the tasks of
  several masters. ::

    (import dpfw.srfi-69 *)  ; in a remote, these names are there
    (hash-table-set! (dpfw-slave-ht) \"answer\" 42)
    (hash-table-ref (dpfw-slave-ht) \"answer\")  ; => 42

  Source: dpfw for CHICKEN Scheme (2006)."
  table)

(defn values [#* xs]
  "What is given, as it is: one value, or a tuple of several. As in Scheme, the
  procedure to update a table with when what it has should stay."
  (if (= (len xs) 1)
    (get xs 0)
    xs))
