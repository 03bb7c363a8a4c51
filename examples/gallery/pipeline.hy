"A pipeline of three kinds of slaves, told apart by labels. The most tangled functions of
Python's standard library are found, and kept in a database.

Run it with: hy examples/gallery/pipeline.hy

    disk ──text──▶ cpu, cpu, … ──numbers──▶ store

One slave is near the disk, some have processors to spare, one holds the database, an
SQLite connection in its table that nobody else could use. Each file is a coroutine of
the master's, which awaits one promise after the other; the label says who may work on
it, `:on \"cpu\"`. Between machines, the labels are those that slaves were started with:
hy -m dpfw.slave --label cpu."

(import
  argparse
  asyncio
  pathlib [Path]
  sysconfig
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

(setv AHEAD 8)  ; files on their way, for each slave with the label cpu

;; What slaves do

(dpfw-import
  ast
  dpfw.slave [dpfw-slave-ht]
  dpfw.srfi-69 [hash-table-exists? hash-table-ref hash-table-set!]
  os
  pathlib [Path]
  sqlite3
  time
  warnings)

(dpfw-defn text-of [path]
  (.read-text (Path path) :encoding "utf-8" :errors "replace"))

(dpfw-defn branches [node]
  "In how many places it can go one way or another."
  (sum (gfor
    part (ast.walk node)
    (cond
      (isinstance part #(ast.If ast.IfExp ast.For ast.While ast.ExceptHandler ast.comprehension)) 1
      (isinstance part ast.BoolOp) (- (len part.values) 1)
      True 0))))

(dpfw-defn measure [text]
  "The functions of a file: name, line, branches."
  (try
    (with [_ (warnings.catch-warnings)]
      (warnings.simplefilter "ignore")  ; of what the file's authors did
      (lfor
        node (ast.walk (ast.parse text))
        :if (isinstance node #(ast.FunctionDef ast.AsyncFunctionDef))
        [node.name node.lineno (branches node)]))
    (except [[SyntaxError ValueError]]
      [])))

(dpfw-defn database []
  (setv table (dpfw-slave-ht))
  (when (not (hash-table-exists? table 'database))
    (setv db (sqlite3.connect ":memory:" :check-same-thread False))
    (.execute db "CREATE TABLE functions (file, name, line, branches)")
    (hash-table-set! table 'database db))
  (hash-table-ref table 'database))

(dpfw-defn store [path functions]
  (.executemany (database) "INSERT INTO functions VALUES (?, ?, ?, ?)"
    (lfor  function functions  [path #* function]))
  (len functions))

(dpfw-defn timed [f #* arguments]
  "What f gives, and who worked from when to when."
  (setv start (time.time))
  [(f #* arguments) [(os.getpid) start (time.time)]])

;; What the master does

(defn library [n]
  "The first n files of the standard library."
  (setv root (Path (sysconfig.get-path "stdlib")))
  (cut (sorted (gfor
    path (.rglob root "*.py")
    :if (not-in "site-packages" path.parts)
    (str path))) n))

(defn :async through [path gate spans]
  "A file's way through all three; how many functions were stored."
  (defn :async stage [label remote]
    (setv [result span] (await (dpfw-make-task remote read-result :on label)))
    (.append spans [label #* span])
    result)
  (with [:async _ gate]
    (setv text (await (stage "disk" `(fn [i o] (timed text-of ~path))))
          functions (await (stage "cpu" `(fn [i o] (timed measure ~text)))))
    (await (stage "store" `(fn [i o] (timed store ~path ~functions))))))

(defn :async run [paths cpus]
  "All files; the number of functions, and who worked when."
  (setv gate (asyncio.Semaphore (* AHEAD cpus))
        spans []
        numbers (await (asyncio.gather #* (gfor  path paths  (through path gate spans)))))
  [(sum numbers) spans])

(defn worst [n]
  "The functions with the most branches, from the one slave that has the database."
  (force (dpfw-make-task
    `(fn [i o]
       (lfor  row (.execute (database) "SELECT branches, name, file, line FROM functions ORDER BY branches DESC, file, line LIMIT ?" [~n])
         (list row)))
    read-result :on "store")))

(defn start-slaves [cpus]
  (dpfw-launch 1 :labels ["disk"])
  (dpfw-launch cpus :labels ["cpu"])
  (dpfw-launch 1 :labels ["store"]))

(defn main []
  (setv parser (argparse.ArgumentParser :description "A pipeline of three kinds of slaves"))
  (.add-argument parser "--size" :type int :default 400 :help "files")
  (.add-argument parser "--slaves" :type int :default 2 :help "with the label cpu")
  (.add-argument parser "--picture" :type Path :help "a file for it")
  (setv options (.parse-args parser))
  (when options.picture
    (import pictures))  ; or say now that it cannot
  (start-slaves options.slaves)
  (setv [functions spans] (asyncio.run (run (library options.size) options.slaves)))
  (print f"{functions} functions are stored; those with the most branches:")
  (for [[n name path line] (worst 5)]
    (print f"{n :>5}  {name :<24} {(. (Path path) name)}:{line}"))
  (when options.picture
    (pictures.draw-lanes spans options.picture))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
