"""A user's program, for mypy to check in strict mode; test_python_face.py runs that.

What is wrong in it says so: mypy complains where a `type: ignore` has nothing to
ignore.
"""

import asyncio
import math
from collections.abc import Generator, Iterator
from concurrent import futures
from io import TextIOBase
from typing import TYPE_CHECKING, Any

import dpfw
import dpfw.launch
import dpfw.srfi_69
from dpfw.errors import DpfwError, RemoteError, SlaveLost
from dpfw.launch import dpfw_launch
from dpfw.master import Master, dpfw_make_task, dpfw_map, force, read_result
from dpfw.slave import dpfw_slave_ht

if TYPE_CHECKING:
    from typing_extensions import assert_type


def half(x: int) -> float:
    return x / 2


def add(a: float, b: float) -> float:
    return a + b


def remote(i: TextIOBase, o: TextIOBase) -> int:
    dpfw.write([1, 2], o)
    return 3


def local(i: TextIOBase, o: TextIOBase) -> list[str]:
    return [str(dpfw.read(i)), i.readline()]


def maps(master: dpfw.Master) -> None:
    assert_type(master.map(half, [1, 2]), list[float])
    assert_type(master.map(half, [1], errors="return"), list[float | Exception])
    assert_type(master.map("(fn [x] x)", [1], timeout=5), list[Any])
    assert_type(master.map(add, [1.0], [2.0], chunk_size=1), list[float])
    assert_type(master.imap(half, [1]), Generator[float, None, None])
    assert_type(dpfw.map(math.sqrt, range(3), retries=1), list[float])
    assert_type(dpfw_map(half, [1]), list[float])
    for x in dpfw.map_unordered(half, [1], errors="return"):
        if isinstance(x, RemoteError):
            print(x.index, x.type_name)
    assert_type(dpfw.reduce(add, [1.0, 2.0]), float)
    assert_type(dpfw.reduce("(fn [a b] (+ a b))", ["a"], ""), Any)
    assert_type(dpfw.map_reduce(half, add, [1, 2], progress=True), float)
    dpfw.for_each(half, [1])

    master.map(5, [1])  # type: ignore[call-overload]
    master.map(half, 5)  # type: ignore[call-overload]
    master.map(half, [1], errors="retrun")  # type: ignore[call-overload]
    master.map(half, [1], chunksize=5)  # type: ignore[call-overload]
    dpfw.reduce(half, [1])  # type: ignore[arg-type]
    dpfw.for_each(half, [1], errors="return")  # type: ignore[arg-type]


def tasks(master: Master, slave: dpfw.Slave) -> None:
    task = master.make_task(remote, local, slave, timeout=1.5, retries=2)
    assert_type(task, dpfw.Promise[list[str]])
    assert_type(task.result(timeout=1), list[str])
    assert_type(force(task), list[str])
    assert_type(dpfw_make_task("(fn [i o] 1)", read_result), dpfw.Promise[Any])
    assert_type(force(5), int)
    assert_type(master.cancel(task), int)
    assert_type(master.get_slave(), dpfw.Slave)
    assert_type(master.get_slave(False), dpfw.Slave | None)
    assert_type(slave.process is None or slave.process.pid, bool | int)
    master.parallel([("(fn [i o] 1)", read_result), [remote, read_result]])

    master.make_task(5, local)  # type: ignore[arg-type]
    master.make_task(remote, "(fn [i o] 1)")  # type: ignore[arg-type]
    master.make_task(remote, local, 10)  # type: ignore[arg-type]
    slave.busy = True  # type: ignore[misc]


async def awaits(master: Master) -> list[str]:
    task = asyncio.create_task(master.make_task(remote, local))
    assert_type(await task, list[str])
    return await master.make_task(remote, local)


def executors(master: Master) -> None:
    with master.executor(retries=1) as executor:
        assert_type(executor, dpfw.Executor)
        assert_type(executor.submit(half, 1), dpfw.Promise[float])
        assert_type(executor.submit("(fn [] 1)").result(), Any)
        assert_type(executor.map(half, [1], buffersize=2), Iterator[float])
        executor.shutdown(cancel_futures=True)
    pool: futures.Executor = dpfw.Executor(results="pickle")
    assert_type(pool.submit(half, 1).result(), float)

    dpfw.Executor(results="text")  # type: ignore[arg-type]
    executor.submit(5)  # type: ignore[call-overload]


def network() -> None:
    assert_type(dpfw.launch(2), list[dpfw.Slave])
    assert_type(dpfw_launch(2, None), list[dpfw.Slave])
    assert_type(dpfw.connect("node-a", 10000, wait=30), dpfw.Slave)
    with dpfw.Master() as master:
        assert_type(master.listen(host="127.0.0.1"), tuple[str, int])
        assert_type(master.closed, bool)
        maps(master)
    try:
        dpfw.broadcast(remote)
    except (SlaveLost, dpfw.errors.TaskTimeout) as e:
        assert isinstance(e, DpfwError)
    table = dpfw_slave_ht()
    assert_type(dpfw.srfi_69.hash_table_keys(table), list[Any])
    dpfw.register_type(complex, "Z", lambda z: [z.real, z.imag])

    dpfw.launch("2")  # type: ignore[arg-type]
    dpfw.connect("node-a", "10000")  # type: ignore[arg-type]
    dpfw.mapp(half, [1])  # type: ignore[attr-defined]
