"""Where the runs before a branch were left, and the newest number of each space's runs, which outlives the run."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the column and the table, and fill them in as far as the runs that are there tell."""
    op.add_column("runs", sa.Column("forks", sa.Text))
    op.create_table(
        "numbers",
        sa.Column("space", sa.String(200), nullable=False),
        sa.Column("last", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("space", name="pk_numbers"),
    )
    op.execute("INSERT INTO numbers (space, last) SELECT space, max(number) FROM runs GROUP BY space")
    _fill_in_forks()


def _fill_in_forks() -> None:
    """A branch whose forebears were deleted stays without: how many epochs they were to train is not known any more."""
    connection = op.get_bind()
    columns = "branch.id, branch.parent_id, branch.parent_step, parent.parent_step, parent.config"
    found = connection.execute(
        sa.text(
            f"SELECT {columns} FROM runs AS branch JOIN runs AS parent ON parent.id = branch.parent_id "  # noqa: S608 - names
            "ORDER BY branch.id"
        )
    )
    forks: dict[int, list[list[int]]] = {}
    for branch, parent, step, earlier, config in found.all():
        if earlier is not None and parent not in forks:
            continue
        epochs = json.loads(config).get("epochs")
        forks[branch] = [*forks.get(parent, []), [step, epochs]]
        update = sa.text("UPDATE runs SET forks = :forks WHERE id = :id")
        connection.execute(update, {"forks": json.dumps(forks[branch]), "id": branch})
