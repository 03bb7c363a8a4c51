"Which names a Hy source defines and uses, by its forms alone.

What is quoted is no code of this file, but what `~` puts into it. A name that stands in
a quasiquoted form may be meant for here or for elsewhere: it counts as used, if it is
known here."

(import
  functools [lru-cache]
  hy.models [Expression Keyword List Sequence Symbol])

(setv mangled ((lru-cache None) hy.mangle))


(defclass Scope []
  "Where names are defined: ``kind`` is module, class, function or block."

  (defn __init__ [self kind [outer None]]
    (setv
      self.kind kind
      self.outer outer
      self.defined {}      ; name to `Definition`s
      self.elsewhere #{})  ; names that are global or nonlocal here
    None)

  (defn find [self name]
    "The scope whose name it is, for who stands in this one; None if there is none."
    (setv scope self)
    (while (and scope (or
        (not-in name scope.defined)
        ; Methods do not see the names of their class.
        (and (= scope.kind "class") (is-not scope self))))
      (setv scope scope.outer))
    scope)

  (defn owner [self name]
    "The scope that gets a name which is set here."
    (setv scope self)
    (while (and (= scope.kind "block") (not-in name scope.defined))
      (setv scope scope.outer))
    (if (in name scope.elsewhere)
      (or (.find scope.outer name) scope)
      scope)))

(defclass Definition []
  (defn __init__ [self name kind line]
    (setv
      self.name name
      self.kind kind  ; import, require, function, class, macro, variable, parameter, target
      self.line line
      self.used False)
    None))


(defclass Names []
  "A walk through the forms of a file. Then ``definitions`` are all `Definition`s,
  ``unknown`` has pairs of names and lines, ``mentioned`` every name that is not just
  defined, ``there`` those that stand in quoted forms, ``stars`` what is imported whole,
  and ``faults`` what is wrong with a form by itself, with its line."

  (defn __init__ [self forms known]
    (setv
      self.scope (Scope "module")
      self.line 1
      self.definitions []
      self.uses []
      self.mentioned #{}
      self.there #{}
      self.stars []
      self.faults [])
    (.code self #* forms)
    (.resolve self known))

  (defn resolve [self known]
    (setv self.unknown [])
    (for [[name scope line sure] self.uses]
      (setv there (.find scope name))
      (cond
        there (for [definition (get there.defined name)]
          (setv definition.used True))
        (and sure (not-in name known)) (.append self.unknown #(name line)))))


  ;; Names

  (defn define [self model kind [scope None]]
    (setv
      name (mangled (str model))
      scope (or scope (.owner self.scope name))
      definition (Definition name kind self.line))
    (.append self.definitions definition)
    (setv definition.scope scope)
    (.append (.setdefault scope.defined name []) definition))

  (defn use [self model [sure True]]
    (setv name (mangled (str model))  scope self.scope)
    ; In a block and in a class, a name is known from its definition on; elsewhere, wherever
    ; that stands.
    (while (and (in scope.kind ["block" "class"]) (not-in name scope.defined))
      (setv scope scope.outer))
    (.add self.mentioned name)
    (.append self.uses #(name scope self.line sure)))

  (defn target [self model [kind "variable"] [scope None]]
    "What is set: a name, a list of such, or a place."
    (cond
      (isinstance model Symbol) (.define self model kind scope)
      (isinstance model #(List hy.models.Tuple)) (for [part model]
        (.target self part "target" scope))
      (headed? model "unpack-iterable" "unpack-mapping") (.target self (get model 1) "target" scope)
      (headed? model "annotate") (do
        (.code self (get model 2))
        (.target self (get model 1) kind scope))
      True (.code self model)))


  ;; Forms

  (defn stand [self model]
    ; The parts of a dotted name have no place of their own, which Hy calls line 1.
    (setv line (getattr model "start_line" 1))
    (when (> line 1)
      (setv self.line line)))

  (defn code [self #* models]
    (for [model models]
      (.stand self model)
      (cond
        (isinstance model Symbol) (.use self model)
        (and (isinstance model Expression) model) (.form self model)
        (isinstance model Sequence) (.code self #* model))))

  (defn form [self model]
    (setv [head #* parts] model)
    (cond
      (not (isinstance head Symbol)) (.code self #* model)
      (in head FORMS) (do
        (.use self head False)
        ((get FORMS head) self #* parts))
      True (do
        (setv head.start-line self.line)
        (.code self #* model))))

  (defn inside [self kind walk]
    "Call it in a scope of its own."
    (setv self.scope (Scope kind self.scope))
    (walk)
    (setv self.scope self.scope.outer))

  (defn quoted [self model sure]
    "Names in what is quoted; ``sure`` is false of those that may be meant for here."
    (.stand self model)
    (cond
      (headed? model "unquote" "unquote-splice") (if sure
        (.quoted self (get model 1) sure)
        (.code self (get model 1)))
      (isinstance model Symbol) (if sure
        (.add self.there (mangled (str model)))
        (.use self model False))
      (isinstance model Sequence) (for [part model]
        (.quoted self part sure))))

  (defn attribute [self base #* parts]
    (when (!= base 'None)
      (.code self base))
    (for [part parts]
      (cond
        (isinstance part Symbol) (.add self.mentioned (mangled (str part)))
        (isinstance part Expression) (do
          (.attribute self 'None (get part 0))
          (.code self #* (cut part 1 None)))
        True (.code self part))))

  (defn function [self #* parts]
    (setv [parameters #* body] (lfor  p parts  :if (!= p ':async)  p))
    (.callable self (cut (if (headed? parameters "annotate") (get parameters 1) parameters) None) body))

  (defn named-function [self #* parts]
    (setv [before parts] (until-name parts))
    (.code self #* before)
    (setv [name parameters #* body] parts)
    (.target self name "function")
    (when (in "autouse" (str before))
      (.use self name))
    (when (or (.startswith (str name) "test-") (in "fixture" (str before)))
      ; pytest gives it the fixtures of these names.
      (for [parameter parameters]
        (when (isinstance parameter Symbol)
          (.use self parameter False))))
    (.callable self parameters body))

  (defn macro [self name parameters #* body]
    (.define self name "macro")
    (.callable self parameters body))

  (defn callable [self parameters body]
    (setv names [])
    (for [parameter parameters]
      (when (headed? parameter "annotate")
        (.code self (get parameter 2))
        (setv parameter (get parameter 1)))
      (cond
        (in parameter ['/ '*]) None
        (isinstance parameter List) (do
          (.append names (get parameter 0))
          (.code self (get parameter 1)))
        True (.append names parameter)))
    (.inside self "function" (fn []
      (for [name names]
        (.target self name "parameter" self.scope))
      (.code self #* body))))

  (defn class-form [self #* parts]
    (setv [before parts] (until-name parts)
          [name #* parts] parts)
    (.code self #* before)
    (.target self name "class")
    (when parts
      (.code self (get parts 0)))
    (.inside self "class" (fn []
      (.code self #* (cut parts 1 None)))))

  (defn annotate-form [self target type]
    (.code self type)
    (.target self target))

  (defn setv-form [self #* parts]
    (for [[target value] (pairs parts)]
      (if (= target ':chain)
        (for [one value]
          (.target self one))
        (do
          (.code self value)
          (.target self target)))))

  (defn setx-form [self target value]
    (.code self value)
    ; It may be for its value alone.
    (.target self target))

  (defn let-form [self bindings #* body]
    (.inside self "block" (fn []
      (for [[target value] (pairs bindings)]
        (.code self value)
        (.target self target :scope self.scope))
      (.code self #* body))))

  (defn plet-form [self bindings #* body]
    (for [[_ value] (pairs bindings)]
      (.code self value))
    (.inside self "block" (fn []
      (for [[target _] (pairs bindings)]
        (.target self target :scope self.scope))
      (.code self #* body))))

  (defn clauses [self parts scope]
    "Those of loops and comprehensions."
    (setv parts (iter parts))
    (for [part parts]
      (cond
        (= part ':async) None
        (= part ':setv) (do
          (setv target (next parts))
          (.code self (next parts))
          (.target self target :scope scope))
        (isinstance part Keyword) (.code self (next parts))
        True (do
          (.code self (next parts))
          (.target self part "target" scope)))))

  (defn for-form [self clauses #* body]
    (.clauses self clauses None)
    (.code self #* body))

  (defn comprehension [self last #* parts]
    (.inside self "block" (fn []
      (.clauses self (cut parts (- last)) self.scope)
      (.code self #* (cut parts (- last) None)))))

  (defn pfor-form [self clauses #* body]
    (.inside self "block" (fn []
      (.clauses self clauses self.scope)
      (.code self #* body))))

  (defn with-form [self managers #* body]
    (setv managers (lfor  m managers  :if (!= m ':async)  m))
    (if (= (len managers) 1)
      (.code self #* managers)
      (for [[target value] (pairs managers)]
        (.code self value)
        (.target self target "target")))
    (.code self #* body))

  (defn except-form [self [what None] #* body]
    (setv line self.line)
    (cond
      (or (is what None) (not what)) (.append self.faults #(line
        "catches everything; (except [Exception] …) passes Ctrl-C on, and (except [BaseException] …) says that it means it"))
      (= (len what) 1) (.code self #* what)
      True (do
        (.code self (get what 1))
        (.define self (get what 0) "target")))
    (.code self #* body))

  (defn match-form [self subject #* parts]
    (.code self subject)
    (setv parts (iter parts))
    (for [pattern parts]
      (.pattern self pattern)
      (setv result (next parts))
      (when (= result ':as)
        (.define self (next parts) "target")
        (setv result (next parts)))
      (when (= result ':if)
        (.code self (next parts))
        (setv result (next parts)))
      (.code self result)))

  (defn pattern [self model]
    (cond
      (isinstance model Symbol) (when (not-in model ['_ 'None 'True 'False])
        (.define self model "target"))
      (headed? model "." ) (.code self model)
      (isinstance model Expression) (do
        (.code self (get model 0))
        (for [part (cut model 1 None)]
          (.pattern self part)))
      (isinstance model Sequence) (for [part model]
        (.pattern self part))))

  (defn imports [self kind #* parts]
    (setv parts (list parts))
    (while parts
      (setv module (.pop parts 0)  self.line (getattr module "start_line" self.line))
      (cond
        (= (cut parts 1) [':as]) (do
          (.pop parts 0)
          (.define self (.pop parts 0) kind))
        (and parts (isinstance (get parts 0) List)) (.imported self kind (.pop parts 0))
        (= (cut parts 1) ['*]) (do
          (.pop parts 0)
          (.append self.stars #(kind (dotted module) self.line)))
        (= kind "require") (.append self.faults #(self.line f"(require {(dotted module)}) names no macros"))
        True (.define self (get (.split (dotted module) ".") 0) kind))))

  (defn imported [self kind names]
    (setv names (list names))
    (while names
      (setv name (.pop names 0)  self.line (getattr name "start_line" self.line))
      (.add self.mentioned (mangled (str name)))
      (when (= (cut names 1) [':as])
        (.pop names 0)
        (setv name (.pop names 0)))
      (.define self name kind)))

  (defn declared [self #* names]
    (for [name names]
      (.add self.scope.elsewhere (mangled (str name)))))

  (defn exported [self #* parts]
    (for [[_ names] (pairs parts)]
      (.code self #* names)))
)

(defn headed? [model #* heads]
  (and (isinstance model Expression) model (isinstance (get model 0) Symbol) (in (str (get model 0)) heads)))

(defn pairs [parts]
  (zip (cut parts 0 None 2) (cut parts 1 None 2)))

(defn until-name [parts]
  "What stands before a name, and all from it on."
  (setv n 0)
  (while (not (or (isinstance (get parts n) Symbol) (headed? (get parts n) "annotate")))
    (+= n 1))
  [(lfor  p (cut parts n)  :if (not (isinstance p Keyword))  p) (cut parts n None)])

(defn dotted [model]
  (if (isinstance model Expression)
    (.lstrip (.join "." (gfor  part model  :if (not-in part ['. 'None])  (str part))) ".")
    (str model)))

(setv FORMS {
  '. Names.attribute
  'annotate Names.annotate-form
  'quote (fn [self model] (.quoted self model True))
  'quasiquote (fn [self model] (.quoted self model False))
  'fn Names.function
  'defn Names.named-function
  'dpfw-defn Names.named-function
  'defclass Names.class-form
  'defmacro Names.macro
  'defreader Names.macro
  'let Names.let-form
  'plet Names.plet-form
  'setv Names.setv-form
  'setx Names.setx-form
  'for Names.for-form
  'pfor Names.pfor-form
  'lfor (fn [self #* parts] (.comprehension self 1 #* parts))
  'gfor (fn [self #* parts] (.comprehension self 1 #* parts))
  'sfor (fn [self #* parts] (.comprehension self 1 #* parts))
  'dfor (fn [self #* parts] (.comprehension self 2 #* parts))
  'with Names.with-form
  'except Names.except-form
  'except* Names.except-form
  'match Names.match-form
  'import (fn [self #* parts] (.imports self "import" #* parts))
  'dpfw-import (fn [self #* parts] (.imports self "import" #* parts))
  'require (fn [self #* parts] (.imports self "require" #* parts))
  'dpfw-require (fn [self #* parts] (.imports self "require" #* parts))
  'global Names.declared
  'nonlocal Names.declared
  'export Names.exported
  'py (fn [self #* _])
  'pys (fn [self #* _])
  'pragma (fn [self #* _])})
