"A slave's session: one task after the other, each with what is meant for it alone."

(import
  contextlib [contextmanager]
  random
  re
  threading
  unittest.mock [patch]
  pytest
  dpfw.errors [WireError]
  dpfw.net.frames [framed]
  dpfw.task.ports [LOOK-AHEAD REACH]
  tests.helpers [WAIT begin holds outcome reset until]
  tests.serve.sessions [Looker answer dialled ends fails hangs-up reacting serving task]
  tests.processes [slave-server])

(setv CLOSED "I/O operation on the closed port of a task")

(defn seen [event]
  (assert (.wait event WAIT) "it has not happened"))


;; * Numbers

(defn test-an-answer-has-the-number-of-its-task []
  (with [[master _] (serving)]
    (task master 2 "(fn [i o] (write \"out\" o) 5)")
    (holds (answer master) #("data" 2 b"\"out\"\n"))
    (ends master 2 "5")
    (task master 3 "(fn [i o] (/ 1 0))")
    (fails master 3 "ZeroDivisionError")))

(defn [(pytest.mark.parametrize "frame" [
    ["task" 1] ["task" 3] ["task" 0] ["values" 1] ["values" 3] ["cancel" 2] ["cancel" 0] ["data" 2]
    ["eof" 2] ["end" 1] ["error" 1] ["output" 1]])]
  test-what-has-no-place-between-two-tasks-ends-the-session [frame]
  (with [[master session] (serving)]
    (.send master #* frame)
    (hangs-up-soon master session)
    (assert (is (type session.error) WireError) (repr session.error))
    (assert (in f"({(get frame 0)} {(get frame 1)} 0), which has no place there" (str session.error))
      (str session.error))))

(defn hangs-up-soon [master session]
  "Who owns the connection closes it when the session has ended."
  (until (fn [] session.error))
  (.abort session.connection)
  (hangs-up master))

(defn [(pytest.mark.parametrize "frame" [
    ["task" 2] ["task" 3] ["values" 3] ["cancel" 3] ["data" 3] ["eof" 3] ["end" 2] ["error" 1]
    ["output" 2] ["eof" 2 b"x"] ["cancel" 2 b"x"] ["cancel" 1 b"x"]])]
  test-what-has-no-place-in-a-task-ends-the-session [frame]
  "Also if the remote goes on: it has no master any more."
  (with [[master session] (serving)]
    (task master 2 "(fn [i o] (try (read i) (except [e OSError] (type e))))")
    (.send master #* frame)
    (hangs-up master)
    (until (fn [] session.error))))

(defn test-what-comes-late-is-passed-over []
  (with [[master session] (serving)]
    (task master 2 "(fn [i o] (read i))")
    (for [n [1 1]  kind ["data" "eof" "cancel"]]
      (.send master kind n (if (= kind "data") (* b"late" 100,000) b"")))
    (.send master "data" 2 b"5\n")
    (ends master 2 "5")
    (for [n [2 1]  kind ["data" "eof" "cancel"]]
      (.send master kind n (if (= kind "data") b"late" b"")))
    (task master 3 "(fn [i o] [(.read i) \"end\"])")
    (.send master "cancel" 2)
    (.send master "data" 3 b"in time")
    (.send master "data" 2 b"late")
    (.send master "eof" 3)
    (ends master 3 "[\"in time\" \"end\"]")))

(defn test-values-are-for-the-next-task-alone []
  (with [[master session] (serving)]
    (.send master "values" 2 b"21")
    (task master 2 "(fn [i o] (* 2 (value$0)))")
    (ends master 2 "42")
    (task master 3 "(fn [i o] (value$0))")
    (fails master 3 "NameError")
    (.send master "values" 4 b"1")
    (.send master "values" 4 b"2")
    (until (fn [] session.error))
    (holds (type session.error) WireError)))


;; * Cancels

(setv SWALLOW "(fn [i o]
  (try
    (.set began)
    (.wait go 30)
    (for [_ (range 100)])
    \"not interrupted\"
    (except [KeyboardInterrupt] \"interrupted\")))"
  ; The same with other events, for the task after it.
  NEXT (.replace (.replace SWALLOW "began" "began-next") "go" "go-next"))

(defn unread [connection]
  (- (len connection.received) connection.taken))

(defn look-until-it-came [session]
  "Let the reactor look until it has received something."
  (until (fn [] (.look-for-orders session) (unread session.connection))))

(defn events [#* names]
  (dfor  name names  name (threading.Event)))

(defn test-a-cancel-strikes-the-task-that-it-names []
  (setv [began go] [(threading.Event) (threading.Event)])
  (with [[master session] (serving :began began :go go)]
    (for [[n named wanted] [[2 2 "interrupted"] [3 2 "not interrupted"] [4 4 "interrupted"]]]
      (.clear began)
      (.clear go)
      (task master n SWALLOW)
      (seen began)
      (.send master "cancel" named)
      (look-until-it-came session)
      (.set go)
      (ends master n f"\"{wanted}\""))))

(defn test-a-cancel-of-the-next-task-waits-for-it []
  "Which it cannot overtake: the two stand in that order."
  (setv [began go] [(threading.Event) (threading.Event)])
  (with [[master session] (serving :began began :go go)]
    (task master 2 SWALLOW)
    (seen began)
    ; A master sends these two only when it has the answer.
    (task master 3 "(fn [i o] (read i))")
    (.send master "cancel" 3)
    (look-until-it-came session)
    (.set go)
    (ends master 2 "\"not interrupted\"")
    (fails master 3 "Interrupted")))

(defn test-a-cancel-that-was-found-for-a-task-that-has-ended-strikes-nobody []
  "Found in the very moment in which its task ends and the next one begins."
  (setv names (events "began" "go" "began_next" "go_next")
        [began go began-next go-next] (.values names)
        found (threading.Event)
        let-go (threading.Event))
  (with [[master session] (serving #** names)]
    (setv look-ahead session.connection.look-ahead)
    (defn slowly [#* arguments]
      (setv orders (look-ahead #* arguments))
      (when orders
        (.set found)
        (seen let-go))
      orders)
    (task master 2 SWALLOW)
    (seen began)
    (.send master "cancel" 2)
    (until (fn [] (look-ahead #{"cancel"} LOOK-AHEAD)))
    (setv session.connection.look-ahead slowly
          looking (begin session.look-for-orders))
    (seen found)
    (.set go)
    (ends master 2 "\"not interrupted\"")
    (task master 3 NEXT)
    (seen began-next)
    (.set let-go)
    (outcome looking)
    (.set go-next)
    (ends master 3 "\"not interrupted\"")))

(defn test-a-cancel-that-a-late-one-stands-before-is-found []
  (setv names (events "began" "go"))
  (with [[master session] (serving #** names)]
    (task master 2 SWALLOW)
    (seen (get names "began"))
    (.send master "cancel" 1)
    (.send master "data" 2 (* b"x" 100,000))
    (.send master "cancel" 2)
    (until (fn [] (.look-for-orders session) session.inlet.cancelled))
    (.set (get names "go"))
    (ends master 2 "\"interrupted\"")))

(defn test-a-cancel-within-reach-is-found-however-short-the-frames []
  (setv names (events "began" "go")
        line (framed "data" 2 b"x"))
  (with [[master session] (serving #** names)]
    (task master 2 SWALLOW)
    (seen (get names "began"))
    (setv sending (begin (fn []
      (.send-bytes master (* line (// REACH (len line))) b"")
      (.send master "cancel" 2))))
    (until (fn [] (.look-for-orders session) session.inlet.cancelled))
    (outcome sending)
    (.set (get names "go"))
    (ends master 2 "\"interrupted\"")))

(defn test-a-look-that-takes-long-is-followed-by-a-longer-rest []
  ; The first reading is the task's.
  (setv clock (iter [0 0 0.001 10 11.5])
        looker (Looker))
  (with [[master session] (serving looker)
         _ (patch "dpfw.serve.session.monotonic" (fn [] (next clock)))]
    (task master 2 "(fn [i o] (read i))")
    (until (fn [] session.busy))
    (.clear looker.pauses)
    (.look session)
    (.look session)
    (holds looker.pauses [0.2 6])
    (.send master "data" 2 b"5\n")
    (ends master 2 "5")
    ; Nothing is looked for, which takes no time.
    (until (fn [] (not session.busy)))
    (.look session)
    (holds looker.pauses [0.2 6 0.2])))

(defn storm [master first last rng]
  "Cancel each task at another moment, and those before it again and again."
  (setv answers [])
  (for [n (range first last)]
    (task master n (.choice rng [
      "(fn [i o] (for [_ (range 200)]) \"done\")"
      "(fn [i o] (read i))"
      "(fn [i o] (try (.read i) (except [KeyboardInterrupt] \"stopped\")))"
      "(fn [i o] (write \"some\" o) (.flush o) (.readline i))"]))
    (for [_ (range (.randrange rng 4))]
      (.send master "cancel" (max 1 (- n (.randint rng 1 3)))))
    (.send master "cancel" n)
    (for [kind (.choices rng ["cancel" "eof" "data"] :k (.randrange rng 4))]
      (.send master kind (.randint rng (max 1 (- n 2)) n)))
    (setv kind "data")
    (while (= kind "data")
      (setv [kind number payload] (answer master))
      (holds number n))
    (.append answers kind))
  answers)

(defn test-a-storm-of-cancels []
  (with [_ (patch "dpfw.serve.session.LOOK_EVERY" 0.001)
         reactor (reacting)
         [master session] (serving reactor)]
    (setv answers (storm master 2 500 (random.Random 4)))
    (task master 500 "(fn [i o] \"fine\")")
    (ends master 500 "\"fine\""))
  (holds (set answers) #{"end" "error"}))

(defn test-a-storm-of-cancels-on-the-main-thread []
  (with [[process #* address] (slave-server "--log-level" "error")
         master (dialled address)]
    (task master 1 "(fn [i o])")
    (ends master 1 "None")
    (storm master 2 500 (random.Random 5))
    (task master 500 "(fn [i o] (import threading) (is (threading.current-thread) (threading.main-thread)))")
    (ends master 500 "True")
    (.terminate process)
    (holds (.communicate process :timeout WAIT) #("" ""))))

(defn cancelling-after [session method]
  "Have a cancel come while this method of the session's connection is at work."
  (setv call (getattr session.connection method))
  (setattr session.connection method (fn [#* arguments]
    (setv result (call #* arguments))
    (when (and session.busy (not session.inlet.cancelled))
      (.cancel session.inlet))
    result)))

(defn test-what-is-sent-when-a-cancel-comes-is-sent-once []
  (with [[master session] (serving)]
    (cancelling-after session "send")
    (for [[n more wanted] [[2 "" b"once\n"]
                           [3 "(print \"once\" :file o)" b"once\nonce\n"]
                           [4 "(print \"twice\" :file o)" b"once\ntwice\n"]]]
      (task master n f"(fn [i o]
        (try (print \"once\" :file o :flush True)
          (except [KeyboardInterrupt] {more} \"stopped\")))")
      (setv said b"")
      (while (!= (setx frame (answer master)) #("end" n b"\"stopped\""))
        (holds (cut frame 2) #("data" n))
        (+= said (get frame 2)))
      (holds said wanted))))

(defn test-more-than-a-buffer-takes-is-sent-once []
  (with [[master session] (serving)]
    (cancelling-after session "send")
    (task master 2 "(fn [i o]
      (try (.write o.buffer (bytes 3000000))
        (except [KeyboardInterrupt] (.write o \"rest\") \"stopped\")))")
    (setv said b"")
    (while (= (get (setx frame (answer master)) 0) "data")
      (+= said (get frame 2)))
    (holds frame #("end" 2 b"\"stopped\""))
    (assert (= said (+ (bytes (* 1024 1024)) b"rest")) (len said))))

(defn test-what-comes-with-a-cancel-is-read-all-the-same []
  (with [[master session] (serving)]
    (cancelling-after session "receive_into")
    (task master 2 "(fn [i o]
      (try (.readline i)
        (except [KeyboardInterrupt] [(.read i 2) (.readline i) (.read i)])))")
    (.send master "data" 2 b"first\nsecond\n")
    (.send master "eof" 2)
    (ends master 2 "[\"fi\" \"rst\\n\" \"second\\n\"]")))


;; * Threads of a remote

(defn remote-with-thread [body [rest "None"]]
  "A remote that starts a thread with this body, in which `i` and `o` are its ports."
  f"(do
    (import threading)
    (fn [i o]
      (defn run []
        (try
          {body}
          (except [e BaseException]
            (.append errors (repr e))))
        (.set over))
      (.start (threading.Thread :target run :daemon True))
      {rest}))")

(setv READS ["(.readline i)" "(read i)" "(list i)" "(.read i)" "(.read i.buffer 1)"
             "(while True (.readinto i.buffer (bytearray 10)))"])

(defn [contextmanager] with-threads [#* names [tls False]]
  (setv errors []
        names (events "over" #* names))
  (with [[master session] (serving :tls tls :errors errors #** names)]
    (yield #(master session errors (get names "over")))))

(defn waits [session]
  "Wait until a thread of the remote waits for input."
  (until (fn [] session.bell.waiting)))

(defn check-serves [master number]
  (task master number "(fn [i o] [\"next\" (read i)])")
  (.send master "data" number b"5\n")
  (ends master number "[\"next\" 5]"))

(defn [(pytest.mark.parametrize "tls" [False True])
       (pytest.mark.parametrize "body" READS)]
  test-a-thread-left-behind-that-reads-gets-an-error [body tls]
  (with [[master session errors over] (with-threads "go" :tls tls)]
    (task master 2 (remote-with-thread body "(.wait go 30) \"returned\""))
    (waits session)
    (.set session.evaluator.module.go)
    (ends master 2 "\"returned\"")
    (seen over)
    (holds errors [f"ValueError('{CLOSED}')"])
    (check-serves master 3)))

(defn test-a-thread-left-behind-that-reads-on-gets-errors []
  "And takes nothing of what is the next task's."
  (with [[master session errors over] (with-threads "go")]
    (task master 2 (remote-with-thread
      "(while (< (len errors) 1000)
         (try (.readline i) (except [e Exception] (.append errors (type e)))))"))
    (ends master 2 "None")
    (for [n (range 3 50)]
      (check-serves master n))
    (seen over)
    (holds (set errors) #{ValueError})))

(defn [(pytest.mark.parametrize "how" ["frame" "look"])]
  test-a-cancel-interrupts-the-remote-and-not-its-thread-that-reads [how]
  (with [[master session errors over] (with-threads "began" "go")]
    (task master 2 (remote-with-thread "(.readline i)" "
      (try
        (.set began)
        (.wait go 30)
        (for [_ (range 1000)])
        \"not interrupted\"
        (except [KeyboardInterrupt] \"interrupted\"))"))
    (seen session.evaluator.module.began)
    (waits session)
    (if (= how "frame")
      (.send master "cancel" 2)
      (.cancel session.inlet))
    ; Its thread has no more to wait for.
    (seen over)
    (.set session.evaluator.module.go)
    (ends master 2 "\"interrupted\"")
    (holds errors [f"ValueError('{CLOSED}')"])
    (check-serves master 3)))

(defn test-a-cancel-frees-a-remote-that-waits-for-its-thread []
  (with [[master session errors over] (with-threads)]
    (task master 2 "(do
      (import threading)
      (fn [i o]
        (setv thread (threading.Thread :target (fn []
                (try (.readline i) (except [e ValueError] (.append errors (repr e)))))))
        (.start thread)
        (.join thread)))")
    (waits session)
    (.send master "cancel" 2)
    (fails master 2 "Interrupted")
    (check-serves master 3)))

(defn test-two-threads-wait-for-input-and-a-cancel-frees-both []
  "The remote's own is stopped; the buffer of the port has a lock of its own."
  (with [[master session errors over] (with-threads)]
    (task master 2 (remote-with-thread "(.readline i)" "(.readline i)"))
    (waits session)
    (.send master "cancel" 2)
    (fails master 2 "Interrupted")
    (check-serves master 3)))

(defn test-a-remote-may-read-on-when-it-is-cancelled []
  (with [[master _] (serving)]
    (task master 2 "(fn [i o] (try (read i) (except [KeyboardInterrupt] (read i))))")
    (.send master "cancel" 2)
    (.send master "data" 2 b"5\n")
    (ends master 2 "5")))

(defn test-input-is-read-however-many-frames-come-in-one-record []
  "What was decrypted with an earlier frame, no socket shows."
  (with [[master _] (serving :tls True)]
    (task master 2 "(fn [i o] (sum (lfor  _ (range 100)  (read i))))")
    (.send-bytes master (.join b"" (gfor  n (range 100)  (framed "data" 2 (.encode f"{n}\n")))) b"")
    (ends master 2 "4950")))

(defn test-what-a-look-has-received-wakes-who-waits-for-it []
  (with [[master session] (serving)]
    (task master 2 "(fn [i o] (read i))")
    (waits session)
    (setv connection session.connection)
    (with [_ connection.receiving]
      ; As if the look had been a moment faster than poll(2).
      (setv connection.received (framed "data" 2 b"5\n")
            connection.taken 0))
    (.look-for-orders session)
    (ends master 2 "5")))

(defn test-a-frame-that-comes-in-pieces-to-a-thread-left-behind []
  "Its task ends when half a header, and then half a payload, is there."
  (with [[master session errors over] (with-threads "go" "got")]
    (for [[n cut-at] [[2 4] [3 500]]]
      (setv whole (framed "data" n (* b"x" 1000)))
      (.clear over)
      (.clear session.evaluator.module.go)
      (task master n (remote-with-thread "(.readline i)" "(.wait go 30) \"returned\""))
      (waits session)
      (.send-bytes master (cut whole cut-at) b"")
      (until (fn [] (not session.bell.waiting)))
      (.set session.evaluator.module.go)
      (.send-bytes master (cut whole cut-at None) b"")
      (ends master n "\"returned\"")
      (seen over))
    (check-serves master 4)))

(defn test-late-data-that-come-in-pieces-to-a-thread-left-behind []
  (with [[master session errors over] (with-threads "go")]
    (setv late (framed "data" 1 (* b"x" 100,000)))
    (task master 2 (remote-with-thread "(.readline i)" "(.wait go 30) \"returned\""))
    (waits session)
    (.send-bytes master (cut late 1000) b"")
    (until (fn [] (not session.bell.waiting)))
    (.send-bytes master (cut late 1000 None) b"")
    (.set session.evaluator.module.go)
    (ends master 2 "\"returned\"")
    (seen over)
    (check-serves master 3)))

(defn test-a-task-that-does-not-read-pays-nothing-for-it []
  (with [[master session] (serving)]
    (for [n (range 2 10)]
      (task master n "(fn [i o] (write 1 o) n)")
      (answer master)
      (answer master))
    (holds session.bell.poll None)
    (check-serves master 10)
    (setv bell session.bell.poll)
    (check-serves master 11)
    (assert (is session.bell.poll bell))))

(defn [(pytest.mark.parametrize "use" ["(.write o.buffer.raw b\"x\")"
                                        "(do (.write o \"x\") (.flush o))"])]
  test-a-thread-left-behind-writes-nothing-after-the-answer [use]
  (with [[master session errors over] (with-threads "begun")]
    (for [n (range 2 200)]
      (.clear over)
      (.clear session.evaluator.module.begun)
      (.clear errors)
      (task master n (remote-with-thread f"(while True {use} (.set begun))" "(.wait begun 30) 5"))
      (setv kind "data")
      (while (= kind "data")
        (setv [kind number _] (answer master))
        (holds number n))
      (holds kind "end")
      (seen over)
      (holds (len errors) 1)
      (assert (re.match "ValueError" (get errors 0)) errors))
    (task master 200 "(fn [i o])")
    (ends master 200 "None")))

(defn test-a-frame-that-is-being-sent-goes-before-the-answer []
  (setv answered (threading.Event))
  (with [[master session errors over] (with-threads "begun")]
    (setv send session.connection.send)
    (defn slow-send [kind #* rest]
      (when (= kind "data")
        (.set session.evaluator.module.begun)
        ; In vain: the answer waits for this frame.
        (.wait answered 0.2))
      (send kind #* rest)
      (when (= kind "end")
        (.set answered)))
    (setv session.connection.send slow-send)
    (task master 2 (remote-with-thread "(.write o.buffer.raw b\"x\")" "(.wait begun 30)"))
    (holds (answer master) #("data" 2 b"x"))
    (ends master 2 "True")
    (seen over)
    (holds errors [])))


;; * In a process of its own, where the main thread is the remote's

(setv LEFT-BEHIND "(do
  (import threading)
  (setv errors []  over (threading.Event))
  (fn [i o]
    (.start (threading.Thread :daemon True :target (fn []
      (try
        (.readline i)
        (except [e BaseException]
          (.append errors (repr e))))
      (.set over))))
    (print \"begun\" :file o :flush True)
    REST))")

(defn [(pytest.mark.parametrize #("rest" "kind") [
    ["5" "end"]
    ["(while True)" "error"]
    ["(.readline i)" "error"]
    ["(.wait over)" "error"]])]
  test-a-thread-left-behind-does-not-keep-the-main-thread [rest kind]
  (with [[process #* address] (slave-server)
         master (dialled address)]
    (for [n (range 1 5 2)]
      (task master n (.replace LEFT-BEHIND "REST" rest))
      (holds (answer master) #("data" n b"begun\n"))
      (when (= kind "error")
        (.send master "cancel" n))
      (setv [got number _] (answer master))
      (assert (= #(got number) #(kind n)) [got number _])
      (task master (+ n 1) "(fn [i o] (.wait over 30) errors)")
      (ends master (+ n 1) f"[\"ValueError('{CLOSED}')\"]"))))

(defn test-a-child-that-was-forked-gets-an-error-in-place-of-its-parent-s-input []
  "Also where a file of its own has the number that the socket had."
  (with [[process #* address] (slave-server)
         master (dialled address)]
    (task master 1 "(fn [i o]
      (import os)
      (setv first (.readline i)
            [out in] (os.pipe)
            child (os.fork))
      (when (= child 0)
        (os.close out)
        (setv pipes (lfor  _ (range 20)  (os.pipe)))
        (os.write in (try (.encode (.readline i)) (except [e Exception] (.encode (. (type e) __name__)))))
        (os._exit 0))
      (print (.decode (os.read out 100)) :file o :flush True)
      (os.waitpid child 0)
      (for [fd [out in]] (os.close fd))
      [first (.readline i)])")
    (.send master "data" 1 b"one\n")
    (holds (answer master) #("data" 1 b"OSError\n"))
    (.send master "data" 1 b"two\n")
    (ends master 1 "[\"one\\n\" \"two\\n\"]")))


;; * The master goes away

(setv PHASES [
  ["nothing" []]
  ["half a header" [b"(ta"]]
  ["half a payload" [b"(task 2 100)\n(fn"]]
  ["values" [(framed "values" 2 b"5")]]
  ["a remote that reads" [(framed "task" 2 b"(fn [i o] (.set began) (read i))")]]
  ["a remote that reads half a header"
    [(framed "task" 2 b"(fn [i o] (.set began) (read i))") b"(dat"]]
  ["a remote that reads half a payload"
    [(framed "task" 2 b"(fn [i o] (.set began) (.read i))") b"(data 2 100)\nabc"]]
  ["a remote that computes" [(framed "task" 2 b"(fn [i o] (.set began) (while True))")]]
  ["a remote that writes"
    [(framed "task" 2 b"(fn [i o] (.set began) (while True (.write o \"on and on\")))")]]
  ["a long answer" [(framed "task" 2 b"(fn [i o] (.set began) (* \"x\" 100000000))")]]
  ["a remote that swallows interrupts" [(framed "task" 2 b"(fn [i o]
     (.set began)
     (setv n 0)
     (while (< n 3)
       (try
         (setv x 0)
         (while True (+= x 1))
         (except [KeyboardInterrupt] (+= n 1)))))")]]])

(defn [(pytest.mark.parametrize #("phase" "said") PHASES)
       (pytest.mark.parametrize "rudely" [False True])]
  test-a-master-that-goes-away-ends-its-session [phase said rudely]
  (setv began (threading.Event))
  (with [_ (patch "dpfw.serve.session.INSIST_EVERY" 0.01)
         reactor (reacting)
         [master session] (serving reactor :began began)]
    (for [bytes said]
      (.send-bytes master bytes b""))
    (when (in "remote" phase)
      (seen began))
    (if rudely
      (reset master.sock)
      (.close master))
    (until (fn [] session.error))
    (assert (isinstance session.error OSError) (repr session.error))))
