"""One replica shows the metrics of what waits in the tables."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from metadata_service.backlog import MOST, Backlog
from metadata_service.db.turn import Turn
from metadata_service.events.wakeups import connect
from tests.databases import Logins
from tests.integration.metadata_service.world import World, make_world


def values(backlog: Backlog) -> dict[tuple[str, ...], float]:
    registry = CollectorRegistry()
    registry.register(backlog)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [one for family in families for one in family.samples]
    return {(one.name, *one.labels.values()): one.value for one in samples}


def blobs(world: World, state: int, count: int, seconds: int) -> None:
    """Create rows that have been due, or silent, for this long."""
    world.logins.rows(
        f"""INSERT INTO blobs (owner_id, id, state, epoch, kind, key, key_shared, content_type, spec,
            object_metadata, reserved_bytes, reserved_files, lease_expires_at, not_before, size_bytes, crc32c)
        SELECT 'someone', gen_random_uuid(), {state}, 1, 1, '{state}/' || n, false, '', '', '{{}}', 0, 0,
            now() - interval '{seconds} s', now() - interval '{seconds} s', 1, 1
        FROM generate_series(1, {count}) AS n RETURNING 1"""
    )


async def test_what_waits_and_for_how_long(own_world: World) -> None:
    turn = Turn()
    backlog = Backlog(own_world.database, turn)
    await backlog.look()
    assert values(backlog) == {}  # no replica has the turn
    blobs(own_world, 1, 3, 100)
    blobs(own_world, 4, 2, 500)
    async with await connect(own_world.logins.app) as connection:
        await turn.take(connection)
        await backlog.look()
        seen = values(backlog)
        assert seen["strongroom_attempts_open", "pending"] == 3
        assert seen["strongroom_attempts_lapsed", "pending"] == 3
        assert 100 <= seen["strongroom_attempts_lapsed_oldest_seconds", "pending"] < 200
        assert seen["strongroom_attempts_open", "completing"] == 0
        assert seen["strongroom_cleaning_due", "deleting"] == 2
        assert 500 <= seen["strongroom_cleaning_due_oldest_seconds", "deleting"] < 600
        assert seen["strongroom_cleaning_due", "project_keys"] == 0
        assert seen[("strongroom_upload_sessions_open",)] == 0
        assert seen["strongroom_webhook_waiting", "dead"] == 0
        assert seen[("strongroom_webhook_due_oldest_seconds",)] == 0
        assert seen["strongroom_webhooks", "active"] == 0
        assert ("strongroom_verify_last_finished_timestamp_seconds",) not in seen
        assert seen["strongroom_table_rows", "files"] >= 0
    assert values(backlog) == {}  # its connection has ended


async def test_a_large_backlog_is_not_counted_to_its_end(own_world: World) -> None:
    blobs(own_world, 4, MOST + 50, 10)
    turn = Turn()
    async with await connect(own_world.logins.app) as connection:
        await turn.take(connection)
        backlog = Backlog(own_world.database, turn)
        await backlog.look()
        assert values(backlog)["strongroom_cleaning_due", "deleting"] == MOST


async def test_the_turn_goes_to_another_when_a_replica_dies(module_database: Logins) -> None:
    one, other = Turn(), Turn()
    async with make_world(module_database) as world:
        first = await connect(world.logins.app)
        async with await connect(world.logins.app) as second:
            await one.take(first)
            await other.take(second)
            assert (one.ours, other.ours) == (True, False)
            await first.close()
            assert not one.ours
            async with asyncio.timeout(60):  # the server notices a closed connection with a delay
                while not other.ours:
                    other._tried = -100.0
                    await other.take(second)
