"""What a list of a project's files shows of their objects raises its owner's revision, too: damage, and
another version or checksum after a repair.

Revision ID: 0031
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Beside the one of 0026, which would have to wait for every reader to be replaced.
    op.execute(
        "CREATE CONSTRAINT TRIGGER revised_by_content"
        " AFTER UPDATE OF version_id, etag, crc32c, damage ON project_files"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_revision()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER revised_by_content ON project_files")
