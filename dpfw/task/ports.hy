"The two ports of a task, on the frames of a connection.

A port is one direction of a task's byte stream, as a text file: ``i`` is read,
``o`` is written, and both have a ``buffer`` for bytes. Text is UTF-8, lines end
in a line feed, and nothing is translated. Neither port reads ahead of what it
is asked for, so text, bytes and objects can be mixed at will.

Below each port lies a raw stream that turns reads and writes into frames of one
task; what a frame other than ``data`` means, only the master's or slave's side
of the stream knows."

(import
  codecs
  contextlib [nullcontext]
  io
  pickle
  re
  threading
  dpfw.data.sexp [read-datum write-datum]
  dpfw.net.frames [MAX-DATA]
  dpfw.net.memory [new-memory])
(eval-when-compile (require hyrule.control [unless]))

(setv
  BUFFER-SIZE 65536  ; bytes
  ; A cancel may lie behind data that the remote does not read. So a slave looks so
  ; many bytes ahead of the remote, and a cancel is surely found when the task has
  ; been sent no more than REACH before it, headers included.
  LOOK-AHEAD (* 4 1024 1024)
  REACH (// LOOK-AHEAD 2)
  ASK "\x05"  ; ENQ: a remote that has a terminal at the other end waits for a line
  CLOSED "I/O operation on the closed port of a task"
  OBJECT (re.compile r"\(object ([0-9]{1,18}(?: [0-9]{1,18})*)\)\n")
  LONGEST-OBJECT-HEADER 65536)  ; characters


;; Raw streams

(defclass Inlet [io.RawIOBase]
  "The bytes that the other end sends to the task of this number.

  A subclass says in `control` what frames other than ``data`` do. It may set
  ``ended``, which lets the stream end, give the bytes of ``tail`` as the last
  ones, or raise. Frames about other tasks are late, and skipped, unless
  `control-other` says otherwise. ``shield`` is entered while the connection is
  in use."

  (defn __init__ [self connection number [shield (nullcontext)]]
    (setv
      self.connection connection
      self.number number
      self.shield shield
      self.before-waiting None  ; flushes the output port
      self.unread 0      ; bytes of the current data frame
      self.tail None     ; the last bytes
      self.fresh True    ; at the beginning of a line?
      self.ended False))

  (defn readable [self]
    True)

  (defn readinto [self view]
    (unless (len view)
      (return 0))
    (.await-frame self)
    (cond
      self.unread
        (with [_ self.shield]
          (.read-data self (memoryview view)))
      self.tail
        (.read-tail self view)
      True
        0))

  (defn await-frame [self]
    "Wait until there is something to read, or the end."
    (while (not (or self.unread self.tail self.ended))
      (when self.before-waiting
        (self.before-waiting))
      (.await-bytes self)
      (with [_ self.shield]
        (.next-frame self))))

  (defn await-bytes [self]
    "Called when the next frame has perhaps not come yet. A subclass may wait here
    for its first bytes; else, who receives it waits.")

  (defn only-line [self]
    "All that the stream has to give, if that is one line and known already
    without a buffer; else None."
    None)

  (defn next-frame [self]
    (setv [kind number length] (.receive-header self.connection))
    (cond
      (!= number self.number) (.control-other self kind number length)
      (= kind "data") (setv self.unread length)
      True (.control self kind length)))

  (defn read-data [self view]
    (setv n (.receive-into self.connection (cut view self.unread)))
    (-= self.unread n)
    (setv self.fresh (= (get view (- n 1)) 10))
    n)

  (defn read-tail [self view]
    (setv
      tail (memoryview self.tail)
      n (min (len view) (len tail))
      (cut view n) (cut tail n)
      self.tail (cut tail n None))
    n)

  (defn drain [self]
    "Throw away all that the stream still has to give."
    (setv self.unread 0  self.tail None  self.before-waiting None)
    (while (not self.ended)
      (with [_ self.shield]
        (.next-frame self)
        (setv self.unread 0))))

  (defn control [self kind length]
    (raise NotImplementedError))

  (defn control-other [self kind number length]))


(defclass Outlet [io.RawIOBase]
  "The bytes that the task of this number sends to the other end. ``shield`` is
  entered while the connection is in use."

  (defn __init__ [self connection number [shield (nullcontext)]]
    (setv
      self.connection connection
      self.number number
      self.shield shield
      self.session None))  ; on a slave, the one that the task is of

  (defn writable [self]
    True)

  (defn write [self view]
    (check-open self)
    (setv view (cut (memoryview view) MAX-DATA))
    (with [_ self.shield]
      (.send self.connection "data" self.number view))
    (len view)))


(defn check-open [file]
  (when file.closed
    (raise (ValueError CLOSED))))


;; Ports

(defclass Port [io.TextIOBase]
  "What the two ports have in common."

  (setv encoding "utf-8"  errors "strict"  newlines "\n"
        closed False)

  (defn __init__ [self raw]
    (setv
      self.raw raw
      self.making (threading.Lock)  ; of the buffer: another one would close the raw
      self.buffer-made None))       ; stream when it goes

  (defn [property] buffer [self]
    "The binary file under the port."
    (when (is self.buffer-made None)
      (with [_ self.making]
        (when (is self.buffer-made None)
          (check-open self)
          (setv self.buffer-made (.make-buffer self)))))
    self.buffer-made)

  (defn close [self]
    (unless self.closed
      (try
        (unless (is self.buffer-made None)
          (.close self.buffer-made))
        (finally
          (.close self.raw)
          (setv self.closed True)))))

  (defn __repr__ [self]
    f"<{(. (type self) __name__)} {(if self.closed "closed" self.raw.connection.peer)}>"))


(defclass InputPort [Port]
  "A text file to read, over a raw stream. It never reads ahead, so that what
  follows a line of text may be bytes."

  (setv snapshot False)  ; between `tell` and the `seek` back?

  (defn make-buffer [self]
    (io.BufferedReader self.raw BUFFER-SIZE))

  (defn readable [self]
    True)

  (defn readline [self [size -1]]
    (check-open self)
    (cond
      (>= size 0) (.read-characters self size :to-line-end True)
      (is self.buffer-made None) (or (.only-line self.raw) (.decode (.readline self.buffer)))
      True (.decode (.readline self.buffer))))

  (defn read [self [size -1]]
    (check-open self)
    (cond
      (and size (> size 0))
        (.read-characters self size)
      (= size 0)
        ""
      self.snapshot
        ""
      True
        (.decode (.read self.buffer))))

  (defn read-characters [self size [to-line-end False]]
    "Read so many characters, fewer at the end of the stream (or line)."
    (setv decode (. ((codecs.getincrementaldecoder "utf-8")) decode)
          text "")
    (while (< (len text) size)
      ; Each character that is missing takes at least one more byte.
      (setv missing (- size (len text))
            more (if to-line-end
                   (.readline self.buffer missing)
                   (.read self.buffer missing)))
      (+= text (decode more :final (not more)))
      (when (or (not more) (and to-line-end (.endswith more b"\n")))
        (break)))
    text)

  ; `hy.read` and `hy.read-many` call tell, read and seek before they parse, to
  ; have the source for their error messages, and then read by the character.
  ; A stream cannot show what has not come yet; between a tell and the seek back
  ; there is nothing to read.

  (defn tell [self]
    (check-open self)
    (setv self.snapshot True)
    0)

  (defn seek [self position [whence io.SEEK-SET]]
    (unless (and self.snapshot (= position 0) (= whence io.SEEK-SET))
      (raise (io.UnsupportedOperation "the port of a task is a stream")))
    (setv self.snapshot False)
    0))


(defclass OutputPort [Port]
  "A text file to write, over a raw stream. Sends when its buffer is full, when
  it is flushed, when the input port of the task is about to wait, and when the
  task ends."

  (defn make-buffer [self]
    (io.BufferedWriter self.raw BUFFER-SIZE))

  (defn writable [self]
    True)

  (defn write [self text]
    (check-open self)
    (.write self.buffer (.encode text))
    (len text))

  (defn flush [self]
    (check-open self)
    (unless (or (is self.buffer-made None) self.buffer-made.closed)
      (.flush self.buffer-made))))


(defn make-ports [inlet outlet]
  "The input and the output port of a task. The output is flushed before the
  input waits."
  (setv i (InputPort inlet)
        o (OutputPort outlet))
  (setv inlet.before-waiting (fn [] (unless o.closed (.flush o))))
  #(i o))


;; Data and objects

(defn read [i]
  "Read one datum from the next line of a port; blank lines are passed over. ::

    (read (io.StringIO \"[1 2]\\n\"))  ; => [1 2]

  Raises `EOFError` at the end of the stream, `DatumSyntaxError` when the line
  is no datum, and what the port raises: on a master, the `RemoteError` of the
  remote. Nothing is evaluated."
  (while True
    (setv line (.readline i))
    (unless line
      (raise (EOFError "the stream ended, and no datum came; did the other end write one?")))
    (unless (.isspace line)
      (return (read-datum line)))))

(defn write [x o]
  "Write one datum to a port, as one line. ::

    (setv o (io.StringIO))
    (write [1 \"a\"] o)
    (.getvalue o)  ; => \"[1 \\\"a\\\"]\\n\"

  Raises `UnwritableError`, before a byte is written, when ``x`` has no
  s-expression."
  (.write o (+ (write-datum x) "\n"))
  None)

(defn read-result [i o]
  "Read the remote's result: the local procedure that most tasks want. The same
  as ``(read i)``."
  (read i))

(defn write-object [x o]
  "Write one Python object to a port, by pickle protocol 5.

  Large buffers, such as a NumPy array's, are sent from where they lie. On the
  stream stands a line ``(object SIZE SIZE…)``, in bytes, then the pickle, then
  the buffers."
  (setv buffers []
        pickled (pickle.dumps x :protocol 5 :buffer-callback buffers.append)
        parts [pickled  #* (gfor  b buffers  (.raw b))])
  (.write o f"(object {(.join " " (map str (map len parts)))})\n")
  (for [part parts]
    (.write o.buffer part))
  None)

(defn read-object [i]
  "Read one Python object, written by `write-object`, from a port.

  Unpickling runs code that the other end chose: both ends must trust each
  other. Raises `EOFError` at the end of the stream."
  (setv header (.readline i LONGEST-OBJECT-HEADER))
  (unless header
    (raise (EOFError "the stream ended, and no object came")))
  (setv found (OBJECT.fullmatch header))
  (unless found
    (raise (ValueError
      f"no object comes here, but {(repr (cut header 60))}; read it with (read i)")))
  (setv sizes (map int (.split (.group found 1)))
        [pickled #* buffers] (lfor  size sizes  (read-exactly i.buffer size)))
  (pickle.loads pickled :buffers buffers))

(defn read-exactly [file size]
  "Read so many bytes, into memory that is their only copy; returns a memoryview
  of it."
  (setv view (new-memory size)
        at 0)
  (while (< at size)
    (setv n (.readinto file (cut view at None)))
    (unless n
      (raise (EOFError f"the stream ended {(- size at)} bytes before the object did")))
    (+= at n))
  view)
