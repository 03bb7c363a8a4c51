"Masters: handing tasks to slaves.

::

    (import dpfw.master *)
    (dpfw-master-client \"node-b.example.com\" 10000)
    (force (dpfw-make-task '(fn [i o] (+ 2 3)) read-result))

The functions here act on one default master. The names, and most of what they
do, are those of dpfw for CHICKEN Scheme (2006)."

(import
  atexit
  threading
  dpfw.dispatch [Master]
  dpfw.ports [read write read-object write-object read-result]
  dpfw.promise [force])
(eval-when-compile (require hyrule.control [unless]))

(setv
  _lock (threading.Lock)
  _master None)

(defn default-master []
  "The master that the functions act on. It is made when it is first needed,
  and anew after `dpfw-close`."
  (global _master)
  (with [_ _lock]
    (when (or (is _master None) (.is-set _master.closed))
      (setv _master (Master)))
    _master))


(defn dpfw-master-server [port [backlog 100] [host None]]
  "Listen for slaves that dial in. Blocks until `dpfw-close`.

  ``port`` 0 is any free port, ``backlog`` how many connections may wait to be
  accepted, ``host`` the address to listen on, None for every one. Raises
  `AddressError` when it cannot listen there, `CookieError`.

  Source: dpfw for CHICKEN Scheme (2006)."
  (.serve (default-master) port backlog host))

(defn dpfw-master-client [host port]
  "Dial a slave server. Returns the slave, as soon as it is connected and
  authenticated; if it goes away later, it is dialled again.

  Raises `AddressError` when the host does not resolve, `OSError` when nothing
  answers there, `Refused` when the other end is no slave or has another cookie,
  `CookieError`.

  Source: dpfw for CHICKEN Scheme (2006)."
  (.connect (default-master) host port))

(defn dpfw-make-task [remote local [slave None] * [timeout None] [retries 0]]
  "Hand a task to an idle slave, or to ``slave``; return a promise at once. ::

    (setv t (dpfw-make-task '(fn [i o] (+ 2 3)) read-result))
    (force t)  ; => 5

  ``remote`` is a Hy form, or the text of one, that evaluates to a procedure of
  an input and an output port. ``local`` is such a procedure, and runs here, in a
  thread of its own, with the other ends of the ports; what it returns is the
  promise's result. With no idle slave the task waits in line; tasks for one
  slave run in their order.

  After ``timeout`` seconds of running, the remote is interrupted, and the
  promise ends with `TaskTimeout`. With ``retries``, a task whose slave is lost
  runs again on another, so many times at most; only give them to remotes that
  may run twice.

  Raises `UnwritableError` when the remote has no text. The promise ends with
  the local procedure's error, with a `RemoteError` that tells of the remote's,
  with `SlaveLost`, or with `MasterClosed`.

  Source: dpfw for CHICKEN Scheme (2006); timeout and retries are new."
  (.make-task (default-master) remote local slave :timeout timeout :retries retries))

(defn dpfw-parallel [tasks]
  "Run ``[remote local]`` pairs side by side; return the results in order. ::

    (dpfw-parallel `[[(fn [i o] (+ 2 1)) ~read-result]
                     [(fn [i o] (+ 5 5)) ~read-result]])  ; => [3 10]

  All run to their end. Then the first failure in the order of the list, if any,
  is raised.

  Source: dpfw for CHICKEN Scheme (2006)."
  (.parallel (default-master) tasks))

(defn dpfw-get-slave [[wait True]]
  "An idle slave, not reserved. With none idle: waits, or returns None if
  ``wait`` is false.

  Source: dpfw for CHICKEN Scheme (2006)."
  (.get-slave (default-master) wait))

(defn dpfw-slaves []
  "Every connected slave, in the order in which they joined, as a list."
  (.slaves (default-master)))

(defn dpfw-broadcast [remote]
  "Run a remote on every connected slave; return the results in the order of
  ``(dpfw-slaves)``. All run to their end; then the first failure is raised. ::

    (= (set (dpfw-broadcast '(fn [i o] (+ 1 1)))) #{2})  ; => True"
  (.broadcast (default-master) remote))

(defn dpfw-on-connect [remote]
  "Run a remote on every slave: on those connected now, whose results are
  returned, and on each that joins or comes back as a new process, before
  anything else reaches it. For expensive things to have ready in its table. ::

    (dpfw-on-connect '(fn [i o] (hash-table-set! (dpfw-slave-ht) \"two\" 2) True))
    (force (dpfw-make-task
      '(fn [i o] (hash-table-ref (dpfw-slave-ht) \"two\")) read-result))  ; => 2

  A slave on which it fails is closed, and the error logged."
  (.on-connect (default-master) remote))

(defn dpfw-kill [slave]
  "End a slave's process, with all that runs in it: the way out when a remote
  does not heed an interrupt. Returns at once; the task that ran ends with
  `SlaveLost`, and so do those that wait for this slave.

  A slave that was launched here dies whatever it does. One elsewhere gets the
  order over its connection, and obeys unless C code holds its interpreter."
  (.kill (default-master) slave))

(defn dpfw-close []
  "Leave the network: close every connection and listener of this master, and
  end the slaves that it launched. Tasks that are not done end with
  `MasterClosed`. Idempotent."
  (with [_ _lock]
    (setv master _master))
  (unless (is master None)
    (.close master)))


; Ends the slaves that were launched, and waits for them, before Python goes.
(atexit.register dpfw-close)


(export :objects [
  dpfw-master-server dpfw-master-client dpfw-make-task force dpfw-parallel
  dpfw-get-slave dpfw-slaves dpfw-broadcast dpfw-on-connect dpfw-kill dpfw-close
  read-result read write read-object write-object Master])
