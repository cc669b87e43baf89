"""Changes of hot knobs while a run trains, and how many of them each run has applied."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table and add the column; earlier runs have no changes."""
    op.add_column("runs", sa.Column("changes", sa.Integer, nullable=False, server_default="0"))
    op.create_table(
        "knob_changes",
        sa.Column("run_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("requested_by", sa.String(200), nullable=False),
        sa.Column("requested", sa.DateTime(timezone=True), nullable=False),
        sa.Column("knobs", sa.Text, nullable=False),
        sa.Column("step", sa.BigInteger),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_knob_changes"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_knob_changes_run_id", ondelete="CASCADE"),
    )
