"""Spaces with limits, and every way to add something to one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from trainer.config import RunConfig
from trainer.lifecycle.branches import Fork
from trainer.spaces import Role, SpaceKind
from trainer.spaces.limits import Limits
from trainer.store import EndedRun, Planned, Store

PLENTY = Limits(of_one=50, together=200)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOME, AWAY = "a" * 32, "b" * 32
KINDS = (SpaceKind.ROOM, SpaceKind.PROJECT)
MEMBERS = (Role.MEMBER, Role.EDITOR, Role.OWNER)


def shared(store: Store, kind: SpaceKind = SpaceKind.ROOM, **limits: int) -> str:
    """A space of olga's with a member of each role, by its name."""
    space = store.create_space(kind, "Lesson", by="olga", name="Olga")
    for role in (*MEMBERS, Role.VIEWER):
        store.join(store.invite(space, role, by="olga"), role.title(), by=role)
    store.set_limits(space, limits, by="olga")
    return space


def ended(size: int = 0) -> EndedRun:
    values = {
        "name": "",
        "notes": "",
        "status": "stopped",
        "config": {},
        "created": NOW,
        "started": NOW,
        "ended": NOW,
    }
    return EndedRun({**values, "progress": {}, "results": None, "error": None, "notices": []}, [], size)


def finished(store: Store, owner: str, kept: int = 0) -> int:
    """A run that is over and keeps so many bytes on the disk."""
    run = store.create_run({}, owner)
    store.finish(run, store.claim(run) or 0, "stopped", folder_bytes=kept)
    return run


def branch(store: Store, by: str, of: int) -> int:
    made = {"changes": [], "forks": [Fork(1, 1)], "place": lambda _: None}
    return store.create_branch(RunConfig(), by, of=of, step=1, **made)


def compare(store: Store, by: str) -> int:
    return store.create_comparison({"seeds": [1]}, [Planned(0, 0, "", {})], by)


def extend(store: Store, by: str, comparison: int) -> None:
    store.extend_comparison(comparison, {"seeds": [1, 2]}, [Planned(0, 1, "", {})], by=by)


STARTS: dict[str, Callable[[Store, str, dict[str, int]], Any]] = {
    "create_run": lambda store, by, _: store.create_run({}, by),
    "create_running": lambda store, by, _: store.create_run({}, by, status="running"),
    "create_branch": lambda store, by, made: branch(store, by, made["stopped"]),
    "create_comparison": lambda store, by, _: compare(store, by),
    "extend_comparison": lambda store, by, made: extend(store, by, made["comparison"]),
    "resume": lambda store, by, made: store.resume(made["stopped"], by=by),
    "resume_all": lambda store, by, made: store.resume_all(made["comparison"], by=by),
    "continue_search": lambda store, by, made: store.continue_search(made["search"], by=by),
    "add_trial": lambda store, by, made: store.add_trial(made["trials"], 7, "", {}),
    "move_run": lambda store, by, made: store.move_run(made["elsewhere"], by=by),
    "move_comparison": lambda store, by, made: store.move_comparison(made["compared elsewhere"], by=by),
}


def prepared(store: Store, by: str) -> dict[str, int]:
    """What the methods above need, none of it live in the space, but for a live run and comparison elsewhere."""
    theirs = store.acting_for(by, by)
    made = {"stopped": finished(store, by), "comparison": compare(store, by)}
    store.request_all(made["comparison"], "stop", by=by)
    made["search"], made["trials"] = (store.create_search({"seeds": [1]}, by) for _ in range(2))
    store.add_trial(made["search"], 0, "", {})
    store.stop_search(made["search"], by=by)
    return made | {"elsewhere": theirs.create_run({}, by), "compared elsewhere": compare(theirs, by)}


def live_in(store: Store, space: str) -> int:
    return store.usage("nobody", space=space).used.live


ADDS: dict[str, Callable[[Store, str, int], Any]] = {
    "add_upload": lambda store, by, size: store.add_upload(by, f"{size:064x}", "x.csv", "table", size),
    "import_run": lambda store, by, size: store.import_runs(by, [ended(size)]),
    "import_runs": lambda store, by, size: store.import_runs(by, [ended(size // 2), ended(size - size // 2)]),
    "move_run": lambda store, by, size: store.move_run(finished(store.acting_for(by, by), by, size), by=by),
    "share_upload": lambda store, by, size: store.share_upload(elsewhere(store, by, size), by=by),
}


def elsewhere(store: Store, by: str, size: int) -> str:
    """A file in the private space."""
    store.acting_for(by, by).add_upload(by, f"{size + 7:064x}", "x.csv", "table", size)
    return f"{size + 7:064x}"
