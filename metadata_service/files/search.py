"""Search: an owner's files of all families that meet a filter, newest first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from metadata_service.db.database import Database, Row, Statement, Transaction, user
from metadata_service.db.paging import PageTokens, fitting, page_size
from metadata_service.files.filters import Filter, Folding
from metadata_service.files.queries import DEFAULT_PAGE, LARGEST_PAGE, after_prefix
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from metadata_service.files.search_turns import SearchTurns
from strongroom.metadata.v1.file_pb2 import File, FileFamily

#: Most rows that are examined for one page. Such a page may be short or empty; its token continues after
#: them.
MOST_LOOKED_AT: Final = 50_000

#: Under row-level security the planner expects few rows per owner, and would read and sort all of them.
_IN_ORDER: Final[Statement] = (
    """SELECT set_config('enable_sort', 'off', true), set_config('enable_bitmapscan', 'off', true),
    set_config('max_parallel_workers_per_gather', '0', true)""",
    (),
)
_BRANCH: Final = f"""
(SELECT files.owner_id, files.id, files.created_at FROM files
WHERE files.owner_id = %(owner)s AND files.family = {{family}} AND {VISIBLE} {{conditions}}
ORDER BY files.created_at DESC, files.id DESC)
"""
_FAMILIES: Final = tuple(number for number in FileFamily.values() if number)


@dataclass(frozen=True, slots=True)
class Search:
    """Which files: those of one family or (0) all, whose keys begin with `prefix`, and which meet
    `filter`.
    """

    owner_id: str
    family: int = 0
    prefix: str = ""
    filter: Filter = field(default_factory=Filter)

    def identity(self) -> list[object]:
        """The query that page tokens are bound to."""
        wanted = self.filter
        return [
            "SearchFiles",
            self.owner_id,
            self.family,
            self.prefix,
            wanted.query,
            wanted.content_type,
            str(wanted.created_after),
            str(wanted.created_before),
            str(wanted.min_size),
            str(wanted.max_size),
            *sorted(wanted.settings.items()),
        ]


class Searcher:
    """Finds files, in ``turns``."""

    def __init__(
        self, database: Database, tokens: PageTokens, folding: Folding, turns: SearchTurns | None = None
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._folding = folding
        self._turns = turns or SearchTurns()

    async def page(self, wanted: Search, size: int, token: str) -> tuple[list[File], str]:
        """A page, newest first, and the token of the next one (`""`: none).

        If few of many files match, a page may be short or empty and still have a token. `size` 0 means 100;
        more than 1,000 is lowered. Raises InvalidPageToken, InvalidField, RateLimited, Overloaded.
        """
        async with self._turns.turn(wanted.owner_id):
            return await self._page(wanted, size, token)

    async def _page(self, wanted: Search, size: int, token: str) -> tuple[list[File], str]:
        limit = page_size(size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        looked_at, params = self._looked_at(wanted, token)
        conditions, values = wanted.filter.conditions(await self._folding.lower())
        query = f"""
            SELECT {COLUMNS}, files.created_at, files.id FROM ({looked_at} LIMIT {MOST_LOOKED_AT}) AS seen
            JOIN files ON files.owner_id = seen.owner_id AND files.id = seen.id
            {"WHERE " + " AND ".join(conditions) if conditions else ""}
            ORDER BY seen.created_at DESC, seen.id DESC LIMIT {limit + 1}"""
        rows = await self._read(wanted, query, {**params, **values})
        files = fitting(rows[:limit], lambda row: to_file(row[:-2]))
        if len(files) < len(rows):
            return files, self._token(wanted, rows[len(files) - 1])
        behind = f"SELECT created_at, id FROM ({looked_at} OFFSET {MOST_LOOKED_AT - 1} LIMIT 1) AS seen"
        last = await self._read(wanted, behind, params)
        return files, self._token(wanted, last[0]) if last else ""

    async def _read(self, wanted: Search, query: str, params: dict[str, object]) -> list[Row]:
        async def work(tx: Transaction) -> list[Row]:
            return (await tx.fetch_batch([_IN_ORDER, (query, params)]))[1]

        return await self._database.transact(user(wanted.owner_id), work)

    def _looked_at(self, wanted: Search, token: str) -> tuple[str, dict[str, object]]:
        """The rows in the order of the page, each family from its own index range."""
        conditions: list[str] = []
        params: dict[str, object] = {"owner": wanted.owner_id}
        if token:
            conditions.append("AND (files.created_at, files.id) < (%(before)s, %(before_id)s)")
            params["before"], params["before_id"] = self._tokens.open_moment(wanted.identity(), token)
        if wanted.prefix:
            conditions.append("AND files.key >= %(prefix)s")
            params["prefix"] = wanted.prefix
        if until := after_prefix(wanted.prefix):
            conditions.append("AND files.key < %(until)s")
            params["until"] = until
        families = (wanted.family,) if wanted.family else _FAMILIES
        branches = [_BRANCH.format(family=int(one), conditions=" ".join(conditions)) for one in families]
        together = " UNION ALL ".join(branches)
        return f"SELECT * FROM ({together}) AS newest ORDER BY created_at DESC, id DESC", params

    def _token(self, wanted: Search, last: Row) -> str:
        return self._tokens.seal_moment(wanted.identity(), last[-2], last[-1])
