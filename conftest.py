"""What every test stands on.

- Tests are written in Hy or in Python: tests/test_*.hy are collected like
  tests/test_*.py.
- A test session has a cookie, a home and a temporary directory of its own, so
  it neither uses nor touches those of the person who runs it.
- Hygiene: a test that leaves a thread, a process, a file descriptor or a
  temporary file behind fails, and says what it left.
- The watchdog: a test that hangs ends the run, with a failure and with every
  stack, those of Python child processes included.
- Ctrl-C interrupts, also where the run was started in the background.
- Hypothesis: random for people, always the same for CI.

This file is in Python because pytest reads no conftest.hy.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import resource
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from importlib.machinery import PathFinder
from pathlib import Path

import hy  # noqa: F401  makes .hy files importable
import pytest
from hypothesis import settings

from dpfw.serve.rank import RANKS

OUTER_ENVIRON = dict(os.environ)

# A shell that starts this in the background has it ignore Ctrl-C, and slaves
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Set in this process; every descendant inherits it. Where /proc shows the
# environment of a process, a slave whose parent is gone is found by it.
SESSION_MARK = "DPFW_TEST_SESSION"

# Seconds for a test that hung and its children to print their stacks and end.
LAST_WORDS = 5

# What pytest's config keeps for us: the session's own directory, a descriptor
# of the real stderr, what fixtures of a module or session have started, the
# end of the present test.
OWN = pytest.StashKey[Path]()
STDERR = pytest.StashKey[int]()
LASTING = pytest.StashKey[set]()
OVER = pytest.StashKey[threading.Event]()

# And what a test keeps: that it hung, in words.
HUNG = pytest.StashKey[str]()


# -- Hypothesis ---------------------------------------------------------------

# No deadline: a first example that waits for Hy to compile something is no
# failure. In CI the same examples each time, so that a red build is the
# change's fault; people get new ones at each run.
settings.register_profile(
    "dpfw", deadline=None, print_blob=True, derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("dpfw")


# -- Tests written in Hy ------------------------------------------------------


class HyModuleFinder:
    """Finds .hy modules before pytest's assertion rewriter is asked.

    The rewriter takes on every file named on the command line, and would
    parse Hy as Python. The usual cure, --assert=plain, would take the values
    from the failure messages of the tests that are in Python as well.
    """

    @staticmethod
    def find_spec(name, path=None, target=None):
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and (spec.origin or "").endswith(".hy"):
            return spec
        return None


def pytest_collect_file(file_path, parent):
    if file_path.suffix == ".hy" and file_path.name.startswith("test_"):
        return pytest.Module.from_parent(parent, path=file_path)
    return None


# -- The session's own surroundings -------------------------------------------


def pytest_addoption(parser):
    parser.addini("watchdog_seconds", "what a test may take", default="120")
    parser.addini("hygiene_grace_seconds", "what its end may take", default="5")


def pytest_configure(config):
    # Here and not in a fixture: test modules may look at the environment while
    # they are imported.
    patch = pytest.MonkeyPatch()
    own = config.stash[OWN] = Path(tempfile.mkdtemp(prefix="dpfw-tests-"))
    config.add_cleanup(lambda: shutil.rmtree(own))
    config.add_cleanup(patch.undo)
    # pytest keeps its own temporary directories, for a look after a failure.
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        patch.setenv("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    for variable, name in (
        ("HOME", "home"),
        ("XDG_CONFIG_HOME", "config"),
        ("TMPDIR", "tmp"),
    ):
        (own / name).mkdir()
        patch.setenv(variable, str(own / name))
    patch.setattr(tempfile, "tempdir", str(own / "tmp"))
    patch.setenv("DPFW_COOKIE", secrets.token_hex(32))
    patch.delenv("DPFW_COOKIE_FILE", raising=False)
    # The tests may run in a job of Slurm's; their slaves are no ranks of it. And their
    # terminals have sizes of their own.
    for variable in (*RANKS, "COLUMNS", "LINES"):
        patch.delenv(variable, raising=False)
    patch.setenv(SESSION_MARK, secrets.token_hex(16))
    # Slaves that compile every .hy file again take 1.7 s to start.
    patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    # What the watchdog aborts prints its stacks, and leaves no core file.
    patch.setenv("PYTHONFAULTHANDLER", "1")
    resource.setrlimit(
        resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1])
    )

    sys.meta_path.insert(0, HyModuleFinder)
    config.add_cleanup(lambda: sys.meta_path.remove(HyModuleFinder))

    # pytest captures nothing yet, so this is the real stderr; later, 2 is not.
    config.stash[STDERR] = os.dup(2)
    config.add_cleanup(lambda: os.close(config.stash[STDERR]))
    config.stash[LASTING] = set()


@pytest.fixture(scope="session")
def outer_environ():
    """The environment before all that: for pip, whose index, cache and
    certificates are the user's own."""
    return dict(OUTER_ENVIRON)


# -- What is there: threads, processes, descriptors, temporary files ----------


def present():
    """All that a test could leave behind, as a set of tuples (kind, ...)."""
    return threads() | processes() | descriptors() | temporary_files()


def threads():
    return {("thread", thread) for thread in threading.enumerate()}


def descriptors():
    """("fd", number, target). Not 0 to 2: pytest's capture exchanges those."""
    found = set()
    for name in os.listdir("/dev/fd"):
        # The listing's own descriptor is closed again by now.
        with contextlib.suppress(OSError):
            if int(name) > 2:
                found.add(("fd", int(name), descriptor_target(int(name))))
    return found


def descriptor_target(fd):
    if sys.platform == "linux":
        return os.readlink(f"/proc/self/fd/{fd}")
    status = os.fstat(fd)
    kind = stat.filemode(status.st_mode)
    return f"{kind} device {status.st_dev} inode {status.st_ino}"


def temporary_files():
    return {("file", name) for name in os.listdir(tempfile.gettempdir())}


def processes():
    """("process", id, start): this process's descendants, the dead among them."""
    table = process_table()
    found = set()
    for pid, (parent, start) in table.items():
        ancestor = parent
        while ancestor in table and ancestor != os.getpid():
            ancestor = table[ancestor][0]
        if ancestor == os.getpid() or has_session_mark(pid):
            found.add(("process", pid, start))
    return found


def process_table():
    """A dict from process id to (parent's id, time of its start)."""
    if sys.platform == "linux":
        table = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                # Fields 4 and 22 of proc(5), where the first is number 1. The
                # first one after the command's name is number 3.
                status = Path("/proc", name, "stat").read_text()
                fields = status.rpartition(")")[2].split()
                table[int(name)] = (int(fields[1]), int(fields[19]))
        # Not this process itself, nor what is older: not of this session.
        oldest = table.pop(os.getpid())[1]
        return {pid: entry for pid, entry in table.items() if entry[1] >= oldest}
    with subprocess.Popen(
        ["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True
    ) as ps:
        lines = [list(map(int, line.split())) for line in ps.stdout]
    table = {pid: (parent, None) for pid, parent in lines}
    table.pop(ps.pid, None)
    table.pop(os.getpid(), None)
    return table


def has_session_mark(pid):
    """Whether a process, of whatever parent, comes from this session."""
    mark = f"{SESSION_MARK}={os.environ[SESSION_MARK]}".encode()
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:  # another user's, gone, or no Linux
        return False


def described(thing):
    match thing:
        case ("thread", thread):
            frame = sys._current_frames().get(thread.ident)
            place = "".join(traceback.format_stack(frame)[-2:])
            daemon = ", a daemon" if thread.daemon else ""
            return f"thread {thread.name!r}{daemon}, at\n{place}".rstrip()
        case ("process", pid, _):
            return f"process {pid}: {command_line(pid)}"
        case ("fd", number, target):
            return f"file descriptor {number}: {target}{socket_names(number)}"
        case ("file", name):
            return f"temporary file {os.path.join(tempfile.gettempdir(), name)}"


def command_line(pid):
    if sys.platform == "linux":  # where ps is not always installed
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return "gone"
        command = b" ".join(words).decode(errors="replace").strip()
        return command or "it has ended, but nobody has waited for it"
    with subprocess.Popen(
        ["ps", "-o", "stat=,args=", "-p", str(pid)], stdout=subprocess.PIPE, text=True
    ) as ps:
        state, _, command = ps.stdout.read().strip().partition(" ")
    if state.startswith("Z"):
        return "it has ended, but nobody has waited for it"
    return command or "gone"


def socket_names(fd):
    """The addresses of a socket's two ends; nothing if it is no socket."""
    try:
        with socket.socket(fileno=os.dup(fd)) as copy:
            names = [f" at {copy.getsockname()!r}"]
            with contextlib.suppress(OSError):
                names.append(f" with {copy.getpeername()!r}")
            return "".join(names)
    except OSError:
        return ""


# -- Hygiene ------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    """What a module's or session's fixture starts is meant to last.

    Most such fixtures are set up before `hygiene` looks for the first time.
    One that a test asks for by `request.getfixturevalue` is not; hence this.
    What lasting things start later on, while a test runs (a slave that redials,
    a thread for a new connection), is that test's to end.
    """
    if fixturedef.scope == "function":
        return (yield)
    before = present()
    try:
        return (yield)
    finally:
        request.config.stash[LASTING] |= present() - before


@pytest.fixture(autouse=True)
def hygiene(request):
    """Fails a test that leaves something behind.

    Autouse fixtures are set up first and taken down last among those of a
    function, so a test's own fixtures are done when this looks again.
    """
    before = present()
    yield
    allowed = before | request.config.stash[LASTING]
    grace = float(request.config.getini("hygiene_grace_seconds"))
    left = sorted(left_after(allowed, grace), key=lambda thing: (thing[0], str(thing)))
    if left:
        report = "\n".join(described(thing) for thing in left)
        for thing in left:
            if thing[0] == "process":
                end_process(thing[1], signal.SIGKILL)
        pytest.fail(f"left behind {grace:g} s after the test:\n{report}", pytrace=False)


def left_after(allowed, grace):
    """What is there, and not allowed, when it has had GRACE seconds to end."""
    deadline = time.monotonic() + grace
    left = present() - allowed
    if left:
        # Something may be open only because it is part of a dead cycle.
        gc.collect()
    while left and time.monotonic() < deadline:
        running = [thing[1] for thing in left if thing[0] == "thread"]
        if running:
            running[0].join(0.02)
        else:
            time.sleep(0.02)
        left = present() - allowed
    return left


def end_process(pid, number):
    """Sends a signal, and takes note of the end if it is a child of ours."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    if number == signal.SIGKILL:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


# -- The watchdog -------------------------------------------------------------
#
# pytest's own (faulthandler_timeout) knows nothing of child processes, and
# orphans would hold CI's output open for ever; and it stands down as soon as a
# test raises, though what comes after may hang. So it is the second here, for
# a process that holds the GIL and hangs.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    over = item.config.stash[OVER] = threading.Event()
    watch = threading.Thread(
        target=watchdog, args=(item, over), name="watchdog", daemon=True
    )
    watch.start()
    try:
        return (yield)
    finally:
        over.set()
        watch.join()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Whatever a test makes of the death of its children, it has failed."""
    report = yield
    if HUNG in item.stash and report.passed:
        report.outcome = "failed"
        report.longrepr = item.stash[HUNG]
    return report


def pytest_enter_pdb(config):
    """A person who looks at a test may take all the time."""
    config.stash[OVER].set()


def watchdog(item, over):
    limit = float(item.config.getini("watchdog_seconds"))
    if over.wait(limit):
        return
    stderr = item.config.stash[STDERR]
    item.stash[HUNG] = f"{item.nodeid} has not ended within {limit:g} s"
    # No test after this one: what made it hang would make others hang too.
    item.session.shouldfail = item.stash[HUNG]
    os.write(stderr, f"\n\n{item.stash[HUNG]}. Its stacks:\n".encode())
    faulthandler.dump_traceback(stderr)
    for _, pid, _ in processes():
        os.write(stderr, f"\nAborting its child {pid}: {command_line(pid)}\n".encode())
        end_process(pid, signal.SIGABRT)
    # A test that waits for its children ends now. Then pytest reports as usual,
    # with the children's stacks among what the test has printed.
    if over.wait(LAST_WORDS):
        return
    os.write(stderr, b"\nWhat it and its children have printed:\n")
    for fd in (1, 2):
        # Files of pytest's capture, if it captures, that go when we go.
        with contextlib.suppress(OSError):
            os.write(stderr, os.pread(fd, os.fstat(fd).st_size, 0))
    for _, pid, _ in processes():
        end_process(pid, signal.SIGKILL)
    # Nothing milder is sure to end the process; but it runs no clean-up.
    shutil.rmtree(item.config.stash[OWN], ignore_errors=True)
    os._exit(1)
