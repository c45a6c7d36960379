"""The client for programs that run an event loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from strongroom.client.connection import Connection
from strongroom.client.downloads import Download
from strongroom.client.event_media import EventMediaFiles
from strongroom.client.family_values import Notification
from strongroom.client.file_calls import FileCalls
from strongroom.client.files import FileName, StoredFile, Visibility, name_file
from strongroom.client.generations import Generations
from strongroom.client.path_downloads import Downloaded, PathDownload
from strongroom.client.path_files import PathFiles
from strongroom.client.projects import Projects
from strongroom.client.resumable import ResumableCalls
from strongroom.client.retries import RetryPolicy
from strongroom.client.settings import ClientSettings, Tls
from strongroom.client.sources import UploadSource, as_source
from strongroom.client.targets import Target
from strongroom.client.tokens import Token
from strongroom.client.uploads import Checksums, Progress, Upload
from strongroom.client.watching import watch
from strongroom.storage.v1 import download_pb2


class AsyncClient(ResumableCalls):
    """Files in Strongroom, straight over gRPC.

    ``storage_address``, ``metadata_address``: ``host:port`` or any gRPC target (``dns:///…``); missing ones
    come from the environment, a running development stack, or the default ports (``ClientSettings.resolve``).
    ``token``: a JWT, or a function (plain or async) that makes one; it is asked again shortly before the
    token's ``exp`` and when the service refuses it. ``tls``: see ``Tls``; by default plaintext to loopback
    and TLS to anywhere else. ``timeout``: seconds for calls without bytes; uploads and downloads have none
    unless given.

    Belongs to the event loop of its first call; any number of its tasks may share it. Close it, or use it in
    ``async with``. Every method raises ``strongroom.errors.StrongroomError`` subclasses, typed by the reason
    the service gives, and no gRPC error.
    """

    def __init__(
        self,
        storage_address: str | None = None,
        metadata_address: str | None = None,
        *,
        token: Token | None = None,
        tls: Tls | bool | None = None,
        retry: RetryPolicy | None = None,
        timeout: float | None = None,
    ) -> None:
        settings = ClientSettings.resolve(
            storage_address, metadata_address, token=token, tls=tls, retry=retry, timeout=timeout
        )
        super().__init__(Connection(settings))

    @classmethod
    def with_settings(cls, settings: ClientSettings) -> Self:
        """A client of settings that are complete: nothing is looked up."""
        client = cls.__new__(cls)
        FileCalls.__init__(client, Connection(settings))
        return client

    @property
    def settings(self) -> ClientSettings:
        """What the arguments and the environment came to."""
        return self._connection.settings

    def acting_for(self, user_id: str) -> AsyncClient:
        """The same connection, but every call is for ``user_id``; needs the admin role (``UserMismatch``)."""
        other = AsyncClient.__new__(AsyncClient)
        FileCalls.__init__(other, self._connection, user_id)
        return other

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channels; calls under way are cancelled. May be called again."""
        await self._connection.close()

    @cached_property
    def files(self) -> PathFiles:
        """Files at paths of the caller's choice."""
        return PathFiles(self)

    @cached_property
    def generations(self) -> Generations:
        """Generated images and videos."""
        return Generations(self, self._connection, self._user_id)

    @cached_property
    def event_media(self) -> EventMediaFiles:
        """Media of events; profile pictures; temporary files."""
        return EventMediaFiles(self, self._connection, self._user_id)

    @cached_property
    def projects(self) -> Projects:
        """Trees of files, saved as a whole."""
        return Projects(self._connection, self._user_id)

    async def watch(self, resume_token: str = "") -> AsyncGenerator[Notification]:
        """What happens to the caller's files, as it happens, for as long as it is read.

        :param resume_token: the id of the last event seen; empty: only what happens from now on. A connection
            that breaks is made again from the last event on, so nothing is missed within the retention.
        """
        async with aclosing(watch(self._connection, self._user_id, resume_token)) as events:
            async for event in events:
                yield event

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
        if_generation_match: int | None = None,
        request_id: str | None = None,
        on_progress: Progress | None = None,
        timeout: float | None = None,
    ) -> StoredFile:
        """Store ``source`` and answer the committed, durable file.

        :param source: path, bytes, binary file object, (async) iterator of bytes, or a function that makes
            one of these. What can be read again is sent again after a failure that may pass; the rest is not,
            once bytes of it were read.
        :param target: the family it belongs to (default ``Uploads()``); decides key, limits, allowed types.
        :param filename: default: the name of the path or file object; else the service makes one from the
            key.
        :param content_type: default: detected by the service from the first bytes.
        :param size: bytes, where the source can't tell; then it must have exactly as many.
        :param metadata: up to 32 pairs, kept with the file.
        :param if_generation_match: replace only this generation; 0: only if nothing is there (paths,
            pictures).
        :param request_id: idempotency key (AIP-155), printable ASCII; a fresh UUID by default. Repeating an
            upload with the same key within 24 h gives the first one's file.
        :param on_progress: called with bytes sent and the total (None: unknown); begins again at 0 with a
            retry.
        :raises StrongroomError: e.g. SizeLimitExceeded, QuotaExceeded, ContentTypeMismatch, ChecksumMismatch.
        :raises OSError: when the path can't be read. Whatever the source or ``on_progress`` raises comes out
            as it is.
        """
        read = await asyncio.to_thread(as_source, source)
        spec = self._spec(target, filename if filename is not None else read.filename, content_type, metadata)
        spec.request_id = request_id or str(uuid4())
        known = size if size is not None else read.size
        if known is not None:
            spec.size_bytes = known
        if checksum is not None:
            checksum.fill(spec)
        if visibility is not None:
            spec.visibility = visibility.to_proto()
        if if_generation_match is not None:
            spec.if_generation_match = if_generation_match
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
        """Write ``file`` to ``path``, in one step: readers see the old content or all of the new.

        A folder gets a file named as the stored one, made safe for it. The bytes are verified against the
        stored CRC-32C. With ``resume``, a failure leaves a hidden ``.part`` file beside the path and a later
        call goes on from there, provided the stored content is still the same.

        :raises StrongroomError: FileNotFound, ChecksumMismatch …
        :raises OSError: when the path can't be written.
        """
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
        timeout: float | None = None,
    ) -> AsyncGenerator[bytes]:
        """The bytes of ``file`` as they come, up to 1 MiB each; a stream that breaks is taken up again.

        :param offset: first byte; negative: the last ``-offset`` bytes.
        :param length: how many at the most; None: to the end.
        :raises StrongroomError: FileNotFound; RangeNotSatisfiable; PreconditionFailed when the content is
            replaced in the middle; ChecksumMismatch after the last block of a whole file whose bytes are not
            what was stored.
        """
        if offset < 0 and length is not None:
            raise ValueError(
                "a negative offset asks for the last bytes of the file; it goes without a length"
            )
        if length == 0:
            return
        request = self._download_request(file, version_id)
        request.read_offset = offset
        request.read_limit = length or 0
        download = Download(self._connection, request, timeout)
        async with aclosing(download.blocks()) as blocks:
            async for block in blocks:
                yield block

    async def read(
        self,
        file: FileName,
        *,
        offset: int = 0,
        length: int | None = None,
        version_id: str = "",
        timeout: float | None = None,
    ) -> bytes:
        """The bytes of ``file``, or of a range of it (see ``stream``), in memory."""
        blocks = self.stream(file, offset=offset, length=length, version_id=version_id, timeout=timeout)
        return b"".join([block async for block in blocks])

    def _download_request(self, file: FileName, version_id: str) -> download_pb2.DownloadRequest:
        request = download_pb2.DownloadRequest(version_id=version_id, user_id=self._user_id)
        name_file(request, file)
        return request
