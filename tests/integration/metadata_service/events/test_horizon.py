"""Events do not wait for transactions of other databases, and do wait for those of this one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
import pytest

from metadata_service.config import WebhookRules
from metadata_service.events import horizon
from metadata_service.events.lookout import Lookout, Waiter
from metadata_service.events.reader import EventReader
from tests.databases import Logins
from tests.integration.metadata_service.events.test_reader import next_event, watching
from tests.integration.metadata_service.serving import serve
from tests.integration.metadata_service.webhooks.conftest import Hooks
from tests.integration.metadata_service.world import World

EVENT = "INSERT INTO events (owner_id, type, subject_id, payload) VALUES (%s, 2, %s, '{}')"


@contextmanager
def transaction(logins: Logins) -> Iterator[psycopg.Connection]:
    """A transaction that has an id, open until the block ends."""
    with psycopg.connect(logins.superuser) as connection:
        connection.execute("SELECT pg_current_xact_id()")
        yield connection


async def test_a_long_transaction_of_another_database_delays_no_events(
    owner: str, module_database: Logins
) -> None:
    with transaction(module_database.at("postgres")):
        async with serve(module_database) as server:
            module_database.change(EVENT, owner, "before the watch")
            async with watching(server.user(owner)) as call:
                await server.user(owner).upload()
                file = await next_event(call)
                assert file.subject_id != "before the watch"
            async with watching(server.user(owner), file.id) as call:
                module_database.change(EVENT, owner, "later")
                assert (await next_event(call)).subject_id == "later"


async def test_a_long_transaction_of_another_database_delays_no_webhooks(
    owner: str, module_database: Logins, world: World
) -> None:
    hooks = Hooks(world, WebhookRules())
    with transaction(module_database.at("postgres")):
        module_database.change(EVENT, owner, "before the webhook")
        made = await hooks.make(owner)
        module_database.change(EVENT, owner, "after")
        claimed = await hooks.claims.claim(10, 60)
    mine = [one for one in claimed if one.claim.webhook_id == made.webhook.id]
    assert ["after" in one.body.decode() for one in mine] == [True]


@pytest.mark.parametrize("other_too", [False, True])
async def test_an_event_waits_for_older_transactions_of_its_database(
    owner: str, module_database: Logins, world: World, monkeypatch: pytest.MonkeyPatch, other_too: bool
) -> None:
    monkeypatch.setattr(horizon, "LOOK_SECONDS", 0.0)
    reader = EventReader(world.database, 3600)
    waiter = Waiter(owner, await reader.start(owner, ""))
    lookout = Lookout(reader)
    with transaction(module_database.at("postgres") if other_too else module_database):
        with transaction(module_database) as older:
            older.execute(EVENT, (owner, "older"))
            module_database.change(EVENT, owner, "newer")
            with lookout.waiting(waiter):
                await lookout.look()
            assert not waiter.woken.is_set()
            assert await reader.after(owner, waiter.position) == ([], waiter.position)
        if not other_too:
            return
        events, _ = await reader.after(owner, waiter.position)
        assert [event.subject_id for event in events] == ["older", "newer"]


async def test_transactions_of_other_databases_are_looked_up_seldom(
    owner: str, module_database: Logins, world: World
) -> None:
    one = horizon.Horizon(world.database)
    before = await one.params()
    with transaction(module_database.at("postgres")) as other:
        ((xid,),) = other.execute("SELECT pg_current_xact_id()::text")
        module_database.change(EVENT, owner, "a later transaction, so that the snapshot contains the other")
        assert await one.params() == before
        found = await horizon.Horizon(world.database).params()
        assert xid in cast("list[str]", found["elsewhere"])
