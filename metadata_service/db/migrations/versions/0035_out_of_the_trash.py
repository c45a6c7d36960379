"""An index to find files that leave the trash by time, over all owners, without reading files on hold.

`files_purging` stays for the cleaner of the previous release.

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
