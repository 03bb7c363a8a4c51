"What a process says on its standard error: each line is shown, and the last are kept.

The reactor reads; a thread of the pool shows, since that may wait, and nothing more is
read meanwhile. So who says more than can be shown has to wait."

(import
  collections [deque]
  itertools [takewhile]
  logging
  os
  re
  select
  threading
  dpfw.task.failure [escaped])
(eval-when-compile (require hyrule.control [unless]))

(setv
  log (logging.getLogger __name__)
  KEPT 100       ; lines, room for what a crash says of one thread
  LAST 8         ; of those, if it is no crash
  TOLD 400       ; characters of each, when they are told
  LONGEST 2000   ; bytes of a line; what is longer counts as several
  CHUNK 65536    ; bytes
  AT-ONCE 4      ; chunks; more than a pipe holds of what a dead process has said
  FATAL (re.compile "Fatal Python error: ")
  THREAD (re.compile "(Current thread|Stack) ")
  FRAME (re.compile " +File \"")
  REMOTE (re.compile " +File \"<remote ")
  MOST-FRAMES 12)  ; where no remote runs


(defclass LastWords []
  "The lines that come out of a pipe, which this owns. ``show`` is called with each, a
  text without its end, in order, in threads of the node's pool. What is kept has its
  control characters escaped."

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

  (defn add [self data]
    "What was said in another way, in whole lines."
    (with [_ self.lock]
      (.note self (.splitlines data))
      (.begin-to-show self)))

  (defn close [self]
    "Take the last of it, and listen no more. Idempotent."
    (with [_ self.lock]
      (unless self.closed
        ; A child of the process that has ended may say more for ever.
        (for [_ (range AT-ONCE)]
          (unless (.take self)
            (break)))
        (.close-pipe self))
      (.begin-to-show self)))

  (defn excerpt [self]
    (telling (.lines self)))

  (defn said [self]
    (in-one-line (.excerpt self)))

  (defn lines [self]
    (with [_ self.lock]
      (lfor  line self.kept  :if (.strip line)  (cut line TOLD))))

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
    (setv [lines self.rest] (whole-lines (+ self.rest piece)))
    (.note self lines)
    (bool piece))

  (defn note [self lines]
    (for [line lines
          at (range 0 (max 1 (len line)) LONGEST)]
      (setv text (.rstrip (str (cut line at (+ at LONGEST)) "utf-8" "replace")))
      (.append self.kept (escaped text))
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
      (setv self.showing (.run-late self.threads self.show-all))
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


(defn telling [lines]
  "The lines that tell most: those of a crash, or else the last."
  (setv crash (last-such lines FATAL))
  (if (is crash None)
    (cut lines (- LAST) None)
    [(get lines crash) #* (crashed-thread (cut lines (+ crash 1) None))]))

(defn in-one-line [lines]
  "An empty text when nothing was said."
  (.join " / " (map str.strip lines)))


(defn whole-lines [data]
  "The lines in these bytes that have ended, and the beginning of the next. One that is
  too long ends here."
  (setv [#* lines rest] (.split data b"\n"))
  (if (> (len rest) LONGEST)
    [[#* lines rest] b""]
    [lines rest]))


;; What faulthandler says of a crash: the stack of the thread that crashed, among others,
;; the innermost frame first. Below the remote's are those of what runs remotes.

(defn crashed-thread [lines]
  (setv start (last-such lines THREAD)
        frames (list (takewhile FRAME.match (cut lines (if (is start None) 0 (+ start 1)) None)))
        remote (last-such frames REMOTE))
  (cut frames (if (is remote None) MOST-FRAMES (+ remote 1))))

(defn last-such [lines pattern]
  "The number of the last line that begins so, or None."
  (next (gfor  n (reversed (range (len lines)))  :if (.match pattern (get lines n))  n) None))
