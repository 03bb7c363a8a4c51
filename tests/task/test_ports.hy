"Ports on frames: what is for one task, and what is not; what both sides share."

(import
  contextlib [contextmanager]
  io
  threading
  pytest
  dpfw.net.frames [MAX-DATA]
  dpfw.task.ports [Inlet InputPort Outlet make-ports write]
  tests.helpers [WAIT begin holds linked outcome])

(defclass Ending [Inlet]
  "An inlet that ends with an ``eof``; notes what else came."

  (defn __init__ [self connection number]
    (.__init__ (super) connection number)
    (setv self.others []))

  (defn control [self kind length]
    (setv self.ended True))

  (defn control-other [self kind number length]
    (.append self.others #(kind number length))))

(defn [contextmanager] sent [#* frames]
  "The inlet of task 2, to which all these were sent."
  (with [[one two] (linked)]
    (for [frame frames]
      (.send one #* frame))
    (yield (Ending two 2))))


(defn test-a-port-has-the-data-of-its-task-alone []
  (with [inlet (sent ["data" 1 b"late\n"] ["data" 2 b"mine, "] ["eof" 1] ["cancel" 3]
                     ["data" 2 b"and more\n"] ["data" 3 b"another's\n"] ["eof" 2])]
    (holds (.read (InputPort inlet)) "mine, and more\n")
    (holds inlet.others [#("data" 1 5) #("eof" 1 0) #("cancel" 3 0) #("data" 3 10)])))

(defn test-what-is-about-another-task-is-skipped-unless-a-side-says-otherwise []
  (defclass Plain [Ending]
    (setv control-other Inlet.control-other))
  (with [[one two] (linked)]
    (for [frame [["data" 1 b"late"] ["eof" 9] ["data" 2 b"mine"] ["eof" 2]]]
      (.send one #* frame))
    (holds (.read (InputPort (Plain two 2))) "mine")))

(defn test-draining-skips-all-there-is []
  (with [inlet (sent ["data" 2 (* b"x" 100,000)] ["data" 1 b"late"] ["data" 2 b"y"] ["eof" 2])]
    (setv i (InputPort inlet))
    (holds (.read i 3) "xxx")
    (.drain inlet)
    (assert inlet.ended)
    (holds (.read i 5) "xxxxx")))  ; what its buffer had already

(defn test-what-is-written-has-the-number-of-the-task []
  (with [[one two] (linked)]
    (setv [i o] (make-ports (Ending one 7) (Outlet one 7)))
    (write [1 2] o)
    (.flush o)
    (holds (.receive-header two) #("data" 7 6))
    (holds (.receive-payload two) b"[1 2]\n")
    (setv sending (begin (fn [] (.write o.buffer (bytes (+ MAX-DATA 1))) (.flush o))))
    (for [size [MAX-DATA 1]]
      (holds (.receive-header two) #("data" 7 size))
      (.receive-payload two))
    (outcome sending)))

(defn test-nothing-is-sent-once-a-port-is-closed []
  (with [[one two] (linked)]
    (setv outlet (Outlet one 7)
          [_ o] (make-ports (Ending one 7) outlet)
          buffer o.buffer)
    (.close o)
    (for [use [(fn [] (.write o "x")) (fn [] (.flush o)) (fn [] (.write buffer b"x"))
               (fn [] (.write outlet b"x"))]]
      (with [_ (pytest.raises ValueError :match "closed")]
        (use)))
    (.send one "eof" 7)
    (holds (.receive-header two) #("eof" 7 0))))

(defn test-two-threads-make-one-buffer []
  "A second one would close the stream when it goes."
  (with [[one _] (linked)]
    (setv made []
          inside (threading.Event)
          again (threading.Event))
    (defclass Slow [InputPort]
      (defn make-buffer [self]
        (.append made 1)
        (.set (if (= (len made) 1) inside again))
        ; In vain: the other thread waits for this one.
        (.wait again 0.2)
        (.make-buffer (super))))
    (setv i (Slow (Ending one 2))
          first (begin (fn [] i.buffer)))
    (assert (.wait inside WAIT))
    (setv second (begin (fn [] i.buffer)))
    (assert (is (outcome first) (outcome second)))
    (holds made [1])))

(defn test-the-source-of-what-hy-reads-cannot-be-shown []
  (with [inlet (sent ["data" 2 b"(+ 1 2) rest"] ["eof" 2])]
    (setv i (InputPort inlet))
    (with [_ (pytest.raises io.UnsupportedOperation)]
      (.seek i 0))
    (holds (.tell i) 0)
    (holds (.read i) "")
    (with [_ (pytest.raises io.UnsupportedOperation)]
      (.seek i 1))
    (.seek i 0)
    (holds (hy.read i) '(+ 1 2))
    (holds (.read i) " rest")))
