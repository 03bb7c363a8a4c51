"What a form of the program uses, and so goes along with it: for `plet`, `pfor` and
`dpfw-defn`.

The macros give the code twice: quoted, to be sent, and as a procedure that is
never called. Python's compiler has found out which variables that refers to, so
shadowing, macros and nested functions need no second analysis here.

Data go by value, modules and what they have by their names, functions of the program by
their source, with what these use in turn. On the slave, `serve/code` makes the same of
it; it says what an item is."

(import
  inspect
  itertools [takewhile]
  sys
  types [FunctionType ModuleType]
  weakref [WeakKeyDictionary]
  hy.models [Dict Integer List Object String Symbol]
  dpfw.dispatch.macros [macro-forms macros-of module-of]
  dpfw.dispatch.sources [
    ChangedSource LET NoSource compiled form-text globals-of own-globals source-name source-of]
  dpfw.errors [UnwritableError]
  dpfw.see [see]
  dpfw.task.names [names-of]
  dpfw.task.remote [Datum])
(eval-when-compile (require hyrule.control [unless]))

(setv used-macros (WeakKeyDictionary))  ; code -> the names of those that its form uses


(defn nothing? [name value]
  False)

(defn with-variables [form procedure [local-macros {}] [there? nothing?]]
  "The form, with all set and defined that the procedure, made of it, uses. ``there?`` says
  of a name and its value whether slaves have that, too."
  (setv luggage (Luggage local-macros there?)
        variables (.variables-of luggage procedure)
        macros (macros-for form procedure local-macros))
  (cond
    (not (or variables macros))
      form
    (.plain? luggage variables)
      `(do
         ~@(when variables
             [`(setv ~@(gfor  [name item] (.items variables)  x [(symbol name) (.datum luggage item)]  x))])
         ~@macros
         ~form)
    True
      `(do
         (setv dpfw-along ~(along-form luggage variables)
               ~@(gfor  name variables  x [(symbol name) `(get dpfw-along ~(String name))]  x))
         ~@macros
         ~form)))

(defn macros-for [form procedure local-macros]
  "The definitions of the macros that the form of a procedure uses."
  (setv module (module-of procedure.__globals__)
        macros (macros-of module local-macros))
  (unless macros
    (return []))
  (setv names (.get used-macros procedure.__code__))
  (when (is names None)
    (setv names (get (compiled [form] (map source-name procedure.__code__.co-freevars)
                       module macros) 1)
          (get used-macros procedure.__code__) names))
  (macro-forms names module macros))

(defn along-form [luggage variables]
  "A form that gives a slave what goes along, by name."
  `((. hy I dpfw/serve/code along) ~(items-form variables) ~(.spaces-form luggage)))

(defn symbol [name]
  (Symbol name :from-parser True))


(defclass Luggage []
  "The items of all that goes along."

  (defn __init__ [self [local-macros {}] [there? nothing?]]
    (setv
      self.there? there?
      self.local-macros local-macros  ; of the functions around the form
      self.spaces []      ; of each module: its variables, and the items of those that go along
      self.underway []    ; functions of functions whose items are being made
      self.later []))     ; variables that nobody needs before all is there

  (defn variables-of [self procedure]
    "The items of the variables that a procedure of the program uses, by their names."
    (setv space procedure.__globals__
          n (.space-number self space)
          variables (.given self procedure))
    (for [name (sorted (globals-of procedure.__code__))]
      (when (and (not-in name variables) (.take self space name))
        (setv (get variables name) #("variable" n name))))
    (.take-later self)
    variables)

  (defn given [self function [skip? nothing?]]
    "The items of the variables of functions, and of `let`, around this one; ``skip?``
    says of a name and its value whether that is to stay."
    (setv code function.__code__
          space function.__globals__
          values {
            #** (dfor
              [name cell] (zip code.co-freevars (or function.__closure__ []))
              :if (bound? cell)
              name cell.cell-contents)
            #** (dfor
              name (sorted (globals-of code))
              :if (and (LET.fullmatch name) (in name space))
              name (get space name))})
    (dfor
      [name value] (.items values)
      :setv name (source-name name)
      :if (not (skip? name value))
      :setv item (.item self name value space)
      :if item
      name item))

  (defn take [self space name]
    "Have a variable of a module go along; answers whether there is such a one."
    (when (or (not-in name space) (= name "hy") (LET.fullmatch name))
      (return False))
    (setv items (get self.spaces (.space-number self space) 1))
    (unless (in name items)
      (setv (get items name) None)  ; it may be of use to itself
      (setv item (.item self name (get space name) space))
      ; Behind what it needs.
      (del (get items name))
      (unless item
        (return False))
      (setv (get items name) item))
    True)

  (defn take-at-once [self space names]
    "Have these go along, with all that they use: decorators are called at once."
    (setv [later self.later] [self.later (list (gfor  name (sorted names)  #(space name)))])
    (.take-later self)
    (setv self.later later))

  (defn take-later [self]
    (while self.later
      (.take self #* (.pop self.later))))

  (defn space-number [self space]
    (for [[n [other _]] (enumerate self.spaces)]
      (when (is other space)
        (return n)))
    (.append self.spaces [space {}])
    (- (len self.spaces) 1))

  ;; Items

  (defn item [self name value space]
    "The item of what is called so; None if that cannot go, and slaves have it, too."
    (try
      (cond
        (= name "__class__") (raise (NoSource "a class is not itself elsewhere"))
        (isinstance value ModuleType) (module-item value)
        (and (callable value) (not (isinstance value Object))) (.code-item self name value space)
        True #("data" (Datum value)))
      (except [e [NoSource UnwritableError]]
        (unless (.there? self name value)
          (raise (UnwritableError (+
            f"the variable {(hy.unmangle name)} cannot be sent along: {e}. Make such a thing where it "
            "is used, or have it on the slaves, under a name of its own, by dpfw-define"
            (see "code.md#what-plet-and-pfor-send")))
            :from None)))))

  (defn code-item [self name value space]
    (setv place (names-of value)
          ours (= (getattr value "__module__" None) (.get space "__name__")))
    (when (and place (not ours))
      (return #("attribute" #* place)))
    (try
      (.source-item self name value space)
      (except [e NoSource]
        (cond
          (isinstance e ChangedSource) (raise)
          place #("attribute" #* place)
          (isinstance value FunctionType) (raise)
          True #("data" (Datum value))))))  ; of a type that was registered, if any

  (defn source-item [self name value space]
    (setv thing (inspect.unwrap value)
          [its-space its-name file] (origin thing)
          local (in "<locals>" thing.__qualname__)
          cells (if (isinstance thing type) [] thing.__code__.co-freevars)
          module (module-of its-space)
          source (source-of thing its-name file (not local)
                   (lfor  cell (map source-name cells)  :if (!= cell its-name)  cell)
                   module (macros-of module (if local self.local-macros {}))))
    (check-wrapping source value thing
      (and (= source.name name) (or local (is (.get space name) value))))
    (.take-at-once self its-space
      (if (isinstance thing type) (globals-of source.code) (own-globals source.code)))
    (unless (isinstance thing type)
      (.extend self.later (gfor  name (sorted (globals-of thing.__code__))  #(its-space name))))
    #("source"
      (.space-number self its-space)
      (Datum #(source.text source.file source.name (and (bool source.name) (not local))
        (tuple (map form-text (macro-forms source.macros module (macros-of module self.local-macros))))))
      (if (isinstance thing type) {} (.given-once self thing source.name))))

  (defn given-once [self function name]
    (when (in function self.underway)
      (raise (NoSource "it and another function within a function call each other; define them at the top level")))
    (.append self.underway function)
    (try
      (.given self function (fn [other value] (= other name)))
      (finally
        (.pop self.underway))))

  ;; Forms of them

  (defn plain? [self variables]
    "Is all that goes along data?"
    (all (gfor
      items [variables #* (gfor  [_ items] self.spaces  items)]
      [kind #* _] (.values items)
      (in kind ["data" "variable"]))))

  (defn datum [self item]
    (if (= (get item 0) "data")
      (get item 1)
      (do
        (setv [_ n name] item)
        (get self.spaces n 1 name 1))))

  (defn spaces-form [self]
    (List (gfor  [_ items] self.spaces  (items-form items)))))


(defn items-form [items]
  (Dict (gfor  [name item] (.items items)  x [(String name) (item-form item)]  x)))

(defn item-form [item]
  (List (gfor  part item  (cond
    (is (type part) dict) (items-form part)
    (is (type part) str) (String part)
    (is (type part) int) (Integer part)
    True part))))

(defn bound? [cell]
  (try
    cell.cell-contents
    True
    (except [ValueError]
      False)))

(defn module-item [module]
  (when (or (= module.__name__ "__main__") (is-not (.get sys.modules module.__name__) module))
    (raise (NoSource f"no slave can import the module {module.__name__}")))
  #("module" module.__name__))

(defn origin [thing]
  "The module's variables where a function or class was defined, its name there, and its file."
  (cond
    (isinstance thing FunctionType)
      #(thing.__globals__ thing.__code__.co-name thing.__code__.co-filename)
    (and (isinstance thing type) (in "<locals>" thing.__qualname__))
      (raise (NoSource "it is a class that was defined within a function"))
    (isinstance thing type) (do
      (setv module (.get sys.modules thing.__module__)
            codes (gfor  x (.values (vars thing))  :if (isinstance x FunctionType)  x.__code__.co-filename)
            file (or (next codes None) (getattr module "__file__" None)))
      (unless file
        (raise (NoSource "nobody can tell in what file it stands")))
      #((vars module) thing.__name__ file))
    True
      (raise (NoSource f"it is of type {(. (type thing) __name__)}, which has no source"))))

(defn check-wrapping [source value thing its-own]
  "What is made of a form that has decorators is what they made; of one that has none,
  what they would make."
  (setv decorated (any (gfor  part (takewhile
    (fn [part] (not (isinstance part Symbol))) (cut source.form 1 None))  (isinstance part List))))
  (when (and source.name (if (is value thing) (and decorated (not its-own)) (not (and decorated its-own))))
    (raise (NoSource "it is wrapped, and not by the decorators of its definition"))))
