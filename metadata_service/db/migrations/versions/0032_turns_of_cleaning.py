"""Indexes by owner for background work on the object store, as in 0030.

Revision ID: 0032
"""

from __future__ import annotations

from metadata_service.db.migrations import online

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    online.create_index("blobs_due_by_owner", "blobs (owner_id, not_before) WHERE state IN (4, 5, 6)")
    online.create_index("project_keys_due_by_owner", "project_keys (owner_id, not_before)")
    online.create_index("archive_restores_due_by_owner", "archive_restores (owner_id, look_at)")


def downgrade() -> None:
    online.drop_index("archive_restores_due_by_owner")
    online.drop_index("project_keys_due_by_owner")
    online.drop_index("blobs_due_by_owner")
