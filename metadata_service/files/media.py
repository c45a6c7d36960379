"""Media info of pictures, videos and sounds: which files have to be read, and the results.

`media_of` names the blob that was read. So a file is due again after a replacement, and files of releases
without media info are due, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from psycopg.types.json import Jsonb

from metadata_service.db import rotation
from metadata_service.db.database import SYSTEM, Database, Transaction, user
from metadata_service.db.rotation import Rotation
from metadata_service.files.events import file_described
from metadata_service.files.media_columns import of_media
from metadata_service.files.rows import COLUMNS, to_file
from strongroom.metadata.v1 import media_info_service_pb2 as pb

#: Seconds until files claimed by a reader that died are claimed again; doubled with each claim, up to a day.
CLAIM_SECONDS: Final = 60
#: No event is sent for a file that has not changed for this long.
TOLD_HOURS: Final = 24
#: The condition of the indexes `files_unread` and `files_unread_by_owner`.
_UNREAD: Final = """media_of IS DISTINCT FROM blob_id AND deleted_at IS NULL
    AND content_type ~ '^(image|video|audio)/'"""
_DUE: Final = "(media_after IS NULL OR media_after <= now())"
_CLAIM: Final = f"""
WITH due AS MATERIALIZED ({{due}})
UPDATE files SET media_tries = least(media_tries + 1, 11),
    media_after = now() + make_interval(secs => least(86400, {CLAIM_SECONDS} * 2 ^ media_tries))
FROM due WHERE files.owner_id = due.owner_id AND files.id = due.id
RETURNING {COLUMNS},
    (SELECT traceparent FROM blobs WHERE blobs.owner_id = files.owner_id AND blobs.id = files.blob_id)
"""
OLDEST: Final = _CLAIM.format(
    due=rotation.new_before_due(f"SELECT owner_id, id FROM files WHERE {_UNREAD}", "media_after")
)
VISITED: Final = rotation.visit(f"""
    SELECT owner_id, {_DUE} AS due FROM files WHERE {_UNREAD} AND owner_id > visited.owner_id
    ORDER BY owner_id, media_after NULLS FIRST LIMIT 1
""")
OF_OWNERS: Final = _CLAIM.format(
    due=rotation.of_each(f"""
        SELECT owner_id, id FROM files WHERE {rotation.TURN} AND {_UNREAD} AND {_DUE}
        ORDER BY owner_id, media_after NULLS FIRST LIMIT 1 FOR UPDATE SKIP LOCKED
    """)
)
#: Events only for files stored lately: after an upgrade that reads more, all older files are read again.
_REPORT: Final = f"""
UPDATE files SET media = %(media)s, media_of = blob_id, location_masks = %(masks)s, media_after = NULL,
    media_tries = 0
WHERE owner_id = %(owner)s AND id = %(id)s AND blob_id = %(blob)s
RETURNING deleted_at IS NULL AND updated_at > now() - interval '{TOLD_HOURS} hours', {COLUMNS}
"""
_MASKS: Final = """
SELECT location_masks FROM files WHERE owner_id = %s AND id = %s AND blob_id = %s AND media_of = blob_id
"""


class Media:
    """One instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._rotation = Rotation(OLDEST, VISITED, OF_OWNERS)

    async def claim(self, limit: int) -> pb.ClaimUnreadResponse:
        """Claim unread files of all owners for this caller alone."""
        rows = await self._database.transact(SYSTEM, lambda tx: self._rotation.claim(tx, limit))
        files = [(to_file(row[:-1]), row[-1]) for row in rows]
        return pb.ClaimUnreadResponse(
            files=[file for file, _ in files], traceparents={file.id: trace for file, trace in files if trace}
        )

    async def report(self, request: pb.ReportMediaRequest) -> None:
        """Store what was read and send the owner an event, unless the file has new content by now.

        Runs in the owner's scope, so that watchers are woken.
        """
        masks = (
            pb.GetLocationMasksResponse(masks=request.masks).SerializeToString() if request.masks else None
        )
        values = {
            "owner": request.owner_id,
            "id": UUID(request.file_id),
            "blob": UUID(request.content_id),
            "media": Jsonb(of_media(request.media)),
            "masks": masks or None,
        }

        async def work(tx: Transaction) -> None:
            for row in await tx.fetch(_REPORT, values):
                if row[0] and of_media(request.media):
                    await tx.batch([file_described(to_file(row[1:]))])

        await self._database.transact(user(request.owner_id), work)

    async def masks(self, owner_id: str, file_id: UUID, content_id: UUID) -> Sequence[pb.LocationMask]:
        """The bytes of the content that tell where it was taken; empty if none are known."""
        rows = await self._database.read(SYSTEM, _MASKS, (owner_id, file_id, content_id))
        if not rows or rows[0][0] is None:
            return ()
        return pb.GetLocationMasksResponse.FromString(rows[0][0]).masks
