"Python's debugger, for remotes, which are in Hy."

(import
  bdb [BdbQuit]
  os
  pdb
  sys
  dpfw.errors [Interrupted])
(eval-when-compile (require hyrule.control [unless]))

(setv
  FOLDER (os.path.join (os.path.dirname (os.path.abspath __file__)) "")
  ; Where stepping does not stop: what evaluates remotes.
  SKIPPED ["dpfw.serve.*" "dpfw.task.*" "dpfw.net.*" "dpfw.data.*" "hy" "hy.*" "contextlib"])


(defclass HyPdb [pdb.Pdb]
  "At a terminal. A line that begins with a parenthesis is Hy, and is evaluated where the
  program stands."

  (defn __init__ [self terminal]
    (.__init__ (super)
      :stdin (Quitting terminal.stdin)  :stdout terminal.stdout  :skip SKIPPED
      :nosigint True  :readrc False))

  (defn default [self line]
    (if (.startswith line "(")
      (.evaluate self line)
      (.default (super) line)))

  (defn evaluate [self line]
    (setv space self.curframe.f-globals
          variables (dict self.curframe-locals))
    (try
      (setv value (hy.eval (hy.read line)
        :globals space  :locals variables
        :module (get sys.modules (get space "__name__"))))
      (.update self.curframe-locals variables)
      (unless (is value None)
        (.message self (hy.repr value)))
      (except [BdbQuit]
        (raise))
      (except [e Exception]
        (.error self f"{(. (type e) __name__)}: {e}"))))

  (defn canonic [self filename]
    ; What was typed at a REPL has a name like `<repl 1>-2`, and no path.
    (if (.startswith filename "<")
      filename
      (.canonic (super) filename)))

  (defn get-stack [self #* arguments]
    "Without the frames that brought the remote here."
    (setv [stack current] (.get-stack (super) #* arguments)
          ours (lfor
            [n [frame _]] (enumerate stack)
            :if (.startswith frame.f-code.co-filename FOLDER)
            n)
          first (+ 1 (max ours :default -1)))
    (if (<= first current)
      #((cut stack first None) (- current first))
      #(stack current))))


(defclass Quitting []
  "The lines of a person, which end when the remote is interrupted: pdb would swallow
  that, and ask again."

  (defn __init__ [self lines]
    (setv self.lines lines))

  (defn readline [self]
    (try
      (.readline self.lines)
      (except [Interrupted]
        ""))))
