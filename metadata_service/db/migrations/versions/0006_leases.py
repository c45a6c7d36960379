"""Leases that are none: an earlier release put a cleaner's pause, up to an hour, into the lease of an
interrupted completion. Until it was over, the owner's own repeat would be refused and nobody would roll it
forward.

Such a row cannot be told from one whose writer lives; a living writer renews its lease long before a minute
is over. Attempts that are not completing were never given a pause.

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
    """Nothing to take back: a shorter lease is as good."""
