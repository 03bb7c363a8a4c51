"Dialling again: how an address is dialled until somebody answers there."

(import
  logging
  dpfw.net.addresses [pauses])
(eval-when-compile (require hyrule.control [unless]))

(setv log (logging.getLogger __name__))


(defclass Redialler []
  "Dials one address, session after session, with pauses that grow until a session
  was of use.

  ``dial`` is called without arguments. When it raises an `OSError` that is not of
  one of the classes in ``final``, it is called again. ``closed``, an Event, ends
  all that."

  (defn __init__ [self dial closed [final #()]]
    (setv
      self.call dial
      self.closed closed
      self.final final
      self.pauses (pauses)
      self.said None))  ; of a failure, in the log

  (defn dial [self]
    "Dial now, and after pauses, until somebody answers. Returns what ``dial`` did,
    or None when ``closed`` is set."
    (setv self.said None)
    (while (not (.is-set self.closed))
      (try
        (return (self.call))
        (except [e [OSError RuntimeError]]
          (when (.is-set self.closed)  ; and that is why
            (return None))
          (when (or (isinstance e self.final) (not (isinstance e OSError)))
            (raise))
          (.say self e)))
      (.pause self)))

  (defn dial-again [self of-use]
    "The same after a session that has ended; with a pause first, since all who have
    lost one server dial it at once. Was the session of any use?"
    (when of-use
      (setv self.pauses (pauses)))
    (.pause self)
    (.dial self))

  (defn pause [self]
    (.wait self.closed (next self.pauses)))

  (defn say [self error]
    "A failure is worth a warning once, and not each time."
    (setv text (str error))
    (if (= text self.said)
      (log.debug "%s; dialling again" text)
      (log.warning "%s; dialling until it answers" text))
    (setv self.said text)))
