"""Rows of `webhooks` and `webhook_deliveries`: columns, and conversion to protobuf."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from metadata_service.db.database import SYSTEM, Row, Scope, user
from metadata_service.db.timestamps import to_proto
from metadata_service.events.reader import Position, named
from strongroom.errors import WebhookNotFound
from strongroom.metadata.v1 import webhook_pb2 as pb
from strongroom.metadata.v1.notification_service_pb2 import Event

#: The owner of webhooks for the events of all users. Only the system's transactions see its rows.
INSTALLATION: Final = ""
ACTIVE: Final = pb.WEBHOOK_STATE_ACTIVE
PAUSED: Final = pb.WEBHOOK_STATE_PAUSED
DISABLED: Final = pb.WEBHOOK_STATE_DISABLED
PENDING: Final = pb.DELIVERY_STATE_PENDING
DELIVERED: Final = pb.DELIVERY_STATE_DELIVERED
DEAD: Final = pb.DELIVERY_STATE_DEAD

_COUNT: Final = """(SELECT count(*) FROM webhook_deliveries AS counted
    WHERE counted.owner_id = webhooks.owner_id AND counted.webhook_id = webhooks.id AND counted.state = {})"""
#: The columns for `to_webhook`, in its order; before them comes the number of secrets.
COLUMNS: Final = f"""
webhooks.id::text, webhooks.owner_id, webhooks.url, webhooks.description, webhooks.types, webhooks.families,
webhooks.state, webhooks.cause, webhooks.cursor_xid::text, webhooks.cursor_id, webhooks.cursor_at,
{_COUNT.format(PENDING)}, {_COUNT.format(DEAD)}, webhooks.delivered, webhooks.failing_since,
webhooks.last_success_at, webhooks.last_failure_at, webhooks.last_failure, webhooks.lost_from,
webhooks.lost_until, webhooks.created_at, webhooks.updated_at
"""
#: The columns for `to_delivery`, in its order.
DELIVERY: Final = """
deliveries.id::text, deliveries.webhook_id::text, deliveries.user_id, deliveries.xid::text,
deliveries.event_id, deliveries.event_at, deliveries.type, deliveries.subject_id, deliveries.payload,
deliveries.state, deliveries.tries, deliveries.next_at, deliveries.status, deliveries.failure,
deliveries.ended_at
"""


def scope_of(owner_id: str) -> Scope:
    """The scope of transactions on an owner's webhooks."""
    return SYSTEM if owner_id == INSTALLATION else user(owner_id)


def to_webhook(row: Row, secrets: int) -> pb.Webhook:
    """Convert a row of COLUMNS. `secrets`: how many of them sign."""
    (
        webhook_id, owner_id, url, description, types, families, state, cause, xid, number, at, pending, dead,
        delivered, failing, succeeded, failed, failure, lost_from, lost_until, created, updated,
    ) = row  # fmt: skip
    webhook = pb.Webhook(
        id=webhook_id,
        owner_id=owner_id,
        url=url,
        description=description,
        filter=pb.EventFilter(types=types, families=families),
        state=state,
        cause=cause,
        cursor=Position(int(xid), number, at).token(),
        pending=pending,
        dead=dead,
        delivered=delivered,
        last_failure=failure,
        secrets=secrets,
        create_time=to_proto(created),
        update_time=to_proto(updated),
    )
    moments: dict[str, datetime | None] = {
        "failing_since_time": failing,
        "last_success_time": succeeded,
        "last_failure_time": failed,
        "lost_from_time": lost_from,
        "lost_until_time": lost_until,
    }
    for name, moment in moments.items():
        if moment is not None:
            getattr(webhook, name).CopyFrom(to_proto(moment))
    return webhook


def to_delivery(row: Row) -> pb.WebhookDelivery:
    """Convert a row of DELIVERY."""
    (
        delivery_id, webhook_id, user_id, xid, number, at, kind, subject, payload, state, tries, next_at,
        status, failure, ended,
    ) = row  # fmt: skip
    delivery = pb.WebhookDelivery(
        id=message_id(delivery_id),
        webhook_id=webhook_id,
        user_id=user_id,
        event=Event(
            id=Position(int(xid), number, at).token(),
            type=kind,
            subject_id=subject,
            payload_json=compact(named(payload)),
            create_time=to_proto(at),
        ),
        state=state,
        tries=tries,
        status=status,
        failure=failure,
    )
    if ended is not None:
        delivery.end_time.CopyFrom(to_proto(ended))
    else:
        delivery.next_try_time.CopyFrom(to_proto(next_at))
    return delivery


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def message_id(delivery_id: str | UUID) -> str:
    """The delivery's id as in the header webhook-id."""
    return "msg_" + UUID(str(delivery_id)).hex


def delivery_id(message: str) -> UUID:
    """The inverse of `message_id`."""
    return UUID(message.removeprefix("msg_"))


def not_found() -> WebhookNotFound:
    """The error for a webhook that the owner does not have."""
    return WebhookNotFound("There is no such webhook; ListWebhooks shows those that there are.")
