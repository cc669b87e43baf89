"""Each test has a lab of its own; a supervisor that it started is stopped after it."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import Lab, Outcome


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """What a run leaves behind that nobody disturbs, on whichever database."""
    lab = Lab(tmp_path_factory.mktemp("undisturbed"))
    lab.start()
    run_id = lab.create(pace=0)
    assert lab.end(run_id).status == "finished"
    outcome = lab.outcome(run_id)
    lab.close()
    return outcome


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
