"Masters: handing tasks to slaves.

::

    (import dpfw.master *)
    (dpfw-master-client \"node-b.example.com\" 10000)
    (force (dpfw-make-task '(fn [i o] (+ 2 3)) read-result))

The functions here act on one default master. The names, and most of what they
do, are those of dpfw for CHICKEN Scheme (2006)."

(import
  atexit
  inspect
  threading
  dpfw.data.sexp [register-type]
  dpfw.dispatch [mapping]
  dpfw.dispatch.announce [announce-joins]
  dpfw.dispatch.capture [with-variables]
  dpfw.dispatch.code [Code]
  dpfw.dispatch.definitions [definitions-of of-defn]
  dpfw.dispatch.debug [debug debuggable]
  dpfw.dispatch.dispatcher [ALONE]
  dpfw.dispatch.mapping [NOTHING]
  dpfw.dispatch.network [Network]
  dpfw.dispatch.options [
    Options check-seconds checked-label checked-name checked-priority checked-retries checked-timeout]
  dpfw.dispatch.output [checked-output]
  dpfw.dispatch.promise [Promise force]
  dpfw.dispatch.readers [ResultReader]
  dpfw.dispatch.registry [Slave]
  dpfw.dispatch.spawned [no-slaves spawned?]
  dpfw.dispatch.task [MASTERS]
  dpfw.errors [MasterClosed]
  dpfw.net.interrupt [Whole]
  dpfw.net.metrics [serve-metrics]
  dpfw.task.ports [read write read-object write-object read-result]
  dpfw.task.remote [OwnLine as-remote function?]
  dpfw.tidy [tidy tidy-excepthook tidy-methods])
(eval-when-compile (require hyrule.control [unless]))
(require dpfw.definers [dpfw-defn dpfw-import dpfw-require])

(defclass [tidy-methods] Master []
  "A master's end of the network. The ``dpfw-…`` functions are these methods, of one
  default master; make your own to have several. ::

    (with [m (Master)]
      (.connect m \"node-b\" 10000)
      (force (.make-task m '(fn [i o] (+ 2 3)) read-result)))"

  (defn __init__ [self * [output True]]
    "``output`` says what is done with what remotes print, as for `dpfw-output`."
    (setv self.network (Network self)
          self.node self.network.node
          self.code (Code self.network)
          self.output output))

  ;; Slaves

  (defn listen [self [port 0] [backlog 1000] [host None]]
    "Listen for slaves that dial in, without blocking. ``port`` 0 is any free port,
    ``host`` None every address of this machine. Returns the host and port that it
    got. Raises `AddressError` and `CookieError`. ::

      (setv [host port] (dpfw-listen 0 :host \"127.0.0.1\"))
      host  ; => \"127.0.0.1\""
    (.check-open self)
    (setv address (.listen self.node port backlog host))
    (.act self.network self.network.dispatcher.opened 1)
    address)

  (defn unlisten [self address]
    "Stop listening there. Idempotent."
    (when (.unlisten self.node address)
      (.act self.network self.network.dispatcher.opened -1)))

  (defn serve [self port [backlog 1000] [host None]]
    "Listen for slaves that dial in; at a terminal, say where, and who joins. Blocks until the master
    is closed; `dpfw-listen` does the same and does not block.

    ``port`` 0 is any free port, ``backlog`` how many connections may wait to be
    accepted, ``host`` the address to listen on, None for every one. Raises
    `AddressError` when it cannot listen there, `CookieError`.

    Source: dpfw for CHICKEN Scheme (2006)."
    (setv address (.listen self port backlog host))
    (try
      (announce-joins self.network address)
      (finally
        (.unlisten self address))))

  (defn connect [self host port * [wait 0]]
    "Dial a slave server. Returns the `Slave`, as soon as it is connected and
    authenticated; if it goes away later, it is dialled again, until the master is
    closed.

    A server that is not up yet is dialled again for ``wait`` seconds.

    Raises `AddressError` when the host does not resolve, `OSError` when nothing
    answers there, `Refused` when the other end is no slave or has another cookie,
    `CookieError`.

    Source: dpfw for CHICKEN Scheme (2006); the wait is new."
    (.check-open self)
    (check-seconds "wait" wait)
    (.connect self.network host port wait))

  (defn slaves [self]
    "Every connected slave, in the order in which they joined, as a list."
    (with [_ self.network.lock]
      (list (.values self.network.dispatcher.registry.connected))))

  (defn get-slave [self [wait True]]
    "An idle slave, not reserved: the one that has been idle longest. With none
    idle, waits, or returns None if ``wait`` is false.

    Source: dpfw for CHICKEN Scheme (2006)."
    (setv dispatcher self.network.dispatcher)
    (defn idle-slave []
      (.check-open self)
      (for [session dispatcher.idle]
        (return session.slave)))
    (with [_ self.network.lock]
      (setv slave (idle-slave)
            alone (.alone dispatcher)))
    (when (and wait (not slave))
      (when alone
        (when (spawned?)
          (raise (no-slaves)))
        (.warn self.network ALONE))
      (setv slave (.wait-for self.network idle-slave)))
    slave)

  (defn tree [self width]
    "Make slaves that are here masters of others, so that none is left with more than ``width``
    that work for it, this one included; returns the heads of its branches. For more slaves
    than one master can keep busy. ::

      (setv heads (dpfw-tree 1))
      (len heads)  ; => 1
      (dpfw-map '(fn [x] (* x x)) (range 5))  ; => [0 1 4 9 16]
      (dpfw-tree None)  ; => []

    The calls over collections go down the tree: a head is given whole chunks, and passes them on in
    parts. Their options hold there as here, and so do definitions, broadcasts, and tasks for
    one slave. Tasks for any slave run on heads, and on slaves that are in no branch: those that join
    later. Slaves of one branch have the same labels, and are of one machine, if there are enough.

    With as few slaves as ``width``, or None, there is no tree. Another call builds another, of all
    that are here then. A head that is lost is a lost slave; its slaves work for this master again.

    Raises what went wrong on a slave, such as a head that others cannot dial; there is no tree then."
    (.check-open self)
    (unless (or (is width None) (and (is (type width) int) (> width 0)))
      (raise ((if (is (type width) int) ValueError TypeError)
        f"the width is {width !r}; give the most slaves that a master is to have, such as 32, or None for no tree")))
    (.build self.network.tree width))

  (defn drain [self slave * [wait False]]
    "Let a slave finish and leave: what runs on it ends as ever, and so does what
    waits for this very slave; it gets nothing else. Then its session ends. Nothing is
    lost, and nothing runs twice. ::

      (setv slave (dpfw-get-slave))
      (dpfw-drain slave :wait True)
      slave.state  ; => \"lost\"

    Returns at once, or with ``wait`` when it has left. A slave that was launched, or
    that dialled this master, ends. A slave server stays up, and this master does not
    dial it again by itself. A task that is made for this slave later ends with
    `SlaveLost`, which says that it is drained, or, once it has left, lost. One that has
    left already stays as it is.

    Raises `ValueError` for what is no slave of this master."
    (unless slave
      (raise (ValueError f"{slave !r} is no slave; give one of (dpfw-slaves)")))
    (.drain self.network (.own-slave self slave) wait))

  (defn kill [self slave]
    "End a slave's process, with all that runs in it: the way out when a remote
    does not heed an interrupt. Returns at once; the task that ran ends with
    `SlaveLost`, and so do those that wait for this slave.

    A slave that was launched here dies whatever it does. One elsewhere gets the
    order over its connection, and obeys unless C code holds its interpreter.

    Raises `ValueError` for a slave of another master."
    (unless (isinstance slave Slave)
      (raise (TypeError f"{slave !r} is no slave; (dpfw-slaves) has those that are")))
    (.kill self.network (.own-slave self slave))
    None)

  ;; Output

  (defn [property] output [self]
    "What is done with what remotes print; see `dpfw-output`."
    self.network.output.shown)

  (defn [output.setter] output [self output]
    (.set self.network.output output))

  ;; Tasks

  (defn make-task [self remote local [slave None] * [timeout None] [retries 0]
                   [on None] [priority 0] [name None] [output MASTERS]]
    "Hand a task to an idle slave, or to ``slave``; return a promise at once. ::

      (setv t (dpfw-make-task '(fn [i o] (+ 2 3)) read-result))
      (force t)  ; => 5

    ``remote`` is a Hy form, or the text of one, that evaluates to a procedure of
    an input and an output port; or a Python function of them, which the slave
    imports. ``local`` is such a procedure, and runs here, in a
    thread of its own, with the other ends of the ports; what it returns is the
    promise's result. With no idle slave the task waits in line; tasks for one
    slave run in their order.

    After ``timeout`` seconds of running, the remote is interrupted, and the
    promise ends with `TaskTimeout`. With ``retries``, a task whose slave is lost
    runs again on another, so many times at most; only give them to remotes that
    may run twice.

    ``on`` is a label: the task is for slaves that were started with it, and waits
    for one. Of those that wait, the task with the highest ``priority``, a number,
    is next. ``name`` is a text that errors and ``(dpfw-tasks)`` show, and that
    ``(dpfw-cancel name)`` takes.

    ``output`` says what is done with what the remote prints, as `dpfw-output` does
    for all; \"master\", with that.

    Raises `UnwritableError` when the remote has no text. The promise ends with
    the local procedure's error, with a `RemoteError` that tells of the remote's,
    with `SlaveLost`, or with `MasterClosed`.

    Source: dpfw for CHICKEN Scheme (2006); the options are new."
    (.check-open self)
    (unless (callable local)
      (raise (TypeError
        f"the local procedure is {(repr local)}, which cannot be called; in a quasiquoted list, write ~read-result")))
    (setv remote (.known self.code remote))
    (when (is local debug)
      (setv remote (debuggable (as-remote remote))))
    (setv reader (when (is local read-result) ResultReader))
    (.make-task self.network remote reader (unless reader local) (.own-slave self slave)
      (checked-timeout timeout) (checked-retries retries)
      (checked-label on slave) (checked-priority priority) (checked-name name) (checked-output output)))

  (defn parallel [self tasks]
    "Run ``[remote local]`` pairs side by side; return the results in order. ::

      (dpfw-parallel `[[(fn [i o] (+ 2 1)) ~read-result]
                       [(fn [i o] (+ 5 5)) ~read-result]])  ; => [3 10]

    All run to their end. Then the first failure in the order of the list, if any,
    is raised.

    Source: dpfw for CHICKEN Scheme (2006)."
    (all-of (map pair tasks) (fn [task] (.make-task self #* task))))

  (defn broadcast [self remote]
    "Run a remote on every connected slave, but those that are leaving; return the
    results in the order of ``(dpfw-slaves)``. All run to their end; then the first failure is raised. ::

      (= (set (dpfw-broadcast '(fn [i o] (+ 1 1)))) #{2})  ; => True"
    (all-of
      (lfor  slave (.slaves self)  :if (!= slave.state "leaving")  slave)
      (fn [slave] (.make-task self remote read-result slave))))

  (defn on-connect [self remote]
    "Run a remote on every slave: on those connected now, whose results are
    returned, and on each that joins or comes back as a new process, before
    anything else reaches it. For expensive things to have ready in its table. ::

      (dpfw-on-connect '(fn [i o] (hash-table-set! (dpfw-slave-ht) \"two\" 2) True))
      (force (dpfw-make-task
        '(fn [i o] (hash-table-ref (dpfw-slave-ht) \"two\")) read-result))  ; => 2

    A slave on which it fails is closed, and the error logged."
    (.check-open self)
    (all-of (.initialise self.network (.known self.code remote)) (fn [task] task.promise)))

  ;; Code on slaves

  (defn define [self thing]
    "Define something on every slave, present and future: what a form defines, quoted or
    as text, or a function or class. ::

      (setv rate 5)
      (dpfw-define `(setv rate ~rate))
      (dpfw-map '(fn [x] (* rate x)) [1 2])  ; => [5 10]

    Returns a function or class, so that in Python ``@dpfw.define`` may stand before its
    definition. What has the same name is replaced. `dpfw-defn` defines a function
    here, too.

    Raises what that raises on a slave, which then has what it had before;
    `UnwritableError` when a function has no source, or uses what cannot go along."
    (.check-open self)
    (for [definition (definitions-of thing self.code.there?)]
      (.define self.code definition))
    (when (function? thing)
      thing))

  (defn load [self path]
    "Send a file, ``.hy`` or ``.py``, to every slave, present and future, as a module that
    remotes can import; returns its name. When the file has changed, another call sends
    it again, and what imports it is evaluated anew. ::

      (import pathlib [Path] tempfile [TemporaryDirectory])
      (with [folder (TemporaryDirectory)]
        (setv file (/ (Path folder) \"measures.hy\"))
        (.write-text file \"(defn area [w h] (* w h))\")
        (dpfw-load file))  ; => \"measures\"
      (dpfw-map 'measures.area [1 2] [3 4])  ; => [3 8]

    A file in a package goes with the ``__init__`` files of that; others beside it are to
    be loaded on their own. It replaces a module of that name which the slave has.

    Raises `OSError` when it cannot be read, `ValueError` or `ImportError` when it cannot be
    a module, and what importing it raises on a slave, which then has what it had before."
    (.check-open self)
    (.load self.code path))

  ;; Tasks that have not ended

  (defn tasks [self]
    "The promises of all tasks that have not ended: those that run, then those that
    wait, in the order in which they will be given to slaves."
    (lfor  task (.tasks self.network)  task.promise))

  (defn cancel [self [what None]]
    "Cancel a promise's task, all those of a slave, all that have a name, or, with
    nothing given, all; returns how many. What runs is interrupted. ::

      (setv t (dpfw-make-task '(fn [i o] (while True)) read-result))
      (dpfw-cancel t)  ; => 1"
    (setv promises (cond
      (is what None) (.tasks self)
      (isinstance what Promise) [what]
      (isinstance what Slave) (lfor  task (.tasks self.network (.own-slave self what))  task.promise)
      (isinstance what str) (lfor  task (.tasks self.network)  :if (= task.name what)  task.promise)
      True (raise (TypeError
        f"{what !r} is no promise, slave, or name of a task; give one, or nothing to cancel all"))))
    (sum (gfor  promise promises  (and (not (.done promise)) (.cancel promise)))))

  ;; Calls over collections

  (defn map [self f xs #* more-xs  [chunk-size None] [retries 0] [progress False] [timeout None]
             [errors "raise"] [on None] [priority 0]]
    "The list of ``(f x …)`` for each x of ``xs``, and of further collections side
    by side, in their order, as far as the shortest goes; by all slaves. ::

      (dpfw-map '(fn [x] (* x x)) (range 5))  ; => [0 1 4 9 16]
      (dpfw-map '(fn [a b] (+ a b)) [1 2] [10 20])  ; => [11 22]

    ``f`` is a procedure, quoted, or its text; it may be a name that the slaves
    know, or a Python function that they can import. Items and results are data,
    as for `write`.

    They travel in chunks of ``chunk-size`` items, or of as many as take a slave
    some 50 ms, found by measurement. What is no list, tuple or range is read only
    as far as slaves have use for it. ``retries`` is how often a chunk whose slave
    is lost may run again, and ``progress`` says whether to show a bar, which needs
    tqdm. ``on`` and ``priority`` are as in `dpfw-make-task`.

    ``timeout`` is in seconds, for the whole call. Then nothing more is begun, what
    runs is interrupted, and `TaskTimeout` raised.

    When an item fails, nothing more is begun, and the error is raised: that of
    the first item, in order, that failed. A `RemoteError` has the item's ``index``,
    from 0, which its message shows. With ``errors`` \"return\", an item's error, as
    an exception, is in the place of its result, and all others go on. ::

      (setv [bad good] (dpfw-map '(fn [x] (/ 6 x)) [0 3] :errors \"return\"))
      [bad.index (isinstance bad ZeroDivisionError) good]  ; => [0 True 2.0]

    Such an error is a `RemoteError`, or `SlaveLost` for each item of a chunk that was
    lost, or `UnwritableError` for an item that is no data. What is about no item,
    such as an f that no slave can evaluate, is raised."
    (.check-open self)
    (mapping.map-items self.network (.known self.code f) [xs #* more-xs]
      (Options chunk-size retries progress timeout errors on priority)))

  (defn imap [self f xs #* more-xs  [chunk-size None] [retries 0] [progress False] [timeout None]
              [errors "raise"] [on None] [priority 0]]
    "Yield ``(f x …)`` for each x, in order, as the results come. Options and errors
    as in `dpfw-map`. ::

      (setv squares (dpfw-imap '(fn [x] (* x x)) (hy.I.itertools.count)))
      (lfor  _ (range 4)  (next squares))  ; => [0 1 4 9]
      (.close squares)

    A generator. It reads items only as far as slaves have use for them, and no
    further than some chunks ahead of the result that was taken last. Closing it ends
    what still runs. After ``timeout`` seconds, counted from the call, it gives what
    is there, and then raises `TaskTimeout`."
    (.check-open self)
    (mapping.map-in-order self.network (.known self.code f) [xs #* more-xs]
      (Options chunk-size retries progress timeout errors on priority)))

  (defn map-unordered [self f xs #* more-xs  [chunk-size None] [retries 0] [progress False]
                       [timeout None] [errors "raise"] [on None] [priority 0]]
    "Yield ``(f x …)`` for each x, as the results come: `dpfw-imap` in no order. ::

      (sum (dpfw-map-unordered '(fn [x] (* x x)) (range 5)))  ; => 30"
    (.check-open self)
    (mapping.map-unordered self.network (.known self.code f) [xs #* more-xs]
      (Options chunk-size retries progress timeout errors on priority)))

  (defn reduce [self f xs [initial NOTHING] * [chunk-size None] [retries 0] [progress False]
                [timeout None] [errors "raise"] [on None] [priority 0]]
    "What `functools.reduce` gives, if f is associative; if not, nonsense, in silence.

    It need not be commutative. Options and errors as in `dpfw-map`, but for the
    errors \"return\", which no value could be made of. ::

      (dpfw-reduce '(fn [a b] (+ a b)) [\"a\" \"b\" \"c\"])  ; => \"abc\"
      (dpfw-reduce 'max [] 0)  ; => 0

    Raises `TypeError` when there is no item and no ``initial``."
    (.check-open self)
    (mapping.reduce-items self.network (.known self.code f) xs initial
      (Options chunk-size retries progress timeout errors on priority)))

  (defn map-reduce [self f g xs * [chunk-size None] [retries 0] [progress False] [timeout None]
                    [errors "raise"] [on None] [priority 0]]
    "Reduce, with an associative g, what f makes of each item; nothing in between
    leaves the slaves but a value for each chunk. Options and errors as in
    `dpfw-reduce`. ::

      (dpfw-map-reduce 'len '(fn [a b] (+ a b)) [\"one\" \"three\"])  ; => 8"
    (.check-open self)
    (mapping.map-reduce self.network (.known self.code f) (.known self.code g) xs
      (Options chunk-size retries progress timeout errors on priority)))

  (defn for-each [self f xs * [chunk-size None] [retries 0] [progress False] [timeout None]
                  [errors "raise"] [on None] [priority 0]]
    "Call f for each item, for its effects on the slaves; returns None. Options and
    errors as in `dpfw-map`, but for the errors \"return\", which would have no place."
    (.check-open self)
    (mapping.for-each self.network (.known self.code f) xs
      (Options chunk-size retries progress timeout errors on priority)))

  (defn executor [self * [results "data"] [retries 0]]
    "A `concurrent.futures.Executor` whose calls are tasks of this master; the options
    are those of `dpfw.executor.Executor`."
    ; It stands below this file, since it may be given no master.
    (hy.I.dpfw/executor.Executor self :results results :retries retries))

  ;; Watching

  (defn metrics [self port]
    "Serve the master's metrics for Prometheus, on this port of loopback, until the
    master is closed. Port 0 is any free one. Returns the host and port that it got.
    Needs prometheus-client: ``pip install 'dpfw[metrics]'``.

    Raises `AddressError` when it cannot listen there."
    (.check-open self)
    (serve-metrics self.node port))

  ;; Its end

  (defn [property] closed [self]
    "Has it left the network?"
    (.is-set self.node.closed))

  (defn close [self]
    "Leave the network: close every connection and listener, and end the slaves that
    were launched. Tasks that are not done end with `MasterClosed`. Idempotent."
    (.close self.network))

  (defn __enter__ [self]
    self)

  (defn __exit__ [self #* _]
    (.close self))

  (defn __repr__ [self]
    (if self.closed
      "<master, closed>"
      f"<master of {(.slave-count self.network)} slaves>"))

  (defn __dir__ [self]
    "What is for users, so that completion shows that."
    (sorted (- (set (.__dir__ (super))) INNER)))

  (defn check-open [self]
    (when self.network.dispatcher.closed
      (raise (MasterClosed "this master has left the network; make another"))))

  (defn own-slave [self slave]
    (unless (or (is slave None) (and (isinstance slave Slave) (is slave.master self)))
      (raise (ValueError (+ f"{slave !r} is no slave of this master; "
        "(dpfw-slaves) has those that are, and a Master's tasks are made with its own make-task"))))
    slave))

(setv INNER #{"network" "node" "code" "check_open" "own_slave"})  ; of a master

(defn pair [task]
  (try
    (setv [remote local] task)
    (except [[TypeError ValueError]]
      (raise (TypeError f"{task !r} is no pair; give [remote local], as in ['(fn [i o] …) read-result]")
        :from None)))
  [remote local])

(defn all-of [things promise-of]
  "Wait for the promises that a procedure makes, one of each thing; return the results,
  or raise the first error in their order. If that is broken off, so are they."
  (setv made [])
  (try
    (for [thing things]
      ; None is made and then forgotten. The things may take their time.
      (with [_ (Whole)]
        (.append made (promise-of thing))))
    (for [promise made]
      (unless (.done promise)
        (.wait promise)))
    (except [BaseException]
      (with [_ (Whole)]
        (for [promise made]
          (.cancel promise)))
      (raise)))
  (lfor  promise made  (force promise)))


;; The default master

(setv
  _lock (threading.Lock)
  _master None
  _leaving False)  ; is the interpreter about to end?

(defn default-master []
  "The master that the functions act on. It is made when it is first needed,
  and anew after `dpfw-close`."
  (setv master _master)
  (if (or (is master None) master.closed)
    (new-default-master)
    master))

(defn new-default-master []
  (global _master)
  (with [_ _lock]
    (when (or (is _master None) _master.closed)
      (when _leaving
        (raise (MasterClosed "the interpreter is about to end, and the master has left the network")))
      (setv _master (Master)))
    _master))


(defn master-or-default [master]
  "The default one for None."
  (setv master (if (is master None) (default-master) master))
  (unless (isinstance master Master)
    (raise (TypeError f"{master !r} is no Master; give one, or nothing for the default one")))
  master)

(defn on-default [name method]
  "The function of this name that calls a method of the default master: with the
  signature and the docstring of that."
  (setv bare (inspect.unwrap method))
  (defn call [#* arguments  #** options]
    (bare (default-master) #* arguments #** options))
  (setv
    name (hy.mangle name)
    signature (inspect.signature method)
    [_ #* parameters] (.values signature.parameters)
    call.__name__ name
    call.__qualname__ name
    call.__doc__ method.__doc__
    call.__signature__ (.replace signature :parameters parameters))
  (tidy call :thin True))

(setv
  dpfw-master-server (on-default "dpfw-master-server" Master.serve)
  dpfw-listen (on-default "dpfw-listen" Master.listen)
  dpfw-master-client (on-default "dpfw-master-client" Master.connect)
  dpfw-make-task (on-default "dpfw-make-task" Master.make-task)
  dpfw-parallel (on-default "dpfw-parallel" Master.parallel)
  dpfw-get-slave (on-default "dpfw-get-slave" Master.get-slave)
  dpfw-slaves (on-default "dpfw-slaves" Master.slaves)
  dpfw-broadcast (on-default "dpfw-broadcast" Master.broadcast)
  dpfw-on-connect (on-default "dpfw-on-connect" Master.on-connect)
  dpfw-define (on-default "dpfw-define" Master.define)
  dpfw-load (on-default "dpfw-load" Master.load)
  dpfw-kill (on-default "dpfw-kill" Master.kill)
  dpfw-drain (on-default "dpfw-drain" Master.drain)
  dpfw-tree (on-default "dpfw-tree" Master.tree)
  dpfw-tasks (on-default "dpfw-tasks" Master.tasks)
  dpfw-cancel (on-default "dpfw-cancel" Master.cancel)
  dpfw-map (on-default "dpfw-map" Master.map)
  dpfw-imap (on-default "dpfw-imap" Master.imap)
  dpfw-map-unordered (on-default "dpfw-map-unordered" Master.map-unordered)
  dpfw-reduce (on-default "dpfw-reduce" Master.reduce)
  dpfw-map-reduce (on-default "dpfw-map-reduce" Master.map-reduce)
  dpfw-for-each (on-default "dpfw-for-each" Master.for-each)
  dpfw-metrics (on-default "dpfw-metrics" Master.metrics))

(defn dpfw-output [output]
  "Say what is done, from now on, with what remotes print: ``output`` of the default master.

  With True, as it is in the beginning, it is shown here on ``sys.stdout`` and
  ``sys.stderr``, with the slave's name in front; a line that several slaves print at
  about the same time is one, with a count. None discards it; a file gets all lines,
  with the names; a function is called with the slave, ``\"stdout\"`` or ``\"stderr\"``,
  and each line. ::

    (setv lines [])
    (dpfw-output (fn [slave stream line] (.append lines [stream line])))
    (force (dpfw-make-task '(fn [i o] (print \"hello\")) read-result))
    lines  ; => [[\"stdout\" \"hello\"]]
    (dpfw-output True)

  A master of which this is None when a slave joins asks it for no output: it prints
  where it is. Log records of remotes go to the logger of their name here.

  Raises `TypeError` for what is none of these."
  (setv (. (default-master) output) output))

(defn dpfw-close []
  "Leave the network: close every connection and listener of this master, and
  end the slaves that it launched. Tasks that are not done end with
  `MasterClosed`. Idempotent."
  (with [_ _lock]
    (setv master _master))
  (unless (is master None)
    (.close master)))


;; Macros over them

(defmacro plet [bindings #* body]
  "Evaluate forms on slaves, side by side, and then the body here, with their
  results bound to the names. ::

    (setv n 10)
    (plet [a (* n n)
           b (+ n n)]
      [a b])  ; => [100 20]

  What a form uses of the program goes along: data by value, functions and macros by
  their source, with what they use in turn; modules, and what they define, are imported
  there. `UnwritableError` says what cannot go."
  (when (or (not (isinstance bindings hy.models.List)) (% (len bindings) 2))
    (raise (TypeError "plet needs a list of names and forms: (plet [a form  b form] body …)")))
  (setv
    names (cut bindings None None 2)
    forms (cut bindings 1 None 2)
    results (hy.gensym "results"))
  `(let [~results (hy.I.dpfw/master.side-by-side
           [~@(gfor  form forms  `#('~form (fn [] ~form)))] (local-macros))
         ~@(gfor  [n name] (enumerate names)  x [name `(get ~results ~n)]  x)]
     ~@body))

(defmacro pfor [binding #* body]
  "The list of what the body gives for each item, by all slaves; see `dpfw-map`,
  and `plet` for the variables that the body uses. ::

    (setv n 10)
    (pfor [x [1 2 3]] (* n x))  ; => [10 20 30]
    (pfor [[k v] (.items {\"a\" 1})] f\"{k}{v}\")  ; => [\"a1\"]"
  (when (or (not (isinstance binding hy.models.List)) (!= (len binding) 2))
    (raise (TypeError "pfor needs a name and a collection: (pfor [x xs] body …)")))
  (setv
    [target xs] binding
    item (hy.gensym "item")
    procedure (if (isinstance target hy.models.Symbol)
      `(fn [~target] ~@body)
      `(fn [~item] (setv ~target ~item) ~@body)))
  `(hy.I.dpfw/master.for-all '~procedure ~procedure ~xs (local-macros)))

(defn [tidy] side-by-side [forms macros]
  "The results of ``[form procedure]`` pairs: what `plet` stands for."
  (dpfw-parallel (lfor
    [form procedure] forms
    [`(fn [dpfw-i dpfw-o] ~(with-all form procedure macros)) read-result])))

(defn [tidy] for-all [form procedure xs macros]
  "What `pfor` stands for."
  (dpfw-map (with-all form procedure macros) xs))

(defn with-all [form procedure macros]
  "The form, on a line of its own, behind all that it uses."
  (setv whole (with-variables form procedure macros (. (default-master) code there?)))
  (if (is whole form)
    (OwnLine form)
    `(~@(cut whole -1) ~(OwnLine form))))

(defn [tidy] define-there [form start end thing procedure macros]
  "What `dpfw-defn` stands for, after the definition here."
  (setv master (default-master))
  (.check-open master)
  (.define master.code (of-defn form start end thing procedure macros master.code.there?)))


(defn [atexit.register] leave []
  "Ends the slaves that were launched, and waits for them, before Python goes."
  (global _leaving)
  (with [_ _lock]
    (setv _leaving True))
  (dpfw-close))


(tidy-excepthook)

(export :objects [
  dpfw-master-server dpfw-listen dpfw-master-client dpfw-make-task force dpfw-parallel
  dpfw-get-slave dpfw-slaves dpfw-broadcast dpfw-on-connect dpfw-tasks dpfw-cancel
  dpfw-kill dpfw-drain dpfw-tree dpfw-metrics dpfw-output dpfw-close dpfw-define dpfw-load
  dpfw-map dpfw-imap dpfw-map-unordered dpfw-reduce dpfw-map-reduce dpfw-for-each
  debug read-result read write read-object write-object register-type Master]
  :macros [plet pfor dpfw-defn dpfw-import dpfw-require])
