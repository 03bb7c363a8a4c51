"Exceptions as data: what a slave tells of a remote's failure, and the error
that its master makes of it.

The payload of an ``error`` frame is a dict, written as a datum, of

    type        str           full name of the exception's class
    builtin     str or None   the nearest built-in class it is an instance of
    message     str           what the exception says
    args        tuple         its arguments, where they can be written
    traceback   str           as Python prints it, source lines included
    exceptions  list          of an exception group: the same of each member"

(import
  builtins
  functools [lru-cache]
  os
  traceback
  dpfw.errors [Interrupted RemoteError RemoteTraceback UnwritableError]
  dpfw.data.sexp [write-datum read-datum])

(setv
  HERE (os.path.join (os.path.dirname (os.path.dirname (os.path.abspath __file__))) "")
  LONGEST 50,000      ; characters of the message, the arguments, the traceback
  DEEPEST-GROUP 20    ; levels of exception groups within each other
  INDESCRIBABLE (.encode (write-datum {
    "type" "?"  "builtin" None  "args" #()  "traceback" ""
    "message" "<an exception that cannot be described>"})))


;; On the slave

(defn describe [error limit]
  "The payload that tells of this exception, as bytes, ``limit`` at most. Never
  raises an `Exception`, whatever the exception is made of."
  (for [told [description outline]]
    (try
      (setv payload (.encode (write-datum (told error))))
      (when (<= (len payload) limit)
        (return payload))
      (except [Exception])))
  INDESCRIBABLE)

(defn description [error [depth 0]]
  (setv cls (type error))
  (cond
    (not (isinstance error (group-class))) {
      #** (outline error)
      "builtin" (builtin-name cls)
      "args" (writable-arguments error)}
    (< depth DEEPEST-GROUP) {
      #** (outline error)
      "builtin" (builtin-name cls)
      "exceptions" (lfor  e error.exceptions  (description e (+ depth 1)))}
    True
      (outline error)))

(defn outline [error]
  "What can be told of an exception that is too large. Its traceback still names
  the first members of a group."
  {"type" (class-name (type error))
   "builtin" None
   "message" (shortened (message error))
   "args" #()
   "traceback" (shortened (remote-traceback error))})

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

(defn writable-arguments [error]
  (setv args (arguments error))
  (try
    (if (<= (len (write-datum args)) LONGEST)
      args
      #())
    (except [UnwritableError]
      #())))

(defn arguments [error]
  "The arguments to make the like of it with."
  (if (and (isinstance error OSError) (is-not error.filename None))
    ; Its `args` leave the file names out.
    #(error.errno error.strerror error.filename None error.filename2)
    (tuple error.args)))

(defn remote-traceback [error]
  "The traceback of the remote: Python's, less the frames of dpfw itself."
  (try
    (setv told (traceback.TracebackException
      (type error) error (below-dpfw error.__traceback__)))
    (when (isinstance error Interrupted)
      ; Where it was raised, by us, tells nothing.
      (while (and told.stack (ours? (. (get told.stack -1) filename)))
        (.pop told.stack)))
    (.join "" (.format told))
    (except [e Exception]
      ; Exceptions with a __str__, __cause__ or __notes__ that fail.
      f"{(class-name (type error))}: {(message error)} (no traceback: {(class-name (type e))})\n")))

(defn below-dpfw [tb]
  "Leave out the frames at the top of a traceback that lie in dpfw's own files,
  unless there are no others."
  (setv below tb)
  (while (and below (ours? below.tb-frame.f-code.co-filename))
    (setv below below.tb-next))
  below)

(defn ours? [filename]
  (.startswith filename HERE))

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

(defn remote-error [payload where]
  "The `RemoteError` that this payload of an error frame tells of; ``where``
  names the slave."
  (rebuilt (read-datum (.decode payload)) where))

(defn rebuilt [known where]
  (setv
    cls (error-class (get known "builtin"))
    error (if (in "exceptions" known)
            (rebuilt-group cls known where)
            (made cls (get known "args")))
    error.message (get known "message")
    error.type-name (get known "type")
    error.__cause__ (RemoteTraceback
      f"on the slave at {where}:\n\n{(get known "traceback")}"))
  error)

(defn rebuilt-group [cls known where]
  (setv members (lfor  e (get known "exceptions")  (rebuilt e where)))
  (made cls #((get known "message") members)))

(defn made [cls args]
  "An exception of this class. Where the class does not take these arguments, as
  some do that were made by hand, the exception has them but was made without."
  (try
    (cls #* args)
    (except [Exception]
      (setv error (.__new__ cls cls)
            error.args args)
      error)))

(defn [(lru-cache :maxsize 256)] error-class [builtin]
  "The class of errors that are `RemoteError` and this built-in exception."
  (setv base (getattr builtins (or builtin "Exception") None))
  (cond
    (or (not (isinstance base type)) (not (issubclass base Exception)) (is base Exception))
      RemoteError
    True
      (type f"Remote{builtin}" #(RemoteError base) {"__module__" "dpfw.errors"})))
