"""What a comparison's runs say about each arm: better, worse, no difference that matters, or nothing yet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from trainer.comparison.evidence import CLAIM, claimed, evidence, fewest, interval, needed, seeds_needed

Array = NDArray[np.float64]


class Claim(StrEnum):
    """What a verdict claims of an arm."""

    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    OPEN = "open"


METHOD = (
    "Each seed trains every arm on the same split, from the same initial weights, with the same batches in the same order, so "
    "the arms differ in what was changed and in nothing else. The verdict rests on the differences between arm and baseline, "
    "one for each seed. It may be looked at after every run, and more seeds may be added at any time: the probability of ever "
    "claiming a difference that is not there stays at 5% or below. An arm whose loss diverges counts as worse, and is never "
    "left out. How many more seeds would tell is estimated by continuing the differences so far at random, 200 times."
)
"""How a verdict is reached."""


@dataclass(frozen=True)
class Measure:
    """What the arms are compared by. `margin` is the largest difference that does not matter; 0: each one does."""

    label: str
    unit: str = ""
    lower_is_better: bool = True
    margin: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What a run measured, and when it ended (any clock that all runs share). NaN or infinity: the run diverged."""

    value: float
    ended: float


@dataclass(frozen=True)
class Verdict:
    """An arm against the baseline.

    `effect` is the mean of arm − baseline over the pairs of runs in which neither diverged, in the measure's unit, `low` and
    `high` its 95% confidence sequence, and `standardized` the effect over the standard deviation of the differences: NaN or
    infinite as long as they are unknown. `wins` counts a tie as one half; `fewest` is the number of pairs that a claim takes.
    """

    claim: Claim
    pairs: int
    wins: float
    effect: float
    low: float
    high: float
    standardized: float
    evidence: float
    diverged: int
    baseline_diverged: int
    fewest: int
    more_seeds: int | None

    @property
    def probability_better(self) -> float:
        """Estimated probability that the arm beats the baseline with a new seed; halfway between a tie and the share of wins
        after one pair, and close to that share after many."""
        return (self.wins + 0.5) / (self.pairs + 1)


def verdicts(
    baseline: Mapping[int, Outcome], arms: Sequence[Mapping[int, Outcome]], measure: Measure
) -> list[Verdict]:
    """Returns the verdict on each arm. `baseline` and each arm have the outcome of each replicate that has ended.

    With several arms, the probability that any claim of better or worse is false is at most 5% for all of them together; so it is
    for the claims of no difference.
    """
    return judge([_pairs(baseline, arm) for arm in arms], measure)


def judge(pairs: Sequence[Array], measure: Measure) -> list[Verdict]:
    """Returns the verdict on each of several changes, given its [n, 2] values without and with it, in the order in which they
    became known."""
    gains = [_gains(one, measure) for one in pairs]
    found = [evidence(one) for one in gains]
    sure = claimed(found)
    return [
        _verdict(
            tuple(map(tuple, pairs[i].tolist())), measure, found[i], sure[i], (*found[:i], *found[i + 1 :])
        )
        for i in range(len(pairs))
    ]


def _pairs(baseline: Mapping[int, Outcome], arm: Mapping[int, Outcome]) -> Array:
    """Values of baseline and arm, [n, 2], of the replicates that both have, in the order in which the pairs became complete."""
    shared = sorted(
        baseline.keys() & arm.keys(), key=lambda one: (max(baseline[one].ended, arm[one].ended), one)
    )
    return np.array([(baseline[one].value, arm[one].value) for one in shared]).reshape(-1, 2)


def _gains(pairs: Array, measure: Measure) -> Array:
    """How much better the arm is in each of [n, 2] pairs. A run that diverged has lost to one that did not, by as much as the
    largest difference before it: how much it really is worse is unknown, and bets on the sign need no more."""
    finite = np.isfinite(pairs)
    known = np.where(finite, pairs, 0.0)
    gains = known[:, 0] - known[:, 1] if measure.lower_is_better else known[:, 1] - known[:, 0]
    for i in np.flatnonzero(~finite.all(axis=1)):
        largest = float(np.abs(gains[:i]).max(initial=0.0)) or 1.0
        gains[i] = largest * (int(finite[i, 1]) - int(finite[i, 0]))
    return gains


@lru_cache(maxsize=1_024)
def _verdict(
    values: tuple[tuple[float, float], ...],
    measure: Measure,
    found: float,
    sure: bool,
    others: tuple[float, ...],
) -> Verdict:
    """Cached: interval and outlook take tens of milliseconds, and a page asks at every rerun."""
    pairs = np.array(values).reshape(-1, 2)
    gains = _gains(pairs, measure)
    both = pairs[np.isfinite(pairs).all(axis=1)]
    differences = both[:, 1] - both[:, 0]
    low, high = interval(differences)
    effect = float(differences.mean()) if len(differences) else math.nan
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else math.nan
    claim = _claim(differences, gains, measure, sure, 1 + len(others))
    return Verdict(
        claim=claim,
        pairs=len(gains),
        wins=float((gains > 0).sum() + (gains == 0).sum() / 2),
        effect=effect,
        low=low,
        high=high,
        standardized=effect / deviation if deviation > 0 else math.nan,
        evidence=found,
        diverged=int((~np.isfinite(pairs[:, 1])).sum()),
        baseline_diverged=int((~np.isfinite(pairs[:, 0])).sum()),
        fewest=fewest(needed(others)),
        more_seeds=seeds_needed(gains, others) if claim is Claim.OPEN else None,
    )


def _claim(differences: Array, gains: Array, measure: Measure, sure: bool, arms: int) -> Claim:
    """An arm may be better by less than the margin: the verdict then reports the effect, which is certain."""
    if sure:
        return Claim.BETTER if np.median(gains) > 0 else Claim.WORSE
    low, high = interval(differences, CLAIM * arms)
    matters = max(-low, high) > measure.margin
    return Claim.OPEN if matters or len(differences) < len(gains) else Claim.EQUAL


def sentence(name: str, verdict: Verdict, measure: Measure, of_seeds: str = "") -> str:
    """Returns the verdict in words, such as "“Batch norm” is better: validation loss is lower by 0.012 (95% interval 0.008 to
    0.017), in 6 of 6 seeds.". `of_seeds` follows the number of seeds that it rests on: " of the initial weights"."""
    said = {
        Claim.BETTER: _claimed_sentence,
        Claim.WORSE: _claimed_sentence,
        Claim.EQUAL: _equal_sentence,
        Claim.OPEN: _open_sentence,
    }[verdict.claim](name, verdict, measure, of_seeds)
    diverged = [
        f" {count} of {whose} {verdict.pairs} {'run' if verdict.pairs == 1 else 'runs'} diverged, which counts as losing."
        for count, whose in ((verdict.diverged, "its"), (verdict.baseline_diverged, "the baseline's"))
        if count
    ]
    return said + "".join(diverged)


def _claimed_sentence(name: str, verdict: Verdict, measure: Measure, of_seeds: str) -> str:
    wins = verdict.wins if verdict.claim is Claim.BETTER else verdict.pairs - verdict.wins
    seen = f"in {wins:g} of {verdict.pairs} seeds{of_seeds}"
    if not math.isfinite(verdict.effect):
        return f"“{name}” is {verdict.claim}: {seen}."
    direction = "lower" if verdict.effect < 0 else "higher"
    size = f"{measure.label} is {direction} by {amount(abs(verdict.effect), measure)}"
    return f"“{name}” is {verdict.claim}: {size}{_interval(verdict)}, {seen}."


def _equal_sentence(name: str, verdict: Verdict, measure: Measure, of_seeds: str) -> str:
    if verdict.low == verdict.high == 0:
        return f"“{name}” makes no difference: {measure.label} is the same with each of {verdict.pairs} seeds{of_seeds}."
    return (
        f"“{name}” makes no difference larger than {amount(measure.margin, measure)}: {measure.label} differs by "
        f"{amount(verdict.effect, measure)}{_interval(verdict)} over {verdict.pairs} seeds{of_seeds}."
    )


def _open_sentence(name: str, verdict: Verdict, measure: Measure, of_seeds: str) -> str:
    if verdict.pairs == 0:
        return f"Cannot tell yet whether “{name}” is better: no seed has finished in both arms."
    more = verdict.more_seeds
    outlook = (
        "Settling it would take more than 60 more seeds"
        if more is None
        else f"About {more} more {'seed' if more == 1 else 'seeds'} would probably settle it"
    )
    if verdict.pairs < verdict.fewest:
        outlook = f"It takes at least {verdict.fewest} seeds to tell"
    seen = (
        f"{measure.label} differs by {amount(verdict.effect, measure)}{_interval(verdict)} over "
        f"{verdict.pairs} {'seed' if verdict.pairs == 1 else 'seeds'}{of_seeds}"
        if math.isfinite(verdict.effect)
        else f"{verdict.pairs} {'seed has' if verdict.pairs == 1 else 'seeds have'} finished"
    )
    return f"Cannot tell yet whether “{name}” is better: {seen}. {outlook}."


def _interval(verdict: Verdict) -> str:
    if not (math.isfinite(verdict.low) and math.isfinite(verdict.high)):
        return ""
    sizes = sorted((verdict.low, verdict.high))
    if verdict.claim in (Claim.BETTER, Claim.WORSE) and sizes[0] * sizes[1] > 0:
        sizes = sorted(abs(one) for one in sizes)
    return f" (95% interval {number(sizes[0])} to {number(sizes[1])})"


def amount(value: float, measure: Measure) -> str:
    """Returns a value of the measure with its unit."""
    return f"{number(value)} {measure.unit}".strip()


def number(value: float) -> str:
    """Returns three digits; a dash where there is no finite number."""
    return f"{value:.3g}".replace("-", "−") if math.isfinite(value) else "–"
