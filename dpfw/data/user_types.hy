"Types of users: what a named tuple, a dataclass or a member of an enumeration is made
of, and what to do with a value that is no data."

(import
  collections.abc [Iterator Mapping MappingView Sequence Set]
  enum [Enum]
  inspect
  os
  types [FunctionType BuiltinFunctionType MethodType ModuleType]
  dpfw.see [see])

(setv
  CODE #(FunctionType BuiltinFunctionType MethodType ModuleType type)
  ; Types whose subclasses would come back as these.
  BASES [bool int float complex str bytes bytearray list tuple set frozenset dict])


;; What they are made of

(defn parts-of-type [cls]
  "The functions from a value to its parts, and from these to a value; None if the class
  does not tell."
  (cond
    (issubclass cls Enum) #((fn [x] [x.value]) cls)
    (named-tuple? cls) #(list (from-fields cls cls._fields))
    (hasattr cls "__dataclass_fields__") (parts-of-dataclass cls)))

(defn named-tuple? [cls]
  (and (issubclass cls tuple) (hasattr cls "_fields") (hasattr cls "_make")))

(defn parts-of-dataclass [cls]
  "Of one whose fields are the parameters that make it."
  (import dataclasses [fields])
  (setv names (lfor  f (fields cls)  f.name))
  (when (= (parameters cls) (set names))
    #((fn [x] (lfor  name names  (getattr x name)))
      (from-fields cls names))))

(defn parameters [cls]
  (try
    (set (. (inspect.signature cls) parameters))
    (except [[TypeError ValueError]])))

(defn from-fields [cls names]
  "A function that makes a value of so many parts, and no fewer."
  (fn [#* parts]
    (when (!= (len parts) (len names))
      (raise (TypeError f"{cls.__name__} has the fields {(.join ", " names)}")))
    (cls #** (dict (zip names parts)))))


;; What to do with a value that is no data

(defn advice [x]
  (setv cls (type x))
  (cond
    (isinstance x CODE)
      "code is no data; quote it, as in '(fn [x] …), or define it on the slaves, and send its name"
    (isinstance x #(Iterator MappingView))
      "make a list of it: (list x)"
    (is-not (parts-of-type cls) None)
      (registering f"(register-type {cls.__name__})")
    (base cls)
      (+ f"make it what it is based on, ({(. (base cls) __name__)} x), or "
         (registering f"(register-type {cls.__name__} …)"))
    (isinstance x os.PathLike)
      "send its text: (os.fspath x)"
    (isinstance x Mapping)
      "make a dict of it: (dict x)"
    (isinstance x #(Sequence Set))
      "make a list of it: (list x)"
    True
      (registering f"(register-type {cls.__name__} \"{cls.__name__}\" writer reader)")))

(defn base [cls]
  (for [b BASES]
    (when (issubclass cls b)
      (return b))))

(defn registering [call]
  (+ f"let its type be data, on both ends, with {call}, from dpfw.master or dpfw.slave, "
     "or send it by write-object" (see "data.md#types-of-your-own")))
