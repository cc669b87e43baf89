"""Finds the first queued run of each owner, and counts an owner's, without reading the queue."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index."""
    op.create_index("ix_runs_status_owner_place", "runs", ["status", "owner", "place"])
