"""Branches: from which run, and at which of its steps, a run has branched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; earlier runs are no branches. The other run may be deleted, so it is no foreign key."""
    op.add_column("runs", sa.Column("parent_id", sa.Integer))
    op.add_column("runs", sa.Column("parent_step", sa.BigInteger))
    op.create_index("ix_runs_parent_id", "runs", ["parent_id"])
