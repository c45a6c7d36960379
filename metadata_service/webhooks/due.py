"""Finds the due deliveries of all owners. The cost of a claim depends on what it takes, not on what waits.

Of each webhook with a free place, the first few are read in index order. Of one subject only the first may be
sent. Deliveries behind it are set aside when they are made (`fanout`) or met; the next one returns when the
first ends (`NEXT_OF_SUBJECT`), in the transaction that records it. A delivery that was not brought back is
checked again at `behind_until`.
"""

from __future__ import annotations

from typing import Final

from metadata_service.webhooks.rows import ACTIVE, DELIVERY, INSTALLATION, PENDING
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_WEBHOOK_PING as PING

BEHIND_SECONDS: Final = 600.0
#: Extra deliveries read per webhook, because some may be behind others.
SPARE: Final = 8

#: The condition of the index `webhook_deliveries_next`.
OF_EVENTS: Final = f"waiting.state = {PENDING} AND waiting.type <> {PING}"
WAITING_DUE: Final = "GREATEST(waiting.next_at, waiting.behind_until)"
#: The first waiting delivery of a subject: one step in `webhook_deliveries_subject`, however many follow.
FIRST_OF_SUBJECT: Final = f"""
SELECT first.{{columns}} FROM webhook_deliveries AS first
WHERE first.owner_id = {{owner}} AND first.webhook_id = {{webhook}} AND first.subject_id = {{subject}}
    AND first.state = {PENDING}
ORDER BY first.xid, first.event_id LIMIT 1
"""
FIRST: Final = FIRST_OF_SUBJECT.format(
    columns="id", owner="waiting.owner_id", webhook="waiting.webhook_id", subject="waiting.subject_id"
)
_OF_WEBHOOK: Final = "waiting.owner_id = places.owner_id AND waiting.webhook_id = places.webhook_id"
_SOME: Final = f"LIMIT places.free + places.under_way + {SPARE}"
# Skips locked rows, because the code that records the end of a delivery must not wait for a claim that waits
# for it. A delivery is set aside behind a first one only while that one can't end.
CLAIM: Final = f"""
WITH busy AS (
    SELECT owner_id, webhook_id, count(*) AS under_way FROM webhook_deliveries
    WHERE state = {PENDING} AND lease_until > now() GROUP BY owner_id, webhook_id
), owners AS (SELECT owner_id, sum(under_way) AS under_way FROM busy GROUP BY owner_id
), places AS MATERIALIZED (
    SELECT webhooks.owner_id, webhooks.id AS webhook_id, coalesce(busy.under_way, 0) AS under_way,
        coalesce(owners.under_way, 0) AS of_owner,
        CASE WHEN webhooks.failures = 0 THEN %(each)s ELSE 1 END - coalesce(busy.under_way, 0) AS free
    FROM webhooks LEFT JOIN busy ON busy.owner_id = webhooks.owner_id AND busy.webhook_id = webhooks.id
    LEFT JOIN owners ON owners.owner_id = webhooks.owner_id
    WHERE webhooks.state = {ACTIVE} AND (webhooks.not_before IS NULL OR webhooks.not_before <= now())
), looked_at AS MATERIALIZED (
    SELECT places.owner_id, places.webhook_id, places.of_owner, places.free, one.*
    FROM places CROSS JOIN LATERAL (
        (SELECT id, next_at AS due_at, xid, event_id, lease_until, true AS ping, id AS first
        FROM webhook_deliveries AS waiting
        WHERE {_OF_WEBHOOK} AND waiting.state = {PENDING} AND waiting.type = {PING} AND next_at <= now()
        ORDER BY next_at {_SOME})
        UNION ALL
        (SELECT id, {WAITING_DUE} AS due_at, xid, event_id, lease_until, false AS ping, ({FIRST}) AS first
        FROM webhook_deliveries AS waiting
        WHERE {_OF_WEBHOOK} AND {OF_EVENTS} AND {WAITING_DUE} <= now()
        ORDER BY {WAITING_DUE}, xid, event_id {_SOME})
    ) AS one
    WHERE places.free > 0 AND (places.owner_id = '{INSTALLATION}' OR places.of_owner < %(parallel)s)
), ranked AS (
    SELECT *, row_number() OVER (
        PARTITION BY owner_id, webhook_id ORDER BY NOT ping, due_at, xid, event_id) AS place
    FROM looked_at WHERE id = first AND (lease_until IS NULL OR lease_until <= now())
), due AS (
    SELECT *, row_number() OVER (PARTITION BY owner_id ORDER BY NOT ping, due_at) AS turn
    FROM ranked WHERE place <= free
), chosen AS (
    SELECT * FROM due WHERE owner_id = '{INSTALLATION}' OR turn + of_owner <= %(parallel)s
    ORDER BY turn, due_at LIMIT %(limit)s
), locked AS MATERIALIZED (
    SELECT waiting.owner_id, waiting.webhook_id, waiting.id
    FROM chosen JOIN webhook_deliveries AS waiting USING (owner_id, webhook_id, id)
    WHERE waiting.state = {PENDING} FOR UPDATE OF waiting SKIP LOCKED
), behind AS MATERIALIZED (
    SELECT waiting.owner_id, waiting.webhook_id, waiting.id
    FROM looked_at JOIN webhook_deliveries AS waiting USING (owner_id, webhook_id, id)
    JOIN webhook_deliveries AS first ON first.owner_id = looked_at.owner_id
        AND first.webhook_id = looked_at.webhook_id AND first.id = looked_at.first
    WHERE looked_at.id <> looked_at.first AND waiting.state = {PENDING} AND first.state = {PENDING}
    FOR UPDATE OF waiting SKIP LOCKED FOR SHARE OF first SKIP LOCKED
), moved AS (
    UPDATE webhook_deliveries AS waiting SET behind_until = now() + make_interval(secs => {BEHIND_SECONDS})
    FROM behind WHERE waiting.owner_id = behind.owner_id AND waiting.webhook_id = behind.webhook_id
        AND waiting.id = behind.id
)
UPDATE webhook_deliveries AS deliveries
SET claims = claims + 1, lease_until = now() + make_interval(secs => %(lease)s)
FROM locked JOIN webhooks ON webhooks.owner_id = locked.owner_id AND webhooks.id = locked.webhook_id
WHERE deliveries.owner_id = locked.owner_id AND deliveries.webhook_id = locked.webhook_id
    AND deliveries.id = locked.id
RETURNING deliveries.owner_id, deliveries.claims, webhooks.url, webhooks.secrets,
    deliveries.traceparent, {DELIVERY}
"""
_NEXT: Final = FIRST_OF_SUBJECT.format(
    columns="id", owner="%(owner)s", webhook="%(webhook)s", subject="%(subject)s"
)
#: When a delivery of a subject has ended, its next one is due.
NEXT_OF_SUBJECT: Final = f"""
UPDATE webhook_deliveries SET behind_until = NULL
WHERE owner_id = %(owner)s AND webhook_id = %(webhook)s AND id = ({_NEXT}) AND behind_until IS NOT NULL
"""
