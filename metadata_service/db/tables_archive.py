"""The table of restores from an archive class. See `tables` for the rules of all tables."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, TRACED, metadata

archive_restores = sa.Table(
    "archive_restores",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("blob_id", pg.UUID(), nullable=False, doc="the content; no row: no restore is pending"),
    sa.Column("asked_at", MOMENT, nullable=False, doc="when the store was first asked to restore it"),
    sa.Column("look_at", MOMENT, nullable=False, doc="when the next check is due"),
    sa.Column("traceparent", sa.Text(), doc=TRACED),
    sa.PrimaryKeyConstraint("owner_id", "blob_id", name="archive_restores_pkey"),
    # Deleted with the blob (CASCADE), because it does not keep the bytes.
    sa.ForeignKeyConstraint(
        ["owner_id", "blob_id"],
        ["blobs.owner_id", "blobs.id"],
        name="archive_restores_blob",
        ondelete="CASCADE",
    ),
    sa.Index("archive_restores_due", "look_at"),
    sa.Index("archive_restores_due_by_owner", "owner_id", "look_at"),
)
