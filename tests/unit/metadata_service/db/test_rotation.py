"""Whose rows a claim takes: the oldest, then those of the owners whose turn it is."""

from __future__ import annotations

from typing import Any, cast

from metadata_service.db.database import Row, Statement, Transaction
from metadata_service.db.rotation import MOST_VISITED, Rotation


class Waiting:
    """Stands in for a transaction: rows by owner, in the order of time; every statement is counted."""

    def __init__(self, *owners: str, not_due: tuple[str, ...] = ()) -> None:
        self.rows = list(owners)
        self.not_due = not_due
        self.statements = 0

    async def fetch_batch(self, statements: list[Statement]) -> list[list[Row]]:
        """The planner's settings, and the first half."""
        query, params = statements[-1]
        return [[], await self.fetch(query, cast("dict[str, Any]", params))]

    async def fetch(self, query: str, params: dict[str, Any]) -> list[Row]:
        """By the name of the statement."""
        self.statements += 1
        if query == "visited":
            return self._visited(params["after"], params["limit"])
        taken = self.rows[: params["limit"]] if query == "oldest" else params["owners"]
        for owner in taken:
            self.rows.remove(owner)
        return [(owner,) for owner in taken]

    def _visited(self, after: str, limit: int) -> list[Row]:
        visited: list[Row] = []
        for owner in sorted({*self.rows, *self.not_due}):
            if owner > after and len(visited) < MOST_VISITED and sum(due for _, due in visited) < limit:
                visited.append((owner, owner in self.rows))
        return visited


def rotation(after: str = "") -> Rotation:
    made = Rotation("oldest", "visited", "of owners")
    made._after = after
    return made


async def claimed(turns: Rotation, waiting: Waiting, limit: int = 4) -> list[str]:
    return [owner for (owner,) in await turns.claim(cast("Transaction", waiting), limit)]


async def test_where_little_is_due_nobody_is_visited() -> None:
    for owners in ((), ("a",)):
        waiting = Waiting(*owners)
        assert await claimed(rotation(), waiting) == list(owners)
        assert waiting.statements == 1
        assert await claimed(rotation(), waiting, 0) == []
        assert waiting.statements == 1


async def test_one_half_goes_to_owners_by_turns() -> None:
    waiting = Waiting(*"aaaaaaaaaa", "b", "c", "d", "e")
    turns = rotation()
    batches = ["".join(await claimed(turns, waiting)) for _ in range(4)]
    assert batches == ["aaab", "aacd", "aaea", "aa"]


async def test_the_turn_goes_past_those_who_have_nothing_due() -> None:
    nobody = tuple(f"n{number:03}" for number in range(MOST_VISITED + 10))
    waiting = Waiting(*["a"] * 20, "z", not_due=nobody)
    turns = rotation("b")
    assert [("z" in await claimed(turns, waiting)) for _ in range(2)] == [False, True]


async def test_a_claim_of_one_row_is_an_owners_turn() -> None:
    waiting = Waiting("a", "a", "a", "b")
    turns = rotation()
    assert [await claimed(turns, waiting, 1) for _ in range(3)] == [["a"], ["b"], ["a"]]


def test_each_process_begins_somewhere_else() -> None:
    assert len({Rotation("", "", "")._after for _ in range(8)}) == 8
