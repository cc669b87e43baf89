"""Progress bars on standard error for what trains."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from trainer.metrics.registry import metrics
from trainer.preflight.findings import short
from trainer.store import Run, Store

INTERVAL = 0.2
"""Seconds between two looks at a run's progress."""


@contextmanager
def step_bar(store: Store, run_id: int, visible: bool) -> Iterator[None]:
    """Draws a bar of the run's steps, with rate and remaining time, for as long as the block lasts."""
    if not visible:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_draw_steps, args=(store, run_id, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _draw_steps(store: Store, run_id: int, over: threading.Event) -> None:
    with tqdm(unit="step", dynamic_ncols=True, leave=False) as bar:
        while not over.wait(INTERVAL):
            progress = store.run(run_id).progress
            bar.total = progress.get("total_steps")
            bar.set_description(
                f"epoch {progress.get('epoch', 0)}/{progress.get('epochs', '?')}", refresh=False
            )
            bar.set_postfix_str(measured(progress), refresh=False)
            bar.update(progress.get("step", 0) - bar.n)


def measured(progress: Mapping[str, Any]) -> str:
    """Returns the newest values of the metrics that are shown in a run's progress."""
    shown = (one for one in metrics("step").values() if one.name in progress and not one.axis)
    return ", ".join(f"{one.label.lower()} {short(progress[one.name])}" for one in shown)


@contextmanager
def run_bar(visible: bool) -> Iterator[Callable[[Sequence[Run]], None]]:
    """Draws a bar of the runs that are over, and yields the function to call with all runs."""
    with tqdm(unit="run", dynamic_ncols=True, leave=False, disable=not visible) as bar:

        def show(runs: Sequence[Run]) -> None:
            bar.total = len(runs)
            bar.update(sum(run.is_over for run in runs) - bar.n)

        yield show
