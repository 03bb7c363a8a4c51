"""An Executor does what one of the standard library does, over real slaves."""

import asyncio
import functools
import gc
import itertools
import logging
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent import futures
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    as_completed,
    wait,
)
from pathlib import Path

import numpy
import pytest

from dpfw.errors import MasterClosed, RemoteError, SlaveLost, UnwritableError
from dpfw.executor import Executor
from tests.callables import (
    OwnError,
    PlainError,
    Point,
    begin,
    die,
    die_once,
    endless,
    pairs,
    raise_it,
    touch,
    wait_for,
    x_of,
)
from tests.helpers import until
from tests.processes import launched, pausing
from tests.two_slaves import master  # noqa: F401

WAIT = 30  # seconds, for anything at all


@pytest.fixture
def executor(master):
    with Executor(master) as executor:
        yield executor


@pytest.fixture
def pickling(master):
    with Executor(master, results="pickle") as executor:
        yield executor


@pytest.fixture
def gate(tmp_path):
    """A file; what waits for it goes on when it is made."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def occupy(executor, gate, n=2):
    """Keep the two slaves busy until the gate is open, with n calls."""
    begun = [gate.with_name(f"begun-{i}") for i in range(n)]
    calls = [executor.submit(begin, str(begun[i]), str(gate), i) for i in range(n)]
    until(lambda: all(path.exists() for path in begun[:2]))
    return calls


# -- What can be called -------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        (x_of, [Point(4)], 4),
        (pow, [2, 10], 1024),
        (Point.triple, [2], 6),
        (Point.name_of_class, [], "Point"),
        (str.upper, ["a"], "A"),
        (dict.fromkeys, ["ab", 1], {"a": 1, "b": 1}),
        (complex, [1, 2], 1 + 2j),
        ("(fn [x] (* x x))", [3], 9),
        (lambda x: [x], [5], [5]),
        (functools.partial(pow, 2), [3], 8),
        (Point(3).double().__eq__, [Point(6)], True),
        (numpy.add, [1, 2], 3),
    ],
)
def test_anything_that_can_be_called_is(executor, function, arguments, result):
    assert executor.submit(function, *arguments).result(WAIT) == result


def test_positional_and_keyword_arguments_arrive_whatever_their_names(executor):
    call = executor.submit(pairs, 1, self=2, function=3, executor=4)
    assert call.result(WAIT) == [[1], {"self": 2, "function": 3, "executor": 4}]


def test_closures_bring_what_they_close_over(executor):
    n = 10

    def helper(x):
        return x + n

    assert list(executor.map(lambda x: 2 * helper(x), [1, 2])) == [22, 24]


def test_each_call_unpickles_its_function_anew(executor):
    def count(seen=[]):  # noqa: B006
        seen.append(1)
        return len(seen)

    assert [executor.submit(count).result(WAIT) for _ in range(3)] == [1, 1, 1]


def test_an_array_of_an_argument_is_the_functions_to_change(executor):
    def doubled(xs):
        xs *= 2
        return xs

    result = executor.submit(doubled, numpy.arange(3000.0)).result(WAIT)
    assert type(result) is numpy.ndarray
    assert (result == numpy.arange(0, 6000, 2.0)).all()


def test_results_that_are_no_data_come_as_pickles_if_that_was_asked_for(
    executor, pickling
):
    with pytest.raises(TypeError) as raised:
        executor.submit(Point, 1).result(WAIT)
    assert isinstance(raised.value, RemoteError)
    for word in ["Point", "write-object", ':results "pickle"']:
        assert word in str(raised.value)
    assert pickling.submit(Point(1).double).result(WAIT) == Point(2)
    assert list(pickling.map(Point, [1, 2], chunksize=2)) == [Point(1), Point(2)]


def test_results_longer_than_the_limit_of_a_frame_arrive(tmp_path):
    program = """
        from dpfw.executor import Executor
        from dpfw.launch import dpfw_launch
        from dpfw.master import dpfw_close
        dpfw_launch(1)
        for results in ["data", "pickle"]:
            print(len(Executor(results=results).submit(bytes, 3_000_000).result()))
        dpfw_close()
    """
    assert run(program, DPFW_FRAME_LIMIT="2000000").stdout == "3000000\n3000000\n"


def test_data_are_never_unpickled(executor):
    import pickle

    pickled = pickle.dumps(Point(1))
    assert executor.submit(bytes, pickled).result(WAIT) == pickled


@pytest.mark.parametrize("function", [5, None, [len]])
def test_what_cannot_be_called_is_refused_at_once(executor, function):
    with pytest.raises(TypeError, match="cannot be called"):
        executor.submit(function)
    with pytest.raises(TypeError, match="cannot be called"):
        executor.map(function, [1])


def test_what_can_be_neither_written_nor_pickled_is_named(executor):
    lock = threading.Lock()
    with pytest.raises(UnwritableError, match=r"argument 1: .*lock.*Nor can it be pickled"):
        executor.submit(pairs, 1, lock)
    with pytest.raises(UnwritableError, match="argument key: .*lock"):
        executor.submit(pairs, 1, key=lock)
    with pytest.raises(UnwritableError, match="slaves cannot import.*Nor can it be pickled"):
        executor.submit(lambda: lock)


def test_without_cloudpickle_errors_say_how_to_install_it(executor, monkeypatch):
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert executor.submit(pow, 2, 3).result(WAIT) == 8
    with pytest.raises(UnwritableError, match=r"pip install 'dpfw\[cloudpickle\]'"):
        executor.submit(lambda: 1)
    with pytest.raises(UnwritableError, match=r"argument 0.*'dpfw\[cloudpickle\]'"):
        executor.submit(x_of, Point(1))


def test_a_slave_without_cloudpickle_says_so():
    program = """
        from dpfw.executor import Executor
        from dpfw.launch import dpfw_launch
        dpfw_launch(1)
        executor = Executor()
        hidden = "(fn [] (import sys) (setv (get sys.modules \\"cloudpickle\\") None))"
        executor.submit(hidden).result()
        try:
            executor.submit(lambda: 1).result()
        except Exception as e:
            print(e)
    """
    assert "pip install 'dpfw[cloudpickle]'" in run(program).stdout


def test_code_of_another_python_is_not_run(executor, monkeypatch):
    monkeypatch.setattr("dpfw.task.calls.VERSION", "3.0")
    with pytest.raises(RuntimeError, match=r"by Python 3\.0.*slave runs 3\.1\d"):
        executor.submit(lambda: 1).result(WAIT)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"results": "text"}, ValueError),
        ({"retries": -1}, ValueError),
        ({"master": "localhost"}, TypeError),
    ],
)
def test_options_that_make_no_sense_are_refused(master, options, error):
    with pytest.raises(error, match=repr(next(iter(options.values())))):
        Executor(**{"master": master, **options})


# -- Exceptions ---------------------------------------------------------------


def test_exceptions_have_the_remotes_traceback_as_their_cause(executor):
    error = executor.submit(raise_it, ZeroDivisionError, "on purpose").exception(WAIT)
    assert isinstance(error, ZeroDivisionError)
    assert str(error) == "on purpose"
    assert "raise error(*arguments)" in str(error.__cause__)


def test_exceptions_of_a_users_are_of_their_own_class_with_pickles(executor, pickling):
    error = executor.submit(raise_it, PlainError, 1).exception(WAIT)
    assert isinstance(error, ValueError)
    assert error.type_name.endswith("PlainError")
    error = pickling.submit(raise_it, PlainError, 1).exception(WAIT)
    assert type(error) is PlainError
    assert error.args == (1,)
    assert "raise error(*arguments)" in str(error.__cause__)


def test_exceptions_that_cannot_be_pickled_are_told_all_the_same(pickling):
    error = pickling.submit(raise_it, OwnError, "a", "b").exception(WAIT)
    assert isinstance(error, RemoteError)
    assert str(error) == "a: b"
    error = pickling.submit(lambda: raise_it(ValueError, threading.Lock()))
    assert isinstance(error.exception(WAIT), ValueError)


def test_a_result_whose_unpickling_exits_ends_its_promise(pickling):
    class Exits:
        def __reduce__(self):
            return sys.exit, (3,)

    assert isinstance(pickling.submit(lambda: Exits()).exception(WAIT), BaseException)


# -- Map ----------------------------------------------------------------------


@pytest.mark.parametrize("chunksize", [1, 3, 100])
def test_map_keeps_the_order_up_to_the_end_of_the_shortest(executor, chunksize):
    xs = range(20)
    results = executor.map(pow, xs, itertools.repeat(2), chunksize=chunksize)
    assert list(results) == [x * x for x in xs]
    assert list(executor.map(pow, [], [], chunksize=chunksize)) == []


def test_map_reads_all_at_once_and_runs_all_though_nobody_takes_a_result(
    executor, tmp_path
):
    paths = iter([str(tmp_path / "a"), str(tmp_path / "b")])
    executor.map(touch, paths)
    assert next(paths, None) is None
    executor.shutdown()
    assert len(list(tmp_path.iterdir())) == 2


def test_map_with_a_buffer_reads_only_so_far_ahead(executor):
    numbers = itertools.count()
    results = executor.map(str, numbers, buffersize=3)
    assert next(numbers) == 3
    assert [next(results), next(results)] == ["0", "1"]
    assert next(numbers) == 5
    results.close()
    chunks = executor.map(str, itertools.count(), buffersize=2, chunksize=2)
    assert [next(chunks) for _ in range(5)] == ["0", "1", "2", "3", "4"]
    chunks.close()
    assert list(executor.map(str, range(4), buffersize=99)) == ["0", "1", "2", "3"]


def test_closing_a_map_cancels_what_is_left(executor, master, gate):
    for taken in (0, 1):
        results = executor.map(
            wait_for, [str(gate.parent)] * taken + 5 * [str(gate)]
        )
        for _ in range(taken):
            next(results)
        assert len(executor.pending) == 5
        results.close()
        assert master.tasks() == []
        assert list(results) == []
        results.close()


def test_map_after_a_shutdown_in_the_middle_gives_what_was_begun(executor):
    results = executor.map(str, itertools.count(), buffersize=1)
    executor.shutdown()
    assert next(results) == "0"
    with pytest.raises(RuntimeError, match="shut down"):
        next(results)


def test_map_raises_in_its_place_and_ends_the_rest(executor):
    def step(x):
        return endless() if x < 0 else 1 // x

    results = executor.map(step, [1, 1, 0, -1, -1, -1])
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []
    # Both slaves are free, and no call of it is left.
    assert list(executor.map(abs, range(4))) == [0, 1, 2, 3]


def test_map_times_out_and_ends_the_rest(executor, gate):
    results = executor.map(wait_for, 4 * [str(gate)], timeout=0.1)
    with pytest.raises(futures.TimeoutError):
        next(results)
    assert list(executor.map(abs, range(4), timeout=WAIT)) == [0, 1, 2, 3]


def test_an_iterable_that_fails_leaves_no_call_behind(executor, master, gate):
    blockers = occupy(executor, gate)

    def items():
        yield "a"
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        executor.map(str, items())
    assert set(master.tasks()) == set(blockers)


@pytest.mark.parametrize("option", ["chunksize", "buffersize"])
def test_sizes_that_make_no_sense_are_refused(executor, option):
    with pytest.raises(ValueError, match=option):
        executor.map(str, [1], **{option: 0})
    with pytest.raises(TypeError, match=option):
        executor.map(str, [1], **{option: 1.5})


# -- Its end ------------------------------------------------------------------


def test_after_a_shutdown_it_takes_nothing_and_its_master_goes_on(executor, master):
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(abs, -1)
    with pytest.raises(RuntimeError, match="shut down"):
        executor.map(abs, [-1])
    with master.executor() as other:
        assert other.submit(abs, -1).result(WAIT) == 1


def test_a_shutdown_waits_for_what_was_begun_and_for_what_waits(master, gate):
    with Executor(master) as executor:
        calls = occupy(executor, gate, 5)
        threading.Timer(0.1, gate.touch).start()
    assert [call.done() for call in calls] == [True] * 5
    assert [call.result(0) for call in calls] == list(range(5))


def test_a_shutdown_that_does_not_wait_loses_nothing(master, gate):
    executor = Executor(master)
    calls = occupy(executor, gate, 5)
    executor.shutdown(wait=False)
    assert not calls[0].done()
    del executor
    gc.collect()
    gate.touch()
    assert [call.result(WAIT) for call in calls] == list(range(5))


def test_cancel_futures_cancels_what_waits_and_nothing_that_runs(master, gate):
    executor = Executor(master)
    calls = occupy(executor, gate, 5)
    executor.shutdown(wait=False, cancel_futures=True)
    assert [call.cancelled() for call in calls] == [False] * 2 + [True] * 3
    gate.touch()
    assert [call.result(WAIT) for call in calls[:2]] == [0, 1]


def test_a_closed_master_says_so(gate):
    with launched(1) as (master, _):
        executor = Executor(master)
        call = executor.submit(wait_for, str(gate))
    with pytest.raises(MasterClosed):
        call.result(WAIT)
    with pytest.raises(MasterClosed):
        executor.submit(abs, 1)
    executor.shutdown()


def test_a_shutdown_waits_for_callbacks_too(master):
    seen = []
    go_on = threading.Event()

    def callback(call):
        go_on.wait(WAIT)
        seen.append(call.result())

    with Executor(master) as executor:
        call = executor.submit(abs, -1)
        call.add_done_callback(callback)
        call.result(WAIT)
        threading.Timer(0.1, go_on.set).start()
    assert seen == [1]


def test_a_callback_may_shut_the_executor_down(master):
    executor = Executor(master)
    call = executor.submit(abs, -1)
    call.add_done_callback(lambda _: executor.shutdown())
    call.add_done_callback(lambda call: call.add_done_callback(lambda _: None))
    executor.shutdown()
    assert executor.pending == {}


def test_a_callback_that_raises_is_logged_and_stops_nothing(executor, caplog):
    call = executor.submit(abs, -1)
    seen = []
    call.add_done_callback(lambda _: 1 // 0)
    call.add_done_callback(seen.append)
    executor.shutdown()
    assert seen == [call]
    assert call.result(0) == 1
    assert "exception calling callback" in caplog.text


def test_where_no_thread_is_to_be_had_all_is_done_without(pickling, monkeypatch):
    monkeypatch.setattr("dpfw.net.threads.ThreadPool.run", lambda *_: False)
    seen = []
    call = pickling.submit(Point, 1)
    call.add_done_callback(seen.append)
    assert call.result(WAIT) == Point(1)
    pickling.shutdown()
    assert seen == [call]


def test_nothing_keeps_arguments_or_results(executor):
    class Heavy(Point):
        pass

    argument = Heavy(1)
    seen = weakref.ref(argument)
    call = executor.submit(x_of, argument)
    del argument
    assert seen() is None
    assert call.result(WAIT) == 1
    executor.results = "pickle"
    results = executor.map(Point, [1, 2])
    first = weakref.ref(next(results))
    assert first() is None
    assert next(results) == Point(2)


# -- Futures ------------------------------------------------------------------


def test_wait_and_as_completed_take_its_calls(executor, gate):
    slow = executor.submit(wait_for, str(gate), "slow")
    quick = executor.submit(abs, -1)
    assert wait([slow, quick], WAIT, FIRST_COMPLETED) == ({quick}, {slow})
    failed = executor.submit(divmod, 1, 0)
    assert wait([slow, failed], WAIT, FIRST_EXCEPTION) == ({failed}, {slow})
    assert wait([slow], 0).not_done == {slow}
    with pytest.raises(futures.TimeoutError):
        list(as_completed([slow, quick], 0))
    calls = as_completed([slow, quick, quick], WAIT)
    assert next(calls) is quick
    gate.touch()
    assert list(calls) == [slow]
    assert wait([slow, quick, failed], WAIT, ALL_COMPLETED).not_done == set()


def test_what_waits_and_what_runs_can_be_cancelled(executor, gate):
    [running, other] = occupy(executor, gate)
    waiting = executor.submit(abs, -1)
    assert [c.running() for c in (running, other, waiting)] == [True, True, False]
    for call in (waiting, running, other):
        assert call.cancel()
        assert call.cancelled()
        with pytest.raises(CancelledError):
            call.result(WAIT)
    # Both slaves are free again, though the gate is closed.
    assert list(executor.map(abs, range(4))) == [0, 1, 2, 3]


def test_many_threads_use_one_executor(executor):
    results = {}

    def work(n):
        calls = [executor.submit(pow, n, 2) for _ in range(20)]
        results[n] = {call.result(WAIT) for call in calls}

    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    assert results == {n: {n * n} for n in range(8)}


def test_a_call_that_is_made_while_the_executor_shuts_down_is_refused(master):
    executor = Executor(master)

    class Late:
        def __reduce__(self):
            executor.shutdown()
            return int, (5,)

    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(abs, Late())
    assert executor.pending == {}


def test_submit_and_shutdown_from_many_threads_lose_no_call(master):
    """Each call is either refused, or has ended when the shutdown returns."""
    executor = Executor(master)
    taken = []

    def work():
        while True:
            try:
                taken.append(executor.submit(abs, -1))
            except RuntimeError:
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(taken) < 20:
        pass
    executor.shutdown()
    ended = [call.done() for call in list(taken)]
    for thread in threads:
        thread.join(WAIT)
    assert all(ended)
    assert all(call.done() and call.result(0) == 1 for call in taken)


def test_asyncio_runs_calls_and_awaits_their_promises(executor, gate):
    async def main():
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(executor, pow, 2, 3) == 8
        calls = [executor.submit(abs, -n) for n in range(5)]
        assert await asyncio.gather(*calls) == [0, 1, 2, 3, 4]
        with pytest.raises(ZeroDivisionError):
            await loop.run_in_executor(executor, divmod, 1, 0)
        running = loop.run_in_executor(executor, wait_for, str(gate))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())


# -- Slaves that die ----------------------------------------------------------


def test_a_slave_that_is_killed_takes_only_its_own_call_along(caplog):
    caplog.set_level(logging.ERROR)
    with launched(2) as (master, _), Executor(master) as executor:
        with pytest.raises(SlaveLost) as raised:
            executor.submit(die).result(WAIT)
        assert not isinstance(raised.value, futures.BrokenExecutor)
        assert list(executor.map(abs, range(-9, 0))) == list(range(9, 0, -1))


def test_with_retries_its_call_runs_on_another(tmp_path):
    with pausing(3600), launched(2) as (master, _):
        with Executor(master, retries=1) as executor:
            call = executor.submit(die_once, str(tmp_path / "died"))
            survivor = call.result(WAIT)
            assert survivor == executor.submit(os.getpid).result(WAIT)


# -- The interpreter's end ----------------------------------------------------


def run(program, status=0, **environment):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=Path(__file__).parent.parent,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert done.returncode == status, done
    return done


def test_what_is_pending_is_completed_at_the_interpreters_end(tmp_path):
    program = f"""
        import atexit, threading
        from dpfw.executor import Executor
        from dpfw.launch import dpfw_launch
        from tests.callables import wait_for

        def late():
            try:
                executor.submit(abs, 1)
            except RuntimeError as e:
                print(e)

        atexit.register(late)
        dpfw_launch(1)
        executor = Executor()
        gate = {str(tmp_path / "gate")!r}
        for n in range(3):
            executor.submit(wait_for, gate, n).add_done_callback(
                lambda call: print(call.result()))
        # While the interpreter is about to end, and waits.
        threading._register_atexit(lambda: open(gate, "x").close())
        print("the end")
    """
    done = run(program)
    *lines, last = done.stdout.splitlines()
    # Each is printed by a thread of its own.
    assert lines[0] == "the end", done
    assert sorted(lines[1:]) == ["0", "1", "2"], done
    assert "about to end" in last
    assert done.stderr == ""


def test_without_slaves_the_interpreter_ends_all_the_same():
    program = """
        import dpfw.executor
        dpfw.executor.LOOK_EVERY = 0.01
        dpfw.executor.Executor().submit(abs, -1)
    """
    assert "there is no slave for 1 calls" in run(program).stderr


def test_a_child_that_was_forked_leaves_the_parents_calls_alone(tmp_path):
    program = f"""
        import os
        from dpfw.executor import Executor
        from dpfw.launch import dpfw_launch
        from tests.callables import wait_for

        dpfw_launch(1)
        gate = {str(tmp_path / "gate")!r}
        with Executor() as executor:
            call = executor.submit(wait_for, gate, 5)
            child = os.fork()
            if child:
                print(os.waitpid(child, 0)[1], call.done())
                open(gate, "x").close()
            else:
                try:
                    executor.submit(abs, -1)
                except RuntimeError as e:
                    print(e, flush=True)
        if child:
            print(call.result(0))
    """
    told, *lines = run(program).stdout.splitlines()
    assert "left the network" in told
    assert lines == ["0 False", "5"]
