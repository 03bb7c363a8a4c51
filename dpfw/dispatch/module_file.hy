"Files that are to be modules on slaves: under which name, and what their text needs."

(import
  ast
  collections [namedtuple]
  importlib.util [decode-source]
  keyword
  os
  sys
  dpfw.dispatch.imports [imports-of-form imports-of-python])
(eval-when-compile (require hyrule.control [unless]))

(setv
  SUFFIXES [".hy" ".py"]
  ; Modules that a slave itself stands on.
  RESERVED (| sys.stdlib-module-names #{"dpfw" "hy" "hyrule"})
  ModuleFile (namedtuple "ModuleFile" [
    "name" "text" "path"
    "package"     ; is it one?
    "parents"     ; paths of the files of the packages that it is in, the outermost first
    "imports"]))  ; names of the modules that it imports, or may


(defn read-module-file [path]
  "A `ModuleFile`. Raises `OSError` when it cannot be read, `ValueError` when it cannot be
  a module, `SyntaxError`."
  (setv path (os.path.abspath (os.path.expanduser (os.fspath path)))
        [stem suffix] (os.path.splitext (os.path.basename path))
        package (= stem "__init__"))
  (check-path path suffix)
  (setv [names parents] (packages (os.path.dirname path))
        name (.join "." [#* names  #* (if package [] [(hy.mangle stem)])]))
  (check-name name path)
  (setv text (read-text path suffix))
  (ModuleFile name text path package (if package (cut parents -1) parents)
    (frozenset (imports-of text path (if package name (.join "." names))))))

(defn check-path [path suffix]
  (cond
    (os.path.isdir path)
      (raise (IsADirectoryError f"{path} is a folder; load its files, each with a call of its own"))
    (not (os.path.exists path))
      (raise (FileNotFoundError f"there is no file {path}"))
    (not-in suffix SUFFIXES)
      (raise (ValueError f"{path} can be no module: its name must end in .hy or .py"))))

(defn packages [folder]
  "The names of the packages that a folder is in, and their files, the outermost first."
  (setv file (next
    (gfor  suffix SUFFIXES
      :setv file (os.path.join folder f"__init__{suffix}")
      :if (os.path.isfile file)  file)
    None))
  (unless file
    (return #([] [])))
  (setv [names files] (packages (os.path.dirname folder)))
  #([#* names (os.path.basename folder)] [#* files file]))

(defn check-name [name path]
  (for [part (.split name ".")]
    (when (or (not (.isidentifier part)) (keyword.iskeyword part) (.startswith part "hyx_"))
      (raise (ValueError f"{path} can be no module: nobody can import {(hy.unmangle part)}; rename it"))))
  (setv first (get (.split name ".") 0))
  (when (or (in first RESERVED) (= first "__main__"))
    (raise (ValueError (+ f"{path} would be the module {name} on slaves, in the place of "
      "one that they stand on; rename it")))))

(defn read-text [path suffix]
  (with [file (open path "rb")]
    (setv data (.read file)))
  (if (= suffix ".py")
    (decode-source data)
    (.replace (.decode data "utf-8") "\r\n" "\n")))

(defn imports-of [text path package]
  (try
    (if (.endswith path ".py")
      (set (imports-of-python (ast.parse text path) package))
      (sfor  form (forms text path)  name (imports-of-form form package)  name))
    (except [e ImportError]
      (raise (ImportError f"{path}: {e}; a package is a folder with a file __init__.py or __init__.hy")
        :from None))))

(defn forms [text path]
  (setv forms [])
  (try
    (for [form (hy.read-many text :filename path :skip-shebang True)]
      (.append forms form))
    (except [Exception]))  ; with reader macros of its own, it takes a slave to read it
  forms)
