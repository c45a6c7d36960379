"""The calls that transfer a file's bytes; part of ``AsyncClient``."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from uuid import uuid4

from strongroom.client.archive_downloads import save_zip
from strongroom.client.arguments import expect
from strongroom.client.downloads import Download
from strongroom.client.files import FileName, StoredFile, Visibility, name_file, visibility_number
from strongroom.client.path_downloads import Downloaded, PathDownload
from strongroom.client.reading import in_thread
from strongroom.client.resumable import ResumableCalls
from strongroom.client.retention import RetentionWish
from strongroom.client.sources import UploadSource, as_source
from strongroom.client.spooling.files import save_waiting
from strongroom.client.spooling.operations import UploadOperation
from strongroom.client.spooling.view import blocks_of_body
from strongroom.client.targets import Target
from strongroom.client.uploads import Checksums, Progress, Upload
from strongroom.storage.v1 import download_pb2


class FileTransfers(ResumableCalls):
    """Uploads and downloads of every family, on which the families' own calls are built."""

    async def upload(
        self,
        source: UploadSource,
        target: Target | None = None,
        *,
        filename: str | None = None,
        content_type: str = "",
        size: int | None = None,
        checksum: Checksums | None = None,
        metadata: Mapping[str, str] | None = None,
        visibility: Visibility | None = None,
        retention: RetentionWish | None = None,
        storage_class: str = "",
        if_generation_match: int | None = None,
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Store ``source`` and return the committed, durable file.

        :param source: path, bytes, binary file object, (async) iterator of bytes, or a function that returns
            one of these. A source that can be read again is sent again after a temporary failure; any other
            is not, once bytes of it were read.
        :param target: the family it belongs to (default ``Uploads()``); decides key, limits, allowed types.
        :param filename: default: the name of the path or file object; else the service derives one from the
            key.
        :param content_type: default: detected by the service from the first bytes.
        :param size: in bytes, if the source does not know it; it must have exactly that many.
        :param metadata: up to 32 pairs, stored with the file.
        :param retention: how long the file is kept.
        :param storage_class: an S3 storage class, one of those that the installation allows.
        :param if_generation_match: replace only this generation; 0: only if there is none yet (paths,
            pictures).
        :param request_id: idempotency key (AIP-155), printable ASCII; a fresh UUID by default. Repeating an
            upload with the same key within 24 h returns the first one's file.
        :param on_progress: called with the bytes sent and the total (None: unknown); starts again at 0 with a
            retry.
        :raises StrongroomError: e.g. SizeLimitExceeded, QuotaExceeded, ContentTypeMismatch, ChecksumMismatch.
        :raises OSError: if the path can't be read. Exceptions of the source or ``on_progress`` are raised
            unchanged.
        """
        in_memory = isinstance(source, bytes | bytearray | memoryview)  # nothing that could block
        read = as_source(source) if in_memory else await asyncio.to_thread(as_source, source)
        spec = self._spec(target, filename if filename is not None else read.filename, content_type, metadata)
        spec.request_id = request_id or str(uuid4())
        known = size if size is not None else read.size
        if known is not None:
            spec.size_bytes = known
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
        if self._spooled is not None:
            return await self._spooled.upload(UploadOperation(spec, read, on_progress, timeout))
        return await Upload(self._connection, spec, read, on_progress, timeout).run()

    async def download(
        self,
        file: FileName,
        path: str | os.PathLike[str],
        *,
        version_id: str = "",
        resume: bool = True,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> Downloaded:
        """Write ``file`` to ``path`` atomically: readers see either the old content or all of the new.

        If ``path`` is a folder, the file is named like the stored one, made safe for the file system. The
        bytes are verified against the stored CRC-32C. With ``resume``, a failure leaves a hidden ``.part``
        file beside the path, and a later call continues from there if the stored content is still the same.

        :raises StrongroomError: FileNotFound, ChecksumMismatch …
        :raises OSError: when the path can't be written.
        """
        if self._spooled is not None:
            if (waiting := await self._spooled.find(file)) is not None:
                return await save_waiting(waiting, Path(path), on_progress)
            file = await self._spooled.resolve(file)
        request = self._download_request(file, version_id)
        to_path = PathDownload(
            self._connection, request, resume=resume, on_progress=on_progress, timeout=timeout
        )
        return await to_path.to(Path(path))

    async def stream(
        self,
        file: FileName,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str = "",
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> AsyncGenerator[bytes]:
        """The bytes of ``file`` in blocks of up to 1 MiB, as they arrive; a stream that breaks is resumed.

        :param offset: first byte; negative: the last ``-offset`` bytes.
        :param length: maximum number of bytes; None: to the end.
        :param on_progress: called with the bytes received and the total (None: unknown).
        :raises StrongroomError: FileNotFound; RangeNotSatisfiable; PreconditionFailed if the content is
            replaced meanwhile; ChecksumMismatch after the last block of a whole file whose bytes differ from
            what was stored.
        """
        if offset < 0 and length is not None:
            raise ValueError(
                "a negative offset asks for the last bytes of the file; it can't be combined with a length"
            )
        if length == 0:
            return
        done = 0
        if self._spooled is not None:
            if (waiting := await self._spooled.find(file)) is not None:
                async with aclosing(in_thread(lambda: blocks_of_body(waiting.place, offset, length))) as mine:
                    async for block in mine:
                        done += len(block)
                        if on_progress is not None:
                            on_progress(done, None)
                        yield block
                return
            file = await self._spooled.resolve(file)
        request = self._download_request(file, version_id)
        request.read_offset = offset
        request.read_limit = length or 0
        download = Download(self._connection, request, timeout)
        async with aclosing(download.blocks()) as blocks:
            async for block in blocks:
                done += len(block)
                if on_progress is not None:
                    on_progress(done, download.size)
                yield block

    async def read(
        self,
        file: FileName,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str = "",
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> bytes:
        """The bytes of ``file``, or of a range of it (see ``stream``), in memory."""
        blocks = self.stream(
            file,
            offset=offset,
            length=length,
            version_id=version_id,
            on_progress=on_progress,
            timeout=timeout,
        )
        return b"".join([block async for block in blocks])

    async def export(
        self,
        path: str | os.PathLike[str],
        *,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> int:
        """Write everything that the caller has stored to the file ``path``, as one ZIP with a
        ``manifest.json``.

        Written atomically; returns its size in bytes. For another user use ``acting_for``, with the admin
        role.
        """
        request = download_pb2.ExportUserRequest(user_id=self._user_id)
        method = self._connection.transfers.ExportUser
        return await save_zip(
            self._connection, method, request, Path(path), on_progress=on_progress, timeout=timeout
        )

    def _download_request(self, file: FileName, version_id: str) -> download_pb2.DownloadRequest:
        request = download_pb2.DownloadRequest(version_id=version_id, user_id=self._user_id)
        name_file(request, file)
        return request
