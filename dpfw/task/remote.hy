"Remotes as they travel: a text, and the data beside it.

Quasiquote leaves what ``~`` inserts as it is, a Python object among models. So
data can be told from code, and need not be compiled::

    `(fn [i o] (f ~x))        with 5 in x

    text     (fn [i o] (f (value$0)))
    values   5

The text is the same for every x, so a slave compiles it once. It means what it
would mean with the values in the places of these *holes*. Where a slave can
have a call there instead, ``holes`` knows."

(import
  re
  hy.models [Expression FString Keyword Object String]
  dpfw.errors [UnwritableError]
  dpfw.data.forms [SOURCE form-text written]
  dpfw.data.tokens [MAX-DEPTH Misfit snippet]
  dpfw.data.sexp [ATOMS datum-text read-datum write-datum])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PREFIX "value$"
  MANY 100  ; holes, as when a list is spliced in: it is faster to compile the data
  HOLE (re.compile r"\(value\$(0|[1-9][0-9]{0,8})\)")
  CONTAINERS [list tuple set dict]
  PLAIN (frozenset ATOMS))


(defclass Remote []
  "The text of a remote, and the texts of the values that go with it."

  (defn __init__ [self text [values #()]]
    (setv self.text text
          self.values (tuple values)
          self.payloads None)))  ; of its frames, once they are made


(defclass Datum []
  "Stands in a form for a value that is data, even if it is, or holds, models.
  Raises `UnwritableError` if it has no s-expression."

  (defn __init__ [self value]
    (setv self.text (write-datum value))))


(defn parts [container]
  "What a container holds, as iterables: a dict its keys and its values."
  (if (is (type container) dict)
    [container (.values container)]
    [container]))

(defn plain? [xs]
  "Is nothing among these that holds something else?"
  (<= (set (map type xs)) PLAIN))


(defn hole-name [n]
  f"{PREFIX}{n}")

(defn hole [n]
  f"({(hole-name n)})")


;; On the master

(defn as-remote [x]
  "A `Remote` of a Hy form, or of the text of one. Raises `UnwritableError`."
  (cond
    (is (type x) Remote) x
    (is (type x) str) (Remote x)
    True (written "the remote" remote-of x)))

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
  (Remote (form-text form 0 SOURCE)))

(defclass Lifting [dict]
  "How to write a form. The texts of its data are appended to ``beside``;
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

(defn beside [text forms]
  (.append forms.beside text)
  (hole (- (len forms.beside) 1)))

(defn lifted [x depth forms]
  (beside (datum-text x 1) forms))

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
  Datum (fn [x depth forms] (beside x.text forms))
  ; Hy looks for the end of an f-string inside it: what is in there stays.
  FString (fn [x depth forms]
    (setv forms.mutable True)
    ((get SOURCE FString) x depth SOURCE))
  String without-prefix
  object lifted})


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

(defn quoted [x depth forms]
  (+ "'" (form-text x depth SOURCE)))

(setv LITERAL {
  #** SOURCE
  ; A model that is data.
  #** (dfor  cls SOURCE  :if (and (issubclass cls Object) (is-not cls Keyword))  cls quoted)})

(defn literal [value]
  "What Hy reads as this value; its text will do only for some types."
  (try
    (form-text (read-datum value) 0 LITERAL)
    (except [Misfit]
      (raise (UnwritableError (+
        f"{(snippet value)} stands where a macro or special form looks at it, and Hy has no "
        "notation for it; give it a name first, in a (fn …), as in (setv x ~x)"))))))
