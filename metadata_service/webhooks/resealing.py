"""Seals webhooks' secrets with the current internal secret while it is being replaced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final
from uuid import UUID

import structlog

from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction
from metadata_service.webhooks.secrets import SealedSecrets

log = structlog.get_logger(__name__)

_BATCH: Final = 500
_SEALED: Final = """
SELECT owner_id, id, secrets FROM webhooks WHERE (owner_id, id) > (%(owner)s, %(id)s)
ORDER BY owner_id, id LIMIT %(limit)s
"""
_RESEAL: Final = """
UPDATE webhooks SET secrets = %(again)s WHERE owner_id = %(owner)s AND id = %(id)s AND secrets = %(sealed)s
"""
_FIRST: Final = ("", UUID(int=0))


def reseal(secrets: Sequence[bytes]) -> Callable[[Database, Timing], Awaitable[int]]:
    """A chore for the cleaner's housekeeping: afterwards the old secrets can be removed, and webhooks go on.

    Each round looks at some webhooks, and returns how many it resealed. ``secrets``: the current one first.
    """
    sealed, after = SealedSecrets(*secrets), _FIRST

    async def run(database: Database, _: Timing) -> int:
        nonlocal after

        async def work(tx: Transaction) -> tuple[int, tuple[str, UUID]]:
            rows = await tx.fetch(_SEALED, {"owner": after[0], "id": after[1], "limit": _BATCH})
            changed = [
                (_RESEAL, {"owner": owner, "id": webhook, "sealed": old, "again": again})
                for owner, webhook, old in rows
                if (again := sealed.resealed(bytes(old), owner, str(webhook))) is not None
            ]
            moved = sum(await tx.batch(changed)) if changed else 0
            return moved, (rows[-1][0], rows[-1][1]) if len(rows) == _BATCH else _FIRST

        moved, after = await database.transact(SYSTEM, work)
        if moved:
            log.info("webhook_secrets_resealed", webhooks=moved)
        return moved

    return run
