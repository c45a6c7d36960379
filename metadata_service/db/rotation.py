"""Fair claims on work of all owners: no owner's backlog delays the others.

Half of a claim takes the rows that are due for longest, regardless of owner, so all work gets done. The other
half goes to owners in turn, one row each. An index that begins with the owner, followed by the claim's order,
finds the next owner with such rows in one step (a skip scan). So an owner's backlog costs the others nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from metadata_service.db.database import Row, Statement, Transaction

#: Most owners that one claim visits: not every owner that has rows has one that is due.
MOST_VISITED: Final = 64
#: The same for a claim that goes by turns only. A step reads about four pages.
MOST_VISITED_BY_TURNS: Final = 1024
#: Statistics may tell the planner that almost nothing waits. Then it reads and sorts all rows, which with a
#: hundred thousand rows is wrong, the more so once for each owner.
BY_INDEX: Final[Statement] = (
    """SELECT set_config('enable_sort', 'off', true), set_config('enable_incremental_sort', 'off', true),
    set_config('enable_bitmapscan', 'off', true)""",
    (),
)

_VISIT: Final = """
WITH RECURSIVE visited AS (
    SELECT %(after)s::text COLLATE "C" AS owner_id, false AS due, 0 AS number, 0 AS found
    UNION ALL
    SELECT next.owner_id, next.due, visited.number + 1, visited.found + next.due::int
    FROM visited CROSS JOIN LATERAL ({first}) AS next
    WHERE visited.number < %(most)s AND visited.found < %(limit)s
)
SELECT owner_id, due FROM visited WHERE number > 0 ORDER BY number
"""


def visit(first: str) -> str:
    """The statement that steps from owner to owner.

    `first`: a query for the next owner after `visited.owner_id`, and whether a row of that owner is due, as
    (owner_id, due).
    """
    return _VISIT.format(first=first)


#: In `of_each`: a condition on the owner whose turn it is. With = the planner might use an index ordered by
#: time alone and search everybody's rows.
TURN: Final = "owner_id BETWEEN turn.owner_id AND turn.owner_id"


def of_each(row: str) -> str:
    """A query for due rows of each of `owners`. `row`: a query that locks the first due rows of the owner of
    `TURN`.
    """
    return f"""
    SELECT one.* FROM unnest(%(owners)s::text[]) AS turn (owner_id) CROSS JOIN LATERAL ({row}) AS one
"""


def new_before_due(rows: str, moment: str, nulls: str = "NULLS FIRST") -> str:
    """A query that locks the first `limit` of `rows` (SELECT … WHERE …): those whose `moment` is null, then
    those whose `moment` has passed.

    `nulls`: their position in the index on `moment`. One condition for both would read all rows that are not
    due, whenever none is due.
    """
    locked = f"ORDER BY {moment} {nulls} LIMIT %(limit)s FOR UPDATE SKIP LOCKED"
    return f"""
    SELECT * FROM (
        SELECT * FROM ({rows} AND {moment} IS NULL {locked}) AS fresh
        UNION ALL
        SELECT * FROM ({rows} AND {moment} <= now() {locked}) AS again
    ) AS either LIMIT %(limit)s
    """


@dataclass
class Rotation:
    """Claims rows fairly. One instance per process and kind of work.

    `oldest` claims `limit` rows; `of_owners` claims rows of each of `owners`; `visited` is made by `visit`.
    Each process starts at a random owner.
    """

    oldest: str
    visited: str
    of_owners: str
    _after: str = field(default_factory=lambda: str(uuid.uuid4()), init=False)

    async def claim(
        self, tx: Transaction, limit: int, params: Mapping[str, object] | None = None
    ) -> list[Row]:
        """Claim at most `limit` rows. This takes one statement if less than half as many are due."""
        if limit < 1:
            return []
        values = {**(params or {}), "limit": limit // 2, "each": 1}
        _, rows = await tx.fetch_batch([BY_INDEX, (self.oldest, values)])
        if len(rows) < limit // 2:
            return rows
        if owners := await self._next(tx, limit - len(rows), values):
            rows += await tx.fetch(self.of_owners, {**values, "owners": owners})
        if len(rows) < limit:
            rows += await tx.fetch(self.oldest, {**values, "limit": limit - len(rows)})
        return rows

    async def claim_by_turns(self, tx: Transaction, limit: int, params: Mapping[str, object]) -> list[Row]:
        """Claim at most `limit` rows, by turns only, for a claim that excludes owners.

        The rows due for longest may all belong to excluded owners, so they are not read. All owners visited
        get equal shares.
        """
        if limit < 1:
            return []
        await tx.execute(*BY_INDEX)
        if owners := await self._next(tx, limit, params, most=MOST_VISITED_BY_TURNS):
            return await tx.fetch(self.of_owners, {**params, "owners": owners, "each": limit // len(owners)})
        return []

    async def look(self, tx: Transaction, limit: int) -> list[Row]:
        """About `limit` rows at most, without claiming: `oldest` and `of_owners` only read. A row may occur
        twice.
        """
        values = {"limit": limit // 2}
        _, rows = await tx.fetch_batch([BY_INDEX, (self.oldest, values)])
        if len(rows) < limit // 2:
            return rows
        owners = await self._next(tx, limit - len(rows), values)
        return rows + (await tx.fetch(self.of_owners, {"owners": owners}) if owners else [])

    async def _next(
        self, tx: Transaction, wanted: int, values: Mapping[str, object], *, most: int = MOST_VISITED
    ) -> list[str]:
        """The next owners who have due rows. A repeated transaction continues after them."""
        params = {**values, "limit": wanted, "after": self._after, "most": most}
        visited = await tx.fetch(self.visited, params)
        owners = [owner for owner, due in visited if due]
        ends = len(owners) < wanted and len(visited) < most
        self._after = "" if ends else visited[-1][0]
        return owners
