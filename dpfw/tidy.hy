#[=[Tracebacks as people are to see them: without dpfw's own frames.

Nobody can take away the frame of a function that an error passes on its way out. So
what users call is wrapped, once, and of all frames of ours that of the wrapper is
left. Where a person sits in front, who shows the error is made to leave out that one,
too.

What must not be left out is where dpfw itself went wrong. An error is meant for the
user if it was raised by a ``raise``, or in code that is not ours. All others stay
as they are.]=]

(import
  functools [wraps]
  inspect [isfunction]
  opcode [opmap]
  os
  sys
  types [TracebackType]
  hy.errors
  dpfw.errors [DpfwError Fault RemoteTraceback])
(eval-when-compile (require hyrule.control [unless]))

(setv
  HERE (os.path.join (os.path.dirname (os.path.abspath __file__)) "")
  RAISE (get opmap "RAISE_VARARGS")
  LONGEST-CHAIN 100)  ; of causes and contexts


(defn ours? [filename]
  (.startswith filename HERE))

(defn frames-of [tb]
  "The links of a traceback, the innermost last."
  (setv links [])
  (while tb
    (.append links tb)
    (setv tb tb.tb-next))
  links)

(defn ours-in? [link]
  (ours? link.tb-frame.f-code.co-filename))

(defn wrapper-in? [link]
  (in link.tb-frame.f-code WRAPPERS))

(defn meant? [error links]
  "Is this for the user, and no accident within dpfw?"
  (setv last (get links -1)
        code last.tb-frame.f-code)
  (or
    (isinstance error KeyboardInterrupt)
    (and (not (isinstance error Fault))
         (or (not (ours-in? last))
             ; Its only accident is that it was called with wrong arguments.
             (wrapper-in? last)
             (= (get code.co-code last.tb-lasti) RAISE)))))

(defn tidied [error]
  "The traceback of an error, without our frames, if the error is meant for the
  user. So are those of what caused it."
  (setv left [error]  seen #{})
  (while (and left (< (len seen) LONGEST-CHAIN))
    (setv e (.pop left))
    (unless (or (is e None) (in (id e) seen))
      (.add seen (id e))
      (.extend left [e.__context__ e.__cause__])
      (tidy-one e)))
  error.__traceback__)

(defn tidy-one [error]
  (setv links (frames-of error.__traceback__)
        hidden? (when links (if (meant? error links) ours-in? wrapper-in?))
        kept (lfor  link links  :if (not (hidden? link))  link))
  (when (< (len kept) (len links))
    (setv tb None)
    (for [link (reversed kept)]
      (setv tb (TracebackType tb link.tb-frame link.tb-lasti link.tb-lineno)))
    (setv error.__traceback__ tb)))


;; What users call

(defn tidy [f * [thin False]]
  "The function, whose errors show one frame of dpfw at most. ``thin``: does it do
  nothing but hand its arguments on?"
  (when thin
    (.add WRAPPERS f.__code__))
  (defn [(wraps f)] call [#* args #** options]
    (try
      (f #* args #** options)
      (except [e BaseException]
        (raise (.with-traceback e (tidied e))))))
  call)

(setv WRAPPERS #{})  ; the code of functions in which nothing can go wrong
(.add WRAPPERS (. (tidy print) __code__))

(defn tidily [generator]
  "Yield what the generator does; its errors show one frame of dpfw at most."
  (try
    (yield :from generator)
    (except [e Exception]
      (raise (.with-traceback e (tidied e))))))

(defn tidy-methods [cls]
  "The class, with its methods wrapped, but for those with underscores around."
  (for [[name f] (list (.items (vars cls)))]
    (when (and (isfunction f) (not (.startswith name "__")))
      (setattr cls name (tidy f))))
  cls)


;; Where a person sits in front

(defn tidy-excepthook []
  "At a prompt, and under ``hy``, have uncaught errors shown without our frames, by
  whoever shows them now. Hy's own excepthook tells neither the members of a group nor
  a cause."
  (setv before sys.excepthook
        hys (is before hy.errors.hy-exc-handler))
  (when (or hys (and (is before sys.__excepthook__) (interactive?)))
    (setv sys.excepthook (fn [cls error tb]
      (tidied error)
      ((if (and hys (hasattr error "exceptions")) sys.__excepthook__ before)
        cls error error.__traceback__)
      (when hys
        (show-cause error))))))

(defn interactive? []
  (or (hasattr sys "ps1") (bool sys.flags.interactive)))

(defn show-cause [error]
  "Before Python 3.11, the remote's traceback is the cause."
  (when (isinstance error.__cause__ RemoteTraceback)
    (print error.__cause__ :file sys.stderr)))

(defn in-ipython [error]
  "What IPython is to show of an error of ours; it asks the exception."
  (import IPython [get-ipython])
  (tidied error)
  (.structured-traceback (. (get-ipython) InteractiveTB) (type error) error error.__traceback__))

(setv DpfwError._render-traceback_ in-ipython)
