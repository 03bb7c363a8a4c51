"Hy models to text, and the text of quoted models back to models.

Two kinds of text are written. The source of a remote is for Hy's own reader
and keeps all that the reader would find there. A model in a datum is for
`read-form`, needs one line, and has three notations more for what Hy's syntax
cannot say on one line or not exactly::

    #String(\"text\" \"delimiter\")             a bracket string
    #FString(delimiter tstring? part...)       an f-string or t-string
    #FComponent(conversion expression tstring? model part...)

Nothing here evaluates, or uses a reader macro."

(import
  re
  hy.models [
    Bytes Complex Dict Expression FComponent Float FString Integer Keyword
    List Set String Symbol Tuple]
  dpfw.errors [UnwritableError]
  dpfw.lexis [
    MAX-DEPTH MAX-DIGITS Misfit Misread bytes-text complex-text float-text int-text
    number read-bytes read-numbers read-strings snippet string-text])

(setv
  NAME r"[^ \t\n\r\f\v()\[\]{};\"'`~.\ud800-\udfff]"
  ; These cannot be taken for a number, which begins with a digit or has one, or
  ; is made of the letters of Inf, NaN and j. The rest is left to Hy to judge.
  SYMBOL (re.compile (+ "[A-HK-MO-Z_a-z]" NAME "*|None|(?![#:])(?:(?![njNJ\\d])" NAME ")+"))
  DOTTED (re.compile (+ r"\.*(?!Inf|NaN)[A-Za-z_]" NAME r"*(?:\." NAME "+)*"))
  KEYWORD (re.compile (+ NAME "*"))
  SURROGATE (re.compile "[\ud800-\udfff]")
  SUGAR {
    "quote" "'"  "quasiquote" "`"  "unquote" "~"  "unquote-splice" "~@"
    "unpack-iterable" "#* "  "unpack-mapping" "#** "})

;; * Writing

(defn form-text [x depth forms]
  "The text of a model. `forms` says how the models of each type are written:
  `SOURCE` or `DATUM`."
  (setv write (.get forms (type x)))
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

(defn forms-text [parts depth forms whole]
  (check-depth depth)
  (setv texts [])
  (try
    (for [part parts]
      (.append texts (form-text part (+ depth 1) forms)))
    (except [e Misfit]
      (.append e.trail #(whole f"[{(len texts)}]"))
      (raise)))
  (.join " " texts))

(defn symbol-text [s]
  (setv text (str s))
  (when (not (or (.fullmatch SYMBOL text) (legal-symbol? text)))
    (raise (Misfit f"cannot write the symbol {(snippet text)}: it would not read back")))
  text)

(defn legal-symbol? [text]
  (and
    (not (.search SURROGATE text))
    ; The constructor takes it for a decimal integer first.
    (<= (len text) MAX-DIGITS)
    (try
      (= (Symbol text) (Symbol text :from-parser True))
      (except [ValueError]
        False))))

(defn keyword-text [k]
  "The text of a keyword."
  (when (not (and (isinstance k.name str) (.fullmatch KEYWORD k.name)))
    (raise (Misfit f"cannot write the keyword {(snippet (str k.name))}: it would not read back")))
  (+ ":" k.name))

(defn expression-text [x depth forms]
  (setv sugar (and (= (len x) 2) (is (type (get x 0)) Symbol) (.get SUGAR (str (get x 0)))))
  (or
    (dotted-text x)
    (if sugar
      (do
        (setv form (forms-text (cut (tuple x) 1 None) depth forms x))
        ; `(unquote @x)` without a space would be `(unquote-splice x)`.
        (+ sugar (if (and (= sugar "~") (.startswith form "@")) " " "") form))
      (+ "(" (forms-text x depth forms x) ")"))))

(defn dotted-text [x]
  ; As in `a.b`, `.a.b` and `..a.b`; `None` for all that is not surely one.
  (when (and (> (len x) 2) (all (gfor  s x  (is (type s) Symbol))))
    (setv head (str (get x 0))  rest (cut (tuple x) 1 None))
    (setv relative (= (str (get rest 0)) "None"))
    (when (and head (not (.strip head ".")) (or relative (= head ".")))
      (setv names (list (map symbol-text (if relative (cut rest 1 None) rest))))
      (setv text (+ (if relative head "") (.join "." names)))
      (when (and (.fullmatch DOTTED text) (not-in "." (.join "" names)))
        text))))

;; ** Strings of a remote

(defn string-source [s depth forms]
  (setv delimiter s.brackets)
  (cond
    (is delimiter None)
      (string-text s)
    (and (bracketable? s delimiter) (not (bracket-f? delimiter)))
      (+ "#[" delimiter "[" (if (.startswith s "\n") "\n" "") s "]" delimiter "]")
    True
      (raise (Misfit f"cannot write the bracket string {(snippet s)}: it would not read back"))))

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
      (raise (Misfit f"cannot write the bracket f-string with the delimiter {(snippet (str d))}: it would not read back"))))

(defn holds? [x end]
  ; Hy looks for the end of a bracket f-string here and there inside it, too.
  (cond
    (in (type x) [String str]) (in end x)
    (in (type x) [FString FComponent]) (any (gfor  part x  (holds? part end)))
    True False))

(defn fparts-source [parts whole brackets tstring spec depth forms]
  ; The parts of an f-string, or of a format specification.
  (check-depth depth)
  (setv texts []  string-before False)
  (try
    (for [part parts]
      (setv string-now (in (type part) [String str]))
      (cond
        (and string-now (or string-before (not part) (is-not (getattr part "brackets" None) None)))
          (raise (Misfit "cannot write a string in an f-string that is empty, bracketed, or follows another: it would not read back"))
        string-now
          (.append texts (fstring-chars part (is-not brackets None) spec))
        (is (type part) FComponent)
          (.append texts (fcomponent-source part brackets tstring (+ depth 1) forms))
        True
          (raise (Misfit f"cannot write {(type-name part)} as a part of an f-string")))
      (setv string-before string-now))
    (except [e Misfit]
      (.append e.trail #(whole f"[{(+ (len texts) (int spec))}]"))
      (raise)))
  (.join "" texts))

(defn fstring-chars [s raw spec]
  (if raw
    (do
      (when (or (and spec (in "}" s)) (in "\r" s) (.search SURROGATE s))
        (raise (Misfit f"cannot write {(snippet (str s))} in a bracket f-string: it would not read back")))
      (.replace (.replace (str s) "{" "{{") "}" "}}"))
    ; Hy takes `\\N{` for the begin of `\N{...}` and `}}` for the end of a
    ; specification, so these three are written as numbers.
    (.replace
      (.replace
        (.replace (cut (string-text s) 1 -1) "\\\\" "\\x5c")
        "{" "\\x7b")
      "}" "\\x7d")))

(defn fcomponent-source [x brackets tstring depth forms]
  (setv c x.conversion)
  (when (not (and x (= x.is-tstring tstring)
      (or (is c None) (and (is (type c) str) (= (len c) 1) (.isprintable c)))))
    (raise (Misfit "cannot write this component of an f-string: it would not read back")))
  (setv form (expression-source x depth forms))
  (+
    (if (.startswith form "{") "{ " "{")
    form
    (if c (+ " !" c) "")
    (if (> (len x) 1)
      (+ (if c ":" " :")
        (fparts-source (cut (tuple x) 1 None) x brackets False True depth forms))
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
    x.is-tstring (raise (Misfit
      f"cannot write this component of a t-string: its form is no longer {(snippet (str x.expression))}"))
    True text))

(defn still-text-of? [x]
  (when (is (type x.expression) str)
    (try
      (setv [back] (hy.read (+ "f\"{ " x.expression "}\"")))
      (and
        (= back.expression x.expression)
        (= (form-text back 0 DATUM)
          (form-text (FComponent [(get x 0)] :expression x.expression) 0 DATUM)))
      (except [Exception]
        False))))

;; ** Strings of a datum

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

;; ** How each type is written

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

(defn write-remote [model]
  "The source of a remote: the text of `model`, unquoted, from which ``hy.read``
  makes an equal model. Values that stand in it by way of ``~`` are written as
  `hy.as-model` would take them. ::

      (write-remote '(fn [i o] (+ 2 3)))  ; => \"(fn [i o] (+ 2 3))\"

  Raises `UnwritableError`, which names the type and the place, for whatever
  else stands in it, for what would read back as something else, and for more
  than 200 levels of nesting."
  (try
    (form-text model 0 SOURCE)
    (except [e Misfit]
      (raise (unwritable e) :from None))
    (except [RecursionError]
      (raise (UnwritableError "cannot write the remote: the stack is too deep here") :from None))))

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

;; * Reading

(setv PREFIXES (dict (gfor  [name mark] (.items SUGAR)  #((.strip mark) (Symbol name)))))

(defn read-form [tokens depth]
  "The model whose text comes next in `tokens`, an iterator, and what the last
  token holds beyond it: a pair."
  (setv stack [])
  (for [token tokens]
    (if (or (in token PREFIXES) (in token BUILDERS))
      (do
        (when (> (+ depth (len stack)) MAX-DEPTH)
          (raise (Misread f"nested more than {MAX-DEPTH} levels deep")))
        (.append stack #(token [])))
      (do
        (setv [model #* models] (if (in token CLOSERS)
          [(close-form stack token)]
          (read-atoms token)))
        (while (and stack (in (get stack -1 0) PREFIXES))
          (setv model (Expression [(get PREFIXES (get (.pop stack) 0)) model])))
        (when (not stack)
          (return #(model (if models (after-first token) ""))))
        (.extend (get stack -1 1) [model #* models]))))
  (raise (Misread "the text ends within a quoted form" None)))

(defn close-form [stack closer]
  (when (not stack)
    (raise (Misread f"{closer} where a form should be")))
  (setv [opener items] (.pop stack))
  (setv [expected build] (.get BUILDERS opener #(None None)))
  (when (!= closer expected)
    (raise (Misread (if expected
      f"{closer} where {expected} should be"
      f"nothing follows {opener}"))))
  (try
    (build items)
    (except [e [IndexError TypeError ValueError]]
      (raise (Misread f"this is no {(cut opener 1 -1)}: {e}") :from e))))

(defn read-atoms [token]
  (setv c (get token 0))
  (cond
    (= c "\"") (list (map String (read-strings token)))
    (.startswith token "b\"") [(Bytes (read-bytes token))]
    (in c "-+0123456789") (list (map read-word (re.findall "[^ ]+" token)))
    True [(read-word token)]))

(defn after-first [token]
  ; A row of strings or numbers without the first one.
  (if (= (get token 0) "\"")
    (.lstrip (cut token (+ (.find token "\"" 1) 1) None))
    (.lstrip (get (.partition token " ") 2))))

(defn read-word [word]
  "The model of a symbol, a keyword, a number or a dotted name."
  (cond
    (.fullmatch SYMBOL word) (Symbol word :from-parser True)
    (= (get word 0) ":") (read-keyword word)
    (is-not (number word) None) (number-model (number word))
    (and (in "." word) (.fullmatch DOTTED word)) (dotted-model word)
    (legal-symbol? word) (Symbol word :from-parser True)
    True (raise (Misread f"{(snippet word)} is no symbol"))))

(defn read-keyword [word]
  "The keyword that a word denotes."
  (when (not (.fullmatch KEYWORD word 1))
    (raise (Misread f"{(snippet word)} is no keyword")))
  (Keyword (cut word 1 None) :from-parser True))

(defn number-model [n]
  (cond
    (is (type n) int) (Integer n)
    (is (type n) float) (Float n)
    True (Complex n.real n.imag)))

(defn dotted-model [word]
  (setv names (.lstrip word "."))
  (setv dots (cut word (- (len word) (len names))))
  (setv parts (.split names "."))
  (when (not (all (map legal-symbol? parts)))
    (raise (Misread f"{(snippet word)} is no dotted name")))
  (Expression (map (fn [s] (Symbol s :from-parser True))
    (if dots
      [dots "None" #* parts]
      ["." #* parts]))))

(defn build-string [items]
  (setv [s delimiter] items)
  (String (option s) :brackets (option delimiter)))

(defn build-fstring [items]
  (FString (cut items 2 None)
    :brackets (option (get items 0))
    :is-tstring (flag (get items 1))))

(defn build-fcomponent [items]
  (FComponent (cut items 3 None)
    :conversion (option (get items 0))
    :expression (option (get items 1))
    :is-tstring (flag (get items 2))))

(defn option [x]
  (cond
    (= x (Symbol "None")) None
    (is (type x) String) (str x)
    True (raise (ValueError "a string or None is expected"))))

(defn flag [x]
  (cond
    (= x (Symbol "True")) True
    (= x (Symbol "False")) False
    True (raise (ValueError "True or False is expected"))))

(setv CLOSERS #{")" "]" "}"})

(setv BUILDERS {
  "(" #(")" Expression)
  "[" #("]" List)
  "{" #("}" Dict)
  "#{" #("}" Set)
  "#(" #(")" Tuple)
  "#String(" #(")" build-string)
  "#FString(" #(")" build-fstring)
  "#FComponent(" #(")" build-fcomponent)})

(export :objects [write-remote])
