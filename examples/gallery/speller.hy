"An expensive model, learned once by each slave, and asked many times.

Run it with: hy examples/gallery/speller.hy

The model knows how often each word stands in the sources of Python's standard library.
To learn it takes seconds; to ask it what somebody meant by \"dictoinray\", some
milliseconds. So it stays where it is: in the slave's table, `dpfw-slave-ht`, which
lasts as long as the slave's process. A slave that joins later learns it with the first
question that reaches it."

(import
  argparse
  random [Random]
  pathlib [Path]
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

(setv FILES 1500)  ; that a model is learned from

;; What slaves do

(dpfw-import
  collections [Counter]
  dpfw.slave [dpfw-slave-ht]
  dpfw.srfi-69 [hash-table-exists? hash-table-ref hash-table-set!]
  os
  pathlib [Path]
  re
  string [ascii-lowercase]
  sysconfig
  time [perf-counter])

(dpfw-defn learn [files]
  "A model: how often each word stands in so many files."
  (setv root (Path (sysconfig.get-path "stdlib"))
        model (Counter))
  (for [path (cut (sorted (gfor
                    path (.rglob root "*.py")
                    :if (not-in "site-packages" path.parts)
                    path)) files)]
    (.update model (re.findall "[a-z]+" (.lower (.read-text path :encoding "latin-1")))))
  model)

(dpfw-defn slips [word]
  "All texts that are one slip away: a letter too few, too many, another, or two swapped."
  (setv found #{})
  (for [k (range (+ 1 (len word)))]
    (setv before (cut word k)  after (cut word k None))
    (.add found (+ before (cut after 1 None)))
    (.add found (+ before (cut after 1 2) (cut after 1) (cut after 2 None)))
    (for [c ascii-lowercase]
      (.add found (+ before c after))
      (.add found (+ before c (cut after 1 None)))))
  found)

(dpfw-defn correct [model word]
  "The commonest word that is at most two slips away, and as few as may be."
  (setv near (slips word))
  (for [texts [[word] near (gfor  text near  further (slips text)  further)]]
    (setv known (sfor  text texts  :if (in text model)  text))
    (when known
      (return (max known :key (fn [text] #((get model text) text))))))
  word)

(dpfw-defn answer [word files]
  "Here the model comes from the table. Who answered, what, and the seconds it took."
  (setv start (perf-counter)
        table (dpfw-slave-ht))
  (when (not (hash-table-exists? table 'model))
    (hash-table-set! table 'model (learn files)))
  [(os.getpid) (correct (hash-table-ref table 'model) word) (- (perf-counter) start)])

;; What the master does

(defn typos [n]
  "Pairs of a word of Python's documentation and the same with a slip, sometimes two."
  (import pydoc-data.topics [topics])
  (setv random (Random 1)
        words (sorted (set (re.findall r"\b[a-z]{8,11}\b" (.join " " (.values topics))))))
  (lfor
    word (.choices random words :k n)
    #(word (slip random (if (< (random.random) 0.25) (slip random word) word)))))

(defn slip [random word]
  (.choice random (sorted (slips word))))

(defn ask [words files]
  (dpfw-map answer words (* [files] (len words)) :chunk-size 1))

(defn main []
  (setv parser (argparse.ArgumentParser :description "A corrector of spelling"))
  (.add-argument parser "--size" :type int :default 200 :help "questions")
  (.add-argument parser "--files" :type int :default FILES :help "to learn from")
  (.add-argument parser "--slaves" :type int :default 2)
  (.add-argument parser "--picture" :type Path :help "a file for it")
  (setv options (.parse-args parser))
  (when options.picture
    (import pictures))  ; or say now that it cannot
  (dpfw-launch options.slaves)
  (setv [words misspelt] (zip #* (typos options.size))
        answers (ask misspelt options.files)
        right (sum (gfor  [word [_ got _]] (zip words answers)  (= word got))))
  (for [[wrong [_ got _]] (cut (list (zip misspelt answers)) 5)]
    (print f"{wrong :<14}{got}"))
  (print f"{right} of {options.size} as they were meant, by"
         (len (sfor  [pid _ _] answers  pid)) "slaves")
  (when options.picture
    (pictures.draw-answers answers options.picture))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
