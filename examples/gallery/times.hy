"Takes the times of the gallery, each in a process of its own."

(import
  concurrent.futures [ProcessPoolExecutor]
  datetime [date]
  importlib [import-module]
  json
  multiprocessing
  os
  pathlib [Path]
  platform
  re
  sys
  time [perf-counter]
  dpfw.master [dpfw-close]
  peers)

(setv
  HERE (. (Path __file__) (absolute) parent)
  FILE (/ HERE "times.json")
  README (/ HERE "README.md")
  NUMBERS [1 2 4])

(defn pool [n]
  "Processes that can import Hy's modules."
  ; Under hy, sys.executable is the hy script.
  (multiprocessing.set-executable (getattr hy "sys_executable" sys.executable))
  (ProcessPoolExecutor n :mp-context (multiprocessing.get-context "spawn")
    :initializer import-module :initargs ["hy"]))

(defn measured [work size]
  "The seconds of a call, and what it gave."
  (setv start (perf-counter)
        result (work size))
  [(- (perf-counter) start) result])

(defn best-of [work sizes rounds]
  "The shortest turn, of so many."
  (setv [warm-up size] sizes)
  (work warm-up)
  (min (lfor  _ (range rounds)  (measured work size)) :key (fn [pair] (get pair 0))))

(defn by-slaves [name n rounds]
  (setv [sizes work _] ((get peers.WORKS name)))
  (peers.start-slaves name n)
  (try
    (best-of work sizes rounds)
    (finally
      (dpfw-close))))

(defn by-pool [name n rounds]
  (setv [sizes _ work] ((get peers.WORKS name)))
  (with [processes (pool n)  peers.disk (pool 1)]
    (best-of (fn [size] (work processes n size)) sizes rounds)))

(defn fresh [f #* arguments]
  (with [process (pool 1)]
    (.result (.submit process f #* arguments))))

(defn times-of [name rounds]
  "Seconds, by slaves and by processes of a pool, for each number of them."
  (setv times {"slaves" {}  "pool" {}}
        results [])
  (for [n NUMBERS
        [side measure] [["slaves" by-slaves] ["pool" by-pool]]]
    (setv [seconds result] (fresh measure name n rounds)
          (get times side (str n)) (round seconds 3))
    (.append results result)
    (print f"{name :<12}{n} {side :<8}{seconds :7.2f} s" :flush True)
    (when (!= result (get results 0))
      (raise (ValueError f"{name}: {n} {side} gave another result than 1 slave"))))
  times)


(defn table [times]
  (+ (.join "" ["| |" #* (gfor  n NUMBERS  f" {n} |") "\n|---|" #* (* ["---:|"] (len NUMBERS)) "\n"])
     (.join "\n" (gfor
       [side label] [["slaves" "slaves"] ["pool" "processes of a `ProcessPoolExecutor`"]]
       (+ f"| {label} |" #* (gfor  n NUMBERS  f" {(get times side (str n)) :.2f} s |"))))
     "\n"))

(defn put [name content]
  "Put a text between the marks of this name in README.md."
  (setv text (.read-text README :encoding "utf-8")
        block (re.compile f"(?<=<!-- begin {name} -->\n).*?(?=<!-- end {name} -->)" re.S))
  (when (not (.search block text))
    (raise (LookupError f"README.md has no <!-- begin {name} --> … <!-- end {name} -->")))
  (.write-text README (.sub block (fn [_] content) text) :encoding "utf-8"))

(defn take-times [names rounds]
  "Measure, and write times.json and the tables of README.md, after each program."
  (for [name names]
    (setv
      times (times-of name rounds)
      result {
        "date" (.isoformat (date.today))
        "python" f"{(platform.python-implementation)} {(platform.python-version)}"
        "system" f"{(platform.system)} {(platform.machine)}"
        "cpus" (os.cpu-count)
        "times" {#** (taken)  name times}})
    (.write-text FILE (+ (json.dumps result :indent 2) "\n"))
    (put f"times {name}" (table times))
    (put "machine"
      f"Taken on {(get result "date")}, with {(get result "python")} on {(get result "system")} with {(get result "cpus")} processors.\n")))

(defn taken []
  "The times that were taken before."
  (if (.exists FILE)
    (get (json.loads (.read-text FILE)) "times")
    {}))
