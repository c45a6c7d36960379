"""The trash: soft-deleted files until their purge time. Purging is the second half of D1 (rule R5); the files
were counted out and reported when they were hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from metadata_service.config import Timing
from metadata_service.db.database import LARGE_SECONDS, Database, Transaction, user
from metadata_service.db.paging import PageTokens, fitting, page_size
from metadata_service.files.deletion import not_found, remove, remove_many
from metadata_service.files.queries import DEFAULT_PAGE, LARGEST_PAGE
from metadata_service.files.retention import HELD
from metadata_service.files.rows import COLUMNS, to_file
from strongroom.metadata.v1.file_pb2 import File

#: Most files that one transaction purges, which takes about a second.
LARGEST_PURGE: Final = 10_000

_IN_TRASH: Final = f"""files.owner_id = %(owner)s AND files.deleted_at IS NOT NULL
AND (files.purge_at > now() OR {HELD}) AND (%(family)s::int = 0 OR files.family = %(family)s::int)"""
_PAGE: Final = f"""
SELECT {COLUMNS}, files.deleted_at, files.id FROM files WHERE {_IN_TRASH} -- after
ORDER BY files.deleted_at DESC, files.id DESC LIMIT %(limit)s
"""
_FIRST_PAGE: Final = _PAGE.replace("-- after", "")
_NEXT_PAGE: Final = _PAGE.replace(
    "-- after", "AND (files.deleted_at, files.id) < (%(before)s, %(before_id)s)"
)
_LOCK_ONE: Final = f"SELECT {COLUMNS}, files.blob_id FROM files WHERE {_IN_TRASH} AND id = %(id)s FOR UPDATE"
_LOCK_ALL: Final = f"""
SELECT id, blob_id, size_bytes FROM files WHERE {_IN_TRASH} AND NOT {HELD}
ORDER BY id LIMIT %(limit)s FOR UPDATE
"""
_COUNT_HELD: Final = f"SELECT count(*) FROM files WHERE {_IN_TRASH} AND {HELD}"


@dataclass(frozen=True, slots=True)
class Purged:
    """Number and bytes of purged files; `more`: some are left. `kept`: how many files are under retention or
    on hold.
    """

    files: int
    size_bytes: int
    more: bool
    kept: int


class Trash:
    """Lists and empties an owner's trash."""

    def __init__(self, database: Database, tokens: PageTokens, timing: Timing) -> None:
        self._database = database
        self._tokens = tokens
        self._timing = timing

    async def page(self, owner_id: str, family: int, size: int, token: str) -> tuple[list[File], str]:
        """A page, last deleted first (`family` 0: all), and the token of the next one (`""`: none).

        Raises InvalidPageToken.
        """
        limit = page_size(size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        identity: list[object] = ["ListTrash", owner_id, family]
        params: dict[str, object] = {"owner": owner_id, "family": family, "limit": limit + 1}
        if token:
            params["before"], params["before_id"] = self._tokens.open_moment(identity, token)
        query = _NEXT_PAGE if token else _FIRST_PAGE
        rows = await self._database.read_list(user(owner_id), query, params)
        files = fitting(rows[:limit], lambda row: to_file(row[:-2]))
        if len(files) == len(rows):
            return files, ""
        last = rows[len(files) - 1]
        return files, self._tokens.seal_moment(identity, last[-2], last[-1])

    async def purge(self, owner_id: str, file_id: UUID) -> File:
        """Purge one file. Returns it as it was. Raises FileNotFound, also if it is not in the trash;
        RetentionHeld.
        """

        async def work(tx: Transaction) -> File:
            row = await tx.fetch_one(_LOCK_ONE, {"owner": owner_id, "id": file_id, "family": 0})
            if row is None:
                raise not_found()
            file = to_file(row[:-1])
            await remove(tx, file, row[-1], self._timing.read_grace)
            return file

        return await self._database.transact(user(owner_id), work)

    async def empty(self, owner_id: str, family: int) -> Purged:
        """Purge at most LARGEST_PURGE files of `family` (0: all) in one transaction."""

        async def work(tx: Transaction) -> Purged:
            params = {"owner": owner_id, "family": family, "limit": LARGEST_PURGE + 1}
            rows, [(kept,)] = await tx.fetch_batch([(_LOCK_ALL, params), (_COUNT_HELD, params)])
            doomed = rows[:LARGEST_PURGE]
            if doomed:
                ids, blobs = [row[0] for row in doomed], [row[1] for row in doomed]
                await tx.batch(remove_many(owner_id, ids, blobs, self._timing.read_grace))
            return Purged(len(doomed), sum(row[2] for row in doomed), len(rows) > len(doomed), kept)

        return await self._database.transact(user(owner_id), work, seconds=LARGE_SECONDS)
