"""Results of the malware scanner for blobs.

Revision ID: 0023
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import refuse_while_erased, secure

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

SCANS = """
CREATE TABLE scans (
    owner_id text COLLATE "C" NOT NULL,
    blob_id uuid NOT NULL,
    outcome smallint NOT NULL,
    scanned_at timestamptz NOT NULL,
    database text COLLATE "C" NOT NULL DEFAULT ''::text,
    signature text NOT NULL DEFAULT ''::text,
    cause text NOT NULL DEFAULT ''::text,
    scan_after timestamptz,
    CONSTRAINT scans_pkey PRIMARY KEY (owner_id, blob_id),
    CONSTRAINT scans_blob FOREIGN KEY (owner_id, blob_id) REFERENCES blobs (owner_id, id) ON DELETE CASCADE,
    CONSTRAINT scans_outcome CHECK (outcome BETWEEN 1 AND 3)
)
"""


def upgrade() -> None:
    op.execute(SCANS)
    op.execute("CREATE INDEX scans_due ON scans (database, scan_after) WHERE outcome IN (1, 2)")
    op.execute("CREATE INDEX scans_infected ON scans (owner_id, blob_id) WHERE outcome = 3")
    secure("scans")
    refuse_while_erased("scans")


def downgrade() -> None:
    op.execute("DROP TABLE scans")
