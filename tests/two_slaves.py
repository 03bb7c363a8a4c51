"""A master with two slaves, for the tests of a module that are in Python."""

import pytest

from tests.processes import launched


@pytest.fixture(scope="module")
def master():
    with pytest.MonkeyPatch.context() as patch, launched(2) as (master, _):
        # Threads of callbacks end with their test.
        patch.setattr("dpfw.net.threads.PARKED", 0.05)
        yield master
