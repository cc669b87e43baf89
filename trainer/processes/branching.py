"""Starting a branch, and marking a step to branch from later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from trainer.config import ConfigError, RunConfig
from trainer.data import DataError
from trainer.engine.datasplit import steps_per_epoch
from trainer.engine.kept import Kept, begin_at, kept
from trainer.lifecycle.branches import Branch, Fork, branch_values, branched
from trainer.lifecycle.hot_knobs import KnobChange, newest_config, waits_for_epoch
from trainer.lifecycle.states import RunState
from trainer.processes.limits import LimitError, require_points
from trainer.settings import Settings
from trainer.store import Run, Store, StoreError

OTHER_VERSION = "The run's knobs were set in another version, so it cannot be branched here. Start a new run."


def branch(
    store: Store,
    settings: Settings,
    run_id: int,
    step: int | None,
    values: Mapping[str, Any],
    *,
    by: str,
    name: str = "",
    status: RunState = RunState.QUEUED,
) -> int:
    """Starts a run that goes on from the checkpoint kept at a step of another run, None for its newest, with `values` set by
    flat key, and returns its id. Raises StoreError and ConfigError."""
    run = store.run(run_id)
    chosen = _kept_at(run, settings, step)
    start, now, earlier = state_at(store, run, chosen)
    begun = branched(start, now, chosen.epoch, values)
    try:
        limits = store.limits_of_run(by)
        require_points(now.changed(branch_values(begun.config)).changed(begun.values), settings, limits)
        at_fork = _change_at_fork(begun, now, chosen, len(earlier) + 1)
    except (LimitError, DataError) as error:
        raise StoreError(str(error)) from error

    def place(new: int) -> None:
        settings.remove_run_folder(new)  # left by one that was killed in here
        begin_at(chosen, settings.run_folder(new))

    try:
        return store.create_branch(
            begun.config,
            by,
            of=run_id,
            step=chosen.step,
            changes=[*earlier, *at_fork],
            forks=_forks(run, Fork(chosen.step, start.epochs)),
            place=place,
            name=name,
            status=status,
        )
    except OSError as error:
        raise StoreError(
            f"The checkpoint at step {chosen.step:,} cannot be copied: {error.strerror}. Choose another one."
        ) from error


def state_at(store: Store, run: Run, chosen: Kept) -> tuple[RunConfig, RunConfig, list[KnobChange]]:
    """Returns the configuration that a run began with, that at one of its checkpoints, and the changes between. Raises
    ConfigError where this version cannot read it."""
    start = RunConfig.from_stored(run.config)
    if start is None:
        raise ConfigError(OTHER_VERSION)
    earlier = [one for one in store.knob_changes(run.id) if one.number <= chosen.changes]
    return start, newest_config(start, earlier), earlier


def _forks(run: Run, fork: Fork) -> list[Fork] | None:
    """Returns where a branch's forebears were left; None where an earlier version did not record it."""
    if run.parent_step is None:
        return [fork]
    return None if run.forks is None else [*(Fork(*one) for one in run.forks), fork]


def _change_at_fork(begun: Branch, now: RunConfig, chosen: Kept, number: int) -> list[KnobChange]:
    """Returns the change with which the branch begins. It has its step already, as one of an attempt that was killed: so it is
    applied before the branch's first step, or with a batch size before its first epoch."""
    if not begun.values:
        return []
    waits = chosen.batch and waits_for_epoch(begun.values)
    step = chosen.step + (steps_per_epoch(now) - chosen.batch if waits else 0)
    return [KnobChange(number, begun.values, datetime.now(UTC), step)]


def _kept_at(run: Run, settings: Settings, step: int | None) -> Kept:
    found = {one.step: one for one in kept(settings.run_folder(run.id))}
    if not found:
        raise StoreError(
            "This run has no checkpoint to branch from: it was too short, or has not trained yet. Start a new run."
        )
    if step is not None and step not in found:
        listed = ", ".join(f"{one:,}" for one in found)
        raise StoreError(f"No checkpoint is kept at step {step:,}. There are those at {listed}.")
    return found[max(found) if step is None else step]
