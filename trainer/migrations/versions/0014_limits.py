"""Limits of spaces, what each run keeps and may take, and the addresses that live runs and files came from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the columns. What curves take is known; checkpoints of earlier runs count once those train again."""
    op.add_column("spaces", sa.Column("limits", sa.Text, nullable=False, server_default="{}"))
    op.add_column("runs", sa.Column("limits", sa.Text))
    op.add_column("runs", sa.Column("kept_bytes", sa.BigInteger, nullable=False, server_default="0"))
    for table in ("runs", "comparisons", "uploads"):
        op.add_column(table, sa.Column("address", sa.String(32), nullable=False, server_default=""))
    op.create_index("ix_runs_space_owner_kept_bytes", "runs", ["space", "owner", "kept_bytes"])
    op.create_index("ix_runs_address", "runs", ["address"])
    # An import's size has its curves in it already.
    op.execute(
        "UPDATE runs SET kept_bytes = CASE WHEN imported_bytes > 0 THEN imported_bytes ELSE "
        "(SELECT coalesce(sum(length(data)), 0) FROM chunks WHERE chunks.run_id = runs.id) END"
    )
