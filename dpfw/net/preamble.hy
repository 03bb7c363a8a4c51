"What is said before the handshake where no port is dialled: on the standard input and
output of a slave's process, which ssh has started.

::

    slave   LF (dpfw stdio) LF    after all that the profile of a shell may print
    master  (cookie \"COOKIE\") LF

Then the handshake; the master is the dialler. COOKIE is 64 hexadecimal digits, the
cookie of this one session: the one that the master shares with others stays where it
is. The master says it only when it has heard that there is a slave to listen, and not
to a shell that might print it."

(import
  re
  secrets
  dpfw.errors [HandshakeError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  READY b"(dpfw stdio)"
  COOKIE (re.compile rb"\(cookie \"([0-9a-f]{64})\"\)")
  COOKIE-TIMEOUT 60       ; seconds that the slave waits for it
  LONGEST-LINE 65536      ; bytes, of what comes before READY,
  MOST-LINES 10,000)      ; and how many lines


(defn new-cookie []
  (.encode (secrets.token-hex 32)))

;; The slave

(defn say-ready [connection]
  ; The profile may have left a line without an end.
  (.send-line connection f"\n{(.decode READY)}"))

(defn hear-cookie [connection deadline]
  (setv found (COOKIE.fullmatch (.receive-line connection 128 deadline)))
  (unless found
    (raise (HandshakeError (+ "what came on standard input is no dpfw; this is what "
      "(dpfw-launch-ssh [\"host\"]) starts at the other end of an ssh"))))
  (.group found 1))

;; The master

(defn await-ready [connection deadline]
  "Skip what comes before the slave is ready. Raises `TimeoutError` and `WireError`."
  (for [_ (range MOST-LINES)]
    (when (= (.rstrip (.receive-line connection LONGEST-LINE deadline)) READY)
      (return)))
  (raise (HandshakeError f"{connection.peer} said more than {MOST-LINES} lines, and none that a slave says")))

(defn say-cookie [connection cookie]
  (.send-line connection f"(cookie \"{(.decode cookie)}\")"))
