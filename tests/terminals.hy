"Processes at a terminal, for the tests of what a person sees."

(import
  contextlib [contextmanager]
  os
  pty
  re
  select
  subprocess
  time
  tests.processes [WAIT])


(defn [contextmanager] at-a-terminal [command]
  "A process whose standard error is a terminal; gives the process, and a function
  that gives the next line there."
  (setv [ours theirs] (pty.openpty)
        process (subprocess.Popen command
          :stdin subprocess.DEVNULL :stdout subprocess.DEVNULL :stderr theirs)
        lines (lines-from ours))
  (os.close theirs)
  (try
    (yield #(process (fn [] (next lines))))
    (finally
      (.kill process)
      (.wait process)
      (os.close ours))))

(defn lines-from [terminal]
  "The lines of a terminal, to its end."
  (setv text ""
        deadline (+ (time.monotonic) WAIT)
        poll (select.poll))
  (.register poll terminal select.POLLIN)
  (while True
    (while (in "\n" text)
      (setv [line text] (.split text "\n" 1))
      (yield (.rstrip line "\r")))
    (assert (.poll poll (* 1000 (max 0 (- deadline (time.monotonic))))) f"no line, but {text !r}")
    (try
      (setv more (os.read terminal 4096))
      (except [OSError]  ; as Linux tells of the end
        (return)))
    (when (not more)
      (return))
    (+= text (.decode more))))

(defn check-line [line pattern]
  (assert (re.fullmatch pattern line) f"{line !r} is not {pattern !r}"))
