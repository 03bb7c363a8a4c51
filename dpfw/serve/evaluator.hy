"Remote text to procedure, with a cache.

All remotes of a process are evaluated in one module, where their definitions,
imports and macros stay; one at a time, though what they yield runs side by
side. Reading and compiling takes some 400 µs, calling what was compiled less
than one; so a remote whose text was seen before is not compiled again.

That changes nothing for a remote of the form ``(fn …)``, whose evaluation has
no effect: what is compiled makes the procedure anew for each task. Other forms
are evaluated each time. Compiled code keeps the expansions of its macros, so a
change of the module's macros makes an end of all of it. A macro that expands
the same form in two ways at two times is expanded once. What is kept is bounded,
in number and in bytes; a remote that has no room is compiled each time."

(import
  copy [copy]
  functools [partial]
  inspect
  io
  itertools
  linecache
  marshal
  reprlib
  sys
  threading
  types [CodeType FunctionType ModuleType]
  hy.reader.hy-reader [HyReader]
  dpfw.errors [NotProcedureError]
  dpfw.net.interrupt [Whole]
  dpfw.serve.bounded [Bounded]
  dpfw.serve.holes [NOSY find-holes]
  dpfw.task.advice [REMOTES]
  dpfw.task.remote [CONTAINERS PREFIX filled hole-name parts plain?]
  dpfw.data.packed [unpack]
  dpfw.data.sexp [read-datum])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; What is kept at most:
  CACHED 512                  ; remotes that were compiled
  SOURCES 2048                ; texts of remotes, for tracebacks to show
  ROOM (* 16 1024 1024))      ; bytes of either


(defclass Seen [set]
  "The addresses of what Hy is making models of, in any thread. One that was cleared away
  can be removed."

  (setv remove set.discard))

(setv
  seen (Seen)
  hy.models._seen seen)


(defclass Evaluator []
  "Evaluates remotes in a module that has ``names`` bound."

  (defn __init__ [self names]
    (setv
      self.module (ModuleType REMOTES "Where remotes are evaluated.")
      ; Reader, compiler and models share state between threads. An RLock, since
      ; a remote's top level may run tasks of its own.
      self.lock (threading.RLock)
      self.makers (Bounded CACHED ROOM)  ; text, number of values -> `Maker`
      self.macros None            ; of the module, when the makers were compiled
      self.sources (Bounded SOURCES ROOM :forget forget-source)  ; file names in linecache
      self.numbers (itertools.count 1))
    (.update self.module.__dict__ names)
    ; hy.eval takes `hy` away again from globals that did not have it, and code
    ; that uses a keyword or a quoted form then fails.
    (setv self.module.hy hy
          (get sys.modules REMOTES) self.module))

  (defn procedure [self text [values #()]]
    "The procedure that a remote evaluates to. ``values`` are the data that belong
    in its holes, each a text or packed.

    Raises what the evaluation does; `SyntaxError` when the text is not one form
    of Hy, and `NotProcedureError` when it yields no procedure of two ports."
    ; Without the lock, so that a remote seen before need not wait while the top
    ; level of another takes its time.
    (setv maker (when (.same-macros? self)
      (.get self.makers #(text (len values)))))
    (cond
      (is maker None)
        (with [_ self.lock]
          (.compile self text values))
      maker.opaque
        (.procedure self #* (filled text values maker.opaque))
      True
        (.make maker #* (sources values maker.once))))

  (defn macros-now [self]
    #((dict (getattr self.module "_hy_macros" {}))
      (dict (getattr self.module "_hy_reader_macros" {}))))

  (defn same-macros? [self]
    "Has the module the macros that it had when the makers were compiled?"
    (= self.macros #((getattr self.module "_hy_macros" {})
                     (getattr self.module "_hy_reader_macros" {}))))

  (defn compile [self text values]
    "Evaluate a remote, and keep what can be called again where that changes
    nothing."
    ; An interrupt may have left one there, and another at its address would seem to hold
    ; itself.
    (.clear seen)
    (setv
      form (.read-form self text)
      before (.macros-now self)
      macros (get before 0)
      every (set (range (len values))))
    (cond
      (procedure-form? form macros) (do
        (setv maker (.maker self form macros every)
              procedure (unless maker.opaque (checked (.make maker #* (sources values maker.once)))))
        (.keep self #(text (len values)) before maker)
        (or procedure (.procedure self #* (filled text values maker.opaque))))
      values
        (.procedure self #* (filled text values every))
      True
        (checked (.eval self form form))))

  (defn maker [self form macros holes]
    "The `Maker` of a form with these holes."
    (setv [opaque once] (if holes (find-holes form macros) [#{} #{}]))
    (cond
      opaque
        (Maker None opaque)
      (and (not holes) (plain-form? form)) (do
        (setv procedure (.eval self form form :locals {}))
        (Maker (fn [] (another procedure)) opaque :code procedure.__code__))
      True (do
        ; Within a `fn` of its own, the form's closures are made anew by each
        ; call, and nothing of it shows in the module.
        (setv parameters (lfor  n (sorted holes)  (hy.models.Symbol (hole-name n)))
              make (.eval self `(fn [~@parameters] ~form) form :locals {}))
        (if (shows-holes? make.__code__)
          (Maker None holes)
          (Maker make opaque once :code make.__code__)))))

  (defn keep [self key before maker]
    "What was compiled keeps its macro expansions, so a change of macros is the
    end of it all."
    (setv macros (.macros-now self))
    (when (!= macros before)  ; it has made a macro itself
      (return))
    (with [_ (Whole)]
      (when (!= macros self.macros)
        (.clear self.makers)
        (setv self.macros macros))
      (.keep self.makers key maker
        :size (+ (sys.getsizeof (get key 0)) (size-of-code maker.code)))))

  (defn read-form [self text]
    "The one form in the text."
    (setv name f"<remote {(next self.numbers)}>")
    (.remember-source self name text)
    (setv forms (.forms self text name)
          form (next forms None))
    (when (is form None)
      (raise (syntax-error "the remote is empty; give (fn [i o] …)" name text 1 1)))
    (setv second (next forms None))
    (unless (is second None)
      (raise (syntax-error
        "the remote has more than one form; wrap them in (do …), the procedure last"
        name text second.start-line second.start-column)))
    form)

  (defn forms [self text name]
    "Read the forms of a text, one by one, as those of a file of this name."
    (setv reader (HyReader))
    (.update reader.reader-macros (getattr self.module "_hy_reader_macros" {}))
    (for [form (hy.read-many (io.StringIO text) :filename name :reader reader)]
      (setv form.filename name  form.source text  form.reader reader)
      (yield form)))

  (defn remember-source [self name text]
    "Let tracebacks show the lines of this remote."
    (setv lines (.splitlines text True))
    (with [_ (Whole)]
      (when (.keep self.sources name True :size (sum (map sys.getsizeof lines)))
        (setv (get linecache.cache name) #((len text) None lines name)))))

  (defn forget-remotes [self]
    "Modules have changed that they may have macros of."
    (with [_ self.lock]
      (.clear self.makers)))

  (defn eval [self model form [locals None]]
    (setv model.filename form.filename
          model.source form.source
          model.reader form.reader)
    (hy.eval model :globals self.module.__dict__ :locals locals :module self.module)))


(defclass Maker []
  "What was compiled: ``make``, which gives the procedure when it is called with
  a source for each value, or else ``opaque``, the numbers of the values that
  must be written into the text. ``once`` are those that are called for once. ``code``
  is what was compiled, if anything was."

  (defn __init__ [self make opaque [once #{}] [code None]]
    (setv self.make make  self.opaque opaque  self.once once  self.code code)))

(defn forget-source [name]
  (.pop linecache.cache name None))

(defn size-of-code [code]
  "About the bytes that it takes; none for None."
  (if code
    (len (marshal.dumps code))
    0))

(defn procedure-form? [form macros]
  "Is it a form whose evaluation does nothing but make a procedure?"
  (and (isinstance form hy.models.Expression) form (= (get form 0) 'fn) (not-in "fn" macros)))

(defn plain-form? [form]
  "Is such a form ``(fn [i o] …)``? Then its procedure is but its code: there are no defaults
  or annotations, which each evaluation makes anew."
  (setv parameters (when (> (len form) 1) (get form 1)))
  (and (is (type parameters) hy.models.List)
       (= (list (map type parameters)) [hy.models.Symbol hy.models.Symbol])
       (.isdisjoint #{"*" "/"} (map str parameters))))

(defn another [procedure]
  (FunctionType procedure.__code__ procedure.__globals__ procedure.__name__))


;; Values beside the text. A hole is a call of a source, which gives the value:
;; each evaluation of `[1 2]` makes a list.

(defn sources [values once]
  (lfor
    [n value] (enumerate values)
    (cond
      (is (type value) str) (text-source value)
      ; Arrays may stay where they came, since nobody else will read that.
      (in n once) (partial unpack value)
      True (packed-source value))))

(defn text-source [text]
  (setv value (read-datum text))
  (cond
    (not-in (get text 0) "[#{(") (fn [] value)
    (flat? value) (partial copy value)
    True (partial read-datum text)))

(defn packed-source [data]
  ; Read-only, so that arrays are copies of what is there.
  (setv data (.toreadonly (memoryview data))
        kept None)
  (fn []
    ; Here, since the time for reading a chunk of items counts.
    (nonlocal kept)
    (if (is-not kept None)
      (copy kept)
      (do
        (setv value (unpack data))
        (when (or (plain? [value]) (flat? value))
          (setv kept value
                value (copy value)))
        value))))

(defn flat? [x]
  "Is it a container of nothing but what cannot change?"
  (and (in (type x) CONTAINERS) (all (map plain? (parts x)))))

(defn shows-holes? [code]
  "May this code look at its variables, with holes among them? A macro of the
  user's may have expanded to that."
  (or (and (not (.isdisjoint NOSY code.co-names))
           (any (gfor  name code.co-freevars  (.startswith name (hy.mangle PREFIX)))))
      (any (gfor  c code.co-consts  :if (isinstance c CodeType)  (shows-holes? c)))))

(defn checked [x]
  "What a remote yields, if it is a procedure of two ports."
  (when (and (is (type x) FunctionType) (= x.__code__.co-argcount 2) (not x.__code__.co-kwonlyargcount))
    (return x))  ; as mostly
  (unless (callable x)
    (raise (NotProcedureError
      f"the remote yields {(reprlib.repr x)}, not a procedure; give (fn [i o] …)")))
  (try
    (.bind (inspect.signature x) None None)
    (except [e TypeError]
      (raise (NotProcedureError
        f"the remote's procedure cannot be called with two ports ({e}); give (fn [i o] …)")
        :from None))
    (except [ValueError]))  ; written in C, and tells no signature
  x)

(defn syntax-error [message name text line column]
  (SyntaxError message
    #(name line column (get (or (.splitlines text) [""]) (- line 1)))))
