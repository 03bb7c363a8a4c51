from typing import Any

from dpfw.master import register_type as register_type

__all__ = ["dpfw_slave_server", "dpfw_slave_client", "dpfw_slave_ht", "register_type"]

def dpfw_slave_server(
    port: int, backlog: int = 1000, host: str | None = None
) -> None: ...
def dpfw_slave_client(host: str, port: int) -> None: ...
def dpfw_slave_ht() -> dict[Any, Any]: ...
