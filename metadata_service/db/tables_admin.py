"""The schema of what admins do. See `tables` for the rules that hold for every table."""

from __future__ import annotations

import sqlalchemy as sa

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
