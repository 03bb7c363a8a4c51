"The address of this process at which the slaves of one launch dial in.

It has a cookie of its own, which travels through the engine, so that the one which is
shared with others need not. Each slave says by a word that was made for it which it is."

(import
  errno
  logging
  secrets
  threading
  dpfw.errors [AddressError]
  dpfw.net.addresses [format-address])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  BACKLOG 100
  ELSEWHERE [None errno.EADDRNOTAVAIL])  ; errors for a host that does not resolve, or is another


(defclass Door []
  "Listens until it is closed. Those who are to dial, ``n`` of them, know this process as
  ``host``."

  (defn __init__ [self node host port n]
    (setv
      self.node node
      self.cookie (secrets.token-hex 32)
      self.lock (threading.Lock)
      self.expected {}  ; word -> the `Job` whose slave says it
      self.listening (.listen self host port (max n BACKLOG))
      ; What they dial.
      self.address (format-address #(host (get self.listening 1)))))

  (defn listen [self host port backlog]
    (setv listen (fn [host]
      (.listen self.node port backlog host (.encode self.cookie) self.admitted)))
    (try
      (listen host)
      (except [e AddressError]
        (unless (in e.errno ELSEWHERE)
          (raise))
        ; It may be a name that another machine has, which passes on to this one.
        (listen None))))

  (defn expect [self job]
    "The word by which the slave of a job will be known."
    (setv word (secrets.token-hex 16))
    (with [_ self.lock]
      (setv (get self.expected word) job))
    word)

  (defn expect-no-more [self word]
    "Idempotent."
    (with [_ self.lock]
      (.pop self.expected word None)))

  (defn admitted [self connection id]
    "Somebody who holds the cookie is here."
    (with [_ self.lock]
      (setv job (when (= connection.role "slave")
        (.pop self.expected (.get connection.about "place") None))))
    (unless (and job (.arrived job connection id))
      ; Some engines start a task again by themselves, when a worker of theirs is lost.
      (log.info "%s is a slave that nobody waits for any more" connection.peer)
      (.retire self.node connection)))

  (defn close [self]
    "Idempotent."
    (.unlisten self.node self.listening)))
