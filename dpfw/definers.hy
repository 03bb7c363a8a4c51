"Macros that define things here and on every slave of the default master.

::

    (require dpfw.master [dpfw-defn dpfw-import dpfw-require])"

(eval-and-compile
  (defn name-in [parts]
    "The name of the function that a ``defn`` with these parts defines."
    (for [part parts]
      (when (and (isinstance part hy.models.Expression) (= (get part 0) 'annotate))
        (setv part (get part 1)))
      (when (isinstance part hy.models.Symbol)
        (return part)))
    (raise (TypeError "dpfw-defn needs a name and parameters: (dpfw-defn f [x] body …)"))))

(defmacro dpfw-defn [#* parts]
  "Define a function here, and on every slave, present and future, where remotes can call it
  by its name. ::

    (import dpfw.master [dpfw-map])
    (dpfw-defn double [x] (* 2 x))
    (dpfw-map 'double [1 2 3])  ; => [2 4 6]
    (double 4)                  ; => 8

  It takes what ``defn`` does. Of what it uses, the variables of functions and of ``let``
  around it go along, by value, and so do macros. The names of its module are looked up
  when it is called, as here, among what slaves have. Defined again, it replaces what had
  its name.

  A slave that is busy comes to it before its next task. Raises what its definition
  raises, here or on a slave; then slaves have what they had before."
  (setv name (name-in parts)
        [first last] [(get parts 0) (get parts -1)]
        form `(defn ~@parts))
  `(do
     ~form
     (hy.I.dpfw/master.define-there '~form
       #(~first.start-line ~first.start-column) #(~last.end-line ~last.end-column)
       ~name (fn [] ~form ~name) (local-macros))))

(defmacro dpfw-import [#* clauses]
  "Import modules here, and on every slave, present and future, where remotes can use
  their names. ::

    (import dpfw.master [dpfw-map])
    (dpfw-import math [sqrt]  statistics :as stats)
    (dpfw-map '(fn [xs] (sqrt (stats.mean xs))) [[3 5] [8 10]])  ; => [2.0 3.0]

  See `dpfw-load` for modules that only this machine has."
  `(do
     (import ~@clauses)
     (hy.I.dpfw/master.dpfw-define '(import ~@clauses))))

(defmacro dpfw-require [#* clauses]
  "Require macros here, and on every slave, present and future, where remotes can use
  them. ::

    (import dpfw.master [dpfw-map])
    (dpfw-require hyrule.control [unless])
    (dpfw-map '(fn [x] (unless (= x 2) x)) [1 2 3])  ; => [1 None 3]"
  `(do
     (require ~@clauses)
     (hy.I.dpfw/master.dpfw-define '(require ~@clauses))))
