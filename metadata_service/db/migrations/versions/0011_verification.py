"""Verification: the installation's id, runs with their shards and findings, and when the bytes of a blob were
last read back.

Revision ID: 0011
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import SYSTEM_SCOPE, secure

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INSTALLATION = """
CREATE TABLE installation (
    id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT installation_pkey PRIMARY KEY (id)
)
"""
VERIFICATIONS = """
CREATE TABLE verifications (
    id uuid NOT NULL,
    state smallint NOT NULL,
    depth smallint NOT NULL,
    installation_id uuid NOT NULL,
    revision text NOT NULL,
    begin_position text NOT NULL,
    end_position text NOT NULL DEFAULT '',
    failure text NOT NULL DEFAULT '',
    begun_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    CONSTRAINT verifications_pkey PRIMARY KEY (id),
    CONSTRAINT verifications_state CHECK (state BETWEEN 1 AND 3 AND (state = 1) = (ended_at IS NULL))
)
"""
SHARDS = """
CREATE TABLE verification_shards (
    verification_id uuid NOT NULL,
    number integer NOT NULL,
    stage smallint NOT NULL,
    cursor text COLLATE "C" NOT NULL,
    until_key text COLLATE "C" NOT NULL DEFAULT '',
    epoch bigint NOT NULL DEFAULT 1,
    failures integer NOT NULL DEFAULT 0,
    free_at timestamptz NOT NULL DEFAULT now(),
    done_at timestamptz,
    counts bytea NOT NULL DEFAULT ''::bytea,
    CONSTRAINT verification_shards_pkey PRIMARY KEY (verification_id, number)
)
"""
FINDINGS = """
CREATE TABLE verification_findings (
    verification_id uuid NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    kind smallint NOT NULL,
    size_bytes bigint NOT NULL,
    finding bytea NOT NULL,
    CONSTRAINT verification_findings_pkey PRIMARY KEY (verification_id, number)
)
"""
TABLES = {
    "installation": INSTALLATION,
    "verifications": VERIFICATIONS,
    "verification_shards": SHARDS,
    "verification_findings": FINDINGS,
}


def upgrade() -> None:
    for statement in TABLES.values():
        op.execute(statement)
    op.execute("INSERT INTO installation (id) VALUES (gen_random_uuid())")
    for name in TABLES:
        secure(name, SYSTEM_SCOPE)
    op.execute("CREATE UNIQUE INDEX verifications_running ON verifications (state) WHERE state = 1")
    op.execute("CREATE INDEX verifications_begun ON verifications (begun_at)")
    op.execute(
        "ALTER TABLE blobs ADD COLUMN scrubbed_at timestamptz, ADD COLUMN scrub_after timestamptz,"
        " ADD COLUMN damage smallint"
    )
    op.execute("CREATE INDEX blobs_scrub ON blobs (scrub_after NULLS FIRST) WHERE state = 3")


def downgrade() -> None:
    op.execute("DROP INDEX blobs_scrub")
    op.execute("ALTER TABLE blobs DROP COLUMN scrubbed_at, DROP COLUMN scrub_after, DROP COLUMN damage")
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
