"The garbage collector, while many objects are made and none of them is garbage."

(import
  contextlib [contextmanager]
  gc
  os
  threading)
(eval-when-compile (require hyrule.control [unless]))

(setv
  lock (threading.Lock)
  paused-in (set)    ; the threads that have it paused
  collecting False)  ; was it on before?

(defn [contextmanager] no-collection []
  "Within it, no thread looks for cycles: a look goes through all objects that were
  made lately, and they are many. ::

    (import gc)
    (with [_ (no-collection)]
      (gc.isenabled))  ; => False"
  (try
    (pause (threading.get-ident))
    (yield)
    (finally
      (resume (threading.get-ident)))))

; An interrupt may come in between, so each thread counts once: what one has left
; paused, its next one resumes.

(defn pause [thread]
  (global collecting)
  (with [_ lock]
    (unless paused-in
      (setv collecting (gc.isenabled)))
    (.add paused-in thread)
    (gc.disable)))

(defn resume [thread]
  (with [_ lock]
    (.discard paused-in thread)
    (when (and collecting (not paused-in))
      (gc.enable))))

(defn resume-in-fork []
  (global lock)
  (setv lock (threading.Lock))
  (for [thread (list paused-in)]
    (resume thread)))

(os.register-at-fork :after-in-child resume-in-fork)
