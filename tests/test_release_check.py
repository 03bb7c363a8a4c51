"""What keeps a tree from being released is found, before anything is built."""

import pytest

from tests.release_check import problems

STABLE = '"Development Status :: 5 - Production/Stable",'
ALPHA = '"Development Status :: 3 - Alpha",'


@pytest.mark.parametrize(
    ("version", "changelog", "classifiers", "said"),
    [
        ("1.0.0", "## [1.0.0] - 2026-01-31\n", STABLE, []),
        ("0.2.0", "## [0.2.0] - 2026-01-31\n", ALPHA, []),
        ("1.0.0rc1", "## [1.0.0rc1] - 2026-01-31\n", ALPHA, []),
        ("1.0.0", "## [1.0.0] - 2026-01-31\n", ALPHA, ["Development Status"]),
        ("0.2.0", "## [0.2.0] - 2026-01-31\n", STABLE, ["Development Status"]),
        ("1.0.0", "## [Unreleased]\n", STABLE, ["CHANGELOG.md is Unreleased"]),
        ("1.0.0", "## [1.0.0] - unreleased\n", STABLE, ["has no date"]),
        ("1.0.0", "", STABLE, ["CHANGELOG.md is none"]),
        ("1.0", "## [1.0] - 2026-01-31\n", STABLE, ["__version__ is 1.0"]),
    ],
)
def test_what_is_wrong_is_named(version, changelog, classifiers, said):
    found = list(problems(version, changelog, classifiers))
    assert len(found) == len(said), found
    assert all(part in line for part, line in zip(said, found)), found
