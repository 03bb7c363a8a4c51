"The words of the text: strings, bytes, numbers, symbols and keywords, both
ways, and how text falls into tokens. All of it is Hy's own syntax::

    \"a\\n\\u2028\"         str: what is not printable is escaped, never a raw newline
    b\"\\x00z\"            bytes
    12  -0x1f            int: hexadecimal where decimal would be slow
    1.5  1e+16  -Inf  NaN
    1.5-2j  NaN+Infj     complex
    foo-bar*  :foo       symbol, keyword

Two exceptions serve the files above, which turn them into `UnwritableError`
and `DatumSyntaxError`: `Misfit` carries the trail to what has no text,
`Misread` the place in a token."

(import
  re
  sys
  hy.models [Keyword Symbol])
(eval-when-compile (require hyrule.control [unless]))
; The C function alone: the package json takes 2 ms to import.
(try
  (import _json [encode-basestring])
  (except [ImportError]
    (import json.encoder [encode-basestring])))

(setv
  ; Levels of nesting in a text. Hy's own reader and compiler manage about 250
  ; in an empty stack, the hash of a nested tuple recurses in C without a check.
  MAX-DEPTH 200
  ; In a decimal integer that is read: conversion takes quadratic time. This is
  ; Python's own default limit; `sys.set-int-max-str-digits` changes nothing here.
  MAX-DIGITS 4300
  ; Integers from here on are written in hexadecimal.
  BIG (<< 1 2000)
  -BIG (- BIG)
  ; Characters, from which on a string is unescaped in pieces.
  LONG 65,536)

;; Whatever is not white space is in some token, so `findall` skips nothing. A
;; million numbers, a thousand strings are one token, which C code then takes
;; apart. No text makes it backtrack over more than one token. What repeats
;; without end is one character of a set: each time that a group repeats costs
;; some 90 bytes, as long as the match goes on.
(setv TOKEN (re.compile #[re[
    "[^"\\\n\r]*"(?:[ ]+"[^"\\\n\r]*"){0,999}   # strings without escapes, in a row
  | [-+0-9][-+.0-9e ]*(?=[ \t\n\r\f\v()\[\]{};'`~]|\Z)    # numbers in a row
  | b?"[^"\n\r]*"                                  # with escapes, all `disguised`
  | b?"[^\n\r]*                                    # a string without an end
  | [\[\](){}'`] | ~@? | \#\{ | \#[A-Za-z]*\(
  | [^ \t\n\r\f\v()\[\]{};"'`~]+"?
  | [^ \t\n\r\f\v]
  ]re] re.VERBOSE))

;; The same in a text without escapes and line ends, where it takes a quarter of
;; the time for strings.
(setv PLAIN-TOKEN
  (re.compile (.replace TOKEN.pattern #[["[^"\\\n\r]*"]] #[["[^"]*"]]) re.VERBOSE))

(setv
  REAL r"(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|Inf|NaN)"
  ; An int, hexadecimal, a float, a complex number.
  NUMBER (re.compile (+
    r"([-+]?[0-9]+)|([-+]?0x[0-9a-fA-F]+)|([-+]?" REAL ")"
    "|((?:[-+]?" REAL r"(?=[-+]))?[-+]?" REAL "j)"))
  HEX "[0-9a-fA-F]"
  ; What is no escape, where two backslashes are `'`.
  NO-ESCAPE (re.compile (+
    r"\\(?!['abfnrtv]|x" HEX "{2}|u" HEX "{4}|U00(?:0" HEX "|10)" HEX "{4})"))
  NO-BYTE (re.compile (+ r"\\(?!['abfnrtv]|x" HEX "{2})"))
  BYTE-ESCAPES r"\\ \" \' \a \b \f \n \r \t \v \xHH"
  ; As one set it would take ten times as long, 5 ms, to compile.
  UNPRINTABLE (re.compile "[\x7f-\x9f]|[\u2028-\u2029]|[\ud800-\udfff]")
  NAME r"[^ \t\n\r\f\v()\[\]{};\"'`~.\ud800-\udfff]"
  ; No number: a number begins with a digit or holds one, or is made of the
  ; letters of Inf, NaN and j. What is beyond these is left to Hy to judge.
  SYMBOL (re.compile (+ "[A-HK-MO-Z_a-z]" NAME "*|None|(?![#:])" (.replace NAME "[^" r"[^njNJ\d") "+"))
  KEYWORD (re.compile (+ NAME "*"))
  SURROGATE (re.compile "[\ud800-\udfff]"))


(defclass Plain [str]
  "A str of nothing but letters and digits, which a writer of a registered type
  may use: as it can be long, nobody looks for what needs an escape.")


(defclass Misfit [Exception]
  "Something has no text. ``trail`` is the way to it, innermost step first, as
  pairs of a container and the text of a step."

  (defn __init__ [self why [advice ""]]
    (.__init__ (super) why)
    (setv self.why why  self.advice advice  self.trail [])))


(defclass Misread [Exception]
  "A token is out of place, ``offset`` characters after its begin."

  (defn __init__ [self why [offset 0]]
    (.__init__ (super) why)
    (setv self.why why  self.offset offset)))


(defn lossy [what]
  "The `Misfit` that is raised where Hy's syntax would say something else."
  (Misfit f"cannot write {what}: it would not read back as it is"))


;; The words of a text

(defn tokens-of [text]
  "The words of a text."
  (cond
    (in "\\" text) (do
      (setv same-places (disguised text))
      (if (is same-places text)
        (.findall TOKEN text)
        (lfor  m (.finditer TOKEN same-places)  (cut text (.start m) (.end m)))))
    (or (in "\r" text) (<= 0 (str.find text "\n") (- (len text) 2)))
      (.findall TOKEN text)
    True
      (.findall PLAIN-TOKEN text)))

(defn places-of [text]
  "The matches of the words of a text, in the same order."
  (.finditer TOKEN (disguised text)))

(defn disguised [text]
  "The text with another escape for a backslash and a quote mark: each quote mark
  is then where a string begins or ends."
  (.replace (.replace text "\\\\" "\\_") "\\\"" "\\_"))


;; Writing

(defn string-text [s]
  "The text of a str."
  ; JSON's escapes mean the same in Hy, apart from two that this function does
  ; not emit: \/ and pairs of surrogates.
  (printable (encode-basestring s)))

(defn plain-text [s]
  (+ "\"" s "\""))

(defn printable [text]
  (if (or (and (.isascii text) (not-in "\x7f" text)) (.isprintable text))
    text
    (.sub UNPRINTABLE (fn [m] (% "\\u%04x" (ord (.group m)))) text)))

(defn bytes-text [b]
  "The text of a bytes object."
  (setv text (bytes.__repr__ b))
  (if (= (get text 1) "\"")
    text
    (+ "b\"" (.replace (cut text 2 -1) "\"" "\\\"") "\"")))

(defn int-text [n]
  "The text of an int."
  (if (< -BIG n BIG)
    (repr n)
    (hex n)))

(defn float-text [x]
  "The text of a float, or of several."
  (setv text (repr x))
  (if (in "n" text)
    (capital text)
    text))

(defn complex-text [z]
  "The text of a complex number."
  (capital (.strip (repr z) "()")))

(defn capital [text]
  (.replace (.replace text "inf" "Inf") "nan" "NaN"))

(defn ints-text [xs]
  ; Python's own text of a list, all in C, if it limits the length of integers.
  (try
    (if (<= 1 (digit-limit) MAX-DIGITS)
      (row-text xs)
      (raise (ValueError)))
    (except [ValueError]
      (.join " " (map int-text xs)))))

(defn floats-text [xs]
  (setv text (row-text xs))
  (if (in "n" text)
    (capital text)
    text))

(defn row-text [xs]
  (.replace (cut (repr (list xs)) 1 -1) ", " " "))

(defn strings-text [xs]
  (printable (.join " " (map encode-basestring xs))))


;; How many of one type at once are written.
(setv ROW-TEXT {int ints-text  float floats-text  str strings-text})


(defn symbol-text [s]
  (setv text (str s))
  (unless (legal-symbol? text)
    (raise (lossy f"the symbol {(snippet text)}")))
  text)

(defn legal-symbol? [text]
  (bool (or
    (.fullmatch SYMBOL text)
    (and
      (not (.search SURROGATE text))
      ; The constructor takes it for a decimal integer first.
      (<= (len text) MAX-DIGITS)
      (try
        (= (Symbol text) (Symbol text :from-parser True))
        (except [ValueError]
          False))))))

(defn dotted-part? [text]
  "May this stand behind a dot in a dotted name? There, other than alone, a name
  may begin with : or #."
  (legal-symbol? (+ (if (in (cut text 1) [":" "#"]) "_" "") text)))

(defn keyword-text [k]
  "The text of a keyword."
  (unless (and (isinstance k.name str) (.fullmatch KEYWORD k.name))
    (raise (lossy f"the keyword {(snippet (str k.name))}")))
  (+ ":" k.name))


;; Reading

(defn read-strings [token]
  "The strings of a token that begins with a quote mark."
  (if (in "\\" token)
    [(unescape token NO-ESCAPE (+ BYTE-ESCAPES r" \uHHHH \UHHHHHHHH"))]
    (do
      (setv parts (.split token "\""))
      (unless (% (len parts) 2)
        (raise (Misread "this string has no end on its line")))
      (cut parts 1 None 2))))

(defn unescape [token wrong escapes]
  ; Now each backslash begins an escape.
  (setv body (.replace (.replace token "\\\\" "\\'") "\\\"" "\\'"))
  (when (or (!= (.find body "\"" 1) (- (len body) 1)) (.search wrong body))
    (raise (Misread f"this string has no end on its line, or an escape other than {escapes}")))
  (if (< (len token) LONG)
    (unescaped (cut token 1 -1))
    (.join "" (map unescaped (pieces token body)))))

(defn unescaped [text]
  ; What is not Latin 1 becomes an escape as well, and all are undone at once.
  (.decode (.encode text "latin-1" "backslashreplace") "unicode_escape"))

(defn pieces [token body]
  "The inside of a long string in pieces that end between escapes, the longest of
  which has ten characters."
  (setv start 1  end (- (len token) 1))
  (while (< start end)
    (setv stop (min end (+ start LONG))
          escape (if (= stop end) -1 (.rfind body "\\" (- stop 9) stop))
          stop (if (< escape 0) stop escape))
    (yield (cut token start stop))
    (setv start stop)))

(defn read-bytes [token]
  "The value of a token that begins with ``b\"``."
  (unless (.isascii token)
    (raise (Misread "bytes are written in ASCII and \\xHH")))
  (.encode (unescape (cut token 1 None) NO-BYTE BYTE-ESCAPES) "latin-1"))

(defn number [word]
  "The number that a word denotes; ``None`` if it denotes none."
  (setv m (.fullmatch NUMBER word))
  (when m
    ((get [decimal hexadecimal float complex] (- m.lastindex 1)) word)))

(defn hexadecimal [word]
  (int word 16))

(defn decimal [word]
  (setv digits (.lstrip word "+-"))
  (when (> (len digits) MAX-DIGITS)
    (raise (Misread
      f"an integer of more than {MAX-DIGITS} digits must be hexadecimal, as in 0x1f")))
  (try
    (int word)
    (except [ValueError]
      ; This process has a lower limit. Convert in pieces that it permits.
      (setv n 0)
      (for [i (range 0 (len digits) 500)]
        (setv piece (cut digits i (+ i 500)))
        (setv n (+ (* n (** 10 (len piece))) (int piece))))
      (if (.startswith word "-") (- n) n))))

(defn read-number [word]
  "The number that a word denotes. Raises `Misread` if it denotes none."
  (try
    (cond
      (or (in "." word) (in "e" word)) (float word)
      (< (len word) 200) (int word)
      True (raise (ValueError)))
    (except [ValueError]
      (setv n (number word))
      (when (is n None)
        (raise (Misread f"{(snippet word)} is no number")))
      n)))

(defn read-numbers [token]
  "The numbers of a token that begins with a digit or a sign."
  (try
    (if (< (len token) 200)
      (list (map (if (or (in "." token) (in "e" token)) read-number int) (.split token)))
      (many-numbers token))
    (except [[Misread ValueError]]
      (each-number token))))

(defn many-numbers [token]
  ; JSON's reader makes the same numbers of digits, signs, dots and spaces, in
  ; half the time of `map`, or raises a ValueError. Where Python does not limit
  ; the length of integers, look at it first.
  (import json)
  (if (or
      (<= 1 (digit-limit) MAX-DIGITS)
      (<= (max (map len (.split token))) MAX-DIGITS))
    ; Between the pairs of a dict there are two spaces.
    (json.loads (+ "[" (.replace (.replace token "  " " ") " " ",") "]"))
    (raise (ValueError))))

(defn digit-limit []
  ((getattr sys "get_int_max_str_digits" int)))

(defn each-number [token]
  (lfor
    m (re.finditer "[^ ]+" token)
    :setv n (number (.group m))
    (if (is n None)
      (raise (Misread f"{(snippet (.group m))} is no number" (.start m)))
      n)))

(defn snippet [text]
  "A short piece of a text for a message."
  (repr (if (> (len text) 40) (+ (cut text 40) "...") text)))

(defn read-keyword [word]
  "The keyword that a word denotes."
  (unless (.fullmatch KEYWORD word 1)
    (raise (Misread f"{(snippet word)} is no keyword")))
  (Keyword (cut word 1 None) :from-parser True))
