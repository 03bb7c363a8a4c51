"The macros that a form of the program uses, as forms that define them again: those of
the program by their source, those of other modules by `require`."

(import
  sys
  types [ModuleType]
  dpfw.dispatch.sources [NoSource globals-of source-name source-of]
  dpfw.errors [UnwritableError])
(eval-when-compile (require hyrule.control [unless]))


(defn module-of [space]
  "The module that has these variables."
  (setv module (.get sys.modules (.get space "__name__")))
  (if (isinstance module ModuleType)
    module
    (raise (NoSource f"it is of no module that is known, but of {(.get space "__name__")}"))))

(defn macros-of [module local-macros]
  {#** (getattr module "_hy_macros" {})  #** local-macros})

(defn macro-forms [names module macros]
  "Forms that define the macros of these names, each behind those that it needs."
  (setv forms {})
  (defn add [name]
    (unless (in name forms)
      (setv (get forms name) None)  ; it may be its own use
      (setv form (macro-form name (get macros name) module macros add))
      (del (get forms name))
      (setv (get forms name) form)))
  (for [name names]
    (add name))
  (list (.values forms)))

(defn macro-form [name macro module macros add]
  (if (= macro.__module__ module.__name__)
    (definition name macro module macros add)
    (requirement name macro)))

(defn requirement [name macro]
  (setv its-name (hy.unmangle macro.__name__)
        name (hy.unmangle name))
  (hy.read (if (in "." name)
    f"(require {macro.__module__} :as {(get (.rpartition name ".") 0)})"
    f"(require {macro.__module__} [{its-name} :as {name}])")))

(defn definition [name macro module macros add]
  (setv code macro.__code__)
  (try
    (setv source (source-of macro name code.co-filename False
                   (map source-name code.co-freevars) module macros))
    (setv needs (sorted (- (& (globals-of code) (set module.__dict__)) #{"hy"})))
    (when (or needs code.co-freevars)
      (raise (NoSource f"it uses {(hy.unmangle (get [#* needs #* code.co-freevars] 0))} when it is expanded")))
    (except [e NoSource]
      (raise (UnwritableError (+
        f"the macro {(hy.unmangle name)} cannot be sent along: {e}. Put it into a file, and then "
        "(dpfw-load \"file.hy\") and (require file [its-name])")) :from None)))
  (for [other source.macros]
    (add other))
  source.form)
