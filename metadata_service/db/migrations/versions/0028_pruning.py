"""How many versions of a project are kept.

Revision ID: 0028
"""

from __future__ import annotations

from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE projects ADD COLUMN keep_versions integer, ADD COLUMN keep_daily_days integer")
    op.execute(
        "ALTER TABLE projects ADD CONSTRAINT projects_rule CHECK ("
        "(keep_versions IS NULL) = (keep_daily_days IS NULL) AND keep_versions >= 0 AND keep_daily_days >= 0)"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE projects DROP CONSTRAINT projects_rule")
    op.execute("ALTER TABLE projects DROP COLUMN keep_versions, DROP COLUMN keep_daily_days")
