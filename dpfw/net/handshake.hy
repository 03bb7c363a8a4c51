"The handshake: roles, versions, and a mutual proof that both hold the cookie.

::

    1  dialler   (dpfw 1 master \"SESSION\" \"NONCE\" packed about)
    2  listener  (dpfw 1 slave \"SESSION\" \"NONCE\" packed about \"PROOF\")
    3  dialler   (proof \"PROOF\")
    4  dialler   {\"dpfw\" \"1.0.0\" …}       if both say ``about``
    5  listener  {\"dpfw\" \"1.0.0\" …}
    -  either    (refused \"why\")            in place of its line; then it hangs up

A refusal is final: dialling again helps only when somebody has changed something.
Who hears nothing, or what is no dpfw, has not been refused, and may try again.

Either role may dial, and a ``watcher`` in the place of a master or a slave: it dials
both, and asks for nothing but their status (``net/status``). SESSION and NONCE are 32 hexadecimal digits, PROOF is 64:
the HMAC-SHA256 under the cookie of

    dpfw proof 1 LF  SIDE LF  line 1 LF  line 2 without its proof LF  BINDING

``packed`` says that this end takes packed data, ``about`` that it says something of
itself (``net/about``) and wants to hear as much. A word stands in line 2 only if it
does in line 1: then it holds for both. Words that an end does not know there, it
passes over.

SIDE is ``dialler`` or ``listener``, whoever proves. Both nonces stand in what is
proved, so no proof serves twice; the side stands there, so none can be sent
back to whom it came from. BINDING is the TLS channel binding in hexadecimal,
empty without TLS.

Until the proof, all lines are matched with fixed patterns and are at most 512 bytes:
what comes from the other end meets no reader and no memory of ours."

(import
  contextlib [contextmanager]
  hmac
  re
  secrets
  time
  dpfw.errors [HandshakeError Refused WireError]
  dpfw.net.about [MAX-ABOUT about-line read-about]
  dpfw.net.tls [secure-accepted secure-dialled]
  dpfw.net.wire [ConnectionEnded]
  dpfw.see [see])
(eval-when-compile (require hyrule.control [unless]))

(setv
  VERSION 1
  MAX-LINE 512    ; bytes, line feed included
  DEADLINE 10     ; seconds, for the whole handshake
  HELLO (re.compile (+
    rb"(\(dpfw ([0-9]{1,9}) (master|slave|watcher) \"([0-9a-f]{32})\" \"[0-9a-f]{32}\"((?: [a-z]{1,16}){0,8}))"
    rb"(?: \"([0-9a-f]{64})\")?\)"))
  PROOF (re.compile rb"\(proof \"([0-9a-f]{64})\"\)")
  REFUSED (re.compile rb"\(refused \"([ !#-\[\]-~]{0,400})\"\)")
  ; Who may dial whom.
  DIALLED {"master" #{"slave"}  "slave" #{"master"}  "watcher" #{"master" "slave"}}
  NO-TLS "from another machine, a session must be TLS; dpfw on both ends sees to that"
  SILENT (+ "that process may be stopped, or run C code that keeps its interpreter"
    (see "failures.md#the-network-and-processes"))
  NO-DPFW f"this port speaks dpfw {VERSION}, and that was something else")


(defn new-session []
  "A session id, which no other process has: 32 hexadecimal digits."
  (secrets.token-hex 16))

(defn dial-handshake [connection role session cookie [packed True] [about None]]
  "Do the dialler's side of the handshake on a new connection, and note on it what
  both agree on: ``packed``, whether both take packed data, ``role``, the other end's,
  and ``about``, what that says of itself, which is an empty dict if it says nothing.

  ``role`` (\"master\", \"slave\" or \"watcher\") and ``session`` are this end's, ``cookie``
  is bytes; ``packed`` says whether this end takes packed data, and ``about`` is what
  it says of itself, None for nothing. Returns the session id of the other end.
  Raises `Refused` when one of the two refuses the other, and else `HandshakeError`;
  the connection is then of no use."
  (setv words (own-words packed about)
        mine (hello role session words))
  (with [deadline (handshaking connection)]
    (secure-dialled connection deadline)
    (.send-line connection mine)
    (setv theirs (hear-hello connection deadline role :dialled True)
          unproved (without-proof theirs)
          agreed (& words (words-of theirs)))
    (check-proof connection cookie "listener" mine unproved (.group theirs 6))
    (.send-line connection
      f"(proof \"{(proof connection cookie "dialler" mine unproved)}\")")
    (setv connection.packed (in "packed" agreed)
          connection.role (.decode (.group theirs 3)))
    (when (in "about" agreed)
      (.send-line connection (about-line about))
      (setv connection.about (hear-about connection deadline))))
  (.decode (.group theirs 4)))

(defn listen-handshake [connection role session cookie [packed True] [about None]]
  "As `dial-handshake`, for the end that listened."
  (with [deadline (handshaking connection)]
    (unless (secure-accepted connection deadline)
      (raise (Refusal NO-TLS)))
    (setv theirs (hear-hello connection deadline role)
          unproved (without-proof theirs))
    (when (.group theirs 6)  ; a proof, before anything is there to prove
      (raise (Garbage)))
    (setv agreed (& (own-words packed about) (words-of theirs))
          mine (hello role session agreed))
    (.send-line connection
      f"{(cut mine -1)} \"{(proof connection cookie "listener" unproved mine)}\")")
    (check-proof connection cookie "dialler" unproved mine
      (.group (hear connection deadline PROOF) 1))
    (setv connection.packed (in "packed" agreed)
          connection.role (.decode (.group theirs 3)))
    (when (in "about" agreed)
      (setv connection.about (hear-about connection deadline))
      (.send-line connection (about-line about))))
  (.decode (.group theirs 4)))


(defn own-words [packed about]
  (sfor  [word said] [["packed" packed] ["about" (is-not about None)]]  :if said  word))

(defn words-of [hello]
  (set (.split (.decode (.group hello 5)))))

(defn hello [role session [words #{"packed"}]]
  f"(dpfw {VERSION} {role} \"{session}\" \"{(secrets.token-hex 16)}\"{(.join "" (gfor  word ["packed" "about"]  :if (in word words)  f" {word}"))})")

(defn hear-about [connection deadline]
  (setv line (.receive-line connection MAX-ABOUT deadline)
        refused (REFUSED.fullmatch line))
  (when refused
    (raise (refused-by connection refused)))
  (try
    (read-about line)
    (except [ValueError]  ; what is no datum, too
      (raise (Garbage)))))

(defn without-proof [hello]
  "The line of a hello that was heard, less the listener's proof."
  (+ (.decode (.group hello 1)) ")"))

(defn proof [connection cookie side dialled listened]
  (.hexdigest (hmac.new
    cookie
    (.encode f"dpfw proof {VERSION}\n{side}\n{dialled}\n{listened}\n{(.hex connection.binding)}")
    "sha256")))

(defn check-proof [connection cookie side dialled listened offered]
  (unless (and offered
               (hmac.compare-digest offered
                 (.encode (proof connection cookie side dialled listened))))
    (raise (Refusal (+
      "the cookies differ"
      (if connection.binding ", or somebody stands between the two ends" "")
      "; give both ends the same, in DPFW_COOKIE or in ~/.config/dpfw/cookie"
      (see "explanation/security.md#who-gets-in"))))))

(defn hear-hello [connection deadline role [dialled False]]
  "Hear a hello that fits an end of this role, which has dialled the other one or not."
  (setv heard (hear connection deadline HELLO)
        [version their-role] (cut (.groups heard) 1 3)
        their-role (.decode their-role))
  (when (!= (int version) VERSION)
    (raise (Refusal
      f"this end speaks dpfw {VERSION} and that one dpfw {(int version)}; install the same on both")))
  (unless (if dialled
      (in their-role (get DIALLED role))
      (in role (get DIALLED their-role)))
    (raise (Refusal (cond
      (in "watcher" [role their-role]) "a watcher listens there, and nobody can dial it"
      (= role "master") "both ends are masters, who talk with slaves; start one with: hy -m dpfw.slave 10000"
      True "both ends are slaves, who talk with masters; start one with (dpfw-master-client host port)"))))
  heard)

(defn hear [connection deadline pattern]
  "Take a line that has this pattern."
  (setv line (.receive-line connection MAX-LINE deadline)
        refused (REFUSED.fullmatch line))
  (when refused
    (raise (refused-by connection refused)))
  (or (pattern.fullmatch line)
      (raise (Garbage))))


(defn refused-by [connection line]
  (Refused f"{connection.peer} refused: {(.decode (.group line 1))}"))


(defclass Refusal [Exception]
  "Why this end refuses the other one.")

(defclass Garbage [Exception]
  "The other end says what no end of dpfw would.")

(defn [contextmanager] handshaking [connection]
  "Gives the moment at which the handshake must be over. Makes every failure a
  `HandshakeError`, and tells the other end of those that are its own doing; but
  not that it was too slow, since that may be better the next time."
  (try
    (yield (+ (time.monotonic) DEADLINE))
    (.set-timeout connection None)
    (except [e Refusal]
      (tell connection (str e))
      (raise (Refused f"refused {connection.peer}: {e}")))
    (except [HandshakeError]
      (raise))
    (except [e ConnectionEnded]
      (raise (HandshakeError
        f"{connection.peer} hung up during the handshake; is that port dpfw's?") :from e))
    (except [[Garbage WireError]]
      (tell connection NO-DPFW)
      (raise (HandshakeError f"refused {connection.peer}: {NO-DPFW}")))
    (except [e TimeoutError]
      (raise (HandshakeError
        f"the handshake with {connection.peer} took more than {DEADLINE} seconds; {SILENT}") :from e))
    (except [e OSError]
      (raise (HandshakeError
        f"the connection with {connection.peer} failed during the handshake: {e}") :from e))))

(defn tell [connection why]
  "Tell the other end why it is not let in."
  (try
    (.send-line connection f"(refused \"{why}\")")
    (except [OSError])))  ; it hung up already, and this end's error says why
