"""A run continues its plan, and refuses one whose lines changed after they were moved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from strongroom.errors import RateLimited, ServiceUnavailable, SizeLimitExceeded, StrongroomError
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import DONE, FAILED, Journal, Stored
from strongroom.migrate.plans import Header, Plan, writing
from strongroom.migrate.problems import PlanProblem
from strongroom.migrate.running import Choice, Outcome, Run

HEADER = Header("plan-1", "2026-11-29T08:00:00+00:00")
LINES = tuple(Entry(f"{n:03}.txt", f"owner-{n % 2}", "uploads", size=10) for n in range(40))


class Mover:
    """Stores the given files; ``fails``: errors by reference."""

    def __init__(self, fails: dict[str, StrongroomError] | None = None) -> None:
        self.fails = fails or {}
        self.moved: list[str] = []

    async def move(self, entry_id: str, entry: Entry, _since: float | None, _report: object) -> Stored:
        if entry.reference in self.fails:
            raise self.fails[entry.reference]
        self.moved.append(entry.reference)
        return Stored(f"id {entry_id}", f"key {entry_id}", 10, 1, bytes(32))


def planned(path: Path, lines: tuple[Entry, ...] = LINES) -> Plan:
    with writing(path / "plan.jsonl", HEADER) as add:
        for line in lines:
            add(line)
    return Plan(path / "plan.jsonl")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal", HEADER) as made:
        yield made


async def run(plan: Plan, journal: Journal, mover: Mover, choice: Choice | None = None) -> Outcome:
    chosen = choice or Choice()
    return await Run(plan, journal, mover, lambda *_: None, jobs=4, choice=chosen).run()  # type: ignore[arg-type]


async def test_what_ends_together_is_noted_before_the_run_is_over(tmp_path: Path, journal: Journal) -> None:
    outcome = await run(planned(tmp_path), journal, Mover())
    assert (outcome.moved, outcome.failed) == (len(LINES), 0)
    assert journal.counts() == {DONE: len(LINES)}
    assert (await run(planned(tmp_path), journal, Mover())).before == len(LINES)


async def test_owners_and_numbers_are_chosen(tmp_path: Path, journal: Journal) -> None:
    plan, mover = planned(tmp_path), Mover()
    await run(plan, journal, mover, Choice("owner-1", 3))
    assert mover.moved == ["001.txt", "003.txt", "005.txt"]
    again = await run(plan, journal, mover, Choice("owner-1"))
    assert (again.before, again.moved) == (3, 17)


async def test_what_fails_spoils_nothing_else_and_is_tried_again(tmp_path: Path, journal: Journal) -> None:
    plan = planned(tmp_path)
    outcome = await run(plan, journal, Mover({"007.txt": SizeLimitExceeded("too large")}))
    assert (outcome.moved, outcome.codes) == (len(LINES) - 1, {"SIZE_LIMIT_EXCEEDED": 1})
    assert journal.counts()[FAILED] == 1
    assert (await run(plan, journal, Mover())).moved == 1


@pytest.mark.parametrize("error", [ServiceUnavailable("away"), RateLimited("for minutes")])
async def test_what_holds_for_all_ends_the_run_and_fails_no_line(
    tmp_path: Path, journal: Journal, error: StrongroomError
) -> None:
    plan = planned(tmp_path)
    outcome = await run(plan, journal, Mover({"007.txt": error}))
    assert (outcome.ended_by, outcome.failed) == (error, 0)
    assert (await run(plan, journal, Mover())).ended_by is None
    assert journal.counts() == {DONE: len(LINES)}


async def test_a_line_that_was_changed_after_it_was_moved_is_refused(
    tmp_path: Path, journal: Journal
) -> None:
    await run(planned(tmp_path), journal, Mover())
    changed = (*LINES[:7], replace(LINES[7], owner="somebody else"), *LINES[8:])
    with pytest.raises(PlanProblem, match=r"'007\.txt' was moved before its line"):
        await run(planned(tmp_path, changed), journal, Mover())


async def test_lines_may_be_changed_before_they_are_moved_and_left_out_afterwards(
    tmp_path: Path, journal: Journal
) -> None:
    await run(planned(tmp_path), journal, Mover(), Choice(first=5))
    changed = (*LINES[1:7], replace(LINES[7], owner="somebody else"), *LINES[8:])
    outcome = await run(planned(tmp_path, changed), journal, Mover())
    assert (outcome.before, outcome.moved) == (4, len(LINES) - 5)
