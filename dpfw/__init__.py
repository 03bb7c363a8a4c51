"""dpfw: a lightweight distributed programming framework for Hy.

From Python, procedures are text, or functions that slaves can import; what acts
on the default master has the name of the method of `Master` that does the same::

    import math
    import dpfw

    dpfw.launch(2)
    dpfw.map("(fn [x] (* x x))", range(5))     # [0, 1, 4, 9, 16]
    dpfw.map(math.sqrt, [1, 4, 9])             # [1.0, 2.0, 3.0]

    task = dpfw.make_task("(fn [i o] (+ 2 3))", dpfw.read_result)
    task.result()                              # 5
    dpfw.close()

Importing hy makes the .hy files of this package importable. They are imported
when something of them is first asked for.
"""

import sys as _sys
from importlib import import_module as _import_module

import hy  # noqa: F401

__version__ = "1.0.0"

_MODULES = ["errors", "launch", "master", "slave", "srfi_69"]

# Where what has a name here stands, and under which name.
_PLACES = {
    "dpfw.dispatch.debug": {"debug": "debug"},
    "dpfw.dispatch.promise": {"Promise": "Promise", "force": "force"},
    "dpfw.dispatch.registry": {"Slave": "Slave"},
    "dpfw.data.sexp": {"register_type": "register_type"},
    "dpfw.executor": {"Executor": "Executor"},
    "dpfw.task.ports": {
        name: name
        for name in ["read", "read_object", "read_result", "write", "write_object"]
    },
    "dpfw.launch": {
        f"launch_{where}": f"dpfw_launch_{where}"
        for where in ["dask", "ipyparallel", "ray", "ssh"]
    },
    "dpfw.master": {
        "Master": "Master",
        "connect": "dpfw_master_client",
    }
    | {
        name: f"dpfw_{name}"
        for name in [
            *("broadcast", "cancel", "close", "define", "drain", "for_each", "get_slave"),
            *("imap", "kill", "listen", "load", "make_task", "map", "map_reduce"),
            *("map_unordered", "metrics", "on_connect", "output", "parallel", "reduce"),
            *("slaves", "tasks", "tree"),
        ]
    },
}
_NAMES = {
    name: (module, there)
    for module, names in _PLACES.items()
    for name, there in names.items()
}


def __getattr__(name):
    if name in _MODULES:
        return _import_module(f"dpfw.{name}")
    if name in _NAMES:
        module, there = _NAMES[name]
        return getattr(_import_module(module), there)
    raise AttributeError(
        f"module 'dpfw' has no attribute {name!r}", name=name, obj=_sys.modules["dpfw"]
    )


def __dir__():
    return sorted({"__doc__", "__version__", *_MODULES, *_NAMES})
