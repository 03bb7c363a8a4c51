"Memory of a user's that a task is sent from, until `make-task` returns.

A large array that can be written to is not copied when a task is made of it, but sent
from where it is, as far as the slave takes it right away. What the slave has not got by
then is copied, since from then on its owner may change it; if there is no memory for
that, the task does nothing, and its error says so."

(import
  threading
  threading [get-ident]
  dpfw.data.codec [size-of]
  dpfw.net.memory [LARGE borrowed?]
  dpfw.task.remote [as-it-is-now])

(setv
  PATIENCE 0.05  ; seconds that the slave has in any case, to take what is borrowed,
  RATE 1e9       ; and to which it must take so many bytes in one
  NOTHING [#("task" [b"(fn [i o])"])])  ; the payloads of a task that does nothing


(defclass Loan []
  "What one task has borrowed. Only the thread that has made the loan sends it as it is;
  others end the loan first."

  (defn __init__ [self task size]
    (setv self.task task
          self.thread (get-ident)
          self.patience (+ PATIENCE (/ size RATE))
          self.lock (threading.RLock)))  ; a finaliser of a user's may run with it

  (defn [property] here [self]
    (= self.thread (get-ident)))

  (defn end [self sent]
    (with [_ self.lock]
      (when self.task.loan
        (setv payloads NOTHING)
        (try
          (setv payloads (if sent
                           ; It is not sent again: of that, the text is for messages.
                           (cut self.task.payloads -1 None)
                           (owned self.task.payloads)))
          (finally
            (setv self.task.payloads payloads
                  self.task.loan None)))))))


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
  this thread has lent it nothing."
  (setv loan task.loan)
  (if (and loan loan.here) loan.patience 0))

(defn end-loan [task [sent False]]
  "Let go of the memory: with what it holds, unless all of it was ``sent``. Idempotent.
  Raises `MemoryError` or `OSError` if there is none for a copy; then the task is one that
  does nothing."
  (setv loan task.loan)  ; of which another thread may make None
  (when loan
    (.end loan sent)))

(defn owned [payloads]
  (lfor  [kind payload] payloads  #(kind (as-it-is-now payload))))
