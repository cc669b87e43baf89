"""Evidence in paired differences that may be looked at as often as one likes.

Two arms that train with the same seeds give one difference a seed. Where the change does nothing, the arms can be swapped, so
each difference is as likely to be positive as negative, whatever its size. Nobody can then win by betting on the signs: the
probability that the stake ever grows to 20 times is at most 1 in 20 (Ville's inequality), however often one looks and however
many seeds one adds. An ordinary test, looked at after every seed, claims an effect in one of six comparisons that have none.

A bettor stakes the share tanh(λ|d|) on the sign of a difference d, with λ = bet / median |d| of the differences so far. The
evidence is the mean wealth of ten bettors: five sizes of bets, each on both signs. Large bets weigh most, so that six seeds are
enough for a large effect: the fewest with which any such test can reach 20.

Sources: Ramdas, Ruf, Larsson & Koolen 2020, arXiv:2009.03167 (symmetric differences); Waudby-Smith & Ramdas 2024, JRSS B 86(1)
(betting); Vovk & Wang 2021, Annals of Statistics 49(3) (several arms).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CLAIM = 20.0
"""Evidence at which an effect is claimed: one false claim in 20 comparisons without an effect, at most."""
BETS = np.array([0.5, 1.0, 2.0, 4.0, 8.0])
WEIGHTS = np.array([0.05, 0.15, 0.3, 0.3, 0.2])
FEWEST = 6
"""The fewest differences with which the evidence can reach CLAIM."""

Array = NDArray[np.float64]


def evidence(differences: ArrayLike, center: float = 0.0) -> float:
    """Returns the evidence against `differences` being symmetric about `center`: 1 without any, CLAIM for an effect.

    Shapes: differences [n], in the order in which they became known.
    """
    return float(_evidence(np.asarray(differences, float), np.array([center]))[0])


def interval(differences: ArrayLike, claim: float = CLAIM) -> tuple[float, float]:
    """Returns the bounds of the centers that the differences do not speak against: with CLAIM a 95% confidence sequence, which
    holds at all numbers of seeds at once. Infinite with fewer than FEWEST differences.
    """
    known = np.asarray(differences, float)
    if len(known) == 0 or evidence_limit(len(known)) < claim:
        return -math.inf, math.inf
    middle = float(np.median(known))
    spread = float(np.ptp(known))
    if spread == 0:
        return middle, middle
    reach = np.geomspace(1e-3, 1e6, 200) * spread
    return (
        middle - _last_accepted(known, middle, -reach, claim),
        middle + _last_accepted(known, middle, reach, claim),
    )


def evidence_limit(count: int) -> float:
    """Returns the evidence that `count` differences of one sign and size have, the most that there can be."""
    return evidence(np.ones(count))


def fewest(claim: float = CLAIM) -> int:
    """Returns the smallest number of differences with which evidence can reach `claim`."""
    return next(count for count in itertools.count(FEWEST) if evidence_limit(count) >= claim)


def claimed(arms: Sequence[float], claim: float = CLAIM) -> list[bool]:
    """Returns for which arms an effect is claimed, given each one's evidence, such that the probability of any false claim among
    them stays at 1 / `claim`.

    An arm counts when its evidence, averaged with that of any of the other arms, still reaches the bar (closed testing by means).
    """
    return [value >= needed(others, claim) for value, others in _each_and_others(arms)]


def needed(others: Sequence[float], claim: float = CLAIM) -> float:
    """Returns the evidence that an arm needs beside arms with these."""
    weakest = np.concatenate([[0.0], np.cumsum(np.sort(np.asarray(others, float)))])
    return float(max(claim * (count + 1) - total for count, total in enumerate(weakest)))


def seeds_needed(
    differences: ArrayLike, others: Sequence[float] = (), most: int = 60, simulations: int = 200
) -> int | None:
    """Returns how many more differences would make the claim, or None when more than `most`.

    The median of simulated continuations: more differences from a normal distribution with the mean and the standard deviation of
    those so far. With fewer than three of them, the number that is needed at least.
    """
    known = np.asarray(differences, float)
    if len(known) < 3:
        return fewest(needed(others)) - len(known)
    mean, deviation = float(known.mean()), float(known.std(ddof=1))
    drawn = np.random.default_rng(0).normal(mean, deviation, (simulations, most))
    paths = np.concatenate([np.broadcast_to(known, (simulations, len(known))), drawn], axis=1)
    reached = _wealth(paths)[:, len(known) :] >= needed(others)
    first = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, most + 1)
    median = math.ceil(float(np.median(first)))
    return median if median <= most else None


def _each_and_others(arms: Sequence[float]) -> list[tuple[float, list[float]]]:
    return [(value, [*arms[:i], *arms[i + 1 :]]) for i, value in enumerate(arms)]


def _evidence(differences: Array, centers: Array) -> Array:
    """Evidence of [n] differences against each of [k] centers."""
    if len(differences) == 0:
        return np.ones(len(centers))
    return _wealth(differences[None, :] - centers[:, None])[:, -1]


def _wealth(differences: Array) -> Array:
    """The mean wealth [k, n] of the bettors after each of [k, n] differences."""
    rows, count = differences.shape
    sizes = np.abs(differences)
    logs = np.zeros((rows, 2, len(BETS)))
    wealth = np.ones((rows, count))
    for i in range(count):
        stakes = np.sign(differences[:, i])[:, None] * np.tanh(BETS * _in_scale(sizes[:, : i + 1])[:, None])
        with np.errstate(divide="ignore"):  # a bettor who staked everything on the wrong sign has lost it all
            logs += np.log1p(np.stack([stakes, -stakes], axis=1))
        wealth[:, i] = (np.exp(logs) * WEIGHTS).sum(axis=2).mean(axis=1)
    return wealth


def _in_scale(sizes: Array) -> Array:
    """The last of [k, i] sizes in units of the median so far; of those above 0, where half of them are 0."""
    scale = np.median(sizes, axis=1)
    for row in np.flatnonzero(scale == 0):
        above = sizes[row][sizes[row] > 0]
        scale[row] = np.median(above) if len(above) else 1.0
    return sizes[:, -1] / scale


def _last_accepted(differences: Array, middle: float, reach: Array, claim: float) -> float:
    """How far from the middle, along [k] growing distances of one sign, a center is accepted; to 1 part in 10⁶."""
    for _ in range(4):  # each round looks between the last accepted distance and the next
        accepted = np.flatnonzero(_evidence(differences, middle + reach) < claim)
        if len(accepted) == 0:
            return 0.0
        if accepted[-1] == len(reach) - 1:
            return math.inf
        reach = np.linspace(reach[accepted[-1]], reach[accepted[-1] + 1], 33)
    return abs(float(reach[-1]))
