"""Reading one file of a project, whole or a range, of any version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from storage_service.metadata.project_interfaces import ProjectReader
from storage_service.objectstore.values import ObjectRef
from storage_service.reading.committed import Committed, CommittedReader
from storage_service.reading.downloads import Range, resolve_range
from strongroom.errors import PreconditionFailed, VersionNotFound
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.storage.v1.download_pb2 import DownloadRequest


@dataclass(frozen=True, slots=True)
class OpenProjectFile:
    """What is read, and its bytes (none when only metadata was asked for)."""

    file: ProjectFile
    range: Range
    body: AsyncIterator[bytes] | None


class ProjectDownloader:
    """The use case; one instance per process."""

    def __init__(self, objects: CommittedReader, reader: ProjectReader) -> None:
        self._objects = objects
        self._reader = reader

    @asynccontextmanager
    async def open(self, request: DownloadRequest) -> AsyncIterator[OpenProjectFile]:
        """Find ``request.project_file`` as the caller and open the range asked for.

        Entering raises ProjectNotFound, VersionNotFound, FileNotFound, RangeNotSatisfiable,
        PreconditionFailed
        (``if_etag_match``), ObjectLost.
        """
        name = request.project_file
        file = await self._reader.project_file(
            name.slug, name.version, name.path, request.user_id, front_end=name.front_end
        )
        if request.version_id and request.version_id != file.version_id:
            raise VersionNotFound("this version of the project has another version of the file")
        if request.if_etag_match and request.if_etag_match != file.etag:
            raise PreconditionFailed("the content has changed", metadata={"actual": file.etag})
        wanted = resolve_range(request.read_offset, request.read_limit, file.size_bytes)
        if request.metadata_only or wanted.size == 0:
            yield OpenProjectFile(file, wanted, None)
            return
        async with open_version(self._objects, file, wanted) as body:
            yield OpenProjectFile(file, wanted, body)


@asynccontextmanager
async def open_version(
    objects: CommittedReader, file: ProjectFile, wanted: Range
) -> AsyncIterator[AsyncIterator[bytes]]:
    """The bytes of exactly this content. Raises ObjectLost, and what the store raises."""
    async with objects.open(committed_version(file), offset=wanted.offset, length=wanted.size) as body:
        yield body


def committed_version(file: ProjectFile) -> Committed:
    """What the store should have."""
    return Committed(ObjectRef(file.key, file.version_id), file.etag, file.size_bytes, file.crc32c)
