"What tests of memory share."

(import
  tracemalloc)

(defn peak-of [procedure]
  "The most memory that a call takes beyond what there was before, in bytes."
  (tracemalloc.start)
  (try
    (procedure)
    (get (tracemalloc.get-traced-memory) 1)
    (finally
      (tracemalloc.stop))))
