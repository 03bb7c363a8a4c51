"Frames come out as they went in however the network cuts them, and whatever
else comes is refused before it costs anything."

(import
  itertools [chain count repeat]
  re
  socket
  threading
  time
  tracemalloc
  hypothesis [example given strategies :as st]
  pytest
  dpfw.errors [SettingError WireError]
  dpfw.net.addresses [format-address]
  dpfw.net.frames [DEFAULT-LIMIT frame-limit KINDS MAX-DATA MAX-HEADER]
  dpfw.net.wire [Connection ConnectionCut ConnectionEnded]
  tests.helpers [begin exactly facing holds line-from message outcome pair reset stranger stuff
           tcp-pair until WAIT])

(setv
  NAMES (sorted (.values KINDS))
  MIB (* 1024 1024))

(defn frame [kind number payload]
  (+ (.encode f"({kind} {number} {(len payload)})\n") payload))

(defn sample [n]
  "n bytes that show it when some are lost or exchanged."
  (cut (* (bytes (range 251)) (+ 1 (// n 251))) n))

(defn receive [connection]
  (setv [kind number length] (.receive-header connection)
        payload (.receive-payload connection))
  (holds (len payload) length)
  #(kind number (bytes payload)))

(defn receive-pieces [connection size]
  "Receive one frame by `receive-into`, in pieces of at most ``size`` bytes."
  (setv [kind number length] (.receive-header connection)
        buffer (bytearray length)
        at 0)
  (while (< at length)
    (setv n (.receive-into connection (cut (memoryview buffer) at (+ at size))))
    (assert (<= 1 n size) f"{n} bytes of at most {size}")
    (+= at n))
  #(kind number (bytes buffer)))

(defn all-frames [connection]
  "The frames that come, and the error that ends them."
  (setv frames [])
  (try
    (while True
      (.append frames (receive connection)))
    (except [e WireError]
      #(frames e))))

(defn refuses [connection #* parts]
  (with [raised (pytest.raises WireError)]
    (.receive-header connection))
  (assert (in raised.type [WireError ConnectionCut]) f"it is a {raised.type}")
  (message raised connection.peer #* parts))


;; A socket that gives at most so many bytes at once, as a network may.
(defclass Sliced []
  (defn __init__ [self sock sizes]
    (setv self.sock sock  self.sizes sizes))

  (defn recv [self n #* flags]
    (.recv self.sock (min n (next self.sizes)) #* flags))

  (defn recv-into [self view]
    (.recv-into self.sock (cut view (next self.sizes))))

  (defn __getattr__ [self name]
    (getattr self.sock name)))

(defn slice-receiving [connection sizes]
  (setv connection.sock (Sliced connection.sock sizes)))


;; * Round trips

(defn [(pytest.mark.parametrize "kind" NAMES)] test-every-kind-arrives-with-its-payload [pair kind]
  (setv [one two] pair)
  (for [[number n] [[0 0] [1 1] [2 1000] [(- (** 10 15) 1) 2]]]
    (.send one kind number (sample n))
    (holds (receive two) #(kind number (sample n)))))

(defn [(pytest.mark.parametrize "size" [0 1 65535 65536 65537 (- MIB 1) MIB])]
      test-data-of-every-size-arrives [pair size]
  (setv [one two] pair
        sending (begin one.send "data" 7 (sample size)))
  (holds (receive two) #("data" 7 (sample size)))
  (outcome sending))

(defn [(pytest.mark.parametrize "kind" ["task" "end" "error"])]
      test-what-is-no-data-may-be-longer-than-data [pair kind]
  (setv [one two] pair
        payload (sample (+ 7 (* 5 MIB)))
        sending (begin one.send kind 7 payload))
  (assert (= (receive two) #(kind 7 payload)))
  (outcome sending))

(defn test-both-ends-send-at-once [pair]
  (setv payload (sample (* 4 MIB))
        sending (lfor  end pair  (begin end.send "end" 1 payload))
        receiving (lfor  end pair  (begin receive end)))
  (for [future receiving]
    (assert (= (outcome future) #("end" 1 payload))))
  (for [future sending]
    (outcome future)))

(defn test-several-threads-send-whole-frames [pair]
  (setv [one two] pair)
  (defn send-some [letter]
    (for [_ (range 50)]
      (.send one "data" 1 (* letter 70000))))
  (setv sending (lfor  letter [b"a" b"b" b"c"]  (begin send-some letter))
        seen {})
  (for [_ (range 150)]
    (setv [_ _ payload] (receive two)
          letter (cut payload 1))
    (assert (= payload (* letter 70000)))
    (setv (get seen letter) (+ 1 (.get seen letter 0))))
  (holds seen {b"a" 50  b"b" 50  b"c" 50})
  (for [future sending]
    (outcome future)))

(defn test-a-frame-is-what-the-wire-says [stranger]
  "For who looks at packets, and for other implementations."
  (setv [connection peer] stranger)
  (.send connection "task" 12 b"(fn [i o])")
  (.send connection "eof" 12)
  (.send connection "data" 12 (memoryview (bytearray b"view")))
  (setv wanted b"(task 12 10)\n(fn [i o])(eof 12 0)\n(data 12 4)\nview")
  (holds (exactly peer (len wanted)) wanted))

(defn test-a-short-frame-is-one-packet [stranger]
  "The 40 ms of Nagle and delayed acknowledgements, else."
  (setv [connection peer] stranger
        sent [])
  (defclass Recorded [Sliced]
    (defn sendall [self bytes]
      (.append sent bytes)))
  (setv connection.sock (Recorded connection.sock None))
  (.send connection "task" 1 (sample 1000))
  (.send connection "eof" 1)
  (holds sent [(frame "task" 1 (sample 1000)) (frame "eof" 1 b"")]))

(defn test-an-empty-payload-is-there-at-once [stranger]
  "Without a byte behind it to wait for."
  (setv [connection peer] stranger)
  (.sendall peer b"(end 1 0)\n")
  (holds (receive connection) #("end" 1 b"")))


;; * However it is cut

(setv SOME [#("task" 1 b"(fn [i o] 1)") #("eof" 1 b"") #("data" 12 b"\n(end 1 3)\n") #("data" 1 b"")
            #("output" 9 b"x") #("end" 1234 b"None") #("kill" 0 b"")])
(setv SOME-BYTES (.join b"" (gfor  parts SOME  (frame #* parts))))

(defn test-several-frames-in-one-packet [stranger]
  (setv [connection peer] stranger)
  (.sendall peer SOME-BYTES)
  (holds (lfor  _ SOME  (receive connection)) SOME))

(defn test-one-byte-at-a-time [stranger]
  (setv [connection peer] stranger)
  (slice-receiving connection (iter (fn [] 1) 0))
  (.sendall peer SOME-BYTES)
  (holds (lfor  _ SOME  (receive connection)) SOME))

(defn test-cut-in-two-at-every-place []
  (with [[connection peer] (facing)]
    (for [at (range 1 (len SOME-BYTES))]
      (setv sock connection.sock)
      (slice-receiving connection (iter [at #* (* [100000] 50)]))
      (.sendall peer SOME-BYTES)
      (holds (lfor  _ SOME  (receive connection)) SOME)
      (setv connection.sock sock))))

(setv a-triple (st.tuples
  (st.sampled-from NAMES) (st.integers 0 (- (** 10 15) 1)) (st.binary :max-size 300)))

(defn [(given
         (st.lists a-triple :max-size 8)
         (st.lists (st.integers 1 40) :min-size 1)
         (st.integers 1 40))]
      test-cut-anywhere-and-received-in-pieces [frames sizes piece]
  (with [[connection peer] (facing)]
    (slice-receiving connection
      (gfor  n (count)  (get sizes (% n (len sizes)))))
    (.sendall peer (.join b"" (gfor  parts frames  (frame #* parts))))
    (holds (lfor  _ frames  (receive-pieces connection piece)) frames)))

(defn test-pieces-of-a-long-frame [pair]
  (setv [one two] pair
        payload (sample (* 3 MIB))
        sending (begin one.send "end" 1 payload))
  (assert (= (receive-pieces two 100000) #("end" 1 payload)))
  (outcome sending))

(defn [(pytest.mark.parametrize "taken" [0 1 65536 100000])]
      test-what-is-left-of-a-payload-is-skipped [pair taken]
  (setv [one two] pair)
  (defn send-both []
    (.send one "data" 1 (sample 300000))
    (.send one "end" 1 b"next"))
  (setv sending (begin send-both))
  (.receive-header two)
  (setv buffer (memoryview (bytearray taken))
        at 0)
  (while (< at taken)
    (+= at (.receive-into two (cut buffer at None))))
  (holds (bytes buffer) (sample taken))
  (holds (receive two) #("end" 1 b"next"))
  (outcome sending))

(defn test-the-rest-of-a-payload-after-a-piece [pair]
  (setv [one two] pair)
  (.send one "data" 1 b"hello, world")
  (.receive-header two)
  (setv buffer (bytearray 5))
  (holds (.receive-into two (memoryview buffer)) 5)
  (holds #((bytes buffer) (.receive-payload two)) #(b"hello" b", world"))
  (holds (.receive-payload two) b""))

(defn test-a-view-longer-than-the-payload-gets-the-payload [pair]
  (setv [one two] pair)
  (.send one "data" 1 b"abc")
  (.send one "end" 1 b"z")
  (.receive-header two)
  (setv buffer (bytearray 100))
  (holds (.receive-into two (memoryview buffer)) 3)
  (holds (cut buffer 4) (bytearray b"abc\0"))
  (holds (receive two) #("end" 1 b"z")))

(defn test-a-longer-view-gets-no-more-from-the-socket-either [stranger]
  (setv [connection peer] stranger)
  (.sendall peer b"(data 1 3)\n")
  (.receive-header connection)
  (.sendall peer b"abc(end 1 1)\nz")
  (setv buffer (memoryview (bytearray 100))
        at 0)
  (while (< at 3)
    (+= at (.receive-into connection (cut buffer at None))))
  (holds (bytes (cut buffer 4)) b"abc\0")
  (holds (receive connection) #("end" 1 b"z")))


;; * What is refused

(defn [(pytest.mark.parametrize "bytes, part" [
        #(b"(data 1 1048577)\n" "limit is 1048576. Cut long data into several frames")
        #(b"(evil 1 0)\n" "b'evil'")
        #(b"(e 1 0)\n" "unknown kind")
        #(b"(TASK 1 0)\n" "no frame header")
        #(b"(task 1 01)\n" "no frame header")
        #(b"(task 1 00)\n" "no frame header")
        #(b"(task 01 0)\n" "no frame header")
        #(b"(task 1 -1)\n" "no frame header")
        #(b"(task -1 1)\n" "no frame header")
        #(b"(task 1 +1)\n" "no frame header")
        #(b"(task +1 1)\n" "no frame header")
        #(b"(task 1 1_0)\n" "no frame header")
        #(b"(task 1 0x1)\n" "no frame header")
        #(b"(task 1 \xd9\xa1)\n" "no frame header")
        #(b"(task  1 1)\n" "no frame header")
        #(b"(task 1  1)\n" "no frame header")
        #(b"(task 1 1) \n" "no frame header")
        #(b"(task 1 1)\r\n" "no frame header")
        #(b" (task 1 1)\n" "no frame header")
        #(b"(task)\n" "no frame header")
        #(b"(task 1)\n" "no frame header")
        #(b"( 1 1)\n" "no frame header")
        #(b"\n" "no frame header")
        #(b"(task 1 1 1)\n" "no frame header")
        #((+ b"(task 1 " (* b"9" 16) b")\n") "no frame header")
        #((+ b"(task " (* b"9" 16) b" 1)\n") "no frame header")
        #((+ b"(task " (* b"1" 47)) "no frame header")
        #((* b"(" 48) "no frame header")
        #((bytes 48) "\\x00")
        #((+ b"(" (* b"a" 40) b" 1 0)\n") "no frame header")])]
      test-what-is-no-header-is-refused [stranger bytes part]
  "At its end or at the 48th byte: the connection stays open here, so that
  waiting for more would fail."
  (setv [connection peer] stranger)
  (.sendall peer bytes)
  (refuses connection part))

(defn test-garbage-does-not-make-a-long-message [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (+ b"(" (* b"a" 60000) b" 1 0)\n"))
  (until (fn [] (.look-ahead connection #{"cancel"} 100000)
                (> (len connection.received) 60000)))
  (with [raised (pytest.raises WireError)]
    (.receive-header connection))
  (setv text (str raised.value))
  (assert (< (len text) 300) f"{(len text)} characters"))

(defn test-the-longest-header-is-taken [stranger]
  (setv [connection peer] stranger
        most (- (** 10 15) 1)
        connection.limit most
        header (+ b"(cancel " (* b"9" 15) b" " (* b"9" 15) b")\n"))
  (assert (<= (len header) MAX-HEADER))
  (.sendall peer header)
  (holds (.receive-header connection) #("cancel" most most)))

(defn [(pytest.mark.parametrize "kind" NAMES)]
      test-999-gigabytes-are-refused-and-nothing-is-allocated [stranger kind]
  (setv [connection peer] stranger)
  (.sendall peer (.encode f"({kind} 1 {(* 999 (** 10 9))})\n"))
  (tracemalloc.start)
  (try
    (refuses connection "999000000000 bytes" "the limit is")
    (setv [_ peak] (tracemalloc.get-traced-memory))
    (finally
      (tracemalloc.stop)))
  (assert (< peak MIB) f"{peak} bytes were allocated"))

(defn test-a-limit-is-held []
  (with [[connection peer] (facing 1000)]
    (.sendall peer (+ (frame "end" 1 (sample 1000)) b"(end 2 1001)\n"))
    (holds (receive connection) #("end" 1 (sample 1000)))
    (refuses connection "end frame of 1001 bytes" "the limit is 1000" "DPFW_FRAME_LIMIT")))

(defn [(pytest.mark.parametrize "kind" ["data" "output"])] test-data-and-output-have-their-own-limit [kind]
  (with [[connection peer] (facing (* 4 MIB))]
    (.sendall peer (.encode f"({kind} 1 {MAX-DATA})\n"))
    (holds (.receive-header connection) #(kind 1 MAX-DATA)))
  (with [[connection peer] (facing (* 4 MIB))]
    (.sendall peer (.encode f"({kind} 1 {(+ 1 MAX-DATA)})\n"))
    (refuses connection "Cut long data")))

(defn test-the-limit-without-a-setting [monkeypatch]
  (monkeypatch.delenv "DPFW_FRAME_LIMIT" :raising False)
  (holds (frame-limit) DEFAULT-LIMIT)
  (monkeypatch.setenv "DPFW_FRAME_LIMIT" "")
  (holds (frame-limit) DEFAULT-LIMIT))

(defn test-the-limit-can-be-set [monkeypatch]
  (for [limit [MAX-DATA 123456789 (** 10 12)]]
    (monkeypatch.setenv "DPFW_FRAME_LIMIT" (str limit))
    (holds (frame-limit) limit)))

(defn [(pytest.mark.parametrize "text" ["1e6" "-1" " 5" "lots" "1_000" "\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668" "256 MiB" "0" "1048575"])]
      test-a-bad-limit-is-named [monkeypatch text]
  (monkeypatch.setenv "DPFW_FRAME_LIMIT" text)
  (with [raised (pytest.raises SettingError)]
    (frame-limit))
  (message raised "DPFW_FRAME_LIMIT" (repr text) "number of bytes"))


;; * How it ends

(defn test-an-end-between-frames-is-told-from-a-cut [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (frame "end" 1 b"1"))
  (.close peer)
  (holds (receive connection) #("end" 1 b"1"))
  (with [raised (pytest.raises ConnectionEnded)]
    (.receive-header connection))
  (message raised connection.peer "ended"))

(defn [(pytest.mark.parametrize "bytes" [b"(" b"(end 1" b"(end 1 1" b"(end 1 1)"])]
      test-cut-in-the-middle-of-a-header [stranger bytes]
  (setv [connection peer] stranger)
  (.sendall peer bytes)
  (.close peer)
  (refuses connection "cut in the middle of a frame"))

(defn [(pytest.mark.parametrize "sent" [0 1 999])]
      test-cut-in-the-middle-of-a-payload [sent]
  (for [receive-rest [(fn [connection] (.receive-payload connection))
                      (fn [connection] (.receive-header connection))
                      (fn [connection] (while True (.receive-into connection (memoryview (bytearray 300)))))]]
    (with [[connection peer] (facing)]
      (.sendall peer (+ b"(end 1 1000)\n" (sample sent)))
      (.close peer)
      (holds (.receive-header connection) #("end" 1 1000))
      (with [raised (pytest.raises WireError)]
        (receive-rest connection))
      (assert (in raised.type [WireError ConnectionCut]) f"it is a {raised.type}")
      (message raised connection.peer "cut in the middle of a frame"))))

(defn test-a-peer-that-resets-is-an-os-error [stranger]
  (setv [connection peer] stranger)
  (.sendall peer b"(end 1 1000)\nxx")
  (.receive-header connection)
  (reset peer)
  (with [_ (pytest.raises OSError)]
    (.receive-payload connection)))


;; * Any bytes at all

(setv HEADER-LINE (re.compile rb"\(([a-z]+) (0|[1-9][0-9]{0,14}) (0|[1-9][0-9]*)\)"))

(defn expected [stream limit]
  "The frames at the head of a stream, and the class of what ends them: what
  `Connection` is to find, written another way."
  (setv frames [])
  (while stream
    (setv [line feed rest] (.partition stream b"\n"))
    (when (or (not feed) (>= (len line) MAX-HEADER))
      (return #(frames WireError)))
    (setv match (HEADER-LINE.fullmatch line))
    (when (not match)
      (return #(frames WireError)))
    (setv kind (.decode (get match 1))
          number (int (get match 2))
          n (int (get match 3)))
    (when (or (not-in kind NAMES)
              (> n (if (in kind ["data" "output"]) MAX-DATA limit))
              (> n (len rest)))
      (return #(frames WireError)))
    (.append frames #(kind number (cut rest n)))
    (setv stream (cut rest n None)))
  #(frames ConnectionEnded))

(defn sort-of [error]
  "A stream that is cut may have been nonsense or not."
  (if (is (type error) ConnectionCut) WireError (type error)))

(setv
  a-number (st.one-of (st.integers 0 9) (st.integers 0 (** 10 25)))
  a-frame (st.builds (fn [parts] (frame #* parts)) a-triple)
  almost-a-header (st.one-of
    (st.builds (fn [kind number n] (.encode f"({kind} {number} {n})\n"))
      (st.one-of (st.sampled-from NAMES) (st.text "abcdefgh" :max-size 40))
      (st.one-of a-number (st.just "007"))
      (st.one-of (st.integers 0 2000) a-number (st.just "007")))
    (st.text "(dat 01)\n" :max-size 60)
    (st.from-regex HEADER-LINE))
  a-stream (st.builds
    (fn [pieces] (.join b"" (gfor  p pieces  (if (isinstance p str) (.encode p) p))))
    (st.lists (st.one-of a-frame a-frame almost-a-header (st.binary :max-size 50)) :max-size 8)))

(defn [(given a-stream (st.lists (st.integers 1 100) :min-size 1 :max-size 10))
       (example b"(end 1 1000)\n" [1])
       (example b"(end 1 1001)\n" [1])]
      test-any-bytes-give-frames-or-a-wire-error [stream sizes]
  (with [[connection peer] (facing)]
    (setv connection.limit 1000)
    (slice-receiving connection
      (gfor  n (count)  (get sizes (% n (len sizes)))))
    (.sendall peer stream)
    (.shutdown peer socket.SHUT-WR)
    (setv [frames error] (all-frames connection)
          [wanted wanted-class] (expected stream 1000))
    (holds frames wanted)
    (holds (sort-of error) wanted-class)))


;; * What has arrived

(defn all-arrived [connection]
  "The frames that arrive until the end, and that."
  (setv frames []  end None)
  (while (not end)
    (setv [more end] (.arrived connection))
    (.extend frames more))
  #(frames end))

(defn test-nothing-has-arrived [stranger]
  (setv [connection _] stranger)
  (holds (outcome (begin connection.arrived)) #([] None)))

(defn test-several-frames-arrive-at-once [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (+ SOME-BYTES b"(end"))
  (until (fn [] (= (len (.recv connection.sock 1000 socket.MSG-PEEK)) (+ 4 (len SOME-BYTES)))))
  (holds (.arrived connection) #(SOME None))
  (holds (.arrived connection) #([] None))
  (.sendall peer b" 5 1)\nx")
  (holds (receive connection) #("end" 5 b"x")))

(defn test-frames-arrive-byte-by-byte [stranger]
  (setv [connection peer] stranger
        frames [])
  (for [byte SOME-BYTES]
    (.sendall peer (bytes [byte]))
    (until (fn []
      (setv before #(connection.received connection.left)
            [more end] (.arrived connection))
      (.extend frames more)
      (holds end None)
      (or more (!= before #(connection.received connection.left))))))
  (holds frames SOME))

(defn [(given (st.lists a-triple :max-size 8) (st.lists (st.integers 1 40) :min-size 1))]
      test-frames-arrive-however-they-are-cut [frames sizes]
  (with [[connection peer] (facing)]
    (slice-receiving connection
      (gfor  n (count)  (get sizes (% n (len sizes)))))
    (.sendall peer (.join b"" (gfor  parts frames  (frame #* parts))))
    (.shutdown peer socket.SHUT-WR)
    (setv [got end] (all-arrived connection))
    (holds got frames)
    (holds (type end) ConnectionEnded)))

(defn [(given a-stream (st.lists (st.integers 1 100) :min-size 1 :max-size 10))]
      test-of-any-bytes-frames-arrive-and-the-right-end [stream sizes]
  (with [[connection peer] (facing)]
    (setv connection.limit 1000)
    (slice-receiving connection
      (gfor  n (count)  (get sizes (% n (len sizes)))))
    (.sendall peer stream)
    (.shutdown peer socket.SHUT-WR)
    (setv [frames end] (all-arrived connection)
          [wanted wanted-class] (expected stream 1000))
    (holds frames wanted)
    (holds (sort-of end) wanted-class)))

(defn test-a-long-payload-arrives-in-pieces [pair]
  (setv [one two] pair
        payload (sample (* 5 MIB))
        frames [])
  (defn send-all []
    (.send one "data" 1 b"before")
    (.send one "end" 1 payload)
    (.send one "data" 2 b"after"))
  (setv sending (begin send-all))
  (until (fn []
    (setv [more end] (.arrived two))
    (.extend frames more)
    (holds end None)
    (= (len frames) 3)))
  (outcome sending)
  (assert (= frames [#("data" 1 b"before") #("end" 1 payload) #("data" 2 b"after")])))

(defn test-a-payload-of-which-half-has-arrived-may-be-looked-for-in-another-thread [stranger]
  (setv [connection peer] stranger)
  (for [piece [b"(end 1" b" 6)\nabc" b"de"]]
    (.sendall peer piece)
    (until (fn [] (setv before connection.left) (holds (outcome (begin connection.arrived)) #([] None))
                  (or (!= connection.left before) (in b"(end 1" connection.received)))))
  (.sendall peer b"f(eof 1 0)\n")
  (setv frames [])
  (until (fn []
    (.extend frames (get (outcome (begin connection.arrived)) 0))
    (= (len frames) 2)))
  (holds frames [#("end" 1 b"abcdef") #("eof" 1 b"")]))

(defn test-frames-before-nonsense-arrive [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (+ SOME-BYTES b"nonsense\n"))
  (setv [frames end] (all-arrived connection))
  (holds frames SOME)
  (holds (type end) WireError)
  (assert (in "no frame header" (str end)) (str end)))

(defn [(pytest.mark.parametrize "rest" [b"(" b"(end 1 3)\n" b"(end 1 3)\nab"])]
      test-frames-before-a-cut-arrive [stranger rest]
  (setv [connection peer] stranger)
  (.sendall peer (+ SOME-BYTES rest))
  (.close peer)
  (setv [frames end] (all-arrived connection))
  (holds frames SOME)
  (holds (type end) ConnectionCut)
  (assert (in "cut in the middle of a frame" (str end)) (str end)))

(defn test-a-frame-that-arrives-beyond-the-limit-is-an-end []
  (with [[connection peer] (facing 1000)]
    (.sendall peer b"(eof 1 0)\n(end 1 1001)\n")
    (setv [frames end] (all-arrived connection))
    (holds frames [#("eof" 1 b"")])
    (holds (type end) WireError)))

(defn test-a-reset-is-an-end [stranger]
  (setv [connection peer] stranger)
  (reset peer)
  (setv [frames end] (all-arrived connection))
  (holds frames [])
  (assert (isinstance end OSError) (repr end)))


;; * Looking ahead

(defn test-a-cancel-is-seen-behind-data [pair]
  (setv [one two] pair)
  (.send one "data" 5 (sample 5000))
  (.send one "eof" 5)
  (.send one "cancel" 5)
  (.receive-header two)
  (.receive-into two (memoryview (bytearray 10)))
  (until (fn [] (.look-ahead two #{"cancel"} 100000)))
  (holds (.look-ahead two #{"cancel"} 100000) [#("cancel" 5)])
  (holds (.look-ahead two #{"task"} 100000) [])
  ; And nothing is lost by looking.
  (holds (.receive-payload two) (cut (sample 5000) 10 None))
  (holds (receive two) #("eof" 5 b""))
  (holds (receive two) #("cancel" 5 b""))
  (holds (.look-ahead two #{"cancel"} 100000) []))

(defn test-looking-ahead-does-not-take-a-payload-for-a-cancel [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (+ (frame "data" 1 b"(cancel 1 0)\n") (frame "data" 1 b"") b"(can"))
  (until (fn [] (.look-ahead connection #{"data"} 1000)))
  (holds (.look-ahead connection #{"cancel"} 1000) [])
  (.sendall peer b"cel 1 0)\n")
  (until (fn [] (.look-ahead connection #{"cancel"} 1000))))

(defn test-looking-ahead-finds-all-of-several-kinds [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (.join b"" (gfor
    [kind number] [["data" 2] ["cancel" 1] ["eof" 2] ["cancel" 2] ["kill" 0] ["end" 3]]
    (frame kind number b"x"))))
  (until (fn [] (.look-ahead connection #{"end"} 1000)))
  (holds (.look-ahead connection #{"cancel" "kill" "task"} 1000) [#("cancel" 1) #("cancel" 2) #("kill" 0)])
  (for [_ (range 2)]
    (receive connection))
  (holds (.look-ahead connection #{"cancel" "kill" "task"} 1000) [#("cancel" 2) #("kill" 0)]))

(defn test-looking-ahead-does-not-wait [stranger]
  (setv [connection peer] stranger)
  (holds (outcome (begin connection.look-ahead #{"cancel"} 1000)) [])
  (.sendall peer b"(data 1 100)\nabc")
  (.receive-header connection)
  (holds (outcome (begin connection.look-ahead #{"cancel"} 1000)) []))

(defn test-looking-ahead-reads-no-more-than-it-may [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (* b"x" 60000))
  (until (fn [] (.look-ahead connection #{"cancel"} 100) connection.received))
  (until (fn [] (.look-ahead connection #{"cancel"} 100) (>= (len connection.received) 100)))
  (holds (len connection.received) 100))

(defn test-looking-ahead-sees-nothing-while-another-thread-receives [pair]
  (setv [one two] pair
        receiving (begin receive two))
  (until two.receiving.locked)
  (holds (outcome (begin two.look-ahead #{"cancel"} 1000)) [])
  (.send one "cancel" 1)
  (holds (outcome receiving) #("cancel" 1 b"")))

(defn test-looking-ahead-finds-the-end [stranger]
  (setv [connection peer] stranger)
  (.close peer)
  (until (fn [] (.hung-up connection)))
  (with [_ (pytest.raises ConnectionEnded)]
    (.look-ahead connection #{"cancel"} 1000)))


;; * Sending

(defn test-a-send-that-fails-midway-ends-the-connection [stranger]
  (setv [connection peer] stranger
        sending (begin connection.send "end" 1 (sample (* 32 MIB))))
  (exactly peer 100000)
  (reset peer)
  (with [_ (pytest.raises OSError)]
    (outcome sending))
  (holds connection.aborted True)
  (with [_ (pytest.raises OSError)]
    (.send connection "eof" 1)))

(defn test-a-send-that-times-out-ends-the-connection [stranger]
  "What has gone of it is unknown, so the next frame would be read as its rest."
  (setv [connection peer] stranger)
  (.set-timeout connection 0.05)
  (with [_ (pytest.raises TimeoutError)]
    (.send connection "end" 1 (sample (* 32 MIB))))
  (holds connection.aborted True)
  (with [_ (pytest.raises OSError)]
    (.receive-header connection)))


;; * Posting

(defn heard [connection peer]
  "All that the other end gets until we hang up, as frames."
  (setv other (Connection peer)
        frames [])
  (try
    (while True
      (.append frames (receive other)))
    (except [ConnectionEnded]
      frames)))

(defn watched [connection]
  "Note when the connection is congested."
  (setv noted [])
  (setv connection.congested (fn [] (.append noted True)))
  noted)

(defn test-what-is-posted-is-sent-at-once [stranger]
  (setv [connection peer] stranger
        noted (watched connection)
        done [])
  (holds (.post connection [(frame "task" 1 b"abc")] done.append) True)
  (holds done [])
  (.post connection [(frame "values" 2 b"5") (frame "task" 2 b"abc")] done.append)
  (holds done [True])
  (.post connection [(frame "eof" 2 b"")])
  (.shutdown connection.sock socket.SHUT-WR)
  (holds (heard connection peer)
    [#("task" 1 b"abc") #("values" 2 b"5") #("task" 2 b"abc") #("eof" 2 b"")])
  (holds noted [])
  (assert (not connection.outbox)))

(defn test-posting-does-not-wait-for-room [stranger]
  (setv [connection peer] stranger
        n (stuff connection.sock peer)
        noted (watched connection)
        done [])
  (defn post [number #* kinds]
    (outcome (begin connection.post (lfor  kind kinds  (frame kind number (sample 1000)))
      (fn [ok] (.append done #(number ok))))))
  (holds (post 1 "values" "task") False)
  (holds (post 2 "cancel") False)
  (assert noted)
  ; Nor does asking again.
  (outcome (begin connection.flush))
  (holds done [])
  (exactly peer n)
  (until (fn [] (.flush connection) (not connection.outbox)))
  (holds done [#(1 True) #(2 True)])
  (.shutdown connection.sock socket.SHUT-WR)
  (holds (heard connection peer)
    (lfor  [kind number] [["values" 1] ["task" 1] ["cancel" 2]]  #(kind number (sample 1000)))))

(defn test-a-long-frame-is-posted-in-pieces [stranger]
  (setv [connection peer] stranger
        noted (watched connection)
        payload (sample (* 16 MIB))
        done [])
  (holds (.post connection [(frame "end" 1 payload)] done.append) False)
  (.post connection [(frame "eof" 1 b"")])
  (holds #(done (bool noted)) #([] True))
  (setv hearing (begin heard connection peer))
  (until (fn [] (.flush connection) (not connection.outbox)))
  (holds done [True])
  (.shutdown connection.sock socket.SHUT-WR)
  (assert (= (outcome hearing) [#("end" 1 payload) #("eof" 1 b"")])))

;; A socket that takes so many bytes at once; 0 is for none at this moment.
(defclass Narrow [Sliced]
  (defn send [self data #* flags]
    (setv n (next self.sizes))
    (when (= n 0)
      (raise (BlockingIOError)))
    (.send self.sock (cut (memoryview data) n) #* flags)))

(defn [(given (st.lists (st.lists a-triple :min-size 1 :max-size 3) :max-size 6)
              (st.lists (st.integers 0 40) :min-size 1 :max-size 10))]
      test-posts-arrive-in-order-however-the-socket-takes-them [posts sizes]
  (with [[connection peer] (facing)]
    (setv connection.sock (Narrow connection.sock
            (gfor  n (count)  (get [#* sizes 40] (% n (+ 1 (len sizes))))))
          hearing (begin heard connection peer)
          done [])
    (for [[n frames] (enumerate posts)]
      (when (.post connection (lfor  parts frames  (frame #* parts)) (fn [ok [n n]] (.append done n)))
        (.append done n)))
    (while connection.outbox
      (.flush connection))
    (holds done (list (range (len posts))))
    (.shutdown connection.sock socket.SHUT-WR)
    (holds (outcome hearing) (lfor  frames posts  parts frames  parts))))

(defn test-posting-with-patience-waits-for-who-reads [stranger]
  (setv [connection peer] stranger
        noted (watched connection)
        payload (sample (* 16 MIB))
        hearing (begin heard connection peer)
        done [])
  (.post connection [(frame "values" 1 payload) (frame "task" 1 b"")] done.append :patience WAIT)
  ; Where the machine has other work, who reads may have been too slow.
  (holds (bool noted) (bool connection.outbox))
  (while connection.outbox
    (.flush connection))
  (holds done [True])
  (.shutdown connection.sock socket.SHUT-WR)
  (assert (= (outcome hearing) [#("values" 1 payload) #("task" 1 b"")])))

(defn test-patience-ends-where-nobody-reads [stranger]
  (setv [connection peer] stranger
        noted (watched connection)
        done [])
  (stuff connection.sock peer)
  (outcome (begin (fn []
    (.post connection [(frame "values" 1 b"") (frame "task" 1 b"")] done.append :patience 1e9))))
  (assert (and noted connection.outbox (not done))))

(defn [(given (st.lists a-triple :min-size 1 :max-size 4) (st.lists a-triple :max-size 2)
              (st.lists (st.integers 0 40) :max-size 10))]
      test-what-is-reposted-is-sent-from-there [triples others sizes]
  (with [[connection peer] (facing)]
    (setv connection.sock (Narrow connection.sock (chain sizes (repeat 0)))
          posted (lfor  parts triples  (bytearray (frame #* parts)))
          again (list (map bytes posted))
          done (fn [ok]))
    (.post connection (lfor  buffer posted  (memoryview buffer)) done)
    (for [parts others]
      (.post connection [(frame #* parts)]))
    (.repost connection again done)
    (for [buffer posted]
      (setv (cut buffer) (bytes (len buffer))))  ; nobody sees this
    (setv connection.sock connection.sock.sock
          hearing (begin heard connection peer))
    (while connection.outbox
      (.flush connection))
    (.shutdown connection.sock socket.SHUT-WR)
    (holds (outcome hearing) [#* triples #* others])))

(defn test-who-flushes-while-something-is-reposted-leaves-it-to-who-does-that [stranger]
  (setv [connection peer] stranger
        n (stuff connection.sock peer)
        sent [(frame "values" 1 (sample 1000)) (frame "task" 1 b"")]
        done [])
  (defn note [ok]
    (.append done ok))
  (defclass Frames [list]
    (defn __reversed__ [self]  ; with the lock
      (exactly peer n)
      (outcome (begin connection.flush))
      (.__reversed__ (super))))
  (.post connection sent note)
  (.repost connection (Frames sent) note)
  (holds done [True])
  (.shutdown connection.sock socket.SHUT-WR)
  (holds (heard connection peer) [#("values" 1 (sample 1000)) #("task" 1 b"")]))

(defn test-what-was-posted-goes-before-what-is-sent [stranger]
  (setv [connection peer] stranger
        n (stuff connection.sock peer)
        done (threading.Event))
  (.post connection [(frame "task" 1 b"")] (fn [ok] (.set done)))
  (setv sending (begin connection.send "data" 1 b"abc"))
  (until connection.sending.locked)
  (exactly peer n)
  (outcome sending)
  (assert (.wait done WAIT))
  (.shutdown connection.sock socket.SHUT-WR)
  (holds (heard connection peer) [#("task" 1 b"") #("data" 1 b"abc")]))

(defn test-posting-does-not-wait-for-another-thread-which-sends-it-then [stranger]
  (setv [connection peer] stranger
        payload (sample (* 32 MIB))
        sending (begin connection.send "end" 1 payload)
        done (threading.Event))
  (until connection.sending.locked)
  (holds (outcome (begin connection.post [(frame "cancel" 1 b"")] (fn [ok] (.set done)))) False)
  (setv hearing (begin heard connection peer))
  (outcome sending)
  ; Nobody has flushed it but who was sending.
  (assert (.wait done WAIT))
  (.shutdown connection.sock socket.SHUT-WR)
  (assert (= (outcome hearing) [#("end" 1 payload) #("cancel" 1 b"")])))

(defn test-who-hears-that-it-is-done-may-post-again [stranger]
  (setv [connection peer] stranger
        n (stuff connection.sock peer)
        done [])
  (defn again [ok]
    (.append done ok)
    (when (< (len done) 5)
      (.post connection [(frame "data" (len done) b"")] again)))
  (.post connection [(frame "task" 9 b"")] again)
  (exactly peer n)
  (until (fn [] (.flush connection) (not connection.outbox)))
  (.shutdown connection.sock socket.SHUT-WR)
  (setv frames (heard connection peer))
  (holds (get frames 0) #("task" 9 b""))
  (holds (cut frames 1 None) (lfor  n (range 1 (len frames))  #("data" n b""))))

(defn test-what-was-posted-and-is-never-sent-is-told [stranger]
  (setv [connection peer] stranger
        done [])
  (stuff connection.sock peer)
  (for [n (range 3)]
    (.post connection [(frame "task" n b"")] (fn [ok [n n]] (.append done #(n ok)))))
  (reset peer)
  (with [_ (pytest.raises OSError)]
    (until (fn [] (.flush connection) False)))
  (holds done [#(0 False) #(1 False) #(2 False)])
  (assert (not connection.outbox))
  (with [_ (pytest.raises OSError)]
    (.post connection [(frame "task" 4 b"")] done.append))
  (.flush connection)
  (holds (len done) 3))

(defn test-who-is-told-that-it-is-never-sent-has-the-memory-again [stranger]
  (setv [connection peer] stranger
        sent (bytearray (* 16 MIB))
        done [])
  (.post connection [(memoryview sent)] (fn [ok]
    (.append done ok)
    (.append sent 0)))  ; a BufferError, while somebody else refers to it
  (reset peer)
  (with [_ (pytest.raises OSError)]
    (until (fn [] (.flush connection) False)))
  (holds done [False]))

(defn test-a-send-that-fails-tells-of-what-was-posted-before-it [stranger]
  (setv [connection peer] stranger
        done [])
  (stuff connection.sock peer)
  (.post connection [(frame "task" 1 b"")] done.append)
  (setv sending (begin connection.send "data" 1 b"abc"))
  (until connection.sending.locked)
  (.abort connection)
  (with [_ (pytest.raises OSError)]
    (outcome sending))
  (holds done [False]))


;; * Abort and close

(defn test-abort-wakes-who-receives []
  (for [#(sent receive-more) [
         #(b"" (fn [connection] (.receive-header connection)))
         #(b"(end 1 9)\n" (fn [connection] (.receive-payload connection)))
         #(b"(end 1 9)\n" (fn [connection] (.receive-into connection (memoryview (bytearray 9)))))]]
    (with [[connection peer] (facing)]
      (when sent
        (.sendall peer sent)
        (.receive-header connection))
      (setv receiving (begin receive-more connection))
      (until connection.receiving.locked)
      (.abort connection)
      (with [_ (pytest.raises WireError)]
        (outcome receiving)))))

(defn test-abort-wakes-who-sends [stranger]
  (setv [connection peer] stranger)
  (stuff connection.sock peer)
  (setv sending (begin connection.send "end" 1 (sample 100)))
  (until connection.sending.locked)
  (.abort connection)
  (with [_ (pytest.raises OSError)]
    (outcome sending)))

(defn test-abort-tells-the-other-end [pair]
  (setv [one two] pair)
  (holds (.hung-up two) False)
  (.abort one)
  (holds (.hung-up one) True)
  (with [_ (pytest.raises ConnectionEnded)]
    (.receive-header two))
  (until (fn [] (.hung-up two))))

(defn test-bytes-that-wait-are-no-hang-up [pair]
  (setv [one two] pair)
  (.send one "data" 1 b"abc")
  (holds (receive two) #("data" 1 b"abc"))
  (.send one "data" 1 b"abc")
  (holds (.hung-up two) False))

(defn test-close-waits-for-who-uses-the-socket []
  "The descriptor may be another file's as soon as it is closed."
  (for [_ (range 50)]
    (with [[connection peer] (facing)]
      (setv receiving (begin connection.receive-header))
      (until connection.receiving.locked)
      (.close connection)
      (with [_ (pytest.raises ConnectionEnded)]
        (outcome receiving)))))

(defn test-close-twice-and-after-abort-and-from-several-threads [pair]
  (setv [one two] pair)
  (.abort one)
  (.abort one)
  (for [closing (lfor  _ (range 8)  (begin one.close))]
    (outcome closing))
  (.close one)
  (.abort one)
  (holds (.fileno one) -1)
  (for [use [one.receive-header (fn [] (.send one "eof" 1)) (fn [] (.post one [(frame "eof" 1 b"")]))
             (fn [] (.look-ahead one #{"cancel"} 1000)) (fn [] (raise (get (.arrived one) 1)))]]
    (with [_ (pytest.raises OSError)]
      (use)))
  (holds (.hung-up one) True))


;; * Lines of the handshake

(defn test-lines-then-frames-of-one-packet [stranger]
  (setv [connection peer] stranger
        soon (+ (time.monotonic) 10))
  (.sendall peer (+ b"one\n\ntwo\n" SOME-BYTES))
  (holds (lfor  _ (range 3)  (.receive-line connection 512 soon)) [b"one" b"" b"two"])
  (holds (lfor  _ SOME  (receive connection)) SOME))

(defn test-a-line-may-be-as-long-as-the-limit-and-no-longer [stranger]
  (setv [connection peer] stranger
        soon (+ (time.monotonic) 10))
  (.sendall peer b"123456789\n")
  (holds (.receive-line connection 10 soon) b"123456789")
  (.sendall peer b"1234567890\n")
  (with [raised (pytest.raises WireError)]
    (.receive-line connection 10 soon))
  (message raised connection.peer "no line feed in 10 bytes"))

(defn test-a-line-has-a-deadline [stranger]
  (setv [connection peer] stranger)
  (.sendall peer b"no end")
  (with [_ (pytest.raises TimeoutError)]
    (.receive-line connection 512 (+ (time.monotonic) 0.2))))

(defn test-send-line-adds-the-line-feed [stranger]
  (setv [connection peer] stranger)
  (.send-line connection "(proof \"x\")")
  (holds (line-from peer) b"(proof \"x\")"))


;; * Names

(defn [(pytest.mark.parametrize "address, wanted" [
        #(#("127.0.0.1" 80) "127.0.0.1:80")
        #(#("::1" 80 0 0) "[::1]:80")
        #(#("localhost" 1) "localhost:1")])]
      test-addresses-are-written-as-people-do [address wanted]
  (holds (format-address address) wanted))

(defn test-a-connection-knows-both-its-ends [pair]
  (setv [one two] pair)
  (holds one.peer two.name)
  (holds two.peer one.name))

(defn test-a-peer-that-is-gone-has-a-name-still []
  (setv [ours theirs] (tcp-pair))
  (reset theirs)
  (until (fn [] (try (.getpeername ours) False (except [OSError] True))))
  (setv connection (Connection ours))
  (holds connection.peer "a peer that is gone")
  (.close connection))
