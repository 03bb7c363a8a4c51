"What stands in for ssh in the tests: a program that takes ssh's words, and gives the
last of them to a shell of this machine."

(import
  contextlib [contextmanager]
  sys
  dpfw.launch [dpfw-launch-ssh]
  dpfw.master [Master])

(setv
  LAST-WORD "for word; do :; done\n"
  ; With two pipes, as most sshds have it.
  THROUGH-PIPES "
    f=$0.$$; mkfifo $f; exec 3<&0; cat <&3 >$f &
    { sh -c \"$word\" <$f 3<&-; echo $? >$f.status; } | cat
    kill $! 2>/dev/null; exit $(cat $f.status)"
  ; With one socket, as others have it.
  THROUGH-SOCKET "exec sh -c \"$word\""
  PYTHON (getattr hy "sys_executable" sys.executable))

(defn program [path text]
  "A shell's program in this file; returns its path."
  (.write-text path f"#!/bin/sh\n{text}\n")
  (.chmod path 0o700)
  (str path))

(defn fake-ssh [folder text]
  "An ``:ssh`` that does this; ``$word`` is what the other shell is to run."
  [(program (/ folder "fake-ssh") (+ LAST-WORD text))])

(defn launch [master folder text [hosts #("there")] #** options]
  (dpfw-launch-ssh hosts master :ssh (fake-ssh folder text)
    #** {"python" PYTHON  #** options}))

(defn [contextmanager] launched-by [folder text #** options]
  "A master with slaves that this fake ssh has brought; gives both."
  (with [master (Master)]
    (yield #(master (launch master folder text #** options)))))
