from collections.abc import Collection, Iterable, Sequence
from typing import Any

from dpfw.master import Master, Slave

__all__ = [
    "dpfw_launch",
    "dpfw_launch_dask",
    "dpfw_launch_ipyparallel",
    "dpfw_launch_ray",
    "dpfw_launch_ssh",
]

def dpfw_launch(
    n: int,
    master: Master | None = None,
    *,
    name: str | None = None,
    labels: Collection[str] | None = None,
    env: dict[str, str] | None = None,
    memory: int | str | None = None,
    lifetime: str | None = None,
    tasks: int | None = None,
) -> list[Slave]: ...
def dpfw_launch_ssh(
    hosts: Iterable[str],
    master: Master | None = None,
    *,
    per_host: int = 1,
    python: str = "python3",
    ssh: Sequence[str] = ("ssh",),
) -> list[Slave]: ...
def dpfw_launch_dask(
    client: Any,
    n: int,
    master: Master | None = None,
    *,
    resources: dict[str, float] | None = None,
    host: str | None = None,
    port: int = 0,
    timeout: float = 60,
    name: str | None = None,
    labels: Collection[str] | None = None,
    env: dict[str, str] | None = None,
    memory: int | str | None = None,
    lifetime: str | None = None,
    tasks: int | None = None,
) -> list[Slave]: ...
def dpfw_launch_ray(
    n: int,
    master: Master | None = None,
    *,
    resources: dict[str, float] | None = None,
    host: str | None = None,
    port: int = 0,
    timeout: float = 60,
    name: str | None = None,
    labels: Collection[str] | None = None,
    env: dict[str, str] | None = None,
    memory: int | str | None = None,
    lifetime: str | None = None,
    tasks: int | None = None,
) -> list[Slave]: ...
def dpfw_launch_ipyparallel(
    client: Any,
    n: int,
    master: Master | None = None,
    *,
    host: str | None = None,
    port: int = 0,
    timeout: float = 60,
    name: str | None = None,
    labels: Collection[str] | None = None,
    env: dict[str, str] | None = None,
    memory: int | str | None = None,
    lifetime: str | None = None,
    tasks: int | None = None,
) -> list[Slave]: ...
