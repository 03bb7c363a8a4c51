"The person at the terminal, who is told of what comes and goes."

(import
  sys
  threading)


(defn attended []
  "Does a person see what this process says, and wait for this thread?"
  (and (is (threading.current-thread) (threading.main-thread))
       (is-not sys.stderr None)
       (try
         (.isatty sys.stderr)
         (except [ValueError]  ; it is closed
           False))))

(defn tell [text]
  (try
    (print text :file sys.stderr :flush True)
    (except [[OSError ValueError]])))  ; the terminal is gone
