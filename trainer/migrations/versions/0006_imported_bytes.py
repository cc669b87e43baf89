"""What an imported run takes, charged to its owner like a file of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; runs imported before count as nothing."""
    op.add_column("runs", sa.Column("imported_bytes", sa.BigInteger, nullable=False, server_default="0"))
