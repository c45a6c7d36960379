"""Objects without a known attempt that a file shows: the blob's row was lost or changed, the bytes were
not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from metadata_service.db.database import SYSTEM, Database
from metadata_service.files.layouts import owner_in
from strongroom.metadata.v1.verification_pb2 import UnownedObject

#: Uses each owner's indexes of keys and blobs: a table may be too large to scan for a few objects.
_SHOWN: Final = """
SELECT DISTINCT object.number - 1 AS position
FROM unnest(%(numbers)s::int[], %(owners)s::text[], %(keys)s::text[], %(versions)s::text[],
    %(attempts)s::uuid[]) AS object (number, owner_id, key, version_id, attempt_id)
WHERE EXISTS (
    SELECT FROM files
    WHERE files.owner_id = object.owner_id AND files.key = object.key
        AND files.version_id = object.version_id
        AND NOT EXISTS (
            SELECT FROM blobs WHERE blobs.owner_id = files.owner_id AND blobs.id = files.blob_id
                AND blobs.key = files.key AND blobs.version_id = files.version_id)
) OR EXISTS (
    SELECT FROM files
    WHERE files.owner_id = object.owner_id AND files.blob_id = object.attempt_id
        AND NOT EXISTS (
            SELECT FROM blobs WHERE blobs.owner_id = files.owner_id AND blobs.id = files.blob_id)
) OR EXISTS (
    SELECT FROM project_files AS files
    WHERE files.owner_id = object.owner_id AND files.blob_id = object.attempt_id
        AND NOT EXISTS (
            SELECT FROM blobs WHERE blobs.owner_id = files.owner_id AND blobs.id = files.blob_id)
)
ORDER BY position
"""


async def shown(database: Database, objects: Sequence[UnownedObject]) -> list[int]:
    """Positions of objects that a file shows although its blob is unknown or differs.

    The file's owner may be in the object's metadata or in its key. Raises DatabaseUnavailable.
    """
    named = [
        (number, owner, one)
        for number, one in enumerate(objects, 1)
        for owner in {one.owner_id, owner_in(one.key)} - {""}
    ]
    params = {
        "numbers": [number for number, _, _ in named],
        "owners": [owner for _, owner, _ in named],
        "keys": [one.key for _, _, one in named],
        "versions": [one.version_id for _, _, one in named],
        "attempts": [_uuid(one.attempt_id) for _, _, one in named],
    }
    return [int(row[0]) for row in await database.read(SYSTEM, _SHOWN, params)]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
