"""A search that trains while somebody waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from trainer.foreground.comparing import POLL
from trainer.lifecycle.states import RunState, SearchState
from trainer.store import Run, Store


def follow_search(store: Store, search_id: int, show: Callable[[Sequence[Run]], None]) -> None:
    """Calls `show` with the runs so far a few times a second, until the search is over or stopped and none of them trains."""
    while True:
        runs = [one.run for one in store.members(search_id)]
        show(runs)
        trains = any(run.status is RunState.RUNNING for run in runs)
        if store.comparison(search_id).search is not SearchState.RUNNING and not trains:
            return
        time.sleep(POLL)
