"""Code on slaves, from Python: functions and classes by their source."""

import functools
import os

import pytest

from dpfw.errors import UnwritableError
from dpfw.launch import dpfw_launch
from dpfw.master import Master

LIMIT = 10


@pytest.fixture(scope="module")
def master():
    with Master() as master:
        dpfw_launch(2, master)
        yield master


def test_a_decorated_function_is_defined_here_and_there(master):
    @master.define
    @functools.cache
    def double(x, *, times=2):
        """Twice as much."""
        return times * x

    assert double(4) == 8
    assert master.map("double", [1, 2]) == [2, 4]
    assert master.map("(fn [x] (double x :times 3))", [1]) == [3]
    there = "(fn [i o] [double.__doc__ (hasattr double \"cache_info\")])"
    assert master.broadcast(there) == [["Twice as much.", True]] * 2


def test_decorators_above_are_for_here_alone(master):
    @functools.partial(functools.partial, x=1)
    @master.define
    def tripled(x):
        return 3 * x

    assert tripled() == 3
    assert master.map("tripled", [2]) == [6]


def test_what_it_uses_of_functions_around_it_goes_along(master):
    factor = 3

    def times(x, y):
        return x * y

    @master.define
    def scaled(n, more: int = LIMIT):
        return [factor * n, more, scaled(n - 1) if n else None]

    assert master.map("scaled", [1]) == [[3, 10, [0, 10, None]]]
    with pytest.raises(UnwritableError, match="the variable times cannot be sent"):

        @master.define
        def squared(n):
            return times(n, n)


def at_top_level(x):
    import math

    return inverse(math.sqrt(x))


def inverse(x):
    return 1 / x


class Square:
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side**2


def test_functions_and_classes_are_defined_as_they_are(master):
    for thing in (at_top_level, inverse, Square):
        assert master.define(thing) is thing
    assert master.map("at_top_level", [4]) == [0.5]
    assert master.map("(fn [x] (.area (Square x)))", [3]) == [9]
    with pytest.raises(ZeroDivisionError) as raised:
        master.map("at_top_level", [0])
    path = os.path.abspath(__file__)
    line = inverse.__code__.co_firstlineno + 1
    shown = f'File "{path}", line {line}, in inverse\n    return 1 / x\n'
    assert shown in raised.value.traceback


def test_forms_are_text(master):
    master.define(
        """
        (import statistics :as stats)
        (defn middle [#* xs]
          (/ (stats.median xs) 0))
        """
    )
    with pytest.raises(ZeroDivisionError) as raised:
        master.map("middle", [1], [2], [3])
    lines = 'File "<middle>", line 4, in middle\n    (/ (stats.median xs) 0))\n'
    assert lines in raised.value.traceback


def test_what_has_no_source_of_its_own_is_refused(master):
    namespace = {}
    exec("def made(x): return x", namespace)
    for thing, says in [
        (namespace["made"], "it is of no module that is known"),
        (lambda x: x, "it has no name"),
        ("def f(x): return x", "the Python function itself"),
        (len, "cannot be defined on slaves"),
    ]:
        with pytest.raises(TypeError, match=says):
            master.define(thing)


def test_source_that_has_changed_is_refused(master, tmp_path, monkeypatch):
    file = tmp_path / "changed_module.py"
    file.write_text("def f(x):\n    return x + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    import changed_module

    file.write_text("def f(x):\n    return x + 2\n")
    with pytest.raises(UnwritableError, match="not what runs here"):
        master.define(changed_module.f)


def test_a_file_is_loaded(master, tmp_path):
    file = tmp_path / "areas.py"
    file.write_text("def area(w, h):\n    return w * h\n")
    assert master.load(file) == "areas"
    assert master.map("areas.area", [2], [3]) == [6]
