"""Runs as people see them: create, list, request a stop or a pause, resume, rename, delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.config import RunConfig
from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import TRANSITIONS, Event, RunState
from trainer.spaces import COMMAND_LINE, refusal
from trainer.spaces.limits import Wanted, new_runs
from trainer.spaces.usage import time_refusal
from trainer.store.access import MAX_ID, roles_of
from trainer.store.data_rights import data_refusal
from trainer.store.database import StoreError, tick
from trainer.store.limits import UNDER_WAY, LimitStore
from trainer.store.schema import clock, comparisons, deletions, numbers, runs

LIVE = tuple(state for state in RunState if not state.is_over)
ENDED = tuple(state for state in RunState if state.is_over)

MAX_LENGTHS = {"name": 120, "notes": 5_000}
"""Characters of what people write about a run."""

MAX_TAG, MAX_TAGS = 40, 20
"""Characters of a tag, and tags of one run or comparison."""


@dataclass(frozen=True)
class Run:
    """One run as the store knows it. Times are aware datetimes in UTC. `owner` started it in `space`, whose runs `number`
    counts from 1; `request` is what its worker has still to answer, and `changes` how often its hot knobs have changed. A
    branch begins at `parent_step` of the run `parent_id`, which may have been deleted; `forks` says the same of all runs before
    it, oldest first, and is None where an earlier version did not record it. `limits` are what its space allows a run, by the
    names in trainer/spaces/limits.py; `kept_bytes` is what its curves and checkpoints take."""

    id: int
    number: int
    owner: str
    space: str
    name: str
    notes: str
    archived: bool
    status: RunState
    config: dict[str, Any]
    created: datetime
    started: datetime | None
    ended: datetime | None
    attempt: int
    beat: int
    request: RequestKind | None
    progress: dict[str, Any]
    results: dict[str, Any] | None
    error: str | None
    traceback: str | None
    notices: list[str]
    version: int
    place: int
    changes: int = 0
    parent_id: int | None = None
    parent_step: int | None = None
    forks: Sequence[Sequence[int]] | None = None
    tags: Sequence[str] = ()
    limits: Mapping[str, int] | None = None
    kept_bytes: int = 0

    @property
    def follows_its_config(self) -> bool:
        """Whether its configuration alone explains its curves: it is no branch, and its knobs did not change in training."""
        return self.parent_step is None and not self.changes

    @property
    def is_over(self) -> bool:
        """Whether the run is finished, stopped or failed."""
        return self.status.is_over


@dataclass(frozen=True)
class Changes:
    """What happened after a version: the runs as they are now, and the ids of those that were deleted."""

    version: int
    runs: list[Run]
    deleted: list[int]


class RunStore(LimitStore):
    """What people do with runs. Each method is one transaction. A change names who asks for it, `by`, and raises StoreError
    where they may not change the run (trainer/spaces/rights.py)."""

    def create_run(
        self,
        config: RunConfig | Mapping[str, Any],
        owner: str,
        name: str = "",
        status: RunState | str = RunState.QUEUED,
        notes: str = "",
    ) -> int:
        """Adds a run and returns its id. `config` may also be the nested form of one. With status "running" the run is
        created claimed, as attempt 1: for a caller that trains it itself and holds its lock. Raises StoreError where there is
        no room for it, and for data that belongs to someone else."""
        status = RunState(status)
        if status not in (RunState.QUEUED, RunState.RUNNING):
            raise ValueError(f"A run is created queued or running, not {status}.")
        with self.writing() as connection:
            version = tick(connection)
            space = self.target(connection, owner)
            admitted = self.admit(connection, owner, space, new_runs(waits=status is RunState.QUEUED))
            return insert_run(
                connection, new_run(config, owner, space, name, notes, status) | admitted, version
            )

    def run(self, run_id: int) -> Run:
        """Returns one run. Raises StoreError when there is none with this id."""
        with self.reading() as connection:
            self.require_visible(connection, runs, run_id)
            return get_run(connection, run_id)

    def runs(self, space: str | Collection[str] | None = None, archived: bool | None = False) -> list[Run]:
        """Returns runs, newest first: of one space, of some or of all; not archived, archived (True), or both (None)."""
        statement = sa.select(*RUN_COLUMNS).where(self.visible(runs)).order_by(runs.c.id.desc())
        if space is not None:
            statement = statement.where(runs.c.space.in_([space] if isinstance(space, str) else space))
        if archived is not None:
            statement = statement.where(runs.c.archived == archived)
        return self._select(statement)

    def run_ids(self, owner: str) -> list[int]:
        """Returns the ids of an owner's runs, oldest first."""
        with self.reading() as connection:
            own = sa.select(runs.c.id).where(runs.c.owner == owner, self.visible(runs))
            found = connection.execute(own.order_by(runs.c.id))
            return [int(one) for one in found.scalars()]

    def hidden(self, run_ids: Collection[int]) -> set[int]:
        """Returns those of these runs that are there, and not the person's to see."""
        there = sa.select(runs.c.id).where(runs.c.id.in_(run_ids))
        with self.reading() as connection:
            found, seen = (
                set(connection.execute(statement).scalars())
                for statement in (there, there.where(self.visible(runs)))
            )
        return found - seen

    def with_status(self, *states: RunState) -> list[Run]:
        """Returns the runs in any of these states, in the order in which they were queued."""
        statement = sa.select(*RUN_COLUMNS).where(runs.c.status.in_(states), self.visible(runs))
        return self._select(statement.order_by(runs.c.place))

    def queued(self) -> list[Run]:
        """Returns the runs that wait for a worker, first come first."""
        return self.with_status(RunState.QUEUED)

    def live(self, owner: str | None = None) -> list[Run]:
        """Returns the runs that are not over: queued, running, paused or interrupted; of one owner or of all."""
        statement = sa.select(*RUN_COLUMNS).where(runs.c.status.in_(LIVE), self.visible(runs))
        statement = statement if owner is None else statement.where(runs.c.owner == owner)
        return self._select(statement.order_by(runs.c.place))

    def changed_since(self, version: int) -> Changes:
        """Returns the runs changed or deleted after `version` (0: all). Pass the answer's `version` next time."""
        with self.reading() as connection:
            now = int(connection.execute(_CLOCK).scalar_one())
            seen = _CHANGED if self.sees_all else _CHANGED.where(self.visible(runs))
            changed = connection.execute(seen, {"after": version}).all()
            deleted = connection.execute(_DELETED, {"after": version}).scalars().all()
        return Changes(now, [as_run(row) for row in changed], list(deleted))

    def request(self, run_id: int, kind: RequestKind | str, *, by: str) -> RunState:
        """Requests a stop or a pause, and returns the state that the run is in then. The worker of a running run obeys
        between two steps; any other run changes at once. Raises StoreError for a run that is over."""
        kind = RequestKind(kind)
        if kind not in (RequestKind.STOP, RequestKind.PAUSE):
            raise ValueError(f"Request a stop or a pause, not {kind!r}.")
        with self.writing() as connection:
            version = tick(connection)
            return request_run(connection, own_run(connection, run_id, by), kind, version)

    def mark(self, run_id: int, *, by: str) -> None:
        """Requests that the run keeps a checkpoint of its next step. Raises StoreError for one that is not training, or about
        to leave."""
        with self.writing() as connection:
            version = tick(connection)
            run = own_run(connection, run_id, by)
            if run.status is not RunState.RUNNING or run.request not in (None, RequestKind.MARK):
                raise StoreError("Only a run that is training can mark a step. Resume it first.")
            update_run(connection, run_id, version, request=RequestKind.MARK)

    def resume(self, run_id: int, *, by: str) -> RunState:
        """Queues a paused, interrupted, stopped or failed run, which continues from its checkpoint, and returns the state
        that it is in then. A request that its worker has not obeyed yet is taken back. Raises StoreError for a finished
        run, for one that has trained for as long as it may, and where there is no room for it."""
        with self.writing() as connection:
            version = tick(connection)
            return self.resume_all_of(connection, [own_run(connection, run_id, by)], version, by)[0]

    def rename(self, run_id: int, name: str, *, by: str) -> None:
        """Sets the name."""
        self._set(run_id, by, name=bounded("name", name))

    def set_notes(self, run_id: int, notes: str, *, by: str) -> None:
        """Sets the notes."""
        self._set(run_id, by, notes=bounded("notes", notes))

    def set_tags(self, run_id: int, tags: Sequence[str], *, by: str) -> None:
        """Sets the tags."""
        self._set(run_id, by, tags=bounded_tags(tags))

    def tags(self, among: Collection[str]) -> list[str]:
        """Returns the tags of the runs and comparisons in these spaces, each once."""
        with self.reading() as connection:
            found = [
                connection.execute(
                    sa.select(table.c.tags).where(
                        table.c.space.in_(among), table.c.tags != [], self.visible(table)
                    )
                )
                for table in (runs, comparisons)
            ]
            return sorted({tag for rows in found for tags in rows.scalars() for tag in tags})

    def archive(self, run_id: int, archived: bool = True, *, by: str) -> None:
        """Hides the run from the usual list, or (False) shows it again."""
        self._set(run_id, by, archived=archived)

    def delete(self, run_id: int, *, by: str) -> None:
        """Deletes the run and its points for good; `Settings.remove_run_folder` deletes its folder. Raises StoreError while
        it trains."""
        with self.writing() as connection:
            version = tick(connection)
            delete_run(connection, own_run(connection, run_id, by), version)

    def resume_all_of(
        self, connection: Connection, found: Sequence[Run], version: int, by: str
    ) -> list[RunState]:
        """Resumes runs of one owner and space inside a transaction; see `resume`. Each is held to the limits that its space has
        now; those that have trained for as long as they may are left out, unless all have: then StoreError is raised."""
        if not found:
            return []
        limits = self.run_limits(connection, found[0].space, by)
        refused = {run.id: time_refusal(float(run.progress.get("seconds") or 0), limits) for run in found}
        ready = [run for run in found if not refused[run.id] or run.status is RunState.FINISHED]
        if not ready:
            raise StoreError(refused[found[0].id])
        begun = [run for run in ready if run.status not in (RunState.QUEUED, RunState.RUNNING)]
        wanted = Wanted(sum(run.status not in UNDER_WAY for run in begun), queued=len(begun))
        admitted = self.admit(connection, found[0].owner, found[0].space, wanted, by=by)
        return [resume_run(connection, run, version, admitted) for run in ready]

    def _select(self, statement: sa.Select[Any]) -> list[Run]:
        with self.reading() as connection:
            return [as_run(row) for row in connection.execute(statement)]

    def _set(self, run_id: int, by: str, **values: Any) -> None:
        with self.writing() as connection:
            version = tick(connection)
            own_run(connection, run_id, by)
            update_run(connection, run_id, version, **values)


def new_run(
    config: RunConfig | Mapping[str, Any],
    owner: str,
    space: str,
    name: str,
    notes: str = "",
    status: RunState = RunState.QUEUED,
) -> dict[str, Any]:
    claimed, now = status is RunState.RUNNING, datetime.now(UTC)
    return {
        "owner": clean(owner),
        "space": clean(space),
        "name": bounded("name", name),
        "notes": bounded("notes", notes),
        "archived": False,
        "status": status,
        "config": config.to_dict() if isinstance(config, RunConfig) else dict(config),
        "created": now,
        "started": now if claimed else None,
        "attempt": int(claimed),
        "beat": 0,
        "progress": {},
        "notices": [],
        "losses": 0,
        "lost_step": -1,
    }


def insert_run(connection: Connection, values: Mapping[str, Any], version: int) -> int:
    _require_data(connection, values["config"], values["owner"], values["space"])
    number = next_number(connection, values["space"])
    row = {**values, "number": number, "version": version, "place": version}
    return int(connection.execute(sa.insert(runs).returning(runs.c.id), row).scalar_one())


def next_number(connection: Connection, space: str) -> int:
    """Returns the number of a space's next run, which no other run there ever had."""
    number = connection.execute(_COUNT, {"where": space}).scalar()
    if number is None:
        connection.execute(sa.insert(numbers), {"space": space, "last": 1})
    return int(number or 1)


def find_run(connection: Connection, run_id: int) -> Run | None:
    """Returns the run inside a transaction, or None."""
    known = 0 < run_id <= MAX_ID  # a larger number is refused by the database's driver
    row = connection.execute(_GET, {"run": run_id}).first() if known else None
    return None if row is None else as_run(row)


def get_run(connection: Connection, run_id: int) -> Run:
    """Returns the run inside a transaction. Raises StoreError when there is none."""
    run = find_run(connection, run_id)
    if run is None:
        raise StoreError(f"There is no run {run_id}.")
    return run


def own_run(connection: Connection, run_id: int, by: str) -> Run:
    """Returns the run that `by` asks to change. Raises StoreError when there is none, or they may not."""
    run = get_run(connection, run_id)
    if reason := refusal(run, by, roles_of(connection, by)):
        raise StoreError(reason)
    return run


def _require_data(connection: Connection, config: Mapping[str, Any], owner: str, space: str) -> None:
    """Raises StoreError when the run would train on data that its space does not have. The command line may use all."""
    if owner != COMMAND_LINE and (reason := data_refusal(connection, config, (space, COMMAND_LINE))):
        raise StoreError(reason)


def request_run(connection: Connection, run: Run, kind: RequestKind, version: int) -> RunState:
    """Requests a stop or a pause inside a transaction; see `RunStore.request`."""
    if run.status is not RunState.RUNNING:
        return move(connection, run, Event(kind), version)
    if run.request is not RequestKind.STOP:  # a later pause does not soften a stop
        update_run(connection, run.id, version, request=kind)
    return run.status


def resume_run(
    connection: Connection, run: Run, version: int, admitted: Mapping[str, Any] | None = None
) -> RunState:
    """Queues a run again inside a transaction; see `RunStore.resume`."""
    if run.status is RunState.FINISHED:
        raise StoreError("This run is finished; start a new run with its knobs instead.")
    _require_data(connection, run.config, run.owner, run.space)
    if run.status is RunState.RUNNING and run.request is not None:
        update_run(connection, run.id, version, request=RequestKind.RESUME)
    if run.status in (RunState.QUEUED, RunState.RUNNING):
        return run.status
    fresh = {"place": version, "losses": 0, "lost_step": -1, "error": None, "traceback": None}
    return move(connection, run, Event.RESUME, version, **fresh, **(admitted or {}))


def delete_run(connection: Connection, run: Run, version: int) -> None:
    """Deletes a run inside a transaction; see `RunStore.delete`. Its points are deleted with it, by foreign key."""
    if run.status is RunState.RUNNING:
        raise StoreError("This run is training; stop it before you delete it.")
    connection.execute(sa.delete(runs).where(runs.c.id == run.id))
    connection.execute(sa.insert(deletions), {"run_id": run.id, "version": version})


def move(connection: Connection, run: Run, event: Event, version: int, **values: Any) -> RunState:
    """Moves a run to its next state, with changes to other columns, and returns the state. Raises StoreError where the
    table of transitions has none."""
    state = TRANSITIONS[run.status].get(event)
    if state is None:
        raise StoreError(f"This run is {run.status} already; there is nothing to {event}.")
    ended = datetime.now(UTC) if state.is_over else None
    update_run(connection, run.id, version, status=state, request=None, ended=ended, **values)
    if state not in UNDER_WAY:
        connection.execute(_FORGET_ADDRESS, {"run": run.id})
    return state


def update_run(connection: Connection, run_id: int, version: int, **values: Any) -> None:
    """Changes columns of a run and stamps it with this write's version."""
    connection.execute(sa.update(runs).where(runs.c.id == run_id), {"version": version, **values})


def as_run(row: sa.Row[Any]) -> Run:
    """Returns a row of `runs` as a `Run`."""
    return Run(**row._mapping)


def bounded(what: str, text: str) -> str:
    """Returns a name or notes as the store keeps them. Raises StoreError when they are too long."""
    if len(text) > (limit := MAX_LENGTHS[what]):
        raise StoreError(f"The {what} may have {limit:,} characters, not {len(text):,}. Shorten it.")
    return clean(text)


def bounded_tags(tags: Sequence[str]) -> list[str]:
    """Returns tags as the store keeps them, each once. Raises StoreError when one is too long, or they are too many."""
    found = list(dict.fromkeys(tag for one in tags if (tag := clean(one).strip())))
    if longest := next((tag for tag in found if len(tag) > MAX_TAG), None):
        raise StoreError(
            f"The tag {longest[:MAX_TAG]!r}… has {len(longest)} characters; use at most {MAX_TAG}."
        )
    if len(found) > MAX_TAGS:
        raise StoreError(f"{len(found)} tags are too many; use at most {MAX_TAGS}.")
    return found


def clean(text: str) -> str:
    """Returns text that every database accepts: PostgreSQL refuses NUL characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")


RUN_COLUMNS = [runs.c[field.name] for field in fields(Run)]
_GET = sa.select(*RUN_COLUMNS).where(runs.c.id == sa.bindparam("run"))
_COUNT = (
    sa.update(numbers)
    .where(numbers.c.space == sa.bindparam("where"))
    .values(last=numbers.c.last + 1)
    .returning(numbers.c.last)
)
_CLOCK = sa.select(clock.c.value)
_CHANGED = sa.select(*RUN_COLUMNS).where(runs.c.version > sa.bindparam("after")).order_by(runs.c.version)
_DELETED = sa.select(deletions.c.run_id).where(deletions.c.version > sa.bindparam("after"))
_FORGET_ADDRESS = (
    sa.update(runs)
    .where(runs.c.id == sa.bindparam("run"), runs.c.address != "", runs.c.imported_bytes == 0)
    .values(address="")
)
