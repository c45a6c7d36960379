"""Tables of admins' acts, erasures and replicas. See `tables` for the rules of all tables."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, metadata

#: Tables whose rows the service's role may neither change nor delete.
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

#: A table of its own, so that its rows can be deleted when the owner is erased.
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
    sa.Column("owner_id", BYTE_ORDER, doc="while it is running; null afterwards"),
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
    sa.Column("shut_at", MOMENT, doc="from then on new transactions see the erasure"),
    sa.Column("ended_at", MOMENT),
    sa.Column("held_until", MOMENT, doc="until when backups contain the erased data; null: unknown"),
    sa.Column("quarantine_seen_at", MOMENT, doc="Erasure.quarantine_time"),
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

running_acts = sa.Table(
    "running_acts",
    metadata,
    sa.Column("act_id", sa.BigInteger(), autoincrement=False, nullable=False, doc="of the act's `begun` row"),
    sa.Column("act", sa.Text(), nullable=False),
    sa.Column("actor", sa.Text(), nullable=False),
    sa.Column("changes_objects", sa.Boolean(), nullable=False, doc="only one such act runs at a time"),
    sa.Column("token", pg.UUID(), doc="of the call in progress; null: between two calls"),
    sa.Column("calls", sa.Integer(), nullable=False, server_default=sa.text("1")),
    sa.Column("counts", sa.Text(), nullable=False, server_default="{}", doc="a JSON object of numbers"),
    sa.Column("begun_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("held_until", MOMENT, nullable=False, doc="renewed by the call in progress"),
    sa.PrimaryKeyConstraint("act_id", name="running_acts_pkey"),
    sa.Index(
        "running_acts_objects",
        "changes_objects",
        unique=True,
        postgresql_where=sa.text("changes_objects"),
    ),
    sa.Index("running_acts_by_token", "token", unique=True),
)

storage_replicas = sa.Table(
    "storage_replicas",
    metadata,
    sa.Column("name", sa.Text(), nullable=False, doc="host and process"),
    sa.Column(
        "instance",
        pg.UUID(),
        nullable=False,
        doc="the process; a new process of the same name is not drained",
    ),
    sa.Column("reported_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("drained_at", MOMENT, doc="since when it must begin nothing new; null: not drained"),
    sa.Column(
        "busy",
        pg.ARRAY(sa.Text()),
        nullable=False,
        server_default=sa.text("'{}'::text[]"),
        doc="loops that are working",
    ),
    sa.Column(
        "requests", sa.Integer(), nullable=False, server_default=sa.text("0"), doc="requests in progress"
    ),
    sa.Column(
        "draining",
        sa.Boolean(),
        nullable=False,
        server_default=sa.text("false"),
        doc="whether it knows of `drained_at`",
    ),
    sa.PrimaryKeyConstraint("name", name="storage_replicas_pkey"),
)
