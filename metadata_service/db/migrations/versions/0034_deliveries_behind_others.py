"""Deliveries that wait for an earlier one of their subject don't block others (webhooks.due).

The previous release ignores `behind_until`: the deliveries that it makes are set aside when a claim meets
them, and when it ends one, the next returns only at that time. Its claims use `webhook_deliveries_subject`
meanwhile.

Revision ID: 0034
"""

from __future__ import annotations

from metadata_service.db.migrations import online

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    online.alter("webhook_deliveries", "ADD COLUMN IF NOT EXISTS behind_until timestamptz")
    online.create_index(
        "webhook_deliveries_next",
        "webhook_deliveries (owner_id, webhook_id, GREATEST(next_at, behind_until), xid, event_id)"
        " WHERE state = 1 AND type <> 21",
    )
    online.create_index(
        "webhook_deliveries_pings",
        "webhook_deliveries (owner_id, webhook_id, next_at) WHERE state = 1 AND type = 21",
    )
    online.drop_index("webhook_deliveries_due")


def downgrade() -> None:
    online.create_index(
        "webhook_deliveries_due", "webhook_deliveries (owner_id, webhook_id, next_at) WHERE state = 1"
    )
    online.drop_index("webhook_deliveries_pings")
    online.drop_index("webhook_deliveries_next")
    online.alter("webhook_deliveries", "DROP COLUMN IF EXISTS behind_until")
