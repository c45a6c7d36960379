"""Which rows a claim takes: the oldest ones, then those of the owners in turn."""

from __future__ import annotations

from typing import Any, cast

from metadata_service.db.database import Row, Statement, Transaction
from metadata_service.db.rotation import MOST_VISITED, MOST_VISITED_BY_TURNS, Rotation


class Waiting:
    """Stands in for a transaction: rows by owner in order of time; counts statements."""

    def __init__(self, *owners: str, not_due: tuple[str, ...] = ()) -> None:
        self.rows = list(owners)
        self.not_due = not_due
        self.statements = 0

    async def fetch_batch(self, statements: list[Statement]) -> list[list[Row]]:
        """The planner's settings, and the first half of the claim."""
        query, params = statements[-1]
        return [[], await self.fetch(query, cast("dict[str, Any]", params))]

    async def fetch(self, query: str, params: dict[str, Any]) -> list[Row]:
        """The rows for the statement of this name."""
        self.statements += 1
        if query == "visited":
            return self._visited(params)
        taken = self.rows[: params["limit"]] if query == "oldest" else self._of_each(params)
        for owner in taken:
            self.rows.remove(owner)
        return [(owner,) for owner in taken]

    async def execute(self, query: str, params: object = ()) -> int:
        """The planner's settings."""
        return 1

    def _of_each(self, params: dict[str, Any]) -> list[str]:
        each = {owner: min(params["each"], self.rows.count(owner)) for owner in params["owners"]}
        return [owner for owner, count in each.items() for _ in range(count)]

    def _visited(self, params: dict[str, Any]) -> list[Row]:
        visited: list[Row] = []
        due = set(self.rows) - set(params.get("without", ()))
        for owner in sorted({*self.rows, *self.not_due}):
            is_enough = sum(is_due for _, is_due in visited) >= params["limit"]
            if owner > params["after"] and len(visited) < params["most"] and not is_enough:
                visited.append((owner, owner in due))
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


async def test_who_is_left_out_costs_the_others_a_step() -> None:
    nobody = tuple(f"n{number:03}" for number in range(MOST_VISITED_BY_TURNS - 10))
    waiting = Waiting(*["a"] * 500, *["b"] * 9, "c", "z", not_due=nobody)
    turns = rotation()
    taken = await turns.claim_by_turns(cast("Transaction", waiting), 8, {"without": ["a"]})
    assert sorted(owner for (owner,) in taken) == ["b", "b", "c", "z"], "a share each"
    taken = await turns.claim_by_turns(cast("Transaction", waiting), 8, {"without": ["a"]})
    assert sorted(owner for (owner,) in taken) == ["b"] * 7, "nobody else has any left"
    assert waiting.statements == 4
    assert await turns.claim_by_turns(cast("Transaction", waiting), 0, {"without": ["a"]}) == []
    assert waiting.statements == 4


def test_each_process_begins_somewhere_else() -> None:
    assert len({Rotation("", "", "")._after for _ in range(8)}) == 8
