"""Who may change what: a stranger changes nothing, whatever method of the store they call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.config import RunConfig
from trainer.lifecycle.states import RunState
from trainer.store import COMMAND_LINE, Store, StoreError, refusal
from trainer.store.schema import metadata

MACHINE = {
    *("claim", "record", "finish", "requeue_interrupted", "lost", "measure", "set_supervisor"),
    *("start_download", "progress_download", "finish_download", "requeue_downloads"),
    *("start_inspection", "finish_inspection", "requeue_inspections"),
    *("add_trial", "prune_trial", "end_search"),
}
"""Writes by workers, which prove themselves by their attempt, and by the supervisor."""
ADDS = {
    "create_run",
    "create_branch",
    "create_comparison",
    "create_search",
    "import_run",
    "import_runs",
    "save_bookmark",
    "delete_bookmark",
    "save_progress",
    "forget_progress",
    "add_upload",
    "request_download",
    "ask",
    "withdraw",
}
"""Writes that change nobody's run: they add something, under the name of whoever asks, or concern everybody's questions."""
CHANGES: dict[str, Callable[[Store, int, str], Any]] = {
    "stop": lambda store, run, by: store.request(run, "stop", by=by),
    "pause": lambda store, run, by: store.request(run, "pause", by=by),
    "resume": lambda store, run, by: store.resume(run, by=by),
    "mark": lambda store, run, by: store.mark(run, by=by),
    "rename": lambda store, run, by: store.rename(run, "mine now", by=by),
    "set_notes": lambda store, run, by: store.set_notes(run, "mine now", by=by),
    "set_tags": lambda store, run, by: store.set_tags(run, ["mine"], by=by),
    "archive": lambda store, run, by: store.archive(run, by=by),
    "delete": lambda store, run, by: store.delete(run, by=by),
    "change_knobs": lambda store, run, by: store.change_knobs(run, {"learning_rate": 0.01}, by=by),
}
METHODS = {
    *("request", "resume", "mark", "rename", "set_notes", "set_tags", "archive", "delete", "change_knobs"),
}
OF_COMPARISONS = {
    *("extend_comparison", "request_all", "resume_all", "delete_comparison"),
    *("rename_comparison", "set_comparison_notes", "set_comparison_tags", "archive_comparison"),
    *("stop_search", "continue_search"),
}
"""Strangers call these in test_compared_runs.py and test_search.py."""
OF_SPACES = {
    *(
        "create_space",
        "rename_space",
        "archive_space",
        "set_limits",
        "set_role",
        "remove_member",
        "invite",
        "publish",
        "revoke",
        "join",
    ),
    *(
        "open_room",
        "join_room",
        "lock_room",
        "extend_room",
        "end_room",
        "hide_name",
        "stop_all",
        "clear_space",
    ),
    *("move_run", "move_comparison", "share_upload", "memberships", "links"),
}
"""Strangers and members of each role call these in test_spaces.py and test_rooms.py; the last two only read."""
OWNERS = ("ann", "bob", COMMAND_LINE)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    return Store(f"sqlite:///{tmp_path_factory.mktemp('rights') / 'store.db'}")


def everything(store: Store) -> dict[str, list[Any]]:
    """Every row of every table but the clock, which may tick."""
    with store.reading() as connection:
        tables = (table for table in metadata.sorted_tables if table.name != "clock")
        return {table.name: sorted(map(str, connection.execute(table.select()))) for table in tables}


def run_in(store: Store, state: RunState, owner: str) -> int:
    """A run of `owner` in this state, by the ways that lead there."""
    run_id = store.create_run(RunConfig(), owner)
    attempt = None if state is RunState.QUEUED else store.claim(run_id)
    if attempt and state is not RunState.RUNNING:
        store.finish(run_id, attempt, state)
    assert store.run(run_id).status is state
    return run_id


def test_every_write_is_by_somebody_or_by_the_machine(store: Store) -> None:
    """A new method that writes has to say here on whose behalf, and one on a person's behalf has to ask who."""
    public = {
        name: method
        for name, method in inspect.getmembers(Store, inspect.isfunction)
        # Those only ask, or are part of another write.
        if not name.startswith("_")
        and name not in ("usage", "limits_of_run")
        and "connection" not in inspect.signature(method).parameters
    }
    writes = {
        name
        for name, method in public.items()
        if name != "writing"
        and any(
            word in inspect.getsource(method)
            for word in (
                "writing()",
                "self._set(",
                "self._change(",
                "self._change_space(",
                "self._set_comparison(",
                "super().archive_comparison(",
            )
        )
    }
    asks = {name for name, method in public.items() if "by" in inspect.signature(method).parameters}
    assert writes - MACHINE - ADDS == asks - {"memberships", "links"}
    assert asks - {"remove_upload"} - OF_COMPARISONS - OF_SPACES == METHODS
    for name in asks:
        by = inspect.signature(public[name]).parameters["by"]
        assert by.kind is by.KEYWORD_ONLY
        assert by.default is by.empty, f"{name} can be called without saying who asks"


@given(
    change=st.sampled_from(sorted(CHANGES)),
    state=st.sampled_from(list(RunState)),
    owner=st.sampled_from(OWNERS),
    stranger=st.sampled_from(["", "Ann", "ann ", "cy", "bob", "commandline", "command line\x00", "%"]),
)
@settings(max_examples=150)
def test_a_stranger_changes_nothing(
    store: Store, change: str, state: RunState, owner: str, stranger: str
) -> None:
    if stranger == owner:
        return
    run_id = run_in(store, state, owner)
    before = everything(store)
    with pytest.raises(StoreError, match=r"^This run (belongs to|was started from)"):
        CHANGES[change](store, run_id, stranger)
    assert everything(store) == before


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("owner", OWNERS)
def test_the_owner_and_the_command_line_change_it(store: Store, change: str, owner: str) -> None:
    state = {"resume": RunState.PAUSED, "mark": RunState.RUNNING}.get(change, RunState.QUEUED)
    for by in (owner, COMMAND_LINE):
        run_id = run_in(store, state, owner)
        before = everything(store)
        CHANGES[change](store, run_id, by)
        assert everything(store) != before


def test_a_file_is_removed_from_nobody_elses_list(store: Store) -> None:
    for owner in OWNERS:
        store.add_upload(owner, "d" * 64, "houses.csv", "table", 10)
    before = everything(store)
    assert store.remove_upload("d" * 64, by="cy") is False
    assert everything(store) == before
    assert store.remove_upload("d" * 64, by="ann") is False
    assert [upload.owner for upload in store.uploads(OWNERS)] == [COMMAND_LINE, "bob"]


def test_the_refusal_says_whose_it_is(store: Store) -> None:
    of_terminal = store.run(run_in(store, RunState.QUEUED, COMMAND_LINE))
    assert "only the command line can change it." in (refusal(of_terminal, "ann", store.roles("ann")) or "")
    of_bob = store.run(run_in(store, RunState.QUEUED, "bob"))
    assert "belongs to another visitor" in (refusal(of_bob, "ann", store.roles("ann")) or "")
    assert refusal(of_bob, "bob", store.roles("bob")) is None
    assert refusal(of_bob, COMMAND_LINE, {}) is refusal(of_terminal, COMMAND_LINE, {}) is None
