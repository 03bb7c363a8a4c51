"Remotes as they travel: a text, and the data beside it.

Quasiquote leaves what ``~`` inserts as it is, a Python object among models. So
data can be told from code, and need not be compiled::

    `(fn [i o] (f ~x))        with 5 in x

    text     (fn [i o] (f (value$0)))
    values   5

The text is the same for every x, so a slave compiles it once. It means what it
would mean with the values in the places of these *holes*. Where a slave can
have a call there instead, ``holes`` knows.

The payload of the ``values`` frame has the texts of the values, in lines. If one of
them is large, and so travels as packed data, it begins as those do; a list of lengths in
bytes follows, and then the values, as text or packed::

    0xFF [LENGTH ...] LF VALUE ..."

(import
  functools [partial]
  itertools [chain]
  re
  hy.models [Expression FString Keyword Object String]
  dpfw.data.codec [packed? size-of takes-packed? text-of]
  dpfw.data.forms [SOURCE form-text written]
  dpfw.data.buffers [header]
  dpfw.data.packed [pack small? unpack]
  dpfw.data.sexp [ATOMS datum-text read-datum write-datum]
  dpfw.data.tokens [Misfit snippet]
  dpfw.errors [DatumSyntaxError UnwritableError]
  dpfw.net.memory [own]
  dpfw.see [see]
  dpfw.task.names [names-of])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PREFIX "value$"
  MANY 100  ; holes, as when a list is spliced in: it is faster to compile the data
  LINE-FEED (re.compile b"\n")
  HOLE (re.compile r"\(value\$(0|[1-9][0-9]{0,8})\)")
  CONTAINERS [list tuple set dict]
  PLAIN (frozenset ATOMS))


(defclass Remote []
  "The text of a remote, and the values that go with it: each a text, or packed, as
  a list of buffers."

  (defn __init__ [self text [values #()]]
    (setv self.text text
          self.values (tuple values)
          self.payloads None)))  ; of its frames, once they are made


(defclass Datum []
  "Stands in a form for a value that is data, even if it is, or holds, models.
  Raises `UnwritableError` if it has no s-expression."

  (defn __init__ [self value]
    (setv self.value (as-value value))))


(defclass OwnLine []
  "Stands in a form for another, whose text has lines of its own, for tracebacks."

  (defn __init__ [self form]
    (setv self.form form)))


(defn parts [container]
  "What a container holds, as iterables: a dict its keys and its values."
  (if (is (type container) dict)
    [container (.values container)]
    [container]))

(defn plain? [xs]
  "Is nothing among these that holds something else?"
  (<= (set (map type xs)) PLAIN))


(defn as-value [x]
  "A value as it travels beside a remote."
  (if (as-text? x)
    (write-datum x)
    (as-it-is-now (pack x))))

(defn as-it-is-now [buffers]
  "The buffers, with copies in the place of those that are borrowed."
  (list (map own buffers)))

(defn as-text? [x]
  (or (small? x) (not (takes-packed?))))

(defn hole-name [n]
  f"{PREFIX}{n}")

(defn hole [n]
  f"({(hole-name n)})")


;; On the master

(defn as-remote [x]
  "A `Remote` of a Hy form, or of the text of one. Raises `UnwritableError`."
  (if (is (type x) Remote)
    x
    (owning (borrowing x))))

(defn owning [remote]
  (unless (all (gfor  value remote.values  (is (type value) str)))
    (setv remote.values (tuple (gfor
      value remote.values
      (if (is (type value) str) value (as-it-is-now value))))))
  remote)

(defn borrowing [x]
  "The same, but its values may still be in memory that is `borrowed?`."
  (cond
    (is (type x) Remote) x
    (is (type x) str) (Remote x)
    (function? x) (borrowing
      `(fn [dpfw-i dpfw-o] (~(function-form "the remote" x "(fn [i o] …)") dpfw-i dpfw-o)))
    True (written "the remote" remote-of x)))

(defn function? [x]
  "Is it a Python function, or another callable? A keyword is one, but also a form."
  (and (callable x) (not (isinstance x Object))))

(defn function-form [what f instead]
  "A form of a Python function that slaves can import, or of a `partial` of one. Errors
  call it ``what``, and advise to quote what is ``instead``."
  (when (is (type f) partial)
    (return `((. hy I dpfw/task/names bound)
      ~(function-form what f.func instead) ~(Datum f.args) ~(Datum f.keywords))))
  (setv names (names-of f))
  (unless names
    (raise (TypeError (+ f"{what} is {f !r}, which slaves cannot import"
      (if (= (getattr f "__module__" None) "__main__") ", since its module is the program itself" "")
      f"; quote it, as in '{instead}, or give its text, \"{instead}\", or put it into a module that they can import"
      (defining-advice f)
      (see "python.md#what-a-slave-calls")))))
  (named-form names))

(defn named-form [names]
  `((. hy I dpfw/task/names named) ~(Datum names)))

(defn defining-advice [f]
  (setv name (getattr f "__name__" "<lambda>"))
  (if (re.fullmatch r"<lambda>|_hy_anon_\d+" name)
    ""
    (+ f"; or define it there, with (dpfw-defn {(hy.unmangle name)} …), or @dpfw.define in Python, and give its "
       f"name: '{(hy.unmangle name)}, or \"{(hy.unmangle name)}\"")))

(defn remote-of [form]
  ; Models never change, so one that is sent again need not be written again.
  (setv before (getattr form "dpfw_remote" None))
  (when before
    (return before))
  (setv forms (Lifting LIFTING)
        text (form-text form 0 forms)
        remote (if (= (.count text PREFIX) (len forms.beside))
          (Remote text forms.beside)
          ; Someone has such names of his own.
          (plain form)))
  (when (> (len forms.beside) MANY)
    (try
      (setv remote (plain form))
      (except [Misfit])))  ; for some of them there is no literal
  (when (and (is (type form) Expression) (not forms.beside) (not forms.mutable))
    (setv form.dpfw-remote remote))
  remote)

(defn plain [form]
  (Remote (form-text form 0 {#** SOURCE  OwnLine own-line})))

(defclass Lifting [dict]
  "How to write a form. Its data are appended to ``beside``, as values;
  ``mutable`` says whether lists or the like stand in it as code."

  (defn __init__ [self table]
    (.__init__ (super) table)
    (setv self.beside []
          self.mutable False)))

(defn holds-code? [x]
  "Are there models in this container? A keyword is data and model alike."
  (setv left [x]
        seen (set))  ; each container once: there may be many ways to it, or a cycle
  (while left
    (setv x (.pop left))
    (cond
      (isinstance x Object)
        (when (is-not (type x) Keyword)
          (return True))
      (and (in (type x) CONTAINERS) (not-in (id x) seen)) (do
        (.add seen (id x))
        (for [some (parts x)]
          (unless (plain? some)
            (.extend left some))))))
  False)

(defn beside [value forms]
  (.append forms.beside value)
  (hole (- (len forms.beside) 1)))

(defn lifted [x depth forms]
  (setv value None)
  (unless (as-text? x)
    (try
      (setv value (pack x))
      (except [UnwritableError])))  ; writing it will tell why, and where in the form
  (beside (or value (datum-text x 1)) forms))

(defn own-line [x depth forms]
  (+ "\n" (form-text x.form depth forms) "\n"))

(defn without-prefix [x depth forms]
  ; A string may say what it likes; only names are taken for holes.
  (setv text ((get SOURCE String) x depth forms))
  (if (is x.brackets None)
    (.replace text PREFIX r"value\x24")
    text))

(defn unless-code [write]
  (fn [x depth forms]
    (if (holds-code? x)
      (do
        (setv forms.mutable True)
        (write x depth forms))
      (lifted x depth forms))))

(setv LIFTING {
  #** SOURCE
  #** (dict.fromkeys [(type None) bool int float complex str bytes] lifted)
  #** (dfor  cls CONTAINERS  cls (unless-code (get SOURCE cls)))
  Datum (fn [x depth forms] (beside x.value forms))
  OwnLine own-line
  ; Hy looks for the end of an f-string inside it: what is in there stays.
  FString (fn [x depth forms]
    (setv forms.mutable True)
    ((get SOURCE FString) x depth SOURCE))
  String without-prefix
  object lifted})


;; The payload of a `values` frame

(defn values-payload [values]
  "Values, as a list of buffers."
  (if (all (gfor  value values  (is (type value) str)))
    [(.encode (.join "\n" values))]
    (do
      (setv values (lfor  value values  (if (is (type value) str) [(.encode value)] value)))
      [(header (list (map size-of values))) #* (chain.from-iterable values)])))

(defn values-of [payload]
  "The inverse: each value is a text, or bytes. Raises `DatumSyntaxError`."
  (unless (packed? payload)
    (return (.split (text-of payload) "\n")))
  (setv payload (memoryview payload)
        line-feed (.search LINE-FEED payload)
        values [])
  (unless line-feed
    (raise (DatumSyntaxError "the list of the values' lengths has no end")))
  (setv at (.end line-feed))
  (for [length (lengths (text-of (cut payload 1 at)))]
    (.append values (value-from (cut payload at (+ at length))))
    (+= at length))
  (when (!= at (len payload))
    (raise (DatumSyntaxError "the lengths of the values are not those of their bytes")))
  values)

(defn lengths [text]
  (setv xs (read-datum text))
  (unless (and (is (type xs) list) (all (gfor  x xs  (and (is (type x) int) (>= x 0)))))
    (raise (DatumSyntaxError "the lengths of the values are no list of lengths")))
  xs)

(defn value-from [data]
  (if (packed? data)
    data
    (text-of data)))

(defn as-texts [payload]
  "The payload with packed values, for an end that takes none. This runs the writers
  and readers of users' types."
  (values-payload (lfor
    value (values-of (.join b"" payload))
    (if (is (type value) str) value (write-datum (unpack value))))))


;; On the slave

(defn filled [text values numbers]
  "The text with the values of these numbers in their places, and the values
  that are left."
  (setv left (lfor  n (range (len values))  :if (not-in n numbers)  n))
  (defn put [found]
    (setv n (int (get found 1)))
    (if (in n numbers)
      (literal (get values n))
      (hole (.index left n))))
  #((.sub HOLE put text) (tuple (gfor  n left  (get values n)))))

(defn datum [value]
  "What a value denotes."
  (if (is (type value) str)
    (read-datum value)
    (unpack value)))

(defn quoted [x depth forms]
  (+ "'" (form-text x depth SOURCE)))

(setv LITERAL {
  #** SOURCE
  ; A model that is data.
  #** (dfor  cls SOURCE  :if (and (issubclass cls Object) (is-not cls Keyword))  cls quoted)})

(defn literal [value]
  "What Hy reads as this value; its text will do only for some types."
  (try
    (form-text (datum value) 0 LITERAL)
    (except [Misfit]
      (raise (UnwritableError (+
        f"{(snippet (write-datum (datum value)))} stands where a macro or special form looks at it, and Hy has no "
        "notation for it; give it a name first, in a (fn …), as in (setv x ~x)"))))))
