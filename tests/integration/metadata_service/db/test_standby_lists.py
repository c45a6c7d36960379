"""Lists through a read-only login: a standby whose lag is simulated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from prometheus_client import CollectorRegistry
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from metadata_service.config import MetadataSettings, PoolOptions
from metadata_service.db.database import SYSTEM, Database
from metadata_service.db.pool import make_pool
from metadata_service.db.standby import PRIMARY_POSITION, STANDBY_POSITION, Standby
from metadata_service.db.standby_lists import StandbyLists, _position
from metadata_service.files.queries import Listing
from servicekit.background import Heartbeats
from strongroom.errors import DatabaseUnavailable
from tests.databases import Logins
from tests.faults.tcp_proxy import PostgresProxy
from tests.integration.metadata_service.world import World, make_world

_READS = "strongroom_db_standby_transaction_duration_seconds_count"


@dataclass
class Follower:
    """A standby with a simulated position, and the number of answers that came from it."""

    world: World
    standby: Standby
    there: Database
    at: int | None = 0

    async def catch_up(self) -> None:
        self.at = await _position(self.world.database, PRIMARY_POSITION)
        await self.standby.look()

    def answers(self) -> tuple[int, int]:
        samples = {one.labels["server"]: int(one.value) for one in self.standby.collect()[1].samples}
        return samples["standby"], samples["primary"]

    async def keys(self, owner: str) -> list[str]:
        return [file.key for file in (await self.world.queries.page(Listing(owner), 10, "")).files]


@asynccontextmanager
async def following(database: Logins, where: str) -> AsyncIterator[Follower]:
    """A simulated standby with the address ``where``."""
    async with make_world(database) as world, make_pool(where, PoolOptions(min_size=1)) as pool:
        there = Database(pool)

        async def primary() -> int | None:
            return await _position(world.database, PRIMARY_POSITION)

        async def replayed() -> int | None:
            return made.at

        standby = Standby(primary, replayed, 3600.0)
        world.database.with_standby(standby, there)
        made = Follower(world, standby, there)
        yield made


@pytest.fixture
async def follower(module_database: Logins) -> AsyncIterator[Follower]:
    """A standby whose sessions are read-only, like a real one's."""
    read_only = f"{module_database.app}?options=-c%20default_transaction_read_only%3Don"
    async with following(module_database, read_only) as made:
        yield made


async def test_lists_come_from_there_and_never_lack_what_their_owner_wrote(follower: Follower) -> None:
    world = follower.world
    first = await world.upload("ada")
    assert await follower.keys("ada") == [first.key]
    assert follower.answers() == (0, 1)
    await follower.catch_up()  # notes the position, which the standby has reached
    await follower.catch_up()
    assert await follower.keys("ada") == [first.key]
    assert follower.answers() == (1, 1)
    second = await world.upload("ada")  # in a group
    assert sorted(await follower.keys("ada")) == sorted([first.key, second.key])
    await world.delete("ada", first)  # in a transaction of its own
    assert await follower.keys("ada") == [second.key]
    assert await follower.keys("bob") == []
    assert follower.answers() == (2, 3)


async def test_rows_of_others_stay_hidden_there(follower: Follower) -> None:
    await follower.world.upload("eve")
    await follower.catch_up()
    await follower.catch_up()
    rows = await follower.there.read(replace(SYSTEM, uid="mallory", scope=""), "SELECT count(*) FROM files")
    assert rows == [(0,)]


async def test_a_standby_that_is_gone_is_the_primarys_business(follower: Follower) -> None:
    file = await follower.world.upload("zoe")
    await follower.catch_up()
    await follower.catch_up()
    await follower.there._pool.close()
    assert await follower.keys("zoe") == [file.key]
    assert follower.answers() == (0, 1)


async def test_a_standby_that_is_frozen_takes_little_of_the_callers_time(
    module_database: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = conninfo_to_dict(module_database.app)
    with PostgresProxy(str(address["host"]), int(str(address["port"]))) as proxy:
        async with following(module_database, make_conninfo(module_database.app, port=proxy.port)) as frozen:
            file = await frozen.world.upload("uma")
            await frozen.catch_up()
            await frozen.catch_up()
            proxy.hang()
            monkeypatch.setattr("metadata_service.db.database.USER_SECONDS", 3600.0)
            monkeypatch.setattr("metadata_service.db.database.SYSTEM_SECONDS", 3600.0)
            async with asyncio.timeout(60):
                assert await frozen.keys("uma") == [file.key]
                with pytest.raises(DatabaseUnavailable, match="in time"):
                    await _position(frozen.there, STANDBY_POSITION, within=0.1)
            assert frozen.answers() == (0, 1)
            proxy.disarm()


async def test_a_primary_named_as_standby_answers_nothing(follower: Follower) -> None:
    """pg_last_wal_replay_lsn is null on a primary: its lists would be right, but their age would
    be unknown.
    """
    assert await _position(follower.there, STANDBY_POSITION) is None


async def test_operators_see_the_connections_to_it(module_database: Logins) -> None:
    async with make_world(module_database) as world:
        settings = MetadataSettings(
            database_url=module_database.app,
            database_read_url=module_database.app,
            auth="optional",
            internal_secret="s" * 32,
        )
        lists, shown = StandbyLists.of(settings, world.database), CollectorRegistry()
        for collector in lists.collectors:
            shown.register(collector)
        async with lists.running(Heartbeats()), asyncio.timeout(60):
            while not shown.get_sample_value(_READS, {"kind": "read"}):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert shown.get_sample_value("strongroom_db_standby_pool_requests_total")
            assert shown.get_sample_value("strongroom_db_standby_pool_limit") == settings.pool.max_size
        assert shown.get_sample_value("strongroom_db_standby_writable") is None, "it takes no writes"
