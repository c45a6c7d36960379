"""Search and folders; part of ``AsyncClient``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from strongroom.client.arguments import expect, moment, pairs
from strongroom.client.files import Family, FilePage, StoredFile, family_number
from strongroom.client.paging import all_pages
from strongroom.client.trash import Purged, TrashCalls
from strongroom.metadata.v1 import file_pb2, file_service_pb2


@dataclass(frozen=True, slots=True)
class Wanted:
    """Search conditions, all of which must match. ``query``: up to 10 words, each occurring somewhere in
    name, path, prompt, title, description or tags, in any case; ``"two words"`` are one. ``content_type``:
    exact or ``image/*``. Times are aware; ``settings``: members of a generation's settings, as text.
    """

    query: str = ""
    family: Family | None = None
    content_type: str = ""
    prefix: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    min_size: int | None = None
    max_size: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    def to_proto(self) -> file_service_pb2.SearchFilesRequest:
        """Return the request.

        :raises ValueError: a time has no time zone; there is no such family.
        """
        found = file_pb2.FileFilter(
            query=self.query,
            content_type=self.content_type,
            min_size_bytes=self.min_size,
            max_size_bytes=self.max_size,
            settings=pairs("settings", self.settings),
        )
        if self.created_after is not None:
            found.created_after.FromDatetime(moment("created_after", self.created_after))
        if self.created_before is not None:
            found.created_before.FromDatetime(moment("created_before", self.created_before))
        return file_service_pb2.SearchFilesRequest(
            filter=found,
            family=family_number(self.family),
            prefix=self.prefix,
        )


@dataclass(frozen=True, slots=True)
class FolderPage:
    """What is directly below a prefix: folders as full prefixes, and files; each in key order."""

    folders: tuple[str, ...]
    files: tuple[StoredFile, ...]
    next_page_token: str


class SearchCalls(TrashCalls):
    """Finds files, for the caller or the user it acts for."""

    async def search_page(
        self,
        wanted: Wanted | str,
        *,
        page_size: int = 100,
        page_token: str = "",
        timeout: float | None = None,
    ) -> FilePage:
        """One page, newest first; at most 1,000. If matches are rare it may be short or empty and still have
        a ``next_page_token``.

        :param wanted: words, or a ``Wanted`` with all conditions.
        """
        expect(wanted, str | Wanted, "search takes words (str) or a Wanted")
        request = (Wanted(wanted) if isinstance(wanted, str) else wanted).to_proto()
        request.page_size, request.page_token, request.user_id = page_size, page_token, self._user_id
        response = await self._connection.unary(self._connection.files.SearchFiles, request, timeout=timeout)
        return FilePage(tuple(map(StoredFile.from_proto, response.files)), response.next_page_token)

    async def search(self, wanted: Wanted | str) -> AsyncGenerator[StoredFile]:
        """All matches, newest first, fetched page by page."""
        async for page in all_pages(lambda token: self.search_page(wanted, page_size=1000, page_token=token)):
            for file in page.files:
                yield file

    async def folder_page(
        self, prefix: str = "", *, page_size: int = 100, page_token: str = "", timeout: float | None = None
    ) -> FolderPage:
        """One page of a folder; ``prefix`` with its slash at the end, empty: the top."""
        request = file_service_pb2.ListFolderRequest(
            prefix=prefix, page_size=page_size, page_token=page_token, user_id=self._user_id
        )
        response = await self._connection.unary(self._connection.files.ListFolder, request, timeout=timeout)
        files = tuple(map(StoredFile.from_proto, response.files))
        return FolderPage(tuple(response.folders), files, response.next_page_token)

    async def delete_folder(self, folder: str, *, soft: bool = False, timeout: float | None = None) -> Purged:
        """Delete every file below ``folder`` in one transaction; returns how many.

        :raises FileNotFound: there is none. :raises InvalidField: more than 20,000.
        """
        request = file_service_pb2.DeleteFolderRequest(folder=folder, soft=soft, user_id=self._user_id)
        gone = await self._connection.unary(self._connection.files.DeleteFolder, request, timeout=timeout)
        return Purged(gone.file_count, gone.size_bytes)
