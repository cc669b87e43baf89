"""The live charts, drawn in the order in which they are declared; a metric may also bring one of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

_places = count()


@dataclass(frozen=True)
class Chart:
    """One chart of the live panel. Its name, title and hint are its first metric's where they are empty.

    `hint` is shown before there is any run. `percent` writes shares as percent, `planned` draws the schedule before the
    run, `clip` draws the norm at which the gradient is clipped. `ticks` is a d3 format for the y axis.
    """

    name: str = ""
    title: str = ""
    hint: str = ""
    log: bool = False
    percent: bool = False
    planned: bool = False
    clip: bool = False
    ticks: str = ""
    place: int = field(default_factory=lambda: next(_places), init=False)


LOSS = Chart("loss", "Loss", log=True)
LEARNING_RATE = Chart(log=True, planned=True)
GRADIENT_NORM = Chart(log=True, clip=True)
SCORE = Chart("metric", "Accuracy", "Training and validation after each epoch", percent=True)
