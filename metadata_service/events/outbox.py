"""The outbox: events are written in the transaction that causes them, so a reader misses none and never sees
one that was rolled back.

The transaction sends no NOTIFY, which would lock the whole database until the commit is on disk. Watchers are
woken after the commit (`wakeups`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from psycopg.types.json import Jsonb

from metadata_service.db.database import Statement, Transaction
from metadata_service.db.scopes import INSERT_EVENTS
from servicekit.telemetry.tracing import origin
from strongroom.metadata.v1.notification_service_pb2 import EventType

_APPEND: Final = f"""
{INSERT_EVENTS} VALUES (%s, %s, %s, %s, %s)
"""
#: The same, one row for each row of the statement's relation `done`.
APPEND_OF_DONE: Final = f"""
{INSERT_EVENTS}
SELECT done.owner_id, %(type)s, %(subject)s, %(payload)s, %(traceparent)s FROM done
"""
_FORGET: Final = """
DELETE FROM events WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM events WHERE created_at <= now() - make_interval(secs => %(keep)s)
    ORDER BY created_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
))
"""


def append(
    owner_id: str, event: EventType.ValueType, subject: str, payload: Mapping[str, object]
) -> Statement:
    """The statement that adds an event. `subject`: id of the thing concerned; `payload`: as
    readers get it.
    """
    return _APPEND, (owner_id, event, subject, Jsonb(payload), origin())


async def forget(tx: Transaction, keep: float, limit: int) -> int:
    """Delete at most `limit` events older than `keep` seconds. Returns how many."""
    return await tx.execute(_FORGET, {"keep": keep, "limit": limit})
