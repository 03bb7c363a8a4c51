"docs/design.md lists the rooms of dpfw as they are, in an order in which each
imports only from those above it."

(import
  pathlib [Path]
  re
  pytest)

(setv
  ROOT (. (Path __file__) parent parent)
  LISTED (re.findall r"^\| `([\w/]+\.hy)` \|" (.read-text (/ ROOT "docs" "design.md")) re.M))

(defn module-name [file]
  (.replace (.removesuffix file ".hy") "/" "."))

(setv FLOORS #{"dpfw"  #* (gfor  file LISTED  :if (in "/" file)  (+ "dpfw." (get (.split file "/") 0)))})

(defn imported [model]
  "The names of dpfw's files that a form imports or requires, anywhere in it."
  (when (isinstance model hy.models.Sequence)
    (when (and model (in (get model 0) ['import 'require]))
      (yield :from (imports-of (cut model 1 None))))
    (for [part model]
      (yield :from (imported part)))))

(defn imports-of [clauses]
  (for [[clause after] (zip clauses [#* (cut clauses 1 None) None])]
    (setv name (dotted clause))
    (cond
      (in name FLOORS) (for [x after]
        (when (isinstance x hy.models.Symbol)
          (yield (hy.mangle (.removeprefix f"{name}.{x}" "dpfw.")))))
      (.startswith name "dpfw.") (yield (hy.mangle (cut name 5 None))))))

(defn dotted [model]
  "The dotted name that a model is, as text; otherwise an empty text."
  (cond
    (isinstance model hy.models.Symbol) (str model)
    (and (isinstance model hy.models.Expression) (= (get model 0) '.))
      (.join "." (map str (cut model 1 None)))
    True ""))

(defn test-design-lists-every-file []
  (setv there (sfor
    path (.rglob (/ ROOT "dpfw") "*.hy")
    :if (!= path.name "__init__.hy")
    (.as-posix (.relative-to path (/ ROOT "dpfw")))))
  (assert (= (sorted LISTED) (sorted there))
    f"not there: {(- (set LISTED) there)}; not listed: {(- there (set LISTED))}"))

(defn [(pytest.mark.parametrize "file" LISTED)] test-file-imports-only-from-those-above-it [file]
  (setv
    above (sfor  f (cut LISTED (.index LISTED file))  (module-name f))
    source (.read-text (/ ROOT "dpfw" file))
    names (sfor  form (hy.read-many source)  name (imported form)  name)
    ; A file that is also a program imports itself.
    below (- names above #{(module-name file)}))
  (assert (not below) f"{file} imports {below}, which stand below it"))

(defn test-imports-are-found []
  "The check above is no better than what it finds."
  (setv forms (hy.read-many "(import os dpfw.errors [A] dpfw [srfi-69] dpfw.net [tls]) (defn f [] (import dpfw.net.wire :as w))"))
  (setv found (lfor  form forms  name (imported form)  name))
  (assert (= found ["errors" "srfi_69" "net.tls" "net.wire"]) f"{found}"))
