"Dialling again: how an address is dialled until somebody answers there."

(import
  logging
  socket
  threading
  time
  dpfw.errors [AddressError CookieError Refused]
  dpfw.net.addresses [pauses])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  LONGEST-WAIT 1.0)  ; seconds between dials, while somebody waits


(defclass Redialler []
  "Dials one address, session after session, with pauses that grow until a session
  was of use.

  ``dial`` is called without arguments. When it raises an `OSError` that is not of
  one of the classes in ``final``, it is called again, for ``wait`` seconds if that is
  not None. ``closed``, an Event, ends all that."

  (defn __init__ [self dial closed [final #()] [wait None]]
    (setv
      self.call dial
      self.closed closed
      self.final final
      self.wait wait
      self.lock (threading.Lock)  ; several at one address may dial again at once
      self.pauses (pauses)
      self.said None))  ; of a failure, in the log

  (defn dial [self]
    "Dial now, and after pauses, until somebody answers. Returns what ``dial`` did,
    or None when ``closed`` is set. When the wait is over, raises the last error."
    (setv self.said None
          deadline (when (is-not self.wait None) (+ (time.monotonic) self.wait)))
    (while (not (.is-set self.closed))
      (try
        (return (self.call))
        (except [e [OSError RuntimeError]]
          (when (.is-set self.closed)  ; and that is why
            (return None))
          (when (or (isinstance e self.final) (not (isinstance e OSError)))
            (raise))
          (when (and deadline (>= (time.monotonic) deadline))
            (raise (after-trying e self.wait)))
          (.say self e)))
      (.pause self deadline)))

  (defn dial-again [self of-use]
    "The same after a session that has ended; with a pause first, since all who have
    lost one server dial it at once. Was the session of any use?"
    (when of-use
      (setv self.pauses (pauses)))
    (.pause self)
    (.dial self))

  (defn pause [self [deadline None]]
    (with [_ self.lock]
      (setv pause (next self.pauses)))
    (.wait self.closed (if deadline
      (max 0 (min pause (- deadline (time.monotonic))))
      pause)))

  (defn say [self error]
    "A failure is worth a warning once, and not each time; none, if it will be raised."
    (setv text (str error))
    (cond
      (= text self.said) (log.debug "%s; dialling again" text)
      (is self.wait None) (log.warning "%s; dialling until it answers" text)
      True (log.info "%s; dialling for %s seconds" text self.wait))
    (setv self.said text)))


(defn dial-for [seconds dial closed]
  "What ``dial`` gives: called now, and again until somebody answers, or so many
  seconds have passed. Then its last error is raised, and says how long it was tried.
  Returns None when ``closed`` is set meanwhile."
  (setv deadline (+ (time.monotonic) seconds))
  (for [pause (pauses LONGEST-WAIT)]
    (try
      (return (dial))
      (except [e OSError]
        (when (or (= seconds 0) (in-vain? e))
          (raise))
        (setv left (- deadline (time.monotonic)))
        (when (<= left 0)
          (raise (after-trying e seconds)))
        (log.info "%s; dialling for another %.1f seconds" e left)))
    (when (.wait closed (min pause left))
      (return None))))

(defn in-vain? [error]
  "Will it be the same the next time? A host may not have its name yet."
  (or (isinstance error #(Refused CookieError))
      (and (isinstance error AddressError)
           (not (isinstance error.__cause__ socket.gaierror)))))

(defn after-trying [error seconds]
  "The error, which says how long it was tried, if it was."
  (unless seconds
    (return error))
  (setv tried f"tried for {seconds :g} seconds"
        told (if error.strerror
          ((type error) error.errno f"{error.strerror}; {tried}")
          ((type error) f"{error}; {tried}"))
        told.__cause__ error)
  told)
