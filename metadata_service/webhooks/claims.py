"""Claims due deliveries for a sender, as signed messages (docs/webhooks.md), and records their outcomes.

There is one claimer at a time (a lock in the transaction, some milliseconds), so the deliveries in flight per
owner and per webhook are counted exactly over all replicas. A delivery stays PENDING while it is in flight,
so nothing later of its subject is due. If its sender dies, its lease runs out and it is sent again with the
same webhook-id. A failing webhook has one delivery in flight, after growing pauses; others are not delayed.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from metadata_service.config import WebhookRules
from metadata_service.db.database import SYSTEM, Database, Row, Transaction
from metadata_service.db.rotation import BY_INDEX
from metadata_service.events import outbox
from metadata_service.events.horizon import Horizon
from metadata_service.webhooks import due, fanout
from metadata_service.webhooks.rows import ACTIVE, DEAD, DELIVERED, DISABLED, PENDING, compact, to_delivery
from metadata_service.webhooks.secrets import SealedSecrets, Secret, signature
from strongroom.enum_words import event_name
from strongroom.metadata.v1.notification_service_pb2 import EVENT_TYPE_WEBHOOK_DISABLED
from strongroom.metadata.v1.webhook_delivery_service_pb2 import (
    ClaimedDelivery,
    DeliveryClaim,
    RecordDeliveryRequest,
)

log = structlog.get_logger(__name__)

MOST_RETRY_AFTER: Final = 24 * 3600.0
GONE: Final = 410
#: Answers that are about the target, not about the delivery: none, these, and 500 and above.
BUSY: Final = frozenset({408, 425, 429})
_LOCK: Final = "SELECT pg_advisory_xact_lock(7305148221020)"
_WEBHOOK: Final = """
SELECT failures, url, failing_since < now() - make_interval(secs => %(disable)s) FROM webhooks
WHERE owner_id = %(owner)s AND id = %(webhook)s FOR UPDATE
"""
_OF_CLAIM: Final = f"""
WHERE owner_id = %(owner)s AND webhook_id = %(webhook)s AND id = %(id)s AND claims = %(claims)s
    AND state = {PENDING}
"""
_ARRIVED: Final = f"""
UPDATE webhook_deliveries SET state = {DELIVERED}, ended_at = now(), lease_until = NULL, status = %(status)s,
    failure = '' {_OF_CLAIM} RETURNING subject_id
"""
_FAILED: Final = f"""
UPDATE webhook_deliveries SET tries = tries + 1, lease_until = NULL, status = %(status)s,
    failure = %(failure)s, state = CASE WHEN tries + 1 >= %(tries)s THEN {DEAD} ELSE {PENDING} END,
    ended_at = CASE WHEN tries + 1 >= %(tries)s THEN now() END,
    next_at = now() + make_interval(secs => greatest(%(retry_after)s,
        %(jitter)s * least(%(retry_max)s, %(retry)s * 3.0 ^ least(tries, 30))))
{_OF_CLAIM} RETURNING state, subject_id
"""
_WELL: Final = """
UPDATE webhooks SET delivered = delivered + 1, failures = 0, failing_since = NULL, not_before = NULL,
    last_success_at = now() WHERE owner_id = %(owner)s AND id = %(webhook)s
"""
_ILL: Final = """
UPDATE webhooks SET failures = failures + %(counts)s, failing_since = coalesce(failing_since, now()),
    last_failure_at = now(), last_failure = %(failure)s,
    not_before = CASE WHEN %(hold)s > 0 THEN now() + make_interval(secs => %(hold)s) ELSE not_before END
WHERE owner_id = %(owner)s AND id = %(webhook)s
"""
_DISABLE: Final = f"""
UPDATE webhooks SET state = {DISABLED}, cause = %(cause)s
WHERE owner_id = %(owner)s AND id = %(webhook)s AND state = {ACTIVE} RETURNING url
"""


@dataclass(frozen=True, slots=True)
class DeliveryClaims:
    """Hands out and takes back deliveries of all owners."""

    database: Database
    sealed: SealedSecrets
    rules: WebhookRules
    horizon: Horizon
    full: fanout.Full = field(default_factory=fanout.Full)

    async def claim(self, limit: int, lease: float) -> list[ClaimedDelivery]:
        """At most `limit` signed deliveries, each leased for `lease` seconds. Raises DatabaseUnavailable."""
        horizon = await self.horizon.params()

        async def work(tx: Transaction) -> list[ClaimedDelivery]:
            await tx.fetch_batch([(_LOCK, ()), BY_INDEX])
            await fanout.FanOut(self.rules, self.full, horizon).advance(tx)
            params = {
                "each": self.rules.parallel_each,
                "parallel": self.rules.parallel,
                "limit": limit,
                "lease": lease,
            }
            claimed = [self._signed(row) for row in await tx.fetch(due.CLAIM, params)]
            for one in claimed:
                if isinstance(one, _Unsigned):
                    await self._disable(tx, one.owner_id, one.webhook_id, "secret_unreadable")
            return [one for one in claimed if not isinstance(one, _Unsigned)]

        return await self.database.transact(SYSTEM, work)

    def _signed(self, row: Row) -> ClaimedDelivery | _Unsigned:
        owner, claims, url, sealed, traceparent, *delivery = row
        now = time.time()
        try:
            kept = self.sealed.open(bytes(sealed), owner, delivery[1], now)
        except ValueError:
            return _Unsigned(owner, delivery[1])
        made = _message(tuple(delivery), kept, int(now))
        made.url, made.traceparent = url, traceparent or ""
        made.claim.CopyFrom(
            DeliveryClaim(owner_id=owner, webhook_id=delivery[1], delivery_id=delivery[0], number=claims)
        )
        return made

    async def record(self, told: RecordDeliveryRequest) -> str:
        """Record an outcome: `delivered`, `retried`, `dead`, or `stale` if it was claimed again, ended or
        removed.

        Raises DatabaseUnavailable.
        """
        claim = told.claim
        params: dict[str, object] = {
            "owner": claim.owner_id,
            "webhook": claim.webhook_id,
            "id": claim.delivery_id,
            "claims": claim.number,
            "status": told.status,
            "failure": told.failure,
            "disable": self.rules.disable,
        }

        async def work(tx: Transaction) -> str:
            webhook = await tx.fetch_one(_WEBHOOK, params)  # before the delivery, in the order of fan-out
            if webhook is None:
                return "stale"
            if 200 <= told.status < 300 and not told.failure:
                arrived = await tx.fetch_one(_ARRIVED, params)
                if arrived is None:
                    return "stale"
                of_subject = {**params, "subject": arrived[0]}
                await tx.batch([(_WELL, params), (due.NEXT_OF_SUBJECT, of_subject)])
                return "delivered"
            return await self._failed(tx, told, params, webhook)

        return await self.database.transact(SYSTEM, work)

    async def _failed(
        self, tx: Transaction, told: RecordDeliveryRequest, params: dict[str, object], webhook: Row
    ) -> str:
        failures, _, for_long = webhook
        retry_after = min(told.retry_after_seconds, MOST_RETRY_AFTER)
        of_target = told.status == 0 or told.status in BUSY or told.status >= 500
        hold = min(self.rules.hold_max, self.rules.retry / 5 * 2.0 ** min(failures, 30)) if of_target else 0.0
        params |= {
            "tries": self.rules.tries,
            "retry": self.rules.retry,
            "retry_max": self.rules.retry_max,
            "retry_after": retry_after,
            "jitter": random.uniform(0.75, 1.25),
            "counts": int(of_target),
            "hold": max(hold * random.uniform(0.75, 1.25), retry_after),
        }
        row = await tx.fetch_one(_FAILED, params)
        if row is None:
            return "stale"
        state, subject = row
        ended = [(due.NEXT_OF_SUBJECT, {**params, "subject": subject})] if state == DEAD else []
        await tx.batch([(_ILL, params), *ended])
        owner, webhook_id = told.claim.owner_id, told.claim.webhook_id
        if told.status == GONE:
            await self._disable(tx, owner, webhook_id, "gone")
        elif for_long:
            await self._disable(tx, owner, webhook_id, "failing")
        return "dead" if state == DEAD else "retried"

    async def _disable(self, tx: Transaction, owner_id: str, webhook_id: str, cause: str) -> None:
        params = {"owner": owner_id, "webhook": webhook_id, "cause": cause}
        if await tx.fetch_one(_DISABLE, params) is None:
            return
        log.warning("webhook_disabled", webhook_id=webhook_id, cause=cause)
        payload = {"webhook_id": webhook_id, "cause": cause}
        await tx.batch([outbox.append(owner_id, EVENT_TYPE_WEBHOOK_DISABLED, webhook_id, payload)])


@dataclass(frozen=True, slots=True)
class _Unsigned:
    """The webhook's secret can't be read."""

    owner_id: str
    webhook_id: str


def _message(row: Row, kept: Sequence[Secret], timestamp: int) -> ClaimedDelivery:
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
