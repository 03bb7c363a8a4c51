from dpfw import (
    errors as errors,
    master as master,
    slave as slave,
    srfi_69 as srfi_69,
)
from dpfw.executor import Executor as Executor
from dpfw.launch import (
    dpfw_launch as _launch,
    dpfw_launch_dask as launch_dask,
    dpfw_launch_ipyparallel as launch_ipyparallel,
    dpfw_launch_ray as launch_ray,
    dpfw_launch_ssh as launch_ssh,
)
from dpfw.master import (
    Master as Master,
    Promise as Promise,
    Slave as Slave,
    _default,
    debug as debug,
    dpfw_close,
    dpfw_output,
    force as force,
    read as read,
    read_object as read_object,
    read_result as read_result,
    register_type as register_type,
    write as write,
    write_object as write_object,
)

__version__: str

launch = _launch
close = dpfw_close
output = dpfw_output

broadcast = _default.broadcast
cancel = _default.cancel
connect = _default.connect
define = _default.define
for_each = _default.for_each
get_slave = _default.get_slave
imap = _default.imap
drain = _default.drain
tree = _default.tree
kill = _default.kill
listen = _default.listen
load = _default.load
make_task = _default.make_task
map = _default.map
map_reduce = _default.map_reduce
map_unordered = _default.map_unordered
metrics = _default.metrics
on_connect = _default.on_connect
parallel = _default.parallel
reduce = _default.reduce
slaves = _default.slaves
tasks = _default.tasks
