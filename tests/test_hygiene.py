"""conftest.py keeps its word: a test that leaves something behind, that hangs,
or in which an exception is lost, fails; a clean one passes.

Each example is a test of a pytest run of its own.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent

EXAMPLES = r"""
import os, secrets, socket, subprocess, sys, tempfile, threading, time
import pytest

kept = []  # what is in it stays open

def child(program="input()"):
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
    process.stdin.close()
    return process

SLEEP = "import time; time.sleep(60)"

def test_clean(tmp_path):
    (tmp_path / "file").write_text("pytest takes this away")
    thread = threading.Thread(target=len, args=[""])
    thread.start()
    thread.join()
    child("").wait()
    for end in socket.socketpair():
        end.close()
    with tempfile.TemporaryFile(), tempfile.NamedTemporaryFile():
        pass

def test_that_ends_a_moment_later():
    threading.Thread(target=time.sleep, args=[0.2]).start()

def test_thread():
    threading.Thread(target=threading.Event().wait, name="idler", daemon=True).start()

def test_child():
    kept.append(child(SLEEP))

def test_after_test_child():
    "Only the test that left something is to blame, and no later one suffers."
    assert kept[-1].wait(5) is not None

def test_zombie():
    kept.append(child(""))

def test_orphan():
    child("import subprocess, sys; "
          f"subprocess.Popen([sys.executable, '-c', {SLEEP!r}])").wait()

def test_socket():
    kept.append(socket.create_server(("127.0.0.1", 0)))

def test_file_open():
    kept.append(open(os.devnull))

def test_temporary_file():
    os.close(tempfile.mkstemp(prefix="forgotten-")[0])

def test_function_fixture(leaky):
    pass

@pytest.fixture
def leaky():
    yield
    kept.append(open(os.devnull))

@pytest.fixture(scope="module")
def lasting():
    process = child(SLEEP)
    ends = socket.socketpair()
    yield
    process.kill()
    process.wait()
    for end in ends:
        end.close()

def test_module_fixture_asked_for_late(request):
    request.getfixturevalue("lasting")

def test_module_fixture(lasting):
    pass

def test_exception_in_thread():
    def fail():
        raise ValueError("nobody catches this")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

def test_exception_in_finaliser():
    class Fails:
        def __del__(self):
            raise ValueError("nobody sees this")
    Fails()

def test_left_to_the_collector():
    socket.socket()

def test_own_surroundings():
    assert len(os.environ["DPFW_COOKIE"]) == 64
    assert not os.listdir(os.environ["HOME"])
    assert not os.listdir(os.environ["XDG_CONFIG_HOME"])
    assert os.path.expanduser("~") == os.environ["HOME"] != OUTER_HOME
    with tempfile.TemporaryDirectory() as folder:
        assert os.path.dirname(folder) == os.environ["TMPDIR"]
"""


def run_pytest(folder, *arguments, **environment):
    """A pytest run in FOLDER, with this project's conftest and configuration."""
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        check=False,
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """A dict from the name of an example to what was wrong with it."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "tests").mkdir()
    (folder / "tests" / "test_examples.py").write_text(
        f"OUTER_HOME = {os.environ['HOME']!r}\n{EXAMPLES}"
    )
    run = run_pytest(folder, "-o", "hygiene_grace_seconds=0.5", "--junitxml=report.xml")
    assert run.returncode == 1, run.stdout + run.stderr
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return {
        case.get("name"): "\n".join(
            fault.get("message", "") + (fault.text or "") for fault in case
        )
        for case in cases
    }


@pytest.mark.parametrize(
    "name",
    [
        "test_clean",
        "test_that_ends_a_moment_later",
        "test_after_test_child",
        "test_module_fixture",
        "test_module_fixture_asked_for_late",
        "test_own_surroundings",
    ],
)
def test_passes(outcomes, name):
    assert outcomes[name] == ""


FAULTS = {
    "test_thread": r"left behind .*\nthread 'idler', a daemon, at\n.*threading.py",
    "test_child": r"left behind .*\nprocess \d+: .*time.sleep\(60\)",
    "test_zombie": r"left behind .*\nprocess \d+: it has ended, but nobody",
    "test_orphan": r"left behind .*\nprocess \d+: .*time.sleep\(60\)",
    "test_socket": r"left behind .*\nfile descriptor \d+: .*'127.0.0.1', \d+",
    "test_file_open": r"left behind .*\nfile descriptor \d+: ",
    "test_temporary_file": r"left behind .*\ntemporary file .*/forgotten-",
    "test_function_fixture": r"left behind .*\nfile descriptor \d+: ",
    "test_exception_in_thread": r"ValueError: nobody catches this",
    "test_exception_in_finaliser": r"ValueError: nobody sees this",
    "test_left_to_the_collector": r"ResourceWarning: unclosed <socket",
}


@pytest.mark.parametrize("name", FAULTS)
def test_fails(outcomes, name):
    if name == "test_orphan" and sys.platform != "linux":
        pytest.skip("an orphan is found through /proc")
    assert re.search(FAULTS[name], outcomes[name]), outcomes[name] or "it passed"


HANGS = """
import subprocess, sys, threading

def child():
    program = "def in_child():\\n import time; time.sleep(60)\\nin_child()"
    return subprocess.Popen([sys.executable, "-c", program])

def test_hang_for_child():
    assert child().wait() is not None

def test_hang_all_the_same():
    child()
    threading.Event().wait()

def test_next():
    raise AssertionError("no test runs after one that hung")
"""


@pytest.mark.parametrize("name", ["test_hang_for_child", "test_hang_all_the_same"])
def test_a_hang_ends_the_run_and_shows_all_stacks(tmp_path, name):
    (tmp_path / "test_hang.py").write_text(HANGS)
    node = f"test_hang.py::{name}"
    run = run_pytest(
        *(tmp_path, "-o", "watchdog_seconds=2", node, "test_hang.py::test_next")
    )
    printed = run.stdout + run.stderr
    assert run.returncode == 1, printed
    assert f"{node} has not ended within 2 s" in printed
    assert f" in {name}\n" in printed
    assert re.search(r'File "<string>", line 2 in in_child\n', printed), printed
    assert "no test runs after" not in printed


@pytest.mark.parametrize("arguments", [["tests"], ["tests/test_lisp.hy"]])
def test_hy_tests_are_collected_by_folder_and_by_name(tmp_path, arguments):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_lisp.hy").write_text(
        "(defn test-good [] (assert (= 1 1)))\n"
        '(defn test-bad [] (assert (= 1 2) "one is not two"))\n'
    )
    run = run_pytest(tmp_path, *arguments)
    assert "1 failed, 1 passed" in run.stdout, run.stdout + run.stderr
    assert "AssertionError: one is not two" in run.stdout


def test_python_tests_still_show_values(tmp_path):
    (tmp_path / "test_values.py").write_text(
        "def test_values():\n    one = 1\n    assert one == 2\n"
    )
    run = run_pytest(tmp_path, "test_values.py")
    assert "assert 1 == 2" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("ci", ["", "true"])
def test_hypothesis_is_random_for_people_and_the_same_for_ci(tmp_path, ci):
    (tmp_path / "test_profile.py").write_text(
        "import os\n"
        "from hypothesis import given, settings, strategies\n"
        "@given(strategies.integers())\n"
        "def test_profile(number):\n"
        "    assert settings().deadline is None\n"
        "    assert settings().derandomize == bool(os.environ['CI'])\n"
    )
    run = run_pytest(tmp_path, "test_profile.py", CI=ci)
    assert run.returncode == 0, run.stdout + run.stderr
