"""The tables, written once for SQLite and PostgreSQL. Every change here needs a migration beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from trainer.lifecycle.requests import RequestKind
from trainer.lifecycle.states import JobState, RunState, SearchState
from trainer.spaces.spaces import LinkKind, Role, SpaceKind

HEAD = "0016"
"""Newest migration. Known here so that opening a current database does not import Alembic."""


class Json(sa.types.TypeDecorator[Any]):
    """JSON kept as text: PostgreSQL's own JSON types refuse the NaN and infinity that training produces."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Returns the value as text; non-ASCII and NUL are escaped, so any string is safe in any database."""
        return None if value is None else json.dumps(value, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Returns the same Python value again, NaN and infinity included."""
        return None if value is None else json.loads(value)


class Utc(sa.types.TypeDecorator[datetime]):
    """A time in UTC. SQLite has no time zones, so they are removed on the way in and restored on the way out."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Converts to UTC. Raises ValueError for a naive datetime, which may mean any time zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"The datetime {value} has no time zone; use datetime.now(UTC).")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns an aware datetime in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _member_of(kind: type[StrEnum]) -> sa.Enum:
    """A column of a StrEnum's members, kept as their values."""
    return sa.Enum(
        kind, native_enum=False, length=20, values_callable=lambda members: [one.value for one in members]
    )


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

clock = sa.Table(
    "clock",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("value", sa.BigInteger, nullable=False),
)
"""One row: a counter that every write increments. Updating it first also puts writers in one order on PostgreSQL,
so a reader that has seen version n cannot miss a change that became visible later with a smaller version."""

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, server_default="0"),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("space", sa.String(200), nullable=False, server_default=""),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("status", _member_of(RunState), nullable=False),
    sa.Column("config", Json, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("started", Utc),
    sa.Column("ended", Utc),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("request", _member_of(RequestKind)),
    sa.Column("progress", Json, nullable=False),
    sa.Column("results", Json),
    sa.Column("error", sa.Text),
    sa.Column("traceback", sa.Text),
    sa.Column("notices", Json, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("place", sa.BigInteger, nullable=False),
    sa.Column("losses", sa.Integer, nullable=False),
    sa.Column("lost_step", sa.BigInteger, nullable=False),
    sa.Column("imported_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("changes", sa.Integer, nullable=False, server_default="0"),
    sa.Column("parent_id", sa.Integer),
    sa.Column("parent_step", sa.BigInteger),
    sa.Column("forks", Json),
    sa.Column("tags", Json, nullable=False, server_default="[]"),
    sa.Column("limits", Json),
    sa.Column("kept_bytes", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("address", sa.String(32), nullable=False, server_default=""),
    sa.Index(None, "version"),
    sa.Index(None, "status", "place"),
    sa.Index(None, "status", "owner", "place"),
    sa.Index(None, "owner", "id"),
    sa.Index(None, "space", "id"),
    sa.Index(None, "parent_id"),
    sa.Index(None, "space", "owner", "kept_bytes"),
    sa.Index(None, "address"),
    sqlite_autoincrement=True,  # an id is never reused: folders and cursors are named by it
)

"""`limits` are those of its space when it was created or resumed, `kept_bytes` what its curves and checkpoints take.
`address` stands for the network address that it was started from, a digest under the server's key: while the run is live, and
of an imported one for as long as it is there."""

numbers = sa.Table(
    "numbers",
    metadata,
    sa.Column("space", sa.String(200), primary_key=True),
    sa.Column("last", sa.Integer, nullable=False),
)
"""The number of each space's newest run. It is kept when that run is deleted: links and reports name runs by it."""

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("serial", sa.BigInteger, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("columns", Json, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("run_id", "kind", "last_step"),
)

views = sa.Table(
    "views",
    metadata,
    sa.Column("run_id", sa.Integer, sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("step", sa.BigInteger, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)
"""What a run shows besides its curves, such as a confusion matrix; only the newest of each name."""

inspections = sa.Table(
    "inspections",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String(40), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("question", Json, nullable=False),
    sa.Column("status", _member_of(JobState), nullable=False),
    sa.Column("answer", Json),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("ended", Utc),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "status"),
    sqlite_autoincrement=True,
)
"""Questions that only a process with torch can answer, such as how activations spread before the first step."""

comparisons = sa.Table(
    "comparisons",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("notes", sa.Text, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("design", Json, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("search", _member_of(SearchState)),
    sa.Column("error", sa.Text),
    sa.Column("tags", Json, nullable=False, server_default="[]"),
    sa.Column("space", sa.String(200), nullable=False, server_default=""),
    sa.Column("address", sa.String(32), nullable=False, server_default=""),
    sa.Index(None, "owner", "id"),
    sa.Index(None, "space", "id"),
    sqlite_autoincrement=True,
)
"""A search has a state of its own and, where it failed, the reason; its trials are kept in Optuna's tables (studies.py)."""

members = sa.Table(
    "members",
    metadata,
    sa.Column(
        "run_id",
        sa.Integer,
        sa.ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column(
        "comparison_id", sa.Integer, sa.ForeignKey("comparisons.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("arm", sa.Integer, nullable=False),
    sa.Column("replicate", sa.Integer, nullable=False),
    sa.UniqueConstraint("comparison_id", "arm", "replicate"),
)
"""Which runs belong to a comparison, and as what: the arm of a search is its trial's number. A run belongs to at most one."""

knob_changes = sa.Table(
    "knob_changes",
    metadata,
    sa.Column(
        "run_id",
        sa.Integer,
        sa.ForeignKey("runs.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("requested_by", sa.String(200), nullable=False),
    sa.Column("requested", Utc, nullable=False),
    sa.Column("knobs", Json, nullable=False),
    sa.Column("step", sa.BigInteger),
)
"""What people changed of runs under way. The step is that after which a change holds; without one, it waits."""

bookmarks = sa.Table(
    "bookmarks",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("shows", Json, nullable=False),
    sa.Column("space", sa.String(200), nullable=False, server_default=""),
    sa.UniqueConstraint("space", "name"),
    sqlite_autoincrement=True,
)
"""What a space's list of runs shows, under a name: filter, selection and grouping."""

lesson_progress = sa.Table(
    "lesson_progress",
    metadata,
    sa.Column("space", sa.String(200), primary_key=True),
    sa.Column("person", sa.String(200), primary_key=True),
    sa.Column("lesson", sa.String(100), primary_key=True),
    sa.Column("item", sa.String(100), primary_key=True),
    sa.Column("value", Json, nullable=False),
)
"""What a person answered in a lesson, and which runs they trained for it, in a space. A row an item, so that two tabs do not
overwrite each other's."""

deletions = sa.Table(
    "deletions",
    metadata,
    sa.Column("run_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Index(None, "version"),
)
"""Runs that were deleted, for readers by version."""

downloads = sa.Table(
    "downloads",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("dataset", sa.String(200), nullable=False),
    sa.Column("status", _member_of(JobState), nullable=False),
    sa.Column("done_bytes", sa.BigInteger, nullable=False),
    sa.Column("total_bytes", sa.BigInteger),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("ended", Utc),
    sa.Index(None, "status"),
    sqlite_autoincrement=True,
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("owner", sa.String(200), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.String(20), nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("space", sa.String(200), nullable=False, server_default=""),
    sa.Column("address", sa.String(32), nullable=False, server_default=""),
    sa.UniqueConstraint("space", "digest"),
    sa.Index(None, "digest"),
    sqlite_autoincrement=True,
)
"""Which files each space has, and who added them; their contents lie on disk, named by digest."""

spaces = sa.Table(
    "spaces",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", _member_of(SpaceKind), nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
    sa.Column("limits", Json, nullable=False, server_default="{}"),
    sa.Column("code", sa.String(6)),
    sa.Column("locked", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("ends", Utc),
    sa.Index(None, "code", unique=True),
)
"""Shared spaces. A private space, and the installation's, have no row: their ids say whose they are (trainer/spaces). Only a
room has a code and an end."""

memberships = sa.Table(
    "memberships",
    metadata,
    sa.Column("space", sa.String(40), sa.ForeignKey("spaces.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("person", sa.String(200), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", _member_of(Role), nullable=False),
    sa.Column("joined", Utc, nullable=False),
    sa.Index(None, "person"),
)

links = sa.Table(
    "links",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("kind", _member_of(LinkKind), nullable=False),
    sa.Column("space", sa.String(200), nullable=False),
    sa.Column("opens", sa.Integer),
    sa.Column("role", _member_of(Role)),
    sa.Column("created_by", sa.String(200), nullable=False),
    sa.Column("created", Utc, nullable=False),
    sa.Column("expires", Utc, nullable=False),
    sa.UniqueConstraint("digest"),
    sa.Index(None, "space"),
    sqlite_autoincrement=True,
)
"""Links that let others in, by the digest of the key that each carries."""

supervisor = sa.Table(
    "supervisor",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("pid", sa.Integer),
    sa.Column("host", sa.String(255), nullable=False),
)
"""One row: the state that the supervisor last wrote. Its lock tells whether it is alive (supervisor_lock.py)."""
