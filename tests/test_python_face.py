"""dpfw as it looks from Python: its types, its names, what `help` and completion show."""

import ast
import inspect
import json
import os

import pytest

import dpfw
import dpfw.launch
import dpfw.master
from tests.programs import ROOT, run


# -- Types --------------------------------------------------------------------


def test_mypy_has_nothing_against_programs_of_users(tmp_path):
    # Not from the checkout: the stubs are found where the package is installed.
    programs = [ROOT / "tests/typed_program.py", ROOT / "examples/from_python.py"]
    run(
        *("-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache", *programs),
        cwd=tmp_path,
    )


def test_stubs_and_modules_agree(tmp_path):
    """In names, parameters and defaults, and that nothing public has no stub."""
    allowed = ROOT / "tests/stubs_allowlist.txt"
    run("-m", "mypy.stubtest", "dpfw", "--allowlist", allowed, "--concise")


def test_the_stub_of_the_package_has_its_names():
    stub = ast.parse((ROOT / "dpfw/__init__.pyi").read_text())
    names = set()
    for node in stub.body:
        match node:
            case ast.ImportFrom():
                names |= {alias.asname for alias in node.names}
            case ast.Assign(targets=[ast.Name(name)]) | ast.AnnAssign(
                target=ast.Name(name)
            ):
                names.add(name)
    # Names of ours alone are there for the others.
    names -= {None, "_launch"}
    assert names == set(dir(dpfw)) - {"__doc__"}


# -- Names --------------------------------------------------------------------

METHODS = {
    name
    for name, member in vars(dpfw.master.Master).items()
    if inspect.isfunction(member) and name in dir(dpfw)
}


def test_what_acts_on_the_default_master_has_the_names_of_its_methods():
    functions = {
        name
        for name in dir(dpfw)
        if getattr(getattr(dpfw, name), "__module__", None) == "dpfw.master"
        and name != "Master"
    }
    # Which sets the attribute of that name.
    assert functions - {"output"} == METHODS
    assert len(METHODS) > 15


@pytest.mark.parametrize("name", sorted(METHODS - {"close"}))
def test_a_function_is_told_of_as_the_method_that_it_is(name):
    function, method = getattr(dpfw, name), getattr(dpfw.Master, name)
    _, *parameters = inspect.signature(method).parameters.values()
    assert list(inspect.signature(function).parameters.values()) == parameters
    assert function.__doc__ == method.__doc__
    assert getattr(dpfw.master, function.__name__) is function


def test_everything_public_says_what_it_does():
    members = {f"Master.{name}": getattr(dpfw.Master, name) for name in public_names()}
    members |= {name: getattr(dpfw.master, name) for name in dpfw.master.__all__}
    mute = [n for n, m in members.items() if not m.__doc__ or "See `" in m.__doc__]
    assert not mute
    variadic = [n for n, m in members.items() if has_options(m)]
    assert not variadic, f"options without names: {variadic}"


def public_names():
    return [name for name in dir(dpfw.Master) if name[0] != "_" and name not in INNER]


INNER = {"check_open", "own_slave"}


def has_options(member):
    if not callable(member) or inspect.isclass(member):
        return False
    kinds = [p.kind for p in inspect.signature(member).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds


def test_completion_shows_what_is_for_users():
    with dpfw.Master() as master:
        shown = [name for name in dir(master) if name[0] != "_"]
        assert set(shown) == set(public_names())
        assert repr(master) == "<master of 0 slaves>"
    assert repr(master) == "<master, closed>"


def test_the_package_imports_its_parts_when_they_are_asked_for():
    program = """
import json, sys
import dpfw
def parts(): return [name for name in sys.modules if name.startswith("dpfw.")]
steps = [parts()]
dir(dpfw)
steps.append(parts())
dpfw.errors
steps.append(parts())
dpfw.launch
steps.append("dpfw.launch" in parts())
import asyncio
json.dump(steps, sys.stdout)
"""
    assert json.loads(run("-c", program)) == [[], [], ["dpfw.errors"], True]


def test_importing_a_master_imports_nothing_that_few_need():
    program = "import sys, dpfw.master; print(*sys.modules)"
    needed = set(run("-c", program).split())
    dear = {"asyncio", "tqdm", "numpy", "cryptography", "ctypes", "hyrule", "pickle5"}
    assert not needed & dear


def test_what_is_not_there_is_named():
    with pytest.raises(AttributeError, match="module 'dpfw' has no attribute 'mapp'"):
        dpfw.mapp  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'mapp'"):
        from dpfw import mapp  # noqa: F401


def test_launch_is_a_module_and_can_be_called():
    assert inspect.ismodule(dpfw.launch)
    assert inspect.signature(dpfw.launch) == inspect.signature(dpfw.launch.dpfw_launch)
    with dpfw.Master() as master:
        (slave,) = dpfw.launch(1, master=master)
        assert master.slaves() == [slave]
        assert master.map(os.path.basename, ["a/b"]) == ["b"]
