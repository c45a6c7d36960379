"""Which contents are being restored from an archive class, and when they can be read again.

Replicas share the checks: a claim hides a content from the others until its next check is due. The owner gets
one event: the row of the pending restore is deleted in the transaction that writes it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.blobs.states import COMMITTED
from metadata_service.db import rotation
from metadata_service.db.database import SYSTEM, Database, Row, Transaction, user
from metadata_service.db.rotation import Rotation
from metadata_service.db.timestamps import from_proto, to_proto
from metadata_service.files.events import file_readable
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from metadata_service.projects.events import OF_CONTENT, project_file_readable
from servicekit.moments import rfc3339
from servicekit.telemetry.tracing import origin
from strongroom.metadata.v1 import archive_service_pb2 as pb

_FILES: Final = f"""
SELECT {COLUMNS} FROM files WHERE owner_id = %(owner)s AND blob_id = %(blob)s AND {VISIBLE}
"""


#: The next look is due after a tenth of the time waited so far, at least the caller's pause, at most an hour.
_NEXT_LOOK: Final = """
now() + greatest(make_interval(secs => %(pause)s), least(interval '1 hour', (now() - asked_at) / 10))
"""
# One branch for each of the two partial indexes on `key`.
NOTE: Final = f"""
INSERT INTO archive_restores (owner_id, blob_id, asked_at, look_at, traceparent)
SELECT owner_id, id, now(), now(), %(traceparent)s::text FROM blobs
WHERE key = %(key)s AND version_id = %(version)s AND state = {COMMITTED} AND NOT key_shared
UNION ALL
SELECT owner_id, id, now(), now(), %(traceparent)s::text FROM blobs
WHERE key = %(key)s AND version_id = %(version)s AND state = {COMMITTED} AND key_shared
ON CONFLICT (owner_id, blob_id) DO NOTHING
"""
_CLAIM: Final = f"""
WITH due AS MATERIALIZED ({{due}}), claimed AS (
    UPDATE archive_restores AS restores SET look_at = {_NEXT_LOOK}
    FROM due WHERE restores.owner_id = due.owner_id AND restores.blob_id = due.blob_id
    RETURNING restores.owner_id, restores.blob_id, restores.asked_at, restores.traceparent
)
SELECT blobs.owner_id, blobs.id::text, blobs.key, blobs.version_id, claimed.asked_at,
    claimed.traceparent
FROM claimed JOIN blobs ON blobs.owner_id = claimed.owner_id AND blobs.id = claimed.blob_id
WHERE blobs.state = {COMMITTED}
"""
OLDEST: Final = _CLAIM.format(
    due="""
    SELECT owner_id, blob_id FROM archive_restores WHERE look_at <= now()
    ORDER BY look_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
)
VISITED: Final = rotation.visit("""
    SELECT owner_id, look_at <= now() AS due FROM archive_restores WHERE owner_id > visited.owner_id
    ORDER BY owner_id, look_at LIMIT 1
""")
OF_OWNERS: Final = _CLAIM.format(
    due=rotation.of_each(f"""
        SELECT owner_id, blob_id FROM archive_restores WHERE {rotation.TURN} AND look_at <= now()
        ORDER BY owner_id, look_at LIMIT 1 FOR UPDATE SKIP LOCKED
    """)
)
END: Final = "DELETE FROM archive_restores WHERE owner_id = %(owner)s AND blob_id = %(blob)s"


class ArchiveRestores:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rotation = Rotation(OLDEST, VISITED, OF_OWNERS)

    async def note(self, key: str, version_id: str) -> None:
        """Record that the store was asked to restore the content; from now on it is checked."""
        params = {"key": key, "version": version_id, "traceparent": origin()}
        await self._database.transact(SYSTEM, lambda tx: tx.execute(NOTE, params))

    async def claim(self, limit: int, pause: float) -> list[pb.ArchivedContent]:
        """Contents due for a check, claimed for this caller for at least ``pause`` seconds."""
        rows = await self._database.transact(
            SYSTEM, lambda tx: self._rotation.claim(tx, limit, {"pause": pause})
        )
        return [_content(row) for row in rows]

    async def report(self, request: pb.ReportRestoreRequest) -> None:
        """Record that a content can be read, or that its restore was given up; in the owner's scope, to wake
        watchers.
        """
        params = {"owner": request.owner_id, "blob": UUID(request.blob_id)}
        until = None
        if request.HasField("readable_until"):
            until = rfc3339(from_proto(request.readable_until), "seconds")

        async def work(tx: Transaction) -> None:
            if await tx.execute(END, params) and request.readable:
                await _tell(tx, params, until)

        await self._database.transact(user(request.owner_id), work)


async def _tell(tx: Transaction, params: dict[str, object], until: str | None) -> None:
    files, in_projects = await tx.fetch_batch([(_FILES, params), (OF_CONTENT, params)])
    events = [file_readable(to_file(row), until) for row in files]
    events += [project_file_readable(row, until) for row in in_projects]
    if events:
        await tx.batch(events)


def _content(row: Row) -> pb.ArchivedContent:
    owner_id, blob_id, key, version_id, asked_at, traceparent = row
    return pb.ArchivedContent(
        owner_id=owner_id,
        blob_id=blob_id,
        key=key,
        version_id=version_id,
        ask_time=to_proto(asked_at),
        traceparent=traceparent or "",
    )
