"""What a comparison's arms are and did, as tables of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trainer.comparison.analysis import Analysis, ArmSummary
from trainer.comparison.effects import Curves, effects
from trainer.comparison.noise import Spread, share
from trainer.comparison.verdicts import number
from trainer.formatting import format_bytes, format_duration


class Table(NamedTuple):
    """Each row begins with its header. The text in it may be anybody's."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str


def arms_table(found: Analysis) -> Table:
    """Returns what each arm changes and measured."""
    measure = found.measure.label.capitalize()
    columns = ["Arm", "Changes", "Runs", measure, "Difference", "P(better)"]
    return Table(columns, [_arm_row(arm) for arm in found.arms], "Means over the seeds that are over")


def _arm_row(arm: ArmSummary) -> list[str]:
    verdict = arm.verdict
    spread = np.std([one.value for one in arm.outcomes.values() if math.isfinite(one.value)] or [math.nan])
    return [
        arm.name,
        "; ".join(arm.changes) or ("–" if arm.verdict else "baseline"),
        f"{len(arm.outcomes)} of {len(arm.runs)}",
        f"{number(arm.mean)} ± {number(float(spread))}",
        number(verdict.effect) if verdict else "",
        f"{verdict.probability_better:.0%}" if verdict and verdict.pairs else "",
    ]


def effects_table(found: Analysis, curves: Curves, target: float | None = None) -> Table:
    """Returns what each arm did beside the measure, and at what cost."""
    columns = [
        "Arm",
        "Lowest validation loss",
        "Final validation loss",
        "Test loss",
        "Gap",
        "Reached the target",
        "Steps to it",
        "Time to it",
        "Time",
        "Steps/s",
        "Parameters",
        "Peak memory",
    ]
    rows = [
        [
            arm.name,
            number(did.best_loss),
            number(did.final_loss),
            number(did.test_loss),
            number(did.gap),
            f"{did.reached} of {did.finished}",
            f"{did.steps:,.0f}" if did.reached else "–",
            format_duration(did.seconds) if did.reached else "–",
            format_duration(arm.seconds),
            number(arm.steps_per_second),
            f"{arm.parameters:,}" if arm.parameters else "–",
            format_bytes(arm.peak_memory),
        ]
        for arm, did in zip(found.arms, effects(found, curves, target), strict=True)
    ]
    return Table(columns, rows, "What it did: means over the runs that have finished")


EFFECTS_NOTE = (
    "The test part is evaluated once, with the weights that a run ends with. The gap is validation less training loss in the "
    "last epoch: how far the network memorized."
)


def factors_table(found: Analysis) -> Table:
    """Returns what each technique of a factorial design does, and what pairs do, beside what they cost."""
    columns = [
        "Technique",
        f"Effect on {found.measure.label}",
        "95% interval",
        "Verdict",
        "Seeds",
        "Time a run",
    ]
    rows = [
        [
            one.label,
            number(one.verdict.effect),
            f"{number(one.verdict.low)} to {number(one.verdict.high)}"
            if math.isfinite(one.verdict.high - one.verdict.low)
            else "–",
            one.words.capitalize(),
            str(one.verdict.pairs),
            f"{'−' if one.seconds < 0 else '+'}{format_duration(abs(one.seconds))}",
        ]
        for one in found.effects
    ]
    return Table(
        columns, rows, "What each technique does on average over all arms, and what two do beyond their sum"
    )


def noise_table(found: Analysis) -> Table:
    """Returns how much each source of noise moves the measure."""
    rows = [_noise_row(arm, found.arms[0].spread) for arm in found.arms]
    if not found.design.baseline.config.drops_out:
        rows.append(["dropout (off)", "0", "0", "exactly", "0%"])
    columns = ["What varies", "Runs", "Standard deviation", "95% interval", "Share of the variance"]
    return Table(columns, rows, f"Noise in the {found.measure.label}")


def _noise_row(arm: ArmSummary, whole: Spread) -> list[str]:
    one = arm.spread
    return [
        arm.name,
        f"{len(arm.outcomes)} of {len(arm.runs)}" + (f", {one.diverged} diverged" if one.diverged else ""),
        number(one.deviation),
        f"{number(one.low)} to {number(one.high)}" if math.isfinite(one.low) else "–",
        "100%" if one is whole else str(share(one, whole)),
    ]


def means_in_words(found: Analysis) -> str:
    """Returns what the figure shows, for those who do not see it."""
    return f"{found.measure.label} by arm: " + ", ".join(
        f"{arm.name} {arm.mean:.3g}" for arm in found.arms if math.isfinite(arm.mean)
    )
