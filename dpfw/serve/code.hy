"Code that masters define on a slave, and what goes along with the forms of `plet` and
`pfor`.

A *source* is what a master knows of a definition: its text, which stands at the line
and column where it stood there; the file that tracebacks are to name; the name that it
defines, or None; whether that is a variable of its module; and the texts of the macros
that it uses.

What goes along is *items*, by name; functions of a module of the master's see those of
its *space*, and all else as remotes do::

    [\"data\" x]                        a value
    [\"module\" \"os.path\"]              what is to be imported
    [\"attribute\" \"os.path\" \"join\"]    the same, of a module
    [\"variable\" n name]               of the nth space
    [\"source\" n source {name item}]   what a source defines, in the nth space, with what
                                      it uses of functions around it"

(import
  functools [reduce]
  importlib [import-module]
  linecache
  types [FunctionType]
  hy.models [Symbol]
  dpfw.serve.evaluator [Maker]
  dpfw.serve.process [evaluator]
  dpfw.task.python-maker [python-maker])
(eval-when-compile (require hyrule.control [unless]))


;; What `dpfw-defn` and its kin do

(defn define [source [given {}]]
  "Evaluate a source in the module of the remotes, where what it defines stays."
  (setv [text file _ _ macros] source)
  (if (or macros given)
    (made source evaluator.module.__dict__ given)
    (with [_ evaluator.lock]
      (show-lines text file)
      (for [form (.forms evaluator text file)]
        (.eval evaluator form form))))
  None)

(defn define-in-python [source given]
  "The same of a definition in Python: its text, its file and its name."
  (setv [text file name] source)
  (show-lines text file)
  ((FunctionType (python-maker text file name given True) evaluator.module.__dict__) #** given)
  None)


;; What `plet` and `pfor` do

(defn along [variables spaces]
  "What a form was given, by name. ``spaces`` are the variables of the modules in which
  the functions among that were defined; all else they see as remotes do."
  (setv made (lfor  _ spaces  (dict evaluator.module.__dict__)))
  (for [[space items] (zip made spaces)
        [name item] (.items items)]
    (setv (get space name) (thing item made)))
  (things variables made))

(defn thing [item spaces]
  (setv [kind #* parts] item)
  (cond
    (= kind "data") (get parts 0)
    (= kind "module") (import-module (get parts 0))
    (= kind "attribute") (attribute #* parts)
    (= kind "variable") (do
      (setv [n name] parts)
      (get spaces n name))
    (= kind "source") (do
      (setv [n source given] parts)
      (made source (get spaces n) (things given spaces)))))

(defn things [items spaces]
  (dfor  [name item] (.items items)  name (thing item spaces)))

(defn attribute [module path]
  (reduce getattr (.split path ".") (import-module module)))


;; Sources to what they define

(defn made [source space given]
  "What a source defines, in a module with these variables; ``given`` are those of
  functions around it."
  (setv maker (maker-of #* source (tuple given)))
  ((FunctionType maker.code space) #* (.values given)))

(defn maker-of [#* key]
  "What was compiled before, or else now. The evaluator keeps it as it keeps remotes: it
  has the expansions of macros as well."
  (or (when (.same-macros? evaluator)
        (.get evaluator.makers key))
      (with [_ evaluator.lock]
        (compiled key))))

(defn compiled [key]
  (setv [text file name variable macros given] key
        before (.macros-now evaluator)
        [form] (.forms evaluator text file)
        name (when name (Symbol name :from-parser True))
        make (.eval evaluator
          `(fn [~@(lfor  g given  (Symbol g :from-parser True))]
             ~@(map hy.read macros)
             ~@(when variable [`(global ~name)])
             ~form
             ~@(when name [name]))
          form :locals {})
        maker (Maker make #{} :code make.__code__))
  (show-lines text file)
  (.keep evaluator key before maker)
  maker)


;; Lines

(defn show-lines [text file]
  "Let tracebacks show the lines of a text that stands at its place in a file, over what
  is known of that file."
  (setv lines (if (.startswith file "<") [] (list (linecache.getlines file)))
        ours (lines-of text))
  (.extend lines (* ["\n"] (- (len ours) (len lines))))
  (for [[n line] (enumerate ours)]
    (unless (.isspace line)  ; where others may stand
      (setv (get lines n) line)))
  (setv (get linecache.cache file) #((len text) None lines file)))

(defn lines-of [text]
  ; Where a line feed is missing, Python 3.11 puts its carets a column off.
  (lfor  line (.split text "\n")  f"{line}\n"))
