"""Early stopping: when to end a run, judged by its validation losses alone.

Each function receives the validation loss of every epoch so far and returns how many more epochs without improvement it
tolerates; 0 or less means stop. As a function of the history it needs no state of its own to resume exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from trainer.registry import declare_family, knob, technique

declare_family(
    "early_stopping",
    label="Early stopping",
    help="Ends the run when the validation loss stops improving, and restores the best weights.",
    group="regularization",
    default="none",
)


@technique(
    "early_stopping",
    label="Off",
    formula=r"\text{stop after the last epoch}",
    when="The baseline, and when you want to see the complete curves.",
)
def none(validation_losses: Sequence[float]) -> float:
    """Trains for all epochs and keeps the last weights."""
    return math.inf


@technique(
    "early_stopping",
    label="On",
    switch=True,
    source="Prechelt 1998, Early Stopping, but when?",
    link="https://doi.org/10.1007/3-540-49430-8_3",
    formula=r"\text{stop at the first } t \text{ with } t - \arg\min_{s \le t} L^{\mathrm{val}}_s \ge \text{patience}",
    when="Whenever the validation loss starts to rise before the run is over.",
    misconception=(
        "“It may watch the test loss.” That leaks the test part into the choice of the epoch, so the reported test score is "
        "too good. Here only validation decides."
    ),
)
def patience(
    validation_losses: Sequence[float],
    *,
    patience: Annotated[
        int, knob("Patience", "Epochs without improvement before the run ends.", ge=1, le=1000, unit="epochs")
    ] = 10,
    min_delta: Annotated[
        float, knob("Minimum improvement", "A smaller improvement does not count.", ge=0, le=10, step=0.001)
    ] = 0.001,
) -> float:
    """Stops after some epochs without improvement in validation loss, and restores the weights of the best epoch."""
    best, waited = math.inf, 0
    for loss in validation_losses:
        if loss < best - min_delta:
            best, waited = loss, 0
        else:
            waited += 1
    return patience - waited
