"Whose output a thread's is: that of the task whose remote runs there, or has started it.

Python's threads do not know who started them. So, while anybody wants to know, this
notes it when one starts."

(import
  contextlib [contextmanager]
  threading)
(eval-when-compile (require hyrule.control [unless]))

(setv start-thread None)  ; what ours has taken the place of


(defn whose []
  "The printer that this thread's output is for, and the number of its task; None if
  this thread is no remote's."
  (setv owner (getattr (threading.current-thread) "dpfw_owner" None))
  (when owner
    (setv [printer number] owner)
    (when (is number None)  ; the session's own thread, which has one task after the other
      (setv number printer.number))
    (when (and printer.open (or number (get owner 1)))
      #(printer number))))

(defn [contextmanager] owned [printer]
  "Meanwhile, this thread runs the remotes whose output is for this printer; or nobody's,
  whoever started it, if it is None."
  (setv thread (threading.current-thread)
        before (getattr thread "dpfw_owner" None)
        thread.dpfw-owner (when printer #(printer None)))
  (try
    (yield)
    (finally
      (setv thread.dpfw-owner before))))

(defn note-starts []
  "From now on, a thread that starts is its starter's."
  (global start-thread)
  (unless (is threading.Thread.start start-owned)
    (setv start-thread threading.Thread.start
          threading.Thread.start start-owned)))

(defn start-owned [thread]
  (setv owner (whose))
  (when owner
    (setv thread.dpfw-owner owner))
  (start-thread thread))

(defn stop-noting []
  ; Unless somebody has put something on top, which calls ours.
  (when (is threading.Thread.start start-owned)
    (setv threading.Thread.start start-thread)))
