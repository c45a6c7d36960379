"""Messages to targets: the body (docs/webhooks.md) and its signature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from metadata_service.db.database import Row
from metadata_service.webhooks.rows import compact, to_delivery
from metadata_service.webhooks.secrets import Secret, signature
from strongroom.enum_words import event_name
from strongroom.metadata.v1.webhook_delivery_service_pb2 import ClaimedDelivery


@dataclass(frozen=True, slots=True)
class Unsigned:
    """The webhook's secret can't be read."""

    owner_id: str
    webhook_id: str


def message(row: Row, kept: Sequence[Secret], timestamp: int) -> ClaimedDelivery:
    """The message for a row of DELIVERY. The body is the same in each try; `timestamp` (seconds since 1970)
    is not.
    """
    delivery = to_delivery(row)
    event = delivery.event
    body = compact(
        {
            "type": event_name(event.type),
            "timestamp": event.create_time.ToJsonString(),
            "id": event.id,
            "user_id": delivery.user_id,
            "subject_id": event.subject_id,
            "data": json.loads(event.payload_json),
        }
    ).encode()
    return ClaimedDelivery(
        message_id=delivery.id,
        timestamp=timestamp,
        signature=signature(kept, delivery.id, timestamp, body),
        body=body,
    )
