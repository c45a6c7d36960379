"""Objects without a row whose owner was erased: the quarantine removes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from metadata_service.audit import OWNER_SHA256
from metadata_service.db.database import SYSTEM, Database
from metadata_service.files.layouts import owner_in
from strongroom.metadata.v1.verification_pb2 import UnownedObject

_ANY: Final = "SELECT EXISTS (SELECT FROM erasures), now()"
#: A pass over the quarantine that began after rows could no longer be added has seen every entry.
_SEEN: Final = """
UPDATE erasures SET quarantine_seen_at = now()
WHERE quarantine_seen_at IS NULL AND shut_at < %(begun)s
"""
#: Objects written after the end of the erasure belong to a user who has begun anew.
_ERASED: Final = f"""
SELECT object.number - 1
FROM installation,
    unnest(%(owners)s::text[], %(written)s::timestamptz[])
        WITH ORDINALITY AS object (owner_id, written_at, number)
WHERE object.owner_id <> '' AND EXISTS (
    SELECT FROM erasures
    WHERE erasures.owner_sha256 = {OWNER_SHA256.replace("%(owner)s", "object.owner_id")}
        AND (erasures.ended_at IS NULL OR object.written_at <= erasures.ended_at)
)
ORDER BY object.number
"""


async def any_erasure(database: Database) -> tuple[bool, datetime]:
    """Whether somebody was or is being erased, and the database's time of the answer. Raises
    DatabaseUnavailable.
    """
    ((found, now),) = await database.read(SYSTEM, _ANY)
    return bool(found), now


async def looked_through(database: Database, begun: datetime) -> None:
    """Record that a pass over the quarantine, begun at that time, has ended. Raises DatabaseUnavailable."""
    await database.transact(SYSTEM, lambda tx: tx.execute(_SEEN, {"begun": begun}))


async def erased(database: Database, objects: Sequence[UnownedObject]) -> list[int]:
    """Positions of objects whose owner is being erased, or was erased after they were written.

    The owner is the one in the object's metadata; only without that, the one in its key, because a path may
    contain anybody's name. Raises DatabaseUnavailable.
    """
    params = {
        "owners": [one.owner_id or owner_in(one.key) for one in objects],
        "written": [one.store_time.ToDatetime(UTC) for one in objects],
    }
    return [int(row[0]) for row in await database.read(SYSTEM, _ERASED, params)]
