"""New SQLite databases of tests get the migrated schema as one script: hundreds of tests open one, and all migrate alike."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from trainer.store import Store, database

_upgrade = database._upgrade


@contextmanager
def migrated_once() -> Iterator[None]:
    """Empty SQLite databases are not migrated step by step in this process; all others are."""
    _script()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_upgrade", _create)
        yield


@contextmanager
def migrated_step_by_step() -> Iterator[None]:
    """Takes it back, for tests of the migrations themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_upgrade", _upgrade)
        yield


def _create(config: Any, connection: sa.Connection) -> None:
    if connection.dialect.name != "sqlite" or sa.inspect(connection).get_table_names():
        _upgrade(config, connection)
        return
    for statement in _script():
        connection.exec_driver_sql(statement)


@cache
def _script() -> list[str]:
    """What makes an empty database a migrated one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "migrated.db"
        Store(f"sqlite:///{path}").close()
        with closing(sqlite3.connect(path)) as migrated:
            return [one for one in migrated.iterdump() if one not in ("BEGIN TRANSACTION;", "COMMIT;")]
