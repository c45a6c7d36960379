"""An interrupted verification continues; a complete one begins again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from strongroom.errors import ServiceUnavailable
from strongroom.migrate.entries import Entry
from strongroom.migrate.journal import Journal, Stored
from strongroom.migrate.plans import Header, Plan, writing
from strongroom.migrate.proving import OK
from strongroom.migrate.verification import BATCH, BATCH_BYTES, Verification, Verified

HEADER = Header("plan-1", "2026-11-29T08:00:00+00:00")
FILES = 5 * BATCH


class Prover:
    """Gives the scripted answers; after ``lasts`` batches the service is away."""

    def __init__(self, lasts: int | None = None, wrong: str = "") -> None:
        self.lasts = lasts
        self.wrong = wrong
        self.asked: list[str] = []
        self.batches = 0

    async def prove(self, batch: Sequence[tuple[Entry, Stored]]) -> list[str]:
        if self.lasts is not None and self.batches >= self.lasts:
            raise ServiceUnavailable("away")
        self.batches += 1
        self.asked += [entry.reference for entry, _ in batch]
        return ["it is no longer stored" if entry.reference == self.wrong else OK for entry, _ in batch]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    with writing(tmp_path / "plan.jsonl", HEADER) as add:
        for number in range(FILES):
            add(Entry(f"{number:04}.txt", "alice", "uploads", size=10))
    return Plan(tmp_path / "plan.jsonl")


@pytest.fixture
def journal(plan: Plan) -> Iterator[Journal]:
    """Everything is moved."""
    with Journal.of(plan.path, HEADER) as made:
        entries = [(entry.identity("plan-1"), entry) for entry in plan]
        made.begin(entries)
        made.done([(key, Stored(f"id {key}", f"key {key}", 10, 1, bytes(32))) for key, _ in entries])
        yield made


async def verified(
    plan: Plan, journal: Journal, prover: Prover, *, deep: bool = False, anew: bool = False
) -> Verified:
    verification = Verification(plan, journal, prover, lambda *_: None, deep=deep, anew=anew)  # type: ignore[arg-type]
    return await verification.run(1)


async def test_what_was_proved_before_the_service_went_away_is_not_asked_again(
    plan: Plan, journal: Journal
) -> None:
    first = await verified(plan, journal, Prover(lasts=2))
    assert isinstance(first.ended_by, ServiceUnavailable)
    assert (first.results[OK], first.before) == (2 * BATCH, 0)
    rest = Prover()
    second = await verified(plan, journal, rest)
    assert (second.results, second.before, second.ended_by) == ({OK: FILES}, 2 * BATCH, None)
    assert rest.asked == [f"{number:04}.txt" for number in range(2 * BATCH, FILES)]


async def test_one_that_has_come_to_its_end_is_followed_by_a_whole_one(plan: Plan, journal: Journal) -> None:
    assert (await verified(plan, journal, Prover())).results == {OK: FILES}
    lost = await verified(plan, journal, Prover(wrong="0007.txt"))
    assert (lost.results[OK], lost.wrong, lost.before) == (FILES - 1, 1, 0)
    assert [line.entry.reference for line in lost.lines] == ["0007.txt"]


async def test_what_was_not_proved_is_asked_again(plan: Plan, journal: Journal) -> None:
    await verified(plan, journal, Prover(lasts=1, wrong="0007.txt"))
    rest = Prover()
    assert (await verified(plan, journal, rest)).results == {OK: FILES}
    assert rest.asked[0] == "0007.txt"


@pytest.mark.parametrize(
    ("first", "second", "before"),
    [(False, True, 0), (True, False, BATCH), (True, True, BATCH)],
)
async def test_a_deep_one_does_not_go_on_with_a_shallow_one(
    plan: Plan, journal: Journal, first: bool, second: bool, before: int
) -> None:
    await verified(plan, journal, Prover(lasts=1), deep=first)
    assert (await verified(plan, journal, Prover(), deep=second)).before == before


async def test_a_deep_one_does_not_go_on_with_what_a_shallow_one_has_added(
    plan: Plan, journal: Journal
) -> None:
    await verified(plan, journal, Prover(lasts=1), deep=True)
    assert (await verified(plan, journal, Prover(lasts=1))).before == BATCH
    whole = Prover()
    assert (await verified(plan, journal, whole, deep=True)).before == 0
    assert len(whole.asked) == FILES


async def test_it_begins_anew_when_it_is_told_to(plan: Plan, journal: Journal) -> None:
    await verified(plan, journal, Prover(lasts=1))
    whole = Prover()
    assert (await verified(plan, journal, whole, anew=True)).before == 0
    assert len(whole.asked) == FILES


async def test_what_an_interrupted_one_has_proved_is_all_that_a_cleanup_may_take(
    plan: Plan, journal: Journal
) -> None:
    await verified(plan, journal, Prover())
    await verified(plan, journal, Prover(lasts=1))
    assert sum(record.proof == OK for record in journal.records()) == BATCH


async def test_large_files_are_noted_one_by_one(plan: Plan, journal: Journal) -> None:
    keys = [record.id for record in journal.records()]
    journal.done([(key, Stored(f"id {key}", key, BATCH_BYTES, 1, bytes(32))) for key in keys])
    prover = Prover()
    await verified(plan, journal, prover)
    assert prover.batches == FILES
