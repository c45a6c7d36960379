"""Behind PgBouncer in transaction mode: each transaction may meet another session of the server."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest

from metadata_service import startup
from metadata_service.attempts.groups import Groups
from metadata_service.config import MetadataSettings, PoolOptions
from metadata_service.db.database import SYSTEM, Database, user
from metadata_service.db.pool import make_pool
from metadata_service.events.wakeups import Waker, connect
from servicekit.background import Heartbeats
from servicekit.settings import SettingError
from strongroom.errors import DatabaseUnavailable
from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world
from tests.pgbouncer import running_pgbouncer

#: Connections from the pooler to Postgres; the service has five times as many to the pooler.
SERVERS = 2
CLIENTS = 10


@pytest.fixture(scope="module")
def pooled(module_database: Logins, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logins]:
    """The service's login leads through the pooler, the others bypass it."""
    folder = tmp_path_factory.mktemp("pgbouncer")
    with running_pgbouncer(folder, module_database.app, SERVERS) as through:
        yield dataclasses.replace(module_database, app=through)


@pytest.fixture
async def world(pooled: Logins) -> AsyncIterator[World]:
    async with make_world(pooled, pooled=True, min_size=CLIENTS, max_size=CLIENTS) as made:
        yield made


async def test_uploads_and_lists_of_many_share_few_sessions(world: World) -> None:
    """In groups and alone; no owner sees another's rows."""
    owners = [f"pooled-{number}" for number in range(3 * CLIENTS)]
    keys = dict(zip(owners, await asyncio.gather(*(world.upload(owner) for owner in owners)), strict=True))
    listed = await asyncio.gather(
        *(world.database.read(user(owner), "SELECT owner_id, key FROM files") for owner in owners)
    )
    assert listed == [[(owner, keys[owner].key)] for owner in owners]
    rows = world.logins.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name ="
        " 'strongroom-metadata'"
    )
    assert rows[0][0] <= SERVERS


async def test_limits_are_each_transactions_own(world: World, pooled: Logins) -> None:
    names = ("statement_timeout", "lock_timeout", "TimeZone", "idle_in_transaction_session_timeout")
    shown = ", ".join(f"current_setting('{name}')" for name in names)

    async def in_transaction(owner: str) -> tuple[object, ...]:
        return (await world.database.transact(user(owner), lambda tx: tx.fetch(f"SELECT {shown}")))[0]

    found = await asyncio.gather(*(in_transaction(f"o-{number}") for number in range(CLIENTS)))
    assert set(found) == {("15s", "5s", "UTC", "20s")}
    assert await world.database.read(SYSTEM, f"SELECT {shown}") == [found[0]]
    with psycopg.connect(pooled.app, autocommit=True, prepare_threshold=None) as other:
        left = other.execute("SELECT current_setting('statement_timeout'), current_setting('app.uid', true)")
        assert left.fetchone() in {("0", None), ("0", "")}


async def test_a_statement_that_takes_too_long_is_ended(pooled: Logins) -> None:
    async with make_world(pooled, pooled=True, statement=0.2) as made:
        with pytest.raises(DatabaseUnavailable):
            await made.database.read(SYSTEM, "SELECT pg_sleep(60)")


async def test_who_waits_is_woken_past_the_pooler(world: World, module_database: Logins) -> None:
    waker = Waker(lambda: connect(module_database.app))
    database = Database(world.pool, waker.committed)
    world = dataclasses.replace(world, database=database, groups=Groups(database, world.limits))
    woken = asyncio.Event()
    async with waker.running(Heartbeats()):
        with waker.waiting("woken", woken):
            async with asyncio.timeout(60):
                while not woken.is_set():  # until the listener is ready
                    await world.upload("woken")
                    await asyncio.sleep(0)
    assert woken.is_set()


async def test_a_pooler_that_nobody_told_of_is_named(pooled: Logins) -> None:
    pool = make_pool(pooled.app, PoolOptions(min_size=3))
    await startup.open_pool(pool, pooled.app)
    try:
        with pytest.raises(SettingError, match="STRONGROOM_DATABASE_DIRECT_URL") as caught:
            await startup.check(Database(pool))
    finally:
        await pool.close()
    assert "pooler" in str(caught.value)


async def test_the_service_starts_there(pooled: Logins) -> None:
    pool = make_pool(pooled.app, PoolOptions(min_size=3, pooled=True))
    await startup.open_pool(pool, pooled.app)
    try:
        await startup.check(Database(pool))
    finally:
        await pool.close()


def test_the_direct_address_says_that_there_is_a_pooler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_DATABASE_URL", "postgresql://a@pooler/s")
    monkeypatch.setenv("STRONGROOM_JWT_SECRET", "s" * 32)
    assert (MetadataSettings().pool.pooled, MetadataSettings().session_url) == (
        False,
        "postgresql://a@pooler/s",
    )
    monkeypatch.setenv("STRONGROOM_DATABASE_DIRECT_URL", "postgresql://a@server/s")
    assert (MetadataSettings().pool.pooled, MetadataSettings().session_url) == (
        True,
        "postgresql://a@server/s",
    )
