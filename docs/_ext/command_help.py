"""``{command-help} dpfw status`` is a block with what that command says with ``--help``."""

import os
import subprocess
import sys

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

# dpfw.slave is the program of dpfw-slave.
WIDTH = "80"


class CommandHelp(SphinxDirective):
    required_arguments = 1
    optional_arguments = 1

    def run(self):
        text = subprocess.run(
            [sys.executable, "-m", *self.arguments, "--help"],
            check=True,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env=os.environ | {"COLUMNS": WIDTH, "NO_COLOR": "1"},
        ).stdout
        return [nodes.literal_block(text, text, language="text")]


def setup(app):
    app.add_directive("command-help", CommandHelp)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
