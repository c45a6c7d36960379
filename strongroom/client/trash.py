"""The trash: files that were deleted with ``soft`` and can still be restored; part of ``AsyncClient``."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from strongroom.client.files import Family, FileName, FilePage, StoredFile, family_number, id_or_key
from strongroom.client.links import LinkCalls
from strongroom.client.paging import all_pages
from strongroom.metadata.v1 import file_service_pb2


@dataclass(frozen=True, slots=True)
class Purged:
    """Number of files that were deleted for good, and their bytes."""

    files: int
    size: int


class TrashCalls(LinkCalls):
    """Lists and empties the trash, for the caller or the user it acts for."""

    async def trash_page(
        self,
        *,
        family: Family | None = None,
        page_size: int = 100,
        page_token: str = "",
        timeout: float | None = None,
    ) -> FilePage:
        """One page of the trash, most recently deleted first; at most 1,000."""
        request = file_service_pb2.ListTrashRequest(
            family=family_number(family), page_size=page_size, page_token=page_token, user_id=self._user_id
        )
        response = await self._connection.unary(self._connection.files.ListTrash, request, timeout=timeout)
        return FilePage(tuple(map(StoredFile.from_proto, response.files)), response.next_page_token)

    async def trash(self, *, family: Family | None = None) -> AsyncGenerator[StoredFile]:
        """All of the trash, most recently deleted first, fetched page by page."""
        async for page in all_pages(
            lambda token: self.trash_page(family=family, page_size=1000, page_token=token)
        ):
            for file in page.files:
                yield file

    async def purge(self, file: FileName, *, timeout: float | None = None) -> StoredFile:
        """Delete a file in the trash for good, and return it as it was.

        :raises FileNotFound: also when it is not in the trash.
        """
        file_id, key = id_or_key(file)
        if not file_id:
            named = file_service_pb2.GetFileRequest(user_id=self._user_id, key=key, show_deleted=True)
            found = await self._connection.unary(self._connection.files.GetFile, named, timeout=timeout)
            file_id = found.file.id
        request = file_service_pb2.PurgeFileRequest(file_id=file_id, user_id=self._user_id)
        response = await self._connection.unary(self._connection.files.PurgeFile, request, timeout=timeout)
        return StoredFile.from_proto(response.file)

    async def empty_trash(self, *, family: Family | None = None, timeout: float | None = None) -> Purged:
        """Delete everything in the trash for good; ``timeout`` applies to each call, of 10,000 files."""
        files, size, more = 0, 0, True
        request = file_service_pb2.EmptyTrashRequest(family=family_number(family), user_id=self._user_id)
        while more:
            gone = await self._connection.unary(self._connection.files.EmptyTrash, request, timeout=timeout)
            files, size, more = files + gone.file_count, size + gone.size_bytes, gone.more
        return Purged(files, size)
