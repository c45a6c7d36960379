"""When the owner of an object was last told that it is lost or corrupt.

Revision ID: 0008
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE blobs ADD COLUMN damage_told_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE blobs DROP COLUMN damage_told_at")
