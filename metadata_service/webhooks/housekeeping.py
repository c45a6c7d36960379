"""Deletes ended deliveries after a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from metadata_service.config import Timing, WebhookRules
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.webhooks.rows import DEAD, DELIVERED

_BATCH: Final = 500
_FORGET: Final = """
DELETE FROM webhook_deliveries WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM webhook_deliveries
    WHERE state = %(state)s AND ended_at IS NOT NULL AND ended_at <= now() - make_interval(secs => %(keep)s)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
"""


def forget_deliveries(rules: WebhookRules) -> Callable[[Database, Timing], Awaitable[int]]:
    """A chore for the cleaner's housekeeping. Each round returns the number of deleted rows."""

    async def run(database: Database, _: Timing) -> int:
        async def work(tx: Transaction) -> int:
            kept = {DELIVERED: rules.keep_delivered, DEAD: rules.keep_dead}
            return sum(
                await tx.batch(
                    [
                        (_FORGET, {"state": state, "keep": keep, "limit": _BATCH})
                        for state, keep in kept.items()
                    ]
                )
            )

        return await database.transact(SYSTEM, work)

    return run
