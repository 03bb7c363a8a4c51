"The calls of an Executor as they travel: what is called, with what, and what came of it.

::

    callable    a form, in the text of the remote; that of a function has beside it the
                names that lead to it, or (PYTHON-VERSION PICKLE)
    arguments   (POSITIONAL KEYWORDS), as data; or, if they are none, a pickle of that
    outcome     the result, as data
                or, for whoever asked for pickles, a pickle of it, or of what was
                raised: (DESCRIPTION PICKLE SLAVE)

Slaves trust their masters, so they unpickle what comes. A master does so only if its
user said that it may."

(import
  pickle
  sys
  dpfw.data.codec [decode]
  dpfw.data.packed [small?]
  dpfw.data.sexp [write-datum]
  dpfw.errors [UnwritableError WireError]
  dpfw.see [see]
  dpfw.task.chunks [write-all]
  dpfw.task.failure [describe remote-error with-cause]
  dpfw.task.remote [Datum OwnLine PLAIN as-remote as-value function-form])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ANSWERS {"data" 'answer  "pickle" 'answer-by-pickle}
  VERSION (.join "." (map str (cut sys.version-info 2)))
  CONSOLE "__console__"  ; the module in which Hy's REPL keeps what is typed
  INSTALL "pip install 'dpfw[cloudpickle]'"
  PAGE (see "executor.md#what-can-be-called"))


;; On the master: what is called

(defn call-remote [source results each]
  "A `Remote` that calls what the form ``source`` evaluates to. Its first value are the
  arguments; if ``each``, those of many calls, whose results become a list. ``results``
  is how they come back, \"data\" or \"pickle\"."
  (setv own (OwnLine source))
  (as-remote
    `(fn [dpfw-i dpfw-o]
       ; `hy.I` would take 5 µs each time.
       (import dpfw.task.calls :as dpfw-calls)
       ; As for chunks of items: the arguments first, so that no macro in the source
       ; stands before them, and the source in a function of its own.
       ((. dpfw-calls ~(get ANSWERS results))
         ~(Datum None)
         (fn [] ~(if each `(dpfw-calls.on-each ~own) own))
         dpfw-o))))

(defn function-source [f]
  "The form of a Python function: its names, or else its pickle."
  (try
    (function-form "the callable" f "(fn [x] …)")
    (except [e TypeError]
      `(dpfw-calls.unpickled ~(Datum (pickled f e))))))

(defn pickled [f unnamed]
  "``unnamed`` is the error that says why it cannot travel by name."
  (setv dumps (by-value-dumps))
  (unless dumps
    (raise (UnwritableError f"{unnamed}; or, to send it as it is: {INSTALL}") :from None))
  (try
    #(VERSION (dumps f))
    (except [e Exception]
      (raise (UnwritableError f"{unnamed}. Nor can it be pickled: {e}{PAGE}") :from e))))

(defn by-value-dumps []
  "A `dumps` that takes lambdas, closures and what is of a program or of a REPL; None if
  there is none."
  (try
    (import cloudpickle)
    (except [ImportError]
      (return None)))
  (when (in CONSOLE sys.modules)
    (cloudpickle.register-pickle-by-value (get sys.modules CONSOLE)))
  cloudpickle.dumps)


;; With what

(defn with-arguments [remote arguments]
  "The payload's values, the first of which are the arguments: positional ones, and keywords."
  [(arguments-value arguments) #* (cut remote.values 1 None)])

(defn arguments-value [arguments]
  (try
    (as-value arguments)
    (except [e UnwritableError]
      (setv dumps (by-value-dumps))
      (unless dumps
        (raise (UnwritableError f"{(about arguments e)}; or, to have it pickled: {INSTALL}") :from None))
      (try
        (as-value (dumps arguments))
        (except [unpicklable Exception]
          (raise (UnwritableError
            f"{(about arguments e)}. Nor can it be pickled: {unpicklable}{PAGE}") :from unpicklable))))))

(defn about [arguments error]
  "The error, with the argument that it is about."
  (setv [positional keywords] arguments)
  (for [[name x] [#* (enumerate positional)  #* (.items keywords)]]
    (try
      (write-datum x)
      (except [e UnwritableError]
        (return f"argument {name}: {e}"))))
  (str error))


;; On the slave

(defn answer [arguments f o]
  "Call what ``f`` gives, and answer with data."
  (setv result (called arguments f))
  (try
    (give result o)
    (except [e UnwritableError]
      (raise (UnwritableError
        f"the result: {e}, or make the Executor with :results \"pickle\"") :from None))))

(defn answer-by-pickle [arguments f o]
  "The same, with a pickle of the result, or of the exception."
  (try
    (setv outcome (dumped (called arguments f)))
    (except [e Exception]
      (setv pickled (exception-dumped e))
      (unless pickled
        (raise))
      (setv connection o.raw.connection
            outcome #((describe e connection.limit) pickled connection.name))))
  (give outcome o))

(defn called [arguments f]
  (setv [positional keywords] (if (is (type arguments) bytes)
    (loaded "the arguments" arguments)
    arguments))
  ((f) #* positional #** keywords))

(defn give [x o]
  "Return what is small; write what is not, since it may be longer than a frame."
  (if (and (in (type x) PLAIN) (small? x))
    x
    (write-all x o)))

(defn on-each [f]
  (fn [calls]
    (lfor  arguments calls  (f #* arguments))))

(defn unpickled [callable]
  (setv [version pickled] callable)
  (when (!= version VERSION)
    (raise (RuntimeError (+
      f"the callable was pickled by Python {version}, and this slave runs {VERSION}: compiled code does not travel "
      "between them. Give a function by its name, or a quoted form"))))
  (loaded "the callable" pickled))

(defn dumped [x]
  (try
    ((or (by-value-dumps) pickle.dumps) x)
    (except [e Exception]
      (raise (UnwritableError f"the result, of type {(. (type x) __name__)}, cannot be pickled: {e}") :from e))))

(defn exception-dumped [e]
  (try
    (dumped e)
    (except [UnwritableError])))


;; On both sides

(defn loaded [what pickled]
  (try
    (pickle.loads pickled)
    (except [e Exception]
      (raise (pickle.UnpicklingError (+
        f"{what} cannot be unpickled here: {(. (type e) __name__)}: {e}"
        (if (.startswith (str (getattr e "name" None)) "cloudpickle") f". To install it: {INSTALL}" ""))) :from e))))


;; On the master: what came of it

(defn result-of [answer results many]
  "The result in an answer, bytes as they came; raises what was raised. ``many`` is the
  number of calls, or None where there was but one and no list."
  (setv x (decode answer))
  (when (= results "pickle")
    (setv x (unpickled-outcome x)))
  (unless (or (is many None) (and (is (type x) list) (= (len x) many)))
    (raise (WireError f"a slave answered {many} calls with what is no list of as many results")))
  x)

(defn unpickled-outcome [x]
  (when (is (type x) bytes)
    (return (loaded "the result" x)))
  (unless (and (is (type x) tuple) (= (list (map type x)) [bytes bytes str]))
    (raise (WireError "a slave answered a call with what is no pickle")))
  (setv [description pickled where] x
        told (remote-error description where))
  (try
    (setv error (with-cause (loaded "what was raised" pickled) told))
    (except [Exception]
      ; What some classes pickle, they do not unpickle.
      (setv error (with-cause told told))))
  (raise error))
