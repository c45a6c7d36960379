"""Labels of a project's version: name, message, tags.

Revision ID: 0027
"""

from __future__ import annotations

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

COLUMNS = {
    "name": "text NOT NULL DEFAULT ''",
    "message": "text NOT NULL DEFAULT ''",
    "tags": "text[] NOT NULL DEFAULT '{}'::text[]",
}


def upgrade() -> None:
    added = ", ".join(f"ADD COLUMN {name} {kind}" for name, kind in COLUMNS.items())
    op.execute(f"ALTER TABLE project_versions {added}")


def downgrade() -> None:
    dropped = ", ".join(f"DROP COLUMN {name}" for name in COLUMNS)
    op.execute(f"ALTER TABLE project_versions {dropped}")
