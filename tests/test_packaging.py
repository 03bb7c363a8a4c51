"""What is released works where it is installed.

The fixtures that build and install it are in tests/conftest.py.
"""

import importlib.util
import marshal
import os
import pty
import re
import select
import subprocess
import tarfile
import time
import zipfile

import pytest

import dpfw
from tests.programs import ROOT, execute

MODULES = sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("dpfw/**/*.hy")
)

STUBS = ["dpfw/py.typed"] + sorted(
    path.relative_to(ROOT).as_posix() for path in ROOT.glob("dpfw/**/*.pyi")
)


def test_wheel_has_every_module_and_nothing_besides_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert set(MODULES) <= names
    assert set(STUBS) <= names
    tops = {name.partition("/")[0] for name in names}
    assert {top.partition("-")[0] for top in tops} == {"dpfw"}
    assert wheel.name.endswith("-py3-none-any.whl")


def test_wheel_has_the_compiled_file_of_each_module_as_it_stands(wheel):
    with zipfile.ZipFile(wheel) as archive:
        for module in MODULES:
            source = archive.read(module)
            compiled = archive.read(
                importlib.util.cache_from_source(module, optimization="")
            )
            # PEP 552: magic number, flags, hash of the source. The flags say
            # that the hash counts, whatever the file's time, and is checked.
            assert compiled[:4] == importlib.util.MAGIC_NUMBER, module
            assert int.from_bytes(compiled[4:8], "little") == 0b11, module
            assert compiled[8:16] == importlib.util.source_hash(source), module
            # No path of the machine that built it.
            assert marshal.loads(compiled[16:]).co_filename == module


def test_wheel_states_licence_and_programs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {
            name.partition("/")[0]
            for name in archive.namelist()
            if ".dist-info/" in name
        }
        assert archive.read(f"{info}/licenses/LICENSE") == (
            (ROOT / "LICENSE").read_bytes()
        )
        metadata = archive.read(f"{info}/METADATA").decode()
        assert "License-Expression: GPL-2.0-or-later\n" in metadata
        assert f"Version: {dpfw.__version__}\n" in metadata
        programs = archive.read(f"{info}/entry_points.txt").decode()
        assert "dpfw-slave = dpfw.slave:main" in programs
        assert "dpfw = dpfw.commands.main:main" in programs


def test_sdist_has_all_that_tests_and_builds_need(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {
        path.relative_to(ROOT).as_posix()
        for folder in ("dpfw", "tests", "examples", "docs")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".hy", ".py", ".pyi", ".md", ".txt", ".ipynb"}
    }
    needed |= {"Makefile", "conftest.py", "hatch_build.py", "pyproject.toml"}
    needed |= {"LICENSE", "README.md", "CHANGELOG.md"}
    assert needed <= names, f"missing: {sorted(needed - names)}"
    unwanted = {name for name in names if "__pycache__" in name or ".venv" in name}
    assert not unwanted


@pytest.mark.parametrize(
    "command",
    [
        ["python", "-c", "import dpfw.master"],
        ["python", "-m", "dpfw.slave", "--help"],
        ["hy", "-m", "dpfw.slave", "--help"],
        ["dpfw-slave", "--help"],
        ["dpfw", "--help"],
        ["python", "-m", "dpfw", "status", "--help"],
    ],
    ids=" ".join,
)
def test_installed_wheel_runs_and_compiles_nothing(programs, tmp_path, command):
    program, *arguments = command
    done = execute(
        *(programs / program, *arguments),
        cwd=tmp_path,
        # Hy says what it compiles; and nothing is kept, so that no test makes
        # the compiled file that the next one finds.
        env=os.environ
        | {"HY_MESSAGE_WHEN_COMPILING": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    if "--help" in arguments:
        assert done.stdout.startswith("usage: dpfw")
    compiled = [line for line in done.stderr.splitlines() if "/dpfw/" in line]
    assert not compiled, f"the wheel's compiled files were not used: {compiled}"


class Prompt:
    """``hy`` at a terminal, with somebody who types."""

    def __init__(self, program, folder):
        self.terminal, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [program],
            cwd=folder,
            env=os.environ | {"TERM": "dumb", "XDG_CONFIG_HOME": str(folder)},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.read_to("=> ")

    def read_to(self, end, wait=60):
        """What is shown until it ends so."""
        text, deadline = "", time.monotonic() + wait
        while not text.endswith(end):
            left = deadline - time.monotonic()
            assert left > 0 and select.select([self.terminal], [], [], left)[0], text
            text += os.read(self.terminal, 65536).decode()
        return text.removesuffix(end)

    def type(self, line):
        """The lines that are shown below the one that is typed."""
        os.write(self.terminal, line.encode() + b"\n")
        return self.read_to("\r\n=> ").split("\r\n")[1:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


def test_first_session(programs, tmp_path):
    """From nothing: the wheel, ``hy``, slaves, a helper, a print, a death, the end."""
    with Prompt(programs / "hy", tmp_path) as hy:
        assert hy.type("(import dpfw.master * dpfw.launch [dpfw-launch])") == []
        assert hy.type("(require dpfw.master *)") == []
        assert hy.type("(setv [one two] (dpfw-launch 2))") == []
        assert hy.type("(dpfw-defn cube [x] (* x x x))") == []
        assert hy.type("(dpfw-map cube (range 5))") == ["[0 1 8 27 64]"]
        said = hy.type(
            "(force (dpfw-make-task '(fn [i o] (print \"three cubed:\" (cube 3)))"
            " read-result one :name \"print\"))"
        )
        assert re.fullmatch(r"\[\S+/\d+\] three cubed: 27", said[0]), said
        assert said[1:] == []
        assert hy.type("(dpfw-kill two)") == []
        # Whoever is killed is not replaced; who is left has the helper.
        assert hy.type("(dpfw-map '(fn [x] (+ 1 (cube x))) (range 5))")[-1] == (
            "[1 2 9 28 65]"
        )
        os.write(hy.terminal, b"(exit)\n")
        assert hy.process.wait(60) == 0
