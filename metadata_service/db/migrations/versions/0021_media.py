"""Media info of pictures, videos and sounds.

Revision ID: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE files ADD COLUMN media jsonb, ADD COLUMN media_of uuid, ADD COLUMN location_masks bytea,"
        " ADD COLUMN media_after timestamptz, ADD COLUMN media_tries smallint NOT NULL DEFAULT 0"
    )
    op.execute(
        "CREATE INDEX files_unread ON files (media_after NULLS FIRST)"
        " WHERE media_of IS DISTINCT FROM blob_id AND deleted_at IS NULL"
        " AND content_type ~ '^(image|video|audio)/'"
    )


def downgrade() -> None:
    op.execute("DROP INDEX files_unread")
    op.execute(
        "ALTER TABLE files DROP COLUMN media, DROP COLUMN media_of, DROP COLUMN location_masks,"
        " DROP COLUMN media_after, DROP COLUMN media_tries"
    )
