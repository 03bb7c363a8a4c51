"Exceptions as data: what a slave tells of a remote's failure, and the error
that its master makes of it.

The payload of an ``error`` frame is a dict, written as a datum, of

    type        str           full name of the exception's class
    builtin     str or None   the nearest built-in class it is an instance of
    message     str           what the exception says
    args        str           the tuple of its arguments, as a datum; empty where they have none
    traceback   str           of the remote, as ``told`` makes it
    exceptions  list          of an exception group: the same of each member
    of-text     True          if the remote's text gave no procedure; else it is not there
    lost        list          of a slave that the head of a branch has lost: the places of the
                              first and the last item that it had; else it is not there

What is there to be read, and may be printed, a master's error has with its control
characters escaped: on a terminal they would act. The arguments are data, and stay; they
are a text of their own, since a master may not be able to read them: who has not
registered their types, or has no NumPy, has the error without them.

A master takes these types exactly, and nothing that stands for a sequence: a
range of a billion is short as text, and somebody would make a list of it."

(import
  builtins
  functools [lru-cache]
  itertools [chain]
  traceback
  dpfw.errors [DatumSyntaxError RemoteError RemoteTraceback SlaveLost UnwritableError]
  dpfw.data.sexp [read-datum read-standard write-datum]
  dpfw.task.advice [advice-for]
  dpfw.task.told [told-traceback])
(eval-when-compile (require hyrule.control [unless]))

(setv
  LONGEST 50,000      ; characters of the message, the arguments, the traceback
  DEEPEST-GROUP 20    ; levels of exception groups within each other
  MOST-EXCEPTIONS 10,000  ; in a group and those within it, which count as well
  FURTHEST 1,000,000  ; line or column; a traceback has as many spaces and carets
  FIELDS {
    "type" [str]  "builtin" [str (type None)]  "message" [str]  "args" [str]  "traceback" [str]}
  TO-READ ["type" "message" "traceback"]  ; fields for people
  ESCAPES (dfor
    n [#* (range 0x20) #* (range 0x7f 0xa0)]  ; Unicode's control characters
    :if (not-in (chr n) "\n\t")
    n f"\\x{n :02x}")
  ; Whoever calls `next`, or a coroutine, takes these for a return. Python too
  ; makes another of them (PEP 479).
  ENDS #(StopIteration StopAsyncIteration GeneratorExit)
  NO-ARGUMENTS "#()"
  INDESCRIBABLE (.encode (write-datum {
    "type" "?"  "builtin" None  "args" NO-ARGUMENTS  "traceback" ""
    "message" "<an exception that cannot be described>"})))


;; On the slave

(defn describe [error limit * [of-text False]]
  "The payload that tells of this exception, as bytes, ``limit`` at most; ``of-text``
  says whether the remote's text gave no procedure. Never raises an `Exception`,
  whatever the exception is made of."
  (for [told [description outline]]
    (try
      (setv payload (.encode (write-datum (| (told error) (if of-text {"of-text" True} {})))))
      (when (<= (len payload) limit)
        (return payload))
      (except [Exception])))
  INDESCRIBABLE)

(defclass PassedOn [Exception]
  "What a slave makes of an error that one of its own slaves has told it of: it is told on,
  as it was told."

  (defn __init__ [self error]
    (.__init__ (super) (str error))
    (setv self.error error)))

(defn told-on [error]
  "Of a `RemoteError`, or a `SlaveLost` with the ``places`` of its items."
  (if (isinstance error SlaveLost)
    {"type" "dpfw.errors.SlaveLost"  "builtin" "ConnectionError"  "message" (shortened (str error))
     "args" NO-ARGUMENTS  "traceback" ""  "lost" error.places}
    {"type" error.type-name
     "builtin" (builtin-name (type error))
     "message" error.message
     "traceback" (shortened (told-at error))
     #** (if (isinstance error (group-class))
       {"exceptions" (list (map told-on error.exceptions))  "args" NO-ARGUMENTS}
       {"args" (arguments-text error)})}))

(defn told-at [error]
  "Its traceback, and where that is from."
  (get [#* (getattr error "__notes__" [])  (str (or error.__cause__ error.traceback))] 0))

(defn description [error [depth 0]]
  (setv cls (type error))
  (cond
    (isinstance error PassedOn) (told-on error.error)
    (not (isinstance error (group-class))) {
      #** (outline error)
      "builtin" (builtin-name cls)
      "args" (arguments-text error)}
    (and (< depth DEEPEST-GROUP) (or depth (not (countless? error)))) {
      #** (outline error :members False)
      "builtin" (builtin-name cls)
      "exceptions" (lfor  e error.exceptions  (description e (+ depth 1)))}
    True
      (outline error)))

(defn countless? [error]
  "Are there too many exceptions in this one and behind it? In groups they may be
  one object, time and again."
  (setv left [error]  behind #{}  n 0)
  (while left
    (setv e (.pop left))
    (+= n 1)
    (when (> n MOST-EXCEPTIONS)
      (return True))
    (when (isinstance e (group-class))
      (.extend left e.exceptions))
    (for [other [e.__cause__ e.__context__]]
      (unless (or (is other None) (in (id other) behind))
        (.add behind (id other))
        (.append left other))))
  False)

(defn outline [error [members True]]
  "What can be told of an exception that is too large. Its traceback still names
  the first members of a group, if there is nothing else to tell of them."
  {"type" (class-name (type error))
   "builtin" None
   "message" (shortened (+ (message error) (advice-for error)))
   "args" NO-ARGUMENTS
   "traceback" (shortened (remote-traceback error members))})

(defn class-name [cls]
  (if (= cls.__module__ "builtins")
    cls.__qualname__
    f"{cls.__module__}.{cls.__qualname__}"))

(defn builtin-name [cls]
  "The name of the nearest built-in class of exceptions, None when that is no
  `Exception`."
  (next
    (gfor
      base cls.__mro__
      :if (is (getattr builtins base.__name__ None) base)
      (when (issubclass base Exception) base.__name__))
    None))

(defn message [error]
  (try
    (str error)
    (except [e BaseException]
      f"<its __str__ raised {(. (type e) __name__)}>")))

(defn arguments-text [error]
  (try
    (setv text (write-datum (arguments error)))
    (if (<= (len text) LONGEST)
      text
      NO-ARGUMENTS)
    (except [UnwritableError]
      NO-ARGUMENTS)))

(defn arguments [error]
  "The arguments to make the like of it with."
  (if (and (isinstance error OSError) (is-not error.filename None))
    ; Its `args` leave the file names out.
    #(error.errno error.strerror error.filename None error.filename2)
    ; A class of the user's may have something else by that name.
    (if (is (type error.args) tuple) error.args #())))

(defn remote-traceback [error members]
  (try
    (if (countless? error)
      ; Python would print each of them, and does not count.
      (+ (.join "" (traceback.format-tb error.__traceback__)) (last-line error) "\n")
      (told-traceback error members))
    (except [e Exception]
      ; Exceptions with a __str__, __cause__ or __notes__ that fail.
      f"{(last-line error)} (no traceback: {(class-name (type e))})\n")))

(defn last-line [error]
  f"{(class-name (type error))}: {(message error)}")

(defn shortened [text]
  (setv half (// LONGEST 2))
  (if (<= (len text) LONGEST)
    text
    (+ (cut text half)
       f"\n… {(- (len text) LONGEST)} characters left out …\n"
       (cut text (- half) None))))

(defn group-class []
  "The class of exception groups; one that nothing is of before Python 3.11."
  (getattr builtins "BaseExceptionGroup" #()))


;; On the master

(defn remote-error [payload where [differences ""] * [arguments True]]
  "The `RemoteError` that this payload of an error frame tells of; ``where``
  names the slave, and ``differences`` tells how its versions differ from the master's,
  which an error of the remote's text says. With ``arguments`` false, it has none. Raises
  `ValueError` or `SyntaxError` if the payload tells of none."
  (setv told (read-standard (.decode payload)))
  (check told)
  (when (lost? told)
    (return (lost-slave told)))
  (setv error (rebuilt told where arguments))
  (when (and differences (is (.get told "of-text") True))
    (+= error.message f" ({differences})"))
  error)

(defn lost? [told]
  (setv places (.get told "lost"))
  (and (is (type places) list) (= (list (map type places)) [int int]) (<= 0 #* places)))

(defn lost-slave [told]
  (setv lost (SlaveLost (escaped (get told "message")))
        lost.places (get told "lost"))
  lost)

(defn check [told]
  "Raise `ValueError` if this is no description of an exception."
  (setv level [told]  n 0)
  (for [_ (range (+ DEEPEST-GROUP 1))]
    (+= n (len level))
    (when (> n MOST-EXCEPTIONS)
      (raise (ValueError f"an error that is more than {MOST-EXCEPTIONS} exceptions")))
    (for [one level]
      (check-fields one))
    (setv level (list (chain.from_iterable
      (gfor  one level  (.get one "exceptions" #())))))
    (unless level
      (return)))
  (raise (ValueError f"an error of groups more than {DEEPEST-GROUP} levels deep")))

(defn check-fields [told]
  (unless (is (type told) dict)
    (raise (ValueError f"an error is a dict, not of type {(. (type told) __name__)}")))
  (for [[field types] (.items FIELDS)]
    (unless (in field told)
      (raise (ValueError f"an error without its {field}")))
    (unless (in (type (get told field)) types)
      (raise (ValueError
        f"the {field} of an error is of type {(. (type (get told field)) __name__)}"))))
  (setv members (.get told "exceptions" [None]))
  (unless (and (is (type members) list) members)
    (raise (ValueError "the exceptions of an error are no list, or an empty one"))))

(defn escaped [text]
  "The text, with what would act on a terminal shown as ``\\x1b``."
  (.translate text ESCAPES))

(defn rebuilt [told where arguments]
  (setv
    told {#** told  #** (dfor  field TO-READ  field (escaped (get told field)))}
    cls (error-class (get told "builtin"))
    error (if (in "exceptions" told)
            (rebuilt-group cls told where arguments)
            ; A group needs members.
            (made (if (issubclass cls (group-class)) RemoteError cls)
              (if arguments (arguments-told (get told "args")) #())))
    error.message (get told "message")
    error.type-name (get told "type")
    error.traceback (get told "traceback"))
  (add-traceback error (+ f"on the slave at {where}"
    (if error.traceback f":\n{(.rstrip error.traceback)}" "")))
  error)

(defn add-traceback [error text]
  "Have it shown with the error, whoever shows that, and below it where that is possible."
  (if (hasattr error "add_note")
    (.add-note error text)
    (setv error.__cause__ (RemoteTraceback text))))

(defn with-cause [error told]
  "The error, with the traceback of ``told``, which may be the same, as its cause: what
  who uses a `ProcessPoolExecutor` knows."
  (setv notes (getattr told "__notes__" None)
        error.__cause__ (if notes (RemoteTraceback (get notes -1)) told.__cause__))
  (when (and notes (is error told))
    (.pop notes))
  error)

(defn arguments-told [text]
  "Those in the text; no arguments, if it cannot be read here, or is of something else."
  (try
    (setv args (read-datum text))
    (except [DatumSyntaxError]
      (return #())))
  (if (is (type args) tuple) args #()))

(defn rebuilt-group [cls told where arguments]
  (setv members (lfor  e (get told "exceptions")  (rebuilt e where arguments)))
  (made cls #((get told "message") members)))

(defn made [cls args]
  "An exception of this class. Where the class does not take these arguments, as
  some do that were made by hand, the exception has them but was made without."
  (try
    (unless (harmless? cls args)
      (raise (ValueError)))
    (with-escaped-place (cls #* args))
    (except [Exception]
      (setv error (.__new__ cls cls)
            error.args args)
      error)))

(defn with-escaped-place [error]
  "Of a `SyntaxError`, tracebacks also show these attributes."
  (when (isinstance error SyntaxError)
    (for [name ["msg" "filename" "text"]]
      (setv shown (getattr error name))
      (when shown
        (setattr error name (escaped shown)))))
  error)

(defn harmless? [cls args]
  "`SyntaxError` alone reads its arguments at once, as a sequence, and tracebacks
  show them: a column of a billion as so many spaces."
  (or
    (not (issubclass cls SyntaxError))
    (not args)
    (and (is (type (get args 0)) str)
         (or (= (len args) 1)
             (and (= (len args) 2) (place? (get args 1)))))))

(defn place? [x]
  (and
    (is (type x) tuple)
    (in (len x) [4 6])
    (in (type (get x 0)) [str (type None)])     ; the file
    (in (type (get x 3)) [str (type None)])     ; the text of the line
    (all (gfor  n [#* (cut x 1 3) #* (cut x 4 6)]  ; lines and columns
      (or (is n None) (and (is (type n) int) (<= -1 n FURTHEST)))))))

(defn error-class [builtin]
  "The class of errors that are `RemoteError` and this built-in exception."
  (setv base (getattr builtins (or builtin "Exception") None))
  (cond
    (not (isinstance base type)) RemoteError
    (issubclass base ENDS) (remote-class RuntimeError)
    (is base Exception) RemoteError
    (issubclass base Exception) (remote-class base)
    True RemoteError))

;; Kept by class, for there are but so many; names are made by slaves.
(defn [(lru-cache :maxsize None)] remote-class [base]
  (type f"Remote{base.__name__}" #(RemoteError base) {"__module__" "dpfw.errors"}))
