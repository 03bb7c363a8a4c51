"Definitions for slaves: of forms, texts, functions and files.

A key is the name that is defined, with the word ``macro`` or ``module`` before that of
such a one; or the text of what defines no name, such as an ``import``."

(import
  ast
  collections [namedtuple]
  inspect
  itertools [takewhile]
  sys
  textwrap [dedent]
  tokenize [TokenError]
  types [CodeType FunctionType]
  hy.models [Expression Keyword List Object Sequence Symbol]
  dpfw.dispatch.capture [Luggage along-form macros-for]
  dpfw.dispatch.imports [imports-of-form imports-of-python]
  dpfw.dispatch.macros [macro-forms macros-of module-of]
  dpfw.dispatch.sources [
    NAMELESS NoSource cut-out defined-name form-text own-globals runs? shown-file source-name source-of
    text-of-defn]
  dpfw.errors [UnwritableError]
  dpfw.task.python-maker [python-maker]
  dpfw.task.remote [Datum as-remote])
(eval-when-compile (require hyrule.control [unless]))

(setv
  FUNCTIONS #{"defn" "defclass"}
  PYTHON #(ast.FunctionDef ast.AsyncFunctionDef ast.ClassDef)
  ; What decorates the definition of a function that a program has on its slaves, too.
  DECORATORS #{"define" "dpfw_define"}
  Definition (namedtuple "Definition" [
    "key"
    "remote"     ; defines it
    "needs"      ; keys of what it takes when that is done
    "thing"      ; what it is here: a function or class, or what stands in a file; or None
    ]))


(defn definitions-of [thing there?]
  "The definitions of a quoted form, of those in a text, or of a function or class.
  ``there?`` is as in ``capture``."
  (cond
    (isinstance thing Object) [(of-form thing)]
    (isinstance thing str) (of-text thing)
    (and (callable thing) (isinstance (inspect.unwrap thing) #(FunctionType type)))
      [(or (of-python thing there?) (of-function thing there?))]
    True (raise (TypeError (+ f"{thing !r} cannot be defined on slaves; give a form that defines something, "
      "quoted or as text, a function or a class")))))

(defn of-form [form]
  (check-form form)
  (setv names (names-set form))
  (Definition (key-of form)
    (as-remote (if names
      ; In a function, data need no notation.
      `(fn [dpfw-i dpfw-o] (global ~@names) ~form None)
      `(do ~form (fn [dpfw-i dpfw-o]))))
    (needs-of form) None))

(defn of-text [text]
  (setv lines (.splitlines text True)
        forms (list (hy.read-many text)))
  (for [form forms]
    (check-form form))
  (lfor
    form forms
    :setv key (key-of form)
    (Definition key
      (defining (cut-out lines #(form.start-line form.start-column) #(form.end-line form.end-column))
        f"<{key}>")
      (needs-of form) None)))

(defn check-form [form]
  (unless (and (isinstance form Expression) form)
    (raise (TypeError (+ f"{(hy.repr form)} defines nothing; give a form of Hy that does, such as "
      "(defn f [x] …), or the Python function itself")))))

(defn of-defn [form start end thing procedure local-macros there?]
  "Of a `dpfw-defn` that stands there. The thing is what it has defined here, and the
  procedure does so, too."
  (setv name (defined-name form))
  (of-hy name thing form (text-of-defn form name procedure.__code__.co-filename start end)
    (macros-for form procedure local-macros)
    procedure (Luggage local-macros there?)))

(defn of-function [thing there?]
  (setv name (hy.unmangle thing.__name__)
        function (inspect.unwrap thing))
  (try
    (unless (isinstance function FunctionType)
      (raise (NoSource "its source is no Python; give a quoted (defclass …)")))
    (setv code function.__code__
          its-name code.co-name)
    (when (NAMELESS.match its-name)
      (raise (NoSource "it has no name; give it one")))
    (setv module (module-of function.__globals__)
          macros (macros-of module {})
          source (source-of function its-name code.co-filename (not-in "<locals>" function.__qualname__)
                   (lfor  cell (map source-name code.co-freevars)  :if (!= cell its-name)  cell)
                   module macros))
    (except [e NoSource]
      (raise (UnwritableError f"{name} cannot be defined on slaves: {e}") :from None)))
  (of-hy source.name thing source.form #(source.text source.file)
    (macro-forms source.macros module macros)
    function (Luggage {} there?)))

(defn of-hy [name thing form text-and-file macros function luggage]
  "Of a function, with what it uses of functions and macros around it."
  (setv given (.given luggage function
    (fn [other value] (or (= other name) (.there? luggage other value)))))
  (.take-later luggage)
  (Definition name
    (defining #* text-and-file name macros (when given (along-form luggage given)))
    (frozenset [#* (needs-of form)  #* (gfor  m macros  need (needs-of m)  need)])
    thing))

(defn defining [text file [name None] [macros []] [along None]]
  "A remote that defines what a text does. With macros, or what goes along, it is given
  the name."
  (as-remote `(fn [dpfw-i dpfw-o]
    ((. hy I dpfw/serve/code define)
      ~(Datum #(text file name True (tuple (map form-text macros))))
      ~@(if along [along] [])))))

(defn of-file [file]
  (Definition f"module {file.name}"
    (as-remote `(fn [dpfw-i dpfw-o]
      ((. hy I dpfw/serve/modules receive) ~file.name ~file.text ~file.path ~file.package)))
    (frozenset (gfor  name file.imports  f"module {name}"))
    #(file.text file.path)))


;; Keys, and what is needed

(defn key-of [form]
  (setv head (str (get form 0)))
  (cond
    (in head FUNCTIONS) (or (defined-name form) (form-text form))
    (= head "defmacro") f"macro {(defined-name form)}"
    (names-set form) (.join ", " (map hy.mangle (names-set form)))
    ; Data in it may be others the next time.
    True (. (as-remote form) text)))

(defn names-set [form]
  "The names that a ``setv`` sets; none if it sets anything else."
  (setv targets (when (= (get form 0) 'setv) (cut form 1 None 2)))
  (if (and targets (all (gfor  target targets  (isinstance target Symbol))))
    (list targets)
    []))

(defn needs-of [form]
  "The keys of what a definition may need."
  (frozenset [
    #* (gfor  name (imports-of-form form)  f"module {name}")
    #* (gfor  name (symbols form)  f"macro {name}")
    #* (gfor  part (evaluated-at-once form)  name (symbols part)  name)]))

(defn evaluated-at-once [form]
  "Where a definition names what it takes when it is made."
  (setv head (str (get form 0)))
  (cond
    (= head "defn") (do
      ; Decorators and defaults.
      (setv before (list (takewhile (fn [part] (isinstance part #(List Keyword))) (cut form 1 None)))
            at (+ (len before) 2))
      [#* before
       #* (gfor  parameters (cut form at (+ at 1))  p parameters  :if (isinstance p List)  (get p -1))])
    (= head "defclass") (gfor  part (cut form 1 None)  :if (not (isinstance part Symbol))  part)
    (= head "setv") (cut form 2 None 2)
    True []))

(defn symbols [form]
  (cond
    (isinstance form Symbol) (yield (hy.mangle form))
    (isinstance form Sequence) (for [part form]
      (yield :from (symbols part)))))


;; Python

(defn of-python [thing there?]
  "Of a function or class whose source is Python; None if it is not."
  (setv [text node start file] (or (python-source thing) (return None))
        name thing.__name__
        text (without-own-decorators text node)
        function (inspect.unwrap thing)
        cells (getattr (getattr function "__code__" None) "co_freevars" [])
        local (in "<locals>" function.__qualname__)
        code (python-maker text file name
               (lfor  cell cells  :if (not (and local (= cell name)))  cell) (not local)))
  (unless (runs? code function)
    (raise (UnwritableError (+ f"{name} cannot be defined on slaves: its source in {file} is not what runs "
      "here, or not any more"))))
  (setv names (evaluated-by code)
        luggage (Luggage {} there?)
        given (used-by-python function names luggage))
  (.take-later luggage)
  (Definition name
    (as-remote `(fn [dpfw-i dpfw-o]
      ((. hy I dpfw/serve/code define-in-python)
        ~(Datum #((+ (* "\n" (- start 1)) text) (shown-file file name) name))
        ~(if given (along-form luggage given) '{}))))
    (frozenset [
      #* (gfor  module (imports-of-python node)  f"module {module}")
      #* names])
    thing))

(defn python-source [thing]
  "The text of a definition in Python, its syntax tree, the line and the file where it
  stands; None if it is something else."
  (try
    (setv [lines start] (inspect.getsourcelines thing)
          text (dedent (.join "" lines))
          [node #* others] (. (ast.parse text) body))
    (except [[OSError TypeError ValueError SyntaxError TokenError]]
      (return None)))
  (when (and (isinstance node PYTHON) (= node.name thing.__name__) (not others))
    #(text node start (inspect.getsourcefile (inspect.unwrap thing)))))

(defn evaluated-by [code]
  "The names that this code refers to, without the functions in it."
  (setv names (set (own-globals code)))
  (for [c code.co-consts]
    (when (and (isinstance c CodeType) (not (& c.co-flags inspect.CO-OPTIMIZED)))
      ; Of a class.
      (.update names (evaluated-by c))))
  names)

(defn used-by-python [thing names luggage]
  "The items of what a function uses of those around it, a class in its methods; and of
  these names, which are needed when it is defined."
  (setv functions (if (isinstance thing type)
          (lfor  x (.values (vars thing))  :if (isinstance x FunctionType)  x)
          [thing])
        space (getattr (.get sys.modules thing.__module__) "__dict__" {})
        given {})
  (for [function functions]
    (.update given (.given luggage function (fn [name value]
      (or (in name [thing.__name__ "__class__"]) (.there? luggage name value))))))
  (for [name (sorted names)]
    (when (and (in name space) (not-in name given) (not (.there? luggage name (get space name))))
      (setv (get given name) (.item luggage name (get space name) space))))
  given)

(defn without-own-decorators [text node]
  "The text without those that have it defined here, and those above them, which are
  applied to the function that this gives back."
  (setv lines (.splitlines text True)
        own (lfor  [n decorator] (enumerate node.decorator-list)
              :if (in (get (.split (ast.unparse decorator) ".") -1) DECORATORS)  n))
  (when own
    (for [n (range (- (. (get node.decorator-list 0) lineno) 1)
                   (. (get node.decorator-list (get own -1)) end-lineno))]
      (setv (get lines n) "\n")))
  (.join "" lines))
