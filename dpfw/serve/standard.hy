"sys.stdout and sys.stderr, and a handler of log records, that find the task by the
thread which prints or logs."

(import
  io
  logging
  sys
  dpfw.task.failure [shortened]
  dpfw.task.output [HIGHEST-LEVEL LONGEST-NAME]
  dpfw.task.whose [whose])
(eval-when-compile (require hyrule.control [unless]))


(defclass Stream [io.TextIOBase]
  "In the place of ``sys.stdout`` or ``sys.stderr``. What no remote prints goes to
  ``real``; all else that can be asked of it is asked of ``before``, which stood there."

  (defn __init__ [self name before]
    (setv
      self.stream name      ; as the wire has it
      self.before before    ; may be None, as in a process without a console
      self.real before
      self.buffer (Bytes self)))

  (defn write [self text]
    (unless (isinstance text str)
      (raise (TypeError f"write() argument must be str, not {(. (type text) __name__)}")))
    (setv owner (whose))
    (cond
      owner (.write (get owner 0) (get owner 1) self.stream (.encode text "utf-8" "backslashreplace"))
      (is-not self.real None) (.write self.real text))
    (len text))

  (defn flush [self]
    (when (and (is-not self.real None) (not (whose)))
      (.flush self.real)))

  (defn isatty [self]
    (and (is-not self.real None) (not (whose)) (.isatty self.real)))

  (defn writable [self]
    True)

  (defn fileno [self]
    (.fileno self.before))

  (defn close [self])  ; it is there for all

  (defn [property] encoding [self]
    (getattr self.before "encoding" "utf-8"))

  (defn [property] errors [self]
    (getattr self.before "errors" None))

  (defn __getattr__ [self name]
    (getattr (get self.__dict__ "before") name)))


(defclass Bytes [io.BufferedIOBase]
  "The binary file under a `Stream`."

  (defn __init__ [self text]
    (setv self.text text))

  (defn write [self data]
    (setv owner (whose)
          data (bytes data))
    (if owner
      (.write (get owner 0) (get owner 1) self.text.stream data)
      (write-bytes self.text.real data))
    (len data))

  (defn flush [self]
    (.flush self.text))

  (defn writable [self]
    True)

  (defn fileno [self]
    (.fileno self.text))

  (defn close [self]))

(defn write-bytes [file data]
  (cond
    (hasattr file "buffer") (do
      (.flush file)
      (.write file.buffer data))
    (is-not file None) (.write file (str data "utf-8" "backslashreplace"))))


(defclass RecordHandler [logging.Handler]
  "Sends the log records of remotes to their masters."

  (defn emit [self record]
    (setv owner (whose))
    (cond
      owner
        (try
          (.log (get owner 0) (get owner 1) #* (told record))
          (except [Exception]
            (.handleError self record)))
      ; Because of us, `logging` does not do this itself.
      (and (= logging.root.handlers [self]) logging.lastResort
           (>= record.levelno logging.lastResort.level))
        (.handle logging.lastResort record))))

(setv formatter (logging.Formatter))

(defn told [record]
  "The name, level, message and traceback of a record."
  (setv message (.getMessage record)
        name (cut (.join "" (gfor  c record.name  :if (.isprintable c)  c)) LONGEST-NAME)
        traceback (or record.exc-text (when record.exc-info (.formatException formatter record.exc-info)) ""))
  (when record.stack-info
    (setv traceback (.join "\n" (filter None [traceback (.formatStack formatter record.stack-info)]))))
  [name
   (max 0 (min (int record.levelno) HIGHEST-LEVEL))
   (shortened message)
   (shortened traceback)])


(defclass OwnHandler [logging.StreamHandler]
  "Writes log records to what ``sys.stderr`` is by then; but not those of remotes, which
  are for their masters to see."

  (defn __init__ [self]
    ; Not that of a StreamHandler, which takes a stream once and for all.
    (.__init__ logging.Handler self))

  (defn [property] stream [self]
    sys.stderr)

  (defn filter [self record]
    (and (is (whose) None) (.filter (super) record))))
