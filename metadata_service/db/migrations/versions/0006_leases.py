"""Shorten leases that are no leases: an earlier release stored a cleaner's pause, up to an hour, in the lease
of an interrupted completion. Until its end the owner's own repeat would be refused, and nobody would roll the
attempt forward.

Such a row can't be distinguished from one whose writer lives; but a living writer renews its lease well
within a minute. Attempts that are not completing never had such a pause.

Revision ID: 0006
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE blobs SET lease_expires_at = now() + interval '1 minute'"
        " WHERE state = 2 AND lease_expires_at > now() + interval '1 minute'"
    )


def downgrade() -> None:
    """Nothing to revert: a shorter lease does no harm."""
