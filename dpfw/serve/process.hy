"What a slave's process has one of: the module in which remotes are evaluated,
whoever sends them; and the procedures that serve masters in it."

(import
  dpfw [srfi-69]
  dpfw.data.sexp [register-type]
  dpfw.serve.evaluator [Evaluator]
  dpfw.serve.server [Server]
  dpfw.serve.table [dpfw-slave-ht values]
  dpfw.task.ports [read write read-object write-object])


(defn dpfw-slave-server [port [backlog 1000] [host None]]
  "Listen for masters and serve them: the first in this thread, those that come
  while it is busy in threads of their own. Blocks.

  ``port`` 0 is any free port, ``host`` None every address of this machine.
  Raises `AddressError` when it cannot listen there, `CookieError` when there
  is no cookie to trust.

  Source: dpfw for CHICKEN Scheme (2006)."
  (with [server (Server evaluator)]
    (.listen server.node port backlog host)
    (.serve-in-turn server)))

(defn dpfw-slave-client [host port]
  "Dial a master server and serve it in this thread. Blocks; dials again, with
  growing pauses, when the master goes or is not there yet.

  Raises `AddressError` when the host does not resolve, `Refused` when the other
  end is no master or has another cookie, `CookieError`.

  Source: dpfw for CHICKEN Scheme (2006)."
  (with [server (Server evaluator)]
    (.serve-dialled server host port)))

(setv evaluator (Evaluator {
  #** (dfor  name srfi-69.__all__  name (getattr srfi-69 name))
  #** (dfor
    procedure [dpfw-slave-server dpfw-slave-client dpfw-slave-ht register-type
               values read write read-object write-object]
    procedure.__name__ procedure)}))
