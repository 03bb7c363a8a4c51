#lang racket/base
;; The data of the wire ("Data" in docs/protocol.md) as Racket's values, and back. Reading evaluates nothing.
;;   None True False       (void) #t #f            [1 2]  #(1 2)        a list, a vector
;;   7  (Fraction 1 3)     7  1/3                  {"a" 1}  #{1 2}      a hash, a set
;;   1.5  -Inf  1.5-2j     1.5  -inf.0  1.5-2.0i   :key  'name          #:key  'name
;;   "text"  b"bytes"      "text"  #"bytes"        (tag argument …)     (tagged 'tag (list argument …))
(require racket/list racket/match racket/set racket/string)
(provide text->datum datum->text (struct-out tagged))
(struct tagged (tag arguments) #:transparent)
(define TOKEN #px"^(?:b?\"(?:[^\"\\\\]|\\\\.)*\"|#[({]|[][(){}']|[^][(){}\\s\"';]+)")
(define (text->datum text)
  (define in (open-input-string text))
  (define (token) (match (begin (regexp-try-match #px"^\\s+" in) (regexp-try-match TOKEN in))
    [(list found) (bytes->string/utf-8 found)]
    [#f (error 'text->datum "no datum: ~a" text)]))
  (define (datum [t (token)])
    (match t
      ["[" (items "]")]
      ["#(" (list->vector (items ")"))]
      ["#{" (list->set (items "}"))]
      ["{" (apply hash (items "}"))]
      ["(" (match (cons (token) (items ")"))
             [(list "Fraction" n d) (/ n d)]
             [(cons tag arguments) (tagged (string->symbol tag) arguments)])]
      ["'" (match (token)
             [(pregexp "^[^][(){}'\"#]+$" (list name)) (string->symbol name)]
             [_ (error 'text->datum "Hy code is no value of Racket's: ~a" text)])]
      ; The escapes that dpfw writes mean the same to Racket's reader.
      [(pregexp "^b\"") (read (open-input-string (string-append "#" (substring t 1))))]
      [(pregexp "^\"") (read (open-input-string t))]
      ["None" (void)] ["True" #t] ["False" #f]
      [(pregexp "^:(.*)" (list _ name)) (string->keyword name)]
      [_ (or (word->number t) (error 'text->datum "~s is no value of Racket's, in ~a" t text))]))
  (define (items closer)
    (define t (token))
    (if (equal? t closer) '() (let ([first (datum t)]) (cons first (items closer)))))
  (begin0 (datum)
    (unless (regexp-match? #px"^\\s*$" in) (error 'text->datum "more than one datum: ~a" text))))
(define (word->number word)
  (string->number (regexp-replaces word '([#rx"^0x" "#x"] [#rx"^-0x" "#x-"] [#rx"^([^-].*j)$" "+\\1"] [#rx"^(.*)j$" "#i\\1i"]
                                          [#rx"Inf" "inf.0"] [#rx"NaN" "nan.0"] [#rx"^(inf|nan)" "+\\1"]))))

(define (datum->text x)
  (define (all opener xs closer) (string-append opener (string-join (map datum->text xs)) closer))
  (match x
    [(? void?) "None"] [#t "True"] [#f "False"]
    [(? exact-integer?) (if (< (integer-length x) 2000) (number->string x)  ; longer ones are hexadecimal
                            (string-append (if (< x 0) "-0x" "0x") (number->string (abs x) 16)))]
    [(? rational?) #:when (exact? x) (all "(Fraction " (list (numerator x) (denominator x)) ")")]
    [(? number?) (regexp-replaces (number->string (exact->inexact x))
                   '([#rx"i$" "j"] [#rx"inf.0" "Inf"] [#rx"nan.0" "NaN"] [#rx"^[+]" ""]))]
    [(? string?) (string-append "\"" (regexp-replace* #px"[\\\\\"]|\\p{Cc}|\\p{Zl}|\\p{Zp}" x (escape "\\u" 4)) "\"")]
    [(? bytes?) (string-append "b\"" (regexp-replace* #px"[^ -~]|[\\\\\"]" (bytes->string/latin-1 x) (escape "\\x" 2)) "\"")]
    [(? symbol?) (format "'~a" x)]
    [(? keyword?) (format ":~a" (keyword->string x))]
    [(? list?) (all "[" x "]")]
    [(? vector?) (all "#(" (vector->list x) ")")]
    [(? set?) (all "#{" (set->list x) "}")]
    [(? hash?) (all "{" (append* (hash-map x list)) "}")]
    [(tagged tag arguments) (all (format "(~a " tag) arguments ")")]
    [_ (raise-argument-error 'datum->text "a value that Hy has, too" x)]))
(define ((escape prefix digits) c)
  (define code (number->string (char->integer (string-ref c 0)) 16))
  (string-append prefix (make-string (- digits (string-length code)) #\0) code))
