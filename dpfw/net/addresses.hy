"Addresses and sockets: listening, dialling, and the pauses between dials."

(import
  errno
  os
  random
  re
  resource
  select
  socket
  struct
  sys
  dpfw.errors [AddressError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  DIAL-TIMEOUT 10         ; seconds until a dialled host must have answered
  FIRST-PAUSE 0.1         ; seconds between dials: at first,
  LONGEST-PAUSE 15.0      ; and at most
  ADDRESS (re.compile r"(?:\[([^\[\]]+)\]|([^\[\]:]+)):([0-9]{1,5})")
  KEEPALIVE {             ; finds that an idle peer's host is dead, in 30 seconds:
    "TCP_KEEPIDLE" 15     ; seconds of silence before the first probe
    "TCP_KEEPALIVE" 15    ; the same, as macOS calls it
    "TCP_KEEPINTVL" 5     ; seconds between probes
    "TCP_KEEPCNT" 3}      ; probes without an answer
  MANY-PROBES 3           ; of a full peer, none of them answered
  LONGEST-SILENCE 30      ; seconds that a host may leave what it was sent unconfirmed
  ; Of Linux's struct tcp_info: retransmissions, and probes, since the last word
  ; of the peer, and the milliseconds since then.
  TCP-INFO (struct.Struct "=2x B B 52x I")
  TCP-STATE (when (= sys.platform "linux") socket.TCP-INFO)  ; its first byte
  NO-DESCRIPTORS #{errno.EMFILE errno.ENFILE errno.ENOBUFS errno.ENOMEM}
  ENOUGH 65536   ; files open at once, for a master of any size
  ESTABLISHED 1  ; neither end has hung up
  HANG-UP (getattr select "POLLRDHUP" select.POLLHUP))


(defn listen-on [port [backlog 1000] [host None]]
  "A socket that listens on this host and port; ``None`` is every address of
  this machine, port 0 any free one. Raises `AddressError`."
  (setv both (and (is host None) (socket.has-dualstack-ipv6))
        [family address] (get (resolve (if both "::" (or host "0.0.0.0")) port) 0))
  (try
    (socket.create-server address
      :family family :backlog backlog :dualstack-ipv6 both)
    (except [e OSError]
      (raise (unusable e port host) :from e))))

(defn unusable [e port host]
  (AddressError e.errno (+
    f"cannot listen on {(format-address #((or host "*") port))}: {e.strerror}"
    (cond
      (= e.errno errno.EADDRINUSE) "; give another port, or 0 for any free one"
      (= e.errno errno.EACCES) "; give a port above 1023"
      (= e.errno errno.EADDRNOTAVAIL) "; give an address of this machine"
      True ""))))

(defn dial [host port role]
  "A socket connected to this host and port, for a process in this role. Raises `AddressError` when the
  host does not resolve, else what `socket.create_connection` raises."
  (setv failure None)
  (for [[family address] (resolve host port)]
    (try
      (setv sock (socket.socket family socket.SOCK-STREAM))
      (except [e OSError]
        (raise (unreachable e host port role) :from None)))
    (try
      (.settimeout sock DIAL-TIMEOUT)
      (.connect sock address)
      (.settimeout sock None)
      (tune sock)
      (return sock)
      (except [e OSError]
        (.close sock)
        (setv failure e))
      (except [BaseException]
        (.close sock)
        (raise))))
  (raise (unreachable failure host port role) :from None))

(defn unreachable [e host port role]
  (setv where (format-address #(host port)))
  ((type e) (or e.errno errno.ETIMEDOUT)  ; Python's own timeouts have no number
    (cond
      (isinstance e ConnectionRefusedError)
        (+ f"nothing listens on {where}; start "
          (if (= role "slave")
            f"a master there with: (dpfw-listen {port})"
            f"a slave there with: hy -m dpfw.slave {port}"))
      (isinstance e TimeoutError)
        f"{where} did not answer in {DIAL-TIMEOUT} seconds"
      True
        f"cannot connect to {where}: {e.strerror}{(files-advice e)}")))

(defn files-advice [e]
  "What to do about an `OSError`, if it says that this process has too many files open."
  (setv [soft hard] (resource.getrlimit resource.RLIMIT-NOFILE)
        unlimited (= hard resource.RLIM-INFINITY)
        most (if unlimited ENOUGH (min hard ENOUGH)))
  (cond
    (!= (getattr e "errno" None) errno.EMFILE) ""
    (> most soft) (+ f"; this process may have {soft} at once, a connection being one: type ulimit -n {most} "
      "in the shell, and start it again from there")
    True (+ f"; this process may have {soft} at once, a connection being one, and no more: raise its hard limit, in "
      "/etc/security/limits.conf or as LimitNOFILE= of its systemd unit, and start it again")))

(defn resolve [host port]
  "The [family address] pairs that a host name and port stand for."
  (unless (and (isinstance port int) (<= 0 port 65535))
    (raise (AddressError f"{(repr port)} is no port; give a number from 0 to 65535")))
  (unless (isinstance host str)
    (raise (AddressError f"{(repr host)} is no host; give a text, such as \"node-b\"")))
  (try
    (lfor [family _ _ _ address]
          (socket.getaddrinfo host port :type socket.SOCK-STREAM)
      [family address])
    (except [e socket.gaierror]
      (raise (AddressError
        f"the host {(repr host)} does not resolve: {e.strerror}") :from e))
    (except [e UnicodeError]
      (raise (AddressError f"{(repr host)} is no host: {e}") :from e))
    (except [e OSError]  ; Python itself opens files for it
      (raise (AddressError e.errno f"cannot look up the host {(repr host)}: {e.strerror}{(files-advice e)}") :from e))))

(defn tune [sock]
  "Set what every connection of ours has: no delay, and probes for a dead host."
  (.setsockopt sock socket.IPPROTO-TCP socket.TCP-NODELAY 1)
  (.setsockopt sock socket.SOL-SOCKET socket.SO-KEEPALIVE 1)
  (for [[name value] (.items KEEPALIVE)]
    (when (hasattr socket name)
      (.setsockopt sock socket.IPPROTO-TCP (getattr socket name) value))))

(defn silent? [sock]
  "Has the peer's host not confirmed for too long what it was sent? Where the
  system does not tell, False.

  TCP_USER_TIMEOUT will not do: it also strikes a healthy peer that does not
  read for a while, since what is sent to it waits unconfirmed."
  (unless (and (= sys.platform "linux") (hasattr socket "TCP_INFO"))
    (return False))
  (try
    (setv info (.getsockopt sock socket.IPPROTO-TCP socket.TCP-INFO TCP-INFO.size))
    (except [OSError]  ; closed meanwhile
      (return False)))
  (setv [retransmissions probes milliseconds] (.unpack TCP-INFO info))
  ; A peer that does not read answers probes, if late, and they come up to two
  ; minutes apart: a single one that waits for its answer proves nothing.
  (and (or (> retransmissions 0) (>= probes MANY-PROBES))
       (> milliseconds (* 1000 LONGEST-SILENCE))))

(defn pauses [[most LONGEST-PAUSE]]
  "Seconds to wait before each next dial: growing, and never the same in two
  processes that lost the same server at once."
  (setv longest FIRST-PAUSE)
  (while True
    (yield (random.uniform (/ longest 2) longest))
    (setv longest (min (* 2 longest) most))))

(defn parse-address [text]
  "The host and port in HOST:PORT or [HOST]:PORT. ::

    (parse-address \"[::1]:80\")  ; => #(\"::1\" 80)

  Raises `AddressError`."
  (setv found (ADDRESS.fullmatch text))
  (if (and found (<= (int (get found 3)) 65535))
    #((or (get found 1) (get found 2)) (int (get found 3)))
    (raise (AddressError
      f"{(repr text)} is no address; give HOST:PORT, an IPv6 host in brackets"))))

(defn address-argument [text]
  "The same, for a command line."
  (import argparse)
  (try
    (parse-address text)
    (except [e AddressError]
      (raise (argparse.ArgumentTypeError (str e))))))


;; The other end

(defn hung-up? [sock]
  ; Asked for each task. The socket option answers without letting go of the
  ; interpreter, for which another thread may be waiting.
  (try
    (!= (get (.getsockopt sock socket.IPPROTO-TCP TCP-STATE 1) 0) ESTABLISHED)
    (except [[OSError TypeError]]  ; closed, no TCP, or a system that does not tell
      (polled sock HANG-UP))))

(defn polled [#* files-and-events [wait 0]]
  "Does poll(2) report any of these events, each of the file before it, or an error,
  within so many milliseconds?"
  (setv poll (select.poll))
  (try
    (for [n (range 0 (len files-and-events) 2)]
      (.register poll #* (cut files-and-events n (+ n 2))))
    (except [ValueError]  ; closed
      (return True)))
  (bool (.poll poll wait)))

(defn local-pair? [sock]
  "Is it one of a pair of sockets, and so without an address?"
  (not (.getpeername sock)))

(defn own-name [sock]
  "How this end is called: HOST:PORT, or its host and process."
  (setv address (.getsockname sock))
  (if address
    (format-address address)
    f"{(socket.gethostname)}/{(os.getpid)}"))

(defn peer-name [sock]
  "How errors call the other end: HOST:PORT."
  (try
    (if (local-pair? sock)
      "another process of this machine"
      (format-address (.getpeername sock)))
    (except [OSError]
      "a peer that is gone")))

(defn format-address [address]
  "The address of a socket as a person writes it. ::

    (format-address #(\"::1\" 80 0 0))  ; => \"[::1]:80\""
  (setv [host port] (cut address 2))
  (if (in ":" host)
    f"[{host}]:{port}"
    f"{host}:{port}"))
