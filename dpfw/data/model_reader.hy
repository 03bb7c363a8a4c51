"The text of quoted models back to models: what ``forms`` writes in a datum, and
no more of Hy's syntax than that. No reader macro, and no evaluation."

(import
  itertools [islice pairwise]
  re
  hy.models [
    Bytes Complex Dict Expression FComponent Float FString Integer List Set
    String Symbol Tuple]
  dpfw.data.forms [SUGAR]
  dpfw.data.tokens [
    MAX-DEPTH Misread SYMBOL dotted-part? legal-symbol? number read-bytes read-keyword
    read-strings snippet])
(eval-when-compile (require hyrule.control [unless]))

(setv
  CLOSERS #{")" "]" "}"}
  PREFIXES (dict (gfor  [name mark] (.items SUGAR)  #((.strip mark) (Symbol name)))))


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
        (unless stack
          (return #(model (if models (after-first token) ""))))
        (.extend (get stack -1 1) [model #* models]))))
  (raise (Misread "the text ends within a quoted form" None)))

(defn close-form [stack closer]
  (unless stack
    (raise (Misread f"{closer} where a form should be")))
  (setv [opener items] (.pop stack)
        [expected build] (.get BUILDERS opener #(None None)))
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
    (and (in "." word) (.strip word ".")) (dotted-model word)
    (legal-symbol? word) (Symbol word :from-parser True)
    True (raise (Misread f"{(snippet word)} is no symbol"))))

(defn number-model [n]
  (cond
    (is (type n) int) (Integer n)
    (is (type n) float) (Float n)
    True (Complex n.real n.imag)))

(defn dotted-model [word]
  (setv names (.lstrip word ".")
        dots (cut word (- (len word) (len names)))
        [first #* others] (.split names "."))
  (unless (and
      ((if dots dotted-part? legal-symbol?) first)
      (all (map dotted-part? others)))
    (raise (Misread f"{(snippet word)} is no dotted name")))
  (Expression (map (fn [s] (Symbol s :from-parser True))
    (if dots
      [dots "None" first #* others]
      ["." first #* others]))))

(defn build-string [items]
  (setv [s delimiter] items)
  (String (option s) :brackets (option delimiter)))

(defn build-fstring [items]
  ; FString would join them, by twos, which takes quadratic time.
  (for [[a b] (pairwise (islice items 2 None))]
    (when (= String (type a) (type b))
      (raise (ValueError "two strings in a row"))))
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


(setv BUILDERS {
  "(" #(")" Expression)
  "[" #("]" List)
  "{" #("}" Dict)
  "#{" #("}" Set)
  "#(" #(")" Tuple)
  "#String(" #(")" build-string)
  "#FString(" #(")" build-fstring)
  "#FComponent(" #(")" build-fcomponent)})
