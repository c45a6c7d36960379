"""Runs revisions on the connection given by `metadata_service.db.migrate` (or a test).

Each revision is a transaction of its own, so a failing one does not undo those before it.
"""

from __future__ import annotations

from alembic import context

from metadata_service.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=True,
    transaction_per_migration=True,
)
context.run_migrations()
