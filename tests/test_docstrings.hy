"The examples in the docstrings, run."

(import
  importlib [import-module]
  pytest
  dpfw.launch [dpfw-launch]
  dpfw.master [dpfw-close]
  tests.doc-examples [check-docstrings])

(defn [(pytest.mark.parametrize "name"
        ["net.addresses" "net.about" "dispatch.line" "dispatch.promise" "data.sexp" "data.packed"
         "data.garbage" "data.codec" "net.frames" "task.names" "task.operators" "task.ports"
         "dispatch.imports" "dispatch.sources" "serve.rank" "serve.table" "ssh.command" "dispatch.debug"
         "commands.table" "see"])]
      test-examples-hold [name]
  (assert (check-docstrings (import-module f"dpfw.{name}")) f"dpfw.{name} has no examples"))

(defn [(pytest.mark.parametrize "name" ["master" "definers" "launch" "executor"])]
      test-examples-over-a-network-hold [name]
  (dpfw-launch 2)
  (try
    (assert (check-docstrings (import-module f"dpfw.{name}")) f"dpfw.{name} has no examples")
    (finally
      (dpfw-close))))
