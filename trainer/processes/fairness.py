"""Whose turn it is when more runs wait than may train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar


class Waits(Protocol):
    """What waits for a worker: the smaller its place, the longer it has been queued."""

    @property
    def owner(self) -> str: ...
    @property
    def place(self) -> int: ...


W = TypeVar("W", bound=Waits)


def next_run(queued: Iterable[W], training: Sequence[str], served: Mapping[str, int]) -> W | None:
    """Returns the run to start next. Owners take turns: first whoever has the fewest runs in training, then whoever was
    served longest ago (`served`: owner → number of the turn); within an owner first come, first served. The first of each
    owner is therefore enough of a queue."""

    def turn(run: W) -> tuple[int, int, int]:
        return training.count(run.owner), served.get(run.owner, -1), run.place

    return min(queued, key=turn, default=None)
