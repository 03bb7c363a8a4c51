"The variables that a form uses, by value: what `plet` and `pfor` send along.

The macros give the code twice: quoted, to be sent, and as a procedure that is
never called. Python's compiler has found out which variables that refers to, so
shadowing, macros and nested functions need no second analysis here."

(import
  dis
  functools [lru-cache]
  re
  types [CodeType]
  dpfw.errors [UnwritableError]
  dpfw.task.remote [Datum])
(eval-when-compile (require hyrule.control [unless]))

;; How Hy calls a variable that `let` binds.
(setv LET (re.compile r"_hy_let_(.+)_\d+"))


(defn with-variables [form procedure]
  "The form, with the variables set that the procedure, made of it, refers to.

  Those of functions and `let` have to be data. Of those of the module, data are
  set; a function or module of that name is the slave's own affair."
  (setv variables {#** (module-variables procedure)  #** (local-variables procedure)})
  (if variables
    `(do
       (setv ~@(gfor  [name datum] (.items variables)  x [(hy.models.Symbol name) datum]  x))
       ~form)
    form))

(defn local-variables [procedure]
  (dfor
    [name cell] (zip procedure.__code__.co-freevars (or procedure.__closure__ []))
    :if (bound? cell)
    (source-name name) (local-datum name cell.cell-contents)))

(defn bound? [cell]
  (try
    cell.cell-contents
    True
    (except [ValueError]
      False)))

(defn local-datum [name value]
  (try
    (Datum value)
    (except [e UnwritableError]
      (raise (UnwritableError (+
        f"the variable {(hy.unmangle (source-name name))} cannot be sent along: {e}. Make such "
        "a thing inside the form, or define it on the slaves, with dpfw-broadcast")) :from None))))

(defn module-variables [procedure]
  (setv space procedure.__globals__  variables {})
  (for [name (globals-of procedure.__code__)]
    (when (in name space)
      (setv value (get space name))
      (if (LET.fullmatch name)
        (setv (get variables (source-name name)) (local-datum name value))
        (try
          (setv (get variables name) (Datum value))
          (except [UnwritableError])))))  ; the slave may have its own
  variables)

(defn [(lru-cache :maxsize 512)] globals-of [code]
  "The names of the module's variables that this code refers to."
  (frozenset [
    #* (gfor
      instruction (dis.get-instructions code)
      :if (in instruction.opname ["LOAD_GLOBAL" "LOAD_NAME"])
      :if (not (.startswith instruction.argval "__"))
      instruction.argval)
    #* (gfor
      constant code.co-consts
      :if (isinstance constant CodeType)
      name (globals-of constant)
      name)]))

(defn source-name [name]
  (setv found (LET.fullmatch name))
  (if found (get found 1) name))
