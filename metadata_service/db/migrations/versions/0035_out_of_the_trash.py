"""What leaves the trash is found by when that is, over all owners, and what is held is not read for it.

`files_purging` stays for the release before, whose cleaner goes by it.

Revision ID: 0035
"""

from __future__ import annotations

from metadata_service.db.migrations import online

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    online.create_index(
        "files_out_of_trash",
        "files (GREATEST(purge_at, keep_until)) WHERE deleted_at IS NOT NULL AND held_at IS NULL",
    )


def downgrade() -> None:
    online.drop_index("files_out_of_trash")
