"""Webhooks: subscriptions of owners and of the installation, and deliveries made from events.

Revision ID: 0019
"""

from __future__ import annotations

from alembic import op

from metadata_service.db.migrations.row_security import refuse_while_erased, secure

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

WEBHOOKS = """
CREATE TABLE webhooks (
    owner_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    url text NOT NULL,
    description text NOT NULL,
    types smallint[] NOT NULL,
    families text[] NOT NULL,
    secrets bytea NOT NULL,
    state smallint NOT NULL DEFAULT 1,
    cause text NOT NULL DEFAULT '',
    cursor_xid xid8 NOT NULL,
    cursor_id bigint NOT NULL,
    cursor_at timestamptz NOT NULL,
    delivered bigint NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    failing_since timestamptz,
    not_before timestamptz,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_failure text NOT NULL DEFAULT '',
    lost_from timestamptz,
    lost_until timestamptz,
    request_id text COLLATE "C",
    fingerprint bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT webhooks_pkey PRIMARY KEY (owner_id, id),
    CONSTRAINT webhooks_state CHECK (state BETWEEN 1 AND 3),
    CONSTRAINT webhooks_request CHECK ((request_id IS NULL) = (fingerprint IS NULL))
)
"""
DELIVERIES = """
CREATE TABLE webhook_deliveries (
    owner_id text COLLATE "C" NOT NULL,
    webhook_id uuid NOT NULL,
    id uuid NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    xid xid8 NOT NULL,
    event_id bigint NOT NULL,
    event_at timestamptz NOT NULL,
    type smallint NOT NULL,
    subject_id text NOT NULL,
    payload jsonb NOT NULL,
    state smallint NOT NULL DEFAULT 1,
    claims bigint NOT NULL DEFAULT 0,
    tries integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz,
    status integer NOT NULL DEFAULT 0,
    failure text NOT NULL DEFAULT '',
    ended_at timestamptz,
    CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (owner_id, webhook_id, id),
    CONSTRAINT webhook_deliveries_webhook FOREIGN KEY (owner_id, webhook_id)
        REFERENCES webhooks (owner_id, id) ON DELETE CASCADE,
    CONSTRAINT webhook_deliveries_state CHECK (state BETWEEN 1 AND 3 AND (state = 1) = (ended_at IS NULL))
)
"""
_SUBJECT = "owner_id, webhook_id, subject_id, xid, event_id"
_ON = "ON webhook_deliveries"
INDEXES = (
    "UNIQUE INDEX webhooks_request_id ON webhooks (owner_id, request_id)",
    "INDEX webhooks_newest ON webhooks (owner_id, created_at, id)",
    "INDEX webhook_deliveries_due ON webhook_deliveries (owner_id, webhook_id, next_at) WHERE state = 1",
    f"INDEX webhook_deliveries_subject {_ON} ({_SUBJECT}) WHERE state = 1",
    f"INDEX webhook_deliveries_leased {_ON} (lease_until) WHERE state = 1 AND lease_until IS NOT NULL",
    "INDEX webhook_deliveries_newest ON webhook_deliveries (owner_id, webhook_id, xid, event_id, id)",
    "INDEX webhook_deliveries_dead ON webhook_deliveries (owner_id, webhook_id) WHERE state = 3",
    "INDEX webhook_deliveries_ended ON webhook_deliveries (state, ended_at) WHERE ended_at IS NOT NULL",
    "INDEX webhook_deliveries_user ON webhook_deliveries (user_id)",
)


def upgrade() -> None:
    op.execute(WEBHOOKS)
    op.execute(DELIVERIES)
    for index in INDEXES:
        op.execute(f"CREATE {index}")
    for table in ("webhooks", "webhook_deliveries"):
        secure(table)
        refuse_while_erased(table)


def downgrade() -> None:
    op.execute("DROP TABLE webhook_deliveries")
    op.execute("DROP TABLE webhooks")
