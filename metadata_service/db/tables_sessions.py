"""Tables of resumable uploads. See `tables` for the rules of all tables.

A row of `upload_sessions` belongs to one blob and outlives it, so that a late caller still learns the outcome
of the upload. Most of its state follows from the blob's (`sessions.rows`).
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, metadata
from strongroom.metadata.v1.upload_session_service_pb2 import SESSION_KIND_PARTIAL

EMPTY = sa.text("''::bytea")

upload_sessions = sa.Table(
    "upload_sessions",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("upload_id", BYTE_ORDER, nullable=False, doc="unguessable name"),
    sa.Column("blob_id", pg.UUID(), nullable=False, doc="no foreign key: the row outlives its blob"),
    sa.Column("kind", sa.SmallInteger(), nullable=False, doc="metadata.v1.SessionKind"),
    sa.Column(
        "ended", sa.SmallInteger(), nullable=False, server_default=sa.text("0"), doc="1 cancelled, 2 lost"
    ),
    sa.Column("request_id", BYTE_ORDER, nullable=False, server_default=""),
    sa.Column("fingerprint", sa.LargeBinary(), nullable=False, server_default=EMPTY),
    sa.Column("size_bytes", sa.BigInteger(), doc="null: deferred"),
    sa.Column("persisted_size", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    sa.Column("prefix_crc32c", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    sa.Column("segments", sa.LargeBinary(), nullable=False, server_default=EMPTY, doc="Session.segments"),
    sa.Column("annotation", sa.LargeBinary(), nullable=False, server_default=EMPTY),
    sa.Column("expires_at", MOMENT, nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("told_at", MOMENT, doc="when the last progress event was sent"),
    sa.Column("finished_at", MOMENT, doc="when its bytes were stored for good"),
    sa.Column("swept_at", MOMENT, doc="when its end was handled and its segments left to the cleaner"),
    sa.Column("forget_at", MOMENT, doc="when the row is deleted"),
    sa.PrimaryKeyConstraint("owner_id", "upload_id", name="upload_sessions_pkey"),
    sa.UniqueConstraint("owner_id", "blob_id", name="upload_sessions_blob"),
    sa.CheckConstraint("kind BETWEEN 1 AND 4 AND ended BETWEEN 0 AND 2", name="upload_sessions_numbers"),
    sa.CheckConstraint(
        "persisted_size >= 0 AND prefix_crc32c BETWEEN 0 AND 4294967295", name="upload_sessions_prefix"
    ),
    sa.CheckConstraint("size_bytes >= persisted_size", name="upload_sessions_length"),
    sa.Index(
        "upload_sessions_by_request", "owner_id", "request_id", postgresql_where=sa.text("request_id <> ''")
    ),
    sa.Index("upload_sessions_name", "upload_id"),
    sa.Index("upload_sessions_unswept", "created_at", postgresql_where=sa.text("swept_at IS NULL")),
    sa.Index(
        "upload_sessions_partials",
        "expires_at",
        postgresql_where=sa.text(f"kind = {SESSION_KIND_PARTIAL} AND finished_at IS NOT NULL"),
    ),
    sa.Index("upload_sessions_forgotten", "forget_at", postgresql_where=sa.text("forget_at IS NOT NULL")),
)

session_parts = sa.Table(
    "session_parts",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("blob_id", pg.UUID(), nullable=False),
    sa.Column("number", sa.Integer(), nullable=False, doc="part number, within the contiguous prefix"),
    sa.Column("etag", sa.Text(), nullable=False),
    sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    sa.Column("crc32c", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("owner_id", "blob_id", "number", name="session_parts_pkey"),
    sa.ForeignKeyConstraint(
        ["owner_id", "blob_id"],
        ["upload_sessions.owner_id", "upload_sessions.blob_id"],
        name="session_parts_session",
        ondelete="CASCADE",
    ),
)
