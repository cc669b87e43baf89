"""Each test has a lab of its own; a supervisor that it started is stopped after it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lab import Lab


@pytest.fixture(params=["sqlite", "postgresql"])
def lab(request, tmp_path: Path):
    """A lab on each kind of database; faults that are a file's own use `sqlite_lab`."""
    url = ""
    if request.param == "postgresql":
        url = os.environ.get("TRAINSCOPE_TEST_POSTGRES_URL", "")
        if not url:
            pytest.skip("TRAINSCOPE_TEST_POSTGRES_URL is not set, so there is no PostgreSQL to test against")
    lab = Lab(tmp_path, url)
    yield lab
    lab.close()


@pytest.fixture
def sqlite_lab(tmp_path: Path):
    """A lab on SQLite."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()
