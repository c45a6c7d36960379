"""Changes of a project file's object (its damage, its version or checksum after a repair) also raise the
owner's revision, because lists of files show them.

Revision ID: 0031
"""

from __future__ import annotations

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A second trigger beside that of 0026; replacing that one would have to wait for all readers.
    op.execute(
        "CREATE CONSTRAINT TRIGGER revised_by_content"
        " AFTER UPDATE OF version_id, etag, crc32c, damage ON project_files"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_revision()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER revised_by_content ON project_files")
