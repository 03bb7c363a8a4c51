"Memory of a user's that a task is sent from, until `make-task` returns.

A large array that can be written to is not copied when a task is made of it, but sent
from where it is, as far as the slave takes it right away. What the slave has not got by
then is copied, since from then on its owner may change it."

(import
  threading
  threading [get-ident]
  dpfw.data.codec [size-of]
  dpfw.net.memory [LARGE borrowed? own])

(setv
  PATIENCE 0.05  ; seconds that the slave has in any case, to take what is borrowed,
  RATE 1e9)      ; and to which it must take so many bytes in one


(defclass Loan []
  "What one task has borrowed. It is sent in the thread that has made the loan, or not
  before the loan has ended."

  (defn __init__ [self task size]
    (setv self.task task
          self.thread (get-ident)
          self.patience (+ PATIENCE (/ size RATE))
          self.lock (threading.RLock)))  ; a finaliser of a user's may run with it

  (defn end [self [sent False]]
    "Let go of the memory: with what it holds, unless all of it was sent. Idempotent, and
    whoever calls it may send the task when it returns."
    (with [_ self.lock]
      (when self.task.loan
        (setv self.task.payloads (if sent
                                   (cut self.task.payloads -1 None)  ; the text, for messages
                                   (owned self.task.payloads))
              self.task.loan None)))))


(defn borrow [task]
  "Make a loan of what the payloads of a task have borrowed, or copy that where it is small
  or may be sent twice."
  (setv size (size-of (gfor  [_ payload] task.payloads  buffer payload  :if (borrowed? buffer)  buffer)))
  (cond
    (not size) None
    (or (< size LARGE) task.local task.retries) (setv task.payloads (owned task.payloads))
    True (setv task.loan (Loan task size))))

(defn patience-of [task]
  "How many seconds a slave has to take this task's payloads, from where they are; 0, when
  they are not borrowed, or are so no more."
  (setv loan task.loan)
  (cond
    (not loan) 0
    (= loan.thread (get-ident)) loan.patience
    True (do
      (.end loan)
      0)))

(defn end-loan [task [sent False]]
  (setv loan task.loan)  ; of which another thread may make None
  (when loan
    (.end loan sent)))

(defn owned [payloads]
  (lfor  [kind payload] payloads  #(kind (list (map own payload)))))
