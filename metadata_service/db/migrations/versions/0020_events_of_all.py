"""The events of all owners are read in the order of their commits.

Revision ID: 0020
"""

from __future__ import annotations

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Events are kept for a day: the table is small enough to be indexed while writers wait.
    op.execute("CREATE INDEX events_by_position ON events (xid, id)")


def downgrade() -> None:
    op.execute("DROP INDEX events_by_position")
