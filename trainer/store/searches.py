"""Searches as people and the process that drives them see them: comparisons whose arms are trials, added one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import RunState, SearchState
from trainer.spaces import COMMAND_LINE
from trainer.store.attempts import add_notices
from trainer.store.comparisons import (
    COMPARISON_COLUMNS,
    Comparison,
    ComparisonStore,
    Planned,
    get_comparison,
    members_of,
    own_comparison,
    update_comparison,
)
from trainer.store.database import StoreError, tick
from trainer.store.runs import clean, find_run, request_run
from trainer.store.schema import comparisons

MAX_LIVE_SEARCHES = 5
"""Searches of one visitor that may be under way: each keeps some runs queued."""


class SearchStore(ComparisonStore):
    """What is done with searches. Each method that changes one is one transaction."""

    def create_search(self, design: Mapping[str, Any], owner: str, title: str = "") -> int:
        """Adds a search, which begins by itself, and returns its id. Raises StoreError where the owner has too many under way."""
        with self.writing() as connection:
            tick(connection)
            _require_fewer(connection, owner)
            search_id = self.add_comparison(connection, design, [], owner, title, search=SearchState.RUNNING)
            # Its trials begin later, and by no browser.
            update_comparison(connection, search_id, tick(connection), address=self.address)
            return search_id

    def live_searches(self) -> list[Comparison]:
        """Returns the searches that are under way, oldest first."""
        running = comparisons.c.search == SearchState.RUNNING
        statement = sa.select(*COMPARISON_COLUMNS).where(running, self.visible(comparisons))
        with self.reading() as connection:
            return [
                Comparison(**row._mapping) for row in connection.execute(statement.order_by(comparisons.c.id))
            ]

    def add_trial(self, search_id: int, number: int, name: str, config: Mapping[str, Any]) -> None:
        """Queues the run of a trial. Does nothing where it has one, or the search was stopped meanwhile. Raises StoreError where
        the owner has too many runs under way."""
        with self.writing() as connection:
            tick(connection)
            search = get_comparison(connection, search_id)
            known = {one.arm for one in members_of(connection, search_id)}
            if search.search is SearchState.RUNNING and number not in known:
                trial = Planned(number, 0, name, config)
                begun_from = sa.select(comparisons.c.address).where(comparisons.c.id == search_id)
                address = connection.execute(begun_from).scalar_one()
                self.add_members(connection, search_id, [trial], search.owner, search.space, address=address)

    def prune_trial(self, run_id: int, sentence: str) -> None:
        """Requests a stop of a trial's run, with a notice that says why. Does nothing to a run that is over."""
        with self.writing() as connection:
            version = tick(connection)
            run = find_run(connection, run_id)
            if run is not None and not run.is_over:
                add_notices(connection, run_id, [sentence])
                request_run(connection, run, RequestKind.STOP, version)

    def stop_search(self, search_id: int, *, by: str) -> None:
        """Stops a search that is under way: no trial begins any more, and those that train pause. Unlike a stop of theirs, this
        tells them from the trials that the search itself has ended."""
        with self.writing() as connection:
            version = tick(connection)
            if own_comparison(connection, search_id, by).search is not SearchState.RUNNING:
                return
            update_comparison(connection, search_id, version, search=SearchState.STOPPED, address="")
            for one in members_of(connection, search_id):
                if not one.run.is_over:
                    request_run(connection, one.run, RequestKind.PAUSE, version)

    def comparisons_under_way(self) -> set[int]:
        """Returns the ids of all comparisons that are not over; a search may be between two trials."""
        return super().comparisons_under_way() | {one.id for one in self.live_searches()}

    def archive_comparison(self, comparison_id: int, archived: bool = True, *, by: str) -> None:
        """Hides the comparison and its runs from the usual lists, or (False) shows them again. A search that is under way stops
        first: it would go on unseen."""
        if archived:
            self.stop_search(comparison_id, by=by)
        super().archive_comparison(comparison_id, archived, by=by)

    def continue_search(self, search_id: int, design: Mapping[str, Any] | None = None, *, by: str) -> None:
        """Goes on with a search that was stopped or has failed, or with a new `design` that has more trials also with one that is
        finished. Raises StoreError where `by` has too many searches or runs under way."""
        with self.writing() as connection:
            version = tick(connection)
            search = own_comparison(connection, search_id, by)
            if search.search is SearchState.RUNNING or (
                search.search is SearchState.FINISHED and design is None
            ):
                return
            _require_fewer(connection, by)
            runs = [one.run for one in members_of(connection, search_id)]
            held = [run for run in runs if run.status is RunState.PAUSED or run.request is RequestKind.PAUSE]
            more = {"address": self.address} | ({} if design is None else {"design": dict(design)})
            update_comparison(connection, search_id, version, search=SearchState.RUNNING, error=None, **more)
            self.resume_all_of(connection, held, version, by)

    def end_search(self, search_id: int, error: str | None = None) -> None:
        """Ends a search that is under way: finished, or with an `error` failed."""
        state = SearchState.FINISHED if error is None else SearchState.FAILED
        with self.writing() as connection:
            version = tick(connection)
            if get_comparison(connection, search_id).search is SearchState.RUNNING:
                said = None if error is None else clean(error)
                update_comparison(connection, search_id, version, search=state, error=said, address="")


def _require_fewer(connection: Connection, owner: str) -> None:
    own = connection.execute(_LIVE_SEARCHES, {"owner": owner}).scalar_one()
    if owner != COMMAND_LINE and own >= MAX_LIVE_SEARCHES:
        raise StoreError(
            f"{own} searches of yours are under way, the most at a time. Wait until one has ended, or stop one."
        )


_LIVE_SEARCHES = sa.select(sa.func.count()).where(
    comparisons.c.search == SearchState.RUNNING, comparisons.c.owner == sa.bindparam("owner")
)
