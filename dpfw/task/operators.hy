"Operators as procedures, in the calls over collections."

(import
  hy.pyops
  operator)

;; Those of `hy.pyops` take any number of arguments, and ten times as long.
(setv BINARY {
  "+" operator.add  "-" operator.sub  "*" operator.mul  "/" operator.truediv
  "//" operator.floordiv  "%" operator.mod  "**" operator.pow  "@" operator.matmul
  "<<" operator.lshift  ">>" operator.rshift
  "&" operator.and_  "|" operator.or_  "^" operator.xor
  "=" operator.eq  "!=" operator.ne  "<" operator.lt  "<=" operator.le
  ">" operator.gt  ">=" operator.ge  "is" operator.is_  "is-not" operator.is-not})

(defn operator-named [name arity]
  "What ``(name a …)`` does with so many operands. ::

    ((operator-named \"-\" 2) 5 3)  ; => 2
    ((operator-named \"-\" 1) 5)    ; => -5"
  (or (when (= arity 2) (.get BINARY name))
      (getattr hy.pyops (hy.mangle name))))
