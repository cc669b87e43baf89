"""What is used of limits: counted in the transaction that adds runs, files or bytes, so that two at once cannot both slip in."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.lifecycle.states import RunState
from trainer.spaces import COMMAND_LINE, SpaceKind
from trainer.spaces.limits import Limits, SpaceLimits, Used, Wanted, limits_of
from trainer.spaces.usage import usage_refusal
from trainer.store.access import Access
from trainer.store.database import StoreError
from trainer.store.schema import runs, spaces, uploads

UNDER_WAY = (RunState.QUEUED, RunState.RUNNING, RunState.INTERRUPTED)
"""The states of a live run, that is one which is queued or in training."""


@dataclass(frozen=True)
class Usage:
    """What a space allows, and what is used of it: by somebody and, where it is `shared`, by all. Without limits of the
    installation those of the space do not hold either."""

    limits: SpaceLimits
    used: Used
    shared: bool
    installation: Limits | None

    def problem(self, wanted: Wanted) -> str:
        """Returns why there is no room for what is about to be added, as a sentence; empty where there is."""
        if self.installation is None:
            return ""
        return usage_refusal(self.installation, self.limits, self.used, wanted, shared=self.shared) or ""


class LimitStore(Access):
    """What the parts of the store ask before they add something. Without limits, as workers and the command line use it, a store
    has room for all."""

    limits: Limits | None = None

    def limited(self, limits: Limits) -> Self:
        """Returns this store, with limits."""
        held = copy(self)
        held.limits = limits
        return held

    def admit(
        self,
        connection: Connection,
        owner: str,
        space: str,
        wanted: Wanted,
        *,
        by: str | None = None,
        address: str | None = None,
        besides: str = "",
    ) -> dict[str, Any]:
        """Returns what is written into each run that is added for an owner, or resumed: its limits, and the address that it
        counts for. Raises StoreError where there is no room for what is `wanted`. `by` is who asks, by default the owner; the
        upload with the digest `besides` is about to be replaced."""
        by, address = owner if by is None else by, self.address if address is None else address
        if self.limits is None or by == COMMAND_LINE:
            return {"limits": None, "address": ""}
        usage = self._usage(connection, owner, space, address, besides)
        if problem := usage.problem(replace(wanted, by_owner=by == owner)):
            raise StoreError(problem)
        return {"limits": usage.limits.of_run, "address": address}

    def run_limits(self, connection: Connection, space: str, by: str) -> dict[str, int] | None:
        """Returns what a run that `by` starts in a space may take; None for the command line, which has no limit."""
        if self.limits is None or by == COMMAND_LINE:
            return None
        return self._held(connection, space)[1].of_run

    def limits_of_run(self, by: str) -> dict[str, int] | None:
        """Returns what a run may take that `by` starts in the store's space; None without limits."""
        with self.reading() as connection:
            return self.run_limits(connection, self.space or by, by)

    def usage(self, owner: str, *, space: str | None = None, besides: str = "") -> Usage:
        """Returns what room there is in a space, by default the store's, for what an owner adds; without the upload that has the
        digest `besides`."""
        with self.reading() as connection:
            return self._usage(connection, owner, space or self.space or owner, self.address, besides)

    def _usage(self, connection: Connection, owner: str, space: str, address: str, besides: str) -> Usage:
        kind, limits = self._held(connection, space)
        used = _used(connection, owner, space, address, besides)
        free = self.limits is None or owner == COMMAND_LINE
        return Usage(limits, used, kind is not SpaceKind.PRIVATE, None if free else self.limits)

    def _held(self, connection: Connection, space: str) -> tuple[SpaceKind, SpaceLimits]:
        row = connection.execute(_SPACE, {"space": space}).first()
        kind: SpaceKind = SpaceKind.PRIVATE if row is None else row.kind
        overrides: Mapping[str, Any] = {} if row is None else row.limits
        return kind, limits_of(kind, overrides, self.limits or Limits())


def _used(connection: Connection, owner: str, space: str, address: str, besides: str) -> Used:
    values = {"owner": owner, "where": space, "address": address, "besides": besides}
    counts = connection.execute(_LIVE, values).one()._mapping
    kept, files = (connection.execute(one, values).one() for one in (_KEPT, _FILES))
    imported = connection.execute(_IMPORTED, values).scalar_one()
    from_address = connection.execute(_FROM_ADDRESS, values).scalar_one() if address else 0
    return Used(
        **{name: int(count) for name, count in counts.items()},
        bytes_each=int(kept.each + files.each),
        bytes=int(kept.all + files.all),
        visitor_bytes=int(files.visitor + imported),
        address_bytes=int(from_address + files.address),
    )


def _sum(column: sa.Column[Any] | int, *conditions: sa.ColumnElement[bool]) -> sa.Function[Any]:
    return sa.func.coalesce(sa.func.sum(sa.case((sa.and_(*conditions), column), else_=0)), 0)


def _parameter(name: str) -> sa.BindParameter[str]:
    return sa.bindparam(name, type_=sa.String)


_OWN, _HERE = runs.c.owner == _parameter("owner"), runs.c.space == _parameter("where")
_WAITS = runs.c.status == RunState.QUEUED
_SAME_ADDRESS = (runs.c.address == _parameter("address")) & (runs.c.address != "")
_LIVE = sa.select(
    _sum(1, _OWN, _HERE).label("live_each"),
    _sum(1, _HERE).label("live"),
    _sum(1, _OWN, _HERE, _WAITS).label("queued_each"),
    _sum(1, _HERE, _WAITS).label("queued"),
    _sum(1, _OWN).label("visitor"),
    _sum(1, _SAME_ADDRESS).label("address"),
    _sum(1, runs.c.owner != COMMAND_LINE).label("everybody"),
).where(runs.c.status.in_(UNDER_WAY))
_KEPT = sa.select(
    _sum(runs.c.kept_bytes, _OWN).label("each"),
    sa.func.coalesce(sa.func.sum(runs.c.kept_bytes), 0).label("all"),
).where(_HERE)
_IMPORTED = sa.select(sa.func.coalesce(sa.func.sum(runs.c.imported_bytes), 0)).where(_OWN)
_FROM_ADDRESS = sa.select(sa.func.coalesce(sa.func.sum(runs.c.imported_bytes), 0)).where(_SAME_ADDRESS)

_MINE, _IN_SPACE = uploads.c.owner == _parameter("owner"), uploads.c.space == _parameter("where")
_FILES = sa.select(
    _sum(uploads.c.bytes, _MINE, _IN_SPACE).label("each"),
    _sum(uploads.c.bytes, _IN_SPACE).label("all"),
    _sum(uploads.c.bytes, _MINE).label("visitor"),
    _sum(uploads.c.bytes, uploads.c.address == _parameter("address"), uploads.c.address != "").label(
        "address"
    ),
).where(uploads.c.digest != _parameter("besides"))
_SPACE = sa.select(spaces.c.kind, spaces.c.limits).where(spaces.c.id == sa.bindparam("space"))
