#lang racket
;; The master at work. Run it with: racket examples/racket/example.rkt HOST PORT
(require "dpfw.rkt")  ; its `read` and `write` are for data of the wire

(define-values (host port) (apply values (vector->list (current-command-line-arguments))))
(define slave (dpfw-master-client host (string->number port)))

(define t (dpfw-make-task (hy (fn [i o] (+ 2 3))) read-result slave))
(displayln (force t))  ; => 5

;; What `,` puts into a remote travels beside it, as data.
(define (triple x) (force (dpfw-make-task (hy (fn [i o] (* 3 ,x))) read-result slave)))
(println (map triple '(14 1/3 "Hy" (1 2))))  ; => '(42 1 "HyHyHy" (1 2 1 2 1 2))

;; The two procedures talk for as long as they like.
(define (guess i o)
  (let loop ([low 1] [high 100])
    (define middle (quotient (+ low high) 2))
    (write middle o)
    (match (read i)
      ['higher (loop (add1 middle) high)]
      ['lower (loop low (sub1 middle))]
      ['right (list middle (read i))])))
(define keeper (hy (fn [i o]
  (setv guesses 0  guess None)
  (while (!= guess ,42)
    (setv guess (read i))
    (+= guesses 1)
    (write (cond (< guess ,42) 'higher  (> guess ,42) 'lower  True 'right) o))
  guesses)))
(println (force (dpfw-make-task keeper guess slave)))  ; => '(42 7)

;; What the remote raises, the local procedure's next `read` raises, and so does `force`.
(with-handlers ([exn:fail:dpfw? (λ (e) (displayln (exn-message e)))])
  (force (dpfw-make-task (hy (fn [i o] (/ 1 0))) read-result slave)))  ; => ZeroDivisionError: division by zero

;; A remote that runs for ever, until it is interrupted. It says when it has begun.
(define begun (make-semaphore))
(define (wait i o)
  (read i)
  (semaphore-post begun)
  (read i))
(define endless (dpfw-make-task (hy (fn [i o]
  (try
    (write "I run" o)
    (.flush o)
    (while True)
    (except [KeyboardInterrupt] "stopped"))))
  wait slave))
(semaphore-wait begun)
(dpfw-cancel slave)
(displayln (force endless))  ; => stopped

(dpfw-close slave)
