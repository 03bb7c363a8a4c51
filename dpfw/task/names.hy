"Python functions by the names under which slaves can import them.

A function travels as the name of its module and its name in there, and so is the
slave's own; no code is sent. A quoted name is one as well."

(import
  functools [partial]
  importlib [import-module]
  operator [attrgetter]
  sys)


(defn names-of [f]
  "The names of the module and in it that lead to this very callable; None if none do. ::

    (import math)
    (names-of math.sqrt)         ; => #(\"math\" \"sqrt\")
    (names-of dict.fromkeys)     ; => #(\"builtins\" \"dict.fromkeys\")
    (names-of (fn [x] x))        ; => None"
  (for [[module-name name] (candidates f)]
    (when (and (is (type module-name) (type name) str) (!= module-name "__main__"))
      (setv module (.get sys.modules module-name)
            there (found-in module name))
      ; What was made by hand has no spec, and nobody else can import it.
      (when (and (getattr module "__spec__" None) (same? there f))
        (return #(module-name name))))))

(defn candidates [f]
  "What may lead to a callable, as it says itself."
  (setv owner (getattr f "__self__" None)
        module (getattr f "__module__" None)
        name (getattr f "__name__" None))
  (when (isinstance owner type)  ; a method of this class, which may have inherited it
    (yield #(owner.__module__ f"{owner.__qualname__}.{name}")))
  (yield #(module (getattr f "__qualname__" None)))
  ; One that is bound to an object of its module, such as `random.choice`.
  (yield #(module name))
  (setv of (getattr f "__objclass__" None))
  (when of  ; a method of a class that is written in C
    (yield #(of.__module__ f"{of.__qualname__}.{name}"))))

(defn found-in [module name]
  (try
    ((attrgetter name) module)
    (except [AttributeError])))

(defn same? [there f]
  ; Methods are bound anew each time that they are asked for.
  (or (is there f)
      (and (hasattr f "__self__") (is (type there) (type f)) (bool (= there f)))))

;; On the slave

(defn named [names]
  "What is meant by the names of a module and in it. Raises `ImportError`."
  (setv [module name] names)
  (try
    ((attrgetter name) (import-module module))
    (except [e [ImportError AttributeError]]
      (raise (ImportError (+
        f"{module}.{name}, which is to be called, cannot be found on this slave: {e}. Its module has to be where "
        "the slave can import it from, such as a directory in its $PYTHONPATH")) :from e))))

(defn bound [f arguments keywords]
  (partial f #* arguments #** keywords))

(defn imported [name]
  "What has this dotted name, of the longest part of it that is a module. ::

    ((imported \"os.path.basename\") \"a/b\")  ; => \"b\""
  (setv parts (.split name "."))
  (for [n (range (- (len parts) 1) 0 -1)]
    (setv module (.join "." (cut parts n)))
    (try
      (return ((attrgetter (.join "." (cut parts n None))) (import-module module)))
      (except [e ModuleNotFoundError]
        ; A part of it is no module; or one that it imports is not there.
        (when (or (= n 1) (not (.startswith f"{module}." f"{e.name}.")))
          (raise e :from None))))))
