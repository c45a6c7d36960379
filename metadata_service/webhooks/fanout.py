"""Deliveries are made of events: each webhook has a cursor into the outbox and takes what comes after it.

A webhook takes no more once `backlog` of its deliveries wait; the rest stays in the outbox, which bounds what
a dead target costs. One claimer at a time does this (its lock), so a cursor is moved by one transaction,
together with the rows that it made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from metadata_service.config import WebhookRules
from metadata_service.db.database import Transaction
from metadata_service.webhooks.rows import ACTIVE, INSTALLATION, PENDING
from metadata_service.webhooks.targets import OF_PROJECTS, PROGRESS, PROJECT
from strongroom.families import FAMILY_NAMES
from strongroom.metadata.v1 import notification_service_pb2 as events

log = structlog.get_logger(__name__)

WEBHOOKS: Final = 50
"""So many are looked at in one pass; those whose cursors are oldest come first."""
SCAN: Final = 200
"""So many events of one webhook in one pass."""
IDLE_SECONDS: Final = 600.0
SLACK_SECONDS: Final = 30.0
"""An event may carry the time of the beginning of its transaction, which is so much earlier at the most."""

_XMIN: Final = "pg_snapshot_xmin(pg_current_snapshot())"
_AFTER: Final = (
    f"(events.xid, events.id) > (webhooks.cursor_xid, webhooks.cursor_id) AND events.xid < {_XMIN}"
)
_HAS_NEWS: Final = f"""
CASE WHEN webhooks.owner_id = '{INSTALLATION}' THEN EXISTS (SELECT FROM events WHERE {_AFTER})
    ELSE EXISTS (SELECT FROM events WHERE events.owner_id = webhooks.owner_id AND {_AFTER}) END
"""
# Nothing came after the cursor: it stands at this moment, and not where events will have been forgotten.
CATCH_UP: Final = f"""
UPDATE webhooks SET cursor_xid = {_XMIN}, cursor_id = 0, cursor_at = now()
WHERE (owner_id, id) IN (
    SELECT owner_id, id FROM webhooks
    WHERE cursor_at < now() - make_interval(secs => %(idle)s) AND NOT {_HAS_NEWS}
    ORDER BY cursor_at LIMIT 500 FOR UPDATE SKIP LOCKED
)
"""
# Not such as have no room: their cursors stand still, so they are the oldest, and would be all there is.
_BEHIND: Final = f"""
SELECT webhooks.owner_id, webhooks.id::text, cursor_xid::text, cursor_id, cursor_at, types, families, room,
    cursor_at < now() - make_interval(secs => %(kept)s)
FROM webhooks CROSS JOIN LATERAL (
    SELECT %(backlog)s - count(*) AS room FROM webhook_deliveries AS waiting
    WHERE waiting.owner_id = webhooks.owner_id AND waiting.webhook_id = webhooks.id
        AND waiting.state = {PENDING}
) AS backlog
WHERE state = {ACTIVE} AND {_HAS_NEWS} AND room > 0
ORDER BY cursor_at LIMIT %(limit)s FOR UPDATE OF webhooks SKIP LOCKED
"""


def _numbers(types: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(types)))


_FAMILY: Final = f"""
CASE WHEN scanned.type IN ({_numbers(OF_PROJECTS)})
    THEN '{PROJECT}'
    WHEN jsonb_typeof(scanned.payload -> 'family') = 'number'
    THEN (%(names)s::text[])[(scanned.payload ->> 'family')::int + 1]
    ELSE scanned.payload ->> 'family' END
"""
_ID: Final = "md5(%(id)s::uuid::text || ':' || {})::uuid"
_SCAN: Final = """
WITH scanned AS MATERIALIZED (
    SELECT xid, id, owner_id, type, subject_id, payload, created_at, traceparent FROM events
    WHERE {mine} (xid, id) > (%(xid)s::text::xid8, %(number)s) AND xid < {xmin}
    ORDER BY xid, id LIMIT %(limit)s
), made AS (
    INSERT INTO webhook_deliveries AS deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at,
        type, subject_id, payload, traceparent)
    SELECT %(owner)s, %(id)s::uuid, {delivery}, owner_id, xid, id, created_at, type, subject_id, payload,
        traceparent
    FROM scanned
    WHERE (CASE WHEN cardinality(%(types)s::smallint[]) = 0 THEN type NOT IN ({progress})
            ELSE type = ANY(%(types)s::smallint[]) END)
        AND (cardinality(%(families)s::text[]) = 0 OR ({family}) = ANY(%(families)s::text[]))
        AND NOT EXISTS (SELECT FROM erasures WHERE erasures.owner_id = scanned.owner_id)
    ON CONFLICT (owner_id, webhook_id, id) DO UPDATE
        SET state = {pending}, tries = 0, next_at = now(), lease_until = NULL, ended_at = NULL
        WHERE deliveries.state <> {pending}
    RETURNING 1
), last AS (SELECT xid, id, created_at FROM scanned ORDER BY xid DESC, id DESC LIMIT 1)
UPDATE webhooks SET cursor_xid = last.xid, cursor_id = last.id, cursor_at = last.created_at FROM last
WHERE webhooks.owner_id = %(owner)s AND webhooks.id = %(id)s::uuid
RETURNING (SELECT count(*) FROM scanned), (SELECT count(*) FROM made)
"""


def _scan(mine: str) -> str:
    return _SCAN.format(
        mine=mine,
        xmin=_XMIN,
        delivery=_ID.format("xid::text || '-' || id"),
        progress=_numbers(PROGRESS),
        family=_FAMILY,
        pending=PENDING,
    )


_SCAN_OWN: Final = _scan("owner_id = %(owner)s AND")
_SCAN_ALL: Final = _scan("")
# Told before what was kept, as a delivery of its own, and once: with it the cursor's time is over.
_LOST: Final = f"""
WITH told AS (
    INSERT INTO webhook_deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at, type,
        subject_id, payload)
    SELECT owner_id, id, {_ID.format("'lost-' || cursor_xid || '-' || cursor_id")}, owner_id, cursor_xid,
        cursor_id, cursor_at, {events.EVENT_TYPE_EVENTS_LOST}, id::text,
        jsonb_build_object(
            'after', cursor_xid || '-' || cursor_id || '-' || floor(extract(epoch FROM cursor_at)),
            'lost_from', to_json(cursor_at), 'lost_until', to_json(now() - make_interval(secs => %(kept)s)))
    FROM webhooks WHERE owner_id = %(owner)s AND id = %(id)s::uuid
    ON CONFLICT DO NOTHING
)
UPDATE webhooks SET lost_from = cursor_at, lost_until = now() - make_interval(secs => %(kept)s)
WHERE owner_id = %(owner)s AND id = %(id)s::uuid
"""
#: As the array of the statement has them: the name of family 0 first.
_NAMES: Final = [FAMILY_NAMES[number] for number in sorted(FAMILY_NAMES)]


@dataclass(frozen=True, slots=True)
class FanOut:
    """Moves cursors; under the claimers' lock."""

    rules: WebhookRules

    async def advance(self, tx: Transaction) -> bool:
        """One pass; whether more is likely."""
        kept = max(0.0, self.rules.events - min(SLACK_SECONDS, self.rules.events / 10))
        await tx.execute(CATCH_UP, {"idle": min(IDLE_SECONDS, self.rules.events / 10)})
        values = {"backlog": self.rules.backlog, "kept": kept, "limit": WEBHOOKS}
        more = False
        for owner, webhook, xid, number, _, types, families, room, lost in await tx.fetch(_BEHIND, values):
            if lost:
                log.warning("webhook_events_lost", webhook_id=webhook)
                await tx.execute(_LOST, {"owner": owner, "id": webhook, "kept": kept})
            params = {
                "owner": owner,
                "id": webhook,
                "xid": xid,
                "number": number,
                "types": types,
                "families": families,
                "names": _NAMES,
                "limit": min(SCAN, room),
            }
            statement = _SCAN_ALL if owner == INSTALLATION else _SCAN_OWN
            for scanned, _ in await tx.fetch(statement, params):
                more |= scanned == params["limit"]
        return more
