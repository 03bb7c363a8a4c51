"""What tests of several files stand on: dpfw as it is released, built and installed.

The sdist and the wheel are built once, and the wheel is installed with pip
into a fresh environment, its dependencies from the package index. Only the
build does without an environment of its own: what it needs is here already.
"""

import sys
import venv

import pytest

from tests.programs import ROOT, execute


@pytest.fixture(scope="session")
def built(outer_environ, tmp_path_factory):
    """The folder with the sdist and the wheel, the latter built from the former."""
    folder = tmp_path_factory.mktemp("dist")
    execute(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT),
        cwd=folder,
        env=outer_environ,
    )
    return folder


@pytest.fixture(scope="session")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist(built):
    (path,) = built.glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def programs(wheel, outer_environ, tmp_path_factory):
    """The folder of programs of a fresh environment with dpfw installed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    execute(
        *(folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel),
        cwd=folder,
        env=outer_environ,
    )
    return folder / "bin"
