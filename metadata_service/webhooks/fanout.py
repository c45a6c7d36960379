"""Makes deliveries from events: each webhook has a cursor into the outbox and takes the events after it.

A webhook with `backlog` waiting deliveries takes no more; the rest stays in the outbox, which bounds the cost
of a dead target. One claimer at a time does this (its lock), so one transaction moves a cursor and makes its
rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from metadata_service.config import WebhookRules
from metadata_service.db.database import Row, Transaction
from metadata_service.events.horizon import HORIZON
from metadata_service.webhooks import due
from metadata_service.webhooks.rows import ACTIVE, INSTALLATION, PENDING
from metadata_service.webhooks.targets import OF_PROJECTS, PROGRESS, PROJECT
from strongroom.families import FAMILY_NAMES
from strongroom.metadata.v1 import notification_service_pb2 as events

log = structlog.get_logger(__name__)

WEBHOOKS: Final = 50
"""Webhooks handled in one pass, oldest cursors first."""
SCAN: Final = 200
"""Events of one webhook in one pass."""
IDLE_SECONDS: Final = 600.0
FULL_SECONDS: Final = 10.0
"""A full webhook is counted again after a tenth of its deliveries, or after this time. Otherwise each claim
would cost as much as everything that waits.
"""
SLACK_SECONDS: Final = 30.0
"""An event's time may be that of the beginning of its transaction, which is at most this much earlier."""

_AFTER: Final = (
    f"(events.xid, events.id) > (webhooks.cursor_xid, webhooks.cursor_id) AND events.xid < {HORIZON}"
)
_HAS_NEWS: Final = f"""
CASE WHEN webhooks.owner_id = '{INSTALLATION}' THEN EXISTS (SELECT FROM events WHERE {_AFTER})
    ELSE EXISTS (SELECT FROM events WHERE events.owner_id = webhooks.owner_id AND {_AFTER}) END
"""
# Nothing came after the cursor: move it to this moment, before events at its old position are forgotten.
CATCH_UP: Final = f"""
UPDATE webhooks SET cursor_xid = {HORIZON}, cursor_id = 0, cursor_at = now()
WHERE (owner_id, id) IN (
    SELECT owner_id, id FROM webhooks
    WHERE cursor_at < now() - make_interval(secs => %(idle)s) AND NOT {_HAS_NEWS}
    ORDER BY cursor_at LIMIT 500 FOR UPDATE SKIP LOCKED
)
"""
# Only webhooks with news that are not known to be full are counted.
_BEHIND: Final = f"""
WITH behind AS MATERIALIZED (
    SELECT owner_id, webhooks.id, cursor_at, delivered
    FROM webhooks LEFT JOIN unnest(%(full)s::uuid[], %(until)s::bigint[]) AS known (id, until)
        ON known.id = webhooks.id
    WHERE state = {ACTIVE} AND (known.id IS NULL OR delivered >= known.until) AND {_HAS_NEWS}
)
SELECT behind.id::text, room, delivered FROM behind CROSS JOIN LATERAL (
    SELECT %(backlog)s - count(*) AS room FROM webhook_deliveries AS waiting
    WHERE waiting.owner_id = behind.owner_id AND waiting.webhook_id = behind.id AND waiting.state = {PENDING}
) AS backlog
ORDER BY cursor_at
"""
_CURSORS: Final = f"""
SELECT owner_id, id::text, cursor_xid::text, cursor_id, types, families,
    cursor_at < now() - make_interval(secs => %(kept)s)
FROM webhooks WHERE id = ANY(%(ids)s::uuid[]) AND state = {ACTIVE} FOR UPDATE SKIP LOCKED
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
_ID: Final = "md5({}::text || ':' || {})::uuid"
_SCAN: Final = """
WITH scanned AS MATERIALIZED (
    SELECT xid, id, owner_id, type, subject_id, payload, created_at, traceparent FROM events
    WHERE {mine} (xid, id) > (%(xid)s::text::xid8, %(number)s) AND xid < {horizon}
    ORDER BY xid, id LIMIT %(limit)s
), made AS (
    INSERT INTO webhook_deliveries AS deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at,
        type, subject_id, payload, traceparent, behind_until)
    SELECT %(owner)s, %(id)s::uuid, {delivery}, owner_id, xid, id, created_at, type, subject_id, payload,
        traceparent, CASE WHEN row_number() OVER (PARTITION BY subject_id ORDER BY xid, id) > 1
            OR EXISTS (SELECT FROM ({first}) AS first
                WHERE (first.xid, first.event_id) < (scanned.xid, scanned.id))
            THEN now() + make_interval(secs => {behind}) END
    FROM scanned
    WHERE (CASE WHEN cardinality(%(types)s::smallint[]) = 0 THEN type NOT IN ({progress})
            ELSE type = ANY(%(types)s::smallint[]) END)
        AND (cardinality(%(families)s::text[]) = 0 OR ({family}) = ANY(%(families)s::text[]))
        AND NOT EXISTS (SELECT FROM erasures WHERE erasures.owner_id = scanned.owner_id)
    ON CONFLICT (owner_id, webhook_id, id) DO UPDATE
        SET state = {pending}, tries = 0, next_at = now(), lease_until = NULL, ended_at = NULL,
            behind_until = excluded.behind_until
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
        horizon=HORIZON,
        delivery=_ID.format("%(id)s::uuid", "xid::text || '-' || id"),
        progress=_numbers(PROGRESS),
        family=_FAMILY,
        pending=PENDING,
        behind=due.BEHIND_SECONDS,
        first=due.FIRST_OF_SUBJECT.format(
            columns="xid, first.event_id",
            owner="%(owner)s",
            webhook="%(id)s::uuid",
            subject="scanned.subject_id",
        ),
    )


_SCAN_OWN: Final = _scan("owner_id = %(owner)s AND")
_SCAN_ALL: Final = _scan("")
_THIS: Final = "owner_id = %(owner)s AND id = %(id)s::uuid"
_KEPT_FROM: Final = "now() - make_interval(secs => %(kept)s)"


def _tell_lost(cursors: str, until: str) -> str:
    """Make a delivery for each of the ``cursors`` that says: events after it, up to ``until``, were lost."""
    delivery = _ID.format("id", "'lost-' || cursor_xid || '-' || cursor_id")
    return f"""
    INSERT INTO webhook_deliveries (owner_id, webhook_id, id, user_id, xid, event_id, event_at, type,
        subject_id, payload)
    SELECT owner_id, id, {delivery}, owner_id, cursor_xid, cursor_id, cursor_at,
        {events.EVENT_TYPE_EVENTS_LOST}, id::text,
        jsonb_build_object(
            'after', cursor_xid || '-' || cursor_id || '-' || floor(extract(epoch FROM cursor_at)),
            'lost_from', to_json(cursor_at), 'lost_until', to_json({until}))
    FROM {cursors} ON CONFLICT DO NOTHING
"""


# Sent once, before the events that were kept; it moves the cursor's time on.
_LOST: Final = f"""
WITH told AS ({_tell_lost(f"webhooks WHERE {_THIS}", _KEPT_FROM)})
UPDATE webhooks SET lost_from = cursor_at, lost_until = {_KEPT_FROM} WHERE {_THIS}
"""
# A database restored from a dump counts its transactions from the beginning, so no event would come after
# such a cursor. Events that waited in the outbox are lost; from now on none is missed.
FROM_ELSEWHERE: Final = f"""
WITH stray AS MATERIALIZED (
    SELECT owner_id, id, cursor_xid, cursor_id, cursor_at FROM webhooks
    WHERE cursor_xid > pg_snapshot_xmax(pg_current_snapshot()) LIMIT 500 FOR UPDATE SKIP LOCKED
), told AS ({_tell_lost("stray", "now()")})
UPDATE webhooks SET cursor_xid = '0', cursor_id = 0, cursor_at = now(), lost_from = stray.cursor_at,
    lost_until = now()
FROM stray WHERE webhooks.owner_id = stray.owner_id AND webhooks.id = stray.id
"""
#: In the order of the statement's array: index 0 is the name of family 0.
_NAMES: Final = [FAMILY_NAMES[number] for number in sorted(FAMILY_NAMES)]


class Full:
    """Webhooks without room, and when to count them again. One instance per process."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def params(self) -> dict[str, object]:
        """Their ids, and the number of deliveries after which each has room."""
        now = time.monotonic()
        self._known = {webhook: known for webhook, known in self._known.items() if known[0] > now}
        return {"full": list(self._known), "until": [until for _, until in self._known.values()]}

    def found(self, webhook_id: str, delivered: int) -> None:
        """Note a full webhook: it is counted again once it has made `delivered` deliveries."""
        self._known[webhook_id] = time.monotonic() + FULL_SECONDS, delivered


@dataclass(frozen=True, slots=True)
class FanOut:
    """Moves cursors, under the claimers' lock. ``horizon``: the parameters of `HORIZON`."""

    rules: WebhookRules
    full: Full
    horizon: Mapping[str, object]

    async def advance(self, tx: Transaction) -> bool:
        """One pass. Returns whether more is likely."""
        kept = max(0.0, self.rules.events - min(SLACK_SECONDS, self.rules.events / 10))
        if strays := await tx.execute(FROM_ELSEWHERE):
            log.warning("webhook_cursors_of_another_database", webhooks=strays)
        idle = min(IDLE_SECONDS, self.rules.events / 10)
        await tx.execute(CATCH_UP, {"idle": idle, **self.horizon})
        more = False
        rooms = await self._with_room(tx)
        for owner, webhook, xid, number, types, families, lost in await self._cursors(tx, rooms, kept):
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
                "limit": min(SCAN, rooms[webhook]),
                **self.horizon,
            }
            statement = _SCAN_ALL if owner == INSTALLATION else _SCAN_OWN
            for scanned, _ in await tx.fetch(statement, params):
                more |= scanned == params["limit"]
        return more

    async def _with_room(self, tx: Transaction) -> dict[str, int]:
        """Webhooks with news and room, oldest cursors first, and how many more deliveries each takes."""
        rooms = dict[str, int]()
        backlog = self.rules.backlog
        params = {"backlog": backlog, **self.full.params(), **self.horizon}
        for webhook, room, delivered in await tx.fetch(_BEHIND, params):
            if room <= 0:
                self.full.found(webhook, delivered + max(1, backlog // 10))
            elif len(rooms) < WEBHOOKS:
                rooms[webhook] = room
        return rooms

    async def _cursors(self, tx: Transaction, rooms: dict[str, int], kept: float) -> list[Row]:
        return await tx.fetch(_CURSORS, {"ids": list(rooms), "kept": kept}) if rooms else []
