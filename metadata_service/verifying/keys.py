"""Rows of attempts by S3 key, over all owners, for comparison with the listing of the bucket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from metadata_service.blobs.states import COMMITTED
from metadata_service.db.database import SYSTEM, Database, Row
from metadata_service.files.layouts import SEGMENTS
from metadata_service.sessions.rows import unpack_segments
from strongroom.metadata.v1 import verification_service_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BlobKind, BlobState
from strongroom.metadata.v1.reservation_service_pb2 import Damage

LARGEST_PAGE: Final = 2000
#: Sorts after every key.
_NO_END: Final = "\U0010ffff"
_SESSIONS: Final = 100

# Shown: 0 by nothing, 1 by an old version of a project, 2 as the current content of its key.
_COLUMNS: Final = f"""
owner_id, id, state, kind, key, key_shared, version_id, upload_id, size_bytes, crc32c, etag, object_metadata,
scrubbed_at IS NOT NULL, coalesce(damage, 0), content_type, storage_class,
CASE WHEN state <> {COMMITTED} THEN 0
    WHEN EXISTS (
        SELECT 1 FROM files WHERE files.owner_id = blobs.owner_id AND files.blob_id = blobs.id) THEN 2
    ELSE coalesce((
        SELECT CASE WHEN shows.until_version IS NULL THEN 2 ELSE 1 END FROM project_files AS shows
        WHERE shows.owner_id = blobs.owner_id AND shows.blob_id = blobs.id), 0)
END
"""
# One branch for each of the two partial indexes of `key`.
_PAGE: Final = f"""
SELECT * FROM (
    (SELECT {_COLUMNS} FROM blobs
    WHERE NOT key_shared AND key > %(after)s AND key <= %(until)s ORDER BY key LIMIT %(limit)s)
    UNION ALL
    (SELECT {_COLUMNS} FROM blobs
    WHERE key_shared AND key > %(after)s AND key <= %(until)s ORDER BY key LIMIT %(limit)s)
) AS found ORDER BY key LIMIT %(limit)s
"""
_AT: Final = f"""
SELECT {_COLUMNS} FROM blobs WHERE key = ANY(%(keys)s) AND NOT key_shared
UNION ALL
SELECT {_COLUMNS} FROM blobs WHERE key = ANY(%(keys)s) AND key_shared
"""
_TO_BE_SETTLED: Final = "SELECT key FROM project_keys WHERE key = ANY(%(keys)s)"
_LIVE: Final = "SELECT blob_id FROM upload_sessions WHERE swept_at IS NULL AND blob_id = ANY(%(blobs)s)"
_LIVE_SEGMENTS: Final = """
SELECT owner_id, upload_id, blob_id, segments FROM upload_sessions
WHERE swept_at IS NULL AND finished_at IS NULL AND ended = 0
    AND (owner_id, upload_id) > (%(owner)s, %(upload)s)
ORDER BY owner_id, upload_id LIMIT %(limit)s
"""
_LIVE_SEGMENTS_OF: Final = """
SELECT owner_id, upload_id, blob_id, segments FROM upload_sessions
WHERE swept_at IS NULL AND finished_at IS NULL AND ended = 0 AND blob_id = %(blob)s
"""


class KeyRows:
    """Reads rows by key; one instance per process. Every method raises DatabaseUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, after: str, until: str, limit: int) -> tuple[list[pb.KeyRow], bool]:
        """About `limit` rows with keys in (after, until], and whether more may follow.

        The last key has all its rows, so that the next page begins after it.
        """
        wanted = min(max(limit, 1), LARGEST_PAGE)
        params = {"after": after, "until": until or _NO_END, "limit": wanted}
        rows = [key_row(row) for row in await self._database.read(SYSTEM, _PAGE, params)]
        if len(rows) < wanted:
            return rows, False
        last = rows[-1].key
        return [row for row in rows if row.key != last] + await self.at([last]), True

    async def at(self, keys: Sequence[str]) -> list[pb.KeyRow]:
        """All rows at these keys."""
        return [key_row(row) for row in await self._database.read(SYSTEM, _AT, {"keys": list(keys)})]

    async def busy(self, keys: Sequence[str]) -> list[str]:
        """Keys that can't be judged now: segments of a session that has not ended for good, and keys of
        projects that the cleaner is about to check.
        """
        named = {key: _session_of(key) for key in keys if key.startswith(SEGMENTS)}
        sessions = [blob_id for blob_id in named.values() if blob_id is not None]
        busy: set[str] = set()
        if sessions:
            prefixes = {f"{SEGMENTS}{blob_id}/" for blob_id in sessions}
            live = {row[0] for row in await self._database.read(SYSTEM, _LIVE, {"blobs": sessions})}
            ending = {row.key for row in await self.at(sorted(prefixes))}
            busy |= {key for key, blob in named.items() if blob in live or f"{SEGMENTS}{blob}/" in ending}
        rows = await self._database.read(SYSTEM, _TO_BE_SETTLED, {"keys": list(keys)})
        return sorted(busy | {row[0] for row in rows})

    async def live_segments(self, cursor: str, blob_id: str) -> tuple[list[pb.LiveSession], str]:
        """Open sessions with their segments, and where to continue (empty: nowhere)."""
        if blob_id:
            rows = await self._database.read(SYSTEM, _LIVE_SEGMENTS_OF, {"blob": UUID(blob_id)})
            return [_session(row) for row in rows], ""
        owner, _, upload = cursor.rpartition("\n")
        params = {"owner": owner, "upload": upload, "limit": _SESSIONS}
        rows = await self._database.read(SYSTEM, _LIVE_SEGMENTS, params)
        following = f"{rows[-1][0]}\n{rows[-1][1]}" if len(rows) == _SESSIONS else ""
        return [_session(row) for row in rows], following


def key_row(row: Row) -> pb.KeyRow:
    """One row of `_COLUMNS`."""
    (
        owner_id, blob_id, state, kind, key, shared, version_id, upload_id, size, crc32c, etag, metadata,
        scrubbed, damage, content_type, storage_class, shown,
    ) = row  # fmt: skip
    return pb.KeyRow(
        owner_id=owner_id,
        blob_id=str(blob_id),
        state=BlobState.ValueType(state),
        kind=BlobKind.ValueType(kind),
        key=key,
        key_shared=shared,
        version_id=version_id,
        upload_id=upload_id,
        size_bytes=size or 0,
        crc32c=crc32c or 0,
        etag=etag,
        object_metadata=metadata,
        is_scrubbed=scrubbed,
        damage=Damage.ValueType(damage),
        content_type=content_type,
        storage_class=storage_class,
        is_shown=shown > 0,
        is_current=shown > 1,
    )


def _session_of(key: str) -> UUID | None:
    """The attempt of `segments/{attempt}/…`."""
    try:
        return UUID(key.removeprefix(SEGMENTS).partition("/")[0])
    except ValueError:
        return None


def _session(row: Row) -> pb.LiveSession:
    owner_id, _, blob_id, segments = row
    return pb.LiveSession(owner_id=owner_id, blob_id=str(blob_id), segments=unpack_segments(segments))
