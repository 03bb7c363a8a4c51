"Lines on their way to a master: whole, in order, of their task alone, and bounded."

(import
  collections [deque]
  contextlib [nullcontext]
  types [SimpleNamespace]
  unittest.mock [patch]
  pytest
  dpfw.serve [printer]
  dpfw.serve.pipes [Pipes]
  dpfw.serve.printer [EVERY MOST-BYTES MOST-FRAMES PATIENCE Printer ROOM]
  dpfw.net.frames [HEADER]
  dpfw.task.output [LONGEST read-output]
  tests.helpers [begin holds outcome])

(eval-when-compile (require hyrule.control [unless]))

(defclass Wire []
  "A connection, and a reactor whose timers go off when the test says so."

  (defn __init__ [self]
    (setv self.outbox (deque)  self.sent []  self.timers []  self.full False))

  (defn flush [self]
    (unless self.full
      (.clear self.outbox)))

  (defn post [self frames]
    (for [frame frames]
      (setv found (HEADER.match frame))
      (.send self (.decode (.group found 1)) (int (.group found 2)) (cut frame (.end found) None)))
    (when self.full
      (.append self.outbox b"rest")))

  (defn send [self kind number payload]
    (holds kind "output")
    (.append self.sent #(number #* (read-output payload))))

  (defn call-after [self seconds call]
    (.append self.timers call))

  (defn tick [self]
    (setv [timers self.timers] [self.timers []])
    (for [call timers]
      (call)))

  (defn said [self]
    (setv [sent self.sent] [self.sent []])
    sent))
(defclass Clock []
  (defn __init__ [self] (setv self.now 100.0))
  (defn read [self] self.now)
  (defn sleep [self seconds] (+= self.now seconds)))

(defn [pytest.fixture] clock []
  (setv clock (Clock))
  (with [_ (patch.object printer "monotonic" clock.read)  _ (patch.object printer "sleep" clock.sleep)]
    (yield clock)))

(defn [pytest.fixture] made [clock]
  (setv wire (Wire)
        it (Printer wire wire (nullcontext)))
  (.begin it 1)
  #(it wire))

(defn test-lines-are-sent-whole-at-once-and-in-order [made]
  (setv [it wire] made)
  (.write it 1 "stdout" b"one\ntw")
  (holds (.said wire) [#(1 "stdout" "one\n")])
  (.write it 1 "stderr" b"bad\n")
  (.write it 1 "stdout" b"o\n")
  (holds (.said wire) [#(1 "stderr" "bad\n") #(1 "stdout" "two\n")])
  (.log it 1 "a.b" 30 "message" "")
  (holds (.said wire) [#(1 "log" "a.b" 30 "message" "")]))

(defn test-a-line-that-has-not-ended-is-sent-when-its-task-ends [made]
  (setv [it wire] made)
  (.write it 1 "stdout" b"no end")
  (.write it 1 "stderr" b"nor here")
  (holds (.said wire) [])
  (.finish it)
  (holds (.said wire) [#(1 "stdout" "no end") #(1 "stderr" "nor here")])
  (.begin it 2)
  (.finish it)
  (holds (.said wire) []))

(defn test-what-comes-after-its-task-is-of-none [made]
  (setv [it wire] made)
  (.write it 1 "stdout" b"begun")
  (.finish it)
  (.write it 1 "stdout" b"left behind\n")
  (.begin it 2)
  (.write it 1 "stdout" b"still there\n")
  (.write it 2 "stdout" b"second\n")
  (holds (.said wire) [#(1 "stdout" "begun") #(0 "stdout" "left behind\n") #(0 "stdout" "still there\n")
                       #(2 "stdout" "second\n")]))

(defn test-many-lines-are-few-frames [made]
  (setv [it wire] made)
  (for [n (range 1000)]
    (.write it 1 "stdout" (.encode f"{n}\n")))
  (holds (len wire.sent) MOST-FRAMES)
  (holds (len wire.timers) 1)
  (.finish it)
  (holds (len wire.sent) (+ MOST-FRAMES 1))
  (holds (.join "" (gfor  [_ _ text] (.said wire)  text)) (.join "" (gfor  n (range 1000)  f"{n}\n"))))

(defn test-the-timer-sends-what-is-left [made clock]
  (setv [it wire] made)
  (for [n (range (+ MOST-FRAMES 5))]
    (.write it 1 "stdout" b"x\n"))
  (.said wire)
  (+= clock.now (* 2 EVERY))
  (.tick wire)
  (holds (.said wire) [#(1 "stdout" (* "x\n" 5))])
  (holds wire.timers []))

(defn [(pytest.mark.parametrize #("printed" "shown") [
    #(b"\r 1%\r 2%\r 3%\n" " 3%\n")
    #(b"1%\r2%\r3%\r\n" "3%\n")
    #(b"windows\r\nlines\r\n" "windows\nlines\n")
    #(b"\xff\xe4\n" "\\xff\\xe4\n")
    #(b"\xf0\x9f\x98\x80 \x1b[1m\n" "\U0001f600 \x1b[1m\n")
    #(b"\n\n" "\n\n")])]
  test-a-line-is-as-a-terminal-leaves-it [made printed shown]
  (setv [it wire] made)
  ; In two pieces, wherever that cuts it.
  (for [n (range (len printed))]
    (.write it 1 "stdout" (cut printed n))
    (.write it 1 "stdout" (cut printed n None))
    (.finish it)
    (.begin it 1)
    (holds (.join "" (gfor  [_ _ text] (.said wire)  text)) shown)))

(defn test-a-progress-bar-is-shown-now-and-then [made clock]
  (setv [it wire] made)
  (for [n (range 101)]
    (.write it 1 "stderr" (.encode f"\r{n}%"))
    (+= clock.now 0.125))
  (.write it 1 "stderr" b"\n")
  (holds (.said wire) [#(1 "stderr" "40%\n") #(1 "stderr" "80%\n") #(1 "stderr" "100%\n")]))

(defn test-a-line-without-end-is-cut-and-no-character-is [made]
  (setv [it wire] made
        line (* "\u20ac" LONGEST))
  (.write it 1 "stdout" (.encode line))
  (.write it 1 "stdout" b"end\nnext\n")
  (.finish it)
  (setv said (.said wire))
  (holds (.replace (.join "" (gfor  [_ _ text] said  text)) "\n" "") (+ line "endnext"))
  (assert (<= (max (gfor  [_ _ text] said  (len text))) (+ LONGEST 1))))

(defn test-a-long-text-is-cut-between-lines [made]
  (setv [it wire] made
        text (.join "" (gfor  n (range 20,000)  f"line {n}\n")))
  (.write it 1 "stdout" (.encode text))
  (.finish it)
  (setv texts (lfor  [_ _ text] (.said wire)  text))
  (holds (.join "" texts) text)
  (assert (all (gfor  t texts  (and (.endswith t "\n") (<= (len t) LONGEST))))))

(defn test-who-prints-faster-than-is-sent-waits-and-nothing-is-lost [made clock]
  (setv [it wire] made
        start clock.now
        n (// (* 4 1024 1024) 1024))
  (for [_ (range n)]
    (.write it 1 "stdout" (+ (* b"x" 1023) b"\n")))
  (assert (>= (- clock.now start) (* EVERY (- (// (* 3 1024 1024) MOST-BYTES) 2))))
  (assert (<= it.size (+ ROOM 1024)))
  (.finish it)
  (holds (sum (gfor  [_ _ text] wire.sent  (len text))) (* n 1024)))

(defn test-when-nothing-can-be-sent-what-is-printed-is-cut-and-a-line-says-so [made clock]
  (setv [it wire] made
        start clock.now
        line (+ (* b"x" 1023) b"\n")
        wire.full True)
  (for [_ (range 5000)]
    (.write it 1 "stdout" line))
  (.log it 1 "a" 30 "not there" "")
  ; It has waited once, and not at each line.
  (assert (<= PATIENCE (- clock.now start) (* 2 PATIENCE)))
  (assert (<= it.size (+ ROOM 1024)))
  (setv wire.full False)
  (.finish it)
  (setv said (.said wire)
        texts (lfor  [_ _ text] said  text)
        notices (lfor  text texts  :if (in "left out" text)  text)
        kept (sum (gfor  text texts  :if (not (in "left out" text))  (.count text "\n"))))
  (holds (len notices) 2)
  (assert (in f"{(* 1024 (- 5000 kept))} bytes left out here" (get notices 0)) notices)
  ; From here on all is well again.
  (.begin it 2)
  (.write it 2 "stdout" b"again\n")
  (holds (.said wire) [#(2 "stdout" "again\n")]))

(defn test-a-connection-that-has-ended-takes-no-more-and-nobody-waits [made]
  (setv [it wire] made)
  (setv wire.post (fn [frames] (raise (BrokenPipeError))))
  (.write it 1 "stdout" b"x\n")
  (holds it.open False)
  (for [_ (range 5000)]
    (.write it 1 "stdout" (* b"x" 1024)))
  (holds it.size 0))

(defn test-the-end-of-a-session-sends-what-can-be-sent [made]
  (setv [it wire] made)
  (for [n (range (+ MOST-FRAMES 5))]
    (.write it 1 "stdout" b"x\n"))
  (.said wire)
  (.close it)
  (holds (.said wire) [#(1 "stdout" (* "x\n" 5))])
  (.write it 1 "stdout" b"too late\n")
  (holds #((.said wire) it.size) #([] 0)))

(defn test-threads-that-print-at-once-lose-nothing []
  (setv wire (Wire)
        it (Printer wire wire (nullcontext)))
  (.begin it 1)
  (defn write [name]
    (for [n (range 2000)]
      (.write it 1 "stdout" (.encode f"{name} {n}\n"))))
  (setv running (lfor  name "ab"  (begin write name)))
  (for [r running]
    (outcome r))
  (.finish it)
  (setv lines (.splitlines (.join "" (gfor  [_ _ text] wire.sent  text))))
  (for [name "ab"]
    (holds (lfor  line lines  :if (= (get line 0) name)  line)
           (lfor  n (range 2000)  f"{name} {n}"))))


;; Pipes

(defn test-pipes-that-another-thread-has-taken-away-have-nothing-to-read []
  ; As when a second session begins or ends while a task of the first one does.
  (setv reactor (SimpleNamespace :unwatch (fn [end]))
        pipes (Pipes (SimpleNamespace :reactor reactor)))
  (.close-inlets pipes)
  (.close pipes)
  (holds [(.catch-up pipes) (.catch-up-to-end pipes)] [None None]))
