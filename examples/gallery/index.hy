"A search engine for Python's standard library: an inverted index over its docstrings,
each slave with a part of it, asked by all at once.

Run it with: hy examples/gallery/index.hy

Every docstring is a document. A slave reads files, and keeps in its table, for each
word, the documents that have it and how often. The index is never in one place: a
question goes to every slave, each gives its best, and the master takes the best of
these. What a word is worth depends on all documents, so that is asked first."

(import
  argparse
  heapq [nlargest]
  sysconfig
  time [perf-counter]
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

;; What slaves do

(dpfw-import
  ast
  collections [Counter defaultdict]
  dpfw.slave [dpfw-slave-ht]
  heapq [nlargest]
  math
  pathlib [Path]
  re
  warnings)

(dpfw-defn words [text]
  (re.findall "[a-z0-9]+" (.lower text)))

(dpfw-defn docstrings [path module]
  "Names and docstrings of a file's module, classes and functions."
  (defn below [node name]
    (setv text (ast.get-docstring node))
    (when text
      (yield [name text]))
    (for [child node.body]
      (when (isinstance child #(ast.ClassDef ast.FunctionDef ast.AsyncFunctionDef))
        (yield :from (below child f"{name}.{child.name}")))))
  (try
    (with [_ (warnings.catch-warnings)]
      (warnings.simplefilter "ignore")  ; of what the file's authors did
      (list (below (ast.parse (.read-bytes (Path path))) module)))
    (except [[SyntaxError ValueError]]
      [])))

(dpfw-defn index-files [files]
  "Documents by name, with a first line and a length, and for each word its documents."
  (setv documents {}  postings (defaultdict dict))
  (for [[path module] files
        [name text] (docstrings path module)]
    (setv counts (Counter (words f"{name} {text}"))
          (get documents name) [(get (.splitlines text) 0) (.total counts)])
    (for [[word n] (.items counts)]
      (setv (get postings word name) n)))
  [documents postings])

(dpfw-defn keep [files]
  "Index files into this slave's table; how many documents and postings that adds."
  (setv [documents postings] (index-files files)
        table (dpfw-slave-ht))
  (.update (.setdefault table 'documents {}) documents)
  (for [[word found] (.items postings)]
    (.update (.setdefault (.setdefault table 'postings {}) word {}) found))
  [(len documents) (sum (map len (.values postings)))])

(dpfw-defn best [weights n]
  "The n best documents of this slave, for words with their weights."
  (setv scores (Counter)
        documents (.get (dpfw-slave-ht) 'documents {})
        postings (.get (dpfw-slave-ht) 'postings {}))
  (for [[word weight] (.items weights)
        [name times] (.items (.get postings word {}))]
    (+= (get scores name) (/ (* weight (+ 1 (math.log times)))
                             (math.sqrt (+ 20 (get documents name 1))))))
  (lfor  [name score] (nlargest n (.items scores) :key (fn [item] (cut item None None -1)))
    [score name (get documents name 0)]))

;; What the master does

(setv WIDTH 98)  ; of what is shown, in characters

(defn shares [[n None]]
  "The first n files of the library, with their modules' names, in shares of about 30."
  (setv root (Path (sysconfig.get-path "stdlib"))
        files (cut (sorted (gfor
          path (.rglob root "*.py")
          :setv parts (. (.with-suffix (.relative-to path root) "") parts)
          :if (not (& (set parts) #{"site-packages" "test" "tests" "idlelib"}))
          [(str path) (.join "." (gfor  part parts  :if (!= part "__init__")  part))])) n)
        shares (+ 1 (// (len files) 30)))
  (lfor  k (range shares)  (cut files k None shares)))

(defn index [shares]
  "Have it indexed; the numbers of documents and of postings."
  (lfor  numbers (zip #* (dpfw-map keep shares :chunk-size 1))  (sum numbers)))

(defn search [question documents [n 4]]
  "The n best documents: [score name first-line]."
  (setv words (list (set (re.findall "[a-z0-9]+" (.lower question))))
        have (dpfw-broadcast `(fn [i o]
          (lfor  word ~words  (len (.get (.get (dpfw-slave-ht) 'postings {}) word {}))))))
  (setv weights (dfor
    [word #* numbers] (zip words #* have)
    :if (any numbers)
    word (math.log (+ 1 (/ documents (sum numbers))))))
  (nlargest n (sum (dpfw-broadcast `(fn [i o] (best ~weights ~n))) [])))

(defn main []
  (setv parser (argparse.ArgumentParser :description "Searches the docstrings of Python's library"))
  (.add-argument parser "--size" :type int :help "files; all if not given")
  (.add-argument parser "--slaves" :type int :default 2)
  (setv options (.parse-args parser))
  (dpfw-launch options.slaves)
  (setv start (perf-counter)
        [documents postings] (index (shares options.size)))
  (print f"{documents} docstrings, {postings} postings, on {options.slaves} slaves, in {(- (perf-counter) start) :.1f} s")
  (print "What do you look for? (Ctrl-D ends)")
  (while True
    (try
      (setv question (input "? "))
      (except [EOFError]
        (print)
        (break)))
    (setv start (perf-counter)
          found (search question documents))
    (for [[score name line] found]
      (print (cut f"{score :6.2f}  {name :<32}  {line}" WIDTH)))
    (print f"{(len found)} in {(* 1000 (- (perf-counter) start)) :.1f} ms"))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
