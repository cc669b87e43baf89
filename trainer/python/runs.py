"""Runs from Python: `run` trains one here, `open_run` opens an earlier one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import index
from typing import TYPE_CHECKING, Any

from trainer.config import RunConfig
from trainer.engine.build import require_start
from trainer.export.curves import frame
from trainer.foreground.interrupts import on_interrupt
from trainer.foreground.requirements import require_data
from trainer.foreground.training import claim_again, train_here
from trainer.lazy import lazy
from trainer.lifecycle.requests import Request, RequestKind
from trainer.lifecycle.states import RunState
from trainer.processes.control import Control
from trainer.python import notebook
from trainer.python.knobs import Knobs, changed
from trainer.settings import Settings, get_settings
from trainer.store import COMMAND_LINE, Run, Store, StoreError

if TYPE_CHECKING:
    import pandas as pd
    import torch
else:
    torch = lazy("torch")


def run(config: Knobs | None = None, /, *, name: str = "", **knobs: Any) -> TrainedRun:
    """Trains one configuration in this process, on one core, and returns the run.

    `config` holds knobs by flat key, such as `{"model.layers": "64-64"}`, nested knobs as in a file, or a RunConfig; `knobs` are
    further ones, and what is absent takes its default. The run is kept in TRAINSCOPE_HOME and shown on the Runs page. A run
    whose loss diverges is returned like any other: its `status` is "failed", its `error` says why.

    Ctrl-C pauses the run and raises KeyboardInterrupt. Raises ConfigError or DataError where it could not begin.
    """
    settings = get_settings()
    whole = changed(changed(RunConfig(), config or {}, settings), knobs, settings)
    require_data(whole, settings)
    require_start(whole, settings.data)
    store = Store(settings.url)
    run_id = store.create_run(whole, owner=COMMAND_LINE, name=name, status=RunState.RUNNING)
    found = TrainedRun(store, settings, run_id)
    found._train(1)
    return found


def open_run(run_id: int) -> TrainedRun:
    """Opens an earlier run, of whoever started it. Raises StoreError when there is none with this id."""
    settings = get_settings()
    store = Store(settings.url)
    return TrainedRun(store, settings, store.run(index(run_id)).id)


class TrainedRun:
    """A run and what it measured, read from the store whenever it is asked for."""

    def __init__(self, store: Store, settings: Settings, run_id: int) -> None:
        self._store, self._settings = store, settings
        self.id = run_id

    @property
    def status(self) -> RunState:
        """Where it stands, such as "finished", "paused" or "failed"."""
        return self._run.status

    @property
    def error(self) -> str | None:
        """Why it failed, as a sentence."""
        return self._run.error

    @property
    def config(self) -> RunConfig:
        """All its knobs. Raises ConfigError where a version with other knobs set them."""
        return RunConfig.parse(self._run.config)

    @property
    def results(self) -> dict[str, Any]:
        """What it reported when it ended or was paused: `train`, `validation`, `test` and `best`, each with its loss and metric,
        steps, seconds and more. Raises StoreError where it has reported nothing."""
        run = self._run
        if run.results is None:
            raise StoreError(f"Run {self.id} has no results: it is {run.status}. {run.error or ''}".strip())
        return run.results

    @property
    def steps(self) -> pd.DataFrame:
        """A row for each step: loss, learning rate, gradient norm and more."""
        return frame(self._store.read_points(self.id, "step"))

    @property
    def epochs(self) -> pd.DataFrame:
        """A row for each epoch: training and validation loss and score, seconds so far and more."""
        return frame(self._store.read_points(self.id, "epoch"))

    def resume(self) -> TrainedRun:
        """Continues a run that was paused, stopped or killed, where it stood: it ends with the same numbers as one that was never
        interrupted. Raises StoreError for one that has finished, or trains elsewhere."""
        attempt = claim_again(self._store, self._settings, self.id)
        if attempt is None:
            raise StoreError(f"Run {self.id} is being trained by another process; it continues there.")
        self._train(attempt)
        return self

    @property
    def _run(self) -> Run:
        return self._store.run(self.id)

    def _train(self, attempt: int) -> None:
        again = f"trainer.open_run({self.id}).resume() continues it."
        control, visible = Control(), notebook.is_watched()
        if visible:
            print(f"Run {self.id}. Ctrl-C pauses it; {again}", file=sys.stderr)
        pause = partial(control.request, Request(RequestKind.PAUSE))
        with on_interrupt(pause) as interrupted, _torch_as_before():
            train_here(self._store, self._settings, self.id, attempt, control, visible=visible)
        if interrupted.is_set() and not self._run.is_over:
            raise KeyboardInterrupt(f"Run {self.id} is paused; {again}")

    def __repr__(self) -> str:
        run = self._run
        return f"Run {self.id}: {run.status}." + (f" {run.error}" if run.error else "")


@contextmanager
def _torch_as_before() -> Iterator[None]:
    """Gives torch back as it was, to a process that may use it for something else: threads, random state, determinism."""
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
