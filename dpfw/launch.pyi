from collections.abc import Collection, Iterable, Sequence

from dpfw.master import Master, Slave

__all__ = ["dpfw_launch", "dpfw_launch_ssh"]

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
