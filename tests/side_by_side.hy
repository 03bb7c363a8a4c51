"Runs all the tests in two halves, side by side: those that mostly compute, and those that
mostly wait. On two processors, that takes two thirds of the time. Run it with:
hy -m tests.side_by_side

What the first half prints comes when the second has ended. The status is 0 if that of both is."

(import
  subprocess
  sys
  tempfile [TemporaryFile])

(setv
  COMPUTING ["tests/data" "tests/lint" "tests/simulation" "tests/task"]
  PYTHON (getattr hy "sys_executable" sys.executable))

(defn half [#* arguments #** where]
  (subprocess.Popen [PYTHON "-m" "pytest" #* arguments] #** where))

(defn main []
  (with [said (TemporaryFile)
         first (half #* COMPUTING :stdout said :stderr subprocess.STDOUT)
         second (half #* (lfor  path COMPUTING  f"--ignore={path}"))]
    (try
      (setv statuses [(.wait second) (.wait first)])
      (finally
        (.seek said 0)
        (print (.decode (.read said) "utf-8" "replace") :flush True))))
  (if (any statuses) 1 0))

(when (= __name__ "__main__")
  (sys.exit (main)))
