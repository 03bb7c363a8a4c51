"A lint of Hy sources. `findings` tells what is wrong in one, `unused` which names no file uses.

What it looks for beside names are the conventions of this project."

(import
  builtins
  functools [cached-property]
  importlib [import-module]
  re
  tests.lint.names [Names headed? mangled until-name]
  tests.lint.reader [Source])

(setv
  ; Characters of a line, but for those of the texts in it: a message, or a table of data, may
  ; be longer.
  WIDTH 140
  KNOWN (| (set (dir builtins)) (set builtins._hy-macros)
           #{"hy" "None" "True" "False" "..." "__file__" "__name__" "__doc__" "__class__" "__package__" "__spec__"
             ; Since Python 3.11.
             "BaseExceptionGroup" "ExceptionGroup"}))


(defclass File []
  "A Hy source, read and walked through."

  (defn __init__ [self name text]
    (setv
      self.name name
      self.text text
      self.source (Source text)
      self.names (Names self.source.forms KNOWN))
    None)

  (defn [cached-property] findings [self]
    "Pairs of a line and what is wrong there."
    (sorted [#* (imports-and-locals self) #* (unknown self) #* self.names.faults
             #* (definitions self) #* (docstring self) #* (comments self) #* (lines self)])))

(defn findings [name text]
  "What is wrong in a source, as lines of text."
  (try
    (setv file (File name text))
    (except [e SyntaxError]
      (return [f"{name}:{(or e.lineno 1)}: {e.msg}"])))
  (lfor  [line what] file.findings  f"{name}:{line}: {what}"))


;; Names

(defn imports-and-locals [file]
  "What is imported, required or set in a function, and not used. Some of several names that
  are set at once may be of no use."
  (for [definition file.names.definitions]
    (setv [name kind] [(hy.unmangle definition.name) definition.kind])
    (cond
      (or definition.used (.startswith name "_")) None
      (= kind "import") (yield #(definition.line f"{name} is imported and not used; if that is meant, call it _"))
      (= kind "require") (yield #(definition.line f"{name} is required and not used"))
      (and (not-in kind ["parameter" "target"]) (in definition.scope.kind ["function" "block"])
           ; Slaves may be sent it by its name.
           (not-in definition.name file.names.there))
        (yield #(definition.line f"{name} is set and not used"))))
  (for [[kind module line] file.names.stars]
    (when (not (& (star kind module) file.names.mentioned))
      (yield #(line f"nothing of {module} is used")))))

(defn star [kind module]
  "The names that ``(import module *)`` or ``(require module *)`` brings."
  (setv there (import-module (hy.mangle module)))
  (if (= kind "require")
    (set there._hy-macros)
    (set (getattr there "__all__" (vars there)))))

(defn unknown [file]
  (setv known (.union (set) #* (gfor  [kind module _] file.names.stars  (star kind module))))
  (for [[name line] file.names.unknown]
    (when (not-in name known)
      (yield #(line f"{(hy.unmangle name)} is not defined here; a macro needs its (require …)")))))

(defn definitions [file]
  "Functions that hide one of the same name, and tests that pytest does not see."
  (for [names [(functions file.source.forms)
               #* (gfor  form file.source.forms  :if (headed? form "defclass")  (functions form))]]
    (setv seen #{})
    (for [name names]
      (when (in name seen)
        (yield #(name.start-line f"{name} is defined above, which it hides")))
      (.add seen name)
      (when (.startswith (mangled (str name)) "hyx_test")
        (yield #(name.start-line f"pytest sees no test in {name}, which Python calls {(mangled (str name))}"))))))

(defn functions [forms]
  "The names of the functions that are defined by these very forms, but for further ones of a property."
  (for [form forms]
    (when (headed? form "defn")
      (setv [before [name #* _]] (until-name (cut form 1 None)))
      (when (and (isinstance name hy.models.Symbol) (not-in "setter" (str before)))
        (yield name)))))

(defn unused [files elsewhere]
  "What is defined in a file, and used in no file. ``elsewhere`` is the text of all that is not Hy."
  (setv
    named (.union (set (re.findall r"\w+" elsewhere)) #* (gfor  file files  (used-in file)))
    found [])
  (for [file files
        definition file.names.definitions]
    (when (and (= definition.scope.kind "module")
               (in definition.kind ["function" "class" "macro" "variable"])
               (not definition.used)
               (not-in definition.name named)
               (not (re.match "_|test_|hyx_test_|pytest" definition.name)))
      (.append found f"{file.name}:{definition.line}: {(hy.unmangle definition.name)} is used nowhere")))
  found)

(defn used-in [file]
  "Every name that a file mentions, in a text also."
  (.union file.names.mentioned file.names.there
    (sfor
      [[line column] end] file.source.texts
      :if (= line (get end 0))
      word (re.findall r"[\w.!?<>=/*-]+" (cut (get file.source.lines (- line 1)) column (get end 1)))
      part [word #* (.split word ".")]
      :if part
      (mangled part))))


;; Conventions

(defn docstring [file]
  (setv [first] (or (cut file.source.forms 1) [None]))
  (when (not (isinstance first hy.models.String))
    (yield #(1 "says nowhere what the file is for; begin with a docstring"))))

(defn comments [file]
  (for [[line column text] file.source.comments]
    (setv
      [semicolons] (re.findall "^;+" text)
      behind (.strip (cut (get file.source.lines (- line 1)) column)))
    (cond
      (not (re.match r";{1,2}( |$)" text))
        (yield #(line "a comment is `; ` and its text, a heading `;; ` and its text"))
      (and (= semicolons ";;") (or behind (> column 2)))
        (yield #(line "`;;` is for headings, at the margin of a file or a class; `;` for all else")))))

(defn lines [file]
  (setv [#* above last] file.source.lines)
  (when last
    (yield #((len file.source.lines) "the last line has no end")))
  (setv widths (dfor  [n line] (enumerate file.source.lines 1)  n (len line)))
  (for [[[line column] [end end-column]] file.source.texts]
    (if (= line end)
      (-= (get widths line) (- end-column column))
      (for [n (range line (+ end 1))]
        (setv (get widths n) 0))))
  (for [[n line] (enumerate file.source.lines 1)]
    (cond
      (in "\t" line) (yield #(n "has a tab"))
      (!= line (.rstrip line)) (yield #(n "ends in blanks"))
      (> (get widths n) WIDTH) (yield #(n f"has {(get widths n)} characters beside its texts, and may have {WIDTH}")))))
