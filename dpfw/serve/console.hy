"The slave's part of a remote REPL: what is typed there is evaluated here, in the module of
remotes.

A REPL sends each input as a task, and this says on the task's output port, in data,
what is to be seen on the other side::

    [\"out\" \"text\"]      for standard output,
    [\"err\" \"text\"]      and standard error
    [\"ask\"]             a line is waited for; it comes as text
    [\"end\" more exit]   it is over: is the input the beginning of a form? and if it
                        said (exit), with which status"

(import
  bdb [BdbQuit]
  codeop
  importlib
  itertools [count]
  os
  sys
  traceback
  weakref [WeakKeyDictionary]
  dpfw.errors [Interrupted]
  dpfw.serve.process [evaluator]
  dpfw.serve.terminal [Terminal standard-streams]
  dpfw.task.ports [write]
  dpfw.tidy [ours?])
(eval-when-compile (require hyrule.control [unless]))

(setv
  EVALUATING #(  ; how file names of Hy begin, and of what it stands on
    (os.path.join (os.path.dirname (os.path.abspath hy.__file__)) "")
    codeop.__file__
    importlib.__file__
    "<frozen importlib")
  LONGEST-LINE 65536         ; characters that are kept back for the line's end
  RESULTS (lfor  n [1 2 3]  (hy.mangle f"*{n}"))
  ERROR (hy.mangle "*e")
  numbers (count 1)
  consoles (WeakKeyDictionary))  ; a master's connection -> its `Console`


(defn run-input [text i o]
  "Evaluate an input, on the ports of its task; the remote of a REPL."
  (setv
    console (console-of o.raw.connection)
    out (Lines "out" o)
    err (Lines "err" o)
    more False
    status None)
  (try
    (with [_ (standard-streams (Terminal (Questions i o [out err]) out err))]
      (setv more (.run console text)))
    (except [e SystemExit]
      (setv status (exit-status e err)))
    (finally
      (.flush out)
      (.flush err)))
  (write ["end" more status] o))

(defn console-of [connection]
  (unless (in connection consoles)
    (setv (get consoles connection) (Console)))
  (get consoles connection))

(defn exit-status [e err]
  "The status that a `SystemExit` asks for."
  (cond
    (is e.code None) 0
    (isinstance e.code int) (int e.code)
    True (do
      (.write err f"{e.code}\n")
      1)))


(defclass Console [hy.REPL]
  "Evaluates the inputs of one REPL, as Hy's own does."

  (defn __init__ [self]
    (.__init__ (super) :locals evaluator.module.__dict__)
    (setv self.name f"<repl {(next numbers)}>"))

  (defn run [self source]
    "Evaluate an input, and print what it gives; answers whether it is incomplete."
    (try
      (setv code (.compiled self source))
      (when (is code None)
        (return True))
      ; Without the lock: other masters' remotes are compiled meanwhile.
      (eval (get code 0) self.locals)
      (setv value (eval (get code 1) self.locals))
      (with [_ evaluator.lock]
        (setv shown (unless (is value None) (self.output-fn value))))
      (except [[SystemExit Interrupted]]
        (raise))
      (except [BdbQuit]  ; as told
        (return False))
      (except [e BaseException]
        (.show-error self e)
        (return False)))
    (.keep self value)
    (when shown
      (print shown))
    False)

  (defn compiled [self source]
    "Two code objects, what to do and what it gives; None for the beginning of a form."
    (with [_ evaluator.lock]
      (setv reader self.compile.compiler.reader)
      (.update reader.reader-macros (getattr self.module "_hy_reader_macros" {}))
      (try
        (self.compile source self.name)
        (finally
          ; Hy keeps it as if it were a file, which tracebacks would not find.
          (.remember-source evaluator (next (reversed self.cmdline-cache)) (+ source "\n"))))))

  (defn keep [self value]
    (for [name RESULTS]
      (setv [(get self.locals name) value] [value (get self.locals name)])))

  (defn show-error [self error]
    (setv (get self.locals ERROR) error)
    (sys.stderr.write (.join "" (.format (user-traceback error))))))


(defclass Lines []
  "Standard output or error: text, sent by the line."

  (defn __init__ [self kind o]
    (setv self.kind kind
          self.o o
          self.pending ""))

  (setv encoding "utf-8"  errors "replace"  closed False)

  (defn write [self text]
    (unless (isinstance text str)
      (raise (TypeError f"write() argument must be str, not {(. (type text) __name__)}")))
    (+= self.pending text)
    (when (or (in "\n" text) (> (len self.pending) LONGEST-LINE))
      (.flush self))
    (len text))

  (defn writelines [self lines]
    (for [line lines]
      (.write self line)))

  (defn flush [self]
    (when self.pending
      (setv text self.pending
            self.pending "")
      (write [self.kind text] self.o)
      (.flush self.o)))

  (defn isatty [self]
    False)

  (defn writable [self]
    True))


(defclass Questions []
  "Standard input: lines that the person types."

  (setv encoding "utf-8"  errors "replace"  closed False)

  (defn __init__ [self i o outputs]
    (setv self.i i
          self.o o
          self.outputs outputs
          self.rest ""))  ; of a line that was not read to its end

  (defn readline [self [size -1]]
    (setv line (or self.rest (if (= size 0) "" (.ask self)))
          n (if (bounded? size) size (len line))
          self.rest (cut line n None))
    (cut line n))

  (defn ask [self]
    (for [output self.outputs]
      (.flush output))
    (write ["ask"] self.o)
    (.flush self.o)
    (.readline self.i))

  (defn read [self [size -1]]
    (unless (bounded? size)
      (return (.join "" (iter self.readline ""))))
    (setv text "")
    (while (setx piece (.readline self (- size (len text))))
      (+= text piece))
    text)

  (defn readable [self]
    True)

  (defn isatty [self]
    False)

  (defn close [self]))  ; (exit) does that


(defn bounded? [size]
  "As the files of Python have it."
  (not (or (is size None) (< size 0))))


(defn user-traceback [error]
  "A `TracebackException` without the frames of those who evaluate."
  (setv told (traceback.TracebackException (type error) error error.__traceback__))
  (when (.startswith (. (type error) __module__) "hy.")
    ; What Hy raises while it compiles says all there is to say.
    (setv told.__suppress_context__ True))
  (for [one (chained told)]
    (setv (cut one.stack) (lfor
      frame one.stack
      :if (not (or (ours? frame.filename) (.startswith frame.filename EVALUATING)))
      frame)))
  told)

(defn chained [told]
  (setv left [told])
  (while left
    (setv one (.pop left))
    (yield one)
    (for [other [one.__cause__ one.__context__]]
      (when other
        (.append left other)))))
