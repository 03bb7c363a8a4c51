"A task: the remote runs on a slave, the local procedure here.

Run it with: hy examples/basic.hy"

(import
  dpfw.launch [dpfw-launch]
  dpfw.master *)

(dpfw-launch 1)

(setv t (dpfw-make-task `(fn [i o] (+ 2 3)) read-result))
(print (force t))  ; => 5

;; The local procedure reads what the remote writes; the result comes last.
(defn read-both [i o]
  [(read i) (read i)])

(setv t (dpfw-make-task `(fn [i o] (write "on the way" o) "at the end") read-both))
(print (force t))  ; => ['on the way', 'at the end']

;; A failure there is an exception here, of the same kind.
(try
  (force (dpfw-make-task `(fn [i o] (/ 1 0)) read-result))
  (except [e ZeroDivisionError]
    (print e)))    ; => division by zero

(dpfw-close)
