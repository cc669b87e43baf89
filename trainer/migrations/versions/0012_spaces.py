"""Spaces: what was somebody's is now in their private space, which has their id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

UNIQUE = {"uploads": "digest", "bookmarks": "name"}
"""What is there once in a space, where it was once for an owner."""


def upgrade() -> None:
    """Add the tables, and to each row the space that it is in."""
    op.create_table(
        "spaces",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("archived", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_spaces"),
    )
    op.create_table(
        "memberships",
        sa.Column("space", sa.String(40), nullable=False),
        sa.Column("person", sa.String(200), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("joined", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("space", "person", name="pk_memberships"),
        sa.ForeignKeyConstraint(["space"], ["spaces.id"], name="fk_memberships_space", ondelete="CASCADE"),
    )
    op.create_index("ix_memberships_person", "memberships", ["person"])
    op.create_table(
        "links",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("space", sa.String(200), nullable=False),
        sa.Column("opens", sa.Integer),
        sa.Column("role", sa.String(20)),
        sa.Column("created_by", sa.String(200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_links"),
        sa.UniqueConstraint("digest", name="uq_links_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_links_space", "links", ["space"])
    for table in ("runs", "comparisons", *UNIQUE):
        op.add_column(table, sa.Column("space", sa.String(200), nullable=False, server_default=""))
        op.execute(
            sa.table(table, sa.column("space"), sa.column("owner")).update().values(space=sa.column("owner"))
        )
    for table in ("runs", "comparisons"):
        op.create_index(f"ix_{table}_space_id", table, ["space", "id"])
    for table, once in UNIQUE.items():
        with op.batch_alter_table(table, table_kwargs={"sqlite_autoincrement": True}) as changed:
            changed.drop_constraint(f"uq_{table}_owner_{once}", type_="unique")
            changed.create_unique_constraint(f"uq_{table}_space_{once}", ["space", once])
