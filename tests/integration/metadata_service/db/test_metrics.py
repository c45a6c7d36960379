"""Metrics of statements, on a real database."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from psycopg import errors as pg
from psycopg_pool import PoolTimeout

from metadata_service.db.database import Database, Transaction, user
from metadata_service.db.errors import UniqueConflict
from metadata_service.db.metrics import DatabaseMetrics, error_class
from strongroom.errors import DatabaseUnavailable
from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world


def values(metrics: DatabaseMetrics, name: str) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(metrics)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [one for family in families for one in family.samples if one.name == name]
    return {tuple(one.labels.values()): one.value for one in samples}


async def test_transactions_round_trips_errors_and_retries(world: World, owner: str) -> None:
    metrics = DatabaseMetrics()
    database = Database(world.pool, metrics=metrics)
    runs = []

    async def work(tx: Transaction) -> None:
        await tx.execute("INSERT INTO quotas (owner_id, limit_files) VALUES (%s, %s)", (owner, 1))
        runs.append(1)
        if len(runs) == 1:
            raise pg.SerializationFailure("once more")

    await database.transact(user(owner), work)
    with pytest.raises(UniqueConflict):
        await database.transact(user(owner), work)
    await database.read(user(owner), "SELECT 1")
    assert values(metrics, "strongroom_db_transaction_duration_seconds_count") == {
        ("transaction",): 2,
        ("read",): 1,
        ("group",): 0,
    }
    assert values(metrics, "strongroom_db_round_trip_duration_seconds_count")[()] >= 5
    assert values(metrics, "strongroom_db_retries_total") == {(): 1}
    errors = values(metrics, "strongroom_db_errors_total")
    assert set(errors) == {("40",), ("23",)}
    assert values(metrics, "strongroom_db_writable") == {(): 1}


async def test_the_pool_shows_who_waits(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, min_size=1, max_size=1, wait=0.5) as world:
        metrics = DatabaseMetrics()
        database = Database(world.pool, metrics=metrics)
        held = asyncio.create_task(database.read(user(owner), "SELECT pg_sleep(1.5)"))
        await asyncio.sleep(0)
        async with asyncio.timeout(60):
            while values(metrics, "strongroom_db_pool_connections").get(("in_use",)) != 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises(DatabaseUnavailable):
            await database.read(user(owner), "SELECT 1")
        await held
        assert values(metrics, "strongroom_db_pool_limit") == {(): 1}
        assert values(metrics, "strongroom_db_pool_timeouts_total") == {(): 1}
        assert values(metrics, "strongroom_db_pool_wait_seconds_total")[()] >= 0.4
        assert values(metrics, "strongroom_db_errors_total") == {("pool",): 1}


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (pg.DeadlockDetected(), "40"),
        (pg.DiskFull(), "53"),
        (pg.AdminShutdown(), "57"),
        (pg.OperationalError("server closed the connection unexpectedly"), "connection"),
        (PoolTimeout(), "pool"),
        (TimeoutError(), "timeout"),
    ],
)
def test_errors_by_class(error: Exception, name: str) -> None:
    assert error_class(error) == name
