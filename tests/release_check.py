"""What `make release-check` runs: whether this tree can be released as it stands.

It looks at the version and the changelog, builds the sdist and the wheel into dist/,
has `twine check` render README as the index does, and runs the tests as they come out
of the sdist. Says each step, and stops at the first that fails.
"""

import datetime
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"


def version():
    text = (ROOT / "dpfw" / "__init__.py").read_text(encoding="utf-8")
    return re.search(r'^__version__ = "(.*)"$', text, re.M)[1]


def problems(version, changelog, classifiers):
    """What is wrong with the version, the changelog and the classifiers, as texts."""
    if not re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", version):
        yield f"__version__ is {version}; give a release's, such as 1.0.0 or 1.0.0rc1"
    headings = re.findall(r"^## \[(.*?)\](?: - (.*))?$", changelog, re.M)
    if not headings or headings[0][0] != version:
        first = headings[0][0] if headings else "none"
        yield (
            f"the first heading of CHANGELOG.md is {first}, and the version {version}; "
            f"make it ## [{version}] - {datetime.date.today()}"
        )
    elif not re.fullmatch(r"\d{4}-\d\d-\d\d", headings[0][1]):
        yield f"the heading of {version} in CHANGELOG.md has no date"
    stable = "Development Status :: 5 - Production/Stable" in classifiers
    if stable != (version >= "1" and "rc" not in version):
        yield f"the Development Status in pyproject.toml does not fit {version}"


def run(*command, cwd=ROOT):
    print("==", *command, flush=True)
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, *map(str, command)], cwd=cwd, env=environ, check=True)


def main():
    found = list(
        problems(
            version(),
            (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
            (ROOT / "pyproject.toml").read_text(encoding="utf-8"),
        )
    )
    if found:
        return "release-check: " + "\nrelease-check: ".join(found)
    shutil.rmtree(DIST, ignore_errors=True)
    try:
        run("-m", "build", "--no-isolation")
        run("-m", "twine", "check", "--strict", *sorted(DIST.iterdir()))
        with tempfile.TemporaryDirectory() as folder:
            (sdist,) = DIST.glob("*.tar.gz")
            with tarfile.open(sdist) as archive:
                archive.extractall(folder)
            (tree,) = Path(folder).iterdir()
            run("-m", "pytest", *sys.argv[1:], cwd=tree)
    except subprocess.CalledProcessError as error:
        return f"release-check: {error}"
    print(f"release-check: {version()} can be released; dist/ has it")


if __name__ == "__main__":
    sys.exit(main())
