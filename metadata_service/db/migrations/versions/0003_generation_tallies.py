"""Running counts of generations by type and day, and the index for their list.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import secure

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TALLIES = """
CREATE TABLE generation_tallies (
    owner_id text COLLATE "C" NOT NULL,
    type smallint NOT NULL,
    day date NOT NULL,
    stripe smallint NOT NULL,
    count bigint NOT NULL,
    size_bytes bigint NOT NULL,
    CONSTRAINT generation_tallies_pkey PRIMARY KEY (owner_id, type, day, stripe)
) WITH (fillfactor = 50)
"""
COUNT_WHAT_IS_THERE = """
INSERT INTO generation_tallies (owner_id, type, day, stripe, count, size_bytes)
SELECT detail.owner_id, detail.type, (files.created_at AT TIME ZONE 'UTC')::date, 0, count(*),
sum(files.size_bytes) FROM generations AS detail JOIN files ON files.owner_id = detail.owner_id AND files.id
= detail.file_id WHERE files.deleted_at IS NULL GROUP BY 1, 2, 3
"""


def upgrade() -> None:
    op.execute(TALLIES)
    op.execute(COUNT_WHAT_IS_THERE)
    secure("generation_tallies")
    op.execute("CREATE INDEX generations_newest ON generations (owner_id, created_at, file_id)")


def downgrade() -> None:
    op.execute("DROP INDEX generations_newest")
    op.execute("DROP TABLE generation_tallies")
