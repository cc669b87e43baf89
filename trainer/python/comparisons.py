"""Comparisons from Python: `compare` trains one on all cores, `open_comparison` opens an earlier one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import TYPE_CHECKING, Any

from trainer.comparison import analysis
from trainer.comparison.analysis import Analysis, analyse
from trainer.comparison.design import EVERYTHING, Unit, Vary, make_design
from trainer.comparison.effects import read_curves
from trainer.comparison.factors import Layout, combined_design, title_of
from trainer.comparison.verdicts import Verdict
from trainer.config import RunConfig
from trainer.curves.palette import PALETTE
from trainer.foreground.comparing import follow, require_trainable, supervised
from trainer.foreground.interrupts import on_interrupt
from trainer.foreground.progress import run_bar
from trainer.lifecycle.requests import RequestKind
from trainer.python import frames, notebook
from trainer.python.knobs import Arms, Knobs, changed, changed_arms
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, Run, Store

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go

    from trainer.comparison.bands import BandKind


def compare(
    baseline: Knobs | None,
    arms: Arms,
    *,
    seeds: int | Sequence[int] | None = None,
    measure: str = "best_val_loss",
    margin: float = 0.0,
    until: float | None = None,
    unit: Unit = "epochs",
    layout: Layout = "alone",
    vary: Vary = EVERYTHING,
    title: str = "",
) -> TrainedComparison:
    """Trains the baseline and each arm with the same seeds on all cores, and returns the comparison.

    `baseline` holds knobs as for `run`, each arm what it changes from it. Without `seeds`, each arm gets as many as can show an
    effect. `measure` is what the arms are compared by, `margin` the largest difference that does not matter. With `until`, each
    run is read after so many `unit`s instead of at its end. `layout` says how the changes of several arms are combined: "alone",
    "ladder", "left_out", "factorial" or "fraction"; `vary` what its seeds determine: "everything", or only "split",
    "weights", "order" or "dropout". In a notebook, the figure changes while it trains.

    Ctrl-C pauses all runs and raises KeyboardInterrupt. Raises ConfigError or DataError, before anything starts, where an arm
    could not begin.
    """
    settings = get_settings()
    first = changed(RunConfig(), baseline or {}, settings)
    configs = changed_arms(first, arms, settings)
    choices: dict[str, Any] = {
        "vary": vary,
        "measure": measure,
        "margin": margin,
        "until": until,
        "unit": unit,
    }
    wanted = seeds if seeds is None or isinstance(seeds, int) else [index(one) for one in seeds]
    if layout == "alone":
        design = make_design(configs, wanted, **choices)
    else:
        design = combined_design(first, list(configs.values())[1:], layout, wanted, **choices)
    require_trainable(design, settings)
    store = Store(settings.url)
    found = TrainedComparison(store, analysis.start(store, design, COMMAND_LINE, title or title_of(design)))
    found._train()
    return found


def open_comparison(comparison_id: int) -> TrainedComparison:
    """Opens an earlier comparison, of whoever started it. Raises StoreError when there is none with this id."""
    store = Store(get_settings().url)
    return TrainedComparison(store, store.comparison(index(comparison_id)).id)


@dataclass(frozen=True)
class ArmVerdict(Verdict):
    """What a comparison says of an arm: a claim, what it stands on, and all of it in a `sentence`."""

    sentence: str

    def __str__(self) -> str:
        return self.sentence


class TrainedComparison:
    """A comparison and what it found, read from the store whenever it is asked for."""

    def __init__(self, store: Store, comparison_id: int) -> None:
        self._store = store
        self.id = comparison_id

    @property
    def verdict(self) -> ArmVerdict:
        """The verdict on the only arm beside the baseline. Raises ValueError where there are several: see `verdicts`."""
        found = self.verdicts
        if len(found) > 1:
            raise ValueError(
                f"Comparison {self.id} has {len(found)} arms beside the baseline; use .verdicts[name]."
            )
        return next(iter(found.values()))

    @property
    def verdicts(self) -> dict[str, ArmVerdict]:
        """The verdict on each arm by its name; in a factorial layout on each technique."""
        found = self._found
        names = [one.label for one in found.effects if one.is_main] or [arm.name for arm in found.arms[1:]]
        return {
            name: ArmVerdict(**vars(verdict), sentence=sentence)
            for name, verdict, sentence in zip(names, found.verdicts, found.sentences, strict=True)
        }

    @property
    def effects(self) -> pd.DataFrame:
        """A row for each technique of a factorial layout and for each pair: what they do to the measure, and what they cost."""
        return frames.effect_table(self._found)

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each run: run, arm, seed, status, `value` (what it measured), its results, and the knobs that differ."""
        return frames.run_table(self._found)

    @property
    def curves(self) -> pd.DataFrame:
        """A row for each epoch of each run: run, arm, seed, and what was measured."""
        found = self._found
        return frames.curve_table(found, read_curves(self._store, found))

    def figure(self, kind: BandKind = "mean", log: bool = False) -> go.Figure:
        """Returns the curves of each arm as a band over its seeds, over their differences to the baseline: "mean" with its 95%
        interval, the "range" from lowest to highest, or all "lines"; `log` makes the axis of the curves logarithmic."""
        from trainer.comparison.figure import band_chart

        found = self._found
        return band_chart(found, read_curves(self._store, found), PALETTE["light"], kind, log)

    def add_seeds(self, count: int) -> TrainedComparison:
        """Trains every arm with so many more seeds. Looking first does no harm: the verdicts hold at every number of seeds."""
        analysis.add_seeds(self._store, self.id, count, by=COMMAND_LINE)
        self._train()
        return self

    def resume(self) -> TrainedComparison:
        """Continues the runs that were paused, stopped or killed, where they stood."""
        self._store.resume_all(self.id, by=COMMAND_LINE)
        self._train()
        return self

    @property
    def _found(self) -> Analysis:
        return analyse(self._store, self.id)

    def _train(self) -> None:
        if self._found.is_over:
            return
        again = f"trainer.open_comparison({self.id}).resume() continues it."
        if notebook.is_watched():
            print(f"Comparison {self.id}. Ctrl-C pauses it; {again}", file=sys.stderr)
        pause = partial(self._store.request_all, self.id, RequestKind.PAUSE, by=COMMAND_LINE)
        with on_interrupt(pause) as interrupted, supervised(self._store), self._watched() as show:
            over = follow(self._store, self.id, show)
        if interrupted.is_set() and not over:
            raise KeyboardInterrupt(f"Comparison {self.id} is paused; {again}")

    @contextmanager
    def _watched(self) -> Iterator[Callable[[Sequence[Run]], None]]:
        """Shows how far the runs are: as a bar, and in a notebook as a figure too."""
        live = notebook.LiveFigure(self.figure) if notebook.in_notebook() else None
        with run_bar(notebook.is_watched()) as bar:

            def show(runs: Sequence[Run]) -> None:
                bar(runs)
                if live:
                    live.update()

            yield show
        if live:
            live.update(now=True)

    def __repr__(self) -> str:
        found = self._found
        lines = [f"Comparison {self.id}: {found.over} of {found.total} runs over."]
        return "\n".join([*lines, *found.sentences])
