"``dpfw repl``: a Hy REPL whose forms are evaluated on a slave.

What is typed goes to the slave, an input a task, and the slave says whether it is a whole
form, since it alone knows its reader macros. What there is to be shown comes back as
messages (``serve/console``). The terminal is the main thread's: there a Ctrl-C strikes,
which interrupts what runs on the slave."

(import
  code [InteractiveConsole]
  contextlib [contextmanager]
  os
  pathlib [Path]
  queue [Empty Full Queue]
  sys
  time
  traceback
  dpfw.dispatch.debug [Screen]
  dpfw.errors [RemoteError SlaveLost]
  dpfw.master [Master read])
(eval-when-compile (require hyrule.control [unless]))

(setv
  PROMPTS {"ps1" "=> "  "ps2" "... "}  ; Hy's own, since editors wait for them
  GOODBYE "now exiting REPL..."
  WAITING 100        ; messages that may wait to be shown
  LOOK-EVERY 0.2     ; seconds, when there are so many
  GRACE 3            ; seconds that an interrupted form has to stop
  LINES-KEPT 1000)   ; of the history


(defn run-repl [address]
  "Read, evaluate on the slave that listens there, print; returns the exit status."
  (with [master (Master)]
    ; What children of the slave's process write; Python's own words come as messages.
    (setv master.output (fn [_ stream line] (print line :file (getattr sys stream))))
    (setv repl (RemoteRepl master (.connect master #* address)))
    (with [_ (history)  _ (prompts)]
      (try
        (.interact repl (.banner repl) GOODBYE)
        0
        (except [e SystemExit]
          e.code)))))


(defclass RemoteRepl [InteractiveConsole]
  "Python's console, with a slave in the place of the compiler."

  (defn __init__ [self master slave]
    (.__init__ (super))
    (setv self.master master
          self.slave slave
          self.screen (Screen)))

  (defn banner [self]
    (setv about self.slave.session.connection.about)
    (+ f"Hy {(.get about "hy" "?")} on the slave at {self.slave.address} "
       f"({(.get about "host" "?")}/{(.get about "pid" "?")}), "
       f"dpfw {(.get about "dpfw" "?")}, Python {(.get about "python" "?")}"))

  (defn runsource [self source [filename None] [symbol None]]
    "Evaluate an input; answers whether it is incomplete."
    (setv input (Input self.master self.slave source))
    (try
      (.show-all input self.screen)
      (except [KeyboardInterrupt]
        (.interrupt input self.screen)
        (raise))
      (finally
        (setv input.over True)))
    (.finish self input))

  (defn finish [self input]
    (try
      (.result input.promise)
      (except [e SlaveLost]
        (raise (ConnectionError (+ f"the slave at {self.slave.address} went away; "
          "when it is back, start another REPL with the same command")) :from e))
      (except [e RemoteError]
        ; Nothing of the form's own, which the slave would have told.
        (.show self.screen (.join "" (traceback.format-exception (type e) e None)) sys.stderr)
        (return False)))
    (when (is-not input.status None)
      (raise (SystemExit input.status)))
    input.more))


(defclass Input []
  "Something that was typed, while the slave evaluates it."

  (defn __init__ [self master slave source]
    (setv
      self.master master
      self.slave slave
      self.messages (Queue WAITING)
      self.over False     ; does nobody take messages any more?
      self.relaying False
      self.interrupted False  ; nothing is asked any more
      self.more False     ; is it the beginning of a form?
      self.status None    ; what it said to (exit)
      self.o None
      self.promise (.make-task master
        `(fn [i o] (hy.I.dpfw/serve/console.run-input ~source i o)) self.relay slave))
    (.add-done-callback self.promise (fn [_] (.put self ["ended"]))))

  ;; In other threads

  (defn relay [self i o]
    "The local procedure."
    (setv self.relaying True
          self.o o)
    (try
      (while True
        (setv message (read i))
        (.put self message)
        (when (= (get message 0) "end")
          (break)))
      (finally
        (.put self ["relayed"]))))

  (defn put [self message]
    (while (not self.over)
      (try
        (return (.put self.messages message :timeout LOOK-EVERY))
        (except [Full]))))

  ;; In the main thread

  (defn show-all [self screen [deadline None]]
    "Do what the messages say, until the last one."
    (while True
      (setv [kind #* arguments] (.get self.messages
        :timeout (when deadline (max 0 (- deadline (time.monotonic))))))
      (cond
        (= kind "out") (.show screen #* arguments)
        (= kind "err") (.show screen #* arguments sys.stderr)
        (= kind "ask") (unless self.interrupted (.answer self screen))
        (= kind "end") (setv [self.more self.status] arguments)
        (or (= kind "relayed") (not self.relaying)) (break))))

  (defn answer [self screen]
    (try
      (setv line (+ (.ask screen) "\n"))
      (except [EOFError]
        (.close self.o)
        (return)))
    (.write self.o line)
    (.flush self.o))

  (defn interrupt [self screen]
    "Interrupt it on the slave, and show what it still has to say."
    (setv self.interrupted True)
    (.cancel self.promise)
    (try
      (.show-all self screen (+ (time.monotonic) GRACE))
      (except [Empty]
        (.show screen (+ f"\nit has not stopped in {GRACE} seconds, and what you type next waits for it; "
          "Ctrl-D leaves it alone\n") sys.stderr)))))


(defn [contextmanager] prompts []
  (setv before (dfor  name PROMPTS  :if (hasattr sys name)  name (getattr sys name)))
  (for [[name prompt] (.items PROMPTS)]
    (setattr sys name prompt))
  (try
    (yield)
    (finally
      (for [name PROMPTS]
        (delattr sys name))
      (for [[name prompt] (.items before)]
        (setattr sys name prompt)))))

(defn [contextmanager] history []
  "Where a person types, what he typed before is there."
  (unless (.isatty sys.stdin)
    (yield)
    (return))
  (try
    (import readline)
    (except [ImportError]  ; this Python has none
      (yield)
      (return)))
  (setv file (history-file))
  (readline.set-history-length LINES-KEPT)
  (try
    (readline.read-history-file file)
    (except [OSError]))
  (try
    (yield)
    (finally
      (try
        (.mkdir file.parent :parents True :exist-ok True :mode 0o700)
        (readline.write-history-file file)
        (.chmod file 0o600)
        (except [e OSError]
          (print f"dpfw repl: cannot keep the history in {file}: {e.strerror}" :file sys.stderr))))))

(defn history-file []
  (/ (Path (or (os.environ.get "XDG_STATE_HOME") (.expanduser (Path "~/.local/state"))))
     "dpfw" "repl-history"))
