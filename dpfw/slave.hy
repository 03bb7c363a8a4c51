"Slaves: serving tasks to masters, from a program or from the command line.

::

    (import dpfw.slave *)
    (dpfw-slave-server 10000)                      ; masters dial this machine
    (dpfw-slave-client \"master.example.com\" 10000) ; or it dials a master

From the shell, ``hy -m dpfw.slave 10000`` and
``hy -m dpfw.slave --connect master.example.com:10000``."

(import
  sys
  dpfw.data.sexp [register-type]
  dpfw.serve.command-line [main]
  dpfw.serve.process [dpfw-slave-server dpfw-slave-client]
  dpfw.serve.table [dpfw-slave-ht])

(export :objects [dpfw-slave-server dpfw-slave-client dpfw-slave-ht register-type])

(when (= __name__ "__main__")
  (sys.exit (main)))
