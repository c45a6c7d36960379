"""DownloadArchive: a project's version, or all of the caller's files below a key prefix, as one ZIP."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial

from servicekit import context
from servicekit.unreadable import refuse_unreadable
from storage_service.metadata.files import FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.projects.archives.listing import readable_files
from storage_service.projects.archives.sources import ArchiveSource, StoredFile, stored_file
from storage_service.projects.archives.zip_out import BodySizeChanged, ZipStream
from storage_service.reading.archive_looks import ArchiveLooks
from strongroom.errors import ObjectLost
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.path_rules import as_stored
from strongroom.storage.v1.download_pb2 import DownloadArchiveRequest


class ArchiveDownloader:
    """The use case; one instance per process."""

    def __init__(
        self, source: ArchiveSource, files: FileReader, projects: ProjectReader, looks: ArchiveLooks
    ) -> None:
        self.looks = looks
        self._source = source
        self._files = files
        self._projects = projects

    async def chunks(self, request: DownloadArchiveRequest) -> AsyncIterator[bytes]:
        """The ZIP in pieces; the same content gives the same bytes.

        Raises ProjectNotFound, VersionNotFound; ObjectLost if a file disappears during the download.
        """
        if request.WhichOneof("source") == "project":
            name = request.project
            files = self.project_files(name.slug, name.version, request.user_id)
        else:
            files = self._files_below(request)
        async with aclosing(self.zipped(files)) as pieces:
            async for piece in pieces:
                yield piece

    async def zipped(self, files: AsyncIterator[StoredFile]) -> AsyncGenerator[bytes]:
        """``files`` as a ZIP, in pieces. Raises ObjectLost, and what ``files`` raises."""
        source = self._source
        stream = ZipStream(memory=source.memory, packing=source.packing, owner=context.caller())
        async with source.entries(files) as entries:
            try:
                async with aclosing(stream.chunks(entries)) as pieces:
                    async for piece in pieces:
                        yield piece
            except BodySizeChanged as error:
                raise ObjectLost("a stored object is not as long as it was; tell the operator") from error

    async def project_files(self, slug: str, version: int, user_id: str = "") -> AsyncIterator[StoredFile]:
        """The files of a version.

        Raises ProjectNotFound, VersionNotFound; also ContentInfected, ObjectLost and ObjectArchived, before
        the first file, if one of them is known to be unreadable.
        """
        found: list[ProjectFile] = []  # bounded by the limit on a project's files
        async for _, files in self._projects.project_files(slug, version, user_id):
            found += files
        suspects = self.looks.suspects()
        for file in found:
            refuse_unreadable(file, called=file.path)
            suspects.see(file, file.path)
        await suspects.refuse()
        for file in found:
            yield stored_file(file.path, file)

    async def _files_below(self, request: DownloadArchiveRequest) -> AsyncIterator[StoredFile]:
        """Files below the prefix. Their names are the keys without the prefix's folders."""
        folders = as_stored(request.key_prefix).rpartition("/")[0]
        cut = len(folders) + 1 if folders else 0
        pages = partial(self._files.files_below, request.key_prefix, request.user_id)
        async for file in readable_files(pages, lambda file: file.key, self.looks.suspects()):
            yield stored_file(file.key[cut:], file)
