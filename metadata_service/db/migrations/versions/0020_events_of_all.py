"""An index to read the events of all owners in the order of commit.

Revision ID: 0020
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Events are kept for a day, so the table is small enough for an index that blocks writers.
    op.execute("CREATE INDEX events_by_position ON events (xid, id)")


def downgrade() -> None:
    op.execute("DROP INDEX events_by_position")
