"""Resumable uploads: sessions and the parts of their prefix.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import secure

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SESSIONS = """
CREATE TABLE upload_sessions (
    owner_id text COLLATE "C" NOT NULL,
    upload_id text COLLATE "C" NOT NULL,
    blob_id uuid NOT NULL,
    kind smallint NOT NULL,
    ended smallint NOT NULL DEFAULT 0,
    request_id text COLLATE "C" NOT NULL DEFAULT '',
    fingerprint bytea NOT NULL DEFAULT ''::bytea,
    size_bytes bigint,
    persisted_size bigint NOT NULL DEFAULT 0,
    prefix_crc32c bigint NOT NULL DEFAULT 0,
    segments bytea NOT NULL DEFAULT ''::bytea,
    annotation bytea NOT NULL DEFAULT ''::bytea,
    expires_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz,
    finished_at timestamptz,
    swept_at timestamptz,
    forget_at timestamptz,
    CONSTRAINT upload_sessions_pkey PRIMARY KEY (owner_id, upload_id),
    CONSTRAINT upload_sessions_blob UNIQUE (owner_id, blob_id),
    CONSTRAINT upload_sessions_numbers CHECK (kind BETWEEN 1 AND 4 AND ended BETWEEN 0 AND 2),
    CONSTRAINT upload_sessions_prefix CHECK (persisted_size >= 0 AND prefix_crc32c BETWEEN 0 AND 4294967295),
    CONSTRAINT upload_sessions_length CHECK (size_bytes >= persisted_size)
)
"""
PARTS = """
CREATE TABLE session_parts (
    owner_id text COLLATE "C" NOT NULL,
    blob_id uuid NOT NULL,
    number integer NOT NULL,
    etag text NOT NULL,
    size_bytes bigint NOT NULL,
    crc32c bigint NOT NULL,
    CONSTRAINT session_parts_pkey PRIMARY KEY (owner_id, blob_id, number),
    CONSTRAINT session_parts_session FOREIGN KEY (owner_id, blob_id)
        REFERENCES upload_sessions (owner_id, blob_id) ON DELETE CASCADE
)
"""
INDEXES = """
CREATE INDEX upload_sessions_name ON upload_sessions (upload_id);
CREATE INDEX upload_sessions_by_request ON upload_sessions (owner_id, request_id) WHERE request_id <> '';
CREATE INDEX upload_sessions_unswept ON upload_sessions (created_at) WHERE swept_at IS NULL;
CREATE INDEX upload_sessions_partials ON upload_sessions (expires_at)
    WHERE kind = 3 AND finished_at IS NOT NULL;
CREATE INDEX upload_sessions_forgotten ON upload_sessions (forget_at) WHERE forget_at IS NOT NULL
"""
TABLES = ("upload_sessions", "session_parts")


def upgrade() -> None:
    for table in (SESSIONS, PARTS):
        op.execute(table)
    for index in INDEXES.split(";"):
        op.execute(index)
    for name in TABLES:
        secure(name)


def downgrade() -> None:
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
