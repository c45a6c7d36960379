"""How often the links to a file, and to all files of an owner, were revoked.

Revision ID: 0010
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import secure

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

LINK_EPOCHS = """
CREATE TABLE link_epochs (
    owner_id text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    CONSTRAINT link_epochs_pkey PRIMARY KEY (owner_id)
)
"""


def upgrade() -> None:
    op.execute("ALTER TABLE files ADD COLUMN link_epoch bigint NOT NULL DEFAULT 0")
    op.execute(LINK_EPOCHS)
    secure("link_epochs")


def downgrade() -> None:
    op.execute("DROP TABLE link_epochs")
    op.execute("ALTER TABLE files DROP COLUMN link_epoch")
