"The master's part of debugging a remote: the local procedure `debug`, which is a
terminal for it."

(import
  codecs
  re
  sys
  dpfw.task.ports [ASK read]
  dpfw.task.remote [Remote])
(eval-when-compile (require hyrule.control [unless]))

(setv
  TOKEN (re.compile "[A-Za-z]*\"(?:[^\"\\\\]|\\\\.)*\"|[][(){}]| |[^][(){}\" ]+")
  ; Forms that have bodies.
  BODIES #{"fn" "defn" "do" "let" "if" "when" "unless" "cond" "while" "for" "with"
           "try" "except" "else" "finally"})


(defn debug [i o]
  "A local procedure: the terminal of a remote that says ``(breakpoint)``. ::

      (force (dpfw-make-task '(fn [i o] (breakpoint) (+ 2 3)) debug))

  Shows what the remote writes, and has you answer to Python's debugger; ``h`` lists its
  commands, and a line that begins with a parenthesis is Hy. Returns the remote's result."
  (setv screen (Screen)
        decode (. ((codecs.getincrementaldecoder "utf-8") "replace") decode))
  (for [data (.output i.raw)]
    (setv [text #* more] (.split (decode data) ASK))
    (.show screen text)
    (for [text more]
      (answer screen o)
      (.show screen text)))
  (read i))

(defn answer [screen o]
  (try
    (.write o (+ (.ask screen) "\n"))
    (.flush o)
    (except [EOFError]  ; no more will come: the debugger quits
      (.close o))))


;; The remote

(defn debuggable [remote]
  "A `Remote` that is run so that it can be debugged."
  ; A `fn`, as values beside it need one; and on lines of its own.
  (Remote
    f"(fn [dpfw-i dpfw-o] (hy.I.dpfw/serve/breakpoints.run dpfw-i dpfw-o\n{(in-lines remote.text)}\n))"
    remote.values))

(defn in-lines [text]
  "The text of a form that was on one line, with bodies on lines of their own: a debugger
  steps by lines. ::

    (in-lines \"(fn [i o] (f) (g (h)))\")  ; => \"(fn [i o]\\n  (f)\\n  (g (h)))\""
  (when (in "\n" text)
    (return text))
  (setv broken (broken-up text))
  (try
    ; An f-string may hold anything.
    (if (= (hy.read broken) (hy.read text)) broken text)
    (except [Exception]
      text)))

(defn broken-up [text]
  (setv pieces []
        open [])  ; of the parentheses that are open: [head, number of elements]
  (for [token (TOKEN.findall text)]
    (setv [head n] (if open (get open -1) [None 0]))
    (when (and (in head BODIES) (>= n 2) (= (get pieces -1) " ") (not-in token " )"))
      (setv (get pieces -1) (+ "\n" (* "  " (len open)))))
    (.append pieces token)
    (unless (or (= token " ") (in token ")]}"))
      (when open
        (unless n
          (setv (get open -1 0) token))
        (+= (get open -1 1) 1)))
    (cond
      (in token "([{") (.append open [None 0])
      (and open (in token ")]}")) (.pop open)))
  (.join "" pieces))



(defclass Screen []
  "What a person sees, and where he types."

  (setv line "")  ; the last one, as far as it is there

  (defn show [self text [file None]]
    (when text
      (print text :end "" :file (or file sys.stdout) :flush True)
      (setv line (+ self.line text)
            self.line (cut line (+ 1 (.rfind line "\n")) None))))

  (defn ask [self]
    "The line that he types; `EOFError` if there is no more."
    (setv prompt self.line
          self.line "")
    (if (and prompt (.isatty sys.stdin) (.isatty sys.stdout))
      (do
        ; Whoever edits the line has to know what stands before it.
        (print :end "\r")
        (input prompt))
      (input))))
