"""What each technique of a factorial design does on average, what two do together, and what each costs.

Each seed that all arms have finished gives one value for each effect: the mean of the arms with the technique, and the mean of
those without. They are judged as the values of two arms are (verdicts.py).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.comparison.verdicts import Claim, Measure, Outcome, Verdict, judge

Array = NDArray[np.float64]
Names = tuple[str, ...]


METHOD = (
    "Half of the arms use a technique and half do not. Its effect with one seed is the mean of the one half less the mean of the "
    "other, so every run counts for every technique. What two do beyond their sum is how much larger the effect of one is with "
    "the other than without it. Claims about single techniques are false with a probability of at most 5% in all; so are those "
    "about pairs."
)
"""How effects are judged, beside how verdicts are (verdicts.METHOD)."""
_OF_ONE = {
    Claim.BETTER: "better",
    Claim.WORSE: "worse",
    Claim.EQUAL: "no difference",
    Claim.OPEN: "cannot tell yet",
}
_OF_TWO = _OF_ONE | {Claim.BETTER: "better than the sum", Claim.WORSE: "worse than the sum"}


class FactorEffect(NamedTuple):
    """The effect of one technique, averaged over the arms; or what two do beyond the sum of what each does.

    Pairs that the design cannot tell apart share an entry, and the effect is the sum of theirs. `seconds` is how much longer a
    run takes; NaN as long as that is unknown.
    """

    names: tuple[Names, ...]
    verdict: Verdict
    seconds: float

    @property
    def is_main(self) -> bool:
        """Whether it is the effect of a single technique."""
        return len(self.names[0]) == 1

    @property
    def words(self) -> str:
        """What the verdict claims."""
        return (_OF_ONE if self.is_main else _OF_TWO)[self.verdict.claim]

    @property
    def label(self) -> str:
        """The technique, or the pairs: "Batch norm × Dropout rate 0.2"."""
        return " + ".join(" × ".join(pair) for pair in self.names)


class _Contrast(NamedTuple):
    names: tuple[Names, ...]
    signs: Array  # of each arm: 1 with the technique, -1 without

    @property
    def weight(self) -> float:
        """Two together do what the arms with both or neither have more than the others, twice."""
        return float(len(self.names[0]))


def factor_effects(
    factors: Mapping[str, Sequence[int]],
    outcomes: Sequence[Mapping[int, Outcome]],
    seconds: Sequence[float],
    measure: Measure,
) -> list[FactorEffect]:
    """Returns the effects of single techniques, then those of pairs. `outcomes` has each arm's by replicate, `seconds` how long
    a run of each arm takes.

    The probability that any claim about single techniques is false is at most 5%; so it is for the claims about pairs.
    """
    mains = [_Contrast(((name,),), _signs(having, len(outcomes))) for name, having in factors.items()]
    values, costs = _complete(outcomes), np.array(seconds)
    found = []
    for contrasts in (mains, _pairs(mains)):
        judged = judge([_without_and_with(values, one) for one in contrasts], measure)
        for one, verdict in zip(contrasts, judged, strict=True):
            without, with_it = _without_and_with(costs[None, :], one)[0]
            found.append(FactorEffect(one.names, verdict, with_it - without))
    return found


def _signs(having: Sequence[int], arms: int) -> Array:
    signs = np.full(arms, -1.0)
    signs[list(having)] = 1.0
    return signs


def _pairs(mains: Sequence[_Contrast]) -> list[_Contrast]:
    """The pairs of techniques; those with the same signs in one entry."""
    groups: dict[bytes, _Contrast] = {}
    for first, second in itertools.combinations(mains, 2):
        signs, pair = first.signs * second.signs, (*first.names[0], *second.names[0])
        if abs(signs.sum()) < len(signs):  # else no arm has one without the other
            known = groups.get(signs.tobytes())
            groups[signs.tobytes()] = _Contrast((*(known.names if known else ()), pair), signs)
    return list(groups.values())


def _complete(outcomes: Sequence[Mapping[int, Outcome]]) -> Array:
    """Values [n, arms] of the replicates that all arms have, in the order in which they became complete."""
    shared: Iterable[int] = set.intersection(*(set(one) for one in outcomes))
    order = sorted(shared, key=lambda one: (max(arm[one].ended for arm in outcomes), one))
    return np.array([[arm[one].value for arm in outcomes] for one in order]).reshape(-1, len(outcomes))


def _without_and_with(values: Array, contrast: _Contrast) -> Array:
    """Means [n, 2] over the arms without and with the technique; NaN where one of those arms diverged."""
    known = np.where(np.isfinite(values), values, math.nan)
    sides = [known[:, contrast.signs == sign].mean(axis=1) for sign in (-1.0, 1.0)]
    return contrast.weight * np.stack(sides, axis=1)
