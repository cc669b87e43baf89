"""What several live runs are doing, taken together: how many train and wait, how fast, and how long it still takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from trainer.config import RunConfig
from trainer.data import DataError
from trainer.engine.datasplit import steps_per_epoch
from trainer.formatting import format_duration
from trainer.lifecycle.states import RunState
from trainer.store import Run

WORDS = {
    RunState.RUNNING: "training",
    RunState.PAUSED: "paused",
    RunState.QUEUED: "waiting",
    RunState.INTERRUPTED: "interrupted",
}


def count_in_words(runs: Sequence[Run]) -> str:
    """Returns "2 training, 6 waiting"."""
    counts = Counter(run.status for run in runs)
    return ", ".join(f"{counts[state]} {word}" for state, word in WORDS.items() if counts[state])


def steps_per_second(runs: Sequence[Run]) -> float:
    """Returns how many steps the runs that train do in a second, together."""
    return sum(run.progress.get("steps_per_s") or 0 for run in runs if run.status is RunState.RUNNING)


def seconds_left(runs: Sequence[Run]) -> float | None:
    """Returns how long the runs that are not paused still take at their present rate; None where nobody knows yet."""
    left = [steps_left(run) for run in runs if run.status is not RunState.PAUSED]
    rate = steps_per_second(runs)
    known = [steps for steps in left if steps is not None]
    return sum(known) / rate if rate and len(known) == len(left) else None


def steps_left(run: Run) -> int | None:
    """Returns the steps that a run has still to train, if no early stopping ends it; None where its data are not here."""
    total, done = run.progress.get("total_steps"), run.progress.get("step", 0)
    if total is None and (config := RunConfig.from_stored(run.config)) is not None:
        try:
            total = steps_per_epoch(config) * config.epochs
        except DataError:
            return None
    return None if total is None else max(0, total - done)


def progress_in_words(run: Run) -> str:
    """Returns how far one run is: "step 1,200 / 5,000, 240 steps/s, 16 s left"; empty before its first step."""
    step, total = run.progress.get("step"), run.progress.get("total_steps")
    if step is None or not total:
        return ""
    rate, left = steps_per_second([run]), seconds_left([run])
    parts = [f"step {step:,} / {total:,}", f"{rate:,.0f} steps/s" if rate else ""]
    parts.append(f"{format_duration(left)} left" if left is not None else "")
    return ", ".join(filter(None, parts))
