"""The benchmark of dpfw, side by side with its peers: make bench.

Importing hy makes the .hy files of this package importable, also in the
processes that the peers start.
"""

import hy  # noqa: F401
