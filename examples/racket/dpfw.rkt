#lang racket/base
;; A master in Racket, which dials slaves; in the order of docs/protocol.md. Each task is a promise with a thread:
;;   (define s (dpfw-master-client "127.0.0.1" 10000))
;;   (force (dpfw-make-task (hy (fn [i o] (* 2 ,(+ 1 2)))) read-result s))   ; 6
(require ffi/unsafe ffi/unsafe/port file/sha1 openssl racket/file racket/match racket/port racket/promise racket/random
         racket/string racket/tcp "data.rkt" (for-syntax racket/base racket/string "data.rkt"))
(provide dpfw-master-client dpfw-make-task dpfw-cancel dpfw-close hy force read-result (struct-out tagged)
         (rename-out [read-datum read] [write-datum write]) (struct-out exn:fail:dpfw))

(struct slave (in out turn sending [number #:mutable]))  ; two ports, two semaphores, the number of the last task
(struct exn:fail:dpfw exn:fail (type traceback))         ; `type` is the Python exception's, or #f if it is none
(define (fail #:type [type #f] #:traceback [traceback #f] . message)
  (raise (exn:fail:dpfw (apply format message) (current-continuation-marks) type traceback)))
;; Where an exception is raised, `delay/thread` kills the thread, with dynamic-winds open: they are to end before.
(define-syntax-rule (promise body ...) (delay/thread (with-handlers ([void raise]) body ...)))

;; The channel: TLS, unless it stays on this machine. Nobody vouches for the certificate but the proofs below.
(define (dpfw-master-client host port)
  (define ours (make-custodian))
  (define connected (parameterize ([current-custodian ours]) (promise (connect host port))))
  (with-handlers ([void (λ (e) (custodian-shutdown-all ours) (raise e))])
    (or (and (sync/timeout 10 (wrap-evt connected list)) (force connected))
        (fail "what is at ~a:~a has not said in 10 seconds what a slave says" host port))))
(define (connect host port)
  (define-values (in out) (tcp-connect host port))
  ((get-ffi-obj "setsockopt" #f (_fun _intptr _int _int (_ptr i _int) _int -> _int))
   (unsafe-port->socket out) 6 1 1 4)  ; TCP_NODELAY: else each of our small frames may wait for the one before
  (define-values (_here there) (tcp-addresses in))
  (define tls? (not (regexp-match? #rx"^(127[.]|::1$|::ffff:127[.])" there)))
  (define-values (i o) (if tls? (ports->ssl-ports in out #:encrypt 'tls13 #:close-original? #t) (values in out)))
  (handshake i o (cookie) (if tls? (bytes->hex-string (ssl-channel-binding i 'tls-server-end-point)) ""))
  (slave i o (make-semaphore 1) (make-semaphore 1) 0))
(define (cookie)
  (define config (or (getenv "XDG_CONFIG_HOME") (build-path (find-system-path 'home-dir) ".config")))
  (string-trim (or (getenv "DPFW_COOKIE")
                   (file->string (or (getenv "DPFW_COOKIE_FILE") (build-path config "dpfw" "cookie"))))))

;; The handshake. No word follows our nonce: data are to come as text, and we say nothing of ourselves.
(define (handshake in out cookie binding)
  (define (say line) (write-string (string-append line "\n") out) (flush-output out))
  (define (random _) (bytes->hex-string (crypto-random-bytes 16)))
  (define dialled (apply format "(dpfw 1 master \"~a\" \"~a\")" (map random '(session nonce))))
  (say dialled)
  (match (regexp-try-match #px#"^([^\n]{0,511})\n" in)  ; more is not read from who has proved nothing yet
    [(list _ (app bytes->string/latin-1
               (pregexp "^(\\(dpfw 1 slave \"[0-9a-f]{32}\" \"[0-9a-f]{32}\") \"([0-9a-f]{64})\"\\)$" (list _ begin theirs))))
     (define (proof side)
       (define message (list "dpfw proof 1" side dialled (string-append begin ")") binding))
       (bytes->hex-string (hmac-sha256 (string->bytes/utf-8 cookie) (string->bytes/utf-8 (string-join message "\n")))))
     (unless (same? theirs (proof "listener"))
       (say "(refused \"the cookies differ\")")
       (fail "the cookies differ, or somebody stands between; give both ends the same DPFW_COOKIE"))
     (say (format "(proof \"~a\")" (proof "dialler")))]
    [said (fail "no slave is there that would serve us; it says: ~a" (if said (cadr said) "no line"))]))
(define (hmac-sha256 key message)
  (define block (let ([k (if (> (bytes-length key) 64) (sha256-bytes key) key)])
    (bytes-append k (make-bytes (- 64 (bytes-length k))))))
  (define (pad n) (apply bytes (for/list ([b block]) (bitwise-xor b n))))
  (sha256-bytes (bytes-append (pad #x5c) (sha256-bytes (bytes-append (pad #x36) message)))))
(define (same? a b)  ; of one length; in a time that does not tell where they differ
  (zero? (for/fold ([n 0]) ([x a] [y b]) (bitwise-ior n (bitwise-xor (char->integer x) (char->integer y))))))

;; Frames
(define (send s kind number [payload #""])
  (define header (string->bytes/utf-8 (format "(~a ~a ~a)\n" kind number (bytes-length payload))))
  (call-with-semaphore (slave-sending s) (λ ()
    (write-bytes (bytes-append header payload) (slave-out s))
    (flush-output (slave-out s)))))
(define (receive s)  ; kind, number, payload
  (match (regexp-try-match #px"^\\(([a-z]{1,8}) (\\d{1,15}) (\\d{1,15})\\)\n" (slave-in s))
    [(list _ kind number length)
     (define-values (n size) (apply values (map (compose1 string->number bytes->string/latin-1) (list number length))))
     (match (read-bytes size (slave-in s)) [(? bytes? x) #:when (= (bytes-length x) size) (list kind n x)] [_ "half"])]
    [_ "no frame"]))

;; A task. The local procedure runs in the promise's thread; in another one, what comes goes into a pipe.
(define (dpfw-make-task remote local s)
  (promise (call-with-semaphore (slave-turn s) (λ ()  ; one at a time, first come first served
    (match-define (hy-remote text values) remote)
    (when (port-closed? (slave-out s)) (fail "the slave is lost; dial it again"))
    (define number (add1 (slave-number s)))
    (unless (null? values) (send s "values" number (string->bytes/utf-8 (string-join (map datum->text values) "\n"))))
    (send s "task" number (string->bytes/utf-8 text))
    (set-slave-number! s number)
    (define-values (pipe to) (make-pipe 65536))
    (define outcome (promise (dynamic-wind void (λ () (pump s number to #t)) (λ () (close-output-port to)))))
    (dynamic-wind
      void
      (λ () (local (from-remote pipe outcome) (to-remote s number)))
      (λ ()  ; The slave is free when it has answered. What the local procedure did not read is thrown away.
        (unless (promise-forced? outcome) (send s "eof" number))
        (copy-port pipe (open-output-nowhere))
        (sync outcome)))))))
(define (pump s number to fresh?)  ; `fresh?`: is `to` at the begin of a line?
  (match (receive s)
    [(list #"data" (== number) data)
     (write-bytes data to)
     (pump s number to (regexp-match? (if fresh? #rx#"\n$|^$" #rx#"\n$") data))]
    [(list #"end" (== number) result) (write-bytes (bytes-append (if fresh? #"" #"\n") result #"\n") to)]
    [(list #"error" (== number) (app bytes->string/utf-8 (app text->datum error)))
     (fail #:type (hash-ref error "type") #:traceback (hash-ref error "traceback")
           "~a: ~a" (hash-ref error "type") (hash-ref error "message"))]
    [frame (dpfw-close s) (fail "the slave is lost, and what became of the task is unknown; it sent ~s" frame)]))
(define (from-remote pipe outcome)  ; the pipe; but at its end, what the remote raised is raised
  (define (read-in buffer) (match (read-bytes-avail!* buffer pipe)
    [0 (wrap-evt pipe (λ (_) 0))]
    [(? eof-object?) (force outcome) eof] [n n]))
  (make-input-port 'remote read-in #f void))
(define (to-remote s number)
  (define (write-out buffer start end _at-once? _breaks?)
    (define data (subbytes buffer start (min end (+ start 65536))))
    (unless (= start end) (send s "data" number data))
    (bytes-length data))
  (make-output-port 'remote always-evt write-out void))
(define (dpfw-cancel s) (unless (zero? (slave-number s)) (send s "cancel" (slave-number s))))  ; what runs there
(define (dpfw-close s) (close-output-port (slave-out s)) (close-input-port (slave-in s)))

;; The stream of a task: a datum is a line, and the last one is the result.
(define (write-datum x o) (void (write-string (string-append (datum->text x) "\n") o)))
(define (read-datum i)
  (match (read-line i) [(? eof-object?) eof] [(pregexp #px"^\\s*$") (read-datum i)] [line (text->datum line)]))
(define (read-result i _o) (read-datum i))

;; Remotes are written in Hy, since Racket knows brackets apart. For what `,` puts there, the text has a hole.
(struct hy-remote (text values))
(define-syntax (hy stx)
  (define holes '())
  (define (text s)
    (define (all opener closer [xs s]) (string-append opener (string-join (map text (syntax->list xs))) closer))
    (syntax-case s (unquote)
      [(unquote x) (begin0 (format "(value$~a)" (length holes)) (set! holes (cons #'x holes)))]
      [(_ ...) (case (syntax-property s 'paren-shape) [(#\[) (all "[" "]")] [(#\{) (all "{" "}")] [else (all "(" ")")])]
      [#(x ...) (all "#(" ")" #'(x ...))]
      [x (symbol? (syntax-e #'x)) (symbol->string (syntax-e #'x))]
      [x (datum->text (syntax-e #'x))]))
  (syntax-case stx () [(_ form) (let ([it (text #'form)]) #`(hy-remote #,it (list #,@(reverse holes))))]))
