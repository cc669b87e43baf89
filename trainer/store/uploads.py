"""Which uploads belong to whom. Their content lies on disk, named by its digest, once for all (trainer/data/uploads.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from trainer.store.data_rights import data_refusal
from trainer.store.database import Database, StoreError, tick
from trainer.store.rights import COMMAND_LINE
from trainer.store.runs import clean
from trainer.store.schema import runs, uploads


@dataclass(frozen=True)
class Upload:
    """One file in an owner's list: `kind` is "table" or "images", `bytes` the space that it takes on disk."""

    id: int
    owner: str
    digest: str
    name: str
    kind: str
    bytes: int
    created: datetime


class UploadStore(Database):
    """Methods on owners' lists of files. Each is one transaction."""

    def add_upload(self, owner: str, digest: str, name: str, kind: str, size: int) -> None:
        """Adds a file to an owner's list; one that is there already gets the new name and comes first."""
        values = {"name": clean(name), "kind": kind, "bytes": size, "created": datetime.now(UTC)}
        key = (uploads.c.owner == clean(owner)) & (uploads.c.digest == digest)
        with self.writing() as connection:
            tick(connection)
            connection.execute(sa.delete(uploads).where(key))
            connection.execute(sa.insert(uploads), {"owner": clean(owner), "digest": digest, **values})

    def uploads(self, owners: Collection[str]) -> list[Upload]:
        """Returns the files of these owners, newest first."""
        statement = sa.select(*_COLUMNS).where(uploads.c.owner.in_(owners)).order_by(uploads.c.id.desc())
        with self.reading() as connection:
            return [Upload(**row._mapping) for row in connection.execute(statement)]

    def kept_bytes(self, owner: str, besides: str = "") -> int:
        """Returns the bytes of an owner's files, without the one with the digest `besides`, and of the runs they imported."""
        files = sa.select(sa.func.sum(uploads.c.bytes)).where(
            uploads.c.owner == owner, uploads.c.digest != besides
        )
        imported = sa.select(sa.func.sum(runs.c.imported_bytes)).where(runs.c.owner == owner)
        with self.reading() as connection:
            return sum(int(connection.execute(one).scalar() or 0) for one in (files, imported))

    def data_refusal(self, config: Mapping[str, Any], owner: str) -> str:
        """Returns why the owner may not use the file that a configuration, in its nested form, names; empty where they may."""
        with self.reading() as connection:
            return "" if owner == COMMAND_LINE else data_refusal(connection, config, (owner, COMMAND_LINE))

    def runs_using(self, digest: str, owner: str | None = None) -> list[int]:
        """Returns the ids of the runs, of one owner or of all, whose configuration names the file."""
        statement = sa.select(runs.c.id).where(_names(digest)).order_by(runs.c.id)
        if owner is not None:
            statement = statement.where(runs.c.owner == owner)
        with self.reading() as connection:
            return [int(number) for number in connection.execute(statement).scalars()]

    def remove_upload(self, digest: str, *, by: str) -> bool:
        """Removes a file from the list of whoever asks, and returns whether its content is an orphan now.

        Raises StoreError while their runs use it: without it they could not be repeated.
        """
        with self.writing() as connection:
            tick(connection)
            own = sa.select(runs.c.number).where(_names(digest), runs.c.owner == by).order_by(runs.c.id)
            used = [int(number) for number in connection.execute(own).scalars()]
            if used:
                listed = ", ".join(map(str, used[:5])) + (" and more" if len(used) > 5 else "")
                raise StoreError(
                    f"Run{'s' * (len(used) > 1)} {listed} trained on this file and could not be repeated without it. "
                    "Delete them first on the Runs page."
                )
            key = (uploads.c.owner == by) & (uploads.c.digest == digest)
            connection.execute(sa.delete(uploads).where(key))
            return self._orphan(connection, digest)

    def is_orphan(self, digest: str) -> bool:
        """Whether no list and no run needs the file's content any more."""
        with self.reading() as connection:
            return self._orphan(connection, digest)

    @staticmethod
    def _orphan(connection: sa.Connection, digest: str) -> bool:
        listed = connection.execute(
            sa.select(uploads.c.id).where(uploads.c.digest == digest).limit(1)
        ).scalar()
        used = connection.execute(sa.select(runs.c.id).where(_names(digest)).limit(1)).scalar()
        return listed is None and used is None


def _names(digest: str) -> sa.ColumnElement[bool]:
    """The condition that a run's configuration names the digest: in its JSON nothing else is like one."""
    return sa.cast(runs.c.config, sa.Text).contains(f'"{digest}"')


_COLUMNS = [uploads.c[field.name] for field in fields(Upload)]
