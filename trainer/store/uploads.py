"""Which files each space has. Their content lies on disk, named by its digest, once for all (trainer/data/uploads.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from trainer.spaces import COMMAND_LINE, refusal
from trainer.spaces.limits import Wanted
from trainer.store.access import roles_of
from trainer.store.data_rights import data_refusal
from trainer.store.database import StoreError, tick
from trainer.store.limits import LimitStore
from trainer.store.runs import clean
from trainer.store.schema import runs, uploads


@dataclass(frozen=True)
class Upload:
    """One file in a space's list: `kind` is "table" or "images", `bytes` what it takes on disk."""

    id: int
    owner: str
    space: str
    digest: str
    name: str
    kind: str
    bytes: int
    created: datetime


class UploadStore(LimitStore):
    """Methods on spaces' lists of files. Each is one transaction."""

    def add_upload(self, owner: str, digest: str, name: str, kind: str, size: int) -> None:
        """Adds a file to the list of a space, by default the owner's private one; one that is there already gets the new name
        and comes first. Raises StoreError where there is no room for it."""
        values = {"name": clean(name), "kind": kind, "bytes": size, "created": datetime.now(UTC)}
        with self.writing() as connection:
            tick(connection)
            space = self.target(connection, owner)
            wanted = Wanted(bytes=size, kept=size)
            admitted = self.admit(connection, owner, space, wanted, besides=digest)
            connection.execute(sa.delete(uploads).where(_file(space, digest)))
            key = {"owner": clean(owner), "space": space, "digest": digest, "address": admitted["address"]}
            connection.execute(sa.insert(uploads), key | values)

    def uploads(self, among: Collection[str]) -> list[Upload]:
        """Returns the files of these spaces, newest first."""
        statement = sa.select(*_COLUMNS).where(uploads.c.space.in_(among), self.visible(uploads))
        statement = statement.order_by(uploads.c.id.desc())
        with self.reading() as connection:
            return [Upload(**row._mapping) for row in connection.execute(statement)]

    def data_refusal(self, config: Mapping[str, Any], space: str) -> str:
        """Returns why the file that a configuration, in its nested form, names may not be used in a space; empty where it may,
        and for the command line. Whoever looks at the space by a link alone may not use its files."""
        with self.reading() as connection:
            if space == COMMAND_LINE and self.sees_all:
                return ""
            known = self.sees_all or space in roles_of(connection, str(self.person))
            return data_refusal(connection, config, (space, COMMAND_LINE) if known else (COMMAND_LINE,))

    def runs_using(self, digest: str, space: str | None = None) -> list[int]:
        """Returns the ids of the runs, of one space or of all, whose configuration names the file."""
        statement = sa.select(runs.c.id).where(_names(digest), self.visible(runs)).order_by(runs.c.id)
        if space is not None:
            statement = statement.where(runs.c.space == space)
        with self.reading() as connection:
            return [int(number) for number in connection.execute(statement).scalars()]

    def remove_upload(self, digest: str, *, by: str) -> bool:
        """Removes a file from the list of a space, by default the private one of whoever asks, and returns whether its content
        is an orphan now.

        Raises StoreError where they may not, and while the space's runs use it: without it they could not be repeated.
        """
        with self.writing() as connection:
            tick(connection)
            space = self.space or by
            if (row := connection.execute(sa.select(*_COLUMNS).where(_file(space, digest))).first()) and (
                reason := refusal(Upload(**row._mapping), by, roles_of(connection, by), "file")
            ):
                raise StoreError(reason)
            own = sa.select(runs.c.number).where(_names(digest), runs.c.space == space).order_by(runs.c.id)
            used = [int(number) for number in connection.execute(own).scalars()]
            if used:
                listed = ", ".join(map(str, used[:5])) + (" and more" if len(used) > 5 else "")
                raise StoreError(
                    f"Run{'s' * (len(used) > 1)} {listed} trained on this file and could not be repeated without it. "
                    "Delete them first on the Runs page."
                )
            connection.execute(sa.delete(uploads).where(_file(space, digest)))
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


def _file(space: str, digest: str) -> sa.ColumnElement[bool]:
    return (uploads.c.space == space) & (uploads.c.digest == digest)


def _names(digest: str) -> sa.ColumnElement[bool]:
    """The condition that a run's configuration names the digest: in its JSON nothing else is like one."""
    return sa.cast(runs.c.config, sa.Text).contains(f'"{digest}"')


_COLUMNS = [uploads.c[field.name] for field in fields(Upload)]
