"""Resumable uploads: after any failure they continue from what the service has persisted.

For the rules of the session RPCs see docs/resumable.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from uuid import uuid4

import google_crc32c

from strongroom import errors
from strongroom.client.arguments import expect
from strongroom.client.connection import Connection
from strongroom.client.copies import CopyCalls
from strongroom.client.files import StoredFile, Visibility, visibility_number
from strongroom.client.reading import BLOCK_BYTES
from strongroom.client.retention import RetentionWish
from strongroom.client.retries import Attempts, Deadline
from strongroom.client.seekable import Seekable, SeekableInput, changed, open_seekable
from strongroom.client.streams import SourceFailed, exchange
from strongroom.client.targets import Target
from strongroom.client.uploads import Checksums, Progress
from strongroom.metadata.v1 import file_pb2
from strongroom.storage.v1 import upload_pb2
from strongroom.wire import UploadChunk, encode_upload

#: The service doesn't have the session any more; a new upload is needed.
SESSION_GONE = (errors.UploadNotFound, errors.UploadExpired, errors.UploadLost)
#: Temporary for a resumable upload, though not in general: the service shuts down, a call took too long,
#: another writer was faster.
_PASSING = (errors.DeadlineExceeded, errors.Cancelled, errors.OffsetOutOfRange)


class ResumableCalls(CopyCalls):
    """The calls of resumable uploads; part of ``AsyncClient``."""

    async def upload_resumable(
        self,
        source: SeekableInput,
        target: Target | None = None,
        *,
        filename: str | None = None,
        content_type: str = "",
        checksum: Checksums | None = None,
        metadata: Mapping[str, str] | None = None,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        if_generation_match: int | None = None,
        request_id: str | None = None,
        upload_id: str | None = None,
        on_progress: Progress | None = None,
        on_session: Callable[[str], None] | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Store ``source`` by a resumable upload, which continues where it stopped after any temporary
        failure.

        Parameters as of ``upload``, except:

        :param source: a path, bytes, or a seekable binary file object.
        :param upload_id: continue this session (from ``on_session``), for example in another process. The
            target and other parameters of the file were set when it began, and are ignored.
        :param on_progress: called with the persisted size first, then with the bytes sent.
        :param on_session: called with the ``upload_id`` of a new session. Keep it to continue later.
        :raises UploadNotFound, UploadExpired, UploadLost: the session is gone; start a new one.
        :raises SourceChanged: the source has changed; an ``OSError``.
        :raises ChecksumMismatch: what is already stored differs from the source; start a new one.
        :raises TypeError: for a source that can't seek.
        """
        with await asyncio.to_thread(open_seekable, source) as read:
            await asyncio.to_thread(read.check)
            upload = _ResumableUpload(self._connection, read, on_progress, timeout)
            if upload_id is not None:
                return await upload.run(upload_id, None)
            name = filename if filename is not None else read.filename
            spec = self._spec(target, name, content_type, metadata)
            spec.request_id, spec.size_bytes = request_id or str(uuid4()), read.size
            if checksum is not None:
                expect(checksum, Checksums, "checksum is Checksums(md5=…, sha256=…)")
                checksum.fill(spec)
            if visibility is not None:
                spec.visibility = visibility_number(visibility)
            spec.storage_class = storage_class
            if retention is not None:
                spec.retention.CopyFrom(retention.to_proto())
            if if_generation_match is not None:
                spec.if_generation_match = if_generation_match
            request = upload_pb2.CreateUploadRequest(spec=spec)
            method = self._connection.storage.CreateUpload
            session = (await self._connection.unary(method, request, timeout=timeout, safe=True)).session
            if on_session is not None:
                on_session(session.upload_id)
            return await upload.run(session.upload_id, session)

    async def cancel_upload(self, upload_id: str, *, timeout: float | None = None) -> None:
        """Cancel a session: what it stored is removed, and the file of a finished one is deleted.

        :raises UploadNotFound: also the second time.
        """
        request = upload_pb2.CancelUploadRequest(upload_id=upload_id)
        await self._connection.unary(self._connection.storage.CancelUpload, request, timeout=timeout)


class _ResumableUpload:
    """One upload with all its attempts."""

    def __init__(
        self, connection: Connection, source: Seekable, on_progress: Progress | None, timeout: float | None
    ) -> None:
        self._connection = connection
        self._source = source
        self._on_progress = on_progress
        self._deadline = Deadline(timeout)
        self._reported: int | None = None
        #: CRC-32C of the first n blocks, so that continuing reads at most one block twice.
        self._checksums = [0]

    async def run(self, upload_id: str, session: upload_pb2.UploadSession | None) -> StoredFile:
        """Upload the missing bytes. ``session``: its current state, if known."""
        attempts, reached = self._attempts(), -1
        while True:
            try:
                session = session or await self._ask(upload_id)
                if session.persisted_size > reached:
                    attempts, reached = self._attempts(), session.persisted_size
                return StoredFile.from_proto(await self._go_on(session))
            except errors.StrongroomError as error:
                session = None
                await self._pause(attempts, error)
            except SourceFailed as failed:
                raise failed.cause  # noqa: B904 - the cause has its own traceback; ours would only hide it

    def _attempts(self) -> Attempts:
        return self._connection.attempts(self._deadline)

    async def _pause(self, attempts: Attempts, error: errors.StrongroomError) -> None:
        """Sleep until the next attempt. Raises ``error`` if there is none."""
        if not isinstance(error, _PASSING):
            return await attempts.pause(error)
        passing = errors.ServiceUnavailable(error.message, retry_after=error.retry_after)
        try:
            await attempts.pause(passing)
        except errors.ServiceUnavailable:
            raise error from None

    async def _ask(self, upload_id: str) -> upload_pb2.UploadSession:
        """Return the session's state, after ending a writer that may still be using a dead connection of
        ours.
        """
        request = upload_pb2.GetUploadRequest(upload_id=upload_id, preempt=True)
        remaining, usual = self._deadline.remaining(), self._connection.settings.timeout
        response = await self._connection.unary(
            self._connection.storage.GetUpload,
            request,
            timeout=usual if remaining is None else min(usual, remaining),
            safe=False,  # our caller tries again
        )
        return response.session

    async def _go_on(self, session: upload_pb2.UploadSession) -> file_pb2.File:
        await asyncio.to_thread(self._source.check)
        if session.HasField("size_bytes") and session.size_bytes != self._source.size:
            raise changed(self._source.path)
        if session.finished:
            await self._check_file(session.file)
        else:
            session.file.CopyFrom(await self._send(session))
        self._report(session.file.size_bytes)
        return session.file

    async def _check_file(self, file: file_pb2.File) -> None:
        """Check the file of an upload that is finished: by an attempt with a lost reply, or by another
        writer.
        """
        whole = await self._checksum(self._source.size)
        if file.crc32c != whole:
            raise errors.ChecksumMismatch(
                "the upload was finished with other bytes than the source has now; start a new upload",
                metadata={"algorithm": "crc32c", "expected": f"{whole:08x}", "actual": f"{file.crc32c:08x}"},
            )

    async def _send(self, session: upload_pb2.UploadSession) -> file_pb2.File:
        """Send one stream. The persisted bytes are read first, for the checksum of the whole."""
        begin = session.persisted_size
        self._report(begin, begin=True)
        before = await self._checksum(begin)
        metadata = await self._connection.metadata()
        call = self._connection.upload(metadata=metadata, timeout=self._deadline.remaining())
        response = await exchange(call, metadata, self._messages(session.upload_id, begin, before))
        if not response.HasField("file"):
            raise errors.ServiceUnavailable("the service ended the upload before all of it was there")
        return response.file

    async def _messages(self, upload_id: str, begin: int, checksum: int) -> AsyncGenerator[bytes]:
        """Yield the serialized messages from ``begin`` on. ``checksum``: of the bytes before that.

        The last message has the end of the object and the checksum of the whole.
        """
        offset, last = begin, False
        while not last:
            block = await self._block(offset)
            end = offset + len(block)
            last = end == self._source.size
            checksum = google_crc32c.extend(checksum, block)
            self._remember(end, checksum)
            if last:
                await asyncio.to_thread(self._source.check)
            if last or offset == begin:
                yield encode_upload(
                    _edge(offset, block, upload_id if offset == begin else None, checksum if last else None)
                )
            else:
                yield encode_upload(UploadChunk(offset, (block,), google_crc32c.value(block)))
            self._report(end)
            offset = end

    async def _block(self, offset: int) -> bytes:
        """Return the bytes from ``offset`` to the next multiple of the block size, or to the end."""
        end = min(self._source.size, offset - offset % BLOCK_BYTES + BLOCK_BYTES)
        block = await asyncio.to_thread(self._source.read, offset, end - offset)
        if len(block) != end - offset:
            raise changed(self._source.path)
        return block

    async def _checksum(self, size: int) -> int:
        """Return the CRC-32C of the first ``size`` bytes."""
        known = min(size // BLOCK_BYTES, len(self._checksums) - 1)
        checksum, offset = self._checksums[known], known * BLOCK_BYTES
        while offset < size:
            block = (await self._block(offset))[: size - offset]
            offset += len(block)
            checksum = google_crc32c.extend(checksum, block)
            self._remember(offset, checksum)
        return checksum

    def _remember(self, size: int, checksum: int) -> None:
        if size == len(self._checksums) * BLOCK_BYTES:
            self._checksums.append(checksum)

    def _report(self, done: int, *, begin: bool = False) -> None:
        if self._on_progress is not None and (begin or done != self._reported):
            self._reported = done
            self._on_progress(done, self._source.size)


def _edge(offset: int, block: bytes, upload_id: str | None, whole: int | None) -> upload_pb2.UploadRequest:
    """Return the first message (with ``upload_id``), the last one (with ``whole``), or both in one."""
    message = upload_pb2.UploadRequest(write_offset=offset, data=block)
    if upload_id is not None:
        message.upload_id = upload_id
    if block:
        message.crc32c = google_crc32c.value(block)
    if whole is not None:
        message.finish_write = True
        message.object_checksums.crc32c = whole
    return message
