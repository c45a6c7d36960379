"""The schema of what admins do. See `tables` for the rules that hold for every table."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, metadata

#: Rows are written once and stay: the service's role may neither change nor delete them.
APPEND_ONLY = frozenset({"admin_acts"})

admin_acts = sa.Table(
    "admin_acts",
    metadata,
    sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column("act", sa.Text(), nullable=False, doc="AdminAct.act"),
    sa.Column("actor", sa.Text(), nullable=False, doc="`sub` of the admin; empty: the installation"),
    sa.Column("owner_sha256", sa.LargeBinary(), doc="AdminAct.owner_sha256; null: about nobody"),
    sa.Column("details", sa.Text(), nullable=False, doc="a JSON object without personal data"),
    sa.Column("outcome", sa.Text(), nullable=False),
    sa.Column("request_id", sa.Text(), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("id", name="admin_acts_pkey"),
    sa.Index("admin_acts_by_owner", "owner_sha256", "id"),
)

#: Apart, so that it can go when the owner is erased.
admin_act_owners = sa.Table(
    "admin_act_owners",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False, doc="whom the act was about"),
    sa.Column("act_id", sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint("owner_id", "act_id", name="admin_act_owners_pkey"),
    sa.Index("admin_act_owners_by_act", "act_id"),
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("id", pg.UUID(), nullable=False),
    sa.Column("owner_id", BYTE_ORDER, doc="while it is under way; then it is forgotten"),
    sa.Column("owner_sha256", sa.LargeBinary(), nullable=False, doc="AdminAct.owner_sha256"),
    sa.Column(
        "counts",
        sa.LargeBinary(),
        nullable=False,
        server_default=sa.text("''::bytea"),
        doc="metadata.v1.ErasureCounts",
    ),
    sa.Column("begin_position", sa.Text(), nullable=False, doc="in the write-ahead log"),
    sa.Column("end_position", sa.Text(), nullable=False, server_default=""),
    sa.Column("begun_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("shut_at", MOMENT, doc="since when every new transaction has seen that nothing may be added"),
    sa.Column("ended_at", MOMENT),
    sa.Column("held_until", MOMENT, doc="until when backups hold what was erased; null: not known"),
    sa.PrimaryKeyConstraint("id", name="erasures_pkey"),
    sa.CheckConstraint("(ended_at IS NULL) = (owner_id IS NOT NULL)", name="erasures_forgets"),
    sa.Index("erasures_running", "owner_id", unique=True, postgresql_where=sa.text("owner_id IS NOT NULL")),
    sa.Index("erasures_by_owner", "owner_sha256", "begun_at"),
)

cleaner_replicas = sa.Table(
    "cleaner_replicas",
    metadata,
    sa.Column("name", sa.Text(), nullable=False, doc="host and process of a storage_service"),
    sa.Column("seen_at", MOMENT, nullable=False, server_default=NOW, doc="when it last asked for work"),
    sa.PrimaryKeyConstraint("name", name="cleaner_replicas_pkey"),
)
