"""Reads files and project files, whole or in ranges, by id, key, path or version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from servicekit.unreadable import refuse_unreadable
from storage_service.media.unlocated import Masks
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.committed import Committed, CommittedReader
from strongroom.errors import (
    InvalidField,
    PreconditionFailed,
    RangeNotSatisfiable,
    VersionNotFound,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.storage.v1.download_pb2 import DownloadRequest
from strongroom.storage.v1.guest_pb2 import DownloadSharedRequest
from strongroom.storage.v1.link_pb2 import DownloadLinkRequest


@dataclass(frozen=True, slots=True)
class Range:
    """``size`` bytes from ``offset`` on."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class OpenDownload:
    """The file being read, the range, and its bytes (None if only metadata was requested, or the range is
    empty).
    """

    file: File | ProjectFile
    range: Range
    body: AsyncIterator[bytes] | None


class Downloader:
    """Carries out downloads. One instance per process."""

    def __init__(self, objects: CommittedReader, files: FileReader, projects: ProjectReader) -> None:
        self._objects = objects
        self._files = files
        self._projects = projects

    @asynccontextmanager
    async def open(self, request: DownloadRequest) -> AsyncIterator[OpenDownload]:
        """Find the file with the caller's rights, and open the requested range.

        Entering raises FileNotFound, ProjectNotFound, VersionNotFound, RangeNotSatisfiable,
        PreconditionFailed (``if_etag_match``), ContentInfected, ObjectLost (the store no longer has the
        object).
        """
        file = await self._find(request)
        wanted = range_of(request, file)
        if request.metadata_only or wanted.size == 0:
            yield OpenDownload(file, wanted, None)
            return
        async with open_range(self._objects, file, wanted) as body:
            yield OpenDownload(file, wanted, body)

    async def _find(self, request: DownloadRequest) -> File | ProjectFile:
        if request.WhichOneof("name") == "project_file":
            name = request.project_file
            found = await self._projects.project_file(
                name.slug, name.version, name.path, request.user_id, front_end=name.front_end
            )
            if request.version_id and request.version_id != found.version_id:
                raise VersionNotFound("this version of the project has another version of the file")
            return found
        file = await self._files.named(request)
        if request.version_id and request.version_id != file.version_id:
            raise VersionNotFound(f"the file has no version {request.version_id}")
        return file


def open_range(
    objects: CommittedReader, file: File | ProjectFile, wanted: Range, masks: Masks = ()
) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
    """Open the bytes of exactly this content. Raises ObjectLost, ContentInfected, and the store's errors."""
    return objects.open(content_of(file, masks), offset=wanted.offset, length=wanted.size)


def content_of(file: File | ProjectFile, masks: Masks = ()) -> Committed:
    """Return the object that the store should have, with the ``masks`` for its readers.

    Raises ObjectLost if it is known to be damaged, ContentInfected.
    """
    refuse_unreadable(file)
    ref = ObjectRef(file.key, file.version_id or None)
    return Committed(ref, file.etag, file.size_bytes, file.crc32c, masks)


def range_of(
    request: DownloadRequest | DownloadLinkRequest | DownloadSharedRequest, file: File | ProjectFile
) -> Range:
    """Return the range that the request asks for.

    Raises ContentInfected and ObjectLost for unreadable files, PreconditionFailed if another content was
    expected, and as ``resolve_range``.
    """
    refuse_unreadable(file, lost=request.metadata_only)
    if request.if_etag_match and request.if_etag_match != file.etag:
        raise PreconditionFailed("the content has changed", metadata={"actual": file.etag})
    return resolve_range(request.read_offset, request.read_limit, file.size_bytes)


def resolve_range(offset: int, limit: int, size: int) -> Range:
    """Return the range for ``read_offset`` and ``read_limit`` on an object of ``size`` bytes.

    A limit past the end is shortened (RFC 9110 section 14.1.2). Raises RangeNotSatisfiable if the range has
    no byte, InvalidField for a suffix (negative offset) with a limit.
    """
    if offset < 0:
        if limit:
            raise InvalidField("read_limit must be 0 when read_offset is negative", field="read_limit")
        if size == 0:
            raise _unsatisfiable(size)
        begin = max(0, size + offset)
        return Range(begin, size - begin)
    if offset == 0 and limit == 0:
        return Range(0, size)
    if offset >= size:
        raise _unsatisfiable(size)
    return Range(offset, min(limit or size, size - offset))


def _unsatisfiable(size: int) -> RangeNotSatisfiable:
    return RangeNotSatisfiable(
        f"the range lies outside of the file's {size} bytes", metadata={"size": str(size)}
    )
