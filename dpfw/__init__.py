"""dpfw: a lightweight distributed programming framework for Hy.

Importing hy makes the .hy files of this package importable, so that
`import dpfw.master` works from plain Python as well.
"""

import hy  # noqa: F401

__version__ = "0.1.0"
