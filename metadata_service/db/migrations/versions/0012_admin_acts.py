"""The audit log of admins' acts.

Revision ID: 0012
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import SYSTEM_SCOPE, secure

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ACTS = """
CREATE TABLE admin_acts (
    id bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    act text NOT NULL,
    actor text NOT NULL,
    owner_sha256 bytea,
    details text NOT NULL,
    outcome text NOT NULL,
    request_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT admin_acts_pkey PRIMARY KEY (id)
)
"""
OWNERS = """
CREATE TABLE admin_act_owners (
    owner_id text COLLATE "C" NOT NULL,
    act_id bigint NOT NULL,
    CONSTRAINT admin_act_owners_pkey PRIMARY KEY (owner_id, act_id)
)
"""


def upgrade() -> None:
    op.execute(ACTS)
    op.execute(OWNERS)
    op.execute("CREATE INDEX admin_acts_by_owner ON admin_acts (owner_sha256, id)")
    op.execute("CREATE INDEX admin_act_owners_by_act ON admin_act_owners (act_id)")
    secure("admin_acts", SYSTEM_SCOPE)
    secure("admin_act_owners")


def downgrade() -> None:
    op.execute("DROP TABLE admin_act_owners")
    op.execute("DROP TABLE admin_acts")
