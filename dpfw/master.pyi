from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from concurrent.futures import Future
from io import TextIOBase
from os import PathLike
from subprocess import Popen
from types import TracebackType
from typing import IO, Any, Literal, Protocol, TypeAlias, TypeVar, overload

from typing_extensions import Self

from dpfw.executor import Executor

__all__ = [
    "dpfw_master_server",
    "dpfw_listen",
    "dpfw_master_client",
    "dpfw_make_task",
    "force",
    "dpfw_parallel",
    "dpfw_get_slave",
    "dpfw_slaves",
    "dpfw_broadcast",
    "dpfw_on_connect",
    "dpfw_tasks",
    "dpfw_cancel",
    "dpfw_kill",
    "dpfw_drain",
    "dpfw_tree",
    "dpfw_metrics",
    "dpfw_output",
    "dpfw_close",
    "dpfw_define",
    "dpfw_load",
    "dpfw_map",
    "dpfw_imap",
    "dpfw_map_unordered",
    "dpfw_reduce",
    "dpfw_map_reduce",
    "dpfw_for_each",
    "debug",
    "read_result",
    "read",
    "write",
    "read_object",
    "write_object",
    "register_type",
    "Master",
]

_T = TypeVar("_T")
_X = TypeVar("_X")
_C = TypeVar("_C", bound=Callable[..., Any])

# Text, or a function that slaves can import. Hy's models have no types: they are Any.
_Remote: TypeAlias = str | Callable[[Any, Any], Any]
_Local: TypeAlias = Callable[[Any, Any], _T]
_Port: TypeAlias = TextIOBase | IO[str]

class _Writable(Protocol):
    def write(self, text: str, /) -> object: ...

_Output: TypeAlias = (
    Literal[True]
    | None
    | _Writable
    | Callable[[Slave, Literal["stdout", "stderr"], str], object]
)

# For create_task and its kin, it has the methods of a coroutine.
class Promise(Future[_T], Coroutine[Any, Any, _T]):
    def __await__(self) -> Generator[Any, None, _T]: ...
    def send(self, value: Any) -> Any: ...
    def throw(self, *error: Any) -> Any: ...
    def close(self) -> None: ...

class Slave:
    id: str
    name: str
    labels: list[str]
    master: Master
    address: str | None
    process: Popen[bytes] | None
    @property
    def state(self) -> str: ...
    @property
    def lost(self) -> bool: ...
    @property
    def busy(self) -> bool: ...

class Master:
    output: _Output
    def __init__(self, *, output: _Output = True) -> None: ...
    def listen(
        self, port: int = 0, backlog: int = 1000, host: str | None = None
    ) -> tuple[str, int]: ...
    def unlisten(self, address: tuple[str, int]) -> None: ...
    def serve(
        self, port: int, backlog: int = 1000, host: str | None = None
    ) -> None: ...
    def connect(self, host: str, port: int, *, wait: float = 0) -> Slave: ...
    def slaves(self) -> list[Slave]: ...
    @overload
    def get_slave(self, wait: Literal[True] = True) -> Slave: ...
    @overload
    def get_slave(self, wait: bool) -> Slave | None: ...
    def kill(self, slave: Slave) -> None: ...
    def drain(self, slave: Slave, *, wait: bool = False) -> None: ...
    def tree(self, width: int | None) -> list[Slave]: ...
    def make_task(
        self,
        remote: _Remote,
        local: _Local[_T],
        slave: Slave | None = None,
        *,
        timeout: float | None = None,
        retries: int = 0,
        on: str | None = None,
        priority: float = 0,
        name: str | None = None,
        output: _Output | Literal["master"] = "master",
    ) -> Promise[_T]: ...
    def parallel(
        self, tasks: Iterable[tuple[_Remote, _Local[_T]] | Sequence[Any]]
    ) -> list[_T]: ...
    def broadcast(self, remote: _Remote) -> list[Any]: ...
    def on_connect(self, remote: _Remote) -> list[Any]: ...
    @overload
    def define(self, thing: _C) -> _C: ...
    @overload
    def define(self, thing: str) -> None: ...
    def load(self, path: str | PathLike[str]) -> str: ...
    def tasks(self) -> list[Promise[Any]]: ...
    def cancel(self, what: Promise[Any] | Slave | str | None = None) -> int: ...
    @overload
    def map(
        self,
        f: Callable[..., _T],
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> list[_T]: ...
    @overload
    def map(
        self,
        f: Callable[..., _T],
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["return"],
        on: str | None = None,
        priority: float = 0,
    ) -> list[_T | Exception]: ...
    @overload
    def map(
        self,
        f: str,
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise", "return"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> list[Any]: ...
    @overload
    def imap(
        self,
        f: Callable[..., _T],
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> Generator[_T, None, None]: ...
    @overload
    def imap(
        self,
        f: Callable[..., _T],
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["return"],
        on: str | None = None,
        priority: float = 0,
    ) -> Generator[_T | Exception, None, None]: ...
    @overload
    def imap(
        self,
        f: str,
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise", "return"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> Generator[Any, None, None]: ...
    @overload
    def map_unordered(
        self,
        f: Callable[..., _T],
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> Generator[_T, None, None]: ...
    @overload
    def map_unordered(
        self,
        f: Callable[..., _T],
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["return"],
        on: str | None = None,
        priority: float = 0,
    ) -> Generator[_T | Exception, None, None]: ...
    @overload
    def map_unordered(
        self,
        f: str,
        xs: Iterable[Any],
        *more_xs: Iterable[Any],
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise", "return"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> Generator[Any, None, None]: ...
    @overload
    def reduce(
        self,
        f: Callable[[_T, _T], _T],
        xs: Iterable[_T],
        initial: _T = ...,
        *,
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> _T: ...
    @overload
    def reduce(
        self,
        f: str,
        xs: Iterable[Any],
        initial: Any = ...,
        *,
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> Any: ...
    @overload
    def map_reduce(
        self,
        f: str | Callable[[Any], _T],
        g: Callable[[_T, _T], _T],
        xs: Iterable[Any],
        *,
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> _T: ...
    @overload
    def map_reduce(
        self,
        f: str | Callable[[Any], Any],
        g: str,
        xs: Iterable[Any],
        *,
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> Any: ...
    def for_each(
        self,
        f: str | Callable[[Any], Any],
        xs: Iterable[Any],
        *,
        chunk_size: int | None = None,
        retries: int = 0,
        progress: bool = False,
        timeout: float | None = None,
        errors: Literal["raise"] = "raise",
        on: str | None = None,
        priority: float = 0,
    ) -> None: ...
    def executor(
        self,
        *,
        results: Literal["data", "pickle"] = "data",
        retries: int = 0,
    ) -> Executor: ...
    def metrics(self, port: int) -> tuple[str, int]: ...
    @property
    def closed(self) -> bool: ...
    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        *_: type[BaseException] | BaseException | TracebackType | None,
    ) -> None: ...
    def __dir__(self) -> list[str]: ...

# The functions are methods of a default master.
_default: Master

dpfw_master_server = _default.serve
dpfw_listen = _default.listen
dpfw_master_client = _default.connect
dpfw_make_task = _default.make_task
dpfw_parallel = _default.parallel
dpfw_get_slave = _default.get_slave
dpfw_slaves = _default.slaves
dpfw_broadcast = _default.broadcast
dpfw_on_connect = _default.on_connect
dpfw_tasks = _default.tasks
dpfw_cancel = _default.cancel
dpfw_define = _default.define
dpfw_load = _default.load
dpfw_kill = _default.kill
dpfw_drain = _default.drain
dpfw_tree = _default.tree
dpfw_metrics = _default.metrics
dpfw_map = _default.map
dpfw_imap = _default.imap
dpfw_map_unordered = _default.map_unordered
dpfw_reduce = _default.reduce
dpfw_map_reduce = _default.map_reduce
dpfw_for_each = _default.for_each

def dpfw_output(output: _Output) -> None: ...
def dpfw_close() -> None: ...
@overload
def force(promise: Future[_T]) -> _T: ...
@overload
def force(promise: _X) -> _X: ...
def debug(i: _Port, o: _Port) -> Any: ...
def read(i: _Port) -> Any: ...
def write(x: object, o: _Port) -> None: ...
def read_result(i: _Port, o: _Port) -> Any: ...
def read_object(i: _Port) -> Any: ...
def write_object(x: object, o: _Port) -> None: ...
def register_type(
    cls: type[_T],
    tag: str | None = None,
    writer: Callable[[_T], Iterable[Any]] | None = None,
    reader: Callable[..., _T] | None = None,
) -> None: ...
def default_master() -> Master: ...
