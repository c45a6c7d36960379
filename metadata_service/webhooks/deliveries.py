"""Deliveries as owners of webhooks see them (tests, lists, replays), until ended ones are deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from metadata_service.config import Timing, WebhookRules
from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from metadata_service.db.paging import PageTokens, fitting, page_size
from metadata_service.events.reader import parse
from metadata_service.webhooks.rows import (
    DEAD,
    DELIVERED,
    DELIVERY,
    PENDING,
    delivery_id,
    not_found,
    scope_of,
    to_delivery,
)
from servicekit.telemetry.tracing import origin
from strongroom.errors import OffsetOutOfRange, WebhookNotFound
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_WEBHOOK_PING
from strongroom.metadata.v1.webhook_pb2 import DeliveryState, WebhookDelivery

LARGEST_PAGE: Final = 100

_KNOWN: Final = "SELECT 1 FROM webhooks WHERE owner_id = %(owner)s AND id = %(webhook)s"
_PAGE: Final = f"""
SELECT {DELIVERY} FROM webhook_deliveries AS deliveries
WHERE owner_id = %(owner)s AND webhook_id = %(webhook)s{{in_state}}
    AND (xid, event_id, id) < (
        CASE WHEN %(xid)s::text IS NULL THEN '{2**64 - 1}' ELSE %(xid)s::text::xid8 END,
        %(event)s::bigint, %(id)s::uuid)
ORDER BY deliveries.xid DESC, deliveries.event_id DESC, deliveries.id DESC LIMIT %(limit)s
"""
#: By state; 0: any. Bounds and states that are conditions of an index even in a plan for any parameters (see
#: `paging.BEFORE`).
PAGES: Final = {
    one: _PAGE.format(in_state=f" AND state = {one}" if one else "") for one in (0, *DeliveryState.values())
}
# A test is sent at once, even to a target that is paused.
_AT_ONCE: Final = """
UPDATE webhooks SET not_before = NULL WHERE owner_id = %(owner)s AND id = %(webhook)s RETURNING 1
"""
_PING: Final = f"""
INSERT INTO webhook_deliveries AS deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at,
    type, subject_id, payload, traceparent)
VALUES (%(owner)s, %(webhook)s, %(id)s, %(user)s, pg_current_xact_id(), 0, now(), {EVENT_TYPE_WEBHOOK_PING},
    %(webhook)s::uuid::text, %(payload)s, %(traceparent)s)
RETURNING {DELIVERY}
"""
_AGAIN: Final = f"""
UPDATE webhook_deliveries SET state = {PENDING}, tries = 0, next_at = now(),
    behind_until = NULL, lease_until = CASE WHEN state = {PENDING} THEN lease_until END,
    ended_at = NULL, traceparent = coalesce(%(traceparent)s, traceparent)
WHERE owner_id = %(owner)s AND webhook_id = %(webhook)s
"""
_ONE_AGAIN: Final = f"{_AGAIN} AND id = %(id)s"
_DEAD_AGAIN: Final = f"{_AGAIN} AND state = {DEAD}"
# Events after this one are read again; waiting deliveries stay.
_GO_BACK: Final = """
UPDATE webhooks SET cursor_xid = %(xid)s::text::xid8, cursor_id = %(event)s, cursor_at = %(at)s
WHERE owner_id = %(owner)s AND id = %(webhook)s AND %(at)s > now() - make_interval(secs => %(events)s)
    AND %(xid)s::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot())
"""
_BATCH: Final = 500
_FORGET: Final = """
DELETE FROM webhook_deliveries WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM webhook_deliveries
    WHERE state = %(state)s AND ended_at IS NOT NULL AND ended_at <= now() - make_interval(secs => %(keep)s)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
"""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """`events`: how long the outbox keeps events, seconds."""

    database: Database
    tokens: PageTokens
    events: float

    async def ping(self, owner_id: str, webhook_id: UUID, user_id: str) -> WebhookDelivery:
        """Create a test delivery, requested by `user_id`. Raises WebhookNotFound."""
        values = {
            "owner": owner_id,
            "webhook": webhook_id,
            "id": uuid4(),
            "user": user_id,
            "payload": Jsonb({"webhook_id": str(webhook_id)}),
            "traceparent": origin(),
        }

        async def work(tx: Transaction) -> Row | None:
            if await tx.fetch_one(_AT_ONCE, values) is None:
                raise not_found()
            return await tx.fetch_one(_PING, values)

        row = await self.database.transact(scope_of(owner_id), work)
        if row is None:
            raise not_found()
        return to_delivery(row)

    async def page(
        self, owner_id: str, webhook_id: UUID, state: int, size: int, token: str
    ) -> tuple[list[WebhookDelivery], str]:
        """One page, newest event first, and the next one's token.

        Raises WebhookNotFound, InvalidPageToken.
        """
        query = ["ListDeliveries", owner_id, str(webhook_id), state]
        xid, event, last = self.tokens.open(query, token, parts=3) if token else (None, None, None)
        limit = page_size(size, default=LARGEST_PAGE, largest=LARGEST_PAGE)
        values = {
            "owner": owner_id,
            "webhook": webhook_id,
            "xid": xid,
            "event": int(event) if event is not None else None,
            "id": last,
            "limit": limit + 1,
        }
        scope = scope_of(owner_id)
        if not await self.database.read(scope, _KNOWN, values):
            raise not_found()
        rows = await self.database.read(scope, PAGES[state], values)
        page = fitting(rows[:limit], to_delivery)
        if len(rows) == len(page):
            return page, ""
        last_row = rows[len(page) - 1]
        return page, self.tokens.seal(query, [last_row[3], str(last_row[4]), last_row[0]])

    async def replay(self, owner_id: str, webhook_id: UUID, message_id: str = "") -> int:
        """Send this delivery again, whatever its outcome; without an id all dead letters. Returns how many.

        Raises WebhookNotFound: there is no such webhook, or it no longer has the delivery.
        """
        one = delivery_id(message_id) if message_id else None
        values = {"owner": owner_id, "webhook": webhook_id, "id": one, "traceparent": origin()}

        async def work(tx: Transaction) -> int:
            if await tx.fetch_one(_AT_ONCE, values) is None:
                raise not_found()
            return await tx.execute(_ONE_AGAIN if one else _DEAD_AGAIN, values)

        count = await self.database.transact(scope_of(owner_id), work)
        if one and not count:
            raise WebhookNotFound("This webhook has no such delivery, or it is no longer kept.")
        return count

    async def rewind(self, owner_id: str, webhook_id: UUID, event_id: str) -> None:
        """Send every event after this one again. Raises WebhookNotFound, InvalidField, OffsetOutOfRange."""
        position = parse(event_id, "after")
        values = {
            "owner": owner_id,
            "webhook": webhook_id,
            "xid": str(position.xid),
            "event": position.id,
            "at": position.at,
            "events": self.events,
        }

        async def work(tx: Transaction) -> None:
            if await tx.fetch_one(_KNOWN, values) is None:
                raise not_found()
            if not await tx.execute(_GO_BACK, values):
                raise OffsetOutOfRange(
                    "Events after this one are no longer kept, or it is of another installation;"
                    " read the lists."
                )

        await self.database.transact(scope_of(owner_id), work)


def forget_deliveries(rules: WebhookRules) -> Callable[[Database, Timing], Awaitable[int]]:
    """A chore for the cleaner's housekeeping, which deletes ended deliveries. Each round returns how many."""
    kept = {DELIVERED: rules.keep_delivered, DEAD: rules.keep_dead}
    statements = [(_FORGET, {"state": state, "keep": keep, "limit": _BATCH}) for state, keep in kept.items()]

    async def run(database: Database, _: Timing) -> int:
        return sum(await database.transact(SYSTEM, lambda tx: tx.batch(statements)))

    return run
