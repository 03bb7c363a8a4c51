"""Programs that tests run."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def execute(*command, cwd=ROOT, env=None):
    """What a command gives, stdout and stderr apart; it must succeed."""
    done = subprocess.run(
        list(map(str, command)),
        check=False,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def run(*command, cwd=ROOT):
    """The output of a Python program; it must succeed."""
    return execute(sys.executable, *command, cwd=cwd).stdout
