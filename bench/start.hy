"Starting a slave that was installed from the wheel."

(import
  os
  pathlib [Path]
  subprocess
  tempfile [TemporaryDirectory]
  time [perf-counter]
  bench.figure [figure]
  bench.measure [interleaved]
  bench.processes [PYTHON])

(setv ROOT (. (Path __file__) (resolve) parent parent))


(defn start [rounds]
  (with [folder (TemporaryDirectory :prefix "dpfw-bench-")]
    (setv program (install (Path folder)))

    (defn until-listening []
      (setv [seconds line] (first-line folder program "-m" "dpfw.slave" "0" "--host" "127.0.0.1"))
      (when (not-in b"dpfw slave listens on" line)
        (raise (ValueError f"the slave said {line !r}")))
      seconds)
    (defn until-ended []
      (get (first-line folder program "-c" "1") 0))

    (figure "a slave process, from exec until it listens" "s"
      (interleaved {
        "hy -m dpfw.slave 0" until-listening
        "hy -c 1" until-ended}
        rounds)
      {"hy -c 1" 2}
      :note "Both in an environment into which dpfw was installed from its wheel.")))

(defn install [folder]
  "Install dpfw from a wheel of this checkout; return the path of its hy."
  (setv environment (/ folder "environment"))
  (run folder PYTHON "-m" "build" "--wheel" "--no-isolation" "--outdir" folder ROOT)
  (run folder PYTHON "-m" "venv" environment)
  (run folder (/ environment "bin" "python") "-m" "pip" "install" "--quiet"
    #* (.glob folder "*.whl"))
  (/ environment "bin" "hy"))

(defn run [folder #* command]
  (setv done (subprocess.run command
    :cwd folder :env (environment-variables) :stdin subprocess.DEVNULL
    :stdout subprocess.PIPE :stderr subprocess.STDOUT :text True))
  (when done.returncode
    (raise (RuntimeError f"{(.join " " (map str command))}\n{done.stdout}"))))

(defn first-line [folder #* command]
  "Run a program until it writes a line or ends; return the seconds that took,
  and the line."
  (setv start (perf-counter))
  (with [process (subprocess.Popen command
           :cwd folder :env (environment-variables)
           :stdin subprocess.DEVNULL :stdout subprocess.PIPE)]
    (try
      (setv line (.readline process.stdout)
            seconds (- (perf-counter) start))
      #(seconds line)
      (finally
        (.kill process)))))

(defn environment-variables []
  "Ours, less what would let the programs see this checkout."
  (dfor
    [name value] (.items os.environ)
    :if (not-in name ["PYTHONPATH" "PYTHONHOME" "PYTHONDONTWRITEBYTECODE"])
    name value))
