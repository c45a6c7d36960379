"""Runs revisions on the connection that `metadata_service.db.migrate` (or a test) hands over.

Each revision is a transaction of its own, so that one that fails leaves the ones before it in place.
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
