from dpfw.master import Master, Slave

__all__ = ["dpfw_launch"]

def dpfw_launch(n: int, master: Master | None = None) -> list[Slave]: ...
