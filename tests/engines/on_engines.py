"""What the programs of these tests share."""

import logging
import time

import dpfw

WAIT = 120  # seconds, for anything at all
PIDS = "(fn [i o] (import os) [(os.getpid) (os.getppid)])"


class Kept(logging.Handler):
    """The messages that dpfw has logged."""

    def __init__(self):
        super().__init__()
        self.said = []
        logging.getLogger("dpfw").addHandler(self)
        logging.getLogger("dpfw").setLevel(logging.INFO)

    def emit(self, record):
        self.said.append(record.getMessage())


def until(condition):
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def there(n):
    until(lambda: len(dpfw.slaves()) == n)


def error_of(procedure, *arguments, **options):
    try:
        procedure(*arguments, **options)
    except Exception as error:
        return [type(error).__name__, str(error)]


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def pids():
    """Of slaves, and of the workers that have started them."""
    return dpfw.broadcast(PIDS)
