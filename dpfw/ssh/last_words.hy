"What a process says on its standard error: each line is shown, and the last are kept.

The reactor reads; a thread of the pool shows, since that may wait, and nothing more is
read meanwhile. So who says more than can be shown has to wait."

(import
  collections [deque]
  logging
  os
  select
  threading
  dpfw.task.failure [escaped])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  KEPT 8         ; lines
  TOLD 400       ; characters of each, when they are told
  LONGEST 2000   ; bytes of a line; what is longer counts as several
  CHUNK 65536)   ; bytes


(defclass LastWords []
  "The lines that come out of a pipe, which this owns. ``show`` is called with each, a
  text without its end and with control characters escaped, in order, in threads of the
  node's pool."

  (defn __init__ [self pipe node show]
    (setv
      self.pipe pipe
      self.reactor node.reactor
      self.threads node.threads
      self.show show
      self.lock (threading.Lock)
      self.kept (deque :maxlen KEPT)
      self.rest b""          ; of a line that has no end yet
      self.unshown (deque)
      self.showing False
      self.closed False)
    (os.set-blocking (.fileno pipe) False)
    (.watch self.reactor pipe select.POLLIN self.hear))

  (defn hear [self]
    "Take what has been said by now; the reactor calls it."
    (with [_ self.lock]
      (unless self.closed
        (when (is (.take self) False)
          (.close-pipe self)))
      (.begin-to-show self)))

  (defn close [self]
    "Take the last of it, and listen no more. Idempotent."
    (with [_ self.lock]
      (unless self.closed
        (while (.take self))
        (.close-pipe self))
      (.begin-to-show self)))

  (defn said [self]
    "The last lines, in one; an empty text when nothing was said."
    (with [_ self.lock]
      (.join " / " (gfor  line self.kept  :if (.strip line)  (cut (.strip line) TOLD)))))

  (defn show-all [self]
    "In a thread of the pool."
    (while (setx lines (.take-unshown self))
      (for [line lines]
        (try
          (self.show line)
          (except [e Exception]  ; the user's stream or log handler; more will come
            (log.warning "cannot show what was said: %s" e))))))

  ; The methods below are called with the lock held.

  (defn take [self]
    "Take a piece of what has been said: True if there was one, False at the end, None
    if there is nothing now."
    (try
      (setv piece (os.read (.fileno self.pipe) CHUNK))
      (except [BlockingIOError]
        (return None)))
    (setv [#* lines self.rest] (.split (+ self.rest piece) b"\n"))
    (when (> (len self.rest) LONGEST)
      (.append lines self.rest)
      (setv self.rest b""))
    (.note self lines)
    (bool piece))

  (defn note [self lines]
    (for [line lines
          at (range 0 (max 1 (len line)) LONGEST)]
      (setv text (escaped (.rstrip (str (cut line at (+ at LONGEST)) "utf-8" "replace"))))
      (.append self.kept text)
      (.append self.unshown text)))

  (defn close-pipe [self]
    ; Others may still hold the other end, as a child of the process that has ended.
    (setv self.closed True)
    (when self.rest
      (.note self [self.rest]))
    (unless self.showing
      (.unwatch self.reactor self.pipe))
    (.close self.pipe))

  (defn begin-to-show [self]
    (when (and self.unshown (not self.showing))
      (setv self.showing (.run self.threads self.show-all))
      (when (and self.showing (not self.closed))
        (.unwatch self.reactor self.pipe))))

  ; And this one without.

  (defn take-unshown [self]
    (with [_ self.lock]
      (setv lines (list self.unshown))
      (.clear self.unshown)
      (unless lines
        (setv self.showing False)
        (unless self.closed
          (.watch self.reactor self.pipe select.POLLIN self.hear))))
    lines))
