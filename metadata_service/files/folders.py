"""Folders: common prefixes of keys up to a slash. They have no rows; a folder exists while a file is below
it.

Listing a folder walks the index of keys from entry to entry and skips what is below each subfolder, so the
cost depends on the entries shown, not on the files below them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, Database, Transaction, user
from metadata_service.db.paging import PageTokens, page_size
from metadata_service.files import events
from metadata_service.files.deletion import hide_many, not_found, remove_many
from metadata_service.files.queries import DEFAULT_PAGE, LARGEST_PAGE, FileQueries, after_prefix
from metadata_service.files.rows import VISIBLE
from metadata_service.usage import quota, tallies
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import File

DELIMITER: Final = "/"
#: Most files that one transaction deletes.
LARGEST_FOLDER: Final = 20_000

#: The first key from `place` on.
_STEP: Final = f"""
SELECT files.key, files.id, position('/' IN substr(files.key, length(%(prefix)s) + 1)) AS slash
FROM files WHERE files.owner_id = %(owner)s AND files.key >= {{place}}
    AND (%(until)s = '' OR files.key < %(until)s) AND (%(family)s::int = 0 OR files.family = %(family)s::int)
    AND {VISIBLE}
ORDER BY files.key, files.id LIMIT 1
"""
_ENTRY: Final = """
SELECT CASE WHEN slash > 0 THEN left(key, length(%(prefix)s) + slash) ELSE key END COLLATE "C" AS name,
    CASE WHEN slash = 0 THEN id END AS id,
    CASE WHEN slash > 0 THEN left(key, length(%(prefix)s) + slash - 1) || '0'
        ELSE key || E'\\x01' END COLLATE "C" AS place,
    {number} AS number
FROM ({step}) AS first
"""
#: Each step continues after the folder of the key, or after the key itself: '0' follows '/', and no character
#: of a key sorts before U+0001.
_WALK: Final = f"""
WITH RECURSIVE walk AS (
    {_ENTRY.format(number="1", step=_STEP.format(place="%(place)s"))}
    UNION ALL
    SELECT next.name, next.id, next.place, next.number FROM walk, LATERAL (
        {_ENTRY.format(number="walk.number + 1", step=_STEP.format(place="walk.place"))}
    ) AS next WHERE walk.number < %(limit)s
)
SELECT name, id, place FROM walk ORDER BY number
"""

_BELOW: Final = f"""files.owner_id = %(owner)s AND files.key >= %(prefix)s AND files.key < %(until)s
AND {VISIBLE}"""
_LOCK: Final = f"""
SELECT files.id, files.blob_id, files.size_bytes FROM files WHERE {_BELOW}
ORDER BY files.id LIMIT %(limit)s FOR UPDATE
"""


@dataclass(frozen=True, slots=True)
class FolderListing:
    """What to list: the entries directly below `prefix`, of one family or (0) all."""

    owner_id: str
    prefix: str = ""
    family: int = 0

    def identity(self) -> list[object]:
        """The query that page tokens are bound to."""
        return ["ListFolder", self.owner_id, self.prefix, self.family]


@dataclass(frozen=True, slots=True)
class FolderPage:
    """Folders (full prefixes, with their slash) and files, each in key order; `token`: for the next page."""

    folders: list[str]
    files: list[File]
    token: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Number and bytes of deleted files."""

    files: int
    size_bytes: int


class Folders:
    """Lists and deletes folders."""

    def __init__(self, database: Database, files: FileQueries, tokens: PageTokens, timing: Timing) -> None:
        self._database = database
        self._files = files
        self._tokens = tokens
        self._timing = timing

    async def page(self, listing: FolderListing, size: int, token: str) -> FolderPage:
        """A page of at most `size` folders and files together. Raises InvalidPageToken."""
        limit = page_size(size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        place = listing.prefix
        if token:
            (place,) = self._tokens.open(listing.identity(), token, parts=1)
        params = {
            "owner": listing.owner_id,
            "prefix": listing.prefix,
            "place": place,
            "until": after_prefix(listing.prefix),
            "family": listing.family,
            "limit": limit + 1,
        }
        rows = await self._database.read_list(user(listing.owner_id), _WALK, params)
        shown = rows[:limit]
        ids = [UUID(str(row[1])) for row in shown if row[1] is not None]
        files = await self._files.by_ids(listing.owner_id, ids) if ids else []
        folders = [row[0] for row in shown if row[1] is None]
        more = len(rows) > limit
        return FolderPage(
            folders, files, self._tokens.seal(listing.identity(), [shown[-1][2]]) if more else ""
        )

    async def delete(self, owner_id: str, folder: str, *, soft: bool) -> Gone:
        """Delete all files below `folder` (with or without its final slash) in one transaction.

        Raises FileNotFound if there are none, InvalidField for more than LARGEST_FOLDER, RetentionHeld.
        """
        prefix = folder.rstrip(DELIMITER) + DELIMITER
        if prefix == DELIMITER:
            raise InvalidField("Name a folder; this is everything.", field="folder", rule="not_empty")

        async def work(tx: Transaction) -> Gone:
            params: dict[str, object] = {"owner": owner_id, "prefix": prefix, "until": after_prefix(prefix)}
            rows = await tx.fetch(_LOCK, {**params, "limit": LARGEST_FOLDER + 1})
            if not rows:
                raise not_found("folder")
            if len(rows) > LARGEST_FOLDER:
                raise InvalidField(
                    f"The folder holds over {LARGEST_FOLDER:,} files; delete the folders in it one by one.",
                    field="folder",
                    rule="max_files",
                )
            ids, size = [row[0] for row in rows], sum(row[2] for row in rows)
            # Events and tallies are made from the rows, so they come before the deletion.
            told = [events.files_deleted(owner_id, ids), tallies.many_became_invisible(owner_id, ids)]
            if soft:
                going = [hide_many(owner_id, ids, self._timing.soft_delete)]
            else:
                going = remove_many(owner_id, ids, [row[1] for row in rows], self._timing.read_grace)
            await tx.batch([*told, *going, quota.count(owner_id, -size, -len(ids))])
            return Gone(len(ids), size)

        return await self._database.transact(user(owner_id), work, seconds=LARGE_SECONDS)
