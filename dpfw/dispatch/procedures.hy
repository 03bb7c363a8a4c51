"The procedures that the calls over collections are given: forms, texts, names, functions."

(import
  hy.pyops
  hy.models [Expression Object String Symbol]
  dpfw.task.remote [OwnLine function? function-form])

(setv OPERATORS (frozenset (map hy.unmangle hy.pyops.__all__)))


(defn procedure-form [f [arity None]]
  "The form of a procedure, which was given as such, as text, or as a Python function, and
  which will be called with so many arguments, if that is known."
  (setv form (quoted f))
  (cond
    (and (isinstance form Symbol) (in (str form) OPERATORS))
      `((. hy I dpfw/task/operators operator-named) ~(String form) ~arity)
    (dotted? form)
      ; It may be a name that the slave knows, such as one of a module with another name.
      `(try
         ~form
         (except [NameError]
           ((. hy I dpfw/task/names imported) ~(String (.join "." (map hy.mangle (cut form 1 None)))))))
    True
      form))

(defn quoted [f]
  (cond
    (isinstance f Object)
      f
    (is (type f) OwnLine)
      f.form
    (isinstance f str) (do
      (setv forms (list (hy.read-many f :filename "<procedure>")))
      (when (!= (len forms) 1)
        (raise (SyntaxError f"the procedure has {(len forms)} forms; give one, such as (fn [x] …)")))
      (get forms 0))
    (function? f)
      (function-form "the procedure" f "(fn [x] …)")
    True
      (raise (TypeError
        f"the procedure is {f !r}, which cannot be sent; quote it, as in '(fn [x] …) or 'math.sqrt"))))

(defn dotted? [form]
  (and (isinstance form Expression) (> (len form) 2) (= (get form 0) '.)
       (all (gfor  part form  (isinstance part Symbol)))
       (!= (get form 1) 'None)))
