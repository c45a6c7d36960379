"""One upload: a source sent as a stream of 1 MiB messages, and again if that is safe."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass

import google_crc32c
import grpc

from strongroom import errors
from strongroom.client.connection import Connection, Metadata, typed
from strongroom.client.files import StoredFile
from strongroom.client.reading import with_last
from strongroom.client.retries import Deadline
from strongroom.client.sources import Source
from strongroom.client.streams import SourceFailed, exchange
from strongroom.metadata.v1 import file_pb2, target_pb2
from strongroom.storage.v1 import diagnostics_service_pb2, upload_pb2
from strongroom.wire import UploadChunk, encode_upload

Message = upload_pb2.UploadRequest | UploadChunk

#: Called with the bytes done so far and the total, if known. A retry begins at 0 again.
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True)
class Checksums:
    """Checksums of the whole content. Each one given is verified before the file becomes visible.

    CRC-32C is computed and verified in any case. ``md5`` and ``sha256``: digests as bytes or hexadecimal
    text.
    """

    crc32c: int | None = None
    md5: bytes | str | None = None
    sha256: bytes | str | None = None

    def fill(self, spec: target_pb2.UploadSpec) -> None:
        """Set the checksums in a spec.

        :raises ValueError: for invalid hexadecimal text.
        """
        if self.crc32c is not None:
            spec.checksums.crc32c = self.crc32c
        if self.md5 is not None:
            spec.checksums.md5 = _digest(self.md5)
        if self.sha256 is not None:
            spec.checksums.sha256 = _digest(self.sha256)


def _digest(value: bytes | str) -> bytes:
    return bytes.fromhex(value) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class UploadLimit:
    """The limits of one kind of upload.

    ``max_size``: bytes. ``content_types``: exact or ``image/*``; empty: any. ``max_files``: of a project; 0
    for others.
    """

    max_size: int
    content_types: tuple[str, ...] = ()
    max_files: int = 0

    @classmethod
    def from_proto(cls, limit: diagnostics_service_pb2.UploadLimit) -> UploadLimit:
        """The value for a ``strongroom.storage.v1.UploadLimit``."""
        return cls(limit.max_size_bytes, tuple(limit.content_types), limit.max_files)

    def takes(self, content_type: str) -> bool:
        """Whether files of this type may be stored; ``content_type`` without parameters."""
        return not self.content_types or any(
            content_type.startswith(pattern[:-1]) if pattern.endswith("/*") else content_type == pattern
            for pattern in self.content_types
        )


class Upload:
    """One upload with all its attempts. ``spec.request_id`` makes them one request for the service
    (AIP-155).
    """

    def __init__(
        self,
        connection: Connection,
        spec: target_pb2.UploadSpec,
        source: Source,
        on_progress: Progress | None,
        timeout: float | None,
    ) -> None:
        self._connection = connection
        self._spec = spec
        self._source = source
        self._on_progress = on_progress
        self._deadline = Deadline(timeout)
        self._total = spec.size_bytes if spec.HasField("size_bytes") else None
        self._reading_began = False
        self._reported: int | None = None

    async def run(self) -> StoredFile:
        """Upload, and return the committed file.

        :raises StrongroomError: typed by the reason. Exceptions of the source are raised unchanged.
        """
        return StoredFile.from_proto(await self.file())

    async def file(self) -> file_pb2.File:
        """Like ``run``, but return the service's message."""
        attempts = self._connection.attempts(self._deadline)
        while True:
            try:
                file = await self._attempt()
                self._report(file.size_bytes)
                return file
            except errors.StrongroomError as error:
                self._refuse_second_reading(error)
                await attempts.pause(error)
            except SourceFailed as failed:
                raise failed.cause  # noqa: B904 - the cause has its own traceback; ours would only hide it

    def _refuse_second_reading(self, error: errors.StrongroomError) -> None:
        if self._source.repeatable or not self._reading_began:
            return
        error.add_note(
            "not tried again: bytes of the source were already read and it can't be read a second time; "
            "upload a path, bytes, a seekable file, or a function that opens the source"
        )
        raise error

    async def _attempt(self) -> file_pb2.File:
        """Make one call."""
        metadata = await self._connection.metadata()
        if (data := self._source.small) is not None:
            return await self._at_once(data, metadata)
        call = self._connection.upload(metadata=metadata, timeout=self._deadline.remaining())
        return (await exchange(call, metadata, self._encoded())).file

    async def _at_once(self, data: bytes, metadata: Metadata) -> file_pb2.File:
        """Send one message. A unary call can't lose its status (see ``strongroom.sending``)."""
        self._check_size(len(data), last=True)
        crc = google_crc32c.value(data)
        message = self._edge(0, data, crc, crc)
        call = self._connection.upload_at_once
        try:
            response = await call(message, metadata=metadata, timeout=self._deadline.remaining())
        except grpc.aio.AioRpcError as error:
            raise typed(error, metadata) from error
        self._report(len(data))
        return response.file

    async def _encoded(self) -> AsyncGenerator[bytes]:
        """Yield the serialized messages; report progress after each was written."""
        async with aclosing(self._messages()) as messages:
            async for message in messages:
                yield encode_upload(message)
                self._report(message.write_offset + len(message.data))

    async def _messages(self) -> AsyncGenerator[Message]:
        """Yield the messages of one attempt: the first has the spec, the last one size and checksum of the
        whole.
        """
        whole = offset = 0
        self._reading_began = True
        async with aclosing(with_last(self._source.blocks())) as blocks:
            async for block, last in blocks:
                part = google_crc32c.value(block)
                whole = google_crc32c.extend(whole, block) if offset else part
                self._check_size(offset + len(block), last)
                if offset == 0 or last:
                    yield self._edge(offset, block, part, whole if last else None)
                else:
                    yield UploadChunk(offset, (block,), part)
                offset += len(block)

    def _edge(self, offset: int, block: bytes, part: int, whole: int | None) -> upload_pb2.UploadRequest:
        """Return the first message, the last one (with ``whole``), or both in one."""
        message = upload_pb2.UploadRequest(write_offset=offset, data=block, crc32c=part)
        if offset == 0:
            message.spec.CopyFrom(self._spec)
        if whole is not None:
            message.finish_write = True
            message.object_checksums.crc32c = whole
        return message

    def _check_size(self, read: int, last: bool) -> None:
        """Raise unless the source has exactly the declared size, before the upload is finished."""
        if self._total is None or read == self._total or (read < self._total and not last):
            return
        found = f"only {read}" if last else f"at least {read}"
        raise errors.SizeMismatch(
            f"the source was to give {self._total} bytes, but gives {found}; "
            "was it changed while it was read?",
            metadata={"expected": str(self._total), "actual": str(read)},
        )

    def _report(self, sent: int) -> None:
        if self._on_progress is not None and sent != self._reported:
            self._reported = sent
            self._on_progress(sent, self._total)
