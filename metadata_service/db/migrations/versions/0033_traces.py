"""The trace context of the request that left a row to background work, for the link of its span
(docs/tracing.md).

Revision ID: 0033
"""

from __future__ import annotations

from metadata_service.db.migrations import online

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

TABLES = ("archive_restores", "blobs", "events", "webhook_deliveries")


def upgrade() -> None:
    for table in TABLES:
        online.alter(table, "ADD COLUMN IF NOT EXISTS traceparent text")


def downgrade() -> None:
    for table in reversed(TABLES):
        online.alter(table, "DROP COLUMN IF EXISTS traceparent")
