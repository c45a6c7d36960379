"""A server that refuses writes: the messages in the log, and the health."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from metadata_service.config import PoolOptions
from metadata_service.db import pool as pools
from metadata_service.db import refusals
from metadata_service.db.database import Database, Transaction, user
from strongroom.errors import DatabaseUnavailable
from tests.integration.metadata_service.world import World

INSERT = "INSERT INTO quotas (owner_id, limit_files) VALUES (%s, 1) ON CONFLICT (owner_id) DO NOTHING"


async def test_the_words_of_the_server_are_logged_once(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the log would not show why everything is DATABASE_UNAVAILABLE."""
    monkeypatch.setattr(refusals, "FULL_SECONDS", 0.0)
    database = Database(world.pool)

    async def write(tx: Transaction) -> None:
        await tx.execute(INSERT, (owner,))

    async def refused(tx: Transaction) -> None:
        await tx.execute("SET TRANSACTION READ ONLY")
        await write(tx)

    with capture_logs() as lines:
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable):
                await database.transact(user(owner), refused)
        await database.transact(user(owner), write)
    first, last = lines
    assert (first["event"], first["log_level"], first["sqlstate"]) == (
        "database_refuses_writes",
        "warning",
        "25006",
    )
    assert first["reason"] == "cannot execute INSERT in a read-only transaction"
    assert last["event"] == "database_takes_writes"


async def test_it_counts_until_a_write_succeeds(world: World, owner: str) -> None:
    database = Database(world.pool)

    async def refused(tx: Transaction) -> None:
        await tx.execute("SET TRANSACTION READ ONLY")
        await tx.execute(INSERT, (owner,))

    with pytest.raises(DatabaseUnavailable):
        await database.transact(user(owner), refused)
    assert not database.takes_writes
    await database.transact(user(owner), lambda tx: tx.execute(INSERT, (owner,)))
    assert database.takes_writes


@pytest.mark.parametrize("young", [-1.0, 60.0])
async def test_a_connection_that_refuses_writes_is_replaced_unless_it_is_new(
    world: World, owner: str, monkeypatch: pytest.MonkeyPatch, young: float
) -> None:
    """A session keeps the default with which it began: after ALTER DATABASE … RESET it would refuse writes
    for as long as the pool keeps it.
    """
    monkeypatch.setattr(pools, "YOUNG_SECONDS", young)

    async def write(tx: Transaction) -> int:
        return await tx.execute(INSERT, (owner,))

    async with pools.make_pool(world.logins.app, PoolOptions(min_size=1, max_size=1)) as pool:
        database = Database(pool)
        async with pool.connection() as connection:
            await connection.execute("SET default_transaction_read_only = on")
        with pytest.raises(DatabaseUnavailable):
            await database.transact(user(owner), write)
        if young > 0:
            with pytest.raises(DatabaseUnavailable):
                await database.transact(user(owner), write)
        else:
            assert await database.transact(user(owner), write) == 1
