;; The examples of the original documentation, of 2006; the remotes are in Hy. How to run them is in README.md.

(import (except scheme read write) (chicken base) (chicken condition) (chicken process-context))
(import dpfw)

(define arguments (command-line-arguments))
(dpfw-master-client (car arguments) (string->number (cadr arguments)))

;; Basic test
(define t (dpfw-make-task `(fn [i o] (+ 2 3)) read-result))
(print (force t))  ; => 5

;; Parallel computation
(print (dpfw-parallel `(((fn [i o] (+ 2 1)) ,read-result)
                        ((fn [i o] (+ 5 5)) ,read-result))))  ; => (3 10)

;; Saving a generator in a slave's hash-table, then invoking it repeatedly
(define slave (dpfw-get-slave))
(print (force (dpfw-make-task
  `(fn [i o]
     (hash-table-update!/default (dpfw-slave-ht) 'uniqID values
       (let [n 0] (fn [] (nonlocal n) (+= n 1) n)))
     True)
  read-result slave)))  ; => #t
(print (force (dpfw-make-task `(fn [i o] ((hash-table-ref (dpfw-slave-ht) 'uniqID))) read-result slave)))  ; => 1
(print (force (dpfw-make-task `(fn [i o] ((hash-table-ref (dpfw-slave-ht) 'uniqID))) read-result slave)))  ; => 2

;; And what the original did not have: a conversation, an error, an interrupt
(define (ask-twice i o)
  (write "Hy" o)
  (let ((first (read i)))
    (write first o)
    (list first (read i))))
(print (force (dpfw-make-task `(fn [i o] (for [_ (range 2)] (write (* 2 (read i)) o))) ask-twice)))  ; => (HyHy HyHyHyHy)

(print (handle-exceptions e ((condition-property-accessor 'exn 'message) e)
  (force (dpfw-make-task `(fn [i o] (/ 1 0)) read-result))))  ; => ZeroDivisionError: division by zero

(define (interrupt i o)
  (read i)  ; it says when it has begun
  (dpfw-cancel slave)
  (read i))
(print (force (dpfw-make-task
  `(fn [i o]
     (try
       (write "I run" o)
       (.flush o)
       (while True)
       (except [KeyboardInterrupt] "stopped")))
  interrupt slave)))  ; => stopped

(dpfw-close)
