#[=[Runs the examples that docstrings show.

They stand as in hyrule, in blocks that follow a line that ends in ``::``, each
with what it is to give in a comment behind it or below it. ::

    (setv xs [1 2])
    (len xs)      ; => 2
    (lfor  x xs
      (* x 10))
    ; => [10 20]
    (get xs 2)    ; => IndexError

The last one says that the form raises that exception. Forms without ``; =>``
are run for what they do. Blocks without any are not Hy, or not for running,
and are left alone.]=]

(import
  inspect
  itertools [dropwhile takewhile]
  re
  sys
  textwrap [dedent]
  types [ModuleType])

(setv ARROW (re.compile r";+\s*=>"))


(defn docstrings [module]
  "Yield the name and the docstring of the module and of all that it defines."

  (setv seen (set))
  (defn walk [name x]
    (setv text (getattr x "__doc__" None))
    (when (and (isinstance text str) (not-in text seen))
      (.add seen text)
      (yield #(name text)))
    (when (or (is x module) (inspect.isclass x))
      ; Macros first: each is also there as a function with a made-up name.
      (for [[key member] (.items {#** (.get (vars x) "_hy_macros" {})  #** (vars x)})]
        ; A property says nothing of its module, but its getter does.
        (setv member (or (getattr member "fget" None) member))
        (when (= (getattr member "__module__" None) module.__name__)
          (yield :from (walk f"{name} {(hy.unmangle key)}" member))))))
  (walk (hy.unmangle module.__name__) module))


(defn blocks [text]
  "Yield the blocks after ``::`` in a docstring, without their indentation."

  (defn blank [line]
    (not (.strip line)))
  (defn indentation [line]
    (- (len line) (len (.lstrip line))))
  (setv
    lines (.splitlines text)
    ; The first line stands behind the quote: it has no indentation to exceed.
    outer -1)
  (while lines
    (setv line (.pop lines 0))
    (when (.endswith (.rstrip line) "::")
      (setv
        lines (list (dropwhile blank lines))
        inner (if lines (indentation (get lines 0)) 0)
        block (when (> inner outer)
          (list (takewhile
            (fn [x] (or (blank x) (>= (indentation x) inner)))
            lines))))
      (when block
        (setv lines (cut lines (len block) None))
        (yield (dedent (.join "\n" block)))))
    (when lines
      (setv outer (indentation (get lines 0))))))


(defn examples [block]
  "Yield each form in a block with its text, and the text of what it is to give
  or ``None``."

  (setv starts [0])
  (for [line (.splitlines block :keepends True)]
    (.append starts (+ (get starts -1) (len line))))
  (for [form (list (hy.read-many block))]
    (setv
      start (+ (get starts (- form.start-line 1)) form.start-column -1)
      end (+ (get starts (- form.end-line 1)) form.end-column)
      [behind #* below] (lfor  x (.split (cut block end None) "\n")  (.strip x))
      comments (takewhile
        (fn [x] (.startswith x ";"))
        (if behind [behind #* below] below))
      value (list (dropwhile (fn [x] (not (.match ARROW x))) comments))
      wanted (when value
        (.join "\n" [
          (.sub ARROW "" (get value 0) 1)
          #* (gfor  x (cut value 1 None)  (.lstrip x ";"))])))
    (yield #(form (cut block start end) wanted))))


(defn evaluate [form space]
  "Return what a form gives and ``None``, or ``None`` and what it raises."
  (try
    #((hy.eval form :module space) None)
    (except [e Exception]
      #(None e))))


(defn check-example [form wanted space]
  "Return ``None`` if the example holds, otherwise what is wrong with it."

  (setv [got error] (evaluate form space))
  (when (is wanted None)
    (return (when error (repr error))))
  ;; Not hy.read, which leaves out what follows the first form.
  (setv
    [wanted-form] (hy.read-many wanted)
    [value problem] (evaluate wanted-form space))
  (cond
    problem
      f"what is wanted raises {problem !r}"
    error
      (when (not (and (inspect.isclass value) (isinstance error value)))
        (repr error))
    (not (and (is (type got) (type value)) (= got value)))
      (repr got)))


(defn check-docstrings [module]
  #[=[Run the examples in the docstrings of ``module`` and of what it defines:
  functions, macros, classes and their methods. Each docstring's are run in
  order and see the names of the module, what earlier ones of that docstring
  have set, and nothing of the others. ::

    (import textwrap)
    (check-docstrings textwrap)  ; => 0

  Returns the number of forms with ``; =>``. Raises :class:`AssertionError` for
  the first example that does not give what it shows, in value and in type, or
  cannot be read.]=]

  (setv checked 0)
  (for [[name text] (docstrings module)]
    ; A module of its own, and registered, as hy.eval wants.
    (setv space (ModuleType (str (hy.gensym "examples"))))
    (.update space.__dict__ {#** (vars module)  "__name__" space.__name__  "hy" hy})
    (for [macros ["_hy_macros" "_hy_reader_macros"]]
      (setattr space macros (dict (getattr module macros {}))))
    (setv (get sys.modules space.__name__) space)
    (try
      (for [block (blocks text)]
        (when (not (.search ARROW block))
          (continue))
        (for [[form source wanted] (examples block)]
          (setv got (check-example form wanted space))
          (when got
            (raise (AssertionError
              f"docstring of {name}: {source}\n  wanted:{wanted}\n  got:    {got}")))
          (when wanted
            (+= checked 1))))
      ; A ValueError says that there is not one form in a value.
      (except [e [SyntaxError ValueError]]
        (raise
          (AssertionError f"docstring of {name}: an example cannot be read: {e}")
          :from e))
      (finally
        (del (get sys.modules space.__name__)))))
  checked)
