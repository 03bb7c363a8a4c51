"``(breakpoint)`` in a remote: pdb at its terminal, which the local procedure `debug` is,
or a remote REPL.

In a remote without, it is an error: nobody is there to answer, and the slave would wait
for ever. As ever, ``PYTHONBREAKPOINT=0`` in the slave's environment makes nothing of
``(breakpoint)``, and another value something else."

(import
  bdb [BdbQuit]
  os
  sys
  threading [get-ident]
  dpfw.net.interrupt [guards]
  dpfw.see [see]
  dpfw.serve.terminal [PortLines Terminal at-terminal here])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ALONE (+ "(breakpoint) in a remote needs somebody to answer; give the task the local "
    "procedure debug: (dpfw-make-task remote debug)" (see "watching.md#a-debugger-in-a-remote"))
  before None)  ; the hook that was there


(defn run [i o procedure]
  "Call a remote's procedure so that it can be debugged, over its ports."
  (with [_ (at-terminal (Terminal (PortLines i o) o))]
    (try
      (procedure i o)
      (except [BdbQuit]
        (raise (BdbQuit "the debugger was told to quit") :from None)))))

(defn install []
  "Have ``(breakpoint)`` call us in threads that run remotes. Idempotent."
  (global before)
  (unless (is sys.breakpointhook hook)
    (setv before sys.breakpointhook
          sys.breakpointhook hook)))

(defn hook [#* arguments #** options]
  (cond
    (or (in "PYTHONBREAKPOINT" os.environ) (not (or here.terminal (in (get-ident) guards))))
      (before #* arguments #** options)
    here.terminal
      (.set-trace (debugger) (sys._getframe 1))
    True
      (raise (RuntimeError ALONE))))

(defn debugger []
  "That of this thread's terminal."
  (unless here.debugger
    (import dpfw.serve.debugger [HyPdb])  ; takes 30 ms, and most slaves never need it
    (setv here.debugger (HyPdb here.terminal)))
  here.debugger)
