"""The recorded progress of a session: the contiguous prefix that metadata_service has committed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from servicekit import failpoints
from storage_service.metadata.reservations import handle_of
from storage_service.metadata.sessions import SessionState
from storage_service.objectstore import checksums
from strongroom.metadata.v1 import blob_pb2
from strongroom.metadata.v1.upload_session_service_pb2 import (
    Continuation,
    RecordProgressRequest,
    Segment,
    Session,
)

BEFORE_RECORD = failpoints.register("storage.session.before_record")
AFTER_RECORD = failpoints.register("storage.session.after_record")


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A part that S3 has accepted. The ``fresh`` values are of those of its bytes that were not persisted
    before.
    """

    part: blob_pb2.Part
    fresh_size: int
    fresh_crc32c: int


class Progress:
    """The progress of one writer at the epoch of ``session``, whose fields it updates."""

    def __init__(
        self, state: SessionState, session: Session, continuation: Continuation | None = None
    ) -> None:
        self._state = state
        self._session = session
        self._continuation = continuation
        self.parts = session.blob.parts
        self.deferred = False
        self.asked_at = self.answered_at = 0.0
        """Times around the last answered step, in seconds of ``time.monotonic()``; 0: none yet."""
        self.recorded_at = 0.0
        """When parts were last recorded, in seconds of ``time.monotonic()``."""
        self._segments = list(session.segments)
        self._accepted: dict[int, _Accepted] = {}
        self._recording = asyncio.Lock()

    @property
    def persisted(self) -> int:
        """Size of the prefix in bytes."""
        return self._session.persisted_size

    @property
    def crc32c(self) -> int:
        """CRC-32C of the prefix."""
        return self._session.prefix_crc32c

    async def confirm(self) -> None:
        """Check that this is still the session's writer, if it continues an earlier write and has recorded
        nothing yet.

        Raises UploadSuperseded.
        """
        if self._continuation is not None:
            await self._record(self.persisted, self.crc32c, list(self._segments))

    async def record(
        self,
        *,
        segment: Segment | None = None,
        fresh_crc32c: int = 0,
        replaces: bool = False,
        size: int | None = None,
        multipart: str = "",
        content_type: str = "",
    ) -> None:
        """Commit the contiguous prefix together with the given values.

        ``fresh_crc32c``: of those bytes of ``segment`` that were not persisted before. ``replaces``:
        ``segment`` replaces all earlier ones. Raises UploadSuperseded, QuotaExceeded.
        """
        async with self._recording:
            fresh = [] if self.deferred else self._contiguous()
            if not fresh and segment is None and size is None and not multipart and not content_type:
                return
            await failpoints.hit(BEFORE_RECORD)
            persisted, crc32c = self.persisted, self.crc32c
            for accepted in fresh:
                crc32c = checksums.combine(crc32c, accepted.fresh_crc32c, accepted.fresh_size)
                persisted += accepted.fresh_size
            segments = [] if fresh or replaces else list(self._segments)
            if segment is not None:
                segments.append(segment)
                added = segment.offset + segment.size_bytes - persisted
                crc32c = checksums.combine(crc32c, fresh_crc32c, added)
                persisted += added
            await self._record(
                persisted,
                crc32c,
                segments,
                parts=[accepted.part for accepted in fresh],
                multipart_upload_id=multipart,
                size_bytes=size,
                content_type=content_type,
            )
            self.recorded_at = time.monotonic() if fresh else self.recorded_at
            self.parts.extend(accepted.part for accepted in fresh)
            for accepted in fresh:
                del self._accepted[accepted.part.number]
            await failpoints.hit(AFTER_RECORD)

    async def _record(self, persisted: int, crc32c: int, segments: list[Segment], **more: Any) -> None:
        request = RecordProgressRequest(
            blob=handle_of(self._session.blob),
            segments=segments,
            persisted_size=persisted,
            prefix_crc32c=crc32c,
            continuation=self._continuation,
            **more,
        )
        asked_at = time.monotonic()
        response = await self._state.record(request)
        self.asked_at, self.answered_at = asked_at, time.monotonic()
        self._continuation = None
        if response.HasField("taken"):
            self._take_over(response.taken)
        self._segments = segments
        session = self._session
        session.persisted_size, session.prefix_crc32c = persisted, crc32c
        session.expire_time.CopyFrom(response.expire_time)
        del session.segments[:]
        session.segments.extend(segments)

    def _take_over(self, taken: Session) -> None:
        """Adopt the epoch and length of another process that had the session meanwhile but wrote nothing."""
        self._session.blob.epoch = taken.blob.epoch
        if taken.HasField("size_bytes"):
            self._session.size_bytes = taken.size_bytes

    def accept(self, part: blob_pb2.Part, fresh_size: int, fresh_crc32c: int) -> None:
        """Note a part that S3 has accepted. It counts with the next ``record`` whose prefix reaches it.

        ``fresh_size`` and ``fresh_crc32c``: of those of its bytes that were not persisted before.
        """
        self._accepted[part.number] = _Accepted(part, fresh_size, fresh_crc32c)

    def _contiguous(self) -> list[_Accepted]:
        """Return the accepted parts that follow the recorded ones without a gap."""
        number = len(self.parts) + 1
        fresh = []
        while number in self._accepted:
            fresh.append(self._accepted[number])
            number += 1
        return fresh
