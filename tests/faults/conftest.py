"""Each test has a lab of its own; a supervisor that it started is stopped after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab


@pytest.fixture(params=["sqlite", "postgresql"])
def lab(request, tmp_path: Path):
    """A lab on each kind of database; faults that are a file's own use `sqlite_lab`."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    lab = Lab(tmp_path, url)
    yield lab
    lab.close()


@pytest.fixture
def sqlite_lab(tmp_path: Path):
    """A lab on SQLite."""
    lab = Lab(tmp_path)
    yield lab
    lab.close()
