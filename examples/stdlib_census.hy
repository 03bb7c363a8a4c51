"The main job: a census of Python's standard library. Slaves parse every .py
file of it and count what they find; the master adds up.

Run it with: hy examples/stdlib_census.hy
Of another folder: hy examples/stdlib_census.hy FOLDER

The files are given to the slaves in shares of about 50. A slave that is done
with one takes the next in line, so all are busy until the end. Only paths go
to the slaves, and only counts come back."

(import
  collections [Counter]
  os
  pathlib [Path]
  platform
  sys
  sysconfig
  time [perf-counter]
  dpfw.launch [dpfw-launch]
  dpfw.master *)

(setv
  LIBRARY (sysconfig.get-path "stdlib")
  FOLDER (get [#* sys.argv LIBRARY] 1)
  SHARE 50)  ; files


;; What the slaves know, before anything else reaches them

(dpfw-on-connect
  '(do
     (import
       ast
       collections [Counter]
       itertools [chain]
       pathlib [Path]
       warnings)

     (warnings.simplefilter "ignore")  ; of what the files' authors did

     (defn census [paths]
       "Counts of what these files hold, and of the files that import a module."
       (setv counts (Counter)  importers (Counter))
       (for [path paths]
         (setv source (.read-bytes (Path path)))
         (.update counts :files 1 :lines (.count source b"\n"))
         (try
           (setv nodes (list (ast.walk (ast.parse source))))
           (except [[SyntaxError ValueError]]
             (.update counts :unparsed 1))
           (else
             (.update counts (map kind nodes))
             (.update importers (set (chain.from-iterable (map imports nodes)))))))
       [counts importers])

     (defn kind [node]
       (. (type node) __name__))

     (defn imports [node]
       "The modules that a node imports, by the first part of their names."
       (cond
         (isinstance node ast.Import)
           (lfor  alias node.names  (get (.split alias.name ".") 0))
         (and (isinstance node ast.ImportFrom) (= node.level 0))
           [(get (.split node.module ".") 0)]
         True
           []))

     (fn [i o] True)))


;; The master's part

(defn shares []
  "The paths of all files, dealt out so that no share is much larger than another."
  (setv
    files (sorted
      (gfor
        path (.rglob (Path FOLDER) "*.py")
        :if (not-in "site-packages" (. (.relative-to path FOLDER) parts))
        path)
      :key (fn [path] #((. (.stat path) st-size) path))
      :reverse True)
    n (+ 1 (// (len files) SHARE)))
  (lfor  k (range n)  (lfor  path (cut files k None n)  (str path))))

(defn give [share]
  "The local procedure: write the paths to the slave, read its counts."
  (fn [i o]
    (write share o)
    (read i)))

(defn timed-census [shares [slave None]]
  "The counts of all shares, by one slave or by all, and the seconds it took."
  (setv
    start (perf-counter)
    promises (lfor
      share shares
      (dpfw-make-task '(fn [i o] (census (read i))) (give share) slave))
    results (lfor  p promises  (force p))
    seconds (- (perf-counter) start))
  #((sum-up (gfor  [counts _] results  counts))
    (sum-up (gfor  [_ importers] results  importers))
    seconds))

(defn sum-up [counters]
  (sum counters (Counter)))

(defn report [counts importers]
  (setv rows [
    ["files" (:files counts)]
    ["that do not parse" (:unparsed counts)]
    ["lines" (:lines counts)]
    ["functions" (+ (:FunctionDef counts) (:AsyncFunctionDef counts))]
    ["classes" (:ClassDef counts)]])
  (for [[label n] rows]
    (print f"  {label :<20}{n :>10,}"))
  (print "\n  most imported      by files")
  (for [[module n] (.most-common importers 10)]
    (print f"  {module :<20}{n :>10,}")))


(setv
  shares (shares)
  [first-slave _] (dpfw-launch 2))
(print (if (= FOLDER LIBRARY) "The standard library of" f"{FOLDER}, parsed by")
       f"{(platform.python-implementation)} {(platform.python-version)}, in {(len shares)} shares\n" :flush True)

(timed-census (cut shares 4))  ; to warm up
;; Two slaves go first: if the files are still to come from the disk, the time
;; for that is theirs.
(setv
  [counts importers together] (timed-census shares)
  [again _ alone] (timed-census shares first-slave))
(assert (= counts again))

(report counts importers)
(print f"
  one slave   {alone :>6.2f} s
  two slaves  {together :>6.2f} s, {(/ alone together) :.2f} times as fast, on {(os.cpu-count)} cores")

(dpfw-close)
