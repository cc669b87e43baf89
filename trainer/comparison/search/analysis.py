"""A search as it stands: its trials, the best so far, what mattered, and how long the rest takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final

from trainer.comparison.analysis import start
from trainer.comparison.design import Design, arm_name
from trainer.comparison.measures import measure_of
from trainer.comparison.search.design import (
    MAX_TRIALS,
    SearchDesign,
    parse_search,
    winner_design,
    with_more_trials,
)
from trainer.comparison.search.drive import FAILED, IMPORTANCE, SPENT, STOPPED
from trainer.comparison.verdicts import Measure
from trainer.config import ConfigError, RunConfig, label_of
from trainer.describe.text import shorten
from trainer.lifecycle.states import RunState, SearchState
from trainer.store import MAX_LENGTHS, Comparison, Run, Store, StoreError
from trainer.store.studies import study_name, study_storage

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LUCK: Final = (
    "The best of {count} trials is partly luck: it was chosen because it came out best with one seed."
)


@dataclass(frozen=True)
class Trial:
    """One trial: its run, None where its knobs do not fit together, and what it measured. `said` is why it was pruned, failed or
    stopped."""

    number: int
    state: str
    knobs: Mapping[str, Any]
    run: Run | None
    value: float | None
    said: str = ""

    @property
    def config(self) -> RunConfig | None:
        """Its configuration; None without a run."""
        return RunConfig.from_stored(self.run.config) if self.run else None

    @property
    def is_complete(self) -> bool:
        """Whether it trained to its end and has a result."""
        return self.state == "finished"


@dataclass(frozen=True)
class Found:
    """A search, and all its trials in the order in which they began. `importance` has each knob's share, the largest first; it is
    empty while too few trials have finished. `spent` counts the seconds under way of a search with a limit."""

    comparison: Comparison
    design: SearchDesign
    measure: Measure
    trials: Sequence[Trial]
    importance: Mapping[str, float]
    spent: float = 0.0

    @property
    def state(self) -> SearchState:
        """Where the search stands."""
        assert self.comparison.search is not None
        return self.comparison.search

    @property
    def complete(self) -> list[Trial]:
        """The trials that have a result."""
        return [one for one in self.trials if one.is_complete]

    @property
    def under_way(self) -> list[Trial]:
        """The trials that are queued or train."""
        return [one for one in self.trials if one.state in ("queued", "training", "paused")]

    @property
    def in_words(self) -> str:
        """How far it is: "12 of 20 trials over: 9 finished, 2 pruned, 1 failed"."""
        counts = Counter(one.state for one in self.trials)
        over = len(self.trials) - len(self.under_way)
        parts = [
            f"{counts[state]} {state}"
            for state in ("finished", "pruned", "failed", "stopped")
            if counts[state]
        ]
        return f"{over} of {self.design.trials} trials over" + (f": {', '.join(parts)}" if parts else "")

    @cached_property
    def best(self) -> Trial | None:
        """The trial with the best result, the first of several."""
        return self._best(self.complete)

    @property
    def best_so_far(self) -> list[tuple[int, float]]:
        """The number of each trial that has a result, and the best value among it and those before it."""
        found = [(one.number, self._best(self.complete[: n + 1])) for n, one in enumerate(self.complete)]
        return [(number, best.value) for number, best in found if best and best.value is not None]

    @property
    def most_more(self) -> int:
        """How many more trials it can have."""
        most = len(self.design.grid) if self.design.sampler == "grid" else MAX_TRIALS
        return most - len(self.trials)

    @property
    def time_is_over(self) -> bool:
        """Whether its limit in minutes has ended it."""
        return self.state is SearchState.FINISHED and len(self.trials) < self.design.trials

    @property
    def seconds_left(self) -> float | None:
        """How long the trials that are not over will take, if they take as long as those before; None where nobody knows."""
        over = [one.run for one in self.trials if one.run is not None and one not in self.under_way]
        took = [run.results["seconds"] for run in over if run.results and run.results.get("seconds")]
        left = self.design.trials - len(self.trials) + len(self.under_way)
        if not (took and left):
            return None
        seconds = fmean(took) * left / min(self.design.at_once, left)
        if self.design.minutes is None:
            return seconds
        return min(seconds, max(0.0, 60 * self.design.minutes - self.spent) + fmean(took))

    @property
    def confirmation(self) -> Design | None:
        """The comparison of the winner with the baseline over fresh seeds; None where there is no other winner."""
        winner = self.best.config if self.best else None
        return None if winner is None or winner == self.design.base else winner_design(self.design, winner)

    @property
    def luck(self) -> str:
        """Why the winner's result is not what it will do with another seed."""
        return LUCK.format(count=len(self.trials) - len(self.under_way))

    def label(self, key: str) -> str:
        """Returns the label of a knob of the space, which may belong to a technique that only some trials have."""
        configs = (one.config for one in self.trials)
        owner = next((one for one in configs if one and key in one.flat()), self.design.base)
        return label_of(key, owner) if key in owner.flat() else key

    def _best(self, trials: Sequence[Trial]) -> Trial | None:
        sign = 1 if self.measure.lower_is_better else -1
        return min(trials, key=lambda one: sign * (one.value or 0.0), default=None)


def start_search(store: Store, design: SearchDesign, owner: str, title: str = "") -> int:
    """Adds a search, which the supervisor begins, and returns its id."""
    return store.create_search(design.model_dump(mode="json"), owner, title or search_title(design))


def search_title(design: SearchDesign) -> str:
    """Returns what a search varies, as its title."""
    labels = [label_of(key, design.base) if key in design.base.flat() else key for key in design.space]
    return shorten(f"Search: {', '.join(labels)}", MAX_LENGTHS["name"])


def read_search(store: Store, search_id: int) -> Found:
    """Reads a search and its trials. Raises StoreError where there is none with this id."""
    comparison = store.comparison(search_id)
    if comparison.search is None:
        raise StoreError(f"Comparison {search_id} is no search; it has arms and a verdict.")
    design = parse_search(comparison.design)
    runs = {one.arm: one.run for one in store.members(search_id)}
    unit = next((run.results["unit"] for run in runs.values() if run.results), "")
    trials, attributes = _study(store, search_id)
    importance = attributes.get(IMPORTANCE, {})
    return Found(
        comparison,
        design,
        measure_of(design.compared, unit),
        [_trial(one, runs.get(one.number)) for one in trials],
        dict(sorted(importance.items(), key=lambda one: -one[1])),
        attributes.get(SPENT, 0.0),
    )


def run_more(store: Store, found: Found, more: int, minutes: float | None = None, *, by: str) -> None:
    """Goes on with a search that is not under way: with so many more trials, in so many more `minutes` where given. Raises
    ConfigError where that is more than a search or its grid has, and StoreError as `continue_search` does."""
    limit = None if minutes is None else found.spent / 60 + minutes
    design = with_more_trials(found.design, len(found.trials), more, limit)
    store.continue_search(found.comparison.id, design.model_dump(mode="json"), by=by)


def confirm(store: Store, found: Found, owner: str) -> int:
    """Starts the comparison of the winner with the baseline, and returns its id. Raises ConfigError while there is no winner."""
    design = found.confirmation
    if design is None:
        raise ConfigError("No trial with other knobs than the baseline's has a result yet.")
    return start(store, design, owner, shorten(f"Is it luck? {design.arms[1].name}", MAX_LENGTHS["name"]))


def _study(store: Store, search_id: int) -> tuple[list[FrozenTrial], Mapping[str, Any]]:
    """The study's trials and attributes; none before the supervisor has begun it."""
    import optuna  # a third of a second, which only who looks at a search waits for

    storage = study_storage(store, writes=False)
    try:
        study = optuna.load_study(study_name=study_name(search_id), storage=storage)
        return study.get_trials(deepcopy=False), study.user_attrs
    except KeyError:
        return [], {}
    finally:
        storage.engine.dispose()


def _trial(trial: FrozenTrial, run: Run | None) -> Trial:
    said = trial.user_attrs.get(FAILED) or trial.user_attrs.get(STOPPED) or ""
    if trial.state.name == "COMPLETE":
        state = "failed" if FAILED in trial.user_attrs else "finished"
    elif trial.state.name == "PRUNED":
        state, said = "pruned", f"Pruned after epoch {trial.last_step}."
    elif trial.state.name == "FAIL":
        state = "stopped"
    else:
        state = _LIVE.get(run.status, "training") if run else "queued"
    value = trial.value if state == "finished" else None  # Optuna gives a pruned trial that of its last epoch
    return Trial(trial.number, state, trial.params, run, value, said)


_LIVE: Final = {RunState.QUEUED: "queued", RunState.PAUSED: "paused"}


def changes_of(trial: Trial, found: Found) -> str:
    """Returns a trial's knobs in words: what it changes of the baseline."""
    config = trial.config
    if config is None:
        return ", ".join(f"{key} {value}" for key, value in trial.knobs.items())
    return arm_name(found.design.base, config)
