"systemd's part of a slave's process: it is told that the slave is ready, and that it
stops; and it may have opened the sockets that the slave is to listen on.

Both are plain Unix: a datagram to the socket that ``NOTIFY_SOCKET`` names, and
descriptors from 3 on, counted in ``LISTEN_FDS``. The variables are taken out of the
environment, since what a remote starts is not what systemd has started.

Source: sd_notify(3), sd_listen_fds(3)."

(import
  logging
  os
  socket
  dpfw.errors [AddressError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  FIRST 3)  ; descriptor


(defclass Notifier []
  "Tells systemd how this process does; does nothing where nobody asks."

  (defn __init__ [self]
    (setv self.address (os.environ.pop "NOTIFY_SOCKET" None)))

  (defn ready [self doing]
    (.say self "READY=1" f"STATUS={doing}"))

  (defn stopping [self]
    (.say self "STOPPING=1" "STATUS=finishes what runs"))

  (defn say [self #* lines]
    "Does not wait."
    (unless self.address
      (return))
    (try
      (with [sock (socket.socket socket.AF-UNIX socket.SOCK-DGRAM)]
        (.setblocking sock False)
        (.connect sock (if (.startswith self.address "@")  ; as it writes a name that is no file's
                         (+ "\0" (cut self.address 1 None))
                         self.address))
        (.send sock (.encode (.join "\n" lines) "utf-8" "backslashreplace")))
      (except [e OSError]
        (log.warning "systemd cannot be told %s at NOTIFY_SOCKET=%s: %s" (get lines 0) self.address e)))))


(defn listening-sockets []
  "Those that systemd has opened for this process; mostly none. Raises `AddressError`
  if there is one that it cannot listen on."
  (setv [pid count _] (lfor
    variable ["LISTEN_PID" "LISTEN_FDS" "LISTEN_FDNAMES"]
    (os.environ.pop variable "")))
  (if (and (= pid (str (os.getpid))) (.isdecimal count))
    (lfor  descriptor (range FIRST (+ FIRST (int count)))  (listening-socket descriptor))
    []))

(defn listening-socket [descriptor]
  (try
    (setv sock (socket.socket :fileno descriptor))
    (except [e OSError]
      (raise (useless descriptor) :from e)))
  (unless (and (in sock.family [socket.AF-INET socket.AF-INET6])
               (= sock.type socket.SOCK-STREAM)
               (.getsockopt sock socket.SOL-SOCKET socket.SO-ACCEPTCONN))
    (.close sock)
    (raise (useless descriptor)))
  ; It is for no child of ours.
  (os.set-inheritable descriptor False)
  sock)

(defn useless [descriptor]
  (AddressError (+ f"descriptor {descriptor}, which LISTEN_FDS counts, is no socket that listens on a port; "
    "in the .socket unit, write ListenStream=10000, and no Accept=yes")))
