"""Claims on work of all owners, in which nobody waits behind somebody else's thousands.

One half of a claim is what is due for longest, as though nobody had an owner: so all work gets done, whoever
it belongs to. The other half goes to owners one after the other, a row each. An index that begins with the
owner (and has the claim's order after it) names the next one who has such rows by one step (a skip scan), so
what an owner has waiting costs the others nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from metadata_service.db.database import Row, Statement, Transaction

#: Owners that one claim looks at: not of all who have rows is one due.
MOST_VISITED: Final = 64
#: Where turns are all that a claim goes by. A step takes four pages or so.
MOST_VISITED_BY_TURNS: Final = 1024
#: The planner's statistics may say that next to nothing waits: what reads and sorts it all is right for that,
#: and for a hundred thousand rows, once for each owner, it is not.
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
    """The statement that goes from owner to owner. `first`: the next owner after `visited.owner_id` and
    whether one of the rows is due, as (owner_id, due).
    """
    return _VISIT.format(first=first)


#: In `of_each`, whose turn it is. By =, the planner may look for an owner in an index that is ordered by time
#: alone, behind everybody's rows.
TURN: Final = "owner_id BETWEEN turn.owner_id AND turn.owner_id"


def of_each(row: str) -> str:
    """What is due of each of `owners`, for a claim. `row`: locks the first one that is due of `TURN`."""
    return f"""
    SELECT one.* FROM unnest(%(owners)s::text[]) AS turn (owner_id) CROSS JOIN LATERAL ({row}) AS one
"""


def new_before_due(rows: str, moment: str, nulls: str = "NULLS FIRST") -> str:
    """The first `limit` of `rows` (SELECT … WHERE …), locked: those whose `moment` is null, and then those
    for whom it has come. `nulls`: as an index by `moment` has it. Both asked in one condition would read what
    is not due to its end, whenever nothing is.
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
    """One per process and kind of work. `oldest` claims `limit` rows, and `of_owners` a row of each of
    `owners`; `visited` is made by `visit`. Where it goes on is no promise: each process begins anywhere.
    """

    oldest: str
    visited: str
    of_owners: str
    _after: str = field(default_factory=lambda: str(uuid.uuid4()), init=False)

    async def claim(
        self, tx: Transaction, limit: int, params: Mapping[str, object] | None = None
    ) -> list[Row]:
        """At most `limit` rows. Where less than half as many are due, that costs one statement."""
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
        """At most `limit` rows, for a claim that leaves owners out: what is due for longest may be theirs,
        however many rows, so it isn't read. Each of the others whose turn it is has the same share.
        """
        if limit < 1:
            return []
        await tx.execute(*BY_INDEX)
        if owners := await self._next(tx, limit, params, most=MOST_VISITED_BY_TURNS):
            return await tx.fetch(self.of_owners, {**params, "owners": owners, "each": limit // len(owners)})
        return []

    async def look(self, tx: Transaction, limit: int) -> list[Row]:
        """At most about `limit` rows, of work that stays where it is until it was done: `oldest` and
        `of_owners` read. A row may come twice.
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
        """Owners of whom something is due. A transaction that is run again goes on with those after them."""
        params = {**values, "limit": wanted, "after": self._after, "most": most}
        visited = await tx.fetch(self.visited, params)
        owners = [owner for owner, due in visited if due]
        ends = len(owners) < wanted and len(visited) < most
        self._after = "" if ends else visited[-1][0]
        return owners
