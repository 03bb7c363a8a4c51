from collections.abc import Iterable, Sequence

from dpfw.master import Master, Slave

__all__ = ["dpfw_launch", "dpfw_launch_ssh"]

def dpfw_launch(n: int, master: Master | None = None) -> list[Slave]: ...
def dpfw_launch_ssh(
    hosts: Iterable[str],
    master: Master | None = None,
    *,
    per_host: int = 1,
    python: str = "python3",
    ssh: Sequence[str] = ("ssh",),
) -> list[Slave]: ...
