"""Reads what a share opens: lists, one file, or all files as a ZIP. Every call reads as the share's owner."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from storage_service.media.unlocated import Masks, Unlocated
from storage_service.metadata.files import FileName, FileReader
from storage_service.metadata.projects import ProjectReader
from storage_service.metadata.shares import SharedThings
from storage_service.projects.archives.downloads import ArchiveDownloader
from storage_service.projects.archives.listing import readable_files
from storage_service.projects.archives.sources import StoredFile, stored_file
from storage_service.reading.committed import CommittedReader
from storage_service.reading.downloads import open_range, range_of
from strongroom.errors import FileNotFound, ProjectNotFound, StrongroomError
from strongroom.local_names import fit
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.project_pb2 import ProjectFile
from strongroom.metadata.v1.share_pb2 import Share
from strongroom.storage.v1 import guest_pb2 as pb
from strongroom.wire import DownloadChunk

PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class SharedContents:
    """One instance per process."""

    things: SharedThings
    files: FileReader
    projects: ProjectReader
    objects: CommittedReader
    unlocated: Unlocated
    archives: ArchiveDownloader

    async def page(self, share: Share, size: int, token: str) -> tuple[list[pb.SharedItem], str]:
        """One page, and the token of the next one (``""``: none). A drop lists nothing.

        Raises InvalidPageToken; FileNotFound if everything is gone.
        """
        size = min(size or PAGE, PAGE)
        scope = share.scope
        match scope.WhichOneof("scope"):
            case "file_id":
                return [_item(await self._by_id(scope.file_id))], ""
            case "event_id":
                files, token = await self.things.media_page(scope.event_id, size, token)
            case "key_prefix":
                files, token = await self.things.files_page(scope.key_prefix, size, token)
            case "project":
                await self._still_there(share)
                found, token = await self.things.project_page(
                    scope.project.slug, scope.project.version, size, token
                )
                return [_project_item(file) for file in found], token
            case _:
                return [], ""
        return [_item(file) for file in files], token

    async def messages(
        self,
        share: Share,
        request: pb.DownloadSharedRequest,
        begun: Callable[[File | ProjectFile], object] | None = None,
    ) -> AsyncIterator[pb.DownloadSharedResponse | DownloadChunk]:
        """The messages of DownloadShared. ``begun`` is called with the file, which the answer does not name.

        Raises FileNotFound, PreconditionFailed, RangeNotSatisfiable, ObjectLost.
        """
        file = await self._named(share, request.item)
        wanted = range_of(request, file)
        if begun is not None:
            begun(file)
        masks = await self.unlocated.masks(file)
        first = pb.DownloadSharedResponse(
            file=_shown(file, masks), read_offset=wanted.offset, read_size=wanted.size
        )
        if request.metadata_only or wanted.size == 0:
            yield first
            return
        async with open_range(self.objects, file, wanted, masks) as body:
            yield first
            async for chunk in body:
                yield DownloadChunk(chunk)

    async def archive(self, share: Share) -> AsyncIterator[bytes]:
        """All files as a ZIP. Raises FileNotFound; ObjectLost if a file disappears during the download."""
        if share.scope.HasField("drop"):
            raise _none()
        if share.scope.HasField("project"):
            await self._still_there(share)
        async with aclosing(self.archives.zipped(self._stored(share))) as pieces:
            async for piece in pieces:
                yield piece

    async def _stored(self, share: Share) -> AsyncIterator[StoredFile]:
        scope = share.scope
        if scope.HasField("project"):
            async for entry in self.archives.project_files(scope.project.slug, scope.project.version):
                yield entry
            return
        names = EntryNames()
        pages, suspects = partial(self._pages, share), self.archives.looks.suspects()
        async for file in readable_files(pages, lambda file: file.filename, suspects):
            masks = await self.unlocated.masks(file)
            yield stored_file(names.free(file.filename), file, masks)

    async def _pages(self, share: Share) -> AsyncIterator[Sequence[File]]:
        scope = share.scope
        if scope.WhichOneof("scope") == "file_id":
            yield [await self._by_id(scope.file_id)]
        elif scope.WhichOneof("scope") == "event_id":
            async for page in self.things.media(scope.event_id):
                yield page
        else:
            async for page in self.files.files_below(scope.key_prefix, ""):
                yield page

    async def _named(self, share: Share, item: str) -> File | ProjectFile:
        """The file that ``item`` names, if the share opens it. Raises FileNotFound."""
        scope = share.scope
        if scope.HasField("project"):
            await self._still_there(share)
            try:
                return await self.projects.project_file(scope.project.slug, scope.project.version, item, "")
            except StrongroomError as error:
                raise _none() if error.http_status in {404, 422} else error from None
        file = await self._by_id(item)
        match scope.WhichOneof("scope"):
            case "file_id":
                opens = file.id == scope.file_id
            case "event_id":
                opens = (
                    file.HasField("event_media_details")
                    and file.event_media_details.event_id == scope.event_id
                )
            case "key_prefix":
                opens = file.key.startswith(scope.key_prefix)
            case _:
                opens = False
        if not opens:
            raise _none()
        return file

    async def _by_id(self, file_id: str) -> File:
        try:
            return await self.files.get(FileName(file_id=str(UUID(file_id))), "")
        except (FileNotFound, ValueError):
            raise _none() from None

    async def _still_there(self, share: Share) -> None:
        """Check that the project is the one that was shared, not a later one with its slug."""
        try:
            found = await self.things.project(share.scope.project.slug)
        except ProjectNotFound:
            raise _none() from None
        if found.id != share.scope.project.project_id:
            raise _none()


class EntryNames:
    """Names of files in a ZIP that can be unpacked anywhere: no two are equal on any file system."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}

    def free(self, filename: str) -> str:
        """The name for the next file."""
        name = fit(filename) or "file"
        key = name.casefold()
        count = self._taken.get(key, 0)
        self._taken[key] = count + 1
        if not count:
            return name
        stem, dot, extension = name.rpartition(".")
        numbered = f"{stem or extension} ({count + 1})" + (f"{dot}{extension}" if stem else "")
        return self.free(numbered) if numbered.casefold() in self._taken else self._take(numbered)

    def _take(self, name: str) -> str:
        self._taken[name.casefold()] = 1
        return name


def _item(file: File) -> pb.SharedItem:
    return pb.SharedItem(
        item=file.id,
        name=file.filename,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        update_time=file.update_time,
    )


def _project_item(file: ProjectFile) -> pb.SharedItem:
    return pb.SharedItem(
        item=file.path,
        name=file.path,
        content_type=file.content_type,
        size_bytes=file.size_bytes,
        update_time=file.create_time,
    )


def _shown(file: File | ProjectFile, masks: Masks) -> File:
    """The fields that a reader of the bytes needs, without owner and S3 key.

    The CRC-32C is left out if bytes are masked, because it is that of the original.
    """
    found = File(
        content_type=file.content_type,
        charset=file.charset,
        size_bytes=file.size_bytes,
        etag=file.etag,
        crc32c=0 if masks else file.crc32c,
        create_time=file.create_time,
    )
    if isinstance(file, ProjectFile):
        found.filename = file.path.rpartition("/")[2]
    else:
        found.filename = file.filename
        found.update_time.CopyFrom(file.update_time)
    return found


def _none() -> FileNotFound:
    return FileNotFound("This share has no such file (any more).")
