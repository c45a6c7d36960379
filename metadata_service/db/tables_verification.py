"""Tables of verification. See `tables` for the rules of all tables. These tables have no owner; only the
system sees them.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, metadata
from strongroom.metadata.v1.verification_pb2 import VERIFICATION_STATE_RUNNING

_RUNNING: Final = f"state = {VERIFICATION_STATE_RUNNING}"

installation = sa.Table(
    "installation",
    metadata,
    sa.Column("id", pg.UUID(), nullable=False, doc="identifies this database; the table has one row"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("id", name="installation_pkey"),
)

verifications = sa.Table(
    "verifications",
    metadata,
    sa.Column("id", pg.UUID(), nullable=False),
    sa.Column("state", sa.SmallInteger(), nullable=False, doc="metadata.v1.VerificationState"),
    sa.Column("depth", sa.SmallInteger(), nullable=False, doc="metadata.v1.VerificationDepth"),
    sa.Column("installation_id", pg.UUID(), nullable=False),
    sa.Column("revision", sa.Text(), nullable=False, doc="of the schema"),
    sa.Column("begin_position", sa.Text(), nullable=False, doc="in the write-ahead log"),
    sa.Column("end_position", sa.Text(), nullable=False, server_default=""),
    sa.Column("failure", sa.Text(), nullable=False, server_default=""),
    sa.Column("begun_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("ended_at", MOMENT),
    sa.PrimaryKeyConstraint("id", name="verifications_pkey"),
    sa.CheckConstraint(
        f"state BETWEEN 1 AND 3 AND ({_RUNNING}) = (ended_at IS NULL)", name="verifications_state"
    ),
    sa.Index("verifications_running", "state", unique=True, postgresql_where=sa.text(_RUNNING)),
    sa.Index("verifications_begun", "begun_at"),
)

verification_shards = sa.Table(
    "verification_shards",
    metadata,
    sa.Column("verification_id", pg.UUID(), nullable=False),
    sa.Column("number", sa.Integer(), nullable=False),
    sa.Column("stage", sa.SmallInteger(), nullable=False, doc="metadata.v1.VerificationStage"),
    sa.Column("cursor", BYTE_ORDER, nullable=False, doc="where to continue"),
    sa.Column("until_key", BYTE_ORDER, nullable=False, server_default="", doc="last key; empty: no end"),
    sa.Column("epoch", sa.BigInteger(), nullable=False, server_default="1", doc="raised by each claim"),
    sa.Column("failures", sa.Integer(), nullable=False, server_default="0", doc="consecutive ones"),
    sa.Column("free_at", MOMENT, nullable=False, server_default=NOW, doc="when it may be claimed"),
    sa.Column("done_at", MOMENT),
    sa.Column(
        "counts",
        sa.LargeBinary(),
        nullable=False,
        server_default=sa.text("''::bytea"),
        doc="VerificationCounts",
    ),
    sa.PrimaryKeyConstraint("verification_id", "number", name="verification_shards_pkey"),
)

verification_findings = sa.Table(
    "verification_findings",
    metadata,
    sa.Column("verification_id", pg.UUID(), nullable=False),
    sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column("kind", sa.SmallInteger(), nullable=False, doc="metadata.v1.FindingKind"),
    sa.Column("size_bytes", sa.BigInteger(), nullable=False),
    sa.Column("finding", sa.LargeBinary(), nullable=False, doc="metadata.v1.Finding"),
    sa.PrimaryKeyConstraint("verification_id", "number", name="verification_findings_pkey"),
)
