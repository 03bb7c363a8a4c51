"Launching: slave processes of one's own, on this machine, on others over ssh, and on
clusters that Dask, Ray or IPython Parallel has.

::

    (import dpfw.launch [dpfw-launch dpfw-launch-ssh])
    (setv slaves (dpfw-launch 2))
    (setv more (dpfw-launch-ssh [\"node-a\" \"node-b\"]))

A launched slave serves its master, and ends with that session. So it goes down with
its master, however that ends. One that ends before is replaced."

(import
  inspect
  sys
  types [ModuleType]
  dpfw.dispatch.options [check-seconds]
  dpfw.dispatch.spawned [check-main-imported]
  dpfw.engines.dask [dask-launch]
  dpfw.engines.ipyparallel [ipyparallel-launch]
  dpfw.engines.ray [ray-launch]
  dpfw.master [master-or-default]
  dpfw.processes.launch [START-TIMEOUT]
  dpfw.processes.local [local-launch]
  dpfw.processes.settings [Settings]
  dpfw.ssh.command [checked-command checked-path destinations]
  dpfw.ssh.installation [DEFAULT-PYTHON]
  dpfw.ssh.launch [ssh-launch]
  dpfw.tidy [tidy])
(eval-when-compile (require hyrule.control [unless]))


(defn [tidy] dpfw-launch [n [master None] * [name None] [labels None] [env None] [memory None]
                   [lifetime None] [tasks None]]
  "Start ``n`` slave processes on this machine, wait until all are connected to
  the master (the default one if None is given), and return their slaves.

  They see the modules that this process sees. What they write when they run no remote goes
  to this process's standard output and error. They are taken down with the master, and one
  that ends before is replaced, by a new `Slave`, unless `dpfw-kill` or `dpfw-drain` has
  ended it. Raises `LaunchError` when one does not come up; then none stays. ::

    (len (dpfw-launch 2))  ; => 2

  ``name`` is what they are called, with a number behind it if there are several;
  ``labels`` are for tasks that ask for slaves ``:on`` one of them; ``env`` is a
  dict of environment variables. ``memory`` is what each may have, in bytes or
  as a text, \"2G\": a remote that wants more gets a `MemoryError`, and its slave
  serves on. After ``lifetime``, such as \"2h\", or so many ``tasks``, a slave finishes
  what it runs, and is replaced. Where the user has not set ``OMP_NUM_THREADS`` or its kin, libraries
  that start threads of their own are told to start as many as is each slave's
  share of the processors. ::

    (setv [slave] (dpfw-launch 1 :name \"one\" :labels [\"gpu\"] :memory \"2G\"))
    [slave.name slave.labels]  ; => [\"one\" [\"gpu\"]]"
  (setv settings (checked-settings n name labels env memory lifetime tasks))
  (.up (local-launch (master-or-default master) settings)))

(defn [tidy] dpfw-launch-ssh [hosts [master None] * [per-host 1] [python DEFAULT-PYTHON] [ssh #("ssh")]]
  "Start slaves on other machines, over ssh: ``per-host`` on each of ``hosts``. Wait until
  all are connected and prepared, and return their slaves. ::

    (dpfw-launch-ssh [\"node-a\" \"me@node-b:2222\"] :per-host 4 :python \"~/venv/bin/python\")

  A host is named as ssh knows it, and ``~/.ssh/config``, agents and jump hosts count.
  ``python`` is the interpreter there, which must have dpfw; ``ssh`` is the command with
  options of yours, a list such as ``[\"ssh\" \"-F\" \"cluster.conf\"]``. The sessions go
  through ssh itself, so no port need be open and no cookie be there.

  ssh may ask for a password at the terminal, if there is one, and waits for nobody else.
  What the slaves write when they run no remote goes to standard error here, after the
  name of the host. They end with the master, or when ssh does; then ssh is started again.

  Raises `LaunchError`, which says what to do, when one does not come up; then none stays.
  Raises `AddressError` for what is no host."
  (check-number per-host)
  (check-main-imported)
  (setv given [(destinations hosts) per-host (checked-path python) (checked-command ssh)])
  (.up (ssh-launch (master-or-default master) #* given)))

(defn [tidy] dpfw-launch-dask [client n [master None] * [resources None] [host None] [port 0] [timeout START-TIMEOUT]
                        [name None] [labels None] [env None] [memory None] [lifetime None] [tasks None]]
  "Start ``n`` slaves on the workers of a Dask cluster. Wait until all are connected and
  prepared, and return their slaves. ::

    (import distributed [Client])
    (dpfw-launch-dask (Client \"tcp://scheduler:8786\") 8)

  ``client`` is a `distributed.Client`. Each slave is one long task there, with a process of its
  own, and takes a thread of a worker; ``resources`` is a dict of what else it needs, as Dask
  has it. The workers must have dpfw, and the slaves see the modules that these see.

  The slaves dial this process: as ``host``, or else by the address that it has towards the scheduler,
  and on ``port``, 0 being any free one. ``timeout`` is how many seconds each has to come up; where a
  cluster starts machines first, give more. The other options are those of `dpfw-launch`.

  They end with the master, with the client, and with their worker. One whose worker is lost or
  retired is replaced. Raises `LaunchError`, which says what Dask answered and what to do, when one
  does not come up; then none stays."
  (setv settings (checked-settings n name labels env memory lifetime tasks :timeout timeout))
  (.up (dask-launch (master-or-default master) client settings host port timeout resources)))

(defn [tidy] dpfw-launch-ray [n [master None] * [resources None] [host None] [port 0] [timeout START-TIMEOUT]
                       [name None] [labels None] [env None] [memory None] [lifetime None] [tasks None]]
  "The same on the Ray cluster that this process is in, by ``(ray.init)``. Each slave takes a
  processor. ::

    (import ray)
    (ray.init \"auto\")
    (dpfw-launch-ray 8)"
  (setv settings (checked-settings n name labels env memory lifetime tasks :timeout timeout))
  (.up (ray-launch (master-or-default master) settings host port timeout resources)))

(defn [tidy] dpfw-launch-ipyparallel [client n [master None] * [host None] [port 0] [timeout START-TIMEOUT]
                               [name None] [labels None] [env None] [memory None] [lifetime None] [tasks None]]
  "The same on the engines of an `ipyparallel.Client`. Each slave takes an engine. ::

    (import ipyparallel)
    (dpfw-launch-ipyparallel (ipyparallel.Client) 8)"
  (setv settings (checked-settings n name labels env memory lifetime tasks :timeout timeout))
  (.up (ipyparallel-launch (master-or-default master) client settings host port timeout)))

(defn checked-settings [n #* options  [timeout START-TIMEOUT]]
  "The `Settings` of n slaves, where slaves may be launched."
  (check-number n)
  (check-seconds "timeout" timeout)
  (setv settings (Settings n #* options))
  (check-main-imported)
  settings)

(defn check-number [n]
  (unless (and (is (type n) int) (>= n 0))
    (raise ((if (is (type n) int) ValueError TypeError)
      f"cannot launch {n !r} slaves; give a number, such as 2"))))


;; ``dpfw.launch`` is this module's name, and a call that reads well in Python.

(defclass LaunchModule [ModuleType]
  (defn [tidy] __call__ [self #* arguments  #** options]
    (dpfw-launch #* arguments #** options)))

(setv
  (. (get sys.modules __name__) __class__) LaunchModule
  __signature__ (inspect.signature dpfw-launch))

(export :objects [dpfw-launch dpfw-launch-ssh dpfw-launch-dask dpfw-launch-ray dpfw-launch-ipyparallel])
