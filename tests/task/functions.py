"""What tests give to slaves by its name."""

import functools

from dpfw.task.ports import read, write


def double(x):
    return 2 * x


def logged(f):
    @functools.wraps(f)
    def call(x):
        return [f.__name__, f(x)]

    return call


@logged
def decorated(x):
    return x + 1


@functools.lru_cache
def cached(x):
    return -x


hidden = logged(double)  # says that it is another


class Point:
    def __init__(self, x):
        self.x = x

    @classmethod
    def norm(cls, x):
        return [cls.__name__, abs(x)]

    @staticmethod
    def twice(x):
        return 2 * x


class Inherited(Point):
    pass


def echo(i, o):
    """A remote."""
    write([read(i)], o)
    return "done"


def number(n, i, o):
    """A remote, once it has a number."""
    return n
