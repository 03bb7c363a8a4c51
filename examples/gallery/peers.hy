"The same work by slaves and by a ProcessPoolExecutor, for the times of the gallery. What
is computed is the same function; what is handed out is as coarse on both sides."

(import
  functools [partial]
  sqlite3
  dpfw.launch [dpfw-launch])

;; Each is [sizes slaves' pool's]: a small size to warm up with, and the one that is
;; measured; a function of a size; and one of a pool, its processes and a size.

(defn mandelbrot []
  (import mandelbrot [frame-rows row zoom])
  [[2 4]
   (fn [frames] (zoom frames 160))
   (fn [pool n frames]
     (setv jobs (lfor  k (range frames)  job (frame-rows k 160)  job)
           rows (list (.map pool row #* (zip #* jobs) :chunksize 8)))
     (lfor  k (range 0 (len rows) 120)  (cut rows k (+ k 120))))])

(defn pi []
  (import pi [BATCH estimate hits pi-of])
  [[8 90]
   pi-of
   (fn [pool n batches]
     (estimate (sum (.map pool hits (range batches) (* [BATCH] batches))) (* BATCH batches)))])

(defn parameters []
  (import parameters [accuracies grid on-slaves])
  [[2 3]
   (fn [n] (.tolist (.flatten (accuracies (on-slaves n) n))))
   (fn [pool processes n]
     (setv pairs (lfor  C (get (grid n) "C")  gamma (get (grid n) "gamma")  [C gamma]))
     (list (.map pool accuracy #* (zip #* pairs))))])

(defn accuracy [C gamma]
  (import
    parameters [FOLDS]
    sklearn.datasets [load-digits]
    sklearn.model-selection [cross-val-score]
    sklearn.svm [SVC])
  (setv [images digits] (load-digits :return-X-y True))
  (float (.mean (cross-val-score (SVC :C C :gamma gamma) images digits :cv FOLDS))))

(defn index []
  (import collections [defaultdict]  index [index index-files shares])
  [[60 400]
   (fn [files] (index (shares files)))
   (fn [pool n files]
     ; A process of a pool keeps nothing that could be asked for later, so all of the
     ; index comes here.
     (setv documents 0  all-postings (defaultdict dict))
     (for [[more postings] (.map pool index-files (shares files))]
       (+= documents (len more))
       (for [[word found] (.items postings)]
         (.update (get all-postings word) found)))
     [documents (sum (map len (.values all-postings)))])])

(defn speller []
  (import speller [ask typos])
  (setv files 200)
  (defn words [n]
    (lfor  [_ typo] (typos n)  typo))
  [[40 60]
   (fn [n] (lfor  [_ word _] (ask (words n) files)  word))
   (fn [pool processes n] (list (.map pool (partial answer :files files) (words n))))])

(setv model None)  ; of a process of a pool

(defn answer [word files]
  (global model)
  (import speller [correct learn])
  (when (is model None)
    (setv model (learn files)))
  (correct model word))

(defn travel []
  (import travel [beginnings greedy shortest table])
  [[8 14]
   (fn [n] (get (shortest (table n)) 0))
   (fn [pool processes n]
     (setv distances (table n)
           best (get (greedy distances) 0))
     (min (.map pool (partial shortest-of :distances distances :best best) (beginnings n))))])

(defn shortest-of [trip distances best]
  "Nothing can be told to it, or by it, while it runs."
  (import travel [explore])
  (setv found best)
  (explore trip distances best (fn [news]
    (nonlocal found)
    (setv found (get news 0))
    found))
  found)

(defn pipeline []
  (import asyncio  pipeline [library measure run text-of])
  [[40 200]
   (fn [files] (get (asyncio.run (run (library files) cpus)) 0))
   (fn [pool processes files]
     ; The third kind is this process, which has the database.
     (setv database (sqlite3.connect ":memory:")
           paths (library files)
           n 0)
     (.execute database "CREATE TABLE functions (file, name, line, branches)")
     (for [[path functions] (zip paths (.map pool measure (.map disk text-of paths)))]
       (.executemany database "INSERT INTO functions VALUES (?, ?, ?, ?)"
         (gfor  function functions  [path #* function]))
       (+= n (len functions)))
     (.close database)
     n)])

(setv
  disk None  ; the pipeline's first pool, of one process
  cpus 1)    ; and how many slaves have its second label

(defn start-slaves [name n]
  (global cpus)
  (if (= name "pipeline")
    (do
      (import pipeline)
      (setv cpus n)
      (pipeline.start-slaves n))
    (dpfw-launch n)))

(setv WORKS {
  "mandelbrot" mandelbrot
  "parameters" parameters
  "index" index
  "pi" pi
  "speller" speller
  "travel" travel
  "pipeline" pipeline})
