"""Restores from an archive class, and when they are checked.

Revision ID: 0029
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import refuse_while_erased, secure

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

RESTORES = """
CREATE TABLE archive_restores (
    owner_id text COLLATE "C" NOT NULL,
    blob_id uuid NOT NULL,
    asked_at timestamptz NOT NULL,
    look_at timestamptz NOT NULL,
    CONSTRAINT archive_restores_pkey PRIMARY KEY (owner_id, blob_id),
    CONSTRAINT archive_restores_blob FOREIGN KEY (owner_id, blob_id) REFERENCES blobs (owner_id, id)
        ON DELETE CASCADE
)
"""


def upgrade() -> None:
    op.execute(RESTORES)
    op.execute("CREATE INDEX archive_restores_due ON archive_restores (look_at)")
    secure("archive_restores")
    refuse_while_erased("archive_restores")


def downgrade() -> None:
    op.execute("DROP TABLE archive_restores")
