"Definitions in Python, in a function that has what they use of functions around them: on
the master to look at, and on the slave to be called."

(import
  ast
  types [CodeType])

(defn python-maker [text file name parameters variable]
  "The code of a function with these parameters that evaluates the text of a definition.
  ``variable``: is what it defines, by this name, one of the module?"
  (setv definition (ast.parse text file)
        maker (ast.parse (+ f"def make({(.join ", " parameters)}):\n"
                            (if variable f" global {name}" " pass"))))
  (.extend (. maker body [0] body) definition.body)
  (next (gfor
    constant (. (compile maker file "exec" :dont-inherit True) co-consts)
    :if (isinstance constant CodeType)
    constant)))
