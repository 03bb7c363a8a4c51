"Frames come out as they went in however the network cuts them, and whatever
else comes is refused before it costs anything."

(import
  itertools [count]
  re
  socket
  threading
  time
  tracemalloc
  hypothesis [example given strategies :as st]
  pytest
  dpfw.errors [SettingError WireError]
  dpfw.net.wire [Connection ConnectionEnded DEFAULT-LIMIT frame-limit KINDS MAX-DATA MAX-HEADER
             format-address]
  tests.helpers [begin exactly facing holds line-from message outcome pair reset stranger stuff
           tcp-pair until])

(setv
  NAMES (sorted (.values KINDS))
  MIB (* 1024 1024))

(defn frame [kind payload]
  (+ (.encode f"({kind} {(len payload)})\n") payload))

(defn sample [n]
  "n bytes that show it when some are lost or exchanged."
  (cut (* (bytes (range 251)) (+ 1 (// n 251))) n))

(defn receive [connection]
  (setv [kind length] (.receive-header connection)
        payload (.receive-payload connection))
  (holds (len payload) length)
  #(kind payload))

(defn receive-pieces [connection size]
  "Receive one frame by `receive-into`, in pieces of at most ``size`` bytes."
  (setv [kind length] (.receive-header connection)
        buffer (bytearray length)
        at 0)
  (while (< at length)
    (setv n (.receive-into connection (cut (memoryview buffer) at (+ at size))))
    (assert (<= 1 n size) f"{n} bytes of at most {size}")
    (+= at n))
  #(kind (bytes buffer)))

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
  (assert (is raised.type WireError) f"it is a {raised.type}")
  (message raised connection.peer #* parts))


;; A socket that gives at most so many bytes at once, as a network may.
(defclass Sliced []
  (defn __init__ [self sock sizes]
    (setv self.sock sock  self.sizes sizes))

  (defn recv [self n]
    (.recv self.sock (min n (next self.sizes))))

  (defn recv-into [self view]
    (.recv-into self.sock (cut view (next self.sizes))))

  (defn __getattr__ [self name]
    (getattr self.sock name)))

(defn slice-receiving [connection sizes]
  (setv connection.sock (Sliced connection.sock sizes)))


;; * Round trips

(defn [(pytest.mark.parametrize "kind" NAMES)] test-every-kind-arrives-with-its-payload [pair kind]
  (setv [one two] pair)
  (for [n [0 1 2 1000]]
    (.send one kind (sample n))
    (holds (receive two) #(kind (sample n)))))

(defn [(pytest.mark.parametrize "size" [0 1 65535 65536 65537 (- MIB 1) MIB])]
      test-data-of-every-size-arrives [pair size]
  (setv [one two] pair
        sending (begin one.send "data" (sample size)))
  (holds (receive two) #("data" (sample size)))
  (outcome sending))

(defn [(pytest.mark.parametrize "kind" ["task" "end" "error"])]
      test-what-is-no-data-may-be-longer-than-data [pair kind]
  (setv [one two] pair
        payload (sample (+ 7 (* 5 MIB)))
        sending (begin one.send kind payload))
  (holds (= (receive two) #(kind payload)) True)
  (outcome sending))

(defn test-both-ends-send-at-once [pair]
  (setv payload (sample (* 4 MIB))
        sending (lfor  end pair  (begin end.send "end" payload))
        receiving (lfor  end pair  (begin receive end)))
  (for [future receiving]
    (assert (= (outcome future) #("end" payload))))
  (for [future sending]
    (outcome future)))

(defn test-several-threads-send-whole-frames [pair]
  (setv [one two] pair)
  (defn send-some [letter]
    (for [_ (range 50)]
      (.send one "data" (* letter 70000))))
  (setv sending (lfor  letter [b"a" b"b" b"c"]  (begin send-some letter))
        seen {})
  (for [_ (range 150)]
    (setv [_ payload] (receive two)
          letter (cut payload 1))
    (assert (= payload (* letter 70000)))
    (setv (get seen letter) (+ 1 (.get seen letter 0))))
  (holds seen {b"a" 50  b"b" 50  b"c" 50})
  (for [future sending]
    (outcome future)))

(defn test-a-frame-is-what-the-wire-says [stranger]
  "For who looks at packets, and for other implementations."
  (setv [connection peer] stranger)
  (.send connection "task" b"(fn [i o])")
  (.send connection "eof")
  (.send connection "data" (memoryview (bytearray b"view")))
  (setv wanted b"(task 10)\n(fn [i o])(eof 0)\n(data 4)\nview")
  (holds (exactly peer (len wanted)) wanted))

(defn test-a-short-frame-is-one-packet [stranger]
  "The 40 ms of Nagle and delayed acknowledgements, else."
  (setv [connection peer] stranger
        sent [])
  (defclass Recorded [Sliced]
    (defn sendall [self bytes]
      (.append sent bytes)))
  (setv connection.sock (Recorded connection.sock None))
  (.send connection "task" (sample 1000))
  (.send connection "eof")
  (holds sent [(frame "task" (sample 1000)) (frame "eof" b"")]))

(defn test-an-empty-payload-is-there-at-once [stranger]
  "Without a byte behind it to wait for."
  (setv [connection peer] stranger)
  (.sendall peer b"(end 0)\n")
  (holds (receive connection) #("end" b"")))


;; * However it is cut

(setv SOME [#("task" b"(fn [i o] 1)") #("eof" b"") #("data" b"\n(end 3)\n") #("data" b"")
            #("output" b"x") #("end" b"None") #("cancel" b"")])
(setv SOME-BYTES (.join b"" (gfor  [kind payload] SOME  (frame kind payload))))

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

(defn [(given
         (st.lists (st.tuples (st.sampled-from NAMES) (st.binary :max-size 300)) :max-size 8)
         (st.lists (st.integers 1 40) :min-size 1)
         (st.integers 1 40))]
      test-cut-anywhere-and-received-in-pieces [frames sizes piece]
  (with [[connection peer] (facing)]
    (slice-receiving connection
      (gfor  n (count)  (get sizes (% n (len sizes)))))
    (.sendall peer (.join b"" (gfor  [kind payload] frames  (frame kind payload))))
    (holds (lfor  _ frames  (receive-pieces connection piece)) frames)))

(defn test-pieces-of-a-long-frame [pair]
  (setv [one two] pair
        payload (sample (* 3 MIB))
        sending (begin one.send "end" payload))
  (assert (= (receive-pieces two 100000) #("end" payload)))
  (outcome sending))

(defn [(pytest.mark.parametrize "taken" [0 1 65536 100000])]
      test-what-is-left-of-a-payload-is-skipped [pair taken]
  (setv [one two] pair)
  (defn send-both []
    (.send one "data" (sample 300000))
    (.send one "end" b"next"))
  (setv sending (begin send-both))
  (.receive-header two)
  (setv buffer (memoryview (bytearray taken))
        at 0)
  (while (< at taken)
    (+= at (.receive-into two (cut buffer at None))))
  (holds (bytes buffer) (sample taken))
  (holds (receive two) #("end" b"next"))
  (outcome sending))

(defn test-the-rest-of-a-payload-after-a-piece [pair]
  (setv [one two] pair)
  (.send one "data" b"hello, world")
  (.receive-header two)
  (setv buffer (bytearray 5))
  (holds (.receive-into two (memoryview buffer)) 5)
  (holds #((bytes buffer) (.receive-payload two)) #(b"hello" b", world"))
  (holds (.receive-payload two) b""))

(defn test-a-view-longer-than-the-payload-gets-the-payload [pair]
  (setv [one two] pair)
  (.send one "data" b"abc")
  (.send one "end" b"z")
  (.receive-header two)
  (setv buffer (bytearray 100))
  (holds (.receive-into two (memoryview buffer)) 3)
  (holds (cut buffer 4) (bytearray b"abc\0"))
  (holds (receive two) #("end" b"z")))

(defn test-a-longer-view-gets-no-more-from-the-socket-either [stranger]
  (setv [connection peer] stranger)
  (.sendall peer b"(data 3)\n")
  (.receive-header connection)
  (.sendall peer b"abc(end 1)\nz")
  (setv buffer (memoryview (bytearray 100))
        at 0)
  (while (< at 3)
    (+= at (.receive-into connection (cut buffer at None))))
  (holds (bytes (cut buffer 4)) b"abc\0")
  (holds (receive connection) #("end" b"z")))


;; * What is refused

(defn [(pytest.mark.parametrize "bytes, part" [
        #(b"(data 1048577)\n" "limit is 1048576. Cut long data into several frames")
        #(b"(evil 0)\n" "b'evil'")
        #(b"(e 0)\n" "unknown kind")
        #(b"(TASK 0)\n" "no frame header")
        #(b"(task 01)\n" "no frame header")
        #(b"(task 00)\n" "no frame header")
        #(b"(task -1)\n" "no frame header")
        #(b"(task +1)\n" "no frame header")
        #(b"(task 1_0)\n" "no frame header")
        #(b"(task 0x1)\n" "no frame header")
        #(b"(task \xd9\xa1)\n" "no frame header")
        #(b"(task  1)\n" "no frame header")
        #(b"(task 1) \n" "no frame header")
        #(b"(task 1)\r\n" "no frame header")
        #(b" (task 1)\n" "no frame header")
        #(b"(task)\n" "no frame header")
        #(b"( 1)\n" "no frame header")
        #(b"\n" "no frame header")
        #(b"(task 1 1)\n" "no frame header")
        #((+ b"(task " (* b"9" 20) b")\n") "no frame header")
        #((+ b"(task " (* b"1" 31)) "no frame header")
        #((* b"(" 32) "no frame header")
        #((bytes 32) "\\x00")
        #((+ b"(" (* b"a" 40) b" 0)\n") "no frame header")])]
      test-what-is-no-header-is-refused [stranger bytes part]
  "At its end or at the 32nd byte: the connection stays open here, so that
  waiting for more would fail."
  (setv [connection peer] stranger)
  (.sendall peer bytes)
  (refuses connection part))

(defn test-garbage-does-not-make-a-long-message [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (+ b"(" (* b"a" 60000) b" 0)\n"))
  (until (fn [] (.look-ahead connection #{"cancel"} 100000)
                (> (len connection.received) 60000)))
  (with [raised (pytest.raises WireError)]
    (.receive-header connection))
  (setv text (str raised.value))
  (assert (< (len text) 300) f"{(len text)} characters"))

(defn test-the-longest-header-is-taken [stranger]
  (setv [connection peer] stranger
        connection.limit (- (** 10 19) 1)
        header (+ b"(output " (* b"9" 19) b")\n"))
  (assert (<= (len header) MAX-HEADER))
  (.sendall peer header)
  (holds (.receive-header connection) #("output" (- (** 10 19) 1))))

(defn [(pytest.mark.parametrize "kind" NAMES)]
      test-999-gigabytes-are-refused-and-nothing-is-allocated [stranger kind]
  (setv [connection peer] stranger)
  (.sendall peer (.encode f"({kind} {(* 999 (** 10 9))})\n"))
  (tracemalloc.start)
  (try
    (refuses connection "999000000000 bytes" "the limit is")
    (setv [_ peak] (tracemalloc.get-traced-memory))
    (finally
      (tracemalloc.stop)))
  (assert (< peak MIB) f"{peak} bytes were allocated"))

(defn test-a-limit-is-held []
  (with [[connection peer] (facing 1000)]
    (.sendall peer (+ (frame "end" (sample 1000)) b"(end 1001)\n"))
    (holds (receive connection) #("end" (sample 1000)))
    (refuses connection "end frame of 1001 bytes" "the limit is 1000" "DPFW_FRAME_LIMIT")))

(defn test-data-has-its-own-limit []
  (with [[connection peer] (facing (* 4 MIB))]
    (.sendall peer (.encode f"(data {MAX-DATA})\n"))
    (holds (.receive-header connection) #("data" MAX-DATA)))
  (with [[connection peer] (facing (* 4 MIB))]
    (.sendall peer (.encode f"(data {(+ 1 MAX-DATA)})\n"))
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
  (.sendall peer (frame "end" b"1"))
  (.close peer)
  (holds (receive connection) #("end" b"1"))
  (with [raised (pytest.raises ConnectionEnded)]
    (.receive-header connection))
  (message raised connection.peer "ended"))

(defn [(pytest.mark.parametrize "bytes" [b"(" b"(end 1" b"(end 1)"])]
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
      (.sendall peer (+ b"(end 1000)\n" (sample sent)))
      (.close peer)
      (holds (.receive-header connection) #("end" 1000))
      (with [raised (pytest.raises WireError)]
        (receive-rest connection))
      (assert (is raised.type WireError) f"it is a {raised.type}")
      (message raised connection.peer "cut in the middle of a frame"))))

(defn test-a-peer-that-resets-is-an-os-error [stranger]
  (setv [connection peer] stranger)
  (.sendall peer b"(end 1000)\nxx")
  (.receive-header connection)
  (reset peer)
  (with [_ (pytest.raises OSError)]
    (.receive-payload connection)))


;; * Any bytes at all

(setv HEADER-LINE (re.compile rb"\(([a-z]+) (0|[1-9][0-9]*)\)"))

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
          n (int (get match 2)))
    (when (or (not-in kind NAMES)
              (> n (if (= kind "data") MAX-DATA limit))
              (> n (len rest)))
      (return #(frames WireError)))
    (.append frames #(kind (cut rest n)))
    (setv stream (cut rest n None)))
  #(frames ConnectionEnded))

(setv
  a-frame (st.builds frame (st.sampled-from NAMES) (st.binary :max-size 200))
  almost-a-header (st.one-of
    (st.builds (fn [kind n] (.encode f"({kind} {n})\n"))
      (st.one-of (st.sampled-from NAMES) (st.text "abcdefgh" :max-size 40))
      (st.one-of (st.integers 0 2000) (st.integers 0 (** 10 25)) (st.just "007")))
    (st.text "(dat 01)\n" :max-size 40)
    (st.from-regex HEADER-LINE))
  a-stream (st.builds
    (fn [pieces] (.join b"" (gfor  p pieces  (if (isinstance p str) (.encode p) p))))
    (st.lists (st.one-of a-frame a-frame almost-a-header (st.binary :max-size 50)) :max-size 8)))

(defn [(given a-stream (st.lists (st.integers 1 100) :min-size 1 :max-size 10))
       (example b"(end 1000)\n" [1])
       (example b"(end 1001)\n" [1])]
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
    (holds (type error) wanted-class)))


;; * Looking ahead

(defn test-a-cancel-is-seen-behind-data [pair]
  (setv [one two] pair)
  (.send one "data" (sample 5000))
  (.send one "eof")
  (.send one "cancel")
  (.receive-header two)
  (.receive-into two (memoryview (bytearray 10)))
  (until (fn [] (.look-ahead two #{"cancel"} 100000)))
  (holds (.look-ahead two #{"task"} 100000) None)
  ; And nothing is lost by looking.
  (holds (.receive-payload two) (cut (sample 5000) 10 None))
  (holds (receive two) #("eof" b""))
  (holds (receive two) #("cancel" b""))
  (holds (.look-ahead two #{"cancel"} 100000) None))

(defn test-looking-ahead-does-not-take-a-payload-for-a-cancel [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (+ (frame "data" b"(cancel 0)\n") (frame "data" b"") b"(can"))
  (until (fn [] (.look-ahead connection #{"data"} 1000)))
  (holds (.look-ahead connection #{"cancel"} 1000) None)
  (.sendall peer b"cel 0)\n")
  (until (fn [] (.look-ahead connection #{"cancel"} 1000))))

(defn test-looking-ahead-finds-the-first-of-several-kinds [stranger]
  (setv [connection peer] stranger)
  (.sendall peer (.join b"" (gfor  kind ["data" "eof" "cancel" "end"]  (frame kind b"x"))))
  (until (fn [] (.look-ahead connection #{"end"} 1000)))
  (holds (.look-ahead connection #{"cancel" "eof" "task"} 1000) "eof")
  (.receive-header connection)
  (.receive-payload connection)
  (.receive-header connection)
  (holds (.look-ahead connection #{"cancel" "eof" "task"} 1000) "cancel"))

(defn test-looking-ahead-does-not-wait [stranger]
  (setv [connection peer] stranger)
  (holds (outcome (begin connection.look-ahead #{"cancel"} 1000)) None)
  (.sendall peer b"(data 100)\nabc")
  (.receive-header connection)
  (holds (outcome (begin connection.look-ahead #{"cancel"} 1000)) None))

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
  (holds (outcome (begin two.look-ahead #{"cancel"} 1000)) None)
  (.send one "cancel")
  (holds (outcome receiving) #("cancel" b"")))

(defn test-looking-ahead-finds-the-end [stranger]
  (setv [connection peer] stranger)
  (.close peer)
  (until (fn [] (.hung-up connection)))
  (with [_ (pytest.raises ConnectionEnded)]
    (.look-ahead connection #{"cancel"} 1000)))


;; * Sending

(defn test-try-send-sends-when-it-can [pair]
  (setv [one two] pair)
  (holds (bool (.try-send one "cancel")) True)
  (holds (receive two) #("cancel" b"")))

(defn test-try-send-does-not-wait-for-room [stranger]
  (setv [connection peer] stranger
        n (stuff connection.sock peer))
  (holds (bool (outcome (begin connection.try-send "cancel"))) False)
  ; And has sent nothing of it; with room again, it does.
  (exactly peer n)
  (until (fn [] (.try-send connection "cancel")))
  (holds (exactly peer 11) b"(cancel 0)\n"))

(defn test-try-send-does-not-wait-for-another-thread [stranger]
  (setv [connection peer] stranger
        payload (sample (* 32 MIB))
        sending (begin connection.send "end" payload))
  (until connection.sending.locked)
  (holds (bool (outcome (begin connection.try-send "cancel"))) False)
  (assert (= (exactly peer (+ (len payload) (len "(end 33554432)\n")))
             (frame "end" payload)))
  (outcome sending)
  (holds (bool (.try-send connection "cancel")) True))

(defn test-a-send-that-fails-midway-ends-the-connection [stranger]
  (setv [connection peer] stranger
        sending (begin connection.send "end" (sample (* 32 MIB))))
  (exactly peer 100000)
  (reset peer)
  (with [_ (pytest.raises OSError)]
    (outcome sending))
  (holds connection.aborted True)
  (with [_ (pytest.raises OSError)]
    (.send connection "eof")))

(defn test-a-send-that-times-out-ends-the-connection [stranger]
  "What has gone of it is unknown, so the next frame would be read as its rest."
  (setv [connection peer] stranger)
  (.set-timeout connection 0.05)
  (with [_ (pytest.raises TimeoutError)]
    (.send connection "end" (sample (* 32 MIB))))
  (holds connection.aborted True)
  (with [_ (pytest.raises OSError)]
    (.receive-header connection)))


;; * Abort and close

(defn test-abort-wakes-who-receives []
  (for [#(sent receive-more) [
         #(b"" (fn [connection] (.receive-header connection)))
         #(b"(end 9)\n" (fn [connection] (.receive-payload connection)))
         #(b"(end 9)\n" (fn [connection] (.receive-into connection (memoryview (bytearray 9)))))]]
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
  (setv sending (begin connection.send "end" (sample 100)))
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
  (.send one "data" b"abc")
  (holds (receive two) #("data" b"abc"))
  (.send one "data" b"abc")
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
  (for [use [one.receive-header (fn [] (.send one "eof")) (fn [] (.try-send one "eof"))
             (fn [] (.look-ahead one #{"cancel"} 1000))]]
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
  (setv [connection peer] stranger
        start (time.monotonic))
  (.sendall peer b"no end")
  (with [_ (pytest.raises TimeoutError)]
    (.receive-line connection 512 (+ start 0.2)))
  (setv took (- (time.monotonic) start))
  (assert (<= 0.2 took 0.9) f"it took {took} s"))

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
  (holds one.peer (format-address two.name))
  (holds two.peer (format-address one.name)))

(defn test-a-peer-that-is-gone-has-a-name-still []
  (setv [ours theirs] (tcp-pair))
  (reset theirs)
  (until (fn [] (try (.getpeername ours) False (except [OSError] True))))
  (setv connection (Connection ours))
  (holds connection.peer "a peer that is gone")
  (.close connection))
