"""Driving searches: trials are begun, watched, pruned and told to Optuna, one round after another.

Nothing lasts between two rounds but what the database holds. A driver that is killed leaves at most a trial whose run is not
queued yet, or one that is pruned and not stopped; the next driver does the rest.
"""

from __future__ import annotations

import math
import time
import traceback
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.exc import DBAPIError

from trainer.comparison.measures import DIVERGED, at_end, measure_of
from trainer.comparison.readings import READINGS
from trainer.comparison.search.design import SearchDesign, parse_search
from trainer.comparison.search.space import draw
from trainer.config import ConfigError
from trainer.describe.text import one_line
from trainer.lazy import lazy
from trainer.lifecycle.states import RunState
from trainer.store import Comparison, Run, Store, StoreError
from trainer.store.studies import study_name, study_storage

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial
else:
    optuna = lazy("optuna")

FAILED: Final = "failed"
"""Attribute of a trial: the sentence why it counts as failed."""
STOPPED: Final = "stopped"
"""Attribute of a trial whose run a person has stopped."""
SPENT: Final = "spent"
"""Attribute of a study with a limit in minutes: the seconds for which it was under way."""
IMPORTANCE: Final = "importance"
"""Attribute of a study: each knob's share."""
FEWEST: Final = 8
"""Trials that tell something about importance."""
BETTER_PART: Final = 0.5
"""Part of the trials whose knobs importance looks at. In simulations of 10 and 20 trials in which one knob decides, the best half
tells it from an irrelevant one; the best tenth, Optuna's default, is one or two trials and often does not."""
MAX_REPORTS: Final = 50
"""Epochs of a trial that are shown to the pruner, at most, evenly spaced: each costs a write."""
NOTED_EVERY: Final = 2.0
"""Seconds between two notes of how long a search was under way; a driver that is killed forgets as many."""
WARM_UP: Final = 5
"""Trials that end before the median prunes."""


class Driver:
    """Drives all searches under way. `log_error` is called with the traceback of an error that fails a search."""

    def __init__(self, store: Store, log_error: Callable[[str], None]) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._store, self._log_error = store, log_error
        self._storage = study_storage(store, writes=True)
        self._studies: dict[int, optuna.Study] = {}
        self._read: dict[int, int] = {}
        self._seen: dict[int, float] = {}

    def round(self) -> bool:
        """Advances each search as far as it can go now, and returns whether any is under way. A failing database raises
        DBAPIError or Optuna's StorageInternalError; any other error fails the search that it concerns."""
        live = self._store.live_searches()
        self._seen = {one.id: self._seen[one.id] for one in live if one.id in self._seen}
        for search in live:
            try:
                self._advance(search)
            except (DBAPIError, optuna.exceptions.StorageInternalError):
                raise
            except StoreError:  # deleted meanwhile, or its owner has too many runs under way: later
                continue
            except Exception as error:
                self._log_error(traceback.format_exc())
                with suppress(StoreError):  # deleted meanwhile, which is why
                    self._store.end_search(search.id, f"The search cannot go on: {one_line(error)}")
        return bool(live)

    def _advance(self, search: Comparison) -> None:
        design = parse_search(search.design)
        study = self._study(search, design)
        runs = {one.arm: one.run for one in self._store.members(search.id)}
        for trial in study.get_trials(deepcopy=False):
            run = runs.get(trial.number)
            if not trial.state.is_finished():
                self._follow(search, design, study, trial, run)
            elif trial.state is optuna.trial.TrialState.PRUNED and run is not None:
                self._stop_pruned(trial, run)
        self._begin_more(search, design, study, self._time_is_over(search, design, study))

    def _study(self, search: Comparison, design: SearchDesign) -> optuna.Study:
        if search.id not in self._studies:
            lower = measure_of(design.compared).lower_is_better
            self._studies[search.id] = optuna.create_study(
                study_name=study_name(search.id),
                storage=self._storage,
                load_if_exists=True,
                direction="minimize" if lower else "maximize",
                pruner=_pruner(design),
            )
        return self._studies[search.id]

    def _time_is_over(self, search: Comparison, design: SearchDesign, study: optuna.Study) -> bool:
        """Notes how long a search with a limit has been under way; the time while it is stopped does not count."""
        now = time.monotonic()
        since = self._seen.setdefault(search.id, now)
        if design.minutes is None:
            self._seen[search.id] = now
            return False
        spent = study.user_attrs.get(SPENT, 0.0) + now - since
        is_over = bool(spent >= 60 * design.minutes)
        if is_over or now - since >= NOTED_EVERY:
            study.set_user_attr(SPENT, spent)
            self._seen[search.id] = now
        return is_over

    # -- trials under way -----------------------------------------------------------------------------------

    def _follow(
        self,
        search: Comparison,
        design: SearchDesign,
        study: optuna.Study,
        trial: FrozenTrial,
        run: Run | None,
    ) -> None:
        if run is None:  # its run is not queued yet
            self._begin(search, design, study, trial)
        elif run.status is RunState.STOPPED:
            self._tell(study, trial, None, **{STOPPED: "Stopped by hand, so it has no result."})
        elif run.is_over:
            value = _value(run, design)
            reason = {} if value is not None else {FAILED: _reason(run)}
            self._tell(study, trial, _worst(study) if value is None else value, **reason)
        elif design.pruner != "none" and run.status is RunState.RUNNING:
            self._show_to_pruner(design, study, trial, run)

    def _show_to_pruner(
        self, design: SearchDesign, study: optuna.Study, frozen: FrozenTrial, run: Run
    ) -> None:
        points = self._store.read_points(run.id, "epoch", self._read.get(run.id, -1))
        if not len(points):
            return
        trial = _opened(study, frozen)
        every = math.ceil(design.base.epochs / MAX_REPORTS)
        values = points.column("val_metric" if READINGS[design.measure].score else "val_loss")
        for epoch, value in zip(points.column("epoch").astype(int).tolist(), values.tolist(), strict=True):
            is_news = epoch > (frozen.last_step or 0) and epoch % every == 0 and epoch < design.base.epochs
            if not (is_news and math.isfinite(value)):
                continue
            trial.report(value, epoch)
            if trial.should_prune():
                self._stop_pruned(study.tell(trial, state=optuna.trial.TrialState.PRUNED), run)
                return
        self._read[run.id] = points.last_step

    def _stop_pruned(self, trial: FrozenTrial, run: Run) -> None:
        """Stops the run of a pruned trial, once: a person may resume it later."""
        sentence = (
            f"Pruned by the search after epoch {trial.last_step}: it was not among the promising trials."
        )
        if not run.is_over and sentence not in run.notices:
            self._store.prune_trial(run.id, sentence)

    def _tell(self, study: optuna.Study, trial: FrozenTrial, value: float | None, **attributes: str) -> None:
        """Ends a trial: with a value, or without one where it says nothing about its knobs."""
        for name, text in attributes.items():
            _opened(study, trial).set_user_attr(name, text)
        if value is None:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial.number, value)
        self._weigh(study)

    # -- new trials -----------------------------------------------------------------------------------------

    def _begin_more(
        self, search: Comparison, design: SearchDesign, study: optuna.Study, time_is_over: bool
    ) -> None:
        while True:
            trials = study.get_trials(deepcopy=False)
            under_way = sum(not one.state.is_finished() for one in trials)
            if time_is_over or len(trials) >= design.trials:
                if not under_way:
                    self._store.end_search(search.id)
                return
            if under_way >= design.at_once:
                return
            study.enqueue_trial(design.grid[len(trials)] if design.sampler == "grid" else {})
            self._begin(search, design, study, study.get_trials(deepcopy=False)[-1])

    def _begin(
        self, search: Comparison, design: SearchDesign, study: optuna.Study, frozen: FrozenTrial
    ) -> None:
        """Draws a trial's knobs, unless they are drawn already, and queues its run; a combination that cannot train fails. Its
        number seeds the sampler, so that a driver that was killed draws nothing twice."""
        study.sampler = _sampler(design, zlib.crc32(f"{design.base.seed} {frozen.number}".encode()))
        waits = frozen.state is optuna.trial.TrialState.WAITING
        trial = study.ask() if waits else _opened(study, frozen)
        try:
            config = draw(trial, design.space, design.base)
        except ConfigError as error:
            self._tell(study, frozen, _worst(study), **{FAILED: str(error)})
        else:
            self._store.add_trial(search.id, frozen.number, f"Trial {frozen.number + 1}", config.to_dict())

    def _weigh(self, study: optuna.Study) -> None:
        """Notes how important each knob is, by the trials so far."""
        ended = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
        finite = [one for one in ended if math.isfinite(one.value or 0.0)]
        if len(finite) >= FEWEST:
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=BETTER_PART)
            shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
            study.set_user_attr(IMPORTANCE, shares)


def _opened(study: optuna.Study, trial: FrozenTrial) -> optuna.Trial:
    """Returns the trial as one that can be written to, as `study.ask` does."""
    return optuna.Trial(study, trial._trial_id)


def _value(run: Run, design: SearchDesign) -> float | None:
    """What a run that is over measured; None where that is not a number."""
    if run.status is not RunState.FINISHED or run.results is None:
        return None
    value = at_end(run.results, design.measure)
    return value if value is not None and math.isfinite(value) else None


def _reason(run: Run) -> str:
    results: Mapping[str, Any] = run.results or {}
    if results.get("stopped_by") == DIVERGED:
        return "Its loss diverged, so it counts as the worst."
    return f"{run.error or 'It has no finite result.'} It counts as the worst."


def _worst(study: optuna.Study) -> float:
    """The value of a trial that failed: the sampler then keeps away from its knobs."""
    return math.inf if study.direction is optuna.study.StudyDirection.MINIMIZE else -math.inf


def _sampler(design: SearchDesign, seed: int) -> optuna.samplers.BaseSampler:
    if design.sampler == "tpe":
        return optuna.samplers.TPESampler(seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)  # a grid's values are given


def _pruner(design: SearchDesign) -> optuna.pruners.BasePruner:
    if design.pruner == "median":
        warm_up = design.base.epochs // 5
        return optuna.pruners.MedianPruner(n_startup_trials=WARM_UP, n_warmup_steps=warm_up)
    if design.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(max_resource=design.base.epochs)
    return optuna.pruners.NopPruner()
