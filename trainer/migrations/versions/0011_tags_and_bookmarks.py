"""Tags on runs and comparisons, and bookmarks of what a list shows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the columns and the table; what is there has no tags."""
    for table in ("runs", "comparisons"):
        op.add_column(table, sa.Column("tags", sa.Text, nullable=False, server_default="[]"))
    op.create_table(
        "bookmarks",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("shows", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bookmarks"),
        sa.UniqueConstraint("owner", "name", name="uq_bookmarks_owner_name"),
        sqlite_autoincrement=True,
    )
