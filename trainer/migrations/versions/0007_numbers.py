"""Each owner's runs are numbered from 1, so that a visitor's third run is Run 3 whatever others train."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column, and number the runs that are there in their order."""
    op.add_column("runs", sa.Column("number", sa.Integer, nullable=False, server_default="0"))
    op.execute(
        "UPDATE runs SET number = counted.number FROM "
        "(SELECT id, row_number() OVER (PARTITION BY owner ORDER BY id) AS number FROM runs) AS counted "
        "WHERE runs.id = counted.id"
    )
