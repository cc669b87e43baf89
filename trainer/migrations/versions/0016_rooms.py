"""Rooms: the code by which people join, whether nobody new may, and when the room ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the columns; spaces that are there have no code and no end."""
    op.add_column("spaces", sa.Column("code", sa.String(6)))
    op.add_column("spaces", sa.Column("locked", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("spaces", sa.Column("ends", sa.DateTime(timezone=True)))
    op.create_index("ix_spaces_code", "spaces", ["code"], unique=True)
