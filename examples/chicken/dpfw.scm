;; A master in CHICKEN, with the names of the dpfw egg of 2006; in the order of docs/protocol.md.
;;
;; There are no threads, and none are needed: a remote runs on its slave from the moment that its task is made, and
;; the promise is Scheme's own. What is delayed is the local procedure.
;;
;; It knows no TLS. To another machine, a tunnel of ssh's leads (README.md).

(module dpfw (dpfw-master-client dpfw-make-task dpfw-parallel dpfw-get-slave dpfw-cancel dpfw-close
              read-result read write)

(import (rename scheme (read scheme:read) (write scheme:write))
        (chicken base) (chicken condition) (chicken file) (chicken foreign) (chicken io) (chicken irregex) (chicken port)
        (chicken process-context) (chicken random) (chicken read-syntax) (chicken string) (chicken tcp))

(define-record-type slave
  (make-slave in out number task)
  slave?
  (in slave-in) (out slave-out)
  (number slave-number set-slave-number!)  ; of the last task
  (task slave-task set-slave-task!))       ; a thunk that finishes it; #f if it is finished

(define slaves '())  ; the one that was used last is the last

(define (fail . words)
  (abort (make-property-condition 'exn 'message (apply conc words))))


;; Hy in Scheme's parentheses. Loading this file teaches CHICKEN's reader that [a b] is a vector, and {a b} a dict; so
;; remotes are written as they stand in Hy, and data are read by Scheme's own `read`.

(define-record-type dict (make-dict items) dict? (items dict-items))

(define (read-until closer port)
  (let loop ((items '()))
    (let ((c (peek-char port)))
      (cond ((eof-object? c) (fail "no " closer " before the end"))
            ((char=? c closer) (read-char port) (reverse items))
            ((char-whitespace? c) (read-char port) (loop items))
            (else (loop (cons (scheme:read port) items)))))))

(set-read-syntax! #\[ (lambda (port) (list->vector (read-until #\] port))))
(set-read-syntax! #\{ (lambda (port) (make-dict (read-until #\} port))))

(define (text x)  ; of code
  (define (all opener xs closer) (string-append opener (string-intersperse (map text xs)) closer))
  (cond ((symbol? x) (symbol->string x))
        ((string? x) (string-append "\"" (irregex-replace/all "[\\\\\"\\x00-\\x1f\\x7f]" x escape) "\""))
        ((boolean? x) (if x "True" "False"))
        ((number? x) (number-text x))
        ((vector? x) (all "[" (vector->list x) "]"))
        ((dict? x) (all "{" (dict-items x) "}"))
        ((and (pair? x) (eq? (car x) 'quote)) (string-append "'" (text (cadr x))))
        ((list? x) (all "(" x ")"))
        ((eq? x (void)) "None")
        (else (fail "Hy has nothing like " x))))

(define (escape match)
  (let ((code (number->string (char->integer (string-ref (irregex-match-substring match) 0)) 16)))
    (string-append "\\u" (make-string (- 4 (string-length code)) #\0) code)))

(define (number-text n)
  (cond ((integer? n) (number->string n))
        ((exact? n) (conc "(Fraction " (numerator n) " " (denominator n) ")"))
        ((nan? n) "NaN")
        ((infinite? n) (if (> n 0) "Inf" "-Inf"))
        (else (number->string n))))

(define (datum x)  ; as code that means it
  (cond ((list? x) (list->vector (map datum x)))
        ((symbol? x) (list 'quote x))
        (else x)))

(define constants `((None . ,(void)) (True . #t) (False . #f) (NaN . +nan.0) (Inf . +inf.0) (-Inf . -inf.0)))

(define (value x)  ; of a datum: lists for lists and tuples, association lists for dicts
  (cond ((vector? x) (map value (vector->list x)))
        ((dict? x) (let loop ((xs (map value (dict-items x))))
                     (if (null? xs) '() (cons (cons (car xs) (cadr xs)) (loop (cddr xs))))))
        ((and (pair? x) (eq? (car x) 'quote)) (cadr x))
        ((pair? x) (cons (car x) (map value (cdr x))))  ; (tag argument ...)
        ((assq x constants) => cdr)
        ((and (symbol? x) (char=? #\: (string-ref (symbol->string x) 0))) x)  ; a keyword
        ((symbol? x) (fail "this master has no value for " x))  ; a complex number, or the b of b"bytes"
        (else x)))

(define (read-line-of-data line)
  (let* ((port (open-input-string line))
         (x (value (scheme:read port))))
    (if (eof-object? (scheme:read port)) x (fail "this is not one datum: " line))))


;; The handshake. No word follows our nonce: data are to come as text, and we say nothing of ourselves.

(foreign-declare "#include <openssl/crypto.h>\n#include <openssl/hmac.h>")

(define hmac!
  (foreign-lambda* void ((nonnull-scheme-pointer key) (int key_size) (nonnull-scheme-pointer text) (size_t size)
                         (nonnull-scheme-pointer digest))
    "HMAC(EVP_sha256(), key, key_size, text, size, digest, NULL);"))

(define (hmac-sha256 key message)
  (let ((digest (make-string 32)))
    (hmac! key (string-length key) message (string-length message) digest)
    (hexadecimal digest)))

(define differ  ; in a time that does not tell where
  (foreign-lambda int "CRYPTO_memcmp" nonnull-scheme-pointer nonnull-scheme-pointer size_t))

(define (hexadecimal bytes)
  (apply string-append (map (lambda (c) (substring (number->string (+ 256 (char->integer c)) 16) 1)) (string->list bytes))))

(define (random-id) (hexadecimal (random-bytes (make-string 16))))

(define (cookie)
  (define (variable name default) (or (get-environment-variable name) (default)))
  (define (file)
    (variable "DPFW_COOKIE_FILE" (lambda ()
      (string-append
        (variable "XDG_CONFIG_HOME" (lambda () (string-append (get-environment-variable "HOME") "/.config")))
        "/dpfw/cookie"))))
  (irregex-replace/all "^\\s+|\\s+$"
    (variable "DPFW_COOKIE" (lambda () (call-with-input-file (file) (lambda (port) (read-string #f port)))))
    ""))

(define listened (irregex "(\\(dpfw 1 slave \"[0-9a-f]{32}\" \"[0-9a-f]{32}\") \"([0-9a-f]{64})\"\\)"))

(define (handshake in out)
  (define (say line) (write-string (string-append line "\n") #f out) (flush-output out))
  (define dialled (conc "(dpfw 1 master \"" (random-id) "\" \"" (random-id) "\")"))
  (say dialled)
  (let* ((line (read-line in 512))
         (match (and (string? line) (irregex-match listened line))))
    (unless match
      (fail "no slave is there that would serve us; it says: " line))
    (let ((begin (string-append (irregex-match-substring match 1) ")"))
          (theirs (irregex-match-substring match 2)))
      (define (proof side)  ; without TLS, there is nothing after the last line end
        (hmac-sha256 (cookie) (string-append "dpfw proof 1\n" side "\n" dialled "\n" begin "\n")))
      (unless (zero? (differ theirs (proof "listener") 64))
        (say "(refused \"the cookies differ\")")
        (fail "the cookies differ; give both ends the same DPFW_COOKIE"))
      (say (conc "(proof \"" (proof "dialler") "\")")))))

(define (dpfw-master-client host port)
  (let-values (((in out) (tcp-connect host port)))
    (parameterize ((tcp-read-timeout 10000))  ; milliseconds
      (handshake in out))
    (tcp-read-timeout #f)  ; a task may take all the time
    (let ((s (make-slave in out 0 #f)))
      (set! slaves (append slaves (list s)))
      s)))


;; Frames

(define (send s kind number payload)
  (write-string (conc "(" kind " " number " " (string-length payload) ")\n" payload) #f (slave-out s))
  (flush-output (slave-out s)))

(define (receive-frame s)  ; kind, number, payload
  (let* ((header (scheme:read (slave-in s)))  ; it has proved who it is, and a header is a list
         (end (read-char (slave-in s))))
    (if (and (list? header) (eqv? end #\newline))
        (let ((payload (read-string (caddr header) (slave-in s))))
          (list (car header) (cadr header) (if (string? payload) payload "")))
        (fail "the slave is lost, and what became of the task is unknown"))))


;; A task

(define (dpfw-make-task remote local #!optional (s (dpfw-get-slave)))
  (finish s)
  (let ((number (+ 1 (slave-number s))))
    (send s 'task number (text remote))
    (set-slave-number! s number)
    (let ((run (once (lambda () (converse s number local)))))
      (set-slave-task! s run)
      (delay (run)))))

(define (once thunk)  ; what a promise does; but it remembers an error, too
  (let ((outcome #f))
    (lambda ()
      (unless outcome
        (set! outcome
          (handle-exceptions e (lambda () (abort e))
            (let ((x (thunk))) (lambda () x)))))
      (outcome))))

(define (converse s number local)
  (define data "")    ; what came, of which the local procedure
  (define at 0)       ; has read so much
  (define fresh #t)   ; does a line begin where it ends?
  (define over #f)    ; has the remote ended?

  (define (more?)  ; is there another character? Waits for it
    (or (< at (string-length data))
        (and (not over) (begin (take) (more?)))))

  (define (take)
    (let ((frame (handle-exceptions e (begin (set! over #t) (abort e)) (receive-frame s))))
      (unless (eqv? (cadr frame) number) (fail "a frame that has no place here: " frame))
      (set! at 0)
      (case (car frame)
        ((data)
         (set! data (caddr frame))
         (unless (string=? data "")
           (set! fresh (char=? #\newline (string-ref data (- (string-length data) 1))))))
        ((end)
         (set! over #t)
         (set! data (string-append (if fresh "" "\n") (caddr frame) "\n")))
        ((error)
         (set! over #t)
         (set! data "")
         (raise-told (read-line-of-data (caddr frame)))))))

  (define (read-1) (if (more?) (let ((c (string-ref data at))) (set! at (+ at 1)) c) #!eof))
  (define (peek-1) (if (more?) (string-ref data at) #!eof))
  (define i (make-input-port read-1 (lambda () (or over (< at (string-length data)))) void peek-1))
  (define o (make-output-port
    (lambda (string) (for-each (lambda (part) (send s 'data number part)) (string-chop string 65536)))
    void))

  (dynamic-wind
    void
    (lambda () (local i o))
    (lambda ()  ; The slave is free when it has answered. What the local procedure did not read is thrown away.
      (set-slave-task! s #f)
      (unless over
        (send s 'eof number "")
        (let loop ()
          (set! at (string-length data))
          (when (handle-exceptions e #f (more?)) (loop)))))))

(define (raise-told told)
  (define (of key) (cdr (assoc key told)))
  (abort (make-composite-condition
    (make-property-condition 'exn 'message (conc (of "type") ": " (of "message")))
    (make-property-condition 'dpfw 'type (of "type") 'traceback (of "traceback")))))

(define (finish s)  ; whatever comes of it: the promise knows
  (when (slave-task s)
    (handle-exceptions e #f ((slave-task s)))))

(define (dpfw-get-slave)  ; an idle one; with none idle, the one that has been busy for the longest time
  (let ((s (let loop ((left slaves))
             (cond ((pair? left) (if (slave-task (car left)) (loop (cdr left)) (car left)))
                   ((pair? slaves) (car slaves))
                   (else (fail "there is no slave; call (dpfw-master-client host port)"))))))
    (finish s)
    (set! slaves (append (delete s slaves) (list s)))
    s))

(define (delete x xs)
  (cond ((null? xs) '()) ((eq? x (car xs)) (cdr xs)) (else (cons (car xs) (delete x (cdr xs))))))

(define (dpfw-parallel tasks)
  (map force (map (lambda (task) (apply dpfw-make-task task)) tasks)))

(define (dpfw-cancel s)
  (when (slave-task s) (send s 'cancel (slave-number s) "")))

(define (dpfw-close)
  (for-each (lambda (s) (close-output-port (slave-out s)) (close-input-port (slave-in s))) slaves)
  (set! slaves '()))


;; The stream of a task: a datum is a line, and the last one is the result

(define (write x o)
  (write-string (string-append (text (datum x)) "\n") #f o))

(define (read i)
  (let ((line (read-line i)))
    (cond ((eof-object? line) line)
          ((irregex-match "\\s*" line) (read i))
          (else (read-line-of-data line)))))

(define (read-result i o) (read i))

)
