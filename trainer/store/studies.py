"""Optuna's studies in this database: each search has one, in Optuna's own tables.

Optuna would create its tables by itself and keep their version in a table `alembic_version`, which is ours already. So our
migrations create them (0010), and Optuna is told neither to create nor to check them: the release that requirements.txt
allows is the one whose tables they are.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.store.database import BUSY_SECONDS, Database, prepare_sqlite

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

_studies = sa.table("studies", sa.column("study_name"))


def study_name(search_id: int) -> str:
    """Returns the name of a search's study."""
    return f"search {search_id}"


def study_storage(database: Database, *, writes: bool) -> RDBStorage:
    """Opens Optuna's storage in the database, with connections of its own. Threads may share it; processes may not."""
    from optuna.storages import RDBStorage

    options = {"connect_args": {"timeout": BUSY_SECONDS}} if database.is_sqlite else {}
    storage = RDBStorage(database.url, options, skip_compatibility_check=True, skip_table_creation=True)
    if database.is_sqlite:
        storage.engine.dispose()  # the connection that it was opened with has no pragmas
        sa.event.listen(storage.engine, "connect", prepare_sqlite)
        # A transaction that writes takes the lock at once: Optuna reads first, and a lock taken halfway could fail.
        sa.event.listen(storage.engine, "begin", partial(_begin, "BEGIN IMMEDIATE" if writes else "BEGIN"))
    return storage


def _begin(statement: str, connection: Connection) -> None:
    connection.exec_driver_sql(statement)


def delete_study(connection: Connection, search_id: int) -> None:
    """Deletes a search's study with its trials inside a transaction; does nothing where there is none."""
    connection.execute(sa.delete(_studies).where(_studies.c.study_name == study_name(search_id)))
