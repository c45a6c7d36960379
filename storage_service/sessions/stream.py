"""One Upload stream of a session: the checks between gRPC messages and the writer.

The end of the stream ends the write but not the upload: the bytes received so far are kept. Each chunk is
checked before any of it counts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from storage_service.content.body import SizeRule, check_chunk, check_crc32c
from storage_service.objectstore import checksums
from storage_service.objectstore.values import Chunk
from storage_service.sessions.hashes import Hashes
from strongroom.errors import (
    IdempotencyKeyReused,
    Internal,
    MalformedRequest,
    OffsetOutOfRange,
    SizeMismatch,
)
from strongroom.metadata.v1.upload_session_service_pb2 import Session
from strongroom.storage.v1.upload_pb2 import UploadRequest
from strongroom.type.v1.checksums_pb2 import Checksums
from strongroom.wire import UploadChunk

Message = UploadRequest | UploadChunk


class Target(Protocol):
    """Where a stream writes to."""

    @property
    def received(self) -> int:
        """Number of bytes so far."""
        ...

    @property
    def crc32c(self) -> int:
        """CRC-32C of the bytes so far."""
        ...

    async def write(self, chunk: Chunk) -> None:
        """Write the bytes at ``received``."""
        ...


class _Resent:
    """Checks that bytes sent again from the upload's beginning equal those that it has.

    Otherwise another body under the same idempotency key would continue where the first one ended, and become
    a mixture of both.
    """

    def __init__(self, size: int, crc32c: int) -> None:
        self._size = size
        self._expected = crc32c
        self._seen = 0
        self._crc32c = 0

    def take(self, offset: int, data: memoryview) -> None:
        """Check ``data`` at ``offset``, all of which the upload has already. Raises IdempotencyKeyReused."""
        if not offset <= self._seen < self._size:
            return
        fresh = data[self._seen - offset : self._size - offset]
        self._crc32c = checksums.extend(self._crc32c, fresh)
        self._seen += len(fresh)
        if len(fresh) and self._seen == self._size and self._crc32c != self._expected:
            raise IdempotencyKeyReused(
                f"The {self._size} bytes of this upload are others than those sent now; go on behind them, or"
                " begin another upload."
            )


class SessionStream:
    """The stream that begins with ``first``. Call ``run`` once; ``final`` and ``finished`` are set by it."""

    def __init__(
        self,
        first: UploadRequest,
        messages: AsyncIterator[Message],
        session: Session,
        rule: SizeRule,
        hashes: Hashes | None,
    ) -> None:
        self._first = first
        self._messages = messages
        self._session = session
        self._rule = rule
        self._hashes = hashes
        self._write_hashes = Hashes(first.write_checksums) if self.all_or_nothing else None
        self._resent = _Resent(session.persisted_size, session.prefix_crc32c)
        self._end: int | None = None
        self.finished = False
        self.final = Checksums()

    @property
    def all_or_nothing(self) -> bool:
        """Whether the client has sent checksums of this single write."""
        return self._first.HasField("write_checksums")

    @property
    def hashes(self) -> Hashes | None:
        """The hashes of the whole upload up to the current end of this stream."""
        return self._hashes

    async def run(self, target: Target) -> None:
        """Write the stream's data to ``target`` until the stream ends or has finish_write.

        Raises OffsetOutOfRange, ChecksumMismatch, ChunkTooLarge, SizeMismatch, SizeLimitExceeded,
        MalformedRequest, IdempotencyKeyReused, and what the target raises.
        """
        if self._first.exact_offset and self._first.write_offset != target.received:
            raise _out_of_range(self._first.write_offset, target.received)
        message: Message | None = self._first
        while message is not None:
            await self._take(message, target)
            if self.finished:
                break
            message = await self._next()
        if self._write_hashes is not None:
            check_crc32c(self._first.write_checksums, self._write_hashes.crc32c)
            self._write_hashes.check(self._first.write_checksums)

    async def _next(self) -> Message | None:
        async for message in self._messages:
            if isinstance(message, UploadRequest) and message.WhichOneof("first_message") is not None:
                raise MalformedRequest("spec and upload_id belong to the first message only")
            return message
        return None

    async def _take(self, message: Message, target: Target) -> None:
        check_chunk(message)
        if message.write_offset > target.received:
            raise _out_of_range(message.write_offset, target.received)
        data = message.data
        self._check_order(message.write_offset, len(data))
        if self._write_hashes is not None:
            self._write_hashes.feed(data, crc32c=True)
        skipped = target.received - message.write_offset
        if data and skipped:
            self._resent.take(message.write_offset, memoryview(data)[:skipped])
            data = memoryview(data)[skipped:]
        self._check_size(target.received + len(data), exactly=message.finish_write)
        if message.finish_write:
            self._check_end(message, target, data)
        if len(data):
            if self._hashes is not None:
                self._hashes.feed(data)
            await target.write(data)
        self.finished = message.finish_write

    def _check_order(self, offset: int, size: int) -> None:
        """Check that the message continues the stream: bytes at an earlier offset would be skipped unseen."""
        if not size:
            return
        if self._end is not None and offset != self._end:
            raise _out_of_range(offset, self._end)
        self._end = offset + size

    def _check_size(self, size: int, *, exactly: bool) -> None:
        """Check the new end against the upload's length and the size limit."""
        known = self._session.size_bytes if self._session.HasField("size_bytes") else None
        if known is not None and (size > known or (exactly and size != known)):
            raise SizeMismatch(
                f"the upload has {known} bytes; with these it would end at {size}",
                metadata={"expected": str(known), "actual": str(size)},
            )
        self._rule.check(size)

    def _check_end(self, message: Message, target: Target, data: Chunk) -> None:
        """Check the whole before the last chunk is written: its checksums, and that this stream reaches its
        end.

        If the stream ends earlier, the bytes behind it are of another body under the same idempotency key.
        """
        size, end = target.received + len(data), self._end or message.write_offset
        if 0 < end < size:
            raise IdempotencyKeyReused(
                f"The upload has {size} bytes, and those sent now end at {end}; begin another upload."
            )
        if isinstance(message, UploadRequest):
            self.final.CopyFrom(message.object_checksums)
        whole = checksums.extend(target.crc32c, data)
        for expected in (self._session.blob.spec.checksums, self.final):
            check_crc32c(expected, whole)


class _Whole:
    """A finished upload, to which nothing more is written."""

    def __init__(self, session: Session) -> None:
        self.received = session.persisted_size
        self.crc32c = session.prefix_crc32c

    async def write(self, chunk: Chunk) -> None:
        """Unreachable, because sizes are checked before."""
        raise Internal(f"{len(chunk)} bytes for an upload that is finished")


async def check_repeat(session: Session, first: UploadRequest, messages: AsyncIterator[Message]) -> None:
    """Check that a write to a finished upload repeats its bytes. It changes nothing.

    Raises what SessionStream.run raises.
    """
    whole = _Whole(session)
    await SessionStream(first, messages, session, SizeRule("it", whole.received), None).run(whole)


def _out_of_range(offset: int, received: int) -> OffsetOutOfRange:
    return OffsetOutOfRange(
        f"Offset {offset} does not fit: {received} bytes are stored; continue from there.",
        metadata={"persisted_size": str(received)},
    )
