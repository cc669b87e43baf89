"""Where the noise of a configuration comes from: the standard deviation of a measure as one source after another varies.

A study of noise is a comparison whose arms train one configuration. In the first arm the replicates vary everything, in each of
the others one source alone, with the others held (Bouthillier et al. 2021, arXiv:2103.03098).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from trainer.comparison.design import EVERYTHING, VARIED, Design, Vary, counted_seeds, parse_design
from trainer.comparison.verdicts import Measure, amount, number
from trainer.config import PURPOSES, RunConfig

USUAL_SEEDS: Final = 10
"""With so many, a 95% interval spans a factor of three."""
FEWEST: Final = 5
"""The fewest values with which there is an interval."""
NORMAL_QUANTILE: Final = 1.959964
NOT_ADDITIVE: Final = (
    "The parts need not add up to the whole, nor the shares to 100%: the sources act on each other, and each is measured with "
    "the others held at one seed."
)
METHOD = (
    "All runs train the same configuration. In the first row every seed differs from run to run; in each other row only the seed "
    "of that source does, and the others are held (Bouthillier et al. 2021). The interval is that of Bonett (2006): it assumes "
    "independent runs and estimates how heavy the tails of their distribution are. Simulated with 6 to 10 runs, it covers the "
    "true value in over 90% of cases for normal, uniform and skewed values; it covers less where single runs lie very far out. "
    "A run whose loss diverges has no value here, and is counted beside the others."
)
"""How the noise is split."""


@dataclass(frozen=True)
class Spread:
    """Standard deviation of `count` values and its 95% interval, NaN where they are unknown. `diverged` values are left out."""

    count: int
    diverged: int
    deviation: float
    low: float
    high: float


class Share(NamedTuple):
    """A share of a variance, 1 for all of it, and its 95% interval, NaN where they are unknown."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Returns it in words, such as "31% (12% to 80%)"."""
        if math.isnan(self.value):
            return "–"
        return f"{self.value:.0%}" + (
            f" ({self.low:.0%} to {self.high:.0%})" if math.isfinite(self.low) else ""
        )


def noise_design(config: RunConfig, seeds: int | None = None, **choices: Any) -> Design:
    """Returns the study of a configuration's noise. Where dropout is off, it has no arm. Raises ConfigError.

    The sources that an arm does not vary have the configuration's seed; those that it varies count on from the next one, so that
    no two arms train the same run.
    """
    plain = config.changed({f"seed.{purpose}": None for purpose in PURPOSES})
    sources: list[Vary] = [EVERYTHING, *(one for one in PURPOSES if one != "dropout" or config.drops_out)]
    listed = [{"name": VARIED[one].removeprefix("the "), "config": plain, "vary": one} for one in sources]
    varied = counted_seeds(config.seed + 1, USUAL_SEEDS if seeds is None else seeds, [config.seed])
    return parse_design({"arms": listed, "seeds": varied, **choices})


def noise_title(title: str) -> str:
    """Returns the title of a study of what has this title, or none."""
    return "Where the noise comes from" + (f": {title}" if title else "")


def spread(values: Iterable[float]) -> Spread:
    """Returns the standard deviation of independent values, with the interval of Bonett 2006, CSDA 50(3).

    It estimates how heavy the tails are. The usual interval, by the chi-square distribution, holds for normal values alone: of
    ten values with Student's t distribution, 5 degrees of freedom, it misses in 12% of cases, and a bootstrap in 33%.
    """
    given = list(values)
    known = np.array([value for value in given if math.isfinite(value)])
    count, diverged = len(known), len(given) - len(known)
    if count < 2:
        return Spread(count, diverged, math.nan, math.nan, math.nan)
    unit = float(np.abs(known).max()) or 1.0  # of which the fourth powers do not overflow
    deviation = unit * float((known / unit).std(ddof=1))
    if np.ptp(known) == 0:
        return Spread(count, diverged, 0.0, 0.0, 0.0)
    if count < FEWEST:
        return Spread(count, diverged, deviation, math.nan, math.nan)
    scaled = (known / unit - (known / unit).mean()) * (unit / deviation)
    cut = int(count / (2 * math.sqrt(count - 4)))
    middle = np.sort(scaled)[cut : count - cut].mean()
    kurtosis = count * ((scaled - middle) ** 4).sum() / (scaled**2).sum() ** 2
    correction = count / (count - NORMAL_QUANTILE)
    error = correction * math.sqrt((kurtosis - (count - 3) / count) / (count - 1))
    ends = [deviation * math.sqrt(correction * math.exp(sign * NORMAL_QUANTILE * error)) for sign in (-1, 1)]
    return Spread(count, diverged, deviation, ends[0], ends[1])


def share(part: Spread, whole: Spread) -> Share:
    """Returns which share of the whole's variance a part's is. The interval combines those of both on a log scale, where
    Bonett's are symmetric."""
    if not whole.deviation > 0 or math.isnan(part.deviation):
        return Share(math.nan, math.nan, math.nan)
    value = (part.deviation / whole.deviation) ** 2
    if math.isnan(part.low) or math.isnan(whole.low) or part.deviation == 0:
        return Share(value, math.nan, math.nan)
    reach = math.hypot(math.log(part.high / part.low), math.log(whole.high / whole.low))
    center = (part.low / whole.low) * (part.high / whole.high)
    return Share(value, center * math.exp(-reach), center * math.exp(reach))


def spread_sentence(name: str, found: Spread, measure: Measure) -> str:
    """Returns what one source does, such as "Split: standard deviation 0.012 (95% interval 0.008 to 0.026) over 10 runs."."""
    runs = f"{found.count} {'run' if found.count == 1 else 'runs'}"
    size = (
        f"standard deviation {amount(found.deviation, measure)}{_interval(found)} over {runs}"
        if found.count > 1
        else f"{runs} so far; a standard deviation takes two"
    )
    left_out = (
        f" {found.diverged} more diverged, so the noise is larger than this says." if found.diverged else ""
    )
    return f"{name.capitalize()}: {size}.{left_out}"


def noise_summary(design: Design, spreads: Sequence[Spread], measure: Measure) -> str:
    """Returns which source moves the measure most, if that can be told, and why dropout is missing where it is."""
    off = "" if design.baseline.config.drops_out else " Dropout is off: it makes no noise, exactly 0."
    alone = sorted(
        (
            (found, arm.name)
            for arm, found in zip(design.arms, spreads, strict=True)
            if arm.vary != EVERYTHING
        ),
        key=lambda one: one[0].deviation,
        reverse=True,
    )
    if any(math.isnan(found.low) for found, _ in alone):
        return f"It takes at least {FEWEST} runs of each source to tell where the noise comes from.{off}"
    (largest, name), *others = alone
    if all(largest.low > found.high for found, _ in others):
        return f"Largest source of noise in the {measure.label}: {name}. Its interval lies above those of the others.{off}"
    return (
        f"Largest source of noise in the {measure.label} so far: {name}. Its interval overlaps another's, so more seeds may "
        f"change that.{off}"
    )


def _interval(found: Spread) -> str:
    return f" (95% interval {number(found.low)} to {number(found.high)})" if math.isfinite(found.low) else ""
