"""Reads the store for the hub. These calls block, so they run in threads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from trainer.curves import deltas
from trainer.curves.deltas import Segment
from trainer.curves.messages import encode
from trainer.store import Run, Store, StoreError

Budget = dict[str, dict[str, int]]
"""Most points by kind of row and series name."""

Cursors = dict[str, int]
"""The last step that a reader has, by kind of row."""


class RunState(NamedTuple):
    """A run's state ("gone" once it is deleted), and the status message for viewers."""

    state: str
    message: str


@dataclass(frozen=True)
class Changes:
    """What one poll found: the change stamp to pass next time, states by run, and new points by run."""

    stamp: int
    states: dict[int, RunState]
    points: dict[int, list[Segment]]


def read_changes(
    store: Store,
    stamp: int,
    unknown: Collection[int],
    cursors: Mapping[int, Cursors],
    unread: Collection[int],
) -> Changes:
    """Returns states of the runs that changed after `stamp` or are `unknown`, and new points of those in `cursors`.

    Points of a run are read when it changed or is in `unread`, so a poll without news costs one query. States are
    read first: a viewer that receives a run's end with this poll receives its last points, too.
    """
    changes = store.changed_since(stamp)
    states = {run.id: _state(run) for run in changes.runs} | {run: _gone(run) for run in changes.deleted}
    for run in unknown:
        if run not in states:
            states[run] = read_state(store, run)
    after = {
        (run, kind): step
        for run, kinds in cursors.items()
        if run in states or run in unread
        for kind, step in kinds.items()
    }
    return Changes(changes.version, states, deltas.deltas(store, after) if after else {})


def read_state(store: Store, run: int) -> RunState:
    """Returns the run's present state."""
    try:
        return _state(store.run(run))
    except StoreError:
        return _gone(run)


def read_snapshot(store: Store, run: int, points: Budget) -> tuple[bytes, Cursors]:
    """Returns a snapshot message of at most `points`, and the cursors at its end."""
    segments = [deltas.snapshot(store, run, kind, names) for kind, names in points.items()]
    return encode(segments, "snapshot"), {segment.kind: segment.to for segment in segments}


def read_range(
    store: Store, runs: list[int], series: list[str], span: tuple[int, int], request: int
) -> bytes:
    """Returns the range message with the id `request`: the steps `span` of `series`, in as much detail as the budget allows."""
    budget = deltas.budget(len(runs))
    points = {
        kind: {name: most for name, most in names.items() if name in series} for kind, names in budget.items()
    }
    segments = [
        deltas.snapshot(store, run, kind, names, *span)
        for run in runs
        for kind, names in points.items()
        if names
    ]
    return encode(segments, "range", id=request)


def _state(run: Run) -> RunState:
    return _as_state(run.id, run.status, request=run.request, progress=run.progress, error=run.error)


def _gone(run: int) -> RunState:
    return _as_state(run, "gone")


def _as_state(run: int, state: str, **more: Any) -> RunState:
    return RunState(state, orjson.dumps({"t": "status", "run": run, "status": state, **more}).decode())
