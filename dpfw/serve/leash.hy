"A slave that ends with the process that has started it, however that ends.

That one has the other end of a pipe. When it is closed, the system itself ends this
process, where it can: also while C code holds the interpreter."

(import
  contextlib [contextmanager]
  fcntl
  os
  signal
  dpfw.net.addresses [HANG-UP polled]
  dpfw.serve.exits [die])


(defn [contextmanager] on-leash [descriptor reactor]
  "Within it, this process ends when the other end of this pipe is closed."
  (with [pipe (open descriptor "rb" :buffering 0)]
    ; It is for no child of ours.
    (os.set-inheritable descriptor False)
    (when (hasattr fcntl "F_SETSIG")
      (fcntl.fcntl pipe fcntl.F-SETOWN (os.getpid))
      (fcntl.fcntl pipe fcntl.F-SETSIG signal.SIGKILL)
      (fcntl.fcntl pipe fcntl.F-SETFL (| os.O-ASYNC (fcntl.fcntl pipe fcntl.F-GETFL))))
    (.watch reactor pipe HANG-UP die)
    ; It may have been closed before that.
    (when (polled pipe HANG-UP)
      (die))
    (try
      (yield)
      (finally
        (.unwatch reactor pipe)))))
