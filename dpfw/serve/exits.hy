"How a slave's process ends at once: by its master's order, or as a child that a
remote forked."

(import
  os
  signal
  sys
  traceback)


(defn die []
  "End this process as only the system can, whatever its remotes do."
  (os.kill (os.getpid) signal.SIGKILL))

(defn end-fork [[error None]]
  "End a process that a remote forked, and that came out of the remote's
  procedure as its parent will: there is one answer to give, the parent's."
  (setv status (cond
    (is error None) 0
    (and (isinstance error SystemExit) (isinstance error.code (| int None))) (or error.code 0)
    True 1))
  (when status
    (traceback.print-exception error))
  (for [stream [sys.stdout sys.stderr]]
    (.flush stream))
  (os._exit status))
