"Hy models to text. There are two kinds::

    SOURCE   a remote, for Hy's own reader, which makes an equal model of it
    DATUM    a model in a datum, on one line, for `read-form` of ``model_reader``

Both are Hy. Only what Hy cannot say on one line, or not exactly, has notations
of its own in a datum::

    #String(\"text\" \"delimiter\")                        a bracket string
    #FString(delimiter tstring? part...)                  an f-string, a t-string
    #FComponent(conversion expression tstring? model part...)   a field of one"

(import
  re
  hy.models [
    Bytes Complex Dict Expression FComponent Float FString Integer Keyword
    List Set String Symbol Tuple]
  dpfw.errors [UnwritableError]
  dpfw.data.tokens [
    MAX-DEPTH Misfit NAME SURROGATE bytes-text complex-text dotted-part? float-text int-text
    keyword-text lossy snippet string-text symbol-text])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; Surely a dotted name, if no part is empty, and no number such as 1.5 or Inf-1.e5j.
  DOTTED (re.compile (+ r"\.*(?!Inf|NaN)[A-Za-z_]" (.replace NAME "~." "~") "*"))
  SUGAR {
    "quote" "'"  "quasiquote" "`"  "unquote" "~"  "unquote-splice" "~@"
    "unpack-iterable" "#* "  "unpack-mapping" "#** "}
  SPACE " \t\n\r\f\v")


;; Writing

(defn form-text [x depth forms]
  "The text of a model. `forms` says how the models of each type are written,
  and, under `object`, what to do with all others: `SOURCE`, `DATUM` or a dict
  made of these."
  (setv write (or (.get forms (type x)) (.get forms object)))
  (when (is write None)
    (raise (Misfit f"cannot write {(type-name x)} in a form"
      (if (is forms SOURCE)
        "only models and literals can stand in a remote"
        "only models can stand in a quoted form; hy.as-model makes them of literals"))))
  (write x depth forms))

(defn type-name [x]
  "What a message calls the type of `x`."
  (setv t (type x))
  (+ "a value of type "
    (if (in t.__module__ ["builtins" "__main__"])
      t.__qualname__
      (+ t.__module__ "." t.__qualname__))))

(defn atom [text]
  (fn [x depth forms] (text x)))

(defn between [opener closer [parts (fn [xs] xs)]]
  (fn [xs depth forms]
    (+ opener (forms-text (parts xs) depth forms xs) closer)))

(defn check-depth [depth]
  "Refuse what is nested too deep."
  (when (> depth MAX-DEPTH)
    (raise (Misfit f"cannot write what is nested more than {MAX-DEPTH} levels deep"))))

(defn forms-text [parts depth forms whole [start 0]]
  ; `parts` are those of `whole` from `start` on.
  (check-depth depth)
  (setv texts [])
  (try
    (for [part parts]
      (setv write (.get forms (type part)))
      (.append texts ((or write form-text) part (+ depth 1) forms)))
    (except [e Misfit]
      (.append e.trail #(whole f"[{(+ start (len texts))}]"))
      (raise)))
  (.join " " texts))

(defn expression-text [x depth forms]
  ; A model's own `get` takes ten times as long.
  (setv head (next (iter x) None)
        head (if (is (type head) Symbol) (str head) ""))
  (cond
    (and (= (len x) 2) (in head SUGAR))
      (sugar-text (get SUGAR head) (forms-text (cut (tuple x) 1 None) depth forms x 1))
    (dotted? x head)
      (dotted-text head (symbol-text (get x 1)) (list (map part-text (cut (tuple x) 2 None))))
    True
      (+ "(" (forms-text x depth forms x) ")")))

(defn sugar-text [mark form]
  ; `(unquote @x)` without a space would be `(unquote-splice x)`.
  (+ mark (if (and (= mark "~") (.startswith form "@")) " " "") form))

(defn dotted? [x head]
  ; Hy reads a.b as (. a b), .a.b as (. None a b), ..a as (.. None a).
  (and
    head
    (not (.strip head "."))
    (> (len x) 2)
    (all (gfor  s x  (is (type s) Symbol)))
    (or (= head ".") (= (str (get x 1)) "None"))))

(defn dotted-text [head first others]
  (setv
    names (if (= first "None") others [first #* others])
    text (+ (if (= first "None") head "") (.join "." names))
    ; Hy has no other notation for (. a :b).
    odd (any (gfor  s others  (in (get s 0) ":#"))))
  (cond
    (and (or odd (.fullmatch DOTTED text)) (not (any (gfor  s names  (in "." s)))))
      text
    odd
      (raise (lossy f"the dotted name {(snippet text)}"))
    True
      (.format "({} {} {})" head first (.join " " others))))

(defn part-text [s]
  "The text of a part of a dotted name, behind its first dot."
  (if (dotted-part? (str s))
    (str s)
    (symbol-text s)))


;; Strings of a remote

(defn string-source [s depth forms]
  (setv delimiter s.brackets)
  (cond
    (is delimiter None)
      (string-text s)
    (and (bracketable? s delimiter) (not (bracket-f? delimiter)))
      (+ "#[" delimiter "[" (if (.startswith s "\n") "\n" "") s "]" delimiter "]")
    True
      (raise (lossy f"the bracket string {(snippet (str s))}"))))

(defn bracket-f? [delimiter]
  (or (= delimiter "f") (.startswith delimiter "f-")))

(defn bracketable? [text delimiter]
  (setv end (+ "]" delimiter "]"))
  (and
    (is (type delimiter) str)
    (not (.intersection (set delimiter) "[]{}"))
    (not-in "\r" text)
    (not (.search SURROGATE (+ text delimiter)))
    (= (.find (+ text end) end) (len text))))

(defn fstring-source [x depth forms]
  (setv d x.brackets  parts (fparts-source x x d x.is-tstring False depth forms))
  (cond
    (is d None)
      (+ (if x.is-tstring "t" "f") "\"" parts "\"")
    (and (is (type d) str) (bracket-f? d) (not x.is-tstring)
        (bracketable? (if (and x (in (type (get x -1)) [String str])) (get x -1) "") d)
        (not (holds? x (+ "]" d "]"))))
      (+ "#[" d "[" (if (.startswith parts "\n") "\n" "") parts "]" d "]")
    True
      (raise (lossy f"the bracket f-string {(snippet parts)}"))))

(defn holds? [x end]
  ; Hy looks for the end of a bracket f-string here and there inside it, too.
  (cond
    (in (type x) [String str]) (in end x)
    (in (type x) [FString FComponent]) (any (gfor  part x  (holds? part end)))
    True False))

(defn fparts-source [parts whole brackets tstring spec depth forms]
  ; The parts of an f-string, or of a format specification.
  (check-depth depth)
  (setv raw (is-not brackets None)  texts []  string-before False  told "")
  (try
    (for [[part after] (zip parts [#* (cut parts 1 None) None])]
      (setv string-now (in (type part) [String str]))
      (cond
        (and string-now (or (not part) (is-not (getattr part "brackets" None) None)))
          (raise (lossy "an empty or bracketed string in an f-string"))
        string-now (do
          (setv told (if (or string-before (not (fits? part raw spec)))
            (field-told part after)
            ""))
          (when (and string-before (!= told (str part)))
            (raise (lossy "two strings in a row in an f-string")))
          (.append texts (fstring-chars (cut part (- (len part) (len told))) raw spec)))
        (is (type part) FComponent) (do
          (.append texts (fcomponent-source part told brackets tstring (+ depth 1) forms))
          (setv told ""))
        True
          (raise (Misfit f"cannot write {(type-name part)} as a part of an f-string")))
      (setv string-before string-now))
    (except [e Misfit]
      (.append e.trail #(whole f"[{(+ (len texts) (int spec))}]"))
      (raise)))
  (.join "" texts))

(defn fits? [s raw spec]
  "Has Hy a notation for these characters of an f-string?"
  (not (and raw (or (and spec (in "}" s)) (in "\r" s) (.search SURROGATE s)))))

(defn fstring-chars [s raw spec]
  (cond
    (not (fits? s raw spec))
      (raise (lossy f"{(snippet (str s))} in a bracket f-string"))
    raw
      (.replace (.replace (str s) "{" "{{") "}" "}}")
    ; Hy takes `\\N{` for the begin of `\N{...}` and `}}` for the end of a
    ; specification, so these three are written as numbers.
    True
      (.replace
        (.replace
          (.replace (cut (string-text s) 1 -1) "\\\\" "\\x5c")
          "{" "\\x7b")
        "}" "\\x7d")))

(defn field-told [s x]
  "What ``{form =}`` tells of itself, at the end of a string before its value: Hy
  reads the field as that text, as it stands there, and the field. It need not
  be written so, unless there is no other way to."
  (setv before (.rstrip s SPACE))
  (if (and (is (type x) FComponent) (is (type x.expression) str) (.endswith before "="))
    (do
      (setv before (.rstrip (cut before -1) SPACE)
            start (len (.rstrip (.removesuffix before x.expression) SPACE))
            told (cut s start None))
      (if (still-text-of? x told) told ""))
    ""))

(defn fcomponent-source [x told brackets tstring depth forms]
  (setv c x.conversion)
  (unless (and x (= x.is-tstring tstring)
      (or (is c None)
          (and (is (type c) str) (= (len c) 1) (not (.search SURROGATE (+ c told))))))
    (raise (lossy "this field of an f-string")))
  (setv form (or told (expression-source x depth forms)))
  (+
    (if (.startswith form "{") "{ " "{")
    form
    (if c (+ (if told "!" " !") c) "")
    (cond
      (> (len x) 1)
        (+ (if (or c told) ":" " :")
          (fparts-source (cut (tuple x) 1 None) x brackets False True depth forms))
      ; After `=` there is a conversion to `r` otherwise.
      (and told (is c None))
        ":"
      True
        "")
    "}"))

(defn expression-source [x depth forms]
  ; The text of the component's form as it stood in the source, if it is still
  ; the text of that form. (It is not where something was unquoted into it.)
  ; Python sees that text in t-strings alone.
  (setv text (forms-text (cut (tuple x) 1) depth forms x))
  (cond
    (= text x.expression) text
    (still-text-of? x) x.expression
    x.is-tstring (raise (lossy
      f"this field of a t-string, whose form is no longer {(snippet (str x.expression))},"))
    True text))

(defn still-text-of? [x [told None]]
  "Does Hy read the field's expression as its form? ``told`` is what the field
  tells of itself, if it does."
  (when (is (type x.expression) str)
    (setv
      field (FComponent [(get x 0)] :expression x.expression)
      wanted (FString (if told [(String told) field] [field])))
    (try
      (= (form-text wanted 0 DATUM)
         (form-text (hy.read (+ "f\"{" (if told (+ told ":") (+ " " x.expression)) "}\"")) 0 DATUM))
      (except [Exception]
        False))))


;; Strings of a datum

(defn string-datum [s depth forms]
  (if (is s.brackets None)
    (string-text s)
    (do
      (check-depth depth)
      (+ "#String(" (string-text s) " " (option-text s.brackets) ")"))))

(defn fstring-datum [x depth forms]
  (.format "#FString({} {} {})"
    (option-text x.brackets) (flag-text x.is-tstring) (forms-text x depth forms x)))

(defn fcomponent-datum [x depth forms]
  (.format "#FComponent({} {} {} {})"
    (option-text x.conversion) (option-text x.expression) (flag-text x.is-tstring)
    (forms-text x depth forms x)))

(defn option-text [x]
  (cond
    (is x None) "None"
    (is (type x) str) (string-text x)
    True (raise (Misfit f"cannot write {(type-name x)} as an attribute of a string"))))

(defn flag-text [x]
  (if (is (type x) bool)
    (str x)
    (raise (Misfit f"cannot write {(type-name x)} as an attribute of a string"))))


;; How each type is written

(setv DATUM {
  Symbol (atom symbol-text)
  Keyword (atom keyword-text)
  Integer (atom (fn [x] (int-text (int x))))
  Float (atom (fn [x] (float-text (float x))))
  Complex (atom (fn [x] (complex-text (complex x.real x.imag))))
  Bytes (atom bytes-text)
  String string-datum
  FString fstring-datum
  FComponent fcomponent-datum
  Expression expression-text
  List (between "[" "]")
  Dict (between "{" "}")
  Set (between "#{" "}")
  Tuple (between "#(" ")")})

(setv SOURCE (| DATUM {
  String string-source
  FString fstring-source
  ; Values that stand among the models, as `hy.as-model` takes them.
  (type None) (atom str)
  bool (atom str)
  int (atom int-text)
  float (atom float-text)
  complex (atom complex-text)
  bytes (atom bytes-text)
  str (atom string-text)
  list (between "[" "]")
  dict (between "{" "}" (fn [d] (lfor  item (.items d)  part item  part)))
  set (between "#{" "}")
  tuple (between "#(" ")")}))
(del (get SOURCE FComponent))


;; What all that write datums or remotes go through

(defn written [what write #* arguments]
  "The text that ``write`` makes of ``what``, as the error calls it. Whatever has
  none raises an `UnwritableError`."
  (try
    (write #* arguments)
    (except [e Misfit]
      (raise (unwritable e) :from e.__cause__))
    (except [RecursionError]
      (raise (UnwritableError f"cannot write {what}: the stack is too deep here") :from None))))

(defn unwritable [e]
  "The error that tells what `e`, a `Misfit`, is about, and where that is."
  (setv trail (list (reversed e.trail))  seen #{})
  (for [[i [container _]] (enumerate trail)]
    (when (in (id container) seen)
      (setv
        e (Misfit f"cannot write {(type-name container)} that contains itself")
        trail (cut trail i))
      (break))
    (.add seen (id container)))
  (setv place (.join "" (gfor  [_ step] trail  step)))
  (when (> (len place) 200)
    (setv place (+ (cut place 100) "..." (cut place -90 None))))
  (UnwritableError (+ e.why (if place f" (at {place})" "") (if e.advice (+ ": " e.advice) ""))))


(defn write-remote [model]
  "The source of a remote: the text of `model`, unquoted, from which ``hy.read``
  makes an equal model. Values that stand in it by way of ``~`` are written as
  `hy.as-model` would take them. ::

      (write-remote '(fn [i o] (+ 2 3)))  ; => \"(fn [i o] (+ 2 3))\"

  Raises `UnwritableError`, which names the type and the place, for whatever
  else stands in it, for what would read back as something else, and for more
  than 200 levels of nesting."
  (written "the remote" form-text model 0 SOURCE))


(export :objects [write-remote])
