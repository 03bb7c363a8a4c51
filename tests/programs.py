"""Python programs that tests run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*command, cwd=ROOT):
    """The output of a Python program; it must succeed."""
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        check=False,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
