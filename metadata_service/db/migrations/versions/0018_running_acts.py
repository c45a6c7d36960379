"""Running acts, one at a time if they change objects; draining replicas; and when the quarantine was checked
for an erasure.

Revision ID: 0018
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import SYSTEM_SCOPE, secure

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ACTS = """
CREATE TABLE running_acts (
    act_id bigint NOT NULL,
    act text NOT NULL,
    actor text NOT NULL,
    changes_objects boolean NOT NULL,
    token uuid,
    calls integer NOT NULL DEFAULT 1,
    counts text NOT NULL DEFAULT '{}',
    begun_at timestamptz NOT NULL DEFAULT now(),
    held_until timestamptz NOT NULL,
    CONSTRAINT running_acts_pkey PRIMARY KEY (act_id)
)
"""
REPLICAS = """
CREATE TABLE storage_replicas (
    name text NOT NULL,
    instance uuid NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT now(),
    drained_at timestamptz,
    busy text[] NOT NULL DEFAULT '{}'::text[],
    requests integer NOT NULL DEFAULT 0,
    draining boolean NOT NULL DEFAULT false,
    CONSTRAINT storage_replicas_pkey PRIMARY KEY (name)
)
"""


def upgrade() -> None:
    op.execute(ACTS)
    op.execute(REPLICAS)
    op.execute(
        "CREATE UNIQUE INDEX running_acts_objects ON running_acts (changes_objects) WHERE changes_objects"
    )
    op.execute("CREATE UNIQUE INDEX running_acts_by_token ON running_acts (token)")
    op.execute("ALTER TABLE erasures ADD COLUMN quarantine_seen_at timestamptz")
    secure("running_acts", SYSTEM_SCOPE)
    secure("storage_replicas", SYSTEM_SCOPE)


def downgrade() -> None:
    op.execute("ALTER TABLE erasures DROP COLUMN quarantine_seen_at")
    op.execute("DROP TABLE storage_replicas")
    op.execute("DROP TABLE running_acts")
