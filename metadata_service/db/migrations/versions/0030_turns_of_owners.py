"""What is to be read, and scanned again, by owner: so that one owner's thousands delay nobody else's.

Revision ID: 0030
"""

from __future__ import annotations

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX files_unread_by_owner ON files (owner_id, media_after NULLS FIRST)"
        " WHERE media_of IS DISTINCT FROM blob_id AND deleted_at IS NULL"
        " AND content_type ~ '^(image|video|audio)/'"
    )
    op.execute(
        "CREATE INDEX scans_due_by_owner ON scans (database, owner_id, scan_after NULLS FIRST)"
        " WHERE outcome IN (1, 2)"
    )


def downgrade() -> None:
    op.execute("DROP INDEX scans_due_by_owner")
    op.execute("DROP INDEX files_unread_by_owner")
