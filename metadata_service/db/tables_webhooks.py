"""Tables of webhooks. See `tables` for the rules of all tables. An empty `owner_id` means that the webhook
belongs to the installation.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from metadata_service.db.tables import BYTE_ORDER, MOMENT, NOW, TRACED, Xid8, metadata
from strongroom.metadata.v1 import webhook_pb2
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_WEBHOOK_PING

_ZERO = sa.text("0")
_ONE = sa.text("1")
_DEAD = sa.text(f"state = {webhook_pb2.DELIVERY_STATE_DEAD}")
_PENDING = sa.text(f"state = {webhook_pb2.DELIVERY_STATE_PENDING}")

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False),
    sa.Column("id", pg.UUID(), nullable=False),
    sa.Column("url", sa.Text(), nullable=False),
    sa.Column("description", sa.Text(), nullable=False),
    sa.Column("types", pg.ARRAY(sa.SmallInteger()), nullable=False, doc="metadata.v1.EventType; none: all"),
    sa.Column("families", pg.ARRAY(sa.Text()), nullable=False, doc="as events name them; none: all"),
    sa.Column("secrets", sa.LargeBinary(), nullable=False, doc="sealed secrets that sign, newest first"),
    sa.Column("state", sa.SmallInteger(), nullable=False, server_default=_ONE, doc="WebhookState"),
    sa.Column("cause", sa.Text(), nullable=False, server_default="", doc="why it is DISABLED"),
    sa.Column("cursor_xid", Xid8(), nullable=False, doc="xid of the last event that was read"),
    sa.Column("cursor_id", sa.BigInteger(), nullable=False),
    sa.Column(
        "cursor_at", MOMENT, nullable=False, doc="time of that event, or up to which none came after it"
    ),
    sa.Column("delivered", sa.BigInteger(), nullable=False, server_default=_ZERO),
    sa.Column(
        "failures", sa.Integer(), nullable=False, server_default=_ZERO, doc="consecutive ones, of the target"
    ),
    sa.Column("failing_since", MOMENT, doc="when it first failed after the last success"),
    sa.Column("not_before", MOMENT, doc="deliveries to the target are paused until then"),
    sa.Column("last_success_at", MOMENT),
    sa.Column("last_failure_at", MOMENT),
    sa.Column("last_failure", sa.Text(), nullable=False, server_default=""),
    sa.Column("lost_from", MOMENT, doc="events between these times were deleted before they were read"),
    sa.Column("lost_until", MOMENT),
    sa.Column("request_id", BYTE_ORDER, doc="idempotency key of the request that made it"),
    sa.Column("fingerprint", sa.LargeBinary(), doc="of that request"),
    sa.Column("created_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("updated_at", MOMENT, nullable=False, server_default=NOW),
    sa.PrimaryKeyConstraint("owner_id", "id", name="webhooks_pkey"),
    sa.CheckConstraint("state BETWEEN 1 AND 3", name="webhooks_state"),
    sa.CheckConstraint("(request_id IS NULL) = (fingerprint IS NULL)", name="webhooks_request"),
    sa.Index("webhooks_request_id", "owner_id", "request_id", unique=True),
    sa.Index("webhooks_newest", "owner_id", "created_at", "id"),
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("owner_id", BYTE_ORDER, nullable=False, doc="of the webhook"),
    sa.Column("webhook_id", pg.UUID(), nullable=False),
    sa.Column("id", pg.UUID(), nullable=False, doc="derived from webhook and event: one row for each pair"),
    sa.Column("user_id", BYTE_ORDER, nullable=False, doc="the user whose event it is"),
    sa.Column("xid", Xid8(), nullable=False, doc="the event's place in the outbox"),
    sa.Column("event_id", sa.BigInteger(), nullable=False),
    sa.Column("event_at", MOMENT, nullable=False),
    sa.Column("type", sa.SmallInteger(), nullable=False, doc="metadata.v1.EventType"),
    sa.Column(
        "subject_id", sa.Text(), nullable=False, doc="of each subject only the first pending one is sent"
    ),
    sa.Column("payload", pg.JSONB(), nullable=False),
    sa.Column(
        "state", sa.SmallInteger(), nullable=False, server_default=_ONE, doc="metadata.v1.DeliveryState"
    ),
    sa.Column("claims", sa.BigInteger(), nullable=False, server_default=_ZERO, doc="raised with each claim"),
    sa.Column("tries", sa.Integer(), nullable=False, server_default=_ZERO, doc="failed tries"),
    sa.Column("next_at", MOMENT, nullable=False, server_default=NOW),
    sa.Column("behind_until", MOMENT, doc="waits for an earlier one of its subject, at most until then"),
    sa.Column("lease_until", MOMENT, doc="a sender has claimed it until then"),
    sa.Column(
        "status", sa.Integer(), nullable=False, server_default=_ZERO, doc="HTTP status of the last try"
    ),
    sa.Column("failure", sa.Text(), nullable=False, server_default=""),
    sa.Column("ended_at", MOMENT),
    sa.Column("traceparent", sa.Text(), doc=TRACED),
    sa.PrimaryKeyConstraint("owner_id", "webhook_id", "id", name="webhook_deliveries_pkey"),
    sa.ForeignKeyConstraint(
        ["owner_id", "webhook_id"],
        ["webhooks.owner_id", "webhooks.id"],
        name="webhook_deliveries_webhook",
        ondelete="CASCADE",
    ),
    sa.CheckConstraint(
        f"state BETWEEN 1 AND 3 AND ({_PENDING}) = (ended_at IS NULL)", name="webhook_deliveries_state"
    ),
    sa.Index(
        "webhook_deliveries_next",
        *("owner_id", "webhook_id", sa.text("GREATEST(next_at, behind_until)"), "xid", "event_id"),
        postgresql_where=sa.text(f"{_PENDING} AND type <> {EVENT_TYPE_WEBHOOK_PING}"),
    ),
    sa.Index(
        "webhook_deliveries_pings",
        *("owner_id", "webhook_id", "next_at"),
        postgresql_where=sa.text(f"{_PENDING} AND type = {EVENT_TYPE_WEBHOOK_PING}"),
    ),
    sa.Index(
        "webhook_deliveries_subject",
        *("owner_id", "webhook_id", "subject_id", "xid", "event_id"),
        postgresql_where=_PENDING,
    ),
    sa.Index(
        "webhook_deliveries_leased",
        "lease_until",
        postgresql_where=sa.text(f"{_PENDING} AND lease_until IS NOT NULL"),
    ),
    sa.Index("webhook_deliveries_newest", "owner_id", "webhook_id", "xid", "event_id", "id"),
    sa.Index("webhook_deliveries_dead", "owner_id", "webhook_id", postgresql_where=_DEAD),
    sa.Index(
        "webhook_deliveries_ended", "state", "ended_at", postgresql_where=sa.text("ended_at IS NOT NULL")
    ),
    sa.Index("webhook_deliveries_user", "user_id"),
)
