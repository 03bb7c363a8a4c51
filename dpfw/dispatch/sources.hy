"The source of what a program defines in Hy: where it stands, what it refers to, and
whether that is still what runs.

A text that goes to a slave stands at its line and column, behind as many line feeds and
spaces, so that tracebacks there say where it stands here."

(import
  collections [namedtuple]
  dis
  functools [lru-cache]
  linecache
  os
  re
  threading
  types [CodeType]
  weakref [WeakKeyDictionary]
  hy.models [Expression Sequence Symbol]
  dpfw.errors [DpfwError]
  dpfw.task.remote [plain])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; How Hy calls a variable that `let` binds.
  LET (re.compile r"_hy_let_(.+)_\d+")
  ; What it calls a function without a name.
  NAMELESS (re.compile r"<lambda>|_hy_anon_\d+")
  DEFINING #{"defn" "dpfw-defn" "fn" "defclass" "defmacro"}
  ; A call of what a module has is compiled in another way where the module is imported.
  ALIKE {"LOAD_METHOD" "LOAD_ATTR"  "CALL_METHOD" "CALL_FUNCTION"  "PUSH_NULL" None}
  PLAIN #{int float complex str bytes bool tuple}
  known (WeakKeyDictionary)  ; function, class or macro -> its `Source`
  lock (threading.RLock))  ; of that, and since Hy's compiler does not bear one form in two threads


(defclass NoSource [DpfwError LookupError]
  "A definition has no source.")

(defclass ChangedSource [NoSource]
  "What stands there is another definition.")

(setv Source (namedtuple "Source" [
  "form"
  "text"      ; at its place
  "file"      ; as tracebacks are to call it
  "name"      ; that it defines, mangled; None for a `fn`
  "code"      ; of a function that does so: all that it refers to
  "macros"])) ; the names of those that it uses, mangled


;; Texts

(defn cut-out [lines start end]
  "What stands in these lines from one line and column to another, at its place. They
  count from 1, and the last belongs to it. ::

    (cut-out [\"(a b)\\n\" \"(c)\\n\"] #(1 4) #(2 2))  ; => \"   b)\\n(c\""
  (setv [first left] start  [last right] end
        rows (or (list (cut lines (- first 1) last)) [""]))
  (setv (get rows -1) (cut (get rows -1) right))
  (setv (get rows 0) (+ (* " " (- left 1)) (cut (get rows 0) (- left 1) None)))
  (+ (* "\n" (- first 1)) (.join "" rows)))

(defn text-of-form [form name file lines]
  "The text of a form that defines this name, and the file that tracebacks are to tell of.
  The lines are those of the file where it was read."
  (shown (re.sub r"^(\s*)\(dpfw-defn\b" r"\1(defn     "
           (cut-out lines #(form.start-line form.start-column) #(form.end-line form.end-column)))
    form name file))

(defn text-of-defn [form name file start end]
  "The same of a `dpfw-defn`, whose parts stand from ``start`` to ``end`` in the file."
  (setv parts (cut-out (linecache.getlines file) start end)
        text (.lstrip parts)
        space (cut parts (- (len parts) (len text))))
  ; What follows stays in its columns.
  (shown (+ (.removesuffix space "      ") "(defn " text ")") form name file))

(defn shown [text form name file]
  "The user's text, if it is that of the form; else one that is made of it."
  (if (reads-as? text form)
    #(text (shown-file file name))
    #((form-text form) f"<{name}>")))

(defn shown-file [file name]
  ; Everybody has a file `<stdin>`.
  (if (os.path.isfile file)
    (os.path.abspath file)
    f"<{name}>"))

(defn form-text [form]
  (. (plain form) text))

(defn reads-as? [text form]
  (try
    (= (list (hy.read-many text)) [form])
    (except [Exception]  ; of reader macros, or of another text altogether
      False)))


;; Functions, classes, macros

(defn source-of [thing name file variable given module macros]
  "The `Source` of a function, class or macro of this name. ``variable``: is it one of its
  module? ``given`` names those of functions around it that it uses; ``module`` and
  ``macros`` are those with which it was compiled. Raises `NoSource`."
  (with [_ lock]
    (unless (in thing known)
      (setv (get known thing) (search thing name file variable given module macros)))
    (get known thing)))

(defn search [thing name file variable given module macros]
  (setv wanted (unless (NAMELESS.match name) name)
        lines (linecache.getlines file)
        forms (lfor
          form (definitions (.join "" lines) file)
          :if (= (defined-name form) wanted)
          form))
  (for [form forms]
    (try
      (setv [code used] (compiled (definition form wanted variable) given module macros))
      (except [Exception]  ; another one, which has its own surroundings
        (continue)))
    (when (runs? code thing)
      (setv form (defn-form form)
            [text file] (text-of-form form (or wanted "fn") file lines))
      (return (Source form text file wanted code used))))
  (raise (if forms
    (ChangedSource f"its source in {file} is not what runs here, or not any more")
    (NoSource f"its source is not to be found in {file}"))))

(defn [(lru-cache :maxsize 64)] definitions [text file]
  "The forms in a text that define something, within others too."
  (setv found [])
  (defn look [form]
    (when (isinstance form Sequence)
      (when (and (isinstance form Expression) form (in (str (get form 0)) DEFINING))
        (.append found form))
      (for [part form]
        (look part))))
  (try
    (for [form (hy.read-many text :filename file :skip-shebang True)]
      (look form))
    (except [e Exception]
      (raise (NoSource f"its source in {file} cannot be read: {e}") :from e)))
  found)

(defn defined-name [form]
  "What a form defines, mangled; None for a `fn`."
  (unless (= (get form 0) 'fn)
    (for [part (cut form 1 None)]
      (when (headed? part 'annotate)
        (setv part (get part 1)))
      (when (isinstance part Symbol)
        (return (hy.mangle part))))))

(defn headed? [form head]
  (and (isinstance form Expression) (> (len form) 1) (= (get form 0) head)))

(defn defn-form [form]
  (if (= (get form 0) 'dpfw-defn)
    (.replace (Expression ['defn #* (cut form 1 None)]) form)
    form))

(defn definition [form name variable]
  "Forms, of which the last has the value that this one defines."
  (cond
    (= (get form 0) 'fn) [form]
    (= (get form 0) 'defmacro) [`(fn ~@(cut form 2 None))]
    True (do
      (setv name (Symbol name :from-parser True))
      [#* (if variable [`(global ~name)] [])  (defn-form form)  name])))


;; What they are when compiled

(defclass Noted [dict]
  "A dict of macros that notes which are used."

  (defn __init__ [self macros]
    (.__init__ (super) macros)
    (setv self.used []))

  (defn __getitem__ [self name]
    (unless (in name self.used)
      (.append self.used name))
    (.__getitem__ (super) name)))

(defn compiled [forms given module macros]
  "The code of a function with these parameters that evaluates these forms, and the names
  of the macros that it uses."
  (setv noted (Noted macros)
        parameters (lfor  name given  (Symbol name :from-parser True)))
  (with [_ lock]
    (setv procedure (hy.eval `(fn [~@parameters] ~@forms)
      :globals {"hy" hy  "__name__" module.__name__}  :module module  :macros noted)))
  #(procedure.__code__ noted.used))

(defn runs? [code thing]
  "Does a function with this code make such a thing? Of a class, nobody can tell."
  (setv wanted (getattr thing "__code__" None))
  (or (is wanted None)
      (in (gist wanted) (map gist (inner-codes code)))))

(defn inner-codes [code]
  (lfor
    constant code.co-consts
    :if (isinstance constant CodeType)
    c [constant #* (inner-codes constant)]
    c))

(defn gist [code]
  "What a function does, wherever it stands."
  [(list (filter None (gfor
     instruction (dis.get-instructions code)
     (.get ALIKE instruction.opname instruction.opname))))
   (list (map source-name code.co-names))
   (sorted (map source-name code.co-freevars))
   (cut code.co-varnames (+ code.co-argcount code.co-kwonlyargcount))
   (lfor
     constant code.co-consts
     :if (in (type constant) PLAIN)
     :if (not (and (is (type constant) str) (in "<locals>" constant)))
     (repr constant))
   (lfor  c code.co-consts  :if (isinstance c CodeType)  (gist c))])

(defn source-name [name]
  (setv found (LET.fullmatch name))
  (if found (get found 1) name))

(defn globals-of [code]
  "The names of the module's variables that this code refers to."
  (frozenset [#* (own-globals code)
              #* (gfor  c (inner-codes code)  name (own-globals c)  name)]))

(defn [(lru-cache :maxsize 512)] own-globals [code]
  "The same, without the functions in it."
  (frozenset (gfor
    instruction (dis.get-instructions code)
    :if (in instruction.opname ["LOAD_GLOBAL" "LOAD_NAME" "LOAD_FROM_DICT_OR_GLOBALS"])
    :if (not (.startswith instruction.argval "__"))
    instruction.argval)))
