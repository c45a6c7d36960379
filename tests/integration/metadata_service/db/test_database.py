"""Transactions under faults: which are retried, which are not, and their results."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from metadata_service.db.database import Transaction, user
from metadata_service.db.errors import UniqueConflict
from strongroom.errors import DatabaseUnavailable, FileNotFound, InvalidField
from tests.databases import Logins
from tests.faults.tcp_proxy import PostgresProxy
from tests.integration.metadata_service.world import World, handle, make_world
from tests.stack import PATIENCE, until

PUT = "INSERT INTO quotas (owner_id, limit_files) VALUES (%s, %s)"
GET = "SELECT limit_files FROM quotas WHERE owner_id = %s"


async def kill(world: World, tx: Transaction) -> None:
    """Close the transaction's connection from outside."""
    row = await tx.fetch_one("SELECT pg_backend_pid()")
    assert row is not None
    await asyncio.to_thread(world.logins.rows, "SELECT pg_terminate_backend(%s, 5000)", row[0])


async def test_connections_that_died_in_the_pool_are_not_noticed(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, min_size=4, max_size=4) as world:
        await asyncio.gather(*(world.database.read(user(owner), "SELECT pg_sleep(0.05)") for _ in range(8)))
        world.logins.rows(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'strongroom-metadata'"
        )
        file = await world.upload(owner)
        assert await world.queries.by_key(owner, file.key) == file


async def test_a_connection_lost_before_the_commit_is_tried_again(world: World, owner: str) -> None:
    runs = []

    async def work(tx: Transaction) -> None:
        runs.append(1)
        await tx.execute(PUT, (owner, 1))
        if len(runs) == 1:
            await kill(world, tx)
            await tx.fetch("SELECT 1")

    await world.database.transact(user(owner), work)
    assert len(runs) == 2
    assert await world.database.read(user(owner), GET, (owner,)) == [(1,)]


async def test_a_connection_lost_at_the_commit_is_in_doubt_and_said_so(world: World, owner: str) -> None:
    runs = []

    async def work(tx: Transaction) -> None:
        runs.append(1)
        await tx.execute(PUT, (owner, 1))
        await kill(world, tx)

    with pytest.raises(DatabaseUnavailable, match="check whether"):
        await world.database.transact(user(owner), work)
    assert len(runs) == 1


async def test_statements_can_travel_with_the_commit(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.fetch("SELECT 1")
        tx.with_commit([(PUT, (owner, 7))])

    await world.database.transact(user(owner), work)
    assert await world.database.read(user(owner), GET, (owner,)) == [(7,)]


async def test_what_fails_with_the_commit_undoes_it(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(PUT, (owner, 1))
        tx.with_commit([(PUT, (owner, 2))])

    with pytest.raises(UniqueConflict) as conflict:
        await world.database.transact(user(owner), work)
    assert conflict.value.constraint == "quotas_pkey"
    assert await world.database.read(user(owner), GET, (owner,)) == []


async def test_serialization_failures_are_run_again(world: World, owner: str) -> None:
    runs = []

    async def work(tx: Transaction) -> int:
        runs.append(1)
        await tx.execute(PUT, (owner, len(runs)))
        if len(runs) < 4:
            raise psycopg.errors.SerializationFailure
        return len(runs)

    assert await world.database.transact(user(owner), work) == 4
    assert await world.database.read(user(owner), GET, (owner,)) == [(4,)]


async def test_they_are_not_run_for_ever(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        raise psycopg.errors.DeadlockDetected

    with pytest.raises(DatabaseUnavailable) as caught:
        await world.database.transact(user(owner), work)
    assert caught.value.retry_after


async def test_a_real_deadlock_ends_well(world: World, owner: str) -> None:
    names = (f"{owner}-a", f"{owner}-b")
    for name in names:
        world.logins.change("INSERT INTO quotas (owner_id, limit_files) VALUES (%s, 0)", name)
    both = asyncio.Barrier(2)

    async def work(first: str, second: str, runs: list[int], tx: Transaction) -> None:
        runs.append(1)
        raise_one = "UPDATE quotas SET limit_files = limit_files + 1 WHERE owner_id = %s"
        await tx.execute(raise_one, (first,))
        if len(runs) == 1:
            await both.wait()
        await tx.execute(raise_one, (second,))

    from functools import partial

    from metadata_service.db.database import SYSTEM

    await asyncio.gather(
        world.database.transact(SYSTEM, partial(work, names[0], names[1], [])),
        world.database.transact(SYSTEM, partial(work, names[1], names[0], [])),
    )
    assert world.logins.rows("SELECT limit_files FROM quotas WHERE owner_id = ANY(%s)", list(names)) == [
        (2,),
        (2,),
    ]


async def test_waiting_for_a_lock_ends(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, lock=0.3) as world:
        blob = await world.attempt(owner)
        with psycopg.connect(world.logins.superuser) as other:
            other.execute("SELECT 1 FROM blobs WHERE id = %s FOR UPDATE", (blob.id,))
            with pytest.raises(DatabaseUnavailable):
                await world.attempts.renew_lease(handle(blob))
        assert await world.attempts.renew_lease(handle(blob)) == world.timing.lease


async def test_a_statement_that_takes_too_long_ends(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, statement=0.3) as world:
        with pytest.raises(DatabaseUnavailable):
            await world.database.read(user(owner), "SELECT pg_sleep(20)")
        assert await world.database.read(user(owner), "SELECT 1") == [(1,)]


async def test_a_frozen_transaction_is_ended_by_the_server(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, transaction=0.3) as world:

        async def work(tx: Transaction) -> None:
            await tx.execute(PUT, (owner, 1))
            await asyncio.sleep(1.0)  # as a frozen process would

        with pytest.raises(DatabaseUnavailable):
            await world.database.transact(user(owner), work)
        assert await world.database.read(user(owner), GET, (owner,)) == []


async def test_more_work_than_connections_waits_and_then_says_so(
    module_database: Logins, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadata_service.db.database.USER_SECONDS", PATIENCE)
    options: dict[str, Any] = {
        "min_size": 1,
        "max_size": 1,
        "wait": 0.3,
        "lock": PATIENCE,
        "statement": PATIENCE,
    }
    waiting = "SELECT 1 FROM pg_locks JOIN pg_database d ON d.oid = database AND datname = current_database()"
    waiting += " WHERE locktype = 'advisory' AND NOT granted"
    async with make_world(module_database, **options) as world:
        await world.pool.wait(PATIENCE)  # opening a connection may take longer than the wait for one
        with psycopg.connect(module_database.superuser, autocommit=True) as holder:
            holder.execute("SELECT pg_advisory_lock(1)")
            slow = asyncio.create_task(world.database.read(user(owner), "SELECT pg_advisory_xact_lock(1)"))
            await asyncio.to_thread(until, "it has the connection", lambda: module_database.rows(waiting))
            with pytest.raises(DatabaseUnavailable):
                await world.database.read(user(owner), "SELECT 1")
        assert len(await slow) == 1


async def test_a_cancelled_caller_leaves_nothing_behind(module_database: Logins, owner: str) -> None:
    async with make_world(module_database, min_size=1, max_size=1) as world:

        async def work(tx: Transaction) -> None:
            await tx.execute(PUT, (owner, 1))
            await tx.fetch("SELECT pg_sleep(20)")

        task = asyncio.create_task(world.database.transact(user(owner), work))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await world.database.read(user(owner), GET, (owner,)) == []


async def test_what_work_raises_undoes_it(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(PUT, (owner, 1))
        raise FileNotFound("no")

    with pytest.raises(FileNotFound):
        await world.database.transact(user(owner), work)
    assert await world.database.read(user(owner), GET, (owner,)) == []


async def test_a_failed_transaction_is_never_taken_for_committed(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(PUT, (owner, 1))
        with pytest.raises(psycopg.errors.UndefinedTable):
            await tx.fetch("SELECT * FROM no_such_table")

    with pytest.raises(psycopg.InternalError, match="rolled back"):
        await world.database.transact(user(owner), work)


async def test_unique_conflicts_are_named_also_inside_a_batch(world: World, owner: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.batch([(PUT, (owner, 1)), (PUT, (owner, 2)), ("SELECT 1", ())])

    with pytest.raises(UniqueConflict) as caught:
        await world.database.transact(user(owner), work)
    assert caught.value.constraint == "quotas_pkey"
    assert await world.database.read(user(owner), GET, (owner,)) == []


async def test_text_that_cannot_be_stored_is_the_callers_fault(world: World, owner: str) -> None:
    with pytest.raises(InvalidField):
        await world.database.read(user(owner), "SELECT %s::text", ("a\0b",))
    with pytest.raises(InvalidField):
        await world.database.read(user(owner), "SELECT %s::jsonb", (r'{"a": "\u0000"}',))


async def test_a_server_that_is_not_there(unused_tcp_port: int, module_database: Logins, owner: str) -> None:
    from metadata_service.config import PoolOptions
    from metadata_service.db.database import Database
    from metadata_service.db.pool import make_pool

    pool = make_pool(f"postgresql://a@127.0.0.1:{unused_tcp_port}/a", PoolOptions(wait=0.5, min_size=1))
    await pool.open()
    try:
        with pytest.raises(DatabaseUnavailable):
            await Database(pool).read(user(owner), "SELECT 1")
    finally:
        await pool.close()


async def test_an_empty_owner_is_nobody() -> None:
    with pytest.raises(ValueError, match="owner"):
        user("")


async def test_lists_of_numbers_of_any_size_follow_one_another(world: World) -> None:
    query = "SELECT unnest(%(numbers)s::bigint[])"
    for numbers in ([1, 2], [241294382], [1, 2**40], [3]):
        rows = await world.database.read(user("alice"), query, {"numbers": numbers})
        assert [row[0] for row in rows] == numbers


async def test_who_waits_no_longer_than_that_is_answered_though_the_server_is_frozen(
    module_database: Logins, owner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = conninfo_to_dict(module_database.app)
    with PostgresProxy(str(address["host"]), int(str(address["port"]))) as proxy:
        through = make_conninfo(module_database.app, port=proxy.port)
        async with make_world(replace(module_database, app=through)) as world:
            await world.database.read(user(owner), "SELECT 1")
            proxy.hang()
            began = time.monotonic()
            with monkeypatch.context() as brief:
                brief.setattr("metadata_service.db.database.USER_SECONDS", 0.2)
                with pytest.raises(DatabaseUnavailable, match="in time"):
                    await world.database.read(user(owner), "SELECT 1")
            assert time.monotonic() - began < 9, "it waited for a CANCEL that nobody answers"
            proxy.disarm()
            assert await world.database.read(user(owner), "SELECT 1") == [(1,)]


async def test_a_query_ends_with_the_caller_who_left(module_database: Logins, owner: str) -> None:
    running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE %s"
    async with make_world(module_database, statement=3600, transaction=3600) as world:

        def asked() -> bool:
            return module_database.rows(running, "SELECT pg_sleep(3599)%") == [(1,)]

        caller = asyncio.create_task(world.database.read(user(owner), "SELECT pg_sleep(3599)"))
        await asyncio.to_thread(until, "the query runs", asked)
        caller.cancel()
        await asyncio.to_thread(until, "the server has ended it", lambda: not asked())
