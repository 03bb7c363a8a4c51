"A conversation: the local procedure and the remote write to each other, back
and forth, while one task runs. The slave thinks of a number; the master guesses.

Run it with: hy examples/conversation.hy"

(import
  dpfw.launch [dpfw-launch]
  dpfw.master *)

(dpfw-launch 1)

(defn keeper [secret]
  "The remote: answer each guess, until it is right; give the number of guesses."
  `(fn [i o]
     (setv guesses 0  guess None)
     (while (!= guess ~secret)
       (setv guess (read i))
       (+= guesses 1)
       (write (cond (< guess ~secret) 'higher  (> guess ~secret) 'lower  True 'right) o))
     guesses))

(defn guesser [i o]
  "The local procedure: halve the range until the answer is ``right``."
  (setv low 1  high 100  answer None)
  (while (!= answer 'right)
    (setv guess (// (+ low high) 2))
    (write guess o)
    (setv answer (read i))
    (print guess (hy.unmangle answer))
    (cond
      (= answer 'higher) (setv low (+ guess 1))
      (= answer 'lower) (setv high (- guess 1))))
  #(guess (read i)))

(setv [number guesses] (force (dpfw-make-task (keeper 42) guesser)))
; => 50 lower
; => 25 higher
; => 37 higher
; => 43 lower
; => 40 higher
; => 41 higher
; => 42 right
(print number "in" guesses "guesses")  ; => 42 in 7 guesses

(dpfw-close)
