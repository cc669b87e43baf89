"""What unit tests share."""

from collections.abc import Iterator

import pytest
from script_process import Runner


@pytest.fixture(scope="module")
def runner() -> Iterator[Runner]:
    """A process for exported scripts, shared by the tests of a module."""
    runner = Runner()
    yield runner
    runner.process.stdin.close()
    runner.process.wait(30)
