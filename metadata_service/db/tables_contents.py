"""The tables of what is recorded about stored contents: restores from an archive class, scans for malware.

See `tables` for the rules of all tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, TRACED, metadata
from strongroom.metadata.v1.scan_pb2 import SCAN_OUTCOME_CLEAN, SCAN_OUTCOME_INFECTED, SCAN_OUTCOME_UNSCANNED

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


_TO_SCAN = f"outcome IN ({SCAN_OUTCOME_CLEAN}, {SCAN_OUTCOME_UNSCANNED})"
_EMPTY = sa.text("''::text")

scans = sa.Table(
    "scans",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("blob_id", pg.UUID(), nullable=False, doc="the content; no row: nobody was asked to scan it"),
    sa.Column("outcome", sa.SmallInteger(), nullable=False, doc="metadata.v1.ScanOutcome"),
    sa.Column("scanned_at", MOMENT, nullable=False),
    sa.Column(
        "database",
        BYTE_ORDER,
        nullable=False,
        server_default=_EMPTY,
        doc="signatures of the last scan, even a failed one; empty: none",
    ),
    sa.Column("signature", sa.Text(), nullable=False, server_default=_EMPTY, doc="INFECTED: what was found"),
    sa.Column("cause", sa.Text(), nullable=False, server_default=_EMPTY, doc="Scan.cause"),
    sa.Column("scan_after", MOMENT, doc="not claimed for a scan before; null: at once"),
    sa.PrimaryKeyConstraint("owner_id", "blob_id", name="scans_pkey"),
    # Deleted with the blob (CASCADE), because it does not keep the bytes.
    sa.ForeignKeyConstraint(
        ["owner_id", "blob_id"], ["blobs.owner_id", "blobs.id"], name="scans_blob", ondelete="CASCADE"
    ),
    sa.CheckConstraint("outcome BETWEEN 1 AND 3", name="scans_outcome"),
    sa.Index("scans_due", "database", "scan_after", postgresql_where=sa.text(_TO_SCAN)),
    sa.Index(
        "scans_due_by_owner",
        "database",
        "owner_id",
        sa.text("scan_after NULLS FIRST"),
        postgresql_where=sa.text(_TO_SCAN),
    ),
    sa.Index(
        "scans_infected",
        "owner_id",
        "blob_id",
        postgresql_where=sa.text(f"outcome = {SCAN_OUTCOME_INFECTED}"),
    ),
)
