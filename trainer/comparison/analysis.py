"""A comparison as it stands: what each arm has measured so far, the verdicts, and how long the rest will take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from trainer.comparison.design import EVERYTHING, Arm, Design, parse_design
from trainer.comparison.factor_effects import METHOD as FACTORIAL_METHOD
from trainer.comparison.factor_effects import FactorEffect, factor_effects
from trainer.comparison.measures import measure_of, outcome
from trainer.comparison.noise import METHOD as NOISE_METHOD
from trainer.comparison.noise import Spread, noise_summary, spread, spread_sentence
from trainer.comparison.verdicts import METHOD, Measure, Outcome, Verdict, sentence, verdicts
from trainer.lifecycle.states import RunState
from trainer.store import Comparison, Member, Planned, Run, Store, StoreError


@dataclass(frozen=True)
class ArmSummary:
    """One arm: its runs by replicate, what they measured, and the means of what they cost. NaN where nothing is known."""

    name: str
    changes: tuple[str, ...]
    runs: Mapping[int, Run]
    outcomes: Mapping[int, Outcome]
    verdict: Verdict | None
    sentence: str
    seconds: float
    steps_per_second: float
    parameters: int | None
    peak_memory: float
    """In bytes, beyond what a worker holds before it trains."""

    @property
    def mean(self) -> float:
        """Mean of what the runs that did not diverge measured."""
        values = [one.value for one in self.outcomes.values() if math.isfinite(one.value)]
        return fmean(values) if values else math.nan

    @property
    def spread(self) -> Spread:
        """Standard deviation of what the runs measured."""
        return spread(one.value for one in self.outcomes.values())


@dataclass(frozen=True)
class Analysis:
    """All arms, the baseline first, and where the comparison stands. `effects` are those of a factorial design, whose arms have
    no verdict each."""

    comparison: Comparison
    design: Design
    measure: Measure
    arms: tuple[ArmSummary, ...]
    effects: tuple[FactorEffect, ...]
    states: Mapping[RunState, int]
    seconds_left: float | None

    @property
    def total(self) -> int:
        """Number of runs."""
        return sum(self.states.values())

    @property
    def over(self) -> int:
        """Number of runs that are over."""
        return sum(count for state, count in self.states.items() if state.is_over)

    @property
    def is_over(self) -> bool:
        """Whether no run is left to train."""
        return self.over == self.total

    @property
    def more_seeds(self) -> int | None:
        """How many more seeds would decide the verdict that is closest to it; None when all are decided or far from it."""
        return min((one.more_seeds for one in self.verdicts if one.more_seeds), default=None)

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts on all arms but the baseline, or on the single techniques of a factorial design."""
        on_techniques = [one.verdict for one in self.effects if one.is_main]
        return on_techniques or [arm.verdict for arm in self.arms if arm.verdict]

    @property
    def sentences(self) -> list[str]:
        """What there is to say: the verdicts in the same order, or where the noise comes from."""
        if self.design.studies_noise:
            spreads = [arm.spread for arm in self.arms]
            summary = noise_summary(self.design, spreads, self.measure)
            return [summary, *(arm.sentence for arm in self.arms)]
        on_techniques = [
            sentence(one.label, one.verdict, self.measure, self.design.of_seeds)
            for one in self.effects
            if one.is_main
        ]
        return on_techniques or [arm.sentence for arm in self.arms if arm.verdict]

    @property
    def method(self) -> list[str]:
        """How that is found out, in paragraphs."""
        together = [trained_together(self.together)] if self.together > 1 else []
        if self.design.studies_noise:
            return [NOISE_METHOD, *together]
        return [METHOD, *([FACTORIAL_METHOD] if self.effects else []), *together]

    @property
    def together(self) -> int:
        """How many seeds of an arm have trained in one process, at most."""
        runs = (run for arm in self.arms for run in arm.runs.values())
        return max((run.progress.get("together", 1) for run in runs), default=1)


def trained_together(count: int) -> str:
    """Says that seeds of an arm trained together, and what that means for the figures."""
    return (
        f"Up to {count} seeds of an arm trained together in one process, each with the numbers that it gets by itself. "
        "Seconds and memory of such a run are those of all that trained with it."
    )


def start(store: Store, design: Design, owner: str, title: str = "") -> int:
    """Queues a new comparison's runs, and returns its id. Seed by seed, so that pairs are complete early."""
    return store.create_comparison(
        design.model_dump(mode="json"), planned(design, range(len(design.seeds))), owner, title
    )


def add_seeds(store: Store, comparison_id: int, count: int, *, by: str) -> None:
    """Queues every arm's runs with `count` more seeds. Looking first does no harm: the verdicts hold at every number of seeds."""
    design = design_of(store.comparison(comparison_id))
    more = design.with_seeds(count)
    added = planned(more, range(len(design.seeds), len(more.seeds)))
    store.extend_comparison(comparison_id, more.model_dump(mode="json"), added, by=by)


def design_of(comparison: Comparison) -> Design:
    """Returns a comparison's design. Raises StoreError for a search, which has trials instead of arms."""
    if comparison.search is not None:
        raise StoreError(f"Comparison {comparison.id} is a search. See it on the Comparisons page.")
    return parse_design(comparison.design)


def planned(design: Design, replicates: Sequence[int]) -> list[Planned]:
    """Returns the runs of some replicates, seed after seed."""
    return [
        Planned(
            number,
            replicate,
            f"{arm.name} · {'' if arm.vary == EVERYTHING else f'{arm.vary} '}seed {design.seeds[replicate]}",
            design.config(number, replicate).to_dict(),
        )
        for replicate in replicates
        for number, arm in enumerate(design.arms)
    ]


def analyse(store: Store, comparison_id: int) -> Analysis:
    """Reads a comparison and its runs. Raises StoreError when there is none with this id."""
    comparison = store.comparison(comparison_id)
    design = design_of(comparison)
    members = store.members(comparison_id)
    measure = measure_of(design, next((one.run.results["unit"] for one in members if one.run.results), ""))
    outcomes = _outcomes(store, design, members)
    judged: list[Verdict | None] = [None] * len(design.arms)
    if not (design.factors or design.studies_noise):
        judged[1:] = verdicts(outcomes[0], outcomes[1:], measure)
    arms = [
        _summary(design, number, members, outcomes[number], judged[number], measure)
        for number in range(len(design.arms))
    ]
    seconds = [arm.seconds for arm in arms]
    effects = factor_effects(design.factors, outcomes, seconds, measure) if design.factors else []
    states: dict[RunState, int] = {}
    for one in members:
        states[one.run.status] = states.get(one.run.status, 0) + 1
    return Analysis(
        comparison,
        design,
        measure,
        tuple(arms),
        tuple(effects),
        states,
        seconds_left([one.run for one in members]),
    )


def seconds_left(runs: Sequence[Run]) -> float | None:
    """Estimates how long the runs that are not over will take, from the time that those before them took and from how many
    train at once. None without any that has finished."""
    took = [run.results["seconds"] for run in runs if run.status is RunState.FINISHED and run.results]
    live = [run for run in runs if not run.is_over]
    if not live:
        return 0.0
    if not took:
        return None
    to_do = len(live) - sum(_share_done(run) for run in live)
    at_once = max(1, sum(run.status is RunState.RUNNING for run in live))
    return float(median(took)) * to_do / at_once


def _share_done(run: Run) -> float:
    total = run.progress.get("total_steps") or math.inf
    return float(min(1.0, run.progress.get("step", 0) / total))


def _outcomes(store: Store, design: Design, members: Sequence[Member]) -> list[dict[int, Outcome]]:
    found: list[dict[int, Outcome]] = [{} for _ in design.arms]
    for arm, replicate, run in members:
        curve = store.read_points(run.id, "epoch") if design.until is not None and run.is_over else None
        if (measured := outcome(run, design, curve)) is not None:
            found[arm][replicate] = measured
    return found


def _summary(
    design: Design,
    number: int,
    members: Sequence[Member],
    outcomes: Mapping[int, Outcome],
    verdict: Verdict | None,
    measure: Measure,
) -> ArmSummary:
    arm = design.arms[number]
    runs = {one.replicate: one.run for one in members if one.arm == number}
    ended: list[dict[str, Any]] = [run.results for run in runs.values() if run.results]
    return ArmSummary(
        name=arm.name,
        changes=tuple(str(change) for change in design.changes(number)),
        runs=runs,
        outcomes=outcomes,
        verdict=verdict,
        sentence=_sentence(design, arm, outcomes, verdict, measure),
        seconds=_mean(ended, "seconds"),
        steps_per_second=_mean(ended, "steps_per_second"),
        parameters=next((one["parameters"] for one in ended), None),
        peak_memory=_mean([run.progress for run in runs.values() if run.results], "peak_memory"),
    )


def _sentence(
    design: Design, arm: Arm, outcomes: Mapping[int, Outcome], verdict: Verdict | None, measure: Measure
) -> str:
    if verdict is not None:
        return sentence(arm.name, verdict, measure, design.of_seeds)
    if design.studies_noise:
        return spread_sentence(arm.name, spread(one.value for one in outcomes.values()), measure)
    return "The baseline." if arm is design.baseline else ""


def _mean(ended: Sequence[Mapping[str, Any]], key: str) -> float:
    values = [one[key] for one in ended if one.get(key)]
    return fmean(values) if values else math.nan
