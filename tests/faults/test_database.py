"""PostgreSQL is restarted, or cuts connections: the supervisor and its workers go on, and nothing is lost."""

from __future__ import annotations

from contextlib import ExitStack

import numpy as np
import psycopg
import pytest
from lab import Lab, Outcome
from postgres import USER, Server, running_server
from sqlalchemy.exc import OperationalError

from trainer.metrics.registry import columns
from trainer.store import Batch, Store
from trainer.store.supervisor_lock import supervisor_lock

RESTARTS = 10
CUT_OTHERS = """select pg_terminate_backend(pid) from pg_stat_activity
                where backend_type = 'client backend' and pid <> pg_backend_pid()"""


@pytest.fixture
def server(postgres_binaries):
    """A PostgreSQL server of the test's own, which it may treat badly."""
    with running_server(postgres_binaries) as server:
        yield server


@pytest.fixture
def postgres_lab(tmp_path, server: Server):
    """Four workers on that server."""
    lab = Lab(tmp_path, f"postgresql://{USER}@/postgres?host={server.folder}", workers=4)
    yield lab
    lab.close()


def test_ten_restarts_interrupt_no_run(postgres_lab: Lab, server: Server, undisturbed: Outcome) -> None:
    lab = postgres_lab
    supervisor = lab.start()
    ids = [lab.create(pace=60) for _ in range(4)]
    for number in range(RESTARTS):
        for run_id in ids:
            lab.past(run_id, 60 * number + 1)
        noticed = lab.log().count("trying again")
        server.stop()
        lab.until(lambda noticed=noticed: lab.log().count("trying again") > noticed)
        server.start()
    for run_id in ids:
        run = lab.end(run_id)
        assert (run.status, run.attempt) == ("finished", 1)
        lab.assert_equal(run_id, undisturbed)
    assert supervisor.poll() is None
    assert lab.log().count("the lock on it is taken again") == RESTARTS
    assert lab.store.supervisor_status() == "ready"


def test_connections_that_are_cut_are_opened_again(
    postgres_lab: Lab, server: Server, undisturbed: Outcome
) -> None:
    lab = postgres_lab
    supervisor = lab.start()
    run_id = lab.create()
    with psycopg.connect(
        host=str(server.folder), user=USER, dbname="postgres", autocommit=True
    ) as connection:
        for step in (100, 400, 700):
            lab.past(run_id, step)
            connection.execute(CUT_OTHERS)
    run = lab.end(run_id)
    assert (run.status, run.attempt) == ("finished", 1)
    lab.assert_equal(run_id, undisturbed)
    assert supervisor.poll() is None


def test_the_first_commit_after_a_restart_succeeds(server: Server) -> None:
    """So a worker, which tries five times a second, waits no longer than the database and one pause."""
    store = Store(f"postgresql://{USER}@/postgres?host={server.folder}")
    run_id = store.create_run({}, "ada")
    attempt = store.claim(run_id)

    def record(step: int) -> None:
        point = np.zeros((1, len(columns("step"))))
        point[0, 0] = step
        store.record(run_id, attempt, [Batch("step", columns("step"), point)])

    with ExitStack() as stack:  # connections that wait in the pool, each of which the restart breaks
        for _ in range(3):
            stack.enter_context(store.reading())
    record(1)
    server.stop()
    with pytest.raises(OperationalError):
        record(2)
    server.start()
    record(2)
    assert store.last_step(run_id, "step") == 2
    store.close()


def test_a_database_without_an_encoding_is_used_like_any_other(server: Server) -> None:
    with psycopg.connect(
        host=str(server.folder), user=USER, dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("create database plain encoding 'SQL_ASCII' locale 'C' template template0")
    store = Store(f"postgresql://{USER}@/plain?host={server.folder}")
    run_id = store.create_run({}, "ada", name="größer")
    assert store.run(run_id).name == "größer"
    lock = supervisor_lock(store)
    assert lock.acquire()
    assert lock.held_by_anyone()
    lock.release()
    store.close()
