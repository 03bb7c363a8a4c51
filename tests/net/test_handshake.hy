"The handshake: who is let in, who is not, and what they are told."

(import
  hmac
  os
  re
  socket
  threading
  hypothesis [example given strategies :as st]
  pytest
  dpfw.net.handshake
  dpfw.errors [HandshakeError Refused]
  dpfw.net.about [about-line]
  dpfw.net.handshake [dial-handshake listen-handshake new-session MAX-LINE]
  tests.helpers [all-from begin facing holds line-from linked message outcome pair reset stranger])

(setv
  COOKIE b"the cookie of these tests"
  OTHER-COOKIE b"the cookie of somebody else"
  HELLO-LINE (re.compile
    rb"\(dpfw 1 (?:master|slave) \"[0-9a-f]{32}\" \"[0-9a-f]{32}\"(?: packed)?(?: \"[0-9a-f]{64}\")?\)")
  REFUSED-LINE (re.compile rb"\(refused \"[^\"\\\n]*\"\)"))


(defn shake [dialler listener [roles ["master" "slave"]] [cookies [COOKIE COOKIE]]]
  "Let two connections shake hands; returns two Futures."
  [(begin dial-handshake dialler (get roles 0) "0123456789abcdef0123456789abcdef" (get cookies 0))
   (begin listen-handshake listener (get roles 1) "fedcba9876543210fedcba9876543210" (get cookies 1))])

(defn refusal [future #* parts]
  (with [raised (pytest.raises Refused)]
    (outcome future))
  (message raised #* parts))

(defn failure [future #* parts]
  "Check that it failed, and that nobody was refused."
  (with [raised (pytest.raises HandshakeError)]
    (outcome future))
  (assert (is raised.type HandshakeError) f"it is a {raised.type}")
  (message raised #* parts))

(defn listening [connection [role "slave"] [cookie COOKIE]]
  (begin listen-handshake connection role (new-session) cookie))

(defn dialling [connection [role "master"] [cookie COOKIE]]
  (begin dial-handshake connection role (new-session) cookie))

(defn short-deadline [monkeypatch [seconds 0.3]]
  (monkeypatch.setattr dpfw.net.handshake "DEADLINE" seconds))


;; A handshake by hand, after the transcript in the documentation.

(defn a-hello [role [nonce None] [version 1]]
  f"(dpfw {version} {role} \"{(* "5" 32)}\" \"{(or nonce (.hex (os.urandom 16)))}\")")

(defn prove [side dialled listened [cookie COOKIE]]
  (.hexdigest (hmac.new cookie
    (.encode (.join "\n" ["dpfw proof 1" side dialled listened ""])) "sha256")))

(defn send-line [sock line]
  (.sendall sock (+ (.encode line) b"\n")))

(defn unproved [line]
  "A listener's hello without its proof."
  (re.sub r" \"[0-9a-f]{64}\"\)$" ")" (.decode line)))

(defn proof-in [line]
  (get (re.search rb"\"([0-9a-f]{64})\"\)$" line) 1))


;; * Who is let in

(defn [(pytest.mark.parametrize "roles" [["master" "slave"] ["slave" "master"]])]
      test-a-master-and-a-slave-come-together-whoever-dials [pair roles]
  (setv [dialler listener] pair
        [dialled listened] (shake dialler listener roles))
  (holds (outcome dialled) "fedcba9876543210fedcba9876543210")
  (holds (outcome listened) "0123456789abcdef0123456789abcdef"))

(defn test-after-it-a-connection-waits-as-long-as-it-must [pair monkeypatch]
  (short-deadline monkeypatch 2)
  (for [future (shake #* pair)]
    (outcome future))
  (for [connection pair]
    (holds (.gettimeout connection.sock) None)))

(defn test-a-listener-by-hand [stranger]
  "The documentation has all that an implementation in another language needs."
  (setv [connection peer] stranger
        dialled (dialling connection)
        theirs (.decode (line-from peer))
        mine (a-hello "slave"))
  (assert (re.fullmatch r"\(dpfw 1 master \"[0-9a-f]{32}\" \"[0-9a-f]{32}\" packed\)" theirs) theirs)
  (send-line peer f"{(cut mine -1)} \"{(prove "listener" theirs mine)}\")")
  (holds (line-from peer) (.encode f"(proof \"{(prove "dialler" theirs mine)}\")"))
  (holds (outcome dialled) (* "5" 32)))

(defn test-a-dialler-by-hand [stranger]
  (setv [connection peer] stranger
        listened (listening connection)
        mine (a-hello "master"))
  (send-line peer mine)
  (setv theirs (line-from peer))
  (assert (re.fullmatch
    rb"\(dpfw 1 slave \"[0-9a-f]{32}\" \"[0-9a-f]{32}\" \"[0-9a-f]{64}\"\)" theirs) theirs)
  (holds (proof-in theirs) (.encode (prove "listener" mine (unproved theirs))))
  (send-line peer f"(proof \"{(prove "dialler" mine (unproved theirs))}\")")
  (holds (outcome listened) (* "5" 32)))

(defn test-the-first-frame-may-come-with-the-proof [stranger]
  (setv [connection peer] stranger
        listened (listening connection)
        mine (a-hello "master"))
  (send-line peer mine)
  (setv theirs (unproved (line-from peer)))
  (.sendall peer (.encode f"(proof \"{(prove "dialler" mine theirs)}\")\n(task 1 3)\nabc(eof 1 0)\n"))
  (outcome listened)
  (holds (.receive-header connection) #("task" 1 3))
  (holds (.receive-payload connection) b"abc")
  (holds (.receive-header connection) #("eof" 1 0)))

(defn test-one-byte-at-a-time [stranger]
  (setv [connection peer] stranger
        listened (listening connection)
        mine (a-hello "master"))
  (defn drip [line]
    (for [byte (.encode (+ line "\n"))]
      (.sendall peer (bytes [byte]))))
  (drip mine)
  (setv theirs (unproved (line-from peer)))
  (drip f"(proof \"{(prove "dialler" mine theirs)}\")")
  (holds (outcome listened) (* "5" 32)))

(defn test-nonces-and-sessions-are-never-the-same []
  (setv hellos (lfor  _ (range 100)  (dpfw.net.handshake.hello "slave" "x")))
  (holds (len (set hellos)) 100)
  (setv sessions (lfor  _ (range 100)  (new-session)))
  (holds (len (set sessions)) 100)
  (for [session sessions]
    (assert (re.fullmatch "[0-9a-f]{32}" session) session)))


;; * Who is not

(defn [(pytest.mark.parametrize "role, advice" [
        #("master" "both ends are masters, who talk with slaves; start one with: hy -m dpfw.slave")
        #("slave" "both ends are slaves, who talk with masters; start one with (dpfw-master-client")])]
      test-two-of-a-kind [pair role advice]
  (setv [dialler listener] pair
        [dialled listened] (shake dialler listener [role role]))
  (refusal listened f"refused {listener.peer}: " advice)
  (refusal dialled f"{dialler.peer} refused: " advice))

(defn [(pytest.mark.parametrize "role" ["master" "slave"])] test-a-watcher-may-dial-both [pair role]
  (for [future (shake #* pair ["watcher" role])]
    (outcome future))
  (holds (lfor  end pair  end.role) [role "watcher"]))

(defn [(pytest.mark.parametrize "role" ["master" "slave" "watcher"])] test-nobody-dials-a-watcher [pair role]
  (setv [dialled listened] (shake #* pair [role "watcher"]))
  (refusal listened "watcher")
  (refusal dialled "watcher"))

(defn test-another-version [stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (send-line peer (a-hello "master" :version 2))
  (refusal listened "this end speaks dpfw 1 and that one dpfw 2; install the same on both")
  (holds (line-from peer)
    b"(refused \"this end speaks dpfw 1 and that one dpfw 2; install the same on both\")"))

(defn test-a-listener-of-another-version [stranger]
  (setv [connection peer] stranger
        dialled (dialling connection))
  (line-from peer)
  (send-line peer (a-hello "slave" :version 2))
  (refusal dialled "dpfw 2")
  (assert (.startswith (line-from peer) b"(refused \"")))

(defn [(pytest.mark.parametrize "cookies" [[COOKIE OTHER-COOKIE] [OTHER-COOKIE COOKIE]])]
      test-two-cookies [pair cookies]
  "Whoever has the wrong one, both are told, and neither learns the other's."
  (setv [dialler listener] pair
        futures (shake dialler listener :cookies cookies))
  (for [future futures]
    (refusal future "the cookies differ" "DPFW_COOKIE")
    (setv said (str (.exception future)))
    (for [secret cookies]
      (assert (not-in (.decode secret) said) said)
      (assert (not-in (.hex secret) said) said))))

(defn test-a-dialler-without-the-cookie [stranger]
  "One that goes on although the listener's proof is not good for it."
  (setv [connection peer] stranger
        listened (listening connection)
        mine (a-hello "master"))
  (send-line peer mine)
  (setv theirs (unproved (line-from peer)))
  (send-line peer f"(proof \"{(prove "dialler" mine theirs OTHER-COOKIE)}\")")
  (refusal listened "the cookies differ")
  (assert (in b"the cookies differ" (line-from peer))))

(defn [(pytest.mark.parametrize "end" ["" f" \"{(* "0" 64)}\""])]
      test-a-listener-without-the-cookie [stranger end]
  "With a wrong proof, or with none. The dialler then gives away no proof."
  (setv [connection peer] stranger
        dialled (dialling connection))
  (line-from peer)
  (send-line peer f"{(cut (a-hello "slave") -1)}{end})")
  (refusal dialled "the cookies differ")
  (assert (.startswith (line-from peer) b"(refused \"the cookies differ")))

(defn test-a-proof-of-another-handshake-is-refused [stranger]
  "A dialler that sends again what it has overheard."
  (setv mine (a-hello "master"))
  (with [[connection peer] (facing)]
    (setv listened (listening connection))
    (send-line peer mine)
    (setv overheard (prove "dialler" mine (unproved (line-from peer))))
    (send-line peer f"(proof \"{overheard}\")")
    (outcome listened))
  (setv [connection peer] stranger
        listened (listening connection))
  (send-line peer mine)
  (line-from peer)
  (send-line peer f"(proof \"{overheard}\")")
  (refusal listened "the cookies differ"))

(defn test-a-listeners-proof-of-another-handshake-is-refused [stranger]
  (with [[dialler listener] (linked)  [connection peer] (facing)]
    (setv listened (listening connection))
    (send-line peer (a-hello "master"))
    (setv overheard (.decode (line-from peer)))
    (.close peer)
    (failure listened))
  (setv [connection peer] stranger
        dialled (dialling connection))
  (line-from peer)
  (send-line peer overheard)
  (refusal dialled "the cookies differ")
  (assert (.startswith (line-from peer) b"(refused ")))

(defn test-a-listeners-own-proof-is-no-diallers [stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (send-line peer (a-hello "master"))
  (send-line peer f"(proof \"{(.decode (proof-in (line-from peer)))}\")")
  (refusal listened "the cookies differ"))

(defn [(pytest.mark.parametrize "forge" [
        (fn [mine theirs] #((.replace mine "master" "slave") theirs))
        (fn [mine theirs] #(mine (re.sub "5" "6" theirs :count 1)))
        (fn [mine theirs] #(theirs mine))])]
      test-a-proof-is-of-these-very-hellos [stranger forge]
  (setv [connection peer] stranger
        listened (listening connection)
        mine (a-hello "master"))
  (send-line peer mine)
  (setv theirs (unproved (line-from peer)))
  (send-line peer f"(proof \"{(prove "dialler" #* (forge mine (.replace theirs "0" "5")))}\")")
  (refusal listened "the cookies differ"))

(defn test-a-proof-is-of-this-channel [pair]
  "What TLS says of the channel differs at the two ends of a middle man."
  (setv (. (get pair 0) binding) b"one certificate"
        (. (get pair 1) binding) b"another one")
  (for [future (shake #* pair)]
    (refusal future "the cookies differ")))


;; * Who is no dpfw

(setv
  STRANGERS {
    "http" b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/8\r\n\r\n"
    "ssh" b"SSH-2.0-OpenSSH_9.6\r\n"
    "zeros" (+ (bytes 100) b"\n")
    "an empty line" b"\n"
    "no line feed" (* b"x" 512)
    "no line feed in very much" (* b"x" 100000)
    "a line of 513 bytes" (+ (* b"x" 512) b"\n")
    "code" b"(__import__ \"os\")\n"
    "a proof first" (+ b"(proof \"" (* b"0" 64) b"\")\n")
    "a hello and more" (+ (.encode (cut (a-hello "master") -1)) b" \"more\")\n")
    "a hello with a carriage return" (+ (.encode (a-hello "master")) b"\r\n")
    "a hello in capitals" (+ (.upper (.encode (a-hello "master"))) b"\n")
    "a version of many digits" (+ (.encode (a-hello "master" :version (* "9" 200))) b"\n")
    "no such role" (+ (.encode (a-hello "king")) b"\n")
    "a short nonce" (+ (.encode (a-hello "master" "abc")) b"\n")
    "a refusal with a quote in it" b"(refused \"\"evil\"\")\n"
    "a refusal that is not ASCII" b"(refused \"\xc3\xa4\")\n"
    "a refusal with an escape" b"(refused \"\x1b[2J\")\n"})

(defn [(pytest.mark.parametrize "side" [listening dialling])
       (pytest.mark.parametrize "name" STRANGERS)]
      test-a-stranger-is-told-what-this-port-is [stranger side name]
  "But is not refused for good: it may stand before an end of dpfw, or come in its
  place for a while."
  (setv [connection peer] stranger
        future (side connection))
  (.sendall peer (get STRANGERS name))
  (failure future connection.peer "this port speaks dpfw 1, and that was something else")
  (.close connection)
  (setv answer (all-from peer))
  (when (is side dialling)
    (setv [_ _ answer] (.partition answer b"\n")))
  (holds answer b"(refused \"this port speaks dpfw 1, and that was something else\")\n"))

(defn test-a-dialler-that-proves-too-early-is-refused [stranger]
  (setv [connection peer] stranger
        future (listening connection))
  (.sendall peer (.encode f"{(cut (a-hello "master") -1)} \"{(* "0" 64)}\")\n"))
  (failure future connection.peer "this port speaks dpfw 1, and that was something else")
  (assert (.startswith (line-from peer) b"(refused \"this port")))

(defn test-what-the-other-end-says-is-passed-on [stranger]
  (setv [connection peer] stranger
        dialled (dialling connection))
  (line-from peer)
  (send-line peer "(refused \"not before noon; come again at 12:00 #1 [sic]\")")
  (refusal dialled f"{connection.peer} refused: not before noon; come again at 12:00 #1 [sic]")
  ; And is not answered.
  (.close connection)
  (holds (all-from peer) b""))

(defn test-a-dialler-may-refuse-in-place-of-its-proof [stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (send-line peer (a-hello "master"))
  (line-from peer)
  (send-line peer "(refused \"another time\")")
  (refusal listened "another time"))

(defn test-garbage-in-place-of-a-proof [stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (send-line peer (a-hello "master"))
  (line-from peer)
  (send-line peer "(task 1 3)")
  (failure listened "something else")
  (assert (.startswith (line-from peer) b"(refused \"this port")))


;; * Packed data

(defn packing [dialler listener roles dials listens]
  "Shake hands, where the dialler and the listener say whether they take packed data."
  (for [future [(begin dial-handshake dialler (get roles 0) (new-session) COOKIE dials)
                (begin listen-handshake listener (get roles 1) (new-session) COOKIE listens)]]
    (outcome future)))

(defn hello-with [role words]
  (+ (cut (a-hello role) -1) words ")"))

(defn answered [peer mine]
  "The rest of a handshake by hand with a listener; returns what it said."
  (send-line peer mine)
  (setv theirs (unproved (line-from peer)))
  (send-line peer f"(proof \"{(prove "dialler" mine theirs)}\")")
  theirs)

(defn [(pytest.mark.parametrize "roles" [["master" "slave"] ["slave" "master"]])
       (pytest.mark.parametrize "dials" [True False])
       (pytest.mark.parametrize "listens" [True False])]
      test-data-are-packed-where-both-ends-say-so [pair roles dials listens]
  (packing #* pair roles dials listens)
  (holds (lfor  end pair  end.packed) (* [(and dials listens)] 2)))

(defn test-data-are-packed-only-after-a-handshake-that-went-well [pair]
  (for [future (shake #* pair :cookies [COOKIE OTHER-COOKIE])]
    (refusal future "the cookies differ"))
  (holds (lfor  end pair  end.packed) [False False]))

(defn [(pytest.mark.parametrize #("words" "packed") [
        #("" False) #(" packed" True) #(" pack" False) #(" packedx" False) #(" unpacked" False)
        #(" other packed" True) #(" packed other" True) #(" packed packed" True)
        #(" a b c d e f g packed" True) #(" abcdefghijklmnop packed" True)])]
      test-words-that-an-end-does-not-know-it-passes-over [words packed]
  (with [[connection peer] (facing)]
    (setv listened (listening connection)
          theirs (answered peer (hello-with "master" words)))
    (outcome listened)
    (holds connection.packed packed)
    ; It says no more than that.
    (assert (.endswith theirs (if packed "\" packed)" "\")")) theirs))
  (with [[connection peer] (facing)]
    (setv dialled (dialling connection)
          theirs (.decode (line-from peer))
          mine (hello-with "slave" words))
    (send-line peer f"{(cut mine -1)} \"{(prove "listener" theirs mine)}\")")
    (outcome dialled)
    (holds connection.packed packed)))

(defn [(pytest.mark.parametrize "side" [listening dialling])
       (pytest.mark.parametrize "words" [
         " abcdefghijklmnopq" " a b c d e f g h packed" " " "  packed" " packed " " Packed" " packed2"
         " pack-ed" " \"packed\"" "\tpacked" " p\u00e4cked" "packed" " packed\r" " (packed)" " packed\0"
         (* " abcdefghijklmnop" 8 4)])]
      test-words-of-another-form-are-refused [stranger side words]
  (setv [connection peer] stranger
        future (side connection))
  (when (is side dialling)
    (line-from peer))
  (send-line peer (hello-with (if (is side dialling) "slave" "master") words))
  (failure future "this port speaks dpfw 1, and that was something else")
  (assert (.startswith (line-from peer) b"(refused \"this port"))
  (assert (not connection.packed)))

(defn [(pytest.mark.parametrize "words" ["" " other"])]
      test-a-listener-does-not-say-what-the-dialler-did-not [stranger words]
  (setv [connection peer] stranger
        listened (listening connection)
        theirs (answered peer (hello-with "master" words)))
  (outcome listened)
  (assert (re.fullmatch r"\(dpfw 1 slave \"[0-9a-f]{32}\" \"[0-9a-f]{32}\"\)" theirs) theirs)
  (assert (not connection.packed)))

(defn test-a-dialler-does-not-believe-a-listener-that-says-it-first [stranger]
  (setv [connection peer] stranger
        dialled (begin dial-handshake connection "master" (new-session) COOKIE False)
        theirs (.decode (line-from peer))
        mine (hello-with "slave" " packed"))
  (assert (re.fullmatch r"\(dpfw 1 master \"[0-9a-f]{32}\" \"[0-9a-f]{32}\"\)" theirs) theirs)
  (send-line peer f"{(cut mine -1)} \"{(prove "listener" theirs mine)}\")")
  (outcome dialled)
  (assert (not connection.packed)))

(defn dropped [line] (.replace line " packed" ""))
(defn added [line] (re.sub r"^(\(dpfw 1 [a-z]+ \"\w+\" \"\w+\")" r"\1 packed" line))
(defn same [line] line)

(defn [(pytest.mark.parametrize #("dials" "listens" "first" "second") [
        #(True True dropped same) #(True True same dropped) #(True True dropped added)
        #(True True (fn [line] (.replace line "packed" "other")) same)
        #(True True (fn [line] (.replace line "packed" "packed other")) same)
        #(True False same added) #(False True added same) #(False True added dropped)
        #(False False added added) #(False False same added)])]
      test-who-changes-the-words-on-their-way-is-found-out [dials listens first second]
  (with [[dialler one] (facing)  [listener other] (facing)]
    (setv dialled (begin dial-handshake dialler "master" (new-session) COOKIE dials)
          listened (begin listen-handshake listener "slave" (new-session) COOKIE listens))
    (for [[source sink change] [[one other first] [other one second]]]
      (setv line (.decode (line-from source))
            changed (change line))
      (send-line sink changed))
    ; The dialler's refusal, which comes in the place of its proof.
    (send-line other (.decode (line-from one)))
    (refusal dialled "the cookies differ")
    (refusal listened "the cookies differ")
    (holds [dialler.packed listener.packed] [False False])))


;; * Who says nothing

(defn too-slow [future connection peer]
  "Check that it was given up, and told nothing: the next time, it may be faster."
  (failure future connection.peer "took more than 0.3 seconds")
  (.close connection)
  (setv said (all-from peer))
  (assert (not-in b"refused" said) said))

(defn [(pytest.mark.parametrize #("side" "lines") [
        #(listening []) #(listening [(a-hello "master")]) #(dialling [])])]
      test-silence-has-an-end [stranger monkeypatch side lines]
  (short-deadline monkeypatch)
  (setv [connection peer] stranger
        future (side connection))
  (for [line lines]
    (send-line peer line))
  (too-slow future connection peer))

(defn [(pytest.mark.parametrize "side" [listening dialling])]
      test-a-drip-does-not-extend-the-deadline [stranger monkeypatch side]
  (short-deadline monkeypatch)
  (setv [connection peer] stranger
        future (side connection)
        over (threading.Event))
  (defn drip []
    (while (not (.wait over 0.05))
      (try
        (.send peer b"(")
        (except [OSError]
          (return)))))
  (setv dripping (begin drip))
  (try
    (too-slow future connection peer)
    (finally
      (.set over)
      (outcome dripping))))

(defn test-the-whole-handshake-has-one-deadline [stranger monkeypatch]
  "Not one for each line."
  (setv [connection peer] stranger
        deadlines []
        receive-line connection.receive-line)
  (setv connection.receive-line (fn [limit deadline]
    (.append deadlines deadline)
    (receive-line limit deadline)))
  (setv listened (listening connection)
        mine (a-hello "master"))
  (send-line peer mine)
  (setv theirs (unproved (line-from peer)))
  (send-line peer f"(proof \"{(prove "dialler" mine theirs)}\")")
  (outcome listened)
  (holds [(len deadlines) (len (set deadlines))] [2 1]))


;; * Who hangs up

(defn [(pytest.mark.parametrize "hang_up" [(fn [sock] (.close sock)) reset])
       (pytest.mark.parametrize "said" ["" "half" "hello" "half proof"])]
      test-a-dialler-hangs-up [stranger hang-up said]
  (setv [connection peer] stranger
        listened (listening connection)
        hello (a-hello "master"))
  (cond
    (= said "half")
      (.sendall peer (.encode (cut hello 30)))
    (!= said "")
      (do
        (send-line peer hello)
        (line-from peer)
        (when (= said "half proof")
          (.sendall peer b"(proof \"0123"))))
  (hang-up peer)
  (with [raised (pytest.raises HandshakeError)]
    (outcome listened))
  (message raised connection.peer))

(defn [(pytest.mark.parametrize "hang_up" [(fn [sock] (.close sock)) reset])
       (pytest.mark.parametrize "said" ["" "half"])]
      test-a-listener-hangs-up [stranger hang-up said]
  (setv [connection peer] stranger
        dialled (dialling connection))
  (line-from peer)
  (when said
    (.sendall peer (.encode (cut (a-hello "slave") 30))))
  (hang-up peer)
  (with [raised (pytest.raises HandshakeError)]
    (outcome dialled))
  (message raised connection.peer))

(defn test-a-hang-up-is-no-refusal [stranger]
  "The other end may have been starting, or ending."
  (setv [connection peer] stranger
        dialled (dialling connection))
  (line-from peer)
  (.close peer)
  (failure dialled "hung up during the handshake; is that port dpfw's?"))

(defn test-a-connection-that-is-aborted-here [stranger]
  (setv [connection peer] stranger
        listened (listening connection))
  (.abort connection)
  (failure listened connection.peer))


;; * Any bytes at all

(defn mangled [line edits]
  (setv line (bytearray line))
  (for [[at byte] edits]
    (setv (get line (% at (len line))) byte))
  (bytes line))

(setv
  fine (+ (.encode (a-hello "master")) b"\n")
  first-bytes (st.one-of
    (st.binary :max-size 700)
    (st.builds (fn [line] (+ line b"\n")) (st.binary :max-size 600))
    (st.builds mangled (st.just fine)
      (st.lists (st.tuples (st.integers 0 1000) (st.integers 0 255)) :max-size 4))
    (st.builds (fn [n more] (+ (cut fine n) more))
      (st.integers 0 (len fine)) (st.binary :max-size 100))
    (st.from-regex dpfw.net.handshake.REFUSED)
    (st.from-regex dpfw.net.handshake.HELLO)))

(defn fuzzed [handshake role said]
  "Shake hands with who says just that; returns the error and the answer."
  (with [[connection peer] (facing)]
    (.sendall peer said)
    (.shutdown peer socket.SHUT-WR)
    (with [raised (pytest.raises HandshakeError)]
      (handshake connection role (new-session) COOKIE))
    (.close connection)
    #(raised.value (all-from peer))))

(defn check-answer [answer may-begin]
  (setv lines (.split answer b"\n"))
  (holds (.pop lines) b"")  ; what is said is said in whole lines
  (for [line lines]
    (assert (< (len line) MAX-LINE) f"{(len line)} bytes"))
  (when (and lines (may-begin.fullmatch (get lines 0)))
    (.pop lines 0))
  (assert (<= (len lines) 1) f"{answer} is more than one refusal")
  (for [line lines]
    (assert (REFUSED-LINE.fullmatch line) f"{line} is no refusal")))

(defn [(given first-bytes)
       (example fine) (example b"") (example b"x") (example b"x\n") (example (* b"x" 700))
       (example b"\x16")]
      test-a-listener-takes-any-bytes [said]
  (setv [error answer] (fuzzed listen-handshake "slave" said))
  (if (.startswith said b"\x16")
    ; It began TLS, and is answered in that: an alert, or nothing.
    (assert (re.fullmatch rb"(?:\x15\x03[\x00-\x04]\x00\x02\x02.)?" answer re.S) f"{answer}")
    (check-answer answer HELLO-LINE))
  (assert (in (type error) [HandshakeError Refused]) f"it is a {(type error)}"))

(defn [(given first-bytes) (example b"") (example b"x\n")]
      test-a-dialler-takes-any-bytes [said]
  (setv [error answer] (fuzzed dial-handshake "slave" said))
  (check-answer answer HELLO-LINE)
  (assert (in (type error) [HandshakeError Refused]) f"it is a {(type error)}"))

(defn test-no-reader-is-near []
  "What comes before the proof is matched with patterns and never read."
  (for [module [dpfw.net.handshake dpfw.net.wire]]
    (for [name ["read_datum" "read" "eval" "hy_eval" "pickle"]]
      (assert (not (hasattr module name)) f"{module.__name__} has {name}")))
  (setv source (.read-text (. (hy.I.pathlib.Path dpfw.net.handshake.__file__))))
  (for [word ["hy.read" "hy.eval" "sexp" "pickle"]]
    (assert (not-in word source) f"handshake.hy speaks of {word}")))

(defn test-proofs-are-compared-in-constant-time [pair monkeypatch]
  (setv compared []
        compare hmac.compare-digest)
  (monkeypatch.setattr hmac "compare_digest"
    (fn [a b] (.append compared #(a b)) (compare a b)))
  (for [future (shake #* pair)]
    (outcome future))
  (holds (len compared) 2))

;; * What they say of themselves

(setv
  MINE {"dpfw" "1.0.0"  "host" "node-a"}
  THEIRS {"dpfw" "0.2.0"  "name" "gpu"  "labels" ["a" "b"]  "later" [1 2]})

(defn introduced [dialler listener mine theirs]
  [(begin dial-handshake dialler "master" (new-session) COOKIE True mine)
   (begin listen-handshake listener "slave" (new-session) COOKIE True theirs)])

(defn test-each-hears-of-the-other [pair]
  (for [future (introduced #* pair MINE THEIRS)]
    (outcome future))
  (holds (lfor  end pair  end.about) [THEIRS MINE]))

(defn [(pytest.mark.parametrize "told" [[MINE None] [None THEIRS] [None None]])]
      test-nothing-is-said-unless-both-want-it [pair told]
  (for [future (introduced #* pair #* told)]
    (outcome future))
  (holds (lfor  end pair  end.about) [{} {}]))

(defn [(pytest.mark.parametrize "line" [
        b"(quit)" b"[]" b"{1 2}" b"{\"pid\" \"1\"}" b"{\"host\" 5}" b"{\"output\" 1}" b"{\"name\" \"\\x1b[2J\"}" b"" b"\xff"
        (+ b"{\"dpfw\" \"" (* b"9" 101) b"\"}") (+ b"{\"later\" \"" (* b"9" 5000) b"\"}")
        (+ b"{\"labels\" [" (* b"\"a\" " 21) b"]}") b"(refused \"no\")"])]
      test-who-says-nonsense-of-itself-is-not-let-in [stranger line]
  (setv [connection peer] stranger
        listened (begin listen-handshake connection "slave" (new-session) COOKIE True THEIRS)
        mine (.replace (a-hello "master") ")" " about)"))
  (send-line peer mine)
  (setv theirs (unproved (line-from peer)))
  (send-line peer f"(proof \"{(prove "dialler" mine theirs)}\")")
  (.sendall peer (+ line b"\n"))
  (if (in b"refused" line)
    (refusal listened "no")
    (failure listened))
  (holds connection.about {}))

(defn test-what-cannot-be-said-is-an-error-here [pair]
  (with [raised (pytest.raises ValueError)]
    (about-line {"name" "a\nb"}))
  (message raised "name" "a\\nb")
  (with [raised (pytest.raises ValueError)]
    (about-line {"later" (* "x" 5000)}))
  (message raised "4096"))
