"""The schema: an empty database is brought up to date, once, by whoever comes first."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from migrated_schema import migrated_step_by_step

from trainer.store import Store, StoreError
from trainer.store.database import alembic_config
from trainer.store.schema import HEAD, metadata


@pytest.fixture(autouse=True)
def every_step():
    with migrated_step_by_step():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, path: Path) -> str:
    return f"sqlite:///{path}" if request.param == "sqlite" else request.getfixturevalue("empty_postgres_url")


def test_migrated_schema_equals_our_tables_and_those_of_optuna(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from optuna.storages._rdb.models import BaseModel

    store = Store(url)
    with store.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, [metadata, BaseModel.metadata])
    store.close()
    cascades = [
        one for one in found if one[0] in ("add_fk", "remove_fk")
    ]  # ours delete what belongs to a study
    assert [one for one in found if one not in cascades] == []
    assert {one[1].parent.name.partition("_")[0] for one in cascades} == {"study", "trial", "trials"}


def test_head_is_the_newest_migration() -> None:
    from alembic.script import ScriptDirectory

    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


def test_a_current_database_opens_without_alembic(path: Path) -> None:
    Store(f"sqlite:///{path}")
    code = (
        f"import sys; from trainer.store import Store; Store('sqlite:///{path}').runs(); "
        "sys.exit(any(name in sys.modules for name in ('alembic', 'torch', 'optuna')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def _open(url: str) -> None:
    Store(url).create_run({}, "x")


def test_many_open_an_empty_database_at_once(path: Path) -> None:
    context = multiprocessing.get_context("forkserver")
    openers = [context.Process(target=_open, args=(f"sqlite:///{path}",)) for _ in range(6)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(120)
        assert opener.exitcode == 0
    assert len(Store(f"sqlite:///{path}").runs()) == 6


def test_a_newer_database_is_refused_with_a_sentence(path: Path) -> None:
    Store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="schema 9999"):
        Store(f"sqlite:///{path}")


def test_a_failed_migration_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.store import database

    real = database._upgrade

    def broken(config: object, connection: object) -> None:
        real(config, connection)
        raise KeyboardInterrupt

    monkeypatch.setattr(database, "_upgrade", broken)
    with pytest.raises(KeyboardInterrupt):
        Store(f"sqlite:///{path}")
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    monkeypatch.undo()
    assert Store(f"sqlite:///{path}").runs() == []


def test_forks_and_numbers_of_an_earlier_version_are_filled_in(path: Path) -> None:
    """As far as the runs that are there tell: how long the deleted parent of run 4 was to train is not known."""
    config = alembic_config()
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
        for run_id, owner, parent, step, epochs in (
            (1, "ann", None, None, 10),
            (2, "ann", 1, 30, 20),
            (3, "bob", 2, 50, 40),
            (4, "ann", 99, 7, 5),
            (5, "ann", 4, 9, 6),
        ):
            row = {
                "id": run_id, "number": run_id, "owner": owner, "parent_id": parent, "parent_step": step,
                **dict.fromkeys(("name", "notes"), ""), "archived": 0, "status": "finished",
                "config": json.dumps({"epochs": epochs}), "created": "2026-01-01 00:00:00", "attempt": 1, "beat": 0,
                "progress": "{}", "notices": "[]", "version": run_id, "place": run_id, "losses": 0, "lost_step": -1,
            }  # fmt: skip
            names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            connection.execute(sa.text(f"INSERT INTO runs ({names}) VALUES ({marks})"), row)
    engine.dispose()
    store = Store(f"sqlite:///{path}")
    assert [store.run(run_id).forks for run_id in range(1, 6)] == [
        None,
        [[30, 10]],
        [[30, 10], [50, 20]],
        None,
        None,
    ]
    assert store.run(store.create_run({}, "ann")).number == 6
    assert store.run(store.create_run({}, "bob")).number == 4
    assert store.run(store.create_run({}, "eve")).number == 1


def test_pragmas(path: Path) -> None:
    store = Store(f"sqlite:///{path}")
    with store.reading() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 15000}
