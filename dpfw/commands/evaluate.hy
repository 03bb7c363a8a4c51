"``dpfw eval``: a remote as a program in a pipe."

(import
  os
  pathlib [Path]
  sys
  threading
  traceback
  dpfw.errors [RemoteError SlaveLost]
  dpfw.master [Master])
(eval-when-compile (require hyrule.control [unless]))


(defn evaluate [address remote]
  "Run a remote on the slave that listens there; returns the exit status."
  (setv text (remote-text remote))
  (with [master (Master)]
    ; The data alone are for standard output.
    (setv master.output (fn [_ stream line] (print line :file sys.stderr))
          slave (.connect master #* address))
    (try
      (.result (.make-task master text pass-on slave))
      0
      (except [e RemoteError]
        (traceback.print-exception (type e) e None)
        1)
      (except [e SlaveLost]
        (raise (ConnectionError
          f"the slave at {slave.address} went away ({e.__cause__}), and what became of the remote is unknown; if it may run twice, try again")
          :from e)))))

(defn remote-text [remote]
  "The text that an argument stands for."
  (setv [source data] (cond
    (= remote "-") ["standard input" (.read sys.stdin.buffer)]
    (.startswith remote "@") [(cut remote 1 None) (.read-bytes (Path (cut remote 1 None)))]
    True ["the remote" (os.fsencode remote)]))
  (try
    (.decode data)
    (except [e UnicodeDecodeError]
      (raise (OSError f"{source} is no text in UTF-8: {e}")))))

(defn pass-on [i o]
  "The local procedure: the remote's ports are this process's standard streams."
  ; A thread that the process does not wait for: what it reads may never end.
  (.start (threading.Thread :target send-input :args [o] :daemon True))
  (setv out sys.stdout.buffer)
  (for [data (.output i.raw)]
    (.write out data)
    (.flush out))
  (setv result (.read i.buffer))
  (unless (= (.strip result) b"None")
    (.write out result)))

(defn send-input [o]
  (try
    (while (setx data (input-bytes))
      (.write o.buffer data)
      (.flush o))
    (.close o)
    (except [[OSError ValueError]])))  ; the remote has ended, and will read no more

(defn input-bytes []
  "What standard input gives next; nothing at its end, or if there is none."
  (try
    (os.read 0 65536)
    (except [OSError]
      b"")))
