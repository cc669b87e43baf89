"""Comparisons, and the runs that belong to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("notes", sa.Text, nullable=False),
        sa.Column("archived", sa.Boolean, nullable=False),
        sa.Column("design", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_comparisons"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_comparisons_owner_id", "comparisons", ["owner", "id"])
    op.create_table(
        "members",
        sa.Column("run_id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("comparison_id", sa.Integer, nullable=False),
        sa.Column("arm", sa.Integer, nullable=False),
        sa.Column("replicate", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_members"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_members_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["comparison_id"], ["comparisons.id"], name="fk_members_comparison_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint(
            "comparison_id", "arm", "replicate", name="uq_members_comparison_id_arm_replicate"
        ),
    )
