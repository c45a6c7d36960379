"""Reading files, and files of projects: whole, or a range, by id, by key, by path or by version."""

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
    """What is read, and its bytes (none when only metadata was asked for)."""

    file: File | ProjectFile
    range: Range
    body: AsyncIterator[bytes] | None


class Downloader:
    """The use case; one instance per process."""

    def __init__(self, objects: CommittedReader, files: FileReader, projects: ProjectReader) -> None:
        self._objects = objects
        self._files = files
        self._projects = projects

    @asynccontextmanager
    async def open(self, request: DownloadRequest) -> AsyncIterator[OpenDownload]:
        """Find the file as the caller and open the range asked for.

        Entering raises FileNotFound, ProjectNotFound, VersionNotFound, RangeNotSatisfiable,
        PreconditionFailed (``if_etag_match``), ObjectLost (the store no longer has a committed object).
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
    """The bytes of exactly this content. Raises ObjectLost, and what the store raises."""
    return objects.open(content_of(file, masks), offset=wanted.offset, length=wanted.size)


def content_of(file: File | ProjectFile, masks: Masks = ()) -> Committed:
    """What the store should have, and what its readers get otherwise. Raises ObjectLost where it is known to
    have other bytes, ContentInfected.
    """
    refuse_unreadable(file)
    ref = ObjectRef(file.key, file.version_id or None)
    return Committed(ref, file.etag, file.size_bytes, file.crc32c, masks)


def range_of(
    request: DownloadRequest | DownloadLinkRequest | DownloadSharedRequest, file: File | ProjectFile
) -> Range:
    """What is asked for of this content. Raises ContentInfected and ObjectLost where nobody can read it,
    PreconditionFailed when another was expected, and as ``resolve_range``.
    """
    refuse_unreadable(file, lost=request.metadata_only)
    if request.if_etag_match and request.if_etag_match != file.etag:
        raise PreconditionFailed("the content has changed", metadata={"actual": file.etag})
    return resolve_range(request.read_offset, request.read_limit, file.size_bytes)


def resolve_range(offset: int, limit: int, size: int) -> Range:
    """``read_offset``/``read_limit`` on an object of ``size`` bytes. A limit past the end is cut (RFC 9110
    14.1.2).

    Raises RangeNotSatisfiable when no byte of the range exists, InvalidField for a suffix with a limit.
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
