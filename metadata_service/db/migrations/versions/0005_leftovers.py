"""A kind of blob for the leftovers of late requests (LEFTOVERS).

Revision ID: 0005
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NAME = "blobs_numbers"


def upgrade() -> None:
    _allow_kinds_to(4)
    op.execute("ALTER TABLE project_save_files ADD COLUMN doubtful boolean NOT NULL DEFAULT false")


def downgrade() -> None:
    op.execute("ALTER TABLE project_save_files DROP COLUMN doubtful")
    op.execute("DELETE FROM blobs WHERE kind = 4")
    _allow_kinds_to(3)


def _allow_kinds_to(last: int) -> None:
    op.execute(f"ALTER TABLE blobs DROP CONSTRAINT {_NAME}")
    op.execute(
        f"ALTER TABLE blobs ADD CONSTRAINT {_NAME}"
        f" CHECK (state BETWEEN 1 AND 6 AND epoch >= 1 AND kind BETWEEN 1 AND {last})"
    )
