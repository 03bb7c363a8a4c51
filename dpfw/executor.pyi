from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import Any, Literal, TypeVar, overload

from dpfw.master import Master, Promise

__all__ = ["Executor"]

_T = TypeVar("_T")

class Executor(futures.Executor):
    def __init__(
        self,
        master: Master | None = None,
        *,
        results: Literal["data", "pickle"] = "data",
        retries: int = 0,
    ) -> None: ...
    # Text gives who knows what.
    @overload  # type: ignore[override]
    def submit(
        self, function: str, /, *arguments: Any, **keywords: Any
    ) -> Promise[Any]: ...
    @overload
    def submit(
        self, function: Callable[..., _T], /, *arguments: Any, **keywords: Any
    ) -> Promise[_T]: ...
    @overload  # type: ignore[override]
    def map(
        self,
        function: str,
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[Any]: ...
    @overload
    def map(
        self,
        function: Callable[..., _T],
        /,
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]: ...
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None: ...
