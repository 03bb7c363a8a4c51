"The command line of the benchmark: ``hy -m bench [NAME...]``.

It prints the table as the figures come in. When all have been taken in full, it
writes them into docs/ as well."

(import
  argparse
  datetime [date]
  importlib.metadata [version]
  os
  pathlib [Path]
  platform
  secrets
  sys
  traceback
  dpfw
  bench.figures [FIGURES QUICK]
  bench.outputs [write-docs write-json write-markdown write-svg]
  bench.processes [run-fresh]
  bench.report [LEGEND machine plain-block])
(eval-when-compile (require hyrule.control [unless]))

(setv PACKAGES ["hy" "execnet" "rpyc" "distributed" "joblib" "numpy"])


(defn main [[arguments None]]
  "Returns the exit status: 1 if a figure failed. One that misses its target is
  in the table."
  (setv options (parsed arguments))
  ; Of its own, so the user's is neither needed nor made.
  (setv (get os.environ "DPFW_COOKIE") (secrets.token-hex 32))
  (print LEGEND :end "\n\n" :flush True)
  (setv figures {})
  (for [name (or options.names FIGURES)]
    (setv (get figures name) (taken name options.quick))
    (print (plain-block name (get figures name)) :end "\n\n" :flush True))
  (setv
    result {#** (circumstances)  "figures" figures}
    failed (lfor  [name figure] (.items figures)  :if (in "error" figure)  name))
  (print (machine result))
  (write result options)
  (unless (or options.names options.quick failed)
    (write-docs result))
  (when failed
    (print "bench: these failed:" #* failed :file sys.stderr))
  (if failed 1 0))

(defn taken [name quick]
  "A figure, or what went wrong with it."
  (setv [take rounds] (get FIGURES name))
  (try
    (run-fresh take (if quick QUICK rounds))
    (except [e Exception]
      (traceback.print-exception e)
      {"error" f"{(. (type e) __name__)}: {e}"  "rows" []  "note" ""})))

(defn circumstances []
  {"date" (.isoformat (date.today))
   "python" f"{(platform.python-implementation)} {(platform.python-version)}"
   "system" f"{(platform.system)} {(platform.release)} {(platform.machine)}"
   "cpus" (os.cpu-count)
   "versions" {
     "dpfw" dpfw.__version__
     #** (dfor  package PACKAGES  package (version package))}})

(defn write [result options]
  (for [[writer path] [
      #(write-json options.json)
      #(write-svg options.svg)
      #(write-markdown options.markdown)]]
    (when path
      (writer result path))))


(defn parsed [arguments]
  (setv
    names (.join ", " FIGURES)
    parser (argparse.ArgumentParser
      :prog "hy -m bench"
      :description "Measures dpfw side by side with its peers."
      :epilog (+ f"The figures are {names}. With all of them, in full, and none that failed, "
        "docs/bench.json, docs/bench.svg and the table in docs/performance.md are written.")))
  (.add-argument parser "names" :nargs "*" :metavar "NAME" :help "take only these figures")
  (.add-argument parser "--quick" :action "store_true" :help f"take only {QUICK} rounds of each")
  (.add-argument parser "--json" :type Path :metavar "FILE" :help "write the figures there too")
  (.add-argument parser "--svg" :type Path :metavar "FILE" :help "write the picture there too")
  (.add-argument parser "--markdown" :type Path :metavar "FILE"
    :help "write the table there too, between <!-- begin bench --> and <!-- end bench -->")
  (setv
    options (.parse-args parser arguments)
    unknown (lfor  name options.names  :if (not-in name FIGURES)  name))
  (when unknown
    (.error parser f"there is no figure {(.join ", " unknown)}; the figures are {names}"))
  options)

(when (= __name__ "__main__")
  (sys.exit (main)))
