"``python -m dpfw``, which is ``dpfw``."

(import
  sys
  dpfw.commands.main [main])

(when (= __name__ "__main__")
  (sys.exit (main)))
