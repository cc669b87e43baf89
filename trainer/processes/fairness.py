"""Whose turn it is when more runs wait than may train."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.store import Run


def next_run(queued: Sequence[Run], training: Sequence[str], served: dict[str, int]) -> Run | None:
    """Returns the run to start next. Owners take turns: first whoever has the fewest runs in training, then whoever was
    served longest ago (`served`: owner → number of the turn); within an owner first come, first served."""

    def turn(run: Run) -> tuple[int, int, int]:
        return training.count(run.owner), served.get(run.owner, -1), run.place

    return min(queued, key=turn, default=None)
