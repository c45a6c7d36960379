"""Chores run with a claim: each fails alone."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from metadata_service.attempts.cleaning import FORGET_REST, CleaningWork, forgetting
from metadata_service.config import Timing
from metadata_service.db.database import SYSTEM, Database, Transaction
from strongroom.errors import DatabaseUnavailable
from tests.integration.metadata_service.world import World, handle


@pytest.mark.parametrize("statement", ["SELECT 1 / 0", "SELECT pg_sleep(30)"])
async def test_a_chore_that_fails_fails_alone(own_world: World, owner: str, statement: str) -> None:
    """Its failure and its recovery are logged once each; later chores run, and the claim returns."""
    ill = True
    done = []

    async def failing(database: Database, _: Timing) -> int:
        async def work(tx: Transaction) -> int:
            await tx.execute("SET LOCAL statement_timeout = '10ms'")
            await tx.execute(statement if ill else "SELECT 1")
            return 0

        return await database.transact(SYSTEM, work)

    async def counted(_: Database, __: Timing) -> int:
        done.append("counted")
        return 1

    cleaning = CleaningWork(own_world.database, own_world.timing, failing, counted)
    blob = await own_world.attempt(owner)
    await own_world.attempts.abandon(handle(blob))
    with capture_logs() as lines:
        (row,), housekept = await cleaning.claim(0)
        assert (str(row.id), housekept) == (blob.id, 1)
        assert await cleaning.claim(0) == ([], 1)
        ill = False
        assert await cleaning.claim(0) == ([], 1)
    assert done == ["counted"] * 3
    told = [(line["event"], line["chore"]) for line in lines if "chore" in line]
    assert told == [("chore_fails", __name__), ("chore_works_again", __name__)]


async def test_a_chore_without_its_database_ends_the_claim(own_world: World) -> None:
    """Writers could not renew their leases either, so none of them is given up."""

    async def away(_: Database, __: Timing) -> int:
        raise DatabaseUnavailable("away")

    cleaning = CleaningWork(own_world.database, own_world.timing, away)
    with pytest.raises(DatabaseUnavailable):
        await cleaning.claim(0)
    assert not cleaning.expiry.counts


async def test_what_only_makes_room_is_looked_for_seldom(own_world: World) -> None:
    """It runs at once again if it found something, otherwise after a while."""
    now, left, looks = 100.0, [3, 2, 0, 0], []

    async def chore(_: Database, __: Timing) -> int:
        looks.append(now)
        return left.pop(0)

    cleaning = CleaningWork(own_world.database, own_world.timing, forgetting(chore, lambda: now))
    assert [(await cleaning.claim(0))[1] for _ in range(4)] == [3, 2, 0, 0]
    now += FORGET_REST
    await cleaning.claim(0)
    assert looks == [100.0, 100.0, 100.0, 100.0 + FORGET_REST]
