"""What the tests of executors have slaves call: they import this module."""

import os
import signal
import time


class Point:
    """No data: it has no s-expression."""

    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Point and other.x == self.x

    __hash__ = None

    def double(self):
        return Point(2 * self.x)

    @classmethod
    def name_of_class(cls):
        return cls.__name__

    @staticmethod
    def triple(x):
        return 3 * x


class OwnError(Exception):
    """Cannot be unpickled, since that calls it with its message alone."""

    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")


class PlainError(ValueError):
    pass


def pairs(*arguments, **keywords):
    return [list(arguments), keywords]


def raise_it(error, *arguments):
    raise error(*arguments)


def x_of(point):
    return point.x


def touch(path):
    """Leave a trace, and give it back."""
    path_of_all = f"{path}-{os.getpid()}-{time.monotonic_ns()}"
    open(path_of_all, "x").close()
    return path_of_all


def wait_for(path, then=None):
    """Wait until there is such a file."""
    while not os.path.exists(path):
        time.sleep(0.005)
    return then


def begin(begun, path, then=None):
    """Say that it has begun, and wait for another file."""
    open(begun, "x").close()
    return wait_for(path, then)


def meet(own, other):
    """Wait for another such call, which runs at the same time."""
    begin(own, other)
    return os.getpid()


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(path):
    try:
        open(path, "x").close()
    except FileExistsError:
        return os.getpid()
    die()


def endless():
    while True:
        time.sleep(0.005)
