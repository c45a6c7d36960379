"""Queries of an owner's generations: pages with totals, and statistics from one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

from metadata_service.db.database import Database, user
from metadata_service.files.deletion import not_found
from metadata_service.files.filters import Filter
from metadata_service.files.newest_first import Detail, NewestFirst, PageRequest
from metadata_service.files.queries import FileQueries
from strongroom.metadata.v1.file_pb2 import FILE_FAMILY_GENERATION, File

DEFAULT_PAGE: Final = 20
LARGEST_PAGE: Final = 100
DAYS: Final = 30

_TOTAL: Final = """
SELECT coalesce(sum(count), 0)::bigint FROM generation_tallies
WHERE owner_id = %(owner)s AND (%(type)s::int = 0 OR type = %(type)s::int)
"""
#: One statement, so one snapshot. Rows: (type, day or null for all days, count, bytes).
_STATS: Final = """
SELECT type, NULL::date, sum(count)::bigint, sum(size_bytes)::bigint FROM generation_tallies
WHERE owner_id = %(owner)s GROUP BY type
UNION ALL
SELECT 0::smallint, day, sum(count)::bigint, sum(size_bytes)::bigint FROM generation_tallies
WHERE owner_id = %(owner)s AND day > (now() AT TIME ZONE 'UTC')::date - %(days)s::int GROUP BY day
UNION ALL
SELECT -1::smallint, (now() AT TIME ZONE 'UTC')::date, 0::bigint, 0::bigint
"""


@dataclass(frozen=True, slots=True)
class Tally:
    """Number and bytes of some generations."""

    count: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """Statistics at one instant: ``by_type`` without empty types, ``by_day`` for the last 30 days, oldest
    first.
    """

    by_type: dict[int, Tally]
    by_day: dict[date, Tally]

    @property
    def total(self) -> Tally:
        """Over all types."""
        tallies = self.by_type.values()
        return Tally(sum(t.count for t in tallies), sum(t.size_bytes for t in tallies))


class GenerationQueries:
    """Reads generations."""

    def __init__(self, database: Database, files: FileQueries, pages: NewestFirst) -> None:
        self._database = database
        self._files = files
        self._pages = pages

    async def by_id(self, owner_id: str, file_id: UUID) -> File:
        """One generation. Raises FileNotFound, also for a file of another family."""
        file = await self._files.by_id(owner_id, file_id)
        if file.family != FILE_FAMILY_GENERATION:
            raise not_found()
        return file

    async def page(
        self, owner_id: str, kind: int, request: PageRequest, wanted: Filter | None = None
    ) -> tuple[list[File], int, str]:
        """A page, the total of matching generations, and the next page's token. ``kind`` 0: all types.

        The total is exact, with a filter only up to ``newest_first.MOST_COUNTED``.
        """
        detail = Detail("generations", owner_id)
        if kind:
            detail = Detail("generations", owner_id, ("detail.type = %(type)s",), {"type": kind})
        if wanted is not None and not wanted.is_empty:
            return await self._pages.filtered(detail, request, wanted)
        files, token = await self._pages.page(detail, request)
        rows = await self._database.read_list(user(owner_id), _TOTAL, {"owner": owner_id, "type": kind})
        return files, rows[0][0], token

    async def stats(self, owner_id: str) -> Stats:
        """Statistics of an owner from one snapshot."""
        rows = await self._database.read_list(user(owner_id), _STATS, {"owner": owner_id, "days": DAYS})
        today: date = next(row[1] for row in rows if row[0] == -1)
        counted = {row[1]: Tally(row[2], row[3]) for row in rows if row[0] == 0}
        days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
        by_type = {row[0]: Tally(row[2], row[3]) for row in sorted(rows, key=lambda r: r[0]) if row[0] > 0}
        return Stats(
            by_type={kind: tally for kind, tally in by_type.items() if tally.count},
            by_day={day: counted.get(day, Tally()) for day in days},
        )
