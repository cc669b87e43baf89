"""Where a file may be used: in the spaces that have it; everywhere, if the command line added it. Knowing a digest is not
enough."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from trainer.store.schema import uploads

SOMEBODY_ELSES = (
    "This data set is not on this machine, or belongs to someone else or another space; "
    "upload it yourself on the Your data page."
)
"""One sentence for both: whether somebody has the file is not for others to know."""


def data_refusal(connection: Connection, config: Mapping[str, Any], spaces: Collection[str]) -> str:
    """Returns why the file that a configuration, in its nested form, names may not be used in any of these spaces.

    Empty where it may, or where it names none.
    """
    digest = (config.get("data") or {}).get("file")
    if not digest:
        return ""
    theirs = sa.select(uploads.c.id).where(uploads.c.digest == digest, uploads.c.space.in_(spaces)).limit(1)
    return "" if connection.execute(theirs).first() else SOMEBODY_ELSES
