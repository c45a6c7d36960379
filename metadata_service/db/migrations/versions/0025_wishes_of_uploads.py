"""The retention requested by a save, and the storage class requested by an upload.

Revision ID: 0025
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE project_saves ADD COLUMN retention bytea")
    op.execute("ALTER TABLE blobs ADD COLUMN storage_class text NOT NULL DEFAULT ''")


def downgrade() -> None:
    op.execute("ALTER TABLE blobs DROP COLUMN storage_class")
    op.execute("ALTER TABLE project_saves DROP COLUMN retention")
