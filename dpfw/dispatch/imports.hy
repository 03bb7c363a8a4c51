"Which modules code imports, or requires macros from, by its text alone."

(import
  ast
  importlib.util [resolve-name]
  hy.models [Expression Keyword List Sequence Symbol])


(defn imports-of-form [form [package ""]]
  "The names of the modules that a form imports, anywhere in it, and of what may be a
  module of theirs. ::

    (sorted (imports-of-form '(fn [] (import a.b [c] os :as d))))
    ; => [\"a.b\" \"a.b.c\" \"os\"]"
  (when (isinstance form Sequence)
    (when (and (isinstance form Expression) form (in (get form 0) ['import 'require]))
      (yield :from (imports-of-clauses (cut form 1 None) package)))
    (for [part form]
      (yield :from (imports-of-form part package)))))

(defn imports-of-clauses [parts package]
  (setv module None  skip False)
  (for [part parts]
    (cond
      skip (setv skip False)
      (isinstance part Keyword) (setv skip (= part :as))
      (isinstance part List) (for [name part]
        (when (and module (isinstance name Symbol))
          (yield f"{module}.{(hy.mangle name)}")))
      (not-in part ['* '_]) (do
        (setv module (absolute (dotted part) package))
        (yield module)))))

(defn dotted [model]
  "The name of a module, as text, with the dots before it."
  (cond
    (isinstance model Symbol)
      (if (.strip (str model) ".") (hy.mangle model) (str model))
    (and (isinstance model Expression) (> (len model) 1)
         (all (gfor  part model  (isinstance part Symbol)))) (do
      (setv [dots #* names] model)
      (if (= (get names 0) 'None)
        (+ (str dots) (.join "." (map hy.mangle (cut names 1 None))))
        (.join "." (map hy.mangle names))))
    True ""))

(defn imports-of-python [tree [package ""]]
  "The same of the syntax tree of Python code. ::

    (import ast)
    (sorted (imports-of-python (ast.parse \"import os\\nfrom .a import b\") \"p\"))
    ; => [\"os\" \"p.a\" \"p.a.b\"]"
  (for [node (ast.walk tree)]
    (cond
      (isinstance node ast.Import)
        (for [alias node.names]
          (yield alias.name))
      (isinstance node ast.ImportFrom) (do
        (setv module (absolute (+ (* "." node.level) (or node.module "")) package))
        (yield module)
        (for [alias node.names]
          (yield f"{module}.{alias.name}"))))))

(defn absolute [name package]
  (try
    (resolve-name name package)
    (except [ImportError]
      (raise (ImportError f"{name} is to be imported, and there is no package that it could be of") :from None))))
