"""Queries of an owner's files. Each takes one round trip: the scope and the statement travel together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.db.database import Database, user
from metadata_service.db.paging import PageTokens, fit_in, page_size
from metadata_service.files.deletion import not_found
from metadata_service.files.rows import (
    BASIC_COLUMNS,
    COLUMNS,
    NOT_PURGED,
    VISIBLE,
    fill_basic_file,
    fill_file,
    to_file,
)
from strongroom.metadata.v1.file_pb2 import File
from strongroom.metadata.v1.file_service_pb2 import ListFilesResponse

DEFAULT_PAGE: Final = 100
LARGEST_PAGE: Final = 1000

_SELECT: Final = f"SELECT {COLUMNS} FROM files WHERE files.owner_id = %(owner)s"
_SELECT_BASIC: Final = f"SELECT {BASIC_COLUMNS} FROM files WHERE files.owner_id = %(owner)s"
_BY_ID: Final = f"{_SELECT} AND files.id = %(id)s"
_BY_KEY: Final = f"{_SELECT} AND files.key = %(key)s"
_BY_IDS: Final = f"{_SELECT} AND files.id = ANY(%(ids)s) AND {VISIBLE}"
_LIVE_FIRST: Final = "ORDER BY files.deleted_at DESC NULLS FIRST LIMIT 1"


@dataclass(frozen=True, slots=True)
class Listing:
    """Which files to list: those whose keys begin with `prefix`; `family` 0: all. `basic`: not all fields are
    filled.
    """

    owner_id: str
    prefix: str = ""
    family: int = 0
    show_deleted: bool = False
    basic: bool = False

    def identity(self) -> list[object]:
        """The query that page tokens are bound to."""
        return ["ListFiles", self.owner_id, self.prefix, self.family, self.show_deleted]


class FileQueries:
    """Reads files."""

    def __init__(self, database: Database, tokens: PageTokens) -> None:
        self._database = database
        self._tokens = tokens

    async def by_id(self, owner_id: str, file_id: UUID, *, show_deleted: bool = False) -> File:
        """One file. Raises FileNotFound."""
        condition = NOT_PURGED if show_deleted else VISIBLE
        return await self._one(owner_id, f"{_BY_ID} AND {condition}", {"owner": owner_id, "id": file_id})

    async def by_ids(self, owner_id: str, file_ids: Sequence[UUID]) -> list[File]:
        """Those of the files that are visible, in the order of `file_ids`."""
        rows = await self._database.read(user(owner_id), _BY_IDS, {"owner": owner_id, "ids": list(file_ids)})
        found = {row[0]: to_file(row) for row in rows}
        return [found[str(file_id)] for file_id in file_ids if str(file_id) in found]

    async def by_key(self, owner_id: str, key: str, *, show_deleted: bool = False) -> File:
        """The live file with this key, else (with show_deleted) the one deleted last. Raises FileNotFound."""
        condition = f"{NOT_PURGED} {_LIVE_FIRST}" if show_deleted else VISIBLE
        return await self._one(owner_id, f"{_BY_KEY} AND {condition}", {"owner": owner_id, "key": key})

    async def page(self, listing: Listing, size: int, token: str) -> ListFilesResponse:
        """One page in byte order of the keys, and the token of the next one (`""`: none).

        `size` 0 means 100; more than 1,000 is lowered. Raises InvalidPageToken.
        """
        limit = page_size(size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        query, params = self._listing(listing, token)
        params["limit"] = limit + 1
        rows = await self._database.read_list(user(listing.owner_id), query, params)
        page = ListFilesResponse()
        fit_in(page.files, rows[:limit], fill_basic_file if listing.basic else fill_file)
        if len(page.files) < len(rows):
            last = page.files[-1]
            page.next_page_token = self._tokens.seal(listing.identity(), [last.key, last.id])
        return page

    def _listing(self, listing: Listing, token: str) -> tuple[str, dict[str, object]]:
        conditions = [NOT_PURGED if listing.show_deleted else VISIBLE]
        params: dict[str, object] = {"owner": listing.owner_id}
        if token:
            conditions.append("(files.key, files.id) > (%(after_key)s, %(after_id)s)")
            params["after_key"], after_id = self._tokens.open(listing.identity(), token, parts=2)
            params["after_id"] = UUID(after_id)
        elif listing.prefix:
            conditions.append("files.key >= %(prefix)s")
            params["prefix"] = listing.prefix
        if until := after_prefix(listing.prefix):
            conditions.append("files.key < %(until)s")
            params["until"] = until
        if listing.family:
            conditions.append("files.family = %(family)s")
            params["family"] = listing.family
        where = " AND ".join(conditions)
        select = _SELECT_BASIC if listing.basic else _SELECT
        return f"{select} AND {where} ORDER BY files.key, files.id LIMIT %(limit)s", params

    async def _one(self, owner_id: str, query: str, params: dict[str, object]) -> File:
        rows = await self._database.read(user(owner_id), query, params)
        if not rows:
            raise not_found()
        return to_file(rows[0])


def after_prefix(prefix: str) -> str:
    """The smallest text greater than all texts with this prefix, in byte order; `""` if there is none.

    UTF-8 keeps the order of code points; the surrogates between U+D7FF and U+E000 are no text.
    """
    for end in range(len(prefix), 0, -1):
        last = ord(prefix[end - 1])
        if last == 0x10FFFF:
            continue
        return prefix[: end - 1] + chr(0xE000 if last == 0xD7FF else last + 1)
    return ""
