"""Alembic's entry: `trainer.store.database` hands it a connection, already in a transaction that holds the lock."""

from __future__ import annotations

from alembic import context

from trainer.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters tables by copying them
)
context.run_migrations()
