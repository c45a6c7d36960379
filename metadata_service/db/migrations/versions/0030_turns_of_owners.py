"""Indexes by owner for files to read and to scan, so that one owner's thousands of files delay no other
owner.

Revision ID: 0030
"""

from __future__ import annotations

from metadata_service.db.migrations import online

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    online.create_index(
        "files_unread_by_owner",
        "files (owner_id, media_after NULLS FIRST)"
        " WHERE media_of IS DISTINCT FROM blob_id AND deleted_at IS NULL"
        " AND content_type ~ '^(image|video|audio)/'",
    )
    online.create_index(
        "scans_due_by_owner",
        "scans (database, owner_id, scan_after NULLS FIRST) WHERE outcome IN (1, 2)",
    )


def downgrade() -> None:
    online.drop_index("scans_due_by_owner")
    online.drop_index("files_unread_by_owner")
