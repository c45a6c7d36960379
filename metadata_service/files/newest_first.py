"""Pages of detail rows, newest first: by keyset (created_at, file_id), or more slowly by skipping rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from metadata_service.db.database import Database, Row, user
from metadata_service.db.paging import PageTokens
from metadata_service.files.filters import Filter, Folding
from metadata_service.files.rows import COLUMNS, VISIBLE, to_file
from metadata_service.files.search_turns import SearchTurns
from strongroom.errors import InvalidField
from strongroom.metadata.v1.file_pb2 import File

#: Most rows that a page may skip. Each is read with its file; this many take some tenths of a second.
MAX_SKIP: Final = 100_000
#: Pages that skip more rows than this are read in the owner's turn.
SHORT_SKIP: Final = 10_000
#: Counting of filtered lists ends here.
MOST_COUNTED: Final = 50_001
_ORDER: Final = "ORDER BY detail.created_at DESC, detail.file_id DESC"


@dataclass(frozen=True, slots=True)
class Detail:
    """Rows of a detail table that meet ``conditions`` on ``detail`` (the table) and ``files``, with
    ``params``.
    """

    table: str
    owner_id: str
    conditions: tuple[str, ...] = ()
    params: dict[str, object] = field(default_factory=dict)

    def identity(self) -> list[object]:
        """The query that page tokens are bound to."""
        return [
            self.table,
            self.owner_id,
            *(f"{name}={value}" for name, value in sorted(self.params.items())),
        ]


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most ``size`` rows, after ``skip`` rows or after ``token``, not both."""

    size: int
    token: str = ""
    skip: int = 0


class NewestFirst:
    """Reads pages of files through their detail table, whose index has the page's order."""

    def __init__(
        self, database: Database, tokens: PageTokens, folding: Folding, turns: SearchTurns | None = None
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._folding = folding
        self._turns = turns or SearchTurns()

    async def page(self, detail: Detail, request: PageRequest) -> tuple[list[File], str]:
        """A page and the token of the next one (``""``: none).

        Raises InvalidPageToken, InvalidField; RateLimited, Overloaded if many rows are to be skipped.
        """
        if not SHORT_SKIP < request.skip <= MAX_SKIP:
            return await self._page(detail, request)
        async with self._turns.turn(detail.owner_id):
            return await self._page(detail, request)

    async def _page(self, detail: Detail, request: PageRequest) -> tuple[list[File], str]:
        conditions = [f"detail.owner_id = %(owner)s AND {VISIBLE}", *detail.conditions]
        params = {**detail.params, "owner": detail.owner_id, "limit": request.size + 1, "skip": request.skip}
        if request.skip > MAX_SKIP:
            raise InvalidField(
                f"skip passes over at most {MAX_SKIP:,} rows; go on from there with page tokens",
                field="skip",
                rule="lte",
            )
        if request.token:
            if request.skip:
                raise InvalidField("send a page token or a number of rows to skip, not both", field="skip")
            conditions.append("(detail.created_at, detail.file_id) < (%(before)s, %(before_id)s)")
            params["before"], params["before_id"] = self._tokens.open_moment(detail.identity(), request.token)
        # The page's rows are chosen first, so that details are not read for skipped rows.
        query = f"""
            SELECT {COLUMNS}, detail.created_at, detail.file_id FROM (
                SELECT detail.owner_id, detail.created_at, detail.file_id FROM {detail.table} AS detail
                JOIN files ON files.owner_id = detail.owner_id AND files.id = detail.file_id
                WHERE {" AND ".join(conditions)} {_ORDER} LIMIT %(limit)s OFFSET %(skip)s
            ) AS detail
            JOIN files ON files.owner_id = detail.owner_id AND files.id = detail.file_id {_ORDER}"""
        rows = await self._database.read_list(user(detail.owner_id), query, params)
        shown = rows[: request.size]
        files = [to_file(row[:-2]) for row in shown]
        return files, self._token(detail, shown[-1]) if len(rows) > len(shown) else ""

    async def filtered(
        self, detail: Detail, request: PageRequest, wanted: Filter
    ) -> tuple[list[File], int, str]:
        """A page of the rows that also meet ``wanted``, their total, and the next page's token; read in the
        owner's turn.

        The total is exact below ``MOST_COUNTED``, where counting ends. Raises as ``page``; RateLimited,
        Overloaded.
        """
        conditions, params = wanted.conditions(await self._folding.lower())
        narrowed = replace(
            detail,
            conditions=(*detail.conditions, *conditions),
            params={**detail.params, **params},
        )
        async with self._turns.turn(detail.owner_id):
            files, token = await self._page(narrowed, request)
            return files, await self.count(narrowed, MOST_COUNTED), token

    async def count(self, detail: Detail, most: int | None = None) -> int:
        """The number of all rows; counting ends at ``most``."""
        query = f"""
            SELECT count(*) FROM (
                SELECT 1 FROM {detail.table} AS detail
                JOIN files ON files.owner_id = detail.owner_id AND files.id = detail.file_id
                WHERE detail.owner_id = %(owner)s AND {" AND ".join((VISIBLE, *detail.conditions))}
                {f"LIMIT {most:d}" if most is not None else ""}
            ) AS counted"""
        params = {**detail.params, "owner": detail.owner_id}
        rows = await self._database.read_list(user(detail.owner_id), query, params)
        total: int = rows[0][0]
        return total

    def _token(self, detail: Detail, last: Row) -> str:
        return self._tokens.seal_moment(detail.identity(), last[-2], last[-1])
