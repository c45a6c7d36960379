"""When the owner of a save was last told of its progress.

Revision ID: 0022
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE project_saves ADD COLUMN told_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE project_saves DROP COLUMN told_at")
