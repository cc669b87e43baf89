"""A comparison as it stands: what each arm has measured so far, the verdicts, and how long the rest will take."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from trainer.comparison.design import Design, parse_design
from trainer.comparison.measures import measure_of, outcome
from trainer.comparison.verdicts import Measure, Outcome, Verdict, sentence, verdicts
from trainer.lifecycle.states import RunState
from trainer.store import Comparison, Member, Planned, Run, Store


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


@dataclass(frozen=True)
class Analysis:
    """All arms, the baseline first, and where the comparison stands."""

    comparison: Comparison
    design: Design
    measure: Measure
    arms: tuple[ArmSummary, ...]
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
        wanted = [arm.verdict.more_seeds for arm in self.arms if arm.verdict and arm.verdict.more_seeds]
        return min(wanted, default=None)


def start(store: Store, design: Design, owner: str, title: str = "") -> int:
    """Queues a new comparison's runs, and returns its id. Seed by seed, so that pairs are complete early."""
    return store.create_comparison(
        design.model_dump(mode="json"), planned(design, range(len(design.seeds))), owner, title
    )


def add_seeds(store: Store, comparison_id: int, count: int, *, by: str) -> None:
    """Queues every arm's runs with `count` more seeds. Looking first does no harm: the verdicts hold at every number of seeds."""
    design = parse_design(store.comparison(comparison_id).design)
    more = design.with_seeds(count)
    added = planned(more, range(len(design.seeds), len(more.seeds)))
    store.extend_comparison(comparison_id, more.model_dump(mode="json"), added, by=by)


def planned(design: Design, replicates: Sequence[int]) -> list[Planned]:
    """Returns the runs of some replicates, seed after seed."""
    return [
        Planned(
            number,
            replicate,
            f"{arm.name} · seed {design.seeds[replicate]}",
            design.config(number, replicate).to_dict(),
        )
        for replicate in replicates
        for number, arm in enumerate(design.arms)
    ]


def analyse(store: Store, comparison_id: int) -> Analysis:
    """Reads a comparison and its runs. Raises StoreError when there is none with this id."""
    comparison = store.comparison(comparison_id)
    design = parse_design(comparison.design)
    members = store.members(comparison_id)
    measure = measure_of(design, next((one.run.results["unit"] for one in members if one.run.results), ""))
    outcomes = _outcomes(store, design, members)
    judged = verdicts(outcomes[0], outcomes[1:], measure)
    arms = [
        _summary(design, number, members, outcomes[number], judged[number - 1] if number else None, measure)
        for number in range(len(design.arms))
    ]
    states: dict[RunState, int] = {}
    for one in members:
        states[one.run.status] = states.get(one.run.status, 0) + 1
    return Analysis(
        comparison, design, measure, tuple(arms), states, seconds_left([one.run for one in members])
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
        sentence=sentence(arm.name, verdict, measure) if verdict else "The baseline.",
        seconds=_mean(ended, "seconds"),
        steps_per_second=_mean(ended, "steps_per_second"),
        parameters=next((one["parameters"] for one in ended), None),
        peak_memory=_mean([run.progress for run in runs.values() if run.results], "peak_memory"),
    )


def _mean(ended: Sequence[Mapping[str, Any]], key: str) -> float:
    values = [one[key] for one in ended if one.get(key)]
    return fmean(values) if values else math.nan
