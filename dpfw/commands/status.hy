"``dpfw status``: what a slave or a master does, once or on and on."

(import
  contextlib [contextmanager]
  json
  math [isfinite]
  sys
  time
  dpfw.commands.table [as-renderable as-text with-rates]
  dpfw.data.sexp [write-datum]
  dpfw.net.watcher [Watcher])


(defn tell-status [address seconds as-json]
  "Show the status of what listens there, again every so many seconds unless that is None;
  returns the exit status."
  (with [watcher (Watcher #* address)
         show (if as-json (lines) (screen (is-not seconds None)))]
    (setv status None)
    (try
      (while True
        (setv status (with-rates (.ask watcher) status))
        (show status)
        (when (is seconds None)
          (break))
        (time.sleep seconds))
      (except [KeyboardInterrupt]
        ; There is no other end to a watch.
        (when (is seconds None)
          (raise)))))
  0)

(defn [contextmanager] lines []
  (yield (fn [status]
    (print (json.dumps (plain status)) :flush True))))

(defn plain [x]
  "The same, with texts, as of data, for what JSON has not: an end may say more of itself than is
  known here."
  (cond
    (is (type x) dict) (dfor  [key value] (.items x)  (if (is (type key) str) key (write-datum key)) (plain value))
    (is (type x) list) (list (map plain x))
    (or (in (type x) [str int bool (type None)]) (and (is (type x) float) (isfinite x))) x
    True (write-datum x)))

(defn [contextmanager] screen [watch]
  "Gives what shows a status to a person; on a terminal, in the place of the last one."
  (cond
    (not (.isatty sys.stdout))
      (yield (between-blank-lines))
    (not (rich?))
      (yield (if watch on-clear-screen print-text))
    watch (do
      (import rich.live [Live])
      (with [live (Live :auto-refresh False)]
        (yield (fn [status] (.update live (as-renderable status) :refresh True)))))
    True (do
      (import rich)
      (yield (fn [status] (rich.print (as-renderable status)))))))

(defn rich? []
  (try
    (import rich :as _)
    True
    (except [ImportError]
      False)))

(defn print-text [status]
  (print (as-text status) :flush True))

(defn on-clear-screen [status]
  (print "\x1b[H\x1b[2J" :end "")
  (print-text status))

(defn between-blank-lines []
  (setv before False)
  (fn [status]
    (nonlocal before)
    (when before
      (print))
    (setv before True)
    (print-text status)))
