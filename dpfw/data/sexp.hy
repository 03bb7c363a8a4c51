"Values to s-expressions and back: the language of what `read` and `write`
carry. A datum is one line of text, and reading it evaluates nothing. ::

    None  True  42  -0x1f  1.5  -Inf  NaN  1-2j  \"text\\n\"  b\"bytes\\x00\"
    [1 2]  #(1 2)  {\"key\" 1  2 \"b\"}  #{1 2}     a list, tuple, dict, set
    :keyword
    'form                                         a Hy model
    (tag argument ...)                            a value of a registered type

Hy reads all but the last as the same value. Types are taken exactly: a value
of a subclass would come back as something else, so it is refused.

Below this file stand ``tokens`` (words), ``forms`` and ``model_reader`` (models to
text and back), ``registered`` (types with a tag), ``standard_types`` (those that have one
from the start) and ``user_types``."

(import
  functools [partial]
  itertools [islice]
  operator [length-hint]
  re
  hy.models [Keyword]
  dpfw.errors [DatumSyntaxError]
  dpfw.data.forms [DATUM check-depth form-text type-name write-remote written]
  dpfw.data.tokens [
    MAX-DEPTH Misfit Misread Plain ROW-TEXT bytes-text complex-text
    float-text int-text keyword-text number places-of plain-text read-bytes read-keyword
    read-number read-numbers read-strings snippet string-text tokens-of]
  dpfw.data.model_reader [CLOSERS read-form]
  dpfw.data.registered [UsersCode find-reader find-writer register without-users-code]
  dpfw.data.standard_types [CROWDED MOST-ALIKE costly? crowded? kind-of-all]
  dpfw.data.user_types [advice parts-of-type])
(eval-when-compile (require hyrule.control [unless]))

(setv
  TAG (re.compile r"[A-Za-z_][\w.*+/<>=!?$%&|^-]*"))


;; Registered types

(defn register-type [cls [tag None] [writer None] [reader None]]
  "Let values of a type be written, and read, as ``(tag argument ...)``. ::

      (defclass Point []
        (defn __init__ [self x y] (setv self.x x  self.y y)))
      (register-type Point \"Point\" (fn [p] [p.x p.y]))
      (write-datum (Point 1 2))  ; => \"(Point 1 2)\"

  - ``cls``: a class. Its subclasses are not included.
  - ``tag``: a str with the syntax of a symbol; it may have dots. By default, the
    name of the class.
  - ``writer``: a function from a value to the list of its arguments, which have
    to be writable themselves. Named tuples, enumerations, and dataclasses whose
    fields are the parameters that make them, need none.
  - ``reader``: a function from the arguments to a value; ``cls`` by default.

  ::

      (import dataclasses [dataclass])
      (defclass [dataclass] Car []
        #^ str colour
        #^ int wheels)
      (register-type Car)
      (write-datum (Car \"red\" 3))  ; => \"(Car \\\"red\\\" 3)\"

  Both ends have to register: a text cannot say what its tags mean. Another call
  for the same type and tag takes the place of the first, and so does one for a
  class of the same name in the same module, which has been defined anew.
  Raises `ValueError` if the tag or the type is taken or the tag is no symbol."
  (unless (isinstance cls type)
    (raise (TypeError f"{cls !r} is no class")))
  (when (is tag None)
    (setv tag cls.__name__))
  (when (is writer None)
    (setv [writer reader] (deduced cls reader)))
  (unless (and (isinstance tag str) (.fullmatch TAG tag))
    (raise (ValueError f"{tag !r} cannot be a tag: it does not look like a symbol")))
  (when (or (in cls ATOMS) (in cls BRACKETS) (in cls [set dict]) (in cls DATUM))
    (raise (ValueError f"{cls !r} has a notation of its own")))
  (register cls tag writer (or reader cls)))

(defn deduced [cls reader]
  (setv parts (parts-of-type cls))
  (when (is parts None)
    (raise (TypeError (+ f"{cls !r} does not tell what its values are made of; give a writer and a reader, "
      f"as in (register-type {cls.__name__} \"{cls.__name__}\" (fn [x] [x.a x.b]) (fn [a b] …))"))))
  #((get parts 0) (or reader (get parts 1))))


;; Writing

(defn datum-text [x depth]
  (setv write (.get ATOMS (type x)))
  (if write
    (write x)
    (nested-text x depth)))

(defn nested-text [x depth]
  (check-depth depth)
  (setv brackets (.get BRACKETS (type x)))
  (cond
    brackets (+ (get brackets 0) (items-text x (+ depth 1) x) (get brackets 1))
    (is (type x) dict) (dict-text x (+ depth 1))
    (is (type x) set) (set-text x (+ depth 1))
    (in (type x) DATUM) (+ "'" (form-text x depth DATUM))
    True (tagged-text x (+ depth 1))))

(defn items-text [xs depth whole]
  (setv row-text (.get ROW-TEXT (kind-of-all xs)))
  (when row-text
    (return (row-text xs)))
  (setv texts [])
  (try
    (for [x xs]
      (setv write (.get ATOMS (type x)))
      (.append texts (if write (write x) (nested-text x depth))))
    (except [e Misfit]
      (.append e.trail #(whole f"[{(len texts)}]"))
      (raise)))
  (.join " " texts))

(defn set-text [s depth]
  (setv text (items-text s depth s))
  (when (crowded? s (costly? text))
    (raise (Misfit f"cannot write a set with {CROWDED}")))
  (+ "#{" text "}"))

(defn dict-text [d depth]
  (setv texts []  nested False)
  (try
    (for [[k v] (.items d)]
      (setv key None
            write (.get ATOMS (type k)))
      (unless write
        (setv nested True))
      (setv key (if write (write k) (nested-text k depth))
            write (.get ATOMS (type v)))
      (.append texts (+ key " " (if write (write v) (nested-text v depth)))))
    (except [e Misfit]
      (.append e.trail #(d (if (is key None)
        f"<key {(len texts)}>"
        f"[{(if (> (len key) 40) (+ (cut key 40) "...") key)}]")))
      (raise)))
  (setv text (.join "  " texts))
  (when (and (or nested (> (len d) MOST-ALIKE))
             (crowded? d (and nested (costly? text))))
    (raise (Misfit f"cannot write a dict with {CROWDED}")))
  (+ "{" text "}"))

(defn tagged-text [x depth]
  (setv [tag writer] (or (find-writer (type x)) [None None]))
  (when (is tag None)
    (raise (Misfit f"cannot write {(type-name x)}" (advice x))))
  (try
    (setv args (writer x))
    (except [Misfit]
      (raise))
    (except [e Exception]
      (raise
        (Misfit f"cannot write {(type-name x)}, its writer raised {(. (type e) __name__)}: {e}")
        :from e)))
  (when (not-in (type args) [list tuple])
    (raise (Misfit f"cannot write {(type-name x)}, its writer did not return a list")))
  (try
    (setv text (items-text args depth args))
    (except [e Misfit]
      (.append e.trail #(x f"<{tag}>"))
      (raise)))
  (+ "(" tag (if text " " "") text ")"))


(setv
  ATOMS {
    (type None) str  bool str  int int-text  float float-text
    complex complex-text  str string-text  Plain plain-text  bytes bytes-text
    Keyword keyword-text}
  BRACKETS {list #("[" "]")  tuple #("#(" ")")})


(defn write-datum [x]
  #[[The text of a value: one line, without a newline. ::

      (write-datum [1 "a"])  ; => "[1 \"a\"]"

  Raises `UnwritableError`, which names the type and the place, if `read-datum`
  could not make an equal value of the same type from it: for types that are
  not registered, for what contains itself, and for more than 200 levels of
  nesting.]]
  (written "the value" datum-text x 1))


;; Reading

(defn read-datum [text]
  #[[The value that a text denotes; the inverse of `write-datum`. ::

      (read-datum "[1 \"a\"]")  ; => [1 "a"]

  Nothing is evaluated. Raises `DatumSyntaxError`, with the position, if the
  text is anything but one datum between white space.]]
  (cond
    ; What most remotes return.
    (in text CONSTANTS) (get CONSTANTS text)
    (and (str.isdigit text) (.isascii text) (< (len text) 20)) (int text)
    True (read-words text)))

(defn read-standard [text]
  "The same, where values of types that users have registered are none: what dpfw itself
  writes has no such."
  (try
    (without-users-code read-datum text)
    (except [UsersCode]
      (raise (DatumSyntaxError "a value of a type that a user has registered has no place there")))))

(defn read-words [text]
  (setv tokens (tokens-of text)
        rest (iter tokens))
  (try
    (read-tokens rest (if (costly? text) THOROUGH-BUILDERS BUILDERS))
    (except [e Misread]
      (setv index (- (len tokens) (length-hint rest) 1))
      (raise (syntax-error text index e) :from e.__cause__))))

(defn read-tokens [tokens builders]
  ; One loop and a stack, no recursion: `items` are those of the innermost
  ; sequence so far, the stack holds the sequences around it.
  (setv items []  stack [])
  (for [token tokens]
    (setv c (get token 0))
    (cond
      (= c "\"")
        (.extend items (read-strings token))
      (in c "0123456789-+")
        (if (in " " token)
          (.extend items (read-numbers token))
          (.append items (read-number token)))
      (in token builders)
        (do
          (when (>= (len stack) MAX-DEPTH)
            (raise (Misread f"nested more than {MAX-DEPTH} levels deep")))
          (setv [closer build] (get builders token))
          (.append stack #(items closer (or build (read-tag tokens))))
          (setv items []))
      (in token CLOSERS)
        (do
          (setv [outer closer build] (if stack (.pop stack) NOTHING-OPEN))
          (when (!= token closer)
            (raise (Misread f"{token} where {closer} should be")))
          (.append outer (build items))
          (setv items outer)
          (unless stack
            (break)))
      (= c "'")
        (.extend items (read-quoted tokens (+ (len stack) 1)))
      True
        (.append items (read-atom token))))
  (cond
    stack (raise (Misread f"{(get stack -1 1)} is missing at the end" None))
    (not items) (raise (Misread "there is no datum" None))
    (or (> (len items) 1) (next tokens None)) (raise (Misread "more than one datum"))
    True (get items 0)))

(defn read-quoted [tokens depth]
  ; Numbers or strings after the quoted one are in the same token.
  (setv [model row] (read-form tokens depth))
  (cond
    (not row) [model]
    (= (get row 0) "\"") [model #* (read-strings row)]
    True [model #* (read-numbers row)]))

(defn read-atom [token]
  (cond
    (in token CONSTANTS) (get CONSTANTS token)
    ; A new object each time, for they can be keys side by side.
    (in token ["NaN" "Inf" "NaNj" "Infj"]) (number token)
    (= (get token 0) ":") (read-keyword token)
    (.startswith token "b\"") (read-bytes token)
    (is-not (number token) None) (number token)
    True (raise (Misread f"{(snippet token)} is no datum; a symbol or form needs a quote mark"))))

(defn build-dict [items [thorough False]]
  (setv it (iter items))
  (try
    (when (or thorough (> (len items) (* 2 MOST-ALIKE)))
      (check-keys (cut items 0 None 2) thorough))
    (setv d (dict (zip it it)))
    (except [e Exception]
      (raise (Misread f"no key: {e}") :from e)))
  (when (!= (* 2 (len d)) (len items))
    (raise (Misread (if (% (len items) 2) "a key without a value" "a key occurs twice"))))
  d)

(defn build-set [items [thorough False]]
  (try
    (check-keys items thorough)
    (setv s (set items))
    (except [e Exception]
      (raise (Misread f"no element of a set: {e}") :from e)))
  (when (!= (len s) (len items))
    (raise (Misread "an element occurs twice")))
  s)

(defn check-keys [keys thorough]
  (when (crowded? keys thorough)
    (raise (ValueError CROWDED))))

(defn read-tag [tokens]
  ; What builds the value after `(`.
  (setv tag (next tokens "")
        [_ reader] (or (find-reader tag) #(None None)))
  (when (is reader None)
    (raise (Misread f"{(snippet tag)} is no tag of a registered type")))
  (fn [items]
    (try
      (reader #* items)
      (except [e Exception]
        (raise (Misread f"the arguments do not fit {tag}: {(. (type e) __name__)}: {e}") :from e)))))


(setv
  CONSTANTS {"None" None  "True" True  "False" False}
  NOTHING-OPEN #(None "the end" None)
  BUILDERS {
    "[" #("]" (fn [items] items))
    "#(" #(")" tuple)
    "{" #("}" build-dict)
    "#{" #("}" build-set)
    "(" #(")" None)}
  THOROUGH-BUILDERS {
    #** BUILDERS
    "{" #("}" (partial build-dict :thorough True))
    "#{" #("}" (partial build-set :thorough True))})


(defn syntax-error [text index e]
  ; `index` is that of the token. Tokens have no position until it is asked for.
  (setv
    m (next (islice (places-of text) (max index 0) None) None)
    place (if (or (is m None) (is e.offset None))
            (len text)
            (+ (.start m) e.offset))
    begin (+ (.rfind text "\n" 0 place) 1)
    end (.find text "\n" place)
    end (if (< end 0) (len text) end)
    lineno (+ (.count text "\n" 0 place) 1)
    offset (+ (- place begin) 1)
    long (> (- end begin) 200))
  (DatumSyntaxError
    (+ e.why (if long f", near {(snippet (cut text place (+ place 41)))}" ""))
    #("<datum>" lineno offset (if long None (cut text begin end)))))


(export :objects [write-datum read-datum write-remote register-type])
