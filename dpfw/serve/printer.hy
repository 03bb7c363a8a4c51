"What the remotes of a session print, line by line, on its way to their master.

::

    print, logging ──┐                      ┌── at once, a few times
                     ├──> lines, in order ──┤── by a timer of the reactor
    pipes ───────────┘                      └── before the task's answer

A remote that prints faster than is sent waits; when nothing at all can be sent, since
the master does not read, what it prints is cut, and a line says so. A cancel comes
through in any case: nobody waits with an interrupt held back."

(import
  collections [deque]
  threading
  time [monotonic sleep]
  dpfw.net.frames [framed]
  dpfw.task.output [LONGEST record-payload text-payload])
(eval-when-compile (require hyrule.control [unless]))

(setv
  EVERY 0.05              ; seconds, in which are sent at most
  MOST-FRAMES 20          ; so many frames,
  MOST-BYTES (* 512 1024) ; and about as many bytes: 10 MB in a second
  ROOM (* 1024 1024)      ; bytes that wait to be sent
  PATIENCE 2              ; seconds in which nothing is sent, before something is cut
  GLANCE 0.01             ; seconds between two looks whether there is room
  MOST-BEGUN 64           ; lines that have not ended, of threads that were left behind
  PROGRESS-EVERY 5        ; seconds between two lines of a progress bar
  LEFT-OUT "left out here, since the master took no more …")


(defclass Printer []
  "Of one session. ``number`` is that of its task that runs, 0 while none does. What
  then comes, from threads and child processes that were left behind, has no task."

  (defn __init__ [self connection reactor shield]
    (setv
      self.connection connection
      self.reactor reactor
      self.shield shield       ; of the session's thread,
      self.thread (threading.get-ident)  ; which this is
      self.pipes None          ; the `Pipes` that are read for it, if any
      self.open True
      ; An RLock: a finaliser may print at any moment.
      self.lock (threading.RLock)
      self.number 0
      self.begun {}            ; number, stream, thread -> the line that has not ended
      self.lines (deque)       ; [number, stream, bytes of whole lines], to be sent,
                               ; or [number, "log", payload]
      self.size 0              ; of them
      self.stirred 0           ; the moment when some of them were sent, or the first came
      self.cutting False
      self.lost {}             ; number and stream -> bytes that were cut
      self.drawn {}            ; number, stream, thread -> when a progress bar was shown
      self.ticking False
      self.window 0            ; the moment from which on count
      self.frames-left 0
      self.bytes-left 0))

  ;; What is printed, by any thread of a remote

  (defn write [self number stream data]
    (when (>= self.size ROOM)
      (.await-room self))
    (setv thread (threading.get-ident))
    (with [_ self.shield]
      (setv pipes self.pipes)  ; another thread may take them away
      (when pipes
        ; What was written there before comes first.
        (.catch-up pipes))
      (with [_ self.lock]
        ; Each thread's lines are whole. What comes out of the pipes counts as the session's
        ; thread's: a child's word may stand in the middle of its parent's line.
        (.add self (.current self number) stream data (if (= thread self.thread) 0 thread)))))

  (defn log [self number #* record]
    (setv payload (record-payload #* record))
    (when (>= self.size ROOM)
      (.await-room self))
    (with [_ self.shield  _ self.lock]
      (setv number (.current self number))
      (if self.cutting
        (.count-lost self number "stderr" payload)
        (do
          (.put self number "log" payload)
          (.send-some self)))))

  (defn take [self stream data]
    "What came out of a pipe."
    (with [_ self.lock]
      (.add self self.number stream data)))

  (defn await-room [self]
    (while (.full self)
      (with [_ self.shield  _ self.lock]
        (.send-some self))
      (when (.full self)
        (sleep GLANCE))))

  (defn full [self]
    "Is there no room, and will there be some?"
    (when (and (>= self.size ROOM) (> (- (monotonic) self.stirred) PATIENCE))
      (setv self.cutting True))
    (and (>= self.size ROOM) (not self.cutting) self.open))

  ;; A task, by the session's thread

  (defn begin [self number]
    (setv pipes self.pipes)
    (when (and pipes pipes.used)
      ; What comes from before is not the task's.
      (.catch-up pipes))
    (setv self.number number))

  (defn finish [self]
    "Send all that the task has printed. From now on, nothing is its."
    (setv pipes self.pipes)
    (when pipes
      (.catch-up-to-end pipes))
    (setv frames #())
    (with [_ self.lock]
      (when (or self.lines self.begun self.lost)
        (setv frames (.last-frames self)))
      (setv self.number 0))
    (for [[number payload] frames]
      (.send self.connection "output" number payload)))

  (defn last-frames [self]
    (for [key (list self.begun)]
      (setv [number stream _] key)
      (when (or (= number self.number) (> (len self.begun) MOST-BEGUN))
        (.put self number stream (.pop self.begun key))))
    (.tell-lost self)
    (.clear self.drawn)
    (setv frames [])
    (while self.lines
      (.append frames (.next-frame self)))
    frames)

  (defn close [self]
    "The session is over. What can be sent at once still is, and no more after that."
    (with [_ self.lock]
      (when self.open
        (setv self.frames-left MOST-FRAMES
              self.bytes-left MOST-BYTES)
        (.send-some self))
      (.give-up self)))

  ;; In the reactor's thread

  (defn tick [self]
    (with [_ self.lock]
      (setv self.ticking False)
      (.send-some self))
    (setv pipes self.pipes)
    (when pipes
      (.go-on pipes)))

  ;; What follows is called with the lock.

  (defn give-up [self]
    (setv self.open False
          self.size 0)
    (.clear self.lines)
    (.clear self.begun))

  (defn current [self number]
    "The number of a task, if that is not over."
    (if (= number self.number) number 0))

  (defn add [self number stream data [thread 0]]
    (setv key #(number stream thread))
    (when self.cutting
      (.count-lost self number stream data)
      (return))
    (unless self.open
      (return))
    (setv data (+ (.pop self.begun key b"") data)
          end (+ (.rfind data b"\n") 1)
          line (cut data end None))
    (when end
      (.put-lines self number stream (cut data end)))
    (when line
      (setv (get self.begun key) (.shortened self key line)))
    (when self.lines
      (.send-some self)))

  (defn shortened [self key line]
    "A line that has not ended, as far as it is worth keeping."
    (when (in b"\r" line)
      (.note-progress self key line)
      (setv line (+ (overwritten line) (if (.endswith line b"\r") b"\r" b""))))
    (if (> (len line) LONGEST)
      (do
        (setv [#* pieces line] (pieces-of line))
        (for [piece pieces]
          (.put self #* (cut key 2) (+ piece b"\n")))
        line)
      line))

  (defn note-progress [self key line]
    "Nobody sees how a bar is drawn; but now and then, that it has grown."
    (setv now (monotonic)
          before (.setdefault self.drawn key now))
    (when (>= (- now before) PROGRESS-EVERY)
      (setv (get self.drawn key) now)
      (.put self #* (cut key 2) (+ (overwritten line) b"\n"))))

  (defn put-lines [self number stream data]
    (if (> (len data) LONGEST)
      (for [piece (pieces-of data)]
        (.put self number stream piece))
      (.put self number stream data)))

  (defn put [self number stream data]
    (if self.lines
      (setv last (get self.lines -1))
      (setv last None
            self.stirred (monotonic)))
    (if (and last (= (cut last 2) [number stream]) (!= stream "log")
             (<= (+ (len (get last 2)) (len data)) LONGEST)
             ; What lacks its end is the last of its task, or a part of a long line.
             (.endswith (get last 2) b"\n"))
      (.extend (get last 2) data)
      (.append self.lines [number stream (if (= stream "log") data (bytearray data))]))
    (+= self.size (len data)))

  (defn count-lost [self number stream data]
    (setv key #(number stream)
          (get self.lost key) (+ (len data) (.get self.lost key 0))))

  (defn tell-lost [self]
    "There is room again."
    (setv self.cutting False
          [lost self.lost] [self.lost {}])
    (for [[[number stream] n] (.items lost)]
      (.put self (.current self number) stream (.encode f"… {n} bytes {LEFT-OUT}\n"))))

  (defn send-some [self]
    "Send what may be sent now, without waiting. The rest is for later."
    (setv now (monotonic))
    (when (>= (- now self.window) EVERY)
      (setv self.window now
            self.frames-left MOST-FRAMES
            self.bytes-left MOST-BYTES))
    (try
      (when self.connection.outbox
        (.flush self.connection))
      (while (and self.lines self.open (not self.connection.outbox)
                  (> self.frames-left 0) (> self.bytes-left 0))
        (setv [number payload] (.next-frame self)
              self.stirred now)
        (-= self.frames-left 1)
        (-= self.bytes-left (len payload))
        (.post self.connection [(framed "output" number payload)]))
      (except [OSError]  ; who receives will see
        (.give-up self)))
    (when (and self.lost (< (* 2 self.size) ROOM))
      (.tell-lost self))
    (when (and (or self.lines self.connection.outbox) self.open (not self.ticking))
      (setv self.ticking True)
      (.call-after self.reactor EVERY self.tick)))

  (defn next-frame [self]
    "The number and the payload of the next frame."
    (setv [number stream data] (.popleft self.lines))
    (-= self.size (len data))
    #(number (if (= stream "log") data (text-payload stream (seen data))))))


(defn pieces-of [data]
  "The data in pieces that are not too long, cut between two lines where that can be."
  (setv at 0  pieces [])
  (while (> (- (len data) at) LONGEST)
    (setv end (+ (.rfind data b"\n" at (+ at LONGEST)) 1))
    (unless end
      (setv end (character-end data (+ at LONGEST))))
    (.append pieces (cut data at end))
    (setv at end))
  [#* pieces (cut data at None)])

(defn character-end [data most]
  "The end of a character there, or before it."
  (for [end (range most (- most 4) -1)]
    (unless (= (& (get data end) 0xc0) 0x80)
      (return end)))
  most)  ; it is no UTF-8

(defn seen [data]
  "The text of lines, as a terminal would leave them."
  (when (in b"\r" data)
    (setv data (.join b"\n" (map overwritten (.split data b"\n")))))
  (str data "utf-8" "backslashreplace"))

(defn overwritten [line]
  "What is seen of a line in which carriage returns go back to its beginning."
  (get (.split (.rstrip line b"\r") b"\r") -1))
