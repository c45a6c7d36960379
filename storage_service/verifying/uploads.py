"""Checks for open multipart uploads without an owner, and for missing segments of open sessions."""

from __future__ import annotations

from collections.abc import Sequence

from storage_service.metadata.verification import VerificationRecords
from storage_service.objectstore.errors import ObjectNotFound, UploadNotFound
from storage_service.objectstore.interface import ObjectStore
from storage_service.objectstore.values import ListedUpload, ObjectRef
from storage_service.parallel import in_parallel
from storage_service.reading.pace import Pace
from storage_service.verifying.findings import about_upload
from storage_service.verifying.keyspace import is_ours
from storage_service.verifying.readback import read_back
from storage_service.verifying.stage import Grace, Step
from strongroom.metadata.v1 import verification_pb2 as pb
from strongroom.metadata.v1.blob_pb2 import BLOB_STATE_COMMITTED
from strongroom.metadata.v1.upload_session_service_pb2 import Segment
from strongroom.metadata.v1.verification_service_pb2 import KeyRow, LiveSession, VerificationShard


class OpenUploads:
    """VERIFICATION_STAGE_UPLOADS. It is a single step, which begins with a listing of all uploads."""

    def __init__(self, store: ObjectStore, records: VerificationRecords, grace: Grace) -> None:
        self._store = store
        self._records = records
        self._grace = grace

    async def step(self, shard: VerificationShard) -> Step:
        """Check all uploads of the bucket; the shard's cursor is ignored."""
        del shard
        uploads = [upload for upload in await self._store.list_uploads("") if is_ours(upload.key)]
        suspects = await self._without_owner(uploads)
        found = await in_parallel(suspects, self._finding)
        step = Step("", done=True, counts=pb.VerificationCounts(uploads=len(uploads)))
        step.findings += [finding for finding in found if finding is not None]
        return step

    async def abandoned_at(self, key: str) -> list[ListedUpload]:
        """The open uploads of one key that have no owner now. Raises StrongroomError, StoreError."""
        uploads = await self._store.list_uploads(key)
        return await self._without_owner([upload for upload in uploads if upload.key == key])

    async def _without_owner(self, uploads: Sequence[ListedUpload]) -> list[ListedUpload]:
        old = [upload for upload in uploads if self._grace.is_over(upload.initiated)]
        now = await self._records.look_up(sorted({upload.key for upload in old}))
        return [upload for upload in old if not _is_owned(upload, now.at(upload.key))]

    async def _finding(self, upload: ListedUpload) -> pb.Finding | None:
        """The finding about an upload; None: it is no longer open."""
        try:
            parts = await self._store.list_parts(upload.key, upload.upload_id)
        except UploadNotFound:
            return None
        return about_upload(upload, len(parts), sum(part.size for part in parts))


def _is_owned(upload: ListedUpload, rows: Sequence[KeyRow]) -> bool:
    """Whether a row owns the upload, or may.

    An attempt that has not ended may own any upload of its key, because the create comes before T2; the
    cleaner ends it. Some stores keep listing an upload that a committed row has recorded.
    """
    return any(row.state != BLOB_STATE_COMMITTED or row.upload_id == upload.upload_id for row in rows)


class Segments:
    """VERIFICATION_STAGE_SEGMENTS: acknowledged bytes of sessions that are still open."""

    def __init__(self, store: ObjectStore, records: VerificationRecords) -> None:
        self._store = store
        self._records = records

    async def step(self, shard: VerificationShard) -> Step:
        """Check the next sessions."""
        page = await self._records.live_segments(shard.cursor)
        step = Step(page.cursor, done=not page.cursor)
        for session in page.sessions:
            step.counts.segments += len(session.segments)
            step.findings += await self._check(session, reads=shard.depth == pb.VERIFICATION_DEPTH_BYTES)
        return step

    async def _check(self, session: LiveSession, *, reads: bool) -> list[pb.Finding]:
        """Findings about one session's segments.

        Segments are removed only after the session has ended. So one that is missing, and is still needed
        after the check, is lost.
        """

        async def is_wrong(segment: Segment) -> str | None:
            return await self._wrong(segment, reads=reads)

        seen = await in_parallel(session.segments, is_wrong)
        wrong = [
            (segment, instead)
            for segment, instead in zip(session.segments, seen, strict=True)
            if instead is not None
        ]
        if not wrong:
            return []
        now = await self._records.live_segments(blob_id=session.blob_id)
        needed = {segment.key for live in now.sessions for segment in live.segments}
        return [_lost(session, segment, instead) for segment, instead in wrong if segment.key in needed]

    async def _wrong(self, segment: Segment, *, reads: bool) -> str | None:
        """Describe the object at the key if it is not the segment; ``""``: there is none; None: it is."""
        ref = ObjectRef(segment.key)
        try:
            info = await self._store.head(ref)
            size, crc32c = info.size, info.crc32c
            if reads and size == segment.size_bytes:
                seen = await read_back(self._store, ref, size, Pace(0))
                size, crc32c = seen.size, seen.crc32c
        except ObjectNotFound:
            return ""
        if size != segment.size_bytes:
            return f"{size} bytes"
        return None if crc32c in {None, segment.crc32c} else f"{size} bytes, {crc32c:08x}"


def _lost(session: LiveSession, segment: Segment, instead: str) -> pb.Finding:
    return pb.Finding(
        kind=pb.FINDING_KIND_SEGMENT_MISSING,
        owner_id=session.owner_id,
        blob_id=session.blob_id,
        key=segment.key,
        size_bytes=segment.size_bytes,
        expected=f"{segment.size_bytes} bytes, {segment.crc32c:08x}",
        found=instead,
    )
