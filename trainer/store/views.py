"""Views: pictures of what a run has learned, such as a confusion matrix. Of each name only the newest is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.store.access import Access
from trainer.store.schema import runs, views


@dataclass(frozen=True)
class View:
    """A picture of a run as it was after `step`; trainer/curves/packing.py describes the bytes."""

    name: str
    step: int
    version: int
    data: bytes


class ViewStore(Access):
    """Reads views; `AttemptStore.record` writes them, together with the points of the same moment."""

    def views(self, run_id: int, after_version: int = -1) -> list[View]:
        """Returns a run's views that changed after a version, and reads no other."""
        with self.reading() as connection:
            self.require_visible(connection, runs, run_id)
            found = connection.execute(_CHANGED, {"run": run_id, "after": after_version}).all()
        return [View(*row) for row in found]


def put_views(
    connection: Connection, run_id: int, version: int, changed: Mapping[str, tuple[int, bytes]]
) -> None:
    """Replaces a run's views: name → (step, data). The caller has proved that its attempt is the current one."""
    for name, (step, data) in changed.items():
        values = {"step": step, "version": version, "data": data}
        key = (views.c.run_id == run_id) & (views.c.name == name)
        if not connection.execute(sa.update(views).where(key).values(**values)).rowcount:
            connection.execute(sa.insert(views), {"run_id": run_id, "name": name, **values})


_CHANGED = (
    sa.select(views.c.name, views.c.step, views.c.version, views.c.data)
    .where(views.c.run_id == sa.bindparam("run"), views.c.version > sa.bindparam("after"))
    .order_by(views.c.version, views.c.name)
)
