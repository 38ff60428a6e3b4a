"""Runs the migrations on the connection, and in the transaction, of the caller."""

from __future__ import annotations

from alembic import context

from tumorlens.serve.store.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=False,  # the caller's transaction holds all of it
    render_as_batch=True,
)
context.run_migrations()
