"""What the object store is asked about in the background, by owner: as 0030 for what is read and scanned.

Revision ID: 0032
"""

from __future__ import annotations

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX blobs_due_by_owner ON blobs (owner_id, not_before) WHERE state IN (4, 5, 6)")
    op.execute("CREATE INDEX project_keys_due_by_owner ON project_keys (owner_id, not_before)")
    op.execute("CREATE INDEX archive_restores_due_by_owner ON archive_restores (owner_id, look_at)")


def downgrade() -> None:
    op.execute("DROP INDEX archive_restores_due_by_owner")
    op.execute("DROP INDEX project_keys_due_by_owner")
    op.execute("DROP INDEX blobs_due_by_owner")
