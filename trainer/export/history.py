"""How a run of the store came about."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.export.script.changing import History
from trainer.lifecycle.branches import Fork
from trainer.lifecycle.hot_knobs import KnobChange
from trainer.store import Run


def history_of(run: Run, changes: Sequence[KnobChange]) -> History | None:
    """Returns the history of a run with these changes of knobs; None for a branch of which it is not known."""
    if run.parent_step is None:
        return History(changes)
    return None if run.forks is None else History(changes, [Fork(*one) for one in run.forks])
