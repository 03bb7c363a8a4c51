"What a slave adds to the message of an error that tells of what is not there, and may be
on the master."

(import
  re
  sys
  hy.errors [HyRequireError]
  dpfw.see [see])

(setv
  REMOTES "dpfw.remotes"  ; the module in which remotes are evaluated
  MODULE (re.compile r"No module named '([\w.]+)'")
  PART (re.compile r"cannot import name '(\w+)' from '([\w.]+)'"))


(defn advice-for [error]
  "What to do about this error, to be added to its message; empty if that says all."
  (cond
    (and (is (type error) NameError) error.name (in-remotes? error.__traceback__))
      (name-advice (hy.unmangle error.name))
    (isinstance error #(ImportError HyRequireError))
      (import-advice (str error))
    True ""))

(defn name-advice [name]
  (+ f" on the slave. What this program alone knows goes there, if it is data, as ~{name} in a quasiquoted form; "
     "a function by dpfw-defn, a module by dpfw-import, a macro by dpfw-require, all else by dpfw-define"
     (see "code.md")))

(defn import-advice [text]
  (setv module (.match MODULE text)
        part (.match PART text))
  (cond
    module (module-advice (get module 1))
    ; What a package has not may be a module of it.
    (and part (hasattr (.get sys.modules (get part 2)) "__path__"))
      (module-advice f"{(get part 2)}.{(get part 1)}")
    True ""))

(defn module-advice [name]
  (+ f" on the slave. If {name} is a file of yours, (dpfw-load \"{(.replace name "." "/")}.hy\"), or .py, "
     "sends it there; else it is to be installed there" (see "code.md#files")))

(defn in-remotes? [tb]
  "Was it raised in code of a remote's own?"
  (while (and tb tb.tb-next)
    (setv tb tb.tb-next))
  (and tb (= (.get tb.tb-frame.f-globals "__name__") REMOTES)))
