"""Which contents are being restored from an archive class, and when they can be read again.

Replicas share the checks: a claim hides a content from the others until its next check is due. The owner gets
one event: the row of the pending restore is deleted in the transaction that writes it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from metadata_service.blobs import restores
from metadata_service.db.database import SYSTEM, Database, Row, Transaction, user
from metadata_service.db.rotation import Rotation
from metadata_service.db.timestamps import from_proto, to_proto
from metadata_service.files.events import file_readable
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from metadata_service.projects.events import DAMAGED_COLUMNS, project_file_readable
from servicekit.moments import rfc3339
from servicekit.telemetry.tracing import origin
from strongroom.metadata.v1 import archive_service_pb2 as pb

_FILES: Final = f"""
SELECT {COLUMNS} FROM files WHERE owner_id = %(owner)s AND blob_id = %(blob)s AND {VISIBLE}
"""
_PROJECT_FILES: Final = f"""
SELECT {DAMAGED_COLUMNS}, blobs.key FROM project_files AS files
JOIN projects ON projects.owner_id = files.owner_id AND projects.id = files.project_id
JOIN blobs ON blobs.owner_id = files.owner_id AND blobs.id = files.blob_id
WHERE files.owner_id = %(owner)s AND files.blob_id = %(blob)s
"""


class ArchiveRestores:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rotation = Rotation(restores.OLDEST, restores.VISITED, restores.OF_OWNERS)

    async def note(self, key: str, version_id: str) -> None:
        """Record that the store was asked to restore the content; from now on it is checked."""
        params = {"key": key, "version": version_id, "traceparent": origin()}
        await self._database.transact(SYSTEM, lambda tx: tx.execute(restores.NOTE, params))

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
            if await tx.execute(restores.END, params) and request.readable:
                await _tell(tx, params, until)

        await self._database.transact(user(request.owner_id), work)


async def _tell(tx: Transaction, params: dict[str, object], until: str | None) -> None:
    files, in_projects = await tx.fetch_batch([(_FILES, params), (_PROJECT_FILES, params)])
    events = [file_readable(to_file(row), until) for row in files]
    events += [project_file_readable(row[:-1], row[-1], until) for row in in_projects]
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
