"""The first schema: blobs, files with their details, idempotency keys, usage, quotas, events.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import SYSTEM_SCOPE, secure

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BLOBS = """
CREATE TABLE blobs (
    owner_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    state smallint NOT NULL,
    epoch bigint NOT NULL,
    kind smallint NOT NULL,
    key text COLLATE "C" NOT NULL,
    key_shared boolean NOT NULL,
    version_id text NOT NULL DEFAULT '',
    upload_id text NOT NULL DEFAULT '',
    part_size bigint NOT NULL DEFAULT 0,
    size_bytes bigint,
    crc32c bigint,
    etag text NOT NULL DEFAULT '',
    parts bytea NOT NULL DEFAULT ''::bytea,
    content_type text NOT NULL,
    spec bytea NOT NULL,
    object_metadata jsonb NOT NULL,
    request_id text NOT NULL DEFAULT '',
    reserved_bytes bigint NOT NULL,
    reserved_files smallint NOT NULL,
    lease_expires_at timestamptz,
    not_before timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    file_id uuid,
    file_generation bigint,
    created_at timestamptz NOT NULL DEFAULT now(),
    state_changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT blobs_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT blobs_numbers CHECK (state BETWEEN 1 AND 6 AND epoch >= 1 AND kind BETWEEN 1 AND 3),
    CONSTRAINT blobs_lease CHECK (state NOT IN (1, 2) OR lease_expires_at IS NOT NULL),
    CONSTRAINT blobs_not_before CHECK (state NOT IN (4, 5, 6) OR not_before IS NOT NULL),
    CONSTRAINT blobs_content
        CHECK (state NOT IN (2, 3) OR (size_bytes >= 0 AND crc32c BETWEEN 0 AND 4294967295))
)
"""
FILES = """
CREATE TABLE files (
    owner_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    family smallint NOT NULL,
    key text COLLATE "C" NOT NULL,
    slot text COLLATE "C",
    blob_id uuid NOT NULL,
    filename text NOT NULL,
    content_type text NOT NULL,
    size_bytes bigint NOT NULL,
    etag text NOT NULL,
    generation bigint NOT NULL,
    version_id text NOT NULL DEFAULT '',
    crc32c bigint NOT NULL,
    metadata jsonb NOT NULL,
    visibility smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    deleted_at timestamptz,
    purge_at timestamptz,
    CONSTRAINT files_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT files_blob FOREIGN KEY (owner_id, blob_id) REFERENCES blobs (owner_id, id),
    CONSTRAINT files_soft_delete CHECK ((deleted_at IS NULL) = (purge_at IS NULL)),
    CONSTRAINT files_numbers CHECK (generation >= 1 AND family BETWEEN 1 AND 6 AND size_bytes >= 0)
)
"""
GENERATIONS = """
CREATE TABLE generations (
    owner_id text COLLATE "C" NOT NULL,
    file_id uuid NOT NULL,
    type smallint NOT NULL,
    prompt text NOT NULL,
    settings_json text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT generations_pkey PRIMARY KEY (owner_id, file_id),
    CONSTRAINT generations_file FOREIGN KEY (owner_id, file_id) REFERENCES files (owner_id, id) ON DELETE
    CASCADE
)
"""
EVENT_MEDIA = """
CREATE TABLE event_media (
    owner_id text COLLATE "C" NOT NULL,
    file_id uuid NOT NULL,
    event_id uuid NOT NULL,
    title text NOT NULL,
    description text NOT NULL,
    tags text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT event_media_pkey PRIMARY KEY (owner_id, file_id),
    CONSTRAINT event_media_file FOREIGN KEY (owner_id, file_id) REFERENCES files (owner_id, id) ON DELETE
    CASCADE
)
"""
IDEMPOTENCY_KEYS = """
CREATE TABLE idempotency_keys (
    owner_id text COLLATE "C" NOT NULL,
    request_id text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL,
    guess_fingerprint bytea,
    blob_id uuid NOT NULL,
    size_bytes bigint,
    crc32c bigint,
    reply bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (owner_id, request_id)
)
"""
USAGE = """
CREATE TABLE usage (
    owner_id text COLLATE "C" NOT NULL,
    stripe smallint NOT NULL,
    used_bytes bigint NOT NULL,
    file_count bigint NOT NULL,
    CONSTRAINT usage_pkey PRIMARY KEY (owner_id, stripe)
) WITH (fillfactor = 50)
"""
QUOTAS = """
CREATE TABLE quotas (
    owner_id text COLLATE "C" NOT NULL,
    limit_bytes bigint,
    limit_files bigint,
    CONSTRAINT quotas_pkey PRIMARY KEY (owner_id)
)
"""
EVENTS = """
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    owner_id text COLLATE "C" NOT NULL,
    type smallint NOT NULL,
    subject_id text NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT events_pkey PRIMARY KEY (owner_id, xid, id)
)
"""
INDEXES = (
    "CREATE UNIQUE INDEX blobs_exclusive_key ON blobs (key) WHERE NOT key_shared",
    "CREATE INDEX blobs_shared_key ON blobs (key) WHERE key_shared",
    "CREATE INDEX blobs_open ON blobs (owner_id, lease_expires_at) WHERE state IN (1, 2)",
    "CREATE INDEX blobs_due ON blobs (not_before) WHERE state IN (4, 5, 6)",
    "CREATE UNIQUE INDEX files_slot ON files (owner_id, slot) WHERE slot IS NOT NULL AND deleted_at IS NULL",
    "CREATE INDEX files_by_key ON files (owner_id, key, id)",
    "CREATE INDEX files_by_family_key ON files (owner_id, family, key, id)",
    "CREATE INDEX files_by_family ON files (owner_id, family, created_at, id)",
    "CREATE INDEX files_by_blob ON files (owner_id, blob_id)",
    "CREATE INDEX files_expiring ON files (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE INDEX files_purging ON files (purge_at) WHERE purge_at IS NOT NULL",
    "CREATE INDEX generations_by_type ON generations (owner_id, type, created_at, file_id)",
    "CREATE INDEX event_media_by_event ON event_media (owner_id, event_id, created_at, file_id)",
    "CREATE INDEX event_media_by_tag ON event_media USING gin (tags)",
    "CREATE INDEX idempotency_keys_expiring ON idempotency_keys (expires_at)",
    "CREATE INDEX events_by_age ON events (created_at)",
)
TABLES = {
    "blobs": BLOBS,
    "files": FILES,
    "generations": GENERATIONS,
    "event_media": EVENT_MEDIA,
    "idempotency_keys": IDEMPOTENCY_KEYS,
    "usage": USAGE,
    "quotas": QUOTAS,
    "events": EVENTS,
}


def upgrade() -> None:
    for name, statement in TABLES.items():
        op.execute(statement)
        secure(name)
    for statement in INDEXES:
        op.execute(statement)
    secure("alembic_version", SYSTEM_SCOPE)


def downgrade() -> None:
    op.execute("DROP POLICY scope ON alembic_version")
    op.execute("ALTER TABLE alembic_version NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY")
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
