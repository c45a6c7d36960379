"""Reads a file: a stream that resumes where it broke off, verified at its end."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import google_crc32c
import grpc

from strongroom import errors
from strongroom.client.connection import Connection, typed
from strongroom.client.files import StoredFile
from strongroom.client.retries import Deadline
from strongroom.storage.v1 import download_pb2
from strongroom.wire import DownloadChunk

if TYPE_CHECKING:
    DownloadCall = grpc.aio.UnaryStreamCall[
        download_pb2.DownloadRequest, download_pb2.DownloadResponse | DownloadChunk
    ]


class Download:
    """One read of a file or of a range of it. ``header`` is set from the first block on.

    A stream that breaks is opened again where it broke, bound to the ETag of the first attempt, so that bytes
    of two contents are never joined (``PreconditionFailed`` when the content was replaced meanwhile).
    """

    def __init__(
        self, connection: Connection, request: download_pb2.DownloadRequest, timeout: float | None
    ) -> None:
        self._connection = connection
        self._request = request
        self._deadline = Deadline(timeout)
        self.header: download_pb2.DownloadResponse | None = None
        self._received = 0

    @property
    def file(self) -> StoredFile:
        """The file that is read; after the header."""
        if self.header is None:
            raise RuntimeError("the header has not come yet")
        return StoredFile.from_proto(self.header.file)

    @property
    def size(self) -> int | None:
        """Bytes that are read, of the whole file or of the range; None before the header."""
        return None if self.header is None else self.header.read_size

    async def describe(self) -> StoredFile:
        """The file without its bytes."""
        request = download_pb2.DownloadRequest()
        request.CopyFrom(self._request)
        request.metadata_only = True
        request.read_offset = request.read_limit = 0
        described = Download(self._connection, request, self._deadline.remaining())
        async with aclosing(described.blocks()) as blocks:
            async for _ in blocks:
                raise errors.Internal("the service sent bytes where only metadata was asked for")
        return described.file

    async def blocks(self) -> AsyncGenerator[bytes]:
        """The bytes, as they arrive.

        :raises StrongroomError: typed by the reason; ``ChecksumMismatch`` after the last block of a whole
            file whose bytes are not what was stored.
        """
        attempts = self._connection.attempts(self._deadline)
        crc32c = 0
        while not self._complete():
            try:
                async with aclosing(self._attempt()) as blocks:
                    async for block in blocks:
                        self._received += len(block)
                        crc32c = google_crc32c.extend(crc32c, block)
                        attempts.progressed()
                        yield block
            except errors.StrongroomError as error:
                await attempts.pause(error)
        header = self.header
        if header is not None and header.read_offset == 0 and header.read_size == header.file.size_bytes:
            self._check_whole(crc32c)

    def _check_whole(self, crc32c: int) -> None:
        """Compare the checksum of all bytes of the file with the stored one.

        :raises ChecksumMismatch: when they differ.
        """
        header = self.header
        if header is None or self._request.metadata_only or not header.HasField("file"):
            return
        described = self._request.version_id in {
            "",
            header.file.version_id,
        }  # otherwise the checksum is another version's
        if described and header.file.crc32c != crc32c:
            raise damaged(self.file, crc32c)

    def _complete(self) -> bool:
        if self.header is None:
            return False
        return self._request.metadata_only or self._received >= self.header.read_size

    async def _attempt(self) -> AsyncGenerator[bytes]:
        metadata = await self._connection.metadata()
        call: DownloadCall = self._connection.download(
            self._next_request(), metadata=metadata, timeout=self._deadline.remaining()
        )
        try:
            async for message in call:
                if self.header is None and isinstance(message, download_pb2.DownloadResponse):
                    self.header = message
                if message.data:
                    yield bytes(message.data)
        except grpc.aio.AioRpcError as error:
            raise typed(error, metadata) from error
        finally:
            call.cancel()
        if not self._complete():
            wanted = "the header" if self.header is None else f"byte {self.header.read_size}"
            raise errors.ServiceUnavailable(
                f"the download ended before {wanted}, after {self._received} bytes"
            )

    def _next_request(self) -> download_pb2.DownloadRequest:
        if self.header is None:
            return self._request
        request = download_pb2.DownloadRequest()
        request.CopyFrom(self._request)
        request.read_offset = self.header.read_offset + self._received
        request.read_limit = self.header.read_size - self._received
        if not request.version_id:
            request.if_etag_match = self.header.file.etag
        return request


def damaged(file: StoredFile, crc32c: int) -> errors.ChecksumMismatch:
    """Return the error for bytes that differ from those of ``file``."""
    return errors.ChecksumMismatch(
        "what was received is not what was stored (CRC-32C differs); try again, and tell the operators "
        f"about file {file.id} if it stays",
        metadata={"algorithm": "crc32c", "expected": f"{file.crc32c:08x}", "actual": f"{crc32c:08x}"},
    )
