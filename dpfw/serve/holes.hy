"Where a value beside a remote may be called for, and nobody can tell.

A hole such as ``(value$0)`` means what the value's text would mean in its place.
Most code cannot tell a call from a literal: then the remote is compiled once,
and gets one value after the other. But a macro, `match` or `quote` sees the
code itself. So a hole can be a call only where all of this holds, and is opaque
elsewhere:

- from the top of the remote down to it, there are calls, brackets, and the
  special forms below, in the places of them that are evaluated for a value;
- no macro of the user's, and nothing that may define one, comes before it;
- no `locals`, `eval` or the like stands in a function around it.

What comes before is what Hy compiles before, which is not always what stands to
the left.

A hole is called once for each task if no loop, comprehension or further function
stands around it, and it stands nowhere else."

(import
  builtins
  hy.models [Dict Expression Keyword List Sequence Set Symbol Tuple]
  dpfw.task.remote [HOLE hole-name])
(eval-when-compile (require hyrule.control [unless]))

(setv
  DEFINING #{"defmacro" "defreader" "require" "eval_when_compile" "eval_and_compile" "do_mac"}
  NOSY #{"locals" "vars" "dir" "eval" "exec" "py" "pys"}
  ; What Hy's own macros expand to can be a macro of the user's.
  EXPANSIONS {
    "when" ["if" "do"]  "cond" ["if"]  "let" ["do"]
    "+=" ["+"]  "-=" ["+"]  "<<=" ["+"]  ">>=" ["+"]  "*=" ["*"]  "/=" ["*"]  "//=" ["*"]
    "**=" ["**"]  "|=" ["|"]  "&=" ["&"]  "@=" ["@"]}
  ; With one operand, they are that operand.
  TRANSPARENT ["*" "|" "&" "@" "and" "or"]
  BRACKETS #(List Tuple Set Dict))


(defn hole-number [x]
  "The number of a hole; None if it is something else."
  (when (and (isinstance x Expression) (= (len x) 1) (isinstance (get x 0) Symbol))
    (setv found (.fullmatch HOLE f"({(get x 0)})"))
    (when found
      (int (get found 1)))))

(defn find-holes [form macros]
  "The numbers of the holes in a remote that cannot be calls, and of those that are
  surely called once, as sets. ``macros`` are the mangled names of those that are not
  Hy's own."
  (setv search (Search macros))
  (.look search form True)
  #(search.opaque (- search.once search.opaque)))


(defclass Search []
  "Goes through a form in the order in which Hy compiles it."

  (defn __init__ [self macros]
    (setv
      self.macros macros
      self.defined False      ; may a macro be there that was not there before?
      self.functions [(set)]  ; the holes in each function around this place
      self.nosy [False]       ; does it look at its variables?
      self.repeats 0          ; loops and inner functions around this place
      self.met (set)
      self.once (set)
      self.opaque (set)))

  (defn look [self x evaluated]
    "``evaluated``: is it in a place where all that counts is its value?"
    (setv n (hole-number x))
    (cond
      (is-not n None) (.look-at-hole self n evaluated)
      (isinstance x Symbol) (.look-at-name self (hy.mangle x))
      (isinstance x Expression) (.look-at-expression self x evaluated)
      (isinstance x Sequence) (for [part x]
        (.look self part (and evaluated (isinstance x BRACKETS))))))

  (defn look-at-hole [self n evaluated]
    (if (or self.repeats (in n self.met))
      (.discard self.once n)
      (.add self.once n))
    (.add self.met n)
    (.add (get self.functions -1) n)
    (when (or self.defined (not evaluated) (in (hy.mangle (hole-name n)) self.macros))
      (.add self.opaque n)))

  (defn look-at-name [self name]
    (when (or (in name self.macros) (in name DEFINING))
      (setv self.defined True))
    (when (in name NOSY)
      (setv (get self.nosy -1) True)))

  (defn look-at-expression [self x evaluated]
    (when (dotted? x)
      (.look-at-dotted self x))
    (setv [head #* parts] (or x [None])
          shape (when evaluated (shape-of head)))
    (.look self head evaluated)
    (when (isinstance head Symbol)
      (for [name (.get EXPANSIONS (str head) [])]
        (.look-at-name self (hy.mangle name))))
    ((or shape all-hidden) self parts))

  (defn look-at-dotted [self x]
    (setv names (list (map hy.mangle (cut x 1 None))))
    (when (= (cut names 2) ["hy" "R"])
      (setv self.defined True))
    ; A macro that was required with its module's name before it.
    (.look-at-name self (.join "." names)))

  (defn look-repeated [self shape #* arguments]
    (+= self.repeats 1)
    (shape self #* arguments)
    (-= self.repeats 1))

  (defn look-in-function [self parameters body]
    (if (> (len self.functions) 1)
      (.look-repeated self Search.look-in-body parameters body)
      (.look-in-body self parameters body)))

  (defn look-in-body [self parameters body]
    (.append self.functions (set))
    (.append self.nosy False)
    (.look self parameters False)
    (statements self body)
    (setv inside (.pop self.functions))
    (when (.pop self.nosy)
      (.update self.opaque inside))
    (.update (get self.functions -1) inside)))


(defn dotted? [x]
  (and (> (len x) 2) (= (get x 0) '.) (all (gfor  part x  (isinstance part Symbol)))))

(defn headed? [x heads]
  (and (isinstance x Expression) x (in (str (get x 0)) heads)))

(defn shape-of [head]
  "How to look at what follows this head."
  (cond
    (not (isinstance head Symbol))
      (when (isinstance head #(Expression Keyword)) in-some-order)
    (in (hy.mangle head) builtins._hy_macros)
      (.get SHAPES (str head))
    True
      all-evaluated))


;; Shapes: which parts of a form are evaluated for their value

(defn all-evaluated [search parts]
  (for [part parts]
    (.look search part True)))

(defn in-some-order [search parts]
  "Evaluated, but not from left to right."
  (setv defined search.defined)
  (all-evaluated search parts)
  (when (!= search.defined defined)
    (all-hidden search parts)))

(defn all-hidden [search parts]
  (for [part parts]
    (.look search part False)))

(defn statements [search parts [value True]]
  "Only the last gives a value, if any does."
  (for [[n part] (enumerate parts 1)]
    (if (and value (= n (len parts)))
      (.look search part True)
      (statement search part))))

(defn statement [search x]
  "A hole that is a statement has no effect, but the first string of a function
  would be its docstring."
  (cond
    (headed? x ["do" "let"])
      (block search x)
    (and (headed? x TRANSPARENT) (= (len x) 2))
      (.look search x False)
    True
      (.look search x (is (hole-number x) None))))

(defn block [search form]
  "Statements among statements."
  (setv [head #* parts] form)
  (.look search head False)
  ((if (= head 'do) statements (bracketed in-turn)) search parts False))

(defn in-turn [search parts]
  "A target, then its value, and so on. Before a target may be a keyword."
  (setv target True)
  (for [part parts]
    (.look search part (not target))
    (unless (and target (in part [:chain :async]))
      (setv target (not target)))))

(defn first-hidden [search parts]
  (all-hidden search (cut parts 1))
  (in-some-order search (cut parts 1 None)))

(defn clauses [search parts]
  "Of a loop: targets and what they go through, ``:if``, ``:setv``, ``:do``."
  (setv rest (iter parts))
  (for [part rest]
    (unless (in part [:if :do])
      (.look search (if (in part [:setv :async]) (next rest None) part) False))
    (.look search (next rest None) True)))

(defn bracketed [shape]
  "A list of this shape, then statements."
  (fn [search parts [value True]]
    (setv [head #* body] (or parts [None]))
    (if (isinstance head List)
      (do
        (shape search head)
        (statements search body value))
      (all-hidden search parts))))

(defn resources [search parts]
  (setv alone (if (in :async (cut parts 1)) 2 1))
  ((if (= (len parts) alone) all-evaluated in-turn) search parts))

(defn for-loop [search parts]
  "Its ``else`` is compiled before its body."
  (when (headed? (get (or parts [None]) -1) ["else"])
    (.look search (get parts -1) False))
  ((bracketed clauses) search parts))

(defn comprehension [n]
  "Clauses, then so many values."
  (fn [search parts]
    (clauses search (cut parts (- n)))
    (all-evaluated search (cut parts (- n) None))))

(defn function [search parts]
  (if (and parts (isinstance (get parts 0) List))
    (.look-in-function search (get parts 0) (cut parts 1 None))
    (all-hidden search parts)))

(defn definition [search parts]
  (if (and parts (isinstance (get parts 0) Symbol))
    (do
      (all-hidden search (cut parts 1))
      (function search (cut parts 1 None)))
    (all-hidden search parts)))

(defn attempt [search parts]
  (if (any (map handler? parts))
    (for [part parts]
      (cond
        (headed? part ["except" "except*"]) (do
          (all-hidden search (cut part 1 2))
          (statements search (cut part 2 None)))
        (headed? part ["else" "finally"])
          (statements search (cut part 1 None))
        True
          (.look search part True)))
    ; It is no more than a `do`.
    (all-hidden search parts)))

(defn handler? [x]
  (and (headed? x ["except" "except*" "finally"]) (> (len x) 1)))

(defn test-and-statements [search parts]
  (all-evaluated search (cut parts 1))
  (statements search (cut parts 1 None)))

(defn repeated [shape]
  (fn [search parts]
    (.look-repeated search shape parts)))

(setv SHAPES {
  #** (dict.fromkeys
    (.split (+ "+ - * / // % << >> & | ^ bnot @ = != < <= > >= and or not in not-in "
      "if cond cut return yield raise unpack-iterable unpack-mapping"))
    all-evaluated)
  "**" in-some-order
  "get" in-some-order
  #** (dict.fromkeys
    (.split "setx += -= *= /= //= %= **= <<= >>= &= |= ^= @=") first-hidden)
  "setv" in-turn
  "do" statements
  "when" test-and-statements
  "while" (repeated test-and-statements)
  "let" (bracketed in-turn)
  "for" (repeated for-loop)
  "with" (bracketed resources)
  #** (dict.fromkeys ["lfor" "sfor" "gfor"] (repeated (comprehension 1)))
  "dfor" (repeated (comprehension 2))
  "fn" function
  "defn" definition
  "try" attempt})
