"What the sessions of this process do to its standard streams, so that what their
remotes print reaches the masters who asked for it.

``sys.stdout`` and ``sys.stderr`` find the task by its thread. While one session has the
process to itself, the descriptors 1 and 2 are its own as well: that is when it is the
only one, in the main thread."

(import
  contextlib [contextmanager]
  logging
  os
  sys
  threading
  dpfw.serve.pipes [Pipes there? wanted?]
  dpfw.serve.printer [Printer]
  dpfw.serve.standard [RecordHandler Stream]
  dpfw.task.whose [note-starts owned stop-noting])
(eval-when-compile (require hyrule.control [unless]))


(setv log (logging.getLogger __name__))


(defclass Capture []
  "There is one in a process."

  (defn __init__ [self]
    (setv
      self.lock (threading.Lock)
      self.sessions {}        ; session -> its `Printer`, or None
      self.streams {}         ; name of what stands in `sys` -> our `Stream`
      self.buffered {}        ; Python's own stream -> was it flushed at each line?
      self.handler (RecordHandler)
      self.pipes None         ; that have the place of the descriptors,
      self.restored []))      ; and those that had it, as far as some are still open

  (defn [contextmanager] captured [self session]
    "Has what the session's remotes print in this thread caught, if its master asks for
    that; gives the `Printer`, or None."
    (setv printer (when (is (.get session.connection.about "output") True)
      (Printer session.connection session.reactor session.shield)))
    (with [_ self.lock]
      (setv (get self.sessions session) printer)
      (.settle self))
    (try
      (with [_ (owned printer)]
        (yield printer))
      (finally
        (with [_ self.lock]
          (.pop self.sessions session)
          (.settle self))
        (when printer
          (.close printer)))))

  (defn close [self reactor]
    "The reactor is about to end: read no pipe any more for child processes that were
    left behind."
    (with [_ self.lock]
      (for [pipes self.restored]
        (when (is pipes.reactor reactor)
          (.close pipes)))
      (.tidy self)))

  (defn forsake [self]
    "In a child process that was forked: what it prints goes the way of the descriptors."
    (for [printer (.values self.sessions)]
      (when printer
        (setv printer.open False)))
    (for [pipes [#* (if self.pipes [self.pipes] [])  #* self.restored]]
      (.forsake pipes))
    (for [stream (.values self.streams)]
      (setv stream.real stream.before))
    (.put-back self)
    (.__init__ self))

  ;; What follows is called with the lock.

  (defn settle [self]
    (setv printers (list (.values self.sessions)))
    (if (any printers)
      (.put-in-place self)
      (.put-back self))
    (setv alone (when (and (= (len printers) 1) (get printers 0)
                           (. (next (iter self.sessions)) guard main))
      (get printers 0)))
    (when (and self.pipes (is-not self.pipes.printer alone))
      (.restore-descriptors self))
    (when (and alone (not self.pipes) (there?) (wanted?))
      (.take-descriptors self alone))
    (.tidy self))

  (defn put-in-place [self]
    (unless self.streams
      (for [name ["stdout" "stderr"]]
        (setv stream (Stream name (getattr sys name))
              (get self.streams name) stream)
        (setattr sys name stream))
      (.addHandler logging.root self.handler)
      (note-starts)))

  (defn put-back [self]
    (for [[name stream] (.items self.streams)]
      (when (is (getattr sys name) stream)
        (setattr sys name stream.before)))
    (.clear self.streams)
    (.removeHandler logging.root self.handler)
    (stop-noting))

  (defn take-descriptors [self printer]
    (try
      (setv self.pipes (Pipes printer))
      (except [e OSError]
        (log.warning "child processes and C code print here, and not at the master: %s" e)
        (return)))
    (for [[name stream] (.items self.streams)]
      (setv file (getattr sys f"__{name}__"))
      ; Some modules keep it, and what they print is to be in order.
      (setv (get self.buffered file) file.line-buffering)
      (.reconfigure file :line-buffering True)
      (when (is stream.before file)
        ; First, so that no other thread's word gets into a pipe.
        (setv stream.real (get self.pipes.saved name))))
    (.take-place self.pipes)
    (setv printer.pipes self.pipes))

  (defn restore-descriptors [self]
    (setv self.pipes.printer.pipes None)
    (with [_ self.pipes.lock]
      (.restore self.pipes)
      ; Before what was saved can be closed.
      (for [stream (.values self.streams)]
        (setv stream.real stream.before)))
    (for [[file buffered] (.items self.buffered)]
      (.reconfigure file :line-buffering buffered))
    (.clear self.buffered)
    (.append self.restored self.pipes)
    (setv self.pipes None))

  (defn tidy [self]
    (setv self.restored (lfor  pipes self.restored  :if pipes.ends  pipes))))


(setv capture (Capture))

(defn forsake []
  (.forsake capture))

(os.register-at-fork :after-in-child forsake)
