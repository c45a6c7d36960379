"""Why the cleaner's work has failed, and the replicas that do it.

Revision ID: 0016
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import SYSTEM_SCOPE, secure

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

REPLICAS = """
CREATE TABLE cleaner_replicas (
    name text NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT cleaner_replicas_pkey PRIMARY KEY (name)
)
"""


def upgrade() -> None:
    op.execute("ALTER TABLE blobs ADD COLUMN failure text")
    op.execute(REPLICAS)
    secure("cleaner_replicas", SYSTEM_SCOPE)


def downgrade() -> None:
    op.execute("DROP TABLE cleaner_replicas")
    op.execute("ALTER TABLE blobs DROP COLUMN failure")
