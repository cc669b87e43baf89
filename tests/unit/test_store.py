"""The store's contract, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from waiting import until

from trainer.comparison import analysis
from trainer.comparison.design import make_design, named_arms
from trainer.config import ConfigError, RunConfig
from trainer.lifecycle.requests import Request, RequestKind
from trainer.metrics.registry import columns
from trainer.store import (
    COMMAND_LINE,
    MAX_LOSSES,
    Batch,
    DatabaseReplacedError,
    Store,
    StoreError,
    Superseded,
    knob_changes,
)
from trainer.store import points as layout
from trainer.store.schema import chunks

STEP_COLUMNS, EPOCH_COLUMNS = columns("step"), columns("epoch")

CONFIG = {"seed": 0, "schedule": {"name": "cosine", "final_lr": 1e-4}}


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path: Path):
    """A database with nothing in it."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'store.db'}"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url: str):
    store = Store(url)
    yield store
    store.close()


def rows(first: int, count: int, columns: int = len(STEP_COLUMNS)) -> np.ndarray:
    """Rows with steps first, first + 1, ... and values that depend on step and column alone."""
    steps = np.arange(first, first + count, dtype=float)
    return np.stack([steps] + [np.sin(steps * column) for column in range(1, columns)], axis=1)


def training(store: Store) -> tuple[int, int]:
    run_id = store.create_run(CONFIG, "ada")
    attempt = store.claim(run_id)
    assert attempt is not None
    return run_id, attempt


def append_points(
    store: Store, run_id: int, attempt: int, kind: str, columns: Sequence[str], rows: np.ndarray
) -> None:
    """Commits rows of one kind."""
    store.record(run_id, attempt, [Batch(kind, columns, rows)])


def test_a_run_comes_back_as_it_was_given(store: Store) -> None:
    run_id = store.create_run(CONFIG, "ada", "näme\x00", notes="a 'quote'; DROP TABLE runs")
    run = store.run(run_id)
    assert (run.owner, run.name, run.notes) == ("ada", "näme", "a 'quote'; DROP TABLE runs")
    assert (run.status, run.config, run.attempt, run.request) == ("queued", CONFIG, 0, None)
    assert run.created.tzinfo is UTC
    assert abs((datetime.now(UTC) - run.created).total_seconds()) < 60
    assert run.started is run.ended is run.results is None


def test_text_that_is_not_unicode_is_stored_all_the_same(store: Store) -> None:
    run_id = store.create_run(CONFIG, "ada", "broken \ud800 text")
    assert store.run(run_id).name == "broken ? text"


def test_an_unknown_run_is_a_sentence(store: Store) -> None:
    with pytest.raises(StoreError, match="There is no run 99"):
        store.run(99)
    for change in (
        lambda: store.rename(99, "x", by=COMMAND_LINE),
        lambda: store.delete(99, by=COMMAND_LINE),
        lambda: store.request(99, "stop", by=COMMAND_LINE),
    ):
        with pytest.raises(StoreError, match="no run 99"):
            change()


def test_lists_by_owner_and_archive(store: Store) -> None:
    first, second, third = (store.create_run(CONFIG, owner) for owner in ("ada", "bob", "ada"))
    store.archive(first, by=COMMAND_LINE)
    assert [run.id for run in store.runs("ada")] == [third]
    assert [run.id for run in store.runs("ada", archived=None)] == [third, first]
    assert [run.id for run in store.runs(archived=True)] == [first]
    assert [run.id for run in store.queued()] == [first, second, third]


def test_life_of_a_run(store: Store) -> None:
    run_id, attempt = training(store)
    assert attempt == 1
    assert store.claim(run_id) is None
    assert store.record(run_id, attempt, progress={"step": 3}) is None
    run = store.run(run_id)
    assert (run.status, run.beat, run.progress) == ("running", 1, {"step": 3})
    assert store.finish(run_id, attempt, "finished", {"loss": math.nan, "best": math.inf}) == "finished"
    run = store.run(run_id)
    assert run.is_over
    assert run.ended is not None
    assert math.isnan(run.results["loss"])
    assert run.results["best"] == math.inf
    with pytest.raises(StoreError, match="finished already"):
        store.request(run_id, "stop", by=COMMAND_LINE)
    with pytest.raises(StoreError, match="finished; start a new run"):
        store.resume(run_id, by=COMMAND_LINE)


def test_created_running_is_claimed_already(store: Store) -> None:
    run_id = store.create_run({"seed": 1}, "cli", status="running")
    assert store.run(run_id).config == {"seed": 1}
    assert store.claim(run_id) is None
    assert store.record(run_id, 1) is None


@pytest.mark.parametrize(("what", "status"), [("stop", "stopped"), ("pause", "paused")])
def test_a_request_reaches_the_worker(store: Store, what: str, status: str) -> None:
    run_id, attempt = training(store)
    assert store.request(run_id, what, by=COMMAND_LINE) == "running"
    assert store.record(run_id, attempt) == Request(RequestKind(what))
    assert store.finish(run_id, attempt, status) == status
    assert store.run(run_id).request is None
    assert (store.run(run_id).ended is None) == (status == "paused")


@pytest.mark.parametrize(("what", "status"), [("stop", "stopped"), ("pause", "paused")])
def test_a_request_to_a_waiting_run_is_done_at_once(store: Store, what: str, status: str) -> None:
    run_id = store.create_run(CONFIG, "ada")
    assert store.request(run_id, what, by=COMMAND_LINE) == status
    assert store.claim(run_id) is None
    assert store.resume(run_id, by=COMMAND_LINE) == "queued"
    assert store.claim(run_id) == 1


def test_requests_that_cross(store: Store) -> None:
    run_id, attempt = training(store)
    store.request(run_id, "pause", by=COMMAND_LINE)
    store.request(run_id, "stop", by=COMMAND_LINE)
    store.request(run_id, "pause", by=COMMAND_LINE)
    assert store.finish(run_id, attempt, "paused") == "stopped"  # a stop is not softened

    run_id, attempt = training(store)
    store.request(run_id, "pause", by=COMMAND_LINE)
    assert store.resume(run_id, by=COMMAND_LINE) == "running"  # taken back, but the worker had begun to leave
    assert store.finish(run_id, attempt, "paused") == "queued"


def test_fencing(store: Store) -> None:
    run_id, old = training(store)
    append_points(store, run_id, old, "step", STEP_COLUMNS, rows(1, 5))
    assert store.lost(run_id, old, "gone.") == "queued"
    new = store.claim(run_id)
    assert new == old + 1
    for write in (
        lambda: store.record(run_id, old),
        lambda: append_points(store, run_id, old, "step", STEP_COLUMNS, rows(6, 5)),
        lambda: store.finish(run_id, old, "finished"),
    ):
        with pytest.raises(Superseded):
            write()
    assert store.last_step(run_id, "step") == 5
    assert store.lost(run_id, old, "gone.") == "running"  # late news of the old attempt
    append_points(store, run_id, new, "step", STEP_COLUMNS, rows(4, 5))
    assert store.last_step(run_id, "step") == 8


def test_losses_without_progress_end_in_failure(store: Store) -> None:
    run_id = store.create_run(CONFIG, "ada")
    for first in (1, 11):  # each of these gets further
        attempt = store.claim(run_id)
        append_points(store, run_id, attempt, "step", STEP_COLUMNS, rows(first, 10))
        assert store.lost(run_id, attempt, "killed by SIGKILL.") == "queued"
    for left in reversed(range(MAX_LOSSES)):
        attempt = store.claim(run_id)
        assert store.lost(run_id, attempt, "killed by SIGKILL.") == ("queued" if left else "failed")
    run = store.run(run_id)
    assert "lost 3 times in a row after step 20" in run.error
    assert "SIGKILL" in run.error
    assert store.resume(run_id, by=COMMAND_LINE) == "queued"
    assert store.run(run_id).error is None


@pytest.mark.parametrize(("what", "status"), [("stop", "stopped"), ("pause", "paused")])
def test_a_lost_worker_does_not_lose_a_request(store: Store, what: str, status: str) -> None:
    run_id, attempt = training(store)
    store.request(run_id, what, by=COMMAND_LINE)
    assert store.lost(run_id, attempt, "gone.") == status


def test_notices_are_not_repeated(store: Store) -> None:
    run_id, attempt = training(store)
    store.record(run_id, attempt, notices=["one"])
    store.record(run_id, attempt, notices=["two", "one"])
    assert store.run(run_id).notices == ["one", "two"]


def test_changes_by_version(store: Store) -> None:
    first, attempt = training(store)
    second = store.create_run(CONFIG, "bob")
    seen = store.changed_since(0)
    assert {run.id for run in seen.runs} == {first, second}
    stamp, reader = store.change_stamp(), store.stamp_reader()
    assert stamp == seen.version == reader.read()
    assert store.changed_since(stamp).runs == []
    append_points(store, first, attempt, "step", STEP_COLUMNS, rows(1, 1))
    assert reader.read() == store.change_stamp() > stamp
    reader.close()
    assert [run.id for run in store.changed_since(stamp).runs] == [first]
    store.delete(second, by=COMMAND_LINE)
    assert store.changed_since(stamp).deleted == [second]


def test_delete_takes_the_points_along_and_never_reuses_the_id(store: Store) -> None:
    run_id, attempt = training(store)
    append_points(store, run_id, attempt, "step", STEP_COLUMNS, rows(1, 10))
    with pytest.raises(StoreError, match="stop it before"):
        store.delete(run_id, by=COMMAND_LINE)
    store.finish(run_id, attempt, "finished")
    store.delete(run_id, by=COMMAND_LINE)
    with store.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(chunks)).scalar() == 0
    assert store.create_run(CONFIG, "ada") > run_id


# -- points ---------------------------------------------------------------------------------------------------


def test_values_are_kept_to_the_bit(store: Store) -> None:
    run_id, attempt = training(store)
    given = rows(1, 6)
    given[:, 2] = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1 + 0.2]
    append_points(store, run_id, attempt, "step", STEP_COLUMNS, given)
    found = store.read_points(run_id, "step")
    assert found.columns == STEP_COLUMNS
    assert found.array.tobytes() == given.tobytes()


def test_no_points_is_an_empty_table(store: Store) -> None:
    run_id, _ = training(store)
    assert store.last_step(run_id, "step") == -1
    empty = store.read_points(run_id, "epoch")
    assert empty.columns == EPOCH_COLUMNS
    assert empty.array.shape == (0, len(EPOCH_COLUMNS))
    assert empty.last_step == -1


def test_many_commits_read_back_whole_and_from_any_cursor(store: Store) -> None:
    run_id, attempt = training(store)
    sizes = np.random.default_rng(0).choice([1, 2, 7, 40, 5000], size=400, p=[0.4, 0.3, 0.2, 0.09, 0.01])
    step = 1
    for size in sizes:
        append_points(store, run_id, attempt, "step", STEP_COLUMNS, rows(step, int(size)))
        step += int(size)
    everything = rows(1, step - 1)
    assert np.array_equal(store.read_points(run_id, "step").array, everything)
    for cursor in (-1, 0, 1, 57, step // 2, step - 2, step - 1, step + 5):
        tail = store.read_points(run_id, "step", cursor)
        assert np.array_equal(tail.array, everything[max(0, cursor) :])
    assert np.array_equal(store.read_points(run_id, "step", 10, limit=25).array, everything[10:35])
    with store.reading() as connection:
        count = connection.execute(sa.select(sa.func.count()).select_from(chunks)).scalar()
    assert count < len(sizes) / 2  # merged


def test_steps_that_are_committed_are_skipped(store: Store) -> None:
    run_id, attempt = training(store)
    append_points(store, run_id, attempt, "step", STEP_COLUMNS, rows(1, 10))
    again = rows(5, 10)
    again[:, 2] = 777.0
    append_points(store, run_id, attempt, "step", STEP_COLUMNS, again)
    loss = store.read_points(run_id, "step").column("loss")
    assert list(loss[10:]) == [777.0] * 4
    assert not (loss[:10] == 777.0).any()


def test_columns_may_be_added_later(store: Store) -> None:
    run_id, attempt = training(store)
    for start in range(1, 81):  # enough to merge chunks of both shapes
        columns = ("step", "loss") if start <= 40 else ("step", "loss", "health")
        append_points(store, run_id, attempt, "step", columns, rows(start, 1, len(columns)))
    found = store.read_points(run_id, "step")
    assert found.columns == ("step", "loss", "health")
    assert np.isnan(found.column("health")[:40]).all()
    assert np.isfinite(found.column("health")[40:]).all()
    with pytest.raises(KeyError, match="nothing"):
        found.column("nothing")
    assert found.column("nothing", missing=7.0).tolist() == [7.0] * len(found)


def test_several_kinds_are_one_transaction(store: Store) -> None:
    run_id, attempt = training(store)
    bad = Batch("step", STEP_COLUMNS, rows(1, 3)[::-1])
    with pytest.raises(ValueError, match="increasing"):
        store.record(run_id, attempt, [Batch("epoch", EPOCH_COLUMNS, rows(1, 1, len(EPOCH_COLUMNS))), bad])
    assert store.last_step(run_id, "epoch") == -1
    with pytest.raises(ValueError, match="do not fit"):
        append_points(store, run_id, attempt, "step", ("step", "loss"), rows(1, 3))
    with pytest.raises(ValueError, match="must hold 'step'"):
        append_points(store, run_id, attempt, "step", ("loss",), rows(1, 3, 1))


def test_tails_of_many_runs(store: Store) -> None:
    (first, one), (second, two) = training(store), training(store)
    append_points(store, first, one, "step", STEP_COLUMNS, rows(1, 10))
    append_points(store, second, two, "step", STEP_COLUMNS, rows(1, 4))
    tails = store.read_tails({(first, "step"): 7, (second, "step"): 4, (second, "epoch"): -1})
    assert list(tails) == [(first, "step")]
    assert list(tails[(first, "step")].column("step")) == [8, 9, 10]


def test_a_merge_leaves_the_newest_chunks_alone(store: Store) -> None:
    run_id, attempt = training(store)
    for step in range(1, 500):
        append_points(store, run_id, attempt, "step", STEP_COLUMNS, rows(step, 1))
        with store.reading() as connection:
            query = sa.select(chunks.c.count).order_by(chunks.c.last_step.desc()).limit(layout.FANOUT)
            assert set(connection.execute(query).scalars()) == {1}


def _write_points(url: str, run_id: int, attempt: int) -> None:
    store = Store(url)
    for start in range(1, 201, 10):
        append_points(store, run_id, attempt, "step", STEP_COLUMNS, rows(start, 10))
    store.finish(run_id, attempt, "finished")


def test_several_processes_write_at_once(url: str) -> None:
    store = Store(url)
    claimed = [training(store) for _ in range(4)]
    store.close()
    context = multiprocessing.get_context("forkserver")
    writers = [context.Process(target=_write_points, args=(url, *each)) for each in claimed]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    for run_id, _ in claimed:
        assert store.run(run_id).status == "finished"
        assert np.array_equal(store.read_points(run_id, "step").array, rows(1, 200))


# -- downloads and the supervisor's word ----------------------------------------------------------------------


def test_downloads(store: Store) -> None:
    job = store.request_download("mnist")
    assert store.request_download("mnist") == job  # not twice at once
    store.start_download(job)
    store.progress_download(job, 10, 3_000_000_000)
    found = store.download(job)
    assert (found.status, found.done_bytes, found.total_bytes) == ("running", 10, 3_000_000_000)
    assert store.requeue_downloads() == 1
    store.finish_download(job, "No network.")
    assert store.download_of("mnist").message == "No network."
    assert store.downloads("queued", "running") == []
    assert store.request_download("mnist") != job
    assert store.download_of("cifar10") is None
    with pytest.raises(StoreError, match="no download 99"):
        store.download(99)


def test_supervisor_status(store: Store) -> None:
    from trainer.store.supervisor_lock import supervisor_lock

    store.set_supervisor("ready")
    assert store.supervisor_status() == "absent"  # its word outlived it
    lock = supervisor_lock(store)
    assert lock.acquire()
    assert lock.still_held()
    assert not supervisor_lock(store).acquire()
    assert store.supervisor_status() == "ready"
    store.set_supervisor("starting")
    assert store.supervisor_status() == "starting"
    lock.release()  # PostgreSQL frees it once the connection's own process has ended
    until(lambda: store.supervisor_status() == "absent")


def test_an_unusable_url_is_a_sentence() -> None:
    with pytest.raises(StoreError, match="cannot be used"):
        Store("nonsense")


@given(
    st.lists(st.tuples(st.sampled_from(["ada", "bob", "", "%", "Ω"]), st.booleans()), max_size=12),
    st.sets(st.integers(0, 11)),
)
@settings(max_examples=40)
def test_first_in_line_is_the_first_of_each_owner(
    store: Store, queue: list[tuple[str, bool]], out: set[int]
) -> None:
    for run in store.queued():
        store.request(run.id, "stop", by=COMMAND_LINE)
    ids = [store.create_run(CONFIG, owner) for owner, _ in queue]
    for run_id, (_, again) in zip(ids, queue, strict=True):
        if again:  # to the end of the line
            store.request(run_id, "pause", by=COMMAND_LINE)
            store.resume(run_id, by=COMMAND_LINE)
    excluded = {run_id for number, run_id in enumerate(ids) if number in out}
    expected = {}
    for run in store.queued():
        if run.id not in excluded:
            expected.setdefault(run.owner, []).append((run.id, run.owner, run.place, None, run.place))
    assert sorted(store.first_in_line(excluded)) == sorted(mine[0] for mine in expected.values())
    assert sorted(store.newest_in_line(excluded)) == sorted(mine[-1] for mine in expected.values())


@pytest.mark.parametrize("read", [Store.first_in_line, Store.newest_in_line])
def test_whose_turn_it_is_is_found_in_an_index(tmp_path: Path, read) -> None:
    """Nothing but the first entries of an index is read: the cost is that of the owners, not of the queue."""
    store = Store(f"sqlite:///{tmp_path / 'store.db'}")
    sent = []
    sa.event.listen(store.engine, "before_cursor_execute", lambda *call: sent.append(call[2:4]))
    read(store, [1, 2])
    ((sql, values),) = [call for call in sent if "WITH RECURSIVE" in call[0]]
    with store.reading() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values)]
    assert not [line for line in plan if line.startswith("SCAN") and "owners" not in line], plan
    assert sum("ix_runs_status_owner_place" in line for line in plan) == 3, plan


def test_a_database_that_was_removed_or_replaced_is_noticed(tmp_path: Path) -> None:
    path, other = tmp_path / "store.db", tmp_path / "other.db"
    store = Store(f"sqlite:///{path}")
    run_id, reader = store.create_run(CONFIG, "ada"), store.stamp_reader()
    Store(f"sqlite:///{other}").close()
    path.rename(tmp_path / "aside.db")
    for _ in range(2):
        for use in (store.runs, reader.read, lambda: store.rename(run_id, "lost", by="ada")):
            with pytest.raises(DatabaseReplacedError, match=r"was removed or replaced.*put the file back"):
                use()
        assert not path.exists() or path.samefile(other), "an empty one would hide that it is gone"
        if not path.exists():
            path.hardlink_to(other)
    path.unlink()
    (tmp_path / "aside.db").rename(path)
    assert [run.id for run in store.runs()] == [run_id]
    reader.close()
    store.close()


def test_names_and_notes_are_bounded(store: Store) -> None:
    run_id = store.create_run(CONFIG, "ada", name="x" * 120, notes="y" * 5000)
    for use in (
        lambda: store.create_run(CONFIG, "ada", name="x" * 121),
        lambda: store.rename(run_id, "x" * 121, by="ada"),
        lambda: store.set_notes(run_id, "y" * 5001, by="ada"),
    ):
        with pytest.raises(StoreError, match="Shorten it"):
            use()


def test_each_owners_runs_are_numbered_from_one(store: Store) -> None:
    mine, theirs = ([store.create_run(CONFIG, owner) for _ in range(2)] for owner in ("me", "somebody else"))
    assert [store.run(run).number for run in [*mine, *theirs]] == [1, 2, 1, 2]
    store.delete(mine[0], by="me")
    assert store.run(store.create_run(CONFIG, "me")).number == 3
    assert store.run(mine[1]).number == 2  # nobody is renumbered


def test_the_number_of_a_deleted_run_is_never_given_again(store: Store) -> None:
    """Links, reports and notebooks name runs by it."""
    for number in (1, 2, 3):
        run_id = store.create_run(CONFIG, "me")
        assert store.run(run_id).number == number
        store.delete(run_id, by="me")
    assert store.run(store.create_run(CONFIG, "other")).number == 1


# -- changes of hot knobs ---------------------------------------------------------------------------------------


def applied(change, step: int) -> Request:
    return Request(RequestKind.CHANGE, {"number": change.number, "values": change.values, "step": step})


def test_a_change_waits_until_the_worker_has_applied_it(store: Store) -> None:
    run_id, attempt = training(store)
    assert store.record(run_id, attempt) is None
    first = store.change_knobs(run_id, {"learning_rate": "0.01"}, by="ada")
    second = store.change_knobs(run_id, {"dropout.rate": 0.5, "learning_rate": 0.02}, by=COMMAND_LINE)
    request = Request(RequestKind.CHANGE, {"number": first.number, "values": {"learning_rate": 0.01}})
    assert store.record(run_id, attempt) == request, "in the order of the requests"
    assert store.record(run_id, attempt) == request, "until it is answered"
    following = store.record(run_id, attempt, handled=[applied(first, 12)])
    assert following == Request(RequestKind.CHANGE, {"number": second.number, "values": second.values})
    assert [change.step for change in store.knob_changes(run_id)] == [12, None]
    assert store.run(run_id).changes == 1
    assert store.record(run_id, attempt, handled=[applied(first, 40), applied(second, 40)]) is None
    assert [change.step for change in store.knob_changes(run_id)] == [12, 40], "the first record counts"
    assert store.run(run_id).changes == 2
    assert store.run(run_id).config == CONFIG, "a run keeps what it began with"


def test_stop_and_pause_come_before_changes(store: Store) -> None:
    run_id, attempt = training(store)
    store.change_knobs(run_id, {"learning_rate": 0.01}, by="ada")
    store.request(run_id, RequestKind.STOP, by="ada")
    assert store.record(run_id, attempt) == Request(RequestKind.STOP)


def test_only_the_current_attempt_applies_a_change(store: Store) -> None:
    run_id, attempt = training(store)
    change = store.change_knobs(run_id, {"learning_rate": 0.01}, by="ada")
    store.lost(run_id, attempt, "killed")
    later = store.claim(run_id)
    with pytest.raises(Superseded):
        store.record(run_id, attempt, handled=[applied(change, 5)])
    assert store.record(run_id, later).payload["number"] == change.number
    assert store.knob_changes(run_id)[0].step is None


def test_a_change_is_checked_against_those_before_it(store: Store) -> None:
    run_id, _ = training(store)
    store.change_knobs(run_id, {"schedule.final_lr": 0.0005}, by="ada")
    with pytest.raises(ConfigError, match="Nothing would change"):
        store.change_knobs(run_id, {"schedule.final_lr": 0.0005}, by="ada")
    with pytest.raises(ConfigError, match="above the learning rate"):
        store.change_knobs(run_id, {"learning_rate": 0.0002}, by="ada")
    with pytest.raises(ConfigError, match="fixed while a run trains"):
        store.change_knobs(run_id, {"model.width": 64}, by="ada")
    assert len(store.knob_changes(run_id)) == 1


@pytest.mark.parametrize("end", ["finished", "stopped", "failed"])
def test_a_run_that_is_over_stays_as_it_is(store: Store, end: str) -> None:
    run_id, attempt = training(store)
    store.finish(run_id, attempt, end)
    with pytest.raises(StoreError, match=f"is {end}, so its knobs stay"):
        store.change_knobs(run_id, {"learning_rate": 0.01}, by="ada")


def test_a_run_changes_so_often_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knob_changes, "MAX_CHANGES", 2)
    run_id, other = training(store)[0], training(store)[0]
    for rate in (0.01, 0.02):
        store.change_knobs(run_id, {"learning_rate": rate}, by="ada")
    with pytest.raises(StoreError, match="2 times, the most"):
        store.change_knobs(run_id, {"learning_rate": 0.03}, by="ada")
    store.change_knobs(other, {"learning_rate": 0.03}, by="ada")
    assert {run: len(found) for run, found in store.knob_changes_of([run_id, other]).items()} == {
        run_id: 2,
        other: 1,
    }
    store.finish(run_id, 1, "stopped")
    store.delete(run_id, by="ada")
    assert store.knob_changes(run_id) == []


def test_the_arms_of_a_comparison_stay_as_they_are(store: Store) -> None:
    design = make_design(named_arms(RunConfig(), [RunConfig(learning_rate=0.1)]), 2)
    analysis.start(store, design, "ada", "rates")
    with pytest.raises(StoreError, match="belongs to a comparison"):
        store.change_knobs(store.runs("ada")[0].id, {"learning_rate": 0.01}, by="ada")
