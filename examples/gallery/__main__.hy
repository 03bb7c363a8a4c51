"Makes the pictures, screens and times of the gallery anew: make gallery, or, for some of
them, hy -m examples.gallery NAME..."

(import
  argparse
  os
  pathlib [Path]
  secrets
  subprocess
  sys)

(setv
  HERE (. (Path __file__) (absolute) parent)
  PICTURES ["mandelbrot" "parameters" "pi" "speller" "travel" "pipeline"])

; Programs, as their readers run them, find each other by these.
(setv (cut sys.path 0) [(str HERE)]
      (get os.environ "DPFW_COOKIE") (secrets.token-hex 32))

(import
  peers [WORKS]
  screens [SCREENS]
  times [put take-times])

(defn take-picture [name]
  (print f"== {name}" :flush True)
  (subprocess.run :cwd HERE :check True
    [hy.sys-executable "-m" "hy" "-m" name "--picture" f"{name}.png"]))

(defn main []
  (setv parser (argparse.ArgumentParser :prog "hy -m examples.gallery"
                 :description "Makes pictures, screens and times anew"))
  (.add-argument parser "names" :nargs "*" :metavar "NAME" :help "all if none is given")
  (.add-argument parser "--no-pictures" :action "store_true")
  (.add-argument parser "--no-times" :action "store_true")
  (.add-argument parser "--rounds" :type int :default 2 :help "turns for each time, of which the shortest counts")
  (setv options (.parse-args parser)
        all (sorted #{#* PICTURES #* SCREENS #* WORKS})
        names (or options.names all))
  (for [name names]
    (when (not-in name all)
      (.error parser f"there is no {name}; there are {(.join ", " all)}")))
  (defn chosen [these]
    (lfor  name these  :if (in name names)  name))
  (when (not options.no-pictures)
    (for [name (chosen PICTURES)]
      (take-picture name))
    (for [name (chosen SCREENS)]
      (put f"screen {name}" ((get SCREENS name)))))
  (when (not options.no-times)
    (take-times (chosen WORKS) options.rounds)))

(when (= __name__ "__main__")
  (main))
